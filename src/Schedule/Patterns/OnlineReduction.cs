using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Patterns;

/// <summary>
/// An algorithm of the form of attention: scores D[…, i, j] = Σₑ Q · K, their maximum over j, the sum over j of weights,
/// and a mixture O[…, i, c] = Σⱼ weight · V, with maps before, between and after. Which maps are weights is left to
/// online_softmax, which looks at their expressions.
/// </summary>
internal sealed record OnlineReduction(
    Stage Dot,
    Stage Max,
    Stage Sum,
    Stage Mix,
    Stage Last,
    Load Query,
    Load Key,
    Load Value
)
{
    /// <summary>The maps among the stages.</summary>
    public required ImmutableArray<Stage> Maps { get; init; }

    /// <summary>Maps of rows that are results besides the mixture (the logarithms of their sums).</summary>
    public required ImmutableArray<Stage> Beside { get; init; }

    public Axis Row => Last.Axes[^2];

    public Axis Column => Last.Axes[^1];

    public long Rows => Extents.Of(Row);

    public long Columns => Extents.Of(Column);

    public long Keys => Extents.Of(Max.ReduceAxes.Single());

    /// <summary>Length of the dot products of a score.</summary>
    public long Depth => Extents.Of(Dot.ReduceAxes.Single());

    /// <summary>Instances of the problem: sequences times heads.</summary>
    public long Batch => Last.Axes.SkipLast(2).Aggregate(1L, (n, a) => n * Extents.Of(a));

    /// <summary>Multiply-adds of both products.</summary>
    public double Work => (double)Batch * Rows * Keys * (Depth + Columns);

    /// <summary>Whether a map has a value for each row and key: it reads dot products, directly or by way of others.</summary>
    public bool IsScore(Stage map)
    {
        if (map.Axes.Length != Last.Axes.Length || map == Last)
            return false;
        return map.Values[0]
            .Loads()
            .Any(l =>
                l.Buffer == Dot.Output
                || Maps.FirstOrDefault(m => m.Outputs[0] == l.Buffer) is { } other && IsScore(other)
            );
    }

    /// <summary>Whether a mask says up to which key a row sees any, as a causal one does.</summary>
    public bool IsMasked =>
        !SeenKeys
            .Of(
                Max.Values[0],
                Max.ReduceAxes.Single().Var,
                Max.SpatialAxes.Select(a => a.Var),
                load =>
                    Maps.FirstOrDefault(s => s.Outputs[0] == load.Buffer) is { } map
                        ? map.Values[0]
                            .Substitute(map.Axes.Zip(load.Indices).ToDictionary(p => p.First.Var, p => p.Second))
                        : null
            )
            .IsEmpty;

    public static OnlineReduction? Of(Algorithm algorithm)
    {
        if (algorithm.Stages.Any(s => s.Kind is not (StageKind.Map or StageKind.Reduce) || s.Outputs.Length != 1))
            return null;
        if (algorithm.Stages.Any(s => s.Axes.Any(a => a.Extent is not IntImm { Value: > 0 })))
            return null;
        if (
            algorithm.Stages.FirstOrDefault(s => s.Output == algorithm.Outputs[0])
            is not { Kind: StageKind.Map, Axes.Length: >= 3 } last
        )
            return null;
        // Besides the mixture what is known of each row.
        var beside = algorithm.Stages.Where(s => s != last && algorithm.Outputs.Contains(s.Output)).ToImmutableArray();
        if (
            beside.Any(s =>
                s.Kind != StageKind.Map
                || !s.Axes.Select(Extents.Of).SequenceEqual(last.Axes.SkipLast(1).Select(Extents.Of))
            )
        )
            return null;
        if (
            algorithm.Stages.Where(s => s.Kind == StageKind.Reduce).ToList() is not [var dot, var max, var one, var two]
        )
            return null;
        if (!dot.Reducer!.IsSum || max.Reducer!.Name != "max" || !one.Reducer!.IsSum || !two.Reducer!.IsSum)
            return null;
        int rank = last.Axes.Length;
        var (sum, mix) = one.SpatialAxes.Count() < two.SpatialAxes.Count() ? (one, two) : (two, one);
        if (
            dot.SpatialAxes.Count() != rank
            || mix.SpatialAxes.Count() != rank
            || max.SpatialAxes.Count() != rank - 1
            || sum.SpatialAxes.Count() != rank - 1
            || new[] { dot, max, sum, mix }.Any(s => s.ReduceAxes.Count() != 1)
        )
            return null;
        if (Inputs(algorithm, dot) is not [var x, var y] || Inputs(algorithm, mix) is not [var value])
            return null;
        // The queries are those that have the row.
        var row = dot.SpatialAxes.ElementAt(rank - 2).Var;
        bool firstHasRow = x.Indices.Any(i => i == row);
        if (firstHasRow == y.Indices.Any(i => i == row))
            return null;
        var (query, key) = firstHasRow ? (x, y) : (y, x);
        return new OnlineReduction(dot, max, sum, mix, last, query, key, value)
        {
            Maps = [.. algorithm.Stages.Where(s => s.Kind == StageKind.Map)],
            Beside = beside,
        };
    }

    private static List<Load> Inputs(Algorithm algorithm, Stage stage) =>
        [.. stage.Values[0].Loads().Where(l => algorithm.Inputs.Contains(l.Buffer))];
}
