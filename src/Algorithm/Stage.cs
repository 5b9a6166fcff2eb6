using System.Collections.Immutable;

namespace Picograd.Algorithms;

public enum AxisKind
{
    /// <summary>Iterations are independent and each writes its own elements.</summary>
    Spatial,

    /// <summary>Iterations combine into the same elements with an associative reducer; any order.</summary>
    Reduce,

    /// <summary>Iterations depend on earlier ones: only ascending order (scan).</summary>
    Ordered,
}

public enum StageKind
{
    /// <summary>out[axes] = value.</summary>
    Map,

    /// <summary>out[axes] = reduce over the reduce axes of value.</summary>
    Reduce,

    /// <summary>
    /// out = initial (or identity); then for every point, in the order of the axes where the reducer is
    /// <see cref="Reducer.Last"/>: out[indices] = combine(out[indices], value).
    /// </summary>
    Scatter,

    /// <summary>out[…, t, …] = combine(out[…, t−1, …], value), in ascending t; inclusive.</summary>
    Scan,
}

/// <summary>
/// One step of an algorithm. Values has one expression an output (more than one for tuple-valued reductions); Indices
/// says where a point of the axes is written, the same place in every output: the spatial axes themselves, but for
/// <see cref="StageKind.Scatter"/>, where it may be any index expression.
/// </summary>
public sealed record Stage(
    string Name,
    StageKind Kind,
    ImmutableArray<Axis> Axes,
    ImmutableArray<Buffer> Outputs,
    ImmutableArray<Expr> Indices,
    ImmutableArray<Expr> Values,
    Reducer? Reducer
)
{
    /// <summary>For a scatter: the buffer with the values to start from; null starts from the reducer's identity.</summary>
    public Buffer? Initial { get; init; }

    /// <summary>
    /// For a scatter: the output takes the place of <see cref="Initial"/>, an input that nothing else reads. A kernel finds the
    /// initial values in the memory of the output and only writes the elements that are indexed; callers pass one address for
    /// both.
    /// </summary>
    public bool InPlace { get; init; }

    /// <summary>
    /// What the algorithm computes depends on this stage by rounding only (the maximum that softmax takes off before its
    /// exponentials): derivatives take its results for constants.
    /// </summary>
    public bool Detached { get; init; }

    public IEnumerable<Axis> SpatialAxes => Axes.Where(a => a.Kind == AxisKind.Spatial);

    public IEnumerable<Axis> ReduceAxes => Axes.Where(a => a.Kind == AxisKind.Reduce);

    public Buffer Output => Outputs[0];

    /// <summary>Buffers read, each once, in order of appearance.</summary>
    public IEnumerable<Buffer> Reads =>
        Indices
            .Concat(Values)
            .SelectMany(e => e.Loads())
            .Select(l => l.Buffer)
            .Concat(Initial is null ? [] : [Initial])
            .Distinct();
}

/// <summary>A reduction in the making: what <see cref="AlgorithmBuilder.Sum"/> and its like return.</summary>
public sealed record Reduction(
    Reducer Reducer,
    ImmutableArray<Axis> Axes,
    ImmutableArray<Expr> Values,
    Expr? Where = null
);

/// <summary>A symbolic extent with its bounds, Min ≤ value ≤ Max.</summary>
public sealed record Parameter(Var Var, long Min, long Max)
{
    public string Name => Var.Name;

    public static implicit operator Expr(Parameter p) => p.Var;
}
