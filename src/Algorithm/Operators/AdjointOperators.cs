using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// NAME.adjoint for every operator NAME: the gradients of its inputs (<see cref="Adjoint.Of"/>). Keys are those of NAME,
/// <c>wrt</c> (the inputs whose gradients are wanted, in the order of the results; left out: all floats) and <c>of</c> (the outputs
/// whose gradients are given; left out: all floats). NAME.adjoint.adjoint has <c>wrt2</c> and <c>of2</c> besides, and so on.
/// </summary>
public static class AdjointOperators
{
    /// <summary>What the name of an operator's gradient ends with.</summary>
    public const string Suffix = ".adjoint";

    /// <summary>Derivatives of derivatives of … that have a name.</summary>
    public const int MostTimes = 4;

    // Saved results are computed from the inputs up to so many operations, which take 0.1 s.
    private const double MostEvaluated = 1 << 22;

    private static readonly ConcurrentDictionary<string, OperatorDefinition> Made = new();

    // What belongs to an algorithm that Build made.
    private static readonly ConditionalWeakTable<Algorithm, Derived> Deriveds = new();

    private sealed record Derived(OperatorSpec Inner, DerivedAlgorithm Result);

    // What callers give, found on the example: of some extents, such as 1, less is read.
    private static readonly ConcurrentDictionary<string, int[]> Reads = new();

    /// <summary>The operator of a name that ends with <see cref="Suffix"/>; null where there is none to derive.</summary>
    internal static OperatorDefinition? Find(string name)
    {
        if (!name.EndsWith(Suffix, StringComparison.Ordinal))
            return null;
        if (Made.TryGetValue(name, out var known))
            return known;
        int times = name.Split(Suffix).Length - 1;
        return times <= MostTimes && OperatorLibrary.Find(name[..^Suffix.Length]) is { } inner
            ? Made.GetOrAdd(name, _ => Define(inner, times))
            : null;
    }

    /// <summary>What the inputs and outputs of an instance are, in terms of the operator that it is derived from.</summary>
    /// <exception cref="ArgumentException">The operator is not a derived one.</exception>
    public static DerivedAlgorithm Roles(OperatorSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return Deriveds.TryGetValue(spec.Build(), out var derived)
            ? derived.Result
            : throw new ArgumentException($"{spec.Name} is no derived operator; those end with {Suffix}");
    }

    private static OperatorDefinition Define(OperatorDefinition inner, int times)
    {
        string nth = times == 1 ? "" : times.ToString(CultureInfo.InvariantCulture);
        var wrt = new OperatorKey(
            "wrt" + nth,
            KeyKind.Names,
            "inputs whose gradients are wanted (left out: all floats)"
        )
        {
            Optional = true,
        };
        var of = new OperatorKey("of" + nth, KeyKind.Names, "outputs whose gradients are given (left out: all floats)")
        {
            Optional = true,
        };
        return new(
            inner.Name + Suffix,
            $"gradients of the inputs of {inner.Name}",
            [.. inner.Keys, wrt, of],
            spec => Build(spec, inner, wrt.Name, of.Name)
        )
        {
            Example = inner.Name + Suffix + inner.Example[inner.Name.Length..],
            Check = spec => Check(spec, inner),
            Opens = inner.Opens is { } opens ? (spec, key) => opens(spec.As(inner), key) : null,
            Domain = Domain,
            Complete = Complete,
        };
    }

    private static string? Check(OperatorSpec spec, OperatorDefinition inner)
    {
        if (inner.Check(spec.As(inner)) is { } wrong)
            return wrong;
        try
        {
            spec.Build();
            return null;
        }
        catch (AdjointException e)
        {
            return e.Message;
        }
    }

    private static Algorithm Build(OperatorSpec spec, OperatorDefinition inner, string wrt, string of)
    {
        var original = spec.As(inner);
        var algorithm = original.Build();
        var example = Example(inner, original);
        DerivedAlgorithm Of(OperatorSpec instance, Algorithm a)
        {
            var (wanted, given) = (Named(spec, wrt, a.Inputs, a.Name), Named(spec, of, a.Outputs, a.Name));
            // Whether there is a gradient is asked of the example; of some sizes it is 0, as where all windows lie on padding.
            return inner.Adjoint?.Invoke(instance, a)
                ?? Adjoint.Of(a, wanted, given, orZeros: !example.Equals(instance));
        }
        var result = Of(original, algorithm);
        string which = $"{example};{(spec.Has(wrt) ? spec.Choice(wrt) : "")};{(spec.Has(of) ? spec.Choice(of) : "")}";
        var reads = Reads.GetOrAdd(
            which,
            _ =>
            {
                if (example.Equals(original))
                    return Places(result, algorithm);
                var ofExample = example.Build();
                return Places(Of(example, ofExample), ofExample);
            }
        );
        result = Reading(result, algorithm, reads);
        Deriveds.Add(result.Algorithm, new(original, result));
        return result.Algorithm;
    }

    // The example of an operator with the flags, choices and names of an instance.
    private static OperatorSpec Example(OperatorDefinition inner, OperatorSpec instance)
    {
        var example = OperatorSpec.Parse(inner.Example);
        var pairs = new List<(string, string)>();
        foreach (var key in inner.Keys)
        {
            bool isType = key.Kind == KeyKind.Choice && DTypes.Parse(key.Choices[0]) is not null;
            bool isSize = key.Kind is KeyKind.Dimension or KeyKind.Shape or KeyKind.List;
            // A choice that goes with sizes of another form is the example's: the axis with rows and columns.
            var from = isType || isSize || !instance.Has(key.Name) ? example : instance;
            if (from.Has(key.Name))
                pairs.Add((key.Name, from.Choice(key.Name)));
        }
        return OperatorSpec.Of(inner.Name, [.. pairs]);
    }

    // What is read, by position: outputs of 16 bits are called otherwise than those that are not rounded.
    private static int[] Places(DerivedAlgorithm result, Algorithm algorithm)
    {
        var places = new int[result.Inputs.Length];
        for (int i = 0; i < places.Length; i++)
            places[i] = PlaceOf(result.Inputs[i], algorithm);
        return places;
    }

    // The role, and above it which input or output.
    private static int PlaceOf(DerivedInput input, Algorithm algorithm)
    {
        var buffers = input.Role == DerivedRole.Input ? algorithm.Inputs : algorithm.Outputs;
        int at = 0;
        while (buffers[at].Name != input.Of.Name)
            at++;
        return at << 2 | (int)input.Role;
    }

    // The same with the inputs that callers give, read or not.
    private static DerivedAlgorithm Reading(DerivedAlgorithm result, Algorithm algorithm, int[] reads)
    {
        foreach (var input in result.Inputs)
        {
            if (Array.IndexOf(reads, PlaceOf(input, algorithm)) < 0)
                throw new AdjointException($"{algorithm.Name}.adjoint reads {input.Buffer} at these extents only");
        }
        if (result.Inputs.Length == reads.Length)
            return result;
        var inputs = ImmutableArray.CreateBuilder<DerivedInput>();
        foreach (int place in reads)
            inputs.Add(
                result.Inputs.FirstOrDefault(i => PlaceOf(i, algorithm) == place)
                    ?? Unread((DerivedRole)(place & 3), place >> 2, algorithm)
            );
        return result with
        {
            Algorithm = result.Algorithm.WithInputs([.. inputs.Select(i => i.Buffer)]),
            Inputs = inputs.ToImmutable(),
        };
    }

    private static DerivedInput Unread(DerivedRole role, int at, Algorithm algorithm)
    {
        var of = (role == DerivedRole.Input ? algorithm.Inputs : algorithm.Outputs)[at];
        return new(role == DerivedRole.Gradient ? of.With(name: "d" + of.Name) : of, role, of);
    }

    private static List<Buffer>? Named(OperatorSpec spec, string key, ImmutableArray<Buffer> all, string name)
    {
        if (!spec.Has(key))
            return null;
        var found = new List<Buffer>();
        foreach (string word in spec.Names(key))
        {
            found.Add(
                all.FirstOrDefault(b => b.Name == word)
                    ?? throw new AdjointException(
                        $"{key}={word} is no buffer of {name} that may be named here{Spelling.Hint(word, all.Select(b => b.Name))}; those are {string.Join(", ", all.Select(b => b.Name))}"
                    )
            );
        }
        return found;
    }

    private static InputDomain Domain(OperatorSpec spec, Buffer buffer)
    {
        if (!Deriveds.TryGetValue(spec.Build(), out var derived))
            return InputDomain.Any;
        var (inner, result) = derived;
        var input = result.Inputs.First(i => i.Buffer.Name == buffer.Name);
        return input.Role switch
        {
            DerivedRole.Input => inner.Definition.Domain(inner, input.Of),
            DerivedRole.Output => inner.Definition.ResultDomain?.Invoke(inner, input.Of)
                ?? RangeOf(inner.Build(), input.Of),
            _ => InputDomain.Any,
        };
    }

    // What is known of a result from the last thing that is done to it.
    private static InputDomain RangeOf(Algorithm algorithm, Buffer result)
    {
        var stage = algorithm.StageOf(result);
        int at = stage.Outputs.IndexOf(result);
        if (stage.Kind == StageKind.Reduce && !result.Type.IsFloat())
            return
                stage.Values[at] is Var index
                && stage.Axes.First(a => a.Var == index).Extent is IntImm { Value: var extent }
                ? InputDomain.Index(extent)
                : InputDomain.Any;
        return stage.Kind == StageKind.Map ? RangeOf(algorithm, stage.Values[0]) : InputDomain.Any;
    }

    private static InputDomain RangeOf(Algorithm algorithm, Expr value) =>
        value switch
        {
            Cast { To: not DType.Bool } c when c.A.Type.IsFloat() => RangeOf(algorithm, c.A),
            Apply { Meaning: { } meaning, Function.Range: null } => RangeOf(algorithm, meaning),
            Apply a when a.Function == ScalarFunctions.Reciprocal => RangeOf(algorithm, a.A),
            Apply a => a.Function.Range ?? InputDomain.Any,
            Unary { Kind: UnaryOp.Sqrt or UnaryOp.Abs } => InputDomain.Positive,
            Binary { Kind: BinaryOp.Mul or BinaryOp.Div } b => RangeOf(algorithm, b.A) == RangeOf(algorithm, b.B)
            && RangeOf(algorithm, b.A).Kind is DomainKind.Positive
                ? InputDomain.Positive
                : InputDomain.Any,
            Load l when !algorithm.Inputs.Contains(l.Buffer) => RangeOf(algorithm, l.Buffer),
            _ => InputDomain.Any,
        };

    /// <summary>
    /// Saved results that belong to the inputs, where the operator is cheap enough to be evaluated; beyond, what
    /// <see cref="Domain"/> says of them.
    /// </summary>
    private static void Complete(OperatorSpec spec, Dictionary<Buffer, NDArray> inputs, int seed, InputKind kind)
    {
        if (
            !Deriveds.TryGetValue(spec.Build(), out var derived)
            || derived.Result.Inputs.All(i => i.Role != DerivedRole.Output)
            || OperatorCost.Flops(derived.Inner.Build()) + OperatorCost.Bytes(derived.Inner.Build()) > MostEvaluated
        )
            return;
        var algorithm = derived.Inner.Build();
        var given = derived.Inner.MakeInputs(seed, kind);
        var results = Evaluator.Run(algorithm, given);
        foreach (var input in derived.Result.Inputs)
        {
            if (input.Role == DerivedRole.Input)
                inputs[input.Buffer] = given[input.Of];
            else if (input.Role == DerivedRole.Output)
                inputs[input.Buffer] = SampleInputs.Representable(results[input.Of]);
        }
    }
}
