using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

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
            if (Match(stage, target) is not null)
                any = true;
            else if (!StandsAlone(algorithm, stage))
                return false;
        }
        return any;
    }

    // Reads inputs only and is read by none: the sum for a bias beside the gradients of a convolution, which other recipes do as well.
    private static bool StandsAlone(Algorithm algorithm, Stage stage) =>
        !stage.Reads.Any(b => algorithm.Stages.Any(s => s.Outputs.Contains(b)))
        && !algorithm.Stages.Any(s => s != stage && s.Reads.Any(b => stage.Outputs.Contains(b)));

    /// <summary>The pattern and tiles of a stage; null for one that is better off otherwise.</summary>
    internal static (ContractionPattern Pattern, RegisterTiles Tiles)? Match(Stage stage, TargetInfo target)
    {
        // Whether the rule applies, its knobs and its schedule are asked for one after the other.
        if (Known.TryGetValue(stage, out var known) && known.Item1 == target)
            return known.Item2;
        var found = Find(stage, target);
        Known.AddOrUpdate(stage, Tuple.Create(target, found));
        return found;
    }

    private static readonly ConditionalWeakTable<
        Stage,
        Tuple<TargetInfo, (ContractionPattern Pattern, RegisterTiles Tiles)?>
    > Known = [];

    private static (ContractionPattern Pattern, RegisterTiles Tiles)? Find(Stage stage, TargetInfo target)
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

    // Stages that matched, each with knobs of its own; those of the first have no name behind theirs.
    private static IEnumerable<(ContractionPattern Pattern, RegisterTiles Tiles, ContractionKnobs Knobs)> Matches(
        Algorithm algorithm,
        TargetInfo target
    )
    {
        string suffix = "";
        foreach (var stage in algorithm.Stages.Where(s => s.Kind == StageKind.Reduce))
        {
            if (Match(stage, target) is not var (pattern, tiles))
                continue;
            yield return (pattern, tiles, new ContractionKnobs(suffix == "" ? "" : suffix + stage.Name));
            suffix = ".";
        }
    }

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var all = new List<Knob>();
        foreach (var (pattern, tiles, knobs) in Matches(algorithm, target))
            all.AddRange(knobs.Offer(algorithm, pattern, tiles, target));
        return [.. all];
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var s = new Schedule(algorithm);
        var done = new HashSet<BlockRef>();
        bool parallel = false;
        foreach (var (pattern, tiles, knobs) in Matches(algorithm, target))
        {
            parallel |= choices[knobs.Parallel];
            var tile = tiles.Dot(choices[knobs.Axes], choices[knobs.Vectors], choices[knobs.Rows]);
            done.UnionWith(
                tile is not null
                    ? new DotRecipe(s, algorithm, pattern, tile, target, choices[knobs.Parallel]).Apply()
                    : new ContractionRecipe(s, algorithm, pattern, tiles, target, knobs, choices).Apply()
            );
        }
        StagewiseRule.Schedule(s, algorithm.Stages.Where(x => !done.Contains(x)), target, parallel);
        return s.Nest;
    }
}
