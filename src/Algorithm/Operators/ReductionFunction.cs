using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// A reduction of some dimensions of a tensor: an entry of <see cref="ReductionFunctions"/>. Operator, dtypes, kernels, the tensor
/// function and, where nothing else is said, its gradient follow from it.
/// </summary>
public sealed record ReductionFunction
{
    private static int s_next;

    private ReductionFunction(string name)
    {
        Id = Interlocked.Increment(ref s_next);
        Name = name;
    }

    /// <summary>Of elements x: <c>(r, x) => r.Sum(x) / r.Count</c>.</summary>
    /// <param name="name">As in the text form of operators: lower case.</param>
    /// <param name="result">The result, from reductions of expressions in the element.</param>
    public ReductionFunction(string name, Func<ReductionStages, Expr, Expr> result)
        : this(name) => Result = result;

    /// <summary>Of elements and their places along one dimension: an extreme value and, in int64, where it is.</summary>
    /// <param name="name">As in the text form of operators: lower case.</param>
    /// <param name="pair">The reduction of both.</param>
    public ReductionFunction(string name, Func<Axis, Expr, Reduction> pair)
        : this(name) => Pair = pair;

    /// <summary>A small number, for tables by reduction; reductions made of one another with <c>with</c> have the same.</summary>
    public int Id { get; }

    /// <summary>As in the text form of operators: lower case.</summary>
    public string Name { get; }

    /// <summary>The result, from the stages of the reduction and the element; null where there is a <see cref="Pair"/>.</summary>
    public Func<ReductionStages, Expr, Expr>? Result { get; }

    /// <summary>Value and place together, along one dimension; null where there is a <see cref="Result"/>.</summary>
    public Func<Axis, Expr, Reduction>? Pair { get; }

    /// <summary>
    /// What an element gets of the gradient, from the stages, the element, the result and the gradient of the result; null where that is
    /// derived from <see cref="Result"/>.
    /// </summary>
    public Func<ReductionStages, Expr, Expr, Expr, Expr>? Slope { get; init; }

    /// <summary>Dtypes of elements and result. Those of 16 bits are seen as float32, and the result is rounded.</summary>
    public ImmutableArray<DType> Types { get; init; } = DTypes.Floats;

    /// <summary>What it is of bools, in which 1 + 1 is 1; null where these are converted first.</summary>
    public ReductionFunction? InBools { get; init; }

    /// <summary>The result over no element; null where there is none, which is an error.</summary>
    public double? OverNothing { get; init; }

    /// <summary>What elements are for test data.</summary>
    public InputDomain Domain { get; init; } = InputDomain.Any;
}

/// <summary>Reductions over the dimensions that are reduced, each a stage of the algorithm; what they return has the others.</summary>
public sealed class ReductionStages
{
    private readonly AlgorithmBuilder _builder;
    private readonly Axis[] _kept;
    private readonly Axis[] _over;
    private readonly DType _type;

    internal ReductionStages(AlgorithmBuilder builder, Axis[] kept, Axis[] over, DType type)
    {
        _builder = builder;
        _kept = kept;
        _over = over;
        _type = type;
    }

    /// <summary>How many elements are reduced to one.</summary>
    public Expr Count => Elementwise.Count(_over.Aggregate((Expr)1, (n, a) => n * a.Extent), _type);

    /// <summary>The stage that was made last.</summary>
    internal Buffer? Last { get; private set; }

    /// <summary>Number of stages.</summary>
    internal int Made { get; private set; }

    public Expr Sum(Expr value) => Add(AlgorithmBuilder.Sum(_over, value));

    public Expr Prod(Expr value) => Add(AlgorithmBuilder.Prod(_over, value));

    public Expr Max(Expr value) => Add(AlgorithmBuilder.Max(_over, value));

    public Expr Min(Expr value) => Add(AlgorithmBuilder.Min(_over, value));

    public Expr Any(Expr value) => Add(AlgorithmBuilder.Any(_over, value));

    public Expr All(Expr value) => Add(AlgorithmBuilder.All(_over, value));

    /// <summary>The largest value, on which the result depends by rounding only: gradients take it for a constant.</summary>
    public Expr Scale(Expr value) => Add(AlgorithmBuilder.Max(_over, value), detached: true);

    /// <summary>
    /// The sum of values that are 0 but for rounding, by their number: gradients take it for a constant. 0 where it is no number.
    /// </summary>
    public Expr Rest(Expr value)
    {
        var rest = Add(AlgorithmBuilder.Sum(_over, value), detached: true) / Count;
        return Map(Op.Select(Op.Eq(rest, rest), rest, Op.Const(0, rest.Type)));
    }

    /// <summary>What others are computed from once.</summary>
    public Expr Map(Expr value)
    {
        Last = _builder.Stage($"M{++Made}", _kept, value);
        return Last.At([.. _kept.Select(a => (Expr)a.Var)]);
    }

    private Expr Add(Reduction reduction, bool detached = false)
    {
        string name = Made == 0 ? "S" : $"S{Made + 1}";
        Last = _builder.Stage(name, _kept, reduction, detached);
        Made++;
        return Last.At([.. _kept.Select(a => (Expr)a.Var)]);
    }
}
