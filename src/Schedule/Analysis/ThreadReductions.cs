using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// Reductions whose partial results lie with the threads of a block: a loop of a reduce axis is bound to lanes, warps or
/// threads. All loops of reduce axes from the outermost such loop inwards belong to it; the result is there for all
/// threads after that loop.
/// </summary>
public static class ThreadReductions
{
    /// <summary>
    /// The outermost of the loops around a block that is of a thread kind and drives one of its reduce axes; null where
    /// the block is no reduction over threads.
    /// </summary>
    public static For? Outermost(Block block, IEnumerable<For> around) =>
        block.IsReduction
            ? around.FirstOrDefault(l => l.Kind.IsThread() && block.ReduceAxes.Any(a => a.Binding.Uses(l.Var)))
            : null;

    /// <summary>Whether what is below the loop in the group is the combining write of one reduction over it.</summary>
    internal static bool Combine(
        IEnumerable<BufferAccess> group,
        For loop,
        LoopKind kind,
        IReadOnlyDictionary<Var, Interval> ranges
    ) =>
        kind.IsThread()
        && group.Select(a => a.Statement).Distinct(ReferenceEqualityComparer.Instance).ToList()
            is [Block { IsReduction: true } b]
        && group.All(a => a.IsWrite)
        && b.ReduceAxes.Any(a => a.Binding.Uses(loop.Var) && Simplifier.Simplify(a.Binding, ranges).Uses(loop.Var));

    /// <summary>Throws unless the threads of the loop may combine what they contribute to a block's result.</summary>
    internal static void Require(
        LoopNest nest,
        For loop,
        Block block,
        LoopKind kind,
        IReadOnlyDictionary<Var, Interval> ranges
    )
    {
        if (block.SpatialAxes.FirstOrDefault(a => Simplifier.Simplify(a.Binding, ranges).Uses(loop.Var)) is { } spatial)
            throw new ScheduleException(
                nest,
                block,
                $"{loop.Name} cannot be {kind.Text()}: it drives the spatial axis {spatial.Name} and a reduce axis of block {block.Name} at once",
                "split it so that one loop has the spatial part and another one the part that is reduced"
            );
        var around = nest.LoopsAround(block);
        var outermost =
            around.FirstOrDefault(l =>
                (l.Var == loop.Var || l.Kind.IsThread()) && block.ReduceAxes.Any(a => a.Binding.Uses(l.Var))
            ) ?? loop;
        foreach (var access in BufferAccess.Below(outermost))
        {
            if (ReferenceEquals(access.Statement, block) || !block.Outputs.Contains(access.Buffer))
                continue;
            throw new ScheduleException(
                nest,
                access.Statement,
                $"{loop.Name} cannot be {kind.Text()}: below {outermost.Name} the threads still combine {access.Buffer.Name}, which is {(access.IsWrite ? "written" : "read")} there",
                $"other uses of {access.Buffer.Name} before or after {outermost.Name}"
            );
        }
    }
}
