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

    /// <summary>
    /// Whether functions of the results are computed on the tile, before the next, instead of behind all tiles: what is constant in them
    /// takes registers that the tile has (tanh of 256 x 768 x 768, 1 thread: 1.18 times the two calls' time, behind all 0.99).
    /// </summary>
    public SwitchKnob OnTile { get; } = new("on_tile" + suffix, 2);

    /// <summary>Steps of the reduction's outermost axis that a tile takes at a time, before the next tile; 0: all.</summary>
    public NumberKnob Block { get; } = new("block" + suffix, 2);

    /// <summary>Tiles along the rows that pass each tile of vectors before others do, so that what they read stays near; 0: all.</summary>
    public NumberKnob Panel { get; } = new("panel" + suffix, 2);

    /// <summary>Whether operands that lie along the vectors are packed too, so that a tile reads one stream of memory.</summary>
    public SwitchKnob PackVectors { get; } = new("pack_vectors" + suffix, 2);

    /// <summary>Whether what rows read is packed, so that a tile's rows are neighbours.</summary>
    public SwitchKnob PackRows { get; } = new("pack_rows" + suffix, 2);

    /// <summary>Whether operands are packed where they are used: for a part of the reduction, or a tile of vectors.</summary>
    public SwitchKnob PackIn { get; } = new("pack_in" + suffix, 2);

    public IEnumerable<Knob> Offer(
        Algorithm algorithm,
        ContractionPattern pattern,
        RegisterTiles tiles,
        TargetInfo target
    )
    {
        var best = tiles.Best!;
        yield return Axes.Offer(UpFrom(0, tiles.Axes.Length), tiles.IndexOf(best));
        if (target.Threads > 1)
        {
            double points = pattern.Stage.Axes.Aggregate(1.0, (n, a) => n * Extents.Of(a));
            yield return Parallel.Offer(points >= Many);
        }
        yield return Vectors.Offer(RegisterTiles.Widths, best.Vectors);
        yield return Rows.Offer(UpFrom(1, 16), best.Rows is [var (_, most), ..] ? most : 1);
        yield return Unroll.Offer(
            ContractionRecipe.Unrollable(pattern),
            ContractionRecipe.Unrolled(pattern, tiles, best)
        );
        yield return Inner.Offer(false);
        foreach (var knob in Blocking(pattern, tiles, best))
            yield return knob;
        if (!tiles.AllDirect)
            yield return RowsOut.Offer(false);
        if (algorithm.Stages.Length > 1)
            yield return Inline.Offer(true);
        if (algorithm.Stages.Any(s => s.Kind == StageKind.Map && ContractionRecipe.HasFunctions(s)))
            yield return OnTile.Offer(false);
    }

    private IEnumerable<Knob> Blocking(ContractionPattern pattern, RegisterTiles tiles, RegisterTile best)
    {
        var outermost = pattern.Reduced[0];
        long steps = Extents.Of(outermost);
        long inner = pattern.Reduced.Skip(1).Aggregate(1L, (n, a) => n * Extents.Of(a));
        bool streams = tiles.StreamsPay(best) && steps >= 16;
        var parts = new List<long> { 0 };
        void Add(long part)
        {
            if (part > 0 && part <= steps / 2)
                parts.Add(part);
        }
        if (streams)
        {
            foreach (long part in (ReadOnlySpan<long>)[8, 16, 32])
                Add(part);
        }
        long last = 0;
        foreach (long points in (ReadOnlySpan<long>)[64, 128, 192, 256, 384, 512, 768])
        {
            long part = points / inner;
            if (part != last)
                Add(part);
            last = part;
        }
        bool splits = pattern.Guard?.Uses(outermost.Var) != true && parts.Count > 1 && tiles.AnyDirect;
        if (splits)
            yield return Block.Offer([.. parts], streams ? 8 : 0);
        yield return Panel.Offer([0, 2, 4, 8, 16, 32], 0);
        yield return PackVectors.Offer(tiles.PanelsPay(best));
        yield return PackRows.Offer(false);
        yield return PackIn.Offer(true);
    }

    private static ImmutableArray<long> UpFrom(long first, int count)
    {
        long[] values = new long[count];
        for (int i = 0; i < count; i++)
            values[i] = first + i;
        return [.. values];
    }
}
