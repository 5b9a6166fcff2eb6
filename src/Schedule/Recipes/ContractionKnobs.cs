using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Recipes;

/// <summary>What is left open of one contraction's schedule.</summary>
/// <param name="suffix">Behind the names: of which stage they are, where there are several.</param>
internal sealed class ContractionKnobs(string suffix)
{
    // Points from which threads pay for being woken.
    private const double Many = 1 << 17;

    /// <summary>Which axes a tile has, by their number in <see cref="RegisterTiles.Axes"/>.</summary>
    public NumberKnob Axes { get; } = new("axes" + suffix, 0);

    public SwitchKnob Parallel { get; } = new("parallel" + suffix, 0);

    /// <summary>Vectors of a tile side by side.</summary>
    public NumberKnob Vectors { get; } = new("nv" + suffix, 1, 1, lengthens: true);

    /// <summary>Rows of a tile.</summary>
    public NumberKnob Rows { get; } = new("rows" + suffix, 1, 1, lengthens: true);

    /// <summary>How many of the reduction's innermost loops are unrolled.</summary>
    public NumberKnob Unroll { get; } = new("unroll" + suffix, 2, lengthens: true);

    /// <summary>Whether tiles go along the vectors first, so that what rows read stays near.</summary>
    public SwitchKnob Inner { get; } = new("inner" + suffix, 2);

    /// <summary>Whether results that do not lie along vectors are written row by row instead of tile by tile.</summary>
    public SwitchKnob RowsOut { get; } = new("rows_out" + suffix, 2);

    /// <summary>Whether what follows reads the results from their registers.</summary>
    public SwitchKnob Inline { get; } = new("inline" + suffix, 2);

    public IEnumerable<Knob> Offer(
        Algorithm algorithm,
        ContractionPattern pattern,
        RegisterTiles tiles,
        TargetInfo target
    )
    {
        var best = tiles.Best!;
        var axes = best.Rows.Select(r => r.Axis).Prepend(best.Vector).ToList();
        ImmutableArray<long> all = [.. Enumerable.Range(0, tiles.Axes.Length).Select(i => (long)i)];
        yield return Axes.Offer(all, all.First(i => tiles.Axes[(int)i].SequenceEqual(axes)));
        if (target.Threads > 1)
        {
            double points = pattern.Stage.Axes.Aggregate(1.0, (n, a) => n * RegisterTiles.Extent(a));
            yield return Parallel.Offer(points >= Many);
        }
        yield return Vectors.Offer([1, 2, 3, 4], best.Vectors);
        yield return Rows.Offer(
            [.. Enumerable.Range(1, 16).Select(i => (long)i)],
            best.Rows is [var (_, most), ..] ? most : 1
        );
        yield return Unroll.Offer(
            ContractionRecipe.Unrollable(pattern),
            ContractionRecipe.Unrolled(pattern, tiles, best)
        );
        yield return Inner.Offer(false);
        if (!tiles.Axes.All(a => tiles.IsDirect(a[0])))
            yield return RowsOut.Offer(false);
        if (algorithm.Stages.Length > 1)
            yield return Inline.Offer(true);
    }
}
