using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>Steps that several GPU rules take.</summary>
internal static class GpuLoops
{
    /// <summary>
    /// Loops around a block whose iterations touch different elements, so that they may become blocks and threads;
    /// outermost first. Of a scatter these are the axes that alone decide an index of the destination.
    /// </summary>
    public static List<string> Independent(LoopNest nest, Block block)
    {
        var loops = nest.LoopsAround(block);
        var found = new List<string>();
        foreach (var loop in loops)
        {
            if (loop.Kind != LoopKind.Serial)
                continue;
            try
            {
                Concurrency.Require(nest, loop, LoopKind.BlockX);
                found.Add(loop.Name);
            }
            catch (ScheduleException)
            {
                // Its iterations meet in an element or have an order: they stay serial.
            }
        }
        return found;
    }

    /// <summary>One loop out of several that lie directly inside one another.</summary>
    public static string FuseAll(Schedule s, IReadOnlyList<string> loops)
    {
        string fused = loops[0];
        foreach (string next in loops.Skip(1))
            fused = s.Fuse(fused, next);
        return fused;
    }

    /// <summary>Cuts a loop into blocks of threads; a loop shorter than a block gets whole warps.</summary>
    /// <returns>The loops over blocks and threads.</returns>
    public static (string Blocks, string Threads) BindGrid(Schedule s, string loop, long threads)
    {
        if (s.Nest.Loop(loop).ConstantExtent is { } extent)
            threads = Math.Min(threads, WholeWarps(extent));
        var (blocks, thread) = s.Split(loop, threads);
        s.Bind(blocks, LoopKind.BlockX);
        s.Bind(thread, LoopKind.ThreadX);
        return (blocks, thread);
    }

    /// <summary>A thread loop of one iteration directly below a block loop, for work that cannot be shared out.</summary>
    public static void OneThread(Schedule s, string block, string blocks)
    {
        var inner = s.Nest.Loop(blocks).Body is For f ? f.Name : block;
        s.Bind(s.UnitLoop(inner), LoopKind.ThreadX);
    }

    /// <summary>The least whole number of warps for so many threads; one at least.</summary>
    public static long WholeWarps(long threads) => Math.Max(1, (threads + 31) / 32) * 32;
}
