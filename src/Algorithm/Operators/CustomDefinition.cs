using System.Collections.Immutable;
using Picograd.Algorithms.Adjoints;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Writes the stages of an operator of one's own over its inputs, whose extents may be symbolic, and returns its outputs in order.
/// </summary>
/// <param name="g">Takes the stages.</param>
/// <param name="inputs">
/// In the order of the signature. Those of 16-bit floats are seen as float32, in which arithmetic is done.
/// </param>
public delegate ImmutableArray<Buffer> CustomAlgorithm(AlgorithmBuilder g, ImmutableArray<Buffer> inputs);

/// <summary>
/// A program's own operator: what its signature says, and how an instance becomes an algorithm. Keys of the definition are the
/// dimensions that the signature names, and dtype where an operand says none.
/// </summary>
public sealed class CustomDefinition
{
    private const string TypeKey = "dtype";
    private const int MostOperands = 8;

    // Stages of the function have names of its own; these have none that it is likely to choose.
    private const string Widened = ".wide";
    private const string Narrowed = ".narrow";

    private readonly Func<Func<string, Expr>, AlgorithmBuilder, DType, Algorithm> _build;

    private CustomDefinition(
        string name,
        string text,
        OperatorSignature signature,
        Func<OperatorSpec, Buffer, InputDomain> domain,
        Func<Func<string, Expr>, AlgorithmBuilder, DType, Algorithm> build
    )
    {
        _build = build;
        Signature = signature;
        string[] dims =
        [
            .. signature
                .Inputs.Concat(signature.Outputs)
                .SelectMany(o => o.Dims)
                .Where(d => d.Key.Length > 0)
                .Select(d => d.Key)
                .Distinct(),
        ];
        bool typed = signature.Inputs.Concat(signature.Outputs).Any(o => o.Type == TypeKey);
        var keys = dims.Select(d => OperatorKey.Dimension(d, $"size of {d}")).ToList();
        if (typed)
            keys.Add(OperatorKey.Types(DTypes.Floats));
        Definition = new(
            name,
            $"an operator of the program: {text}",
            [.. keys],
            spec => build(spec.Extent, spec.Builder(), typed ? spec.Type() : DType.Float32)
        )
        {
            Operands = text,
            Opens = (_, _) => true,
            Domain = domain,
            Example = name + string.Concat(dims.Select((d, i) => $" {d}={ExampleSize(i)}")),
        };
    }

    public OperatorDefinition Definition { get; }

    public OperatorSignature Signature { get; }

    /// <summary>The algorithm of given extents, zeros among them, which no instance has.</summary>
    public Algorithm Build(IReadOnlyDictionary<string, long> sizes, DType type) =>
        _build(key => sizes[key], new AlgorithmBuilder(Definition.Name), type);

    /// <summary>Of sizes that are all different, as in the definition's example.</summary>
    public Algorithm Example() =>
        Build(
            Definition
                .Keys.Where(k => k.Kind == KeyKind.Dimension)
                .Select((k, i) => (k.Name, Size: ExampleSize(i)))
                .ToDictionary(k => k.Name, k => k.Size),
            DType.Float32
        );

    private static long ExampleSize(int dimension) => 5 + 2 * dimension;

    /// <param name="name">A letter, then letters, digits and '_'.</param>
    /// <param name="signature">As <see cref="OperatorSignature"/> has it, with dimensions by name.</param>
    /// <param name="build">What is computed.</param>
    /// <param name="domains">What inputs hold for test data, by name; any numbers where left out.</param>
    /// <exception cref="ArgumentException">The name, the signature or a domain cannot be used.</exception>
    public static CustomDefinition Of(
        string name,
        string signature,
        CustomAlgorithm build,
        IReadOnlyDictionary<string, InputDomain>? domains
    )
    {
        CheckName(name, "the name of the operator");
        OperatorSignature parsed;
        try
        {
            parsed = OperatorSignature.Parse(signature);
        }
        catch (FormatException e)
        {
            throw new ArgumentException($"{name}: {e.Message}", nameof(signature), e);
        }
        Check(name, parsed);
        foreach (string input in domains?.Keys ?? [])
        {
            if (parsed.Inputs.All(i => i.Name != input))
                throw new ArgumentException(
                    $"{name}: a domain is given for '{input}', but its inputs are {Names(parsed.Inputs)}",
                    nameof(domains)
                );
        }
        return new CustomDefinition(
            name,
            signature,
            parsed,
            (_, buffer) => domains?.GetValueOrDefault(buffer.Name, InputDomain.Any) ?? InputDomain.Any,
            (extent, g, type) => Build(g, parsed, build, extent, type)
        );
    }

    /// <summary>
    /// The gradients of some inputs where that of one output is given, as an operator of its own: which inputs, outputs and gradients
    /// it reads is found on an example whose dimensions are all different.
    /// </summary>
    /// <param name="wanted">Places of inputs.</param>
    /// <param name="output">Place of the output.</param>
    /// <exception cref="AdjointException">There is no gradient.</exception>
    public CustomDefinition Derive(ImmutableArray<int> wanted, int output)
    {
        var example = Example();
        var roles = Derive(example, wanted, output).Inputs;
        ImmutableArray<(DerivedRole Role, int At)> reads =
        [
            .. roles.Select(r =>
                (r.Role, r.Role == DerivedRole.Input ? example.Inputs.IndexOf(r.Of) : example.Outputs.IndexOf(r.Of))
            ),
        ];
        string of = Signature.Outputs[output].Name;
        ImmutableArray<OperandShape> inputs =
        [
            .. reads.Select(r =>
                r.Role switch
                {
                    DerivedRole.Input => Signature.Inputs[r.At],
                    DerivedRole.Output => Signature.Outputs[r.At],
                    _ => Signature.Outputs[r.At] with { Name = GradientName(Signature.Outputs[r.At].Name) },
                }
            ),
        ];
        ImmutableArray<OperandShape> outputs =
        [
            .. wanted.Select(w => Signature.Inputs[w] with { Name = GradientName(Signature.Inputs[w].Name) }),
        ];
        var signature = Signature.With(inputs, outputs);
        return new CustomDefinition(
            $"{Definition.Name}.{GradientName(of)}.{string.Join('.', wanted.Select(w => Signature.Inputs[w].Name))}",
            signature.ToString(),
            signature,
            (_, _) => InputDomain.Any,
            (extent, g, type) =>
            {
                var inner = _build(extent, g, type);
                var derived = Derive(inner, wanted, output);
                // Of some extents less is read, but callers give all.
                var buffers = reads
                    .Select(r =>
                        derived
                            .Inputs.FirstOrDefault(i =>
                                i.Role == r.Role
                                && i.Of == (r.Role == DerivedRole.Input ? inner.Inputs[r.At] : inner.Outputs[r.At])
                            )
                            ?.Buffer
                        ?? Unread(r.Role, r.Role == DerivedRole.Input ? inner.Inputs[r.At] : inner.Outputs[r.At])
                    )
                    .ToImmutableArray();
                if (derived.Inputs.FirstOrDefault(i => !buffers.Contains(i.Buffer)) is { } more)
                    throw new InvalidOperationException(
                        $"{derived.Algorithm.Name} reads {more.Buffer} at these extents, which it does not at others"
                    );
                return derived.Algorithm.WithInputs(buffers);
            }
        )
        {
            Reads = reads,
        };
    }

    /// <summary>Of a derived one: what its inputs are, in terms of what it is derived from.</summary>
    public ImmutableArray<(DerivedRole Role, int At)> Reads { get; private init; } = [];

    /// <summary>What the gradient of an operand is called.</summary>
    public static string GradientName(string operand) => "d" + operand;

    private static DerivedAlgorithm Derive(Algorithm algorithm, ImmutableArray<int> wanted, int output) =>
        Adjoint.Of(algorithm, [.. wanted.Select(w => algorithm.Inputs[w])], [algorithm.Outputs[output]]);

    private static Buffer Unread(DerivedRole role, Buffer of) =>
        role == DerivedRole.Gradient ? of.With(name: GradientName(of.Name)) : of;

    private static Algorithm Build(
        AlgorithmBuilder g,
        OperatorSignature signature,
        CustomAlgorithm build,
        Func<string, Expr> extent,
        DType type
    )
    {
        ImmutableArray<Expr> Shape(OperandShape operand) =>
            [.. operand.Dims.Select(d => d.Key.Length == 0 ? d.Constant : extent(d.Key))];
        DType Type(OperandShape operand) => DTypes.Parse(operand.Type) ?? type;

        var inputs = ImmutableArray.CreateBuilder<Buffer>();
        foreach (var operand in signature.Inputs)
        {
            var input = g.Input(operand.Name, Type(operand), [.. Shape(operand)]);
            inputs.Add(Converted(g, input, input.Type.Compute(), operand.Name + Widened));
        }
        var results = build(g, inputs.ToImmutable());
        if (results.IsDefault || results.Length != signature.Outputs.Length)
            throw new ArgumentException(
                $"{g.Name}: its function returned {(results.IsDefault ? 0 : results.Length)} outputs, but the signature has {Names(signature.Outputs)}"
            );
        var outputs = new Buffer[results.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            var declared = signature.Outputs[i];
            var (wanted, shape) = (Type(declared), Shape(declared));
            var result = results[i];
            if (!result.Shape.SequenceEqual(shape))
                throw new ArgumentException(
                    $"{g.Name}: output {declared.Name} has the shape [{string.Join(", ", result.Shape)}], but the signature says [{string.Join(", ", shape)}]"
                );
            if (result.Type != wanted.Compute())
                throw new ArgumentException(
                    $"{g.Name}: output {declared.Name} is {result.Type.Name()}, but must be {wanted.Compute().Name()}; use Op.Cast"
                );
            // An input, or the same result twice, is no output of its own.
            bool isTaken = inputs.Contains(result) || Array.IndexOf(outputs, result) >= 0;
            outputs[i] = Converted(g, result, wanted, declared.Name + Narrowed, always: isTaken);
        }
        return g.Build(outputs);
    }

    private static Buffer Converted(AlgorithmBuilder g, Buffer from, DType to, string stage, bool always = false)
    {
        if (from.Type == to && !always)
            return from;
        Axis[] axes = [.. from.Shape.Select((e, d) => new Axis($"{stage}.{d}", e))];
        return g.Stage(stage, axes, Op.Cast(to, from.At([.. axes.Select(a => (Expr)a.Var)])));
    }

    private static void Check(string name, OperatorSignature signature)
    {
        if (signature.Form != OperandForm.Named)
            throw new ArgumentException(
                $"{name}: each dimension of its operands must have a name, as in X[n, d], Y[m, d] -> D[n, m]",
                nameof(signature)
            );
        if (signature.Outputs.IsEmpty || signature.Inputs.IsEmpty)
            throw new ArgumentException(
                $"{name}: an operator has at least one input and one output",
                nameof(signature)
            );
        if (signature.Inputs.Length + signature.Outputs.Length > MostOperands)
            throw new ArgumentException(
                $"{name}: it has {signature.Inputs.Length} inputs and {signature.Outputs.Length} outputs, but {MostOperands} together are the most",
                nameof(signature)
            );
        var known = signature.Inputs.SelectMany(i => i.Dims).Select(d => d.Key).ToHashSet();
        foreach (var operand in signature.Inputs.Concat(signature.Outputs))
        {
            CheckName(operand.Name, $"{name}: an operand's name");
            if (operand.When is not null || operand.Transposable)
                throw new ArgumentException(
                    $"{name}: {operand.Name} can be neither optional nor transposed",
                    nameof(signature)
                );
            if (operand.Type != TypeKey && DTypes.Parse(operand.Type) is null)
                throw new ArgumentException(
                    $"{name}: {operand.Name} has the dtype '{operand.Type}'{Spelling.Hint(operand.Type, DTypes.All.Select(t => t.Name()))}; known are {string.Join(", ", DTypes.All.Select(t => t.Name()))}",
                    nameof(signature)
                );
            foreach (var dim in operand.Dims)
            {
                if (dim.Key.Length > 0)
                    CheckName(dim.Key, $"{name}: a dimension of {operand.Name}");
                if (dim.Optional || dim.Default is not null || dim.Key is TypeKey)
                    throw new ArgumentException(
                        $"{name}: {dim.Key} is no name for a dimension here",
                        nameof(signature)
                    );
                if (dim.Key.Length > 0 && !known.Contains(dim.Key))
                    throw new ArgumentException(
                        $"{name}: {operand.Name} has the dimension {dim.Key}, which no input has",
                        nameof(signature)
                    );
            }
        }
        var twice = signature.Inputs.Concat(signature.Outputs).GroupBy(o => o.Name).FirstOrDefault(g => g.Count() > 1);
        if (twice is not null)
            throw new ArgumentException($"{name}: two operands are called {twice.Key}", nameof(signature));
    }

    private static void CheckName(string name, string what)
    {
        if (
            string.IsNullOrEmpty(name)
            || !char.IsAsciiLetter(name[0])
            || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
        )
            throw new ArgumentException($"{what} is '{name}', but must be a letter, then letters, digits and '_'");
    }

    private static string Names(ImmutableArray<OperandShape> operands) =>
        string.Join(", ", operands.Select(o => o.Name));
}
