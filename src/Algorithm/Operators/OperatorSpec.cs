using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// One operator instance in its one text form, <c>matmul m=256 n=3072 k=768 tb=1</c>: the operator's name, then
/// key=value pairs. Used on the command line, in files, in the database and in reports. Equal if the canonical texts
/// are: keys in the operator's order, defaults left out.
/// </summary>
public sealed class OperatorSpec : IEquatable<OperatorSpec>
{
    /// <summary>Largest tensor of an instance, in bytes.</summary>
    public const long LargestTensor = 1L << 40;

    private readonly ImmutableDictionary<string, string> _values;
    private readonly string _text;
    private readonly Lazy<Algorithm> _algorithm;
    private readonly Lazy<Problem> _problem;
    private readonly ImmutableDictionary<string, ImmutableArray<Expr>> _open = ImmutableDictionary<
        string,
        ImmutableArray<Expr>
    >.Empty;
    private readonly ImmutableArray<Parameter> _parameters = [];

    private OperatorSpec(
        OperatorSpec exact,
        ImmutableDictionary<string, ImmutableArray<Expr>> open,
        ImmutableArray<Parameter> parameters
    )
        : this(exact.Definition, exact._values)
    {
        _open = open;
        _parameters = parameters;
    }

    private OperatorSpec(OperatorDefinition definition, ImmutableDictionary<string, string> values)
    {
        Definition = definition;
        _values = values;
        _text = string.Join(
            ' ',
            definition
                .Keys.Where(k => values.TryGetValue(k.Name, out string? v) && v != k.Default)
                .Select(k => $"{k.Name}={values[k.Name]}")
                .Prepend(definition.Name)
        );
        _algorithm = new(() => definition.Build(this));
        _problem = new(() => Algorithms.Problem.OfOperator(this));
    }

    public OperatorDefinition Definition { get; }

    /// <summary>The operator's name.</summary>
    public string Name => Definition.Name;

    /// <summary>Reads a text form; blanks separate the parts.</summary>
    /// <exception cref="OperatorSpecException">Unknown operator or key, missing or wrong value.</exception>
    public static OperatorSpec Parse(string text)
    {
        string[] parts = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length == 0)
            throw new OperatorSpecException(
                "the operator is missing; write a name and key=value pairs, such as matmul m=512 n=512 k=512"
            );
        var pairs = new List<(string, string)>();
        foreach (string part in parts.AsSpan(1))
        {
            int split = part.IndexOf('=');
            if (split <= 0 || split == part.Length - 1)
                throw new OperatorSpecException($"{parts[0]}: '{part}' is not a key=value pair");
            pairs.Add((part[..split], part[(split + 1)..]));
        }
        return Of(parts[0], [.. pairs]);
    }

    /// <summary>Same as <see cref="Parse"/> from parts already apart.</summary>
    public static OperatorSpec Of(string name, params ReadOnlySpan<(string Key, string Value)> pairs)
    {
        var definition = OperatorLibrary.Find(name) ?? throw new OperatorSpecException(OperatorLibrary.Unknown(name));
        var values = ImmutableDictionary.CreateBuilder<string, string>();
        foreach (var (keyName, value) in pairs)
        {
            var key =
                definition.Keys.FirstOrDefault(k => k.Name == keyName)
                ?? throw new OperatorSpecException(
                    $"{name}: unknown key '{keyName}'{Spelling.Hint(keyName, definition.Keys.Select(k => k.Name))}; keys are {string.Join(", ", definition.Keys.Select(k => k.Name))}"
                );
            if (values.ContainsKey(keyName))
                throw new OperatorSpecException($"{name}: {keyName} is given twice");
            values[keyName] = key.Normalize(name, value);
        }
        foreach (var key in definition.Keys)
        {
            if (values.ContainsKey(key.Name))
                continue;
            if (key.Default is not null)
                values[key.Name] = key.Default;
            else if (!key.Optional)
                throw new OperatorSpecException($"{name}: {key.Name} ({key.Doc}) is missing; write {definition.Usage}");
        }
        var spec = new OperatorSpec(definition, values.ToImmutable());
        if (definition.Check(spec) is { } wrong)
            throw new OperatorSpecException($"{name}: {wrong}");
        spec.CheckSizes();
        return spec;
    }

    public bool Has(string key) => _values.ContainsKey(key);

    /// <summary>Value of a dimension.</summary>
    public long Dim(string key) => long.Parse(Closed(key), CultureInfo.InvariantCulture);

    /// <summary>Whether some extents are symbolic: see <see cref="OpenOperator"/>.</summary>
    public bool IsOpen => !_open.IsEmpty;

    /// <summary>A dimension in an algorithm: its value, or a symbolic extent.</summary>
    public Expr Extent(string key) => _open.TryGetValue(key, out var open) ? open[0] : Dim(key);

    /// <summary>A shape or list in an algorithm: values and symbolic extents.</summary>
    public ImmutableArray<Expr> Extents(string key) =>
        _open.TryGetValue(key, out var open) ? open
        : Definition.Keys.First(k => k.Name == key).Kind == KeyKind.Shape ? [.. Shape(key).Select(e => (Expr)e)]
        : [.. List(key).Select(e => (Expr)e)];

    /// <summary>A builder for this instance's algorithm, which knows its symbolic extents.</summary>
    public AlgorithmBuilder Builder()
    {
        var builder = new AlgorithmBuilder(Name);
        foreach (var parameter in _parameters)
            builder.Add(parameter);
        return builder;
    }

    /// <summary>The algorithm of this instance with symbolic extents in the place of some values.</summary>
    internal Algorithm BuildOpen(
        ImmutableDictionary<string, ImmutableArray<Expr>> open,
        ImmutableArray<Parameter> parameters
    ) => Definition.Build(new OperatorSpec(this, open, parameters));

    // What is open has no value: reading one would bake it into the algorithm.
    private string Closed(string key) =>
        _open.ContainsKey(key)
            ? throw new InvalidOperationException($"{Name}: {key} is symbolic; algorithms use Extent")
            : _values[key];

    public bool Flag(string key) => _values[key] == "1";

    public string Choice(string key) => _values[key];

    public ImmutableArray<long> Shape(string key) =>
        [.. Closed(key).Split('x').Select(e => long.Parse(e, CultureInfo.InvariantCulture))];

    public ImmutableArray<long> List(string key) =>
        [.. Closed(key).Split(',').Select(e => long.Parse(e, CultureInfo.InvariantCulture))];

    /// <summary>A number.</summary>
    public double Real(string key) => double.Parse(_values[key], CultureInfo.InvariantCulture);

    /// <summary>A list of as many whole numbers as wanted: one stands for all.</summary>
    public ImmutableArray<long> List(string key, int count)
    {
        var list = List(key);
        return list.Length == 1 ? [.. Enumerable.Repeat(list[0], count)] : list;
    }

    /// <summary>The names that a key lists.</summary>
    public ImmutableArray<string> Names(string key) => [.. _values[key].Split(',')];

    /// <summary>The instance of an operator that has some of the same keys, with their values and symbolic extents.</summary>
    internal OperatorSpec As(OperatorDefinition definition)
    {
        var known = definition.Keys.Select(k => k.Name).ToHashSet();
        var values = _values.RemoveRange(_values.Keys.Where(k => !known.Contains(k)));
        return new(new OperatorSpec(definition, values), _open, _parameters);
    }

    /// <summary>The dtype called by a key.</summary>
    public DType Type(string key = "dtype") => DTypes.Parse(_values[key])!.Value;

    /// <summary>The algorithm; the same object every time, so that its buffers can be used as keys.</summary>
    public Algorithm Build() => _algorithm.Value;

    /// <summary>Its algorithm with what the inputs hold; the same object every time.</summary>
    public Problem Problem => _problem.Value;

    /// <summary>Arithmetic operations on data: one for each add, multiply, compare-and-keep or function call.</summary>
    public double Flops => OperatorCost.Flops(Build());

    /// <summary>Bytes that any implementation must move between memory and processor: inputs and outputs once.</summary>
    public long MinBytes => Definition.Bytes?.Invoke(this) ?? OperatorCost.Bytes(Build());

    /// <summary>
    /// Arrays for every input, valid for the operator (indices in range, logarithms of positive numbers), never zero but for
    /// <see cref="InputKind.Extreme"/>, exactly representable in their types; the same for the same seed.
    /// </summary>
    public IReadOnlyDictionary<Buffer, NDArray> MakeInputs(int seed, InputKind kind = InputKind.Normal) =>
        SampleInputs.Make(Problem, seed, kind);

    /// <summary>The kinds of inputs that tell right kernels of this operator from wrong ones.</summary>
    public IEnumerable<InputKind> CertificationKinds => SampleInputs.KindsFor(Build());

    public bool Equals(OperatorSpec? other) => other is not null && _text == other._text;

    public override bool Equals(object? obj) => Equals(obj as OperatorSpec);

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(_text);

    /// <summary>The canonical text.</summary>
    public override string ToString() => _text;

    private void CheckSizes()
    {
        var algorithm = Build();
        foreach (var buffer in algorithm.Inputs.Concat(algorithm.Stages.SelectMany(s => s.Outputs)))
        {
            // What the elements span in memory; each step is checked, since the product of six extents may pass 2^127.
            long span = 1;
            for (int d = 0; d < buffer.Rank && span <= LargestTensor; d++)
            {
                long extent = ((IntImm)buffer.Shape[d]).Value;
                span = buffer.Strides.IsDefault
                    ? Saturating.Multiply(span, extent)
                    : Saturating.Add(span, Saturating.Multiply(extent - 1, buffer.Strides[d]));
            }
            long elements = 1;
            for (int d = 0; d < buffer.Rank && elements <= LargestTensor; d++)
                elements = Saturating.Multiply(elements, ((IntImm)buffer.Shape[d]).Value);
            long bytes = Saturating.Multiply(Math.Max(span, elements), buffer.Type.Size());
            if (bytes > LargestTensor)
                throw new OperatorSpecException(
                    $"{Name}: {buffer} would take more than {LargestTensor} bytes, which is the most that a tensor may have"
                );
        }
    }
}
