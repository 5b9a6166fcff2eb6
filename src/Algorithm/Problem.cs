using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;

namespace Picograd.Algorithms;

/// <summary>
/// What is tuned, certified, stored and served: an algorithm, and what its inputs hold. Its identity is its text; an operator
/// instance is one way to come by one, whose text form is then the <see cref="Label"/>.
/// </summary>
public sealed class Problem : IEquatable<Problem>
{
    private readonly Algorithm? _algorithm;
    private readonly Lazy<string> _text;
    private readonly OperatorRange? _range;
    private readonly Lazy<Problem>? _atPoint;

    private Problem(
        Algorithm? algorithm,
        ImmutableArray<InputDomain> domains,
        OperatorSpec? spec,
        string? label,
        OperatorRange? range = null
    )
    {
        _range = range;
        _atPoint = algorithm is { Parameters.IsEmpty: false } ? new(() => At(Point)) : null;
        _algorithm = algorithm;
        Operator = spec;
        Domains = domains;
        _text = new(() => new AlgorithmWriter(Algorithm, Domains, byPosition: false).Write());
        Label = label ?? spec?.ToString() ?? LabelOf(Algorithm, Hash);
    }

    /// <summary>What is computed; the same object every time, so that its buffers can be used as keys.</summary>
    public Algorithm Algorithm => _algorithm ?? Operator!.Build();

    /// <summary>What each input holds, in the order of the algorithm's inputs.</summary>
    public ImmutableArray<InputDomain> Domains { get; }

    /// <summary>The operator instance that it is; null for an algorithm that no operator names.</summary>
    public OperatorSpec? Operator { get; }

    /// <summary>For people, in one line: the operator instance, or the algorithm's name with sizes and the beginning of its hash.</summary>
    public string Label { get; }

    /// <summary>The canonical text: <see cref="AlgorithmText"/> with what the inputs hold. Two problems are equal if their texts are.</summary>
    public string Text => _text.Value;

    /// <summary>Hash of the text with names by position: equal for problems that differ in names only.</summary>
    public string Hash => AlgorithmText.Digest(new AlgorithmWriter(Algorithm, Domains, byPosition: true).Write());

    /// <summary>Whether extents are symbolic: the problem is one for every value within their bounds.</summary>
    public bool IsRange => !Algorithm.Parameters.IsEmpty;

    /// <summary>Values of the symbolic extents at which it is measured: see <see cref="OperatorRange"/>.</summary>
    public ImmutableArray<long> Point =>
        _range?.Point ?? [.. Algorithm.Parameters.Select(p => OperatorRange.PointOf(p.Min, p.Max))];

    /// <summary>The problem at <see cref="Point"/>, the same object every time; itself where no extent is symbolic.</summary>
    public Problem AtPoint => _atPoint?.Value ?? this;

    /// <summary>The problem with values for its symbolic extents.</summary>
    /// <param name="extents">In the order of the algorithm's parameters.</param>
    /// <exception cref="ArgumentException">Not one value each, or one out of its bounds.</exception>
    public Problem At(IReadOnlyList<long> extents) =>
        _range is not null ? Of(_range.At(extents)) : Of(Algorithm.WithExtents(extents).Algorithm, Domains);

    /// <summary>
    /// Values of the symbolic extents at which this is another problem, one of constant extents; null where there are none within
    /// the bounds.
    /// </summary>
    public ImmutableArray<long>? ExtentsOf(Problem closed)
    {
        ArgumentNullException.ThrowIfNull(closed);
        if (!IsRange || closed.IsRange || Algorithm.Arguments.Length != closed.Algorithm.Arguments.Length)
            return null;
        var values = new long?[Algorithm.Parameters.Length];
        foreach (var (open, given) in Algorithm.Arguments.Zip(closed.Algorithm.Arguments))
        {
            for (int d = 0; d < Math.Min(open.Rank, given.Rank); d++)
            {
                for (int i = 0; i < values.Length; i++)
                {
                    if (ReferenceEquals(open.Shape[d], Algorithm.Parameters[i].Var) && given.Shape[d] is IntImm extent)
                        values[i] = extent.Value;
                }
            }
        }
        for (int i = 0; i < values.Length; i++)
        {
            if (
                values[i] is not { } value
                || value < Algorithm.Parameters[i].Min
                || value > Algorithm.Parameters[i].Max
            )
                return null;
        }
        ImmutableArray<long> extents = [.. values.Select(v => v!.Value)];
        // Both with their extents' arithmetic folded in one way.
        return
            AlgorithmHash.Full(Algorithm.WithExtents(extents).Algorithm)
            == AlgorithmHash.Full(closed.Algorithm.WithExtents([]).Algorithm)
            ? extents
            : null;
    }

    /// <summary>Arithmetic operations on data: one for each add, multiply, compare-and-keep or function call.</summary>
    public double Flops => OperatorCost.Flops(Algorithm);

    /// <summary>Bytes that any implementation must move between memory and processor.</summary>
    public long MinBytes => Operator?.MinBytes ?? OperatorCost.Bytes(Algorithm);

    /// <summary>The kinds of inputs that tell right kernels from wrong ones.</summary>
    public IEnumerable<InputKind> CertificationKinds => SampleInputs.KindsFor(Algorithm);

    public static implicit operator Problem(OperatorSpec spec) => Of(spec);

    /// <summary>The problem of an operator instance.</summary>
    public static Problem Of(OperatorSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.Problem;
    }

    /// <summary>The problem of an operator's text form, which may have ranges: see <see cref="OperatorRange"/>.</summary>
    /// <exception cref="OperatorSpecException">The text is malformed.</exception>
    public static Problem OfOperator(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!OperatorRange.IsRange(text))
            return Of(OperatorSpec.Parse(text));
        var range = OperatorRange.Parse(text);
        var smallest = Of(range.At([.. range.Algorithm.Parameters.Select(p => p.Min)]));
        // Indices that are valid in the smallest are in all.
        return new(range.Algorithm, smallest.Domains, null, range.Text, range);
    }

    /// <summary>The problem of any algorithm.</summary>
    /// <param name="algorithm">What is computed.</param>
    /// <param name="domains">What each input holds; default: any numbers.</param>
    /// <exception cref="ArgumentException">Not one domain an input.</exception>
    public static Problem Of(Algorithm algorithm, ImmutableArray<InputDomain> domains = default)
    {
        ArgumentNullException.ThrowIfNull(algorithm);
        if (domains.IsDefault)
            domains = [.. algorithm.Inputs.Select(_ => InputDomain.Any)];
        if (domains.Length != algorithm.Inputs.Length)
            throw new ArgumentException(
                $"{algorithm.Name} has {algorithm.Inputs.Length} inputs, {domains.Length} domains were given",
                nameof(domains)
            );
        return new(algorithm, domains, null, null);
    }

    /// <summary>Reads <see cref="Text"/>.</summary>
    /// <exception cref="AlgorithmTextException">The text is no algorithm.</exception>
    public static Problem Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var (algorithm, domains) = new AlgorithmParser(text).Parse();
        return Of(algorithm, domains);
    }

    /// <summary>What label and text of a problem say together, as messages and records hold them.</summary>
    /// <param name="label">An operator instance, or what <see cref="Label"/> gives another algorithm.</param>
    /// <param name="text">The canonical text; empty where the label alone says it, as in old records.</param>
    /// <exception cref="AlgorithmTextException">The text is no algorithm.</exception>
    /// <exception cref="OperatorSpecException">There is no text, and the label is no operator instance.</exception>
    public static Problem Read(string label, string text)
    {
        ArgumentNullException.ThrowIfNull(label);
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length == 0)
            return OfOperator(label);
        return OperatorOf(label) is { } named && named.Text == text ? named : Parse(text);
    }

    /// <summary>
    /// Arrays for every input, valid for the problem, never zero but for <see cref="InputKind.Extreme"/>, exactly representable in
    /// their types; the same for the same seed.
    /// </summary>
    public IReadOnlyDictionary<Buffer, NDArray> MakeInputs(int seed, InputKind kind = InputKind.Normal) =>
        SampleInputs.Make(this, seed, kind);

    /// <summary>What an input holds.</summary>
    public InputDomain DomainOf(Buffer input) => Domains[Algorithm.Inputs.IndexOf(input)];

    public bool Equals(Problem? other) =>
        other is not null
        && (
            ReferenceEquals(this, other)
            || (Operator is not null && Operator.Equals(other.Operator))
            || ((Operator is null || other.Operator is null) && Text == other.Text)
        );

    public override bool Equals(object? obj) => Equals(obj as Problem);

    // Of the shapes only, which the text of an operator and that of its algorithm have in common.
    public override int GetHashCode() =>
        Algorithm.Arguments.Aggregate(
            Algorithm.Stages.Length,
            (hash, a) => a.Shape.Aggregate(HashCode.Combine(hash, a.Rank), (h, e) => HashCode.Combine(h, e as IntImm))
        );

    /// <summary>The label.</summary>
    public override string ToString() => Label;

    /// <summary>The problem of an instance whose domains its definition knows.</summary>
    internal static Problem OfOperator(OperatorSpec spec) =>
        new(null, [.. spec.Build().Inputs.Select(b => spec.Definition.Domain(spec, b))], spec, null);

    private static Problem? OperatorOf(string label)
    {
        try
        {
            return OfOperator(label);
        }
        catch (OperatorSpecException)
        {
            return null;
        }
    }

    // gated:1a2b3c4d 256x768 768
    private static string LabelOf(Algorithm algorithm, string hash)
    {
        string name = new([
            .. algorithm.Name.Where(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-').Take(40),
        ]);
        var shapes = algorithm.Inputs.Take(8).Select(b => b.Rank == 0 ? "1" : string.Join('x', b.Shape.Select(Extent)));
        return string.Join(' ', shapes.Prepend($"{(name.Length > 0 ? name : "algorithm")}:{hash[..8]}"));

        static string Extent(Expr e) =>
            e is IntImm i ? i.Value.ToString(CultureInfo.InvariantCulture)
            : e is Var v ? v.Name
            : "?";
    }
}
