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
        string name = StageOf(loop);
        var (blocks, thread) = Split(s, loop, threads, $"{name}.block", $"{name}.t");
        s.Bind(blocks, LoopKind.BlockX);
        s.Bind(thread, LoopKind.ThreadX);
        return (blocks, thread);
    }

    /// <summary>The part of a loop's name that says whose loop it is: up to its last axis.</summary>
    public static string StageOf(string loop) => loop[..Math.Max(0, loop.IndexOf('.', StringComparison.Ordinal))];

    /// <summary>A thread loop of one iteration directly below a block loop, for work that cannot be shared out.</summary>
    public static void OneThread(Schedule s, string block, string blocks)
    {
        var inner = s.Nest.Loop(blocks).Body is For f ? f.Name : block;
        s.Bind(s.UnitLoop(inner), LoopKind.ThreadX);
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
        string name,
        IReadOnlyList<string> loops,
        long threads,
        long vector,
        bool contiguous
    )
    {
        string inner = loops[^1];
        long extent = s.Nest.Loop(inner).ConstantExtent ?? 1;
        while (vector > 1 && (!contiguous || extent % vector != 0))
            vector /= 2;
        string? lanes = null;
        if (vector > 1)
            (inner, lanes) = Split(s, inner, vector, $"{name}.vec", $"{name}.v");
        string all = FuseAll(s, [.. loops.SkipLast(1), inner], $"{name}.t");
        string thread = all;
        if (s.Nest.Loop(all).ConstantExtent is not { } total || total > threads)
        {
            (string again, thread) = Split(s, all, threads, $"{name}.again", $"{name}.t");
            s.Reorder(thread, again);
            if (s.Nest.Loop(again).ConstantExtent is > 1 and <= 16)
                s.Unroll(again);
        }
        s.Bind(thread, LoopKind.ThreadX);
        if (lanes is not null)
            s.Vectorize(lanes);
    }

    /// <summary>Makes the innermost loop around a block a vector where it is 2, 4, 8 or 16 long.</summary>
    public static void VectorizeInner(Schedule s, string block)
    {
        if (
            s.Nest.OwnLoops(s.Nest.Block(block))
            is [.., { Kind: LoopKind.Serial, ConstantExtent: 2 or 4 or 8 or 16 } inner]
        )
            s.Vectorize(inner.Name);
    }

    /// <summary>Splits with names that say what the loops are for, where those are free.</summary>
    public static (string Outer, string Inner) Split(Schedule s, string loop, long factor, string outer, string inner)
    {
        outer = s.Nest.FreshName(outer);
        var made = s.Apply(
            Step.Of("split", loop, factor.ToString(CultureInfo.InvariantCulture)) with
            {
                Results = [outer, s.Nest.FreshName(inner)],
            }
        );
        return (made[0], made[1]);
    }

    /// <summary>Fuses loops under a name that says what the loop is for, where that is free.</summary>
    public static string FuseAll(Schedule s, IReadOnlyList<string> loops, string name)
    {
        string fused = loops[0];
        for (int i = 1; i < loops.Count; i++)
        {
            var step = Step.Of("fuse", fused, loops[i]);
            fused = s.Apply(i == loops.Count - 1 ? step with { Results = [s.Nest.FreshName(name)] } : step)[0];
        }
        return fused;
    }

    /// <summary>The least whole number of warps for so many threads; one at least.</summary>
    public static long WholeWarps(long threads) => Math.Max(1, (threads + 31) / 32) * 32;
}
