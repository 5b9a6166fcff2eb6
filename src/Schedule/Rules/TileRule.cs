using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// Contractions of any form (<see cref="ContractionPattern"/>: convolutions, their gradients, pools, products of several axes)
/// by register tiles: vectors along one axis of the results, rows along others, everything that a tile sums up in registers.
/// Operands whose elements are not side by side along the vectors are packed; edges where windows reach beyond an image are cut
/// off, so that the rest has no tests. Every stage that matches gets a tile; element-wise stages after it run on it, others for
/// themselves.
/// </summary>
public sealed class TileRule : ScheduleRule
{
    public override string Name => "tile";

    public override bool Applies(Algorithm algorithm, TargetInfo target)
    {
        if (target.Gpu is not null || target.VectorBits == 0)
            return false;
        bool any = false;
        foreach (var stage in algorithm.Stages)
        {
            if (stage.Kind is StageKind.Scan)
                return false;
            if (stage.Kind != StageKind.Reduce)
                continue;
            if (Match(stage, target) is null)
                return false;
            any = true;
        }
        return any;
    }

    /// <summary>The pattern and tiles of a stage; null for one that is better off otherwise.</summary>
    internal static (ContractionPattern Pattern, RegisterTiles Tiles)? Match(Stage stage, TargetInfo target)
    {
        if (
            ContractionPattern.Of(stage) is not { } pattern
            || stage.Axes.Any(a => a.Extent is not IntImm { Value: > 0 })
        )
            return null;
        if (!pattern.Shares && pattern.Windows.IsEmpty)
            return null;
        var tiles = new RegisterTiles(pattern, target);
        return tiles.Best is null ? null : (pattern, tiles);
    }

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        bool first = true;
        foreach (var stage in algorithm.Stages.Where(s => s.Kind == StageKind.Reduce))
        {
            var (pattern, tiles) = Match(stage, target)!.Value;
            string suffix = first ? "" : "." + stage.Name;
            first = false;
            Add(knobs, algorithm, pattern, tiles, target, suffix);
        }
        return knobs.ToImmutable();
    }

    private static void Add(
        ImmutableArray<Knob>.Builder knobs,
        Algorithm algorithm,
        ContractionPattern pattern,
        RegisterTiles tiles,
        TargetInfo target,
        string suffix
    )
    {
        var best = tiles.Best!;
        double points = pattern.Stage.Axes.Aggregate(1.0, (n, a) => n * RegisterTiles.Extent(a));
        // Level 0: which axes a tile has; threads.
        var axes = best.Rows.Select(r => r.Axis).Prepend(best.Vector).ToList();
        long chosen = Enumerable.Range(0, tiles.Axes.Length).First(i => tiles.Axes[i].SequenceEqual(axes));
        knobs.Add(new("axes" + suffix, 0, [.. Enumerable.Range(0, tiles.Axes.Length).Select(i => (long)i)], chosen));
        if (target.Threads > 1)
            knobs.Add(new("parallel" + suffix, 0, [0, 1], points >= 1 << 17 ? 1 : 0));
        // Level 1: the tile.
        knobs.Add(new("nv" + suffix, 1, [1, 2, 3, 4], best.Vectors));
        long rows = best.Rows is [var (_, most), ..] ? most : 1;
        knobs.Add(new("rows" + suffix, 1, [.. Enumerable.Range(1, 16).Select(i => (long)i)], rows));
        // Level 2: order of loops. Which of the reduction's loops are unrolled: as many as leave the tile short enough.
        knobs.Add(
            new("unroll" + suffix, 2, ContractionRecipe.Unrollable(pattern), ContractionRecipe.Unrolled(pattern, best))
        );
        knobs.Add(new("inner" + suffix, 2, [0, 1], 0));
        knobs.Add(new("rows_out" + suffix, 2, [0, 1], 0));
        if (algorithm.Stages.Length > 1)
            knobs.Add(new("inline" + suffix, 2, [0, 1], 1));
    }

    public override LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices)
    {
        var s = new Schedule(algorithm);
        var done = new HashSet<string>();
        bool first = true;
        bool parallel = choices
            .Where(c => c.Key.StartsWith("parallel", StringComparison.Ordinal))
            .Any(c => c.Value == 1);
        foreach (var stage in algorithm.Stages.Where(x => x.Kind == StageKind.Reduce))
        {
            var (pattern, tiles) = Match(stage, target)!.Value;
            string suffix = first ? "" : "." + stage.Name;
            first = false;
            var recipe = new ContractionRecipe(
                s,
                algorithm,
                pattern,
                tiles,
                target,
                name => choices.GetValueOrDefault(name + suffix)
            );
            done.UnionWith(recipe.Apply());
        }
        StagewiseRule.Schedule(s, algorithm.Stages.Where(x => !done.Contains(x.Name)), target, parallel);
        return s.Nest;
    }
}
