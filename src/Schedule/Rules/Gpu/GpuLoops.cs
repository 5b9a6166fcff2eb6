using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>Steps that several GPU rules take.</summary>
internal static class GpuLoops
{
    /// <summary>
    /// Loops around a block whose iterations touch different elements, so that they may become blocks and threads;
    /// outermost first. Of a scatter these are the axes that alone decide an index of the destination.
    /// </summary>
    public static List<LoopRef> Independent(LoopNest nest, Block block)
    {
        var loops = nest.LoopsAround(block);
        var found = new List<LoopRef>();
        foreach (var loop in loops)
        {
            if (loop.Kind != LoopKind.Serial)
                continue;
            try
            {
                Concurrency.Require(nest, loop, LoopKind.BlockX);
                found.Add(loop);
            }
            catch (ScheduleException)
            {
                // Its iterations meet in an element or have an order: they stay serial.
            }
        }
        return found;
    }

    /// <summary>Cuts a loop into blocks of threads; a loop shorter than a block gets whole warps.</summary>
    /// <returns>The loops over blocks and threads.</returns>
    public static (LoopRef Blocks, LoopRef Threads) BindGrid(Schedule s, LoopRef loop, long threads)
    {
        if (s.Nest.Loop(loop).ConstantExtent is { } extent)
            threads = Math.Min(threads, WholeWarps(extent));
        string name = loop.Name[..Math.Max(0, loop.Name.IndexOf('.', StringComparison.Ordinal))];
        var (blocks, thread) = s.Split(loop, threads, $"{name}.block", $"{name}.t");
        s.Bind(blocks, LoopKind.BlockX);
        s.Bind(thread, LoopKind.ThreadX);
        return (blocks, thread);
    }

    /// <summary>A thread loop of one iteration directly below a block loop, for work that cannot be shared out.</summary>
    public static void OneThread(Schedule s, BlockRef block, LoopRef blocks)
    {
        var unit = s.Nest.Loop(blocks).Body is For inner ? s.UnitLoop(inner.Ref) : s.UnitLoop(block);
        s.Bind(unit, LoopKind.ThreadX);
    }

    /// <summary>
    /// Shares the loops of a copy out to the threads of a block: a vector along the innermost loop, then neighbouring
    /// vectors to neighbouring threads, as often as it takes.
    /// </summary>
    /// <param name="s">The schedule.</param>
    /// <param name="name">Names of loops begin with it.</param>
    /// <param name="loops">Directly inside one another, outermost first; the innermost runs along memory.</param>
    /// <param name="threads">Threads of the block.</param>
    /// <param name="vector">Elements that a thread takes at once, at most.</param>
    /// <param name="contiguous">Whether neighbours along the innermost loop are neighbours in memory.</param>
    public static void Cooperative(
        Schedule s,
        BlockRef name,
        IReadOnlyList<LoopRef> loops,
        long threads,
        long vector,
        bool contiguous
    )
    {
        var inner = loops[^1];
        long extent = s.Nest.Loop(inner).ConstantExtent ?? 1;
        while (vector > 1 && (!contiguous || extent % vector != 0))
            vector /= 2;
        LoopRef? lanes = null;
        if (vector > 1)
            (inner, lanes) = s.Split(inner, vector, $"{name}.vec", $"{name}.v");
        var all = s.Fuse([.. loops.SkipLast(1), inner], $"{name}.t");
        var thread = all;
        if (s.Nest.Loop(all).ConstantExtent is not { } total || total > threads)
        {
            (var again, thread) = s.Split(all, threads, $"{name}.again", $"{name}.t");
            s.Reorder(thread, again);
            if (s.Nest.Loop(again).ConstantExtent is > 1 and <= 16)
                s.Unroll(again);
        }
        s.Bind(thread, LoopKind.ThreadX);
        if (lanes is not null)
            s.Vectorize(lanes);
    }

    /// <summary>Makes the innermost loop around a block a vector where it is 2, 4, 8 or 16 long.</summary>
    public static void VectorizeInner(Schedule s, BlockRef block)
    {
        if (
            s.Nest.OwnLoops(s.Nest.Block(block))
            is [.., { Kind: LoopKind.Serial, ConstantExtent: 2 or 4 or 8 or 16 } inner]
        )
            s.Vectorize(inner);
    }

    /// <summary>The least whole number of warps for so many threads; one at least.</summary>
    public static long WholeWarps(long threads) => Math.Max(1, (threads + 31) / 32) * 32;
}
