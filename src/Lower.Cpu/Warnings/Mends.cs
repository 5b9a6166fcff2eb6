using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;

namespace Picograd.Lower.Cpu.Warnings;

/// <summary>Changes of a schedule that may mend what a warning is about; each is a text and the nest that it leads to.</summary>
internal static class Mends
{
    /// <summary>Reductions that still initialise themselves get that out of their loops.</summary>
    public static IEnumerable<(string Text, Func<LoopNest> Apply)> Initialisation(LoopNest nest)
    {
        foreach (var block in nest.Blocks.Where(b => b.IsReduction && b.Init))
        {
            // The outermost loop that the primitive takes leaves nothing inside.
            foreach (var loop in nest.LoopsAround(block).Where(l => block.ReduceAxes.Any(a => a.Binding.Uses(l.Var))))
            {
                yield return (
                    $"decompose_reduction {block.Name} {loop.Name}",
                    () => Applied(nest, s => s.DecomposeReduction(block.Name, loop.Name))
                );
            }
        }
    }

    /// <summary>Splits whose rest is a condition are cut, all of them together.</summary>
    public static IEnumerable<(string Text, Func<LoopNest> Apply)> Tails(LoopNest nest)
    {
        var guarded = nest.Trace.Where(IsGuarded).ToList();
        if (guarded.Count == 0)
            yield break;
        string text = string.Join(", ", guarded.Select(s => $"{s.Primitive} {string.Join(' ', s.Args)} tail=peel"));
        yield return (
            $"{text}, or factors that divide the extents",
            () => Replay(nest, nest.Trace.Select(s => IsGuarded(s) ? s.With("tail", "peel") : s))
        );
    }

    /// <summary>Blocks that copy with padding fill it beforehand.</summary>
    public static IEnumerable<(string Text, Func<LoopNest> Apply)> Padding(LoopNest nest)
    {
        foreach (var block in nest.Blocks.Where(b => !b.IsReduction))
        {
            foreach (var loop in nest.LoopsAround(block))
            {
                yield return (
                    $"decompose_padding {block.Name} {loop.Name}",
                    () => Applied(nest, s => s.DecomposePadding(block.Name, loop.Name))
                );
            }
        }
    }

    /// <summary>Another loop becomes the innermost one and a vector.</summary>
    public static IEnumerable<(string Text, Func<LoopNest> Apply)> OtherVectors(LoopNest nest, int lanes)
    {
        foreach (var block in nest.Blocks)
        {
            var around = nest.LoopsAround(block);
            foreach (var loop in around.Reverse().Where(l => IsLong(l, lanes)))
            {
                bool reduces = block.ReduceAxes.Any(a => a.Binding.Uses(loop.Var));
                yield return reduces
                    ? (
                        $"split {loop.Name} {lanes}, rfactor the inner loop and vectorize it",
                        () => Partial(nest, block, loop, lanes)
                    )
                    : (
                        loop == around[^1]
                            ? $"vectorize {loop.Name}"
                            : $"reorder {loop.Name} inside the loops below it and vectorize it",
                        () => Applied(nest, s => Innermost(s, block, loop, lanes))
                    );
            }
        }
    }

    /// <summary>As many iterations of another loop as a vector has lanes are written out below a vector: a square block.</summary>
    public static IEnumerable<(string Text, Func<LoopNest> Apply)> SquareBlocks(LoopNest nest, int lanes)
    {
        foreach (var block in nest.Blocks)
        {
            var around = nest.LoopsAround(block);
            if (around.IsEmpty || around[^1].Kind != LoopKind.Vector)
                continue;
            foreach (var loop in around.Where(l => IsLong(l, lanes)))
            {
                yield return (
                    $"split {loop.Name} {lanes}, reorder the inner loop next to {around[^1].Name} and unroll it",
                    () =>
                        Applied(
                            nest,
                            s =>
                            {
                                var (outer, inner) = Cut(s, loop, lanes);
                                var loops = around.Where(l => l != loop).Refs().ToList();
                                loops.Insert(around.IndexOf(loop), outer);
                                loops.Insert(loops.Count - 1, inner);
                                s.Reorder([.. loops.Skip(around.IndexOf(loop))]).Unroll(inner);
                            }
                        )
                );
            }
        }
    }

    /// <summary>The nest of the same steps without one; those that need it are left out as well.</summary>
    public static LoopNest? Without(LoopNest nest, Func<Step, bool> leftOut)
    {
        var kept = nest.Trace.Where(s => !leftOut(s)).ToList();
        return kept.Count == nest.Trace.Length ? null : Replay(nest, kept);
    }

    private static bool IsGuarded(Step step) => step.Option("tail") is "guard" or "predicate" or "shift";

    private static bool IsLong(For loop, int lanes) => loop.Kind == LoopKind.Serial && loop.ConstantExtent >= lanes;

    private static (LoopRef Outer, LoopRef Inner) Cut(Schedule s, For loop, int lanes) =>
        s.Split(loop, lanes, loop.ConstantExtent % lanes == 0 ? Tail.None : Tail.Peel);

    private static void Innermost(Schedule s, BlockRef block, For loop, int lanes)
    {
        LoopRef[] loops = [.. s.LoopsAround(block)];
        int at = Array.IndexOf(loops, loop.Ref);
        LoopRef inner = loop;
        if (loop.ConstantExtent > lanes)
        {
            (var outer, inner) = Cut(s, loop, lanes);
            loops = [.. loops[..at], outer, .. loops[(at + 1)..]];
        }
        else
        {
            loops = [.. loops[..at], .. loops[(at + 1)..]];
        }
        if (loops.Length > at)
            s.Reorder([.. loops[at..], inner]);
        s.Vectorize(inner);
    }

    private static LoopNest Partial(LoopNest nest, Block block, For loop, int lanes) =>
        Applied(
            nest,
            s =>
            {
                var (outer, inner) = Cut(s, loop, lanes);
                var partial = s.Rfactor(block, inner);
                if (s.LoopsAround(partial)[^1] != inner)
                    s.Reorder(outer, inner);
                s.Vectorize(s.LoopsAround(partial)[^1]);
            }
        );

    private static LoopNest Applied(LoopNest nest, Action<Schedule> change)
    {
        var s = new Schedule(nest);
        change(s);
        return s.Nest;
    }

    private static LoopNest Replay(LoopNest nest, IEnumerable<Step> steps)
    {
        var trace = Trace.Of(nest);
        return new Trace(trace.Parameters, trace.Inputs, trace.Stages, [.. steps]).Replay(nest.Algorithm);
    }
}
