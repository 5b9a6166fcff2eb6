using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Sums over windows that slide along an input (convolutions), straight from the image, without a matrix of windows.
/// Tiled: a block makes a tile of channels and places, step by step of the channels in; the image with the rim that
/// windows reach into and the filters are in shared memory, each thread has several channels and places in registers.
/// Otherwise the threads of a block are neighbouring places, each with several channels in registers, which suits few
/// channels in and windows that share nothing. Element-wise stages after the sum run on the registers.
/// </summary>
public sealed class GpuConvRule : ScheduleRule
{
    public override string Name => "gpu-conv";

    public override bool Applies(Algorithm algorithm, TargetInfo target)
    {
        if (target.Gpu is null || algorithm.Stages[0] is not { Kind: StageKind.Reduce } sum || !sum.Reducer!.IsSum)
            return false;
        var spatial = sum.SpatialAxes.ToList();
        // Batch, channel, and places along which windows slide.
        bool slides = sum.Values[0]
            .Loads()
            .Any(l =>
                l.Indices.Any(i => i is not Var && i.Uses(spatial[^1].Var) && sum.ReduceAxes.Any(r => i.Uses(r.Var)))
            );
        return spatial.Count is 3 or 4
            && slides
            && sum.Axes.All(a => a.Extent is IntImm { Value: > 0 })
            && algorithm.Stages.Skip(1).All(s => s.Kind == StageKind.Map && Contraction.SameAxes(s, sum));
    }

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var tile = GpuConvTile.For(algorithm, target.Gpu!);
        var spatial = algorithm.Stages[0].SpatialAxes.ToList();
        long channels = Extents.Of(spatial[1]);
        long places = spatial.Skip(2).Aggregate(1L, (n, a) => n * Extents.Of(a));
        long each =
            channels >= 8 ? 8
            : channels >= 4 ? 4
            : 1;
        if (tile is not null)
            each = tile.Channels;
        ImmutableArray<Knob> knobs =
        [
            GpuConvKnobs.Tiled.Offer(tile is not null, free: tile is not null),
            GpuConvKnobs.Channels.Offer(Values([1, 2, 4, 8, 16], each, channels), each),
            GpuConvKnobs.Threads.Offer([32, 64, 128, 256], places >= 512 ? 128 : 64),
            GpuConvKnobs.Unroll.Offer([0, 1, 2], 2),
        ];
        return tile is null ? knobs : knobs.AddRange(tile.Knobs);
    }

    internal static ImmutableArray<long> Values(long[] values, long always, long most) =>
        [.. values.Where(v => v <= Math.Max(1, most)).Append(always).Distinct().Order()];

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var stage = algorithm.Stages[0];
        BlockRef block = stage;
        LoopRef Loop(Axis axis) => stage.Loop(axis);
        if (choices[GpuConvKnobs.Tiled])
            return new GpuConvTileSchedule(algorithm, target, choices).Build();
        var s = new Schedule(algorithm);
        List<BlockRef> after = [.. algorithm.Stages.Skip(1).Select(x => (BlockRef)x)];
        if (after.Count == 0)
            after.Add(s.CacheWrite(stage.Output, Scope.Register).Copy);
        else
            s.SetScope(stage.Output, Scope.Register);
        var spatial = stage.SpatialAxes.ToList();
        LoopRef[] reduce = [.. stage.ReduceAxes.Select(Loop)];
        var (group, channel) = s.Split(
            Loop(spatial[1]),
            choices[GpuConvKnobs.Channels],
            $"{block}.group",
            $"{block}.channel"
        );
        LoopRef[] places = [.. spatial.Skip(2).Select(Loop)];
        s.Reorder([Loop(spatial[0]), group, .. places, .. reduce, channel]);
        foreach (var later in after)
        {
            if (s.ReverseComputeAt(later, places[^1]) is { Count: > 0 } loops)
                Unroll(s, loops[^1]);
        }
        Unroll(s, channel);
        // The innermost loops of the window are short, and numbers in the indices save arithmetic.
        foreach (var window in reduce.Reverse().Take((int)choices[GpuConvKnobs.Unroll]))
        {
            if (s.Nest.Loop(window).ConstantExtent is <= 7)
                Unroll(s, window);
        }
        s.DecomposeReduction(block, reduce[0]);
        var place = s.Fuse(places, $"{block}.place");
        var outer = s.Fuse([Loop(spatial[0]), group], $"{block}.image");
        GpuLoops.BindGrid(s, place, choices[GpuConvKnobs.Threads]);
        s.Bind(outer, LoopKind.BlockY);
        return s.Nest;
    }

    private static void Unroll(Schedule s, LoopRef loop)
    {
        if (s.Nest.Loop(loop) is { Kind: LoopKind.Serial, ConstantExtent: > 1 and <= 16 })
            s.Unroll(loop);
    }
}

/// <summary>The knobs of <see cref="GpuConvRule"/>.</summary>
internal static class GpuConvKnobs
{
    public static readonly SwitchKnob Tiled = new("tiled", 0);
    public static readonly NumberKnob Channels = new("channels", 0);
    public static readonly NumberKnob Threads = new("threads", 1);
    public static readonly NumberKnob Unroll = new("unroll", 2);
    public static readonly NumberKnob Slices = new("slices", 1);
    public static readonly NumberKnob Rows = new("rows", 1);
    public static readonly NumberKnob Columns = new("columns", 1);
    public static readonly NumberKnob Places = new("places", 1);
    public static readonly NumberKnob Step = new("step", 2);
}
