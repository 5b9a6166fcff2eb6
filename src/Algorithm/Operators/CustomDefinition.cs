using System.Collections.Immutable;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Writes the stages of an operator of one's own over its inputs, whose extents may be symbolic, and returns its outputs in order.
/// </summary>
/// <param name="g">Takes the stages.</param>
/// <param name="inputs">
/// In the order of the signature. Those of 16-bit floats are seen as float32, in which arithmetic is done.
/// </param>
public delegate ImmutableArray<Buffer> CustomAlgorithm(AlgorithmBuilder g, ImmutableArray<Buffer> inputs);

/// <summary>An input of a program's own operator whose elements are indices.</summary>
/// <param name="Input">Its place among the inputs.</param>
/// <param name="Limit">Above the largest that is allowed, from the size of each dimension.</param>
public sealed record CustomIndices(int Input, Func<Func<string, long>, long> Limit)
{
    internal InputDomain Domain(Func<string, long> size) => InputDomain.Index(Math.Max(1, Limit(size)));
}

/// <summary>A program's own operator: its definition, whose keys are what the signature names, and how it is built where a size is 0.</summary>
/// <param name="Definition">What the library knows of it.</param>
/// <param name="Signature">Its operands.</param>
/// <param name="Build">Its algorithm for given sizes, zeros among them, which no instance has; null for functions of elements.</param>
/// <param name="Indices">Inputs whose elements must be from 0 up to a limit, exclusive, which follows from the sizes.</param>
public sealed record CustomDefinition(
    OperatorDefinition Definition,
    OperatorSignature Signature,
    Func<Func<string, long>, DType, Algorithm>? Build,
    ImmutableArray<CustomIndices> Indices
)
{
    // Points of stages that are evaluated to see whether an instance stays within its buffers.
    private const double MostPoints = 1e5;

    /// <summary>What operands may be whose dtype the signature does not say.</summary>
    public ImmutableArray<DType> Types { get; init; } = DTypes.Floats;

    private const string TypeKey = "dtype";
    private const int MostOperands = 8;

    /// <summary>Names of dimensions that the operands of one operator may have together.</summary>
    public const int MostDimensions = 16;

    // Stages of the function have names of its own; these have none that it is likely to choose.
    private const string Widened = ".wide";
    private const string Narrowed = ".narrow";
    private const string Inner = ".inner";

    /// <summary>An operator of operands whose dimensions have names.</summary>
    /// <param name="name">A letter, then letters, digits and '_'.</param>
    /// <param name="signature">As <see cref="OperatorSignature"/> has it, with dimensions by name.</param>
    /// <param name="build">What is computed.</param>
    /// <param name="domains">What inputs hold for test data, by name; any numbers where left out.</param>
    /// <exception cref="ArgumentException">
    /// The name, the signature or a domain cannot be used, or an index may be out of range.
    /// </exception>
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
        var operands = parsed.Inputs.Concat(parsed.Outputs).ToList();
        string[] dims = [.. operands.SelectMany(o => o.Dims).Select(d => d.Key).Where(k => k.Length > 0).Distinct()];
        bool typed = operands.Any(o => o.Type == TypeKey);
        var keys = dims.Select(d => OperatorKey.Dimension(d, $"size of {d}")).ToList();
        // What is wrong with the function shows on any instance; now is better than at the first call.
        var above = new Dictionary<string, long>();
        long Size(string dim) => 5 + 2 * Array.IndexOf(dims, dim) + above.GetValueOrDefault(dim);
        Algorithm Sample(DType type) => Built(new AlgorithmBuilder(name), parsed, build, d => Size(d), type);
        _ = Sample(DType.Float32);
        ImmutableArray<DType> types = typed
            ?
            [
                .. DTypes
                    .OfTensors.Where(type => type.IsFloat() || Takes(Sample, type))
                    .OrderBy(type => !type.IsFloat()),
            ]
            : [];
        if (typed)
            keys.Add(OperatorKey.Types(types));
        // For all sizes; where that cannot be told, each instance has a kernel of its own and is evaluated.
        var any = new AlgorithmBuilder(name);
        var sizes = dims.ToDictionary(d => d, d => any.Parameter($"size.{d}", OperatorSpec.LargestTensor));
        InputDomain? Given(Buffer input) => domains?.GetValueOrDefault(input.Name);
        var rules = IndexRules.Of(Built(any, parsed, build, d => sizes[d], DType.Float32), Given);
        foreach (var (dim, size) in sizes)
            above[dim] = rules.Above.GetValueOrDefault(size.Var);
        long Limit(int input, Func<string, long> size)
        {
            var values = sizes.ToDictionary(s => s.Value.Var, s => (Expr)size(s.Key));
            return rules.Inputs.Where(i => i.Input == input).Min(i => ((IntImm)i.Limit.Substitute(values)).Value);
        }
        ImmutableArray<CustomIndices> indices =
        [
            .. rules.Inputs.Select(i => i.Input).Distinct().Select(i => new CustomIndices(i, size => Limit(i, size))),
        ];
        InputDomain Domain(string input, Func<string, long> size) =>
            domains?.GetValueOrDefault(input)
            ?? indices.FirstOrDefault(i => parsed.Inputs[i.Input].Name == input)?.Domain(size)
            ?? InputDomain.Any;
        Algorithm InRange(Algorithm algorithm, Func<string, long> size)
        {
            if (!rules.AreProven && !IndexRules.Of(algorithm, Given).AreProven)
                RequireInRange(Problem.Of(algorithm, [.. algorithm.Inputs.Select(b => Domain(b.Name, size))]));
            return algorithm;
        }
        InRange(Sample(DType.Float32), Size);
        var definition = new OperatorDefinition(
            name,
            $"an operator of the program: {signature}",
            [.. keys],
            spec =>
                InRange(
                    Built(spec.Builder(), parsed, build, spec.Extent, typed ? spec.Type() : DType.Float32),
                    spec.Dim
                )
        )
        {
            Operands = signature,
            Opens = (_, _) => rules.AreProven,
            Domain = (spec, buffer) => Domain(buffer.Name, spec.Dim),
            Example = name + string.Concat(dims.Select(d => $" {d}={Size(d)}")),
        };
        return new(
            definition,
            parsed,
            (size, type) => Built(new AlgorithmBuilder(name), parsed, build, d => size(d), type),
            indices
        )
        {
            Types = types,
        };
    }

    // Whether what the function does is defined for whole numbers or bools: the builder says so. There is no arithmetic in bytes.
    private static bool Takes(Func<DType, Algorithm> build, DType type)
    {
        Algorithm made;
        try
        {
            made = build(type);
        }
        catch (ArgumentException)
        {
            return false;
        }
        return DTypes.Numbers.Contains(type)
            || made.Stages.All(s =>
                s.Kind is StageKind.Map or StageKind.Scatter
                && (s.Reducer is null || s.Reducer.IsLast)
                && s.Values.All(value => IsMoved(value, type))
            );
    }

    // Loaded, chosen, compared with nothing.
    private static bool IsMoved(Expr value, DType type) =>
        value switch
        {
            Load or IntImm => true,
            Select s => IsMoved(s.Then, type) && IsMoved(s.Else, type) && !s.Cond.Loads().Any(l => l.Type == type),
            _ => false,
        };

    /// <summary>
    /// A function of elements of shapes that broadcast, with the keys of the library's: n, or a shape each.
    /// </summary>
    /// <param name="name">A letter, then letters, digits and '_'.</param>
    /// <param name="inputs">Number of operands, called A, B, C.</param>
    /// <param name="function">What is computed, in the type of the call, float32 for 16-bit ones.</param>
    /// <exception cref="ArgumentException">The name cannot be used, or the function gives no number of the type.</exception>
    public static CustomDefinition Elementwise(string name, int inputs, Func<ImmutableArray<Expr>, Expr> function)
    {
        CheckName(name, "the name of the operator");
        ImmutableArray<string> operands = ["A", "B", "C"];
        operands = operands[..inputs];
        Algorithm Made(AlgorithmBuilder g, Func<string, ImmutableArray<Expr>> shape, DType type)
        {
            var compute = type.Compute();
            ImmutableArray<Buffer> buffers = [.. operands.Select(o => g.Input(o, type, [.. shape(o)]))];
            var axes = Operators.Elementwise.Axes(
                Operators.Elementwise.BroadcastExtents([.. buffers.Select(b => b.Shape)])
            );
            var value = function([.. buffers.Select(b => Op.Cast(compute, Operators.Elementwise.Element(b, axes)))]);
            if (value.Type != compute)
                throw new ArgumentException(
                    $"{name}: its function gives {value.Type.Name()}, but must give {compute.Name()}; use Op.Cast"
                );
            return g.Build(g.Stage("Y", axes, Op.Cast(type, value)));
        }

        // What is wrong with the function shows on any instance; now is better than at the first call.
        Made(new AlgorithmBuilder(name), _ => [5], DType.Float32);
        string[] keys = [.. operands.Select(o => o.ToLowerInvariant())];
        string signature = $"{string.Join(", ", operands.Select(o => o + "[*]"))} -> Y[*]";
        var definition = new OperatorDefinition(
            name,
            "an operator of the program, element by element",
            [.. Operators.Elementwise.ShapeKeys(keys), OperatorKey.Types(DTypes.Floats)],
            spec => Made(spec.Builder(), o => Operators.Elementwise.ShapeOf(spec, o.ToLowerInvariant()), spec.Type())
        )
        {
            Operands = signature,
            Check = spec => Operators.Elementwise.CheckShapes(spec, keys),
            Opens = (_, _) => true,
            Example =
                name + (inputs == 1 ? " n=5" : string.Concat(keys.Select(k => $" {k}={(k == "a" ? "3x5" : "5")}"))),
        };
        return new(definition, OperatorSignature.Parse(signature), null, []);
    }

    // The evaluator refuses what reads or writes out of bounds.
    private static void RequireInRange(Problem problem)
    {
        try
        {
            SampledEvaluator.Run(problem.Algorithm, problem.MakeInputs(1), MostPoints, 1);
        }
        catch (EvaluationException e)
        {
            string shapes = string.Join(
                ", ",
                problem.Algorithm.Inputs.Select(b => $"{b.Name}[{string.Join(", ", b.Shape)}]")
            );
            throw new ArgumentException(
                $"{problem.Algorithm.Name}: of {shapes} it cannot be computed: {e.Message.Split('\n')[0].TrimEnd('.')}",
                e
            );
        }
    }

    private static Algorithm Built(
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
        return Called(g.Build(outputs), signature);
    }

    // Outputs are called as they are declared, whatever the function calls the stages that make them: gradients name them.
    private static Algorithm Called(Algorithm algorithm, OperatorSignature signature)
    {
        var declared = signature.Outputs.Select(o => o.Name).ToHashSet();
        string NameOf(Stage stage)
        {
            int at = stage.Outputs.Length == 1 ? algorithm.Outputs.IndexOf(stage.Outputs[0]) : -1;
            return at >= 0 ? signature.Outputs[at].Name
                : declared.Contains(stage.Name) ? stage.Name + Inner
                : stage.Name;
        }
        (string Name, ImmutableArray<string>)[] stages =
        [
            .. algorithm.Stages.Select(s => (NameOf(s), s.Axes.Select(a => a.Var.Name).ToImmutableArray())),
        ];
        return stages.Zip(algorithm.Stages).All(s => s.First.Name == s.Second.Name)
            ? algorithm
            : AlgorithmRenamer.Rename(
                algorithm,
                [.. algorithm.Parameters.Select(p => p.Name)],
                [.. algorithm.Inputs.Select(b => b.Name)],
                stages
            );
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
        if (known.Count(k => k.Length > 0) is > MostDimensions and var dims)
            throw new ArgumentException(
                $"{name}: its operands have {dims} dimensions of different names, but {MostDimensions} are the most",
                nameof(signature)
            );
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
