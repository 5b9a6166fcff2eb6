using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Every stage as a kernel of its own, one thread a point of its spatial axes; what is left (the axes of a reduction, the
/// steps of a scan, the updates of a scatter that may meet) runs serially within the thread. Applies to everything.
/// </summary>
public sealed class GpuPlainRule : ScheduleRule
{
    public override string Name => "gpu-plain";

    public override bool Applies(Algorithm algorithm, TargetInfo target) => target.Gpu is not null;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target) =>
        [GpuPlainKnobs.Threads.Offer([32, 64, 128, 256, 512, 1024], 256)];

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var s = new Schedule(algorithm);
        long threads = choices[GpuPlainKnobs.Threads];
        foreach (var block in s.Nest.Blocks.Refs().ToList())
            Stage(s, block, threads);
        return s.Nest;
    }

    /// <summary>Schedules the root nest of a block that no other primitive has touched.</summary>
    internal static void Stage(Schedule s, BlockRef block, long threads)
    {
        var free = GpuLoops.Independent(s.Nest, s.Nest.Block(block));
        if (free.Count == 0)
        {
            var loops = s.LoopsAround(block);
            var unit = loops.Count == 0 ? s.UnitLoop(block) : s.UnitLoop(loops[0]);
            s.Bind(unit, LoopKind.BlockX);
            GpuLoops.OneThread(s, block, unit);
            return;
        }
        var all = s.LoopsAround(block);
        LoopRef[] order = [.. free, .. all.Except(free)];
        if (!order.SequenceEqual(all))
            s.Reorder(order);
        var before = s.Nest;
        try
        {
            GpuLoops.BindGrid(s, s.Fuse(free), threads);
        }
        catch (ScheduleException)
        {
            // It is not certain for one loop of all of them: then each by itself.
            s.Reset(before);
            Separate(s, free, threads);
        }
    }

    private static void Separate(Schedule s, List<LoopRef> free, long threads)
    {
        // Blocks lie directly inside one another: loops that are left over go below them.
        var kinds = new Queue<LoopKind>([LoopKind.BlockY, LoopKind.BlockZ]);
        var grid = free.SkipLast(1).Where(l => s.Nest.Loop(l).ConstantExtent is <= 65_535).Take(kinds.Count).ToList();
        LoopRef[] order = [.. grid, free[^1], .. free.SkipLast(1).Except(grid)];
        if (!order.SequenceEqual(free))
            s.Reorder(order);
        foreach (var loop in grid)
            s.Bind(loop, kinds.Dequeue());
        GpuLoops.BindGrid(s, free[^1], threads);
    }
}

/// <summary>The knobs of <see cref="GpuPlainRule"/>.</summary>
internal static class GpuPlainKnobs
{
    public static readonly NumberKnob Threads = new("threads", 0);
}
