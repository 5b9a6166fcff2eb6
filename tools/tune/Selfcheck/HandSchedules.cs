using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Tune;

/// <summary>A schedule that no rule writes, for a kind of kernel that would go unchecked otherwise.</summary>
/// <param name="Name">What it is for.</param>
/// <param name="Spec">The instance.</param>
/// <param name="Applies">Whether a target has it.</param>
/// <param name="Steps">One a line.</param>
internal sealed record HandSchedule(string Name, string Spec, Func<TargetInfo, bool> Applies, string Steps)
{
    public LoopNest Nest()
    {
        var schedule = new Schedule(OperatorSpec.Parse(Spec).Build());
        const StringSplitOptions Lines = StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries;
        foreach (string line in Steps.Split('\n', Lines))
            schedule.Apply(Step.Parse(line));
        return schedule.Nest;
    }
}

/// <summary>All of them.</summary>
internal static class HandSchedules
{
    public static IReadOnlyList<HandSchedule> All { get; } = [Clusters(2), Clusters(4)];

    // Tiles in shared memory, of blocks that run as clusters along the columns.
    private static HandSchedule Clusters(int blocks) =>
        new(
            $"clusters of {blocks} blocks",
            "matmul m=32 n=64 k=24",
            target => target.Gpu is { HasWarpgroupMma: true },
            $"""
            C.reg, C.copy = cache_write C register
            mo, mi = split C.m 8
            nb, ni = split C.n 8
            no, nc = split nb {blocks}
            ko, ki = split C.k 8
            reorder mo no nc ko mi ni ki
            As, A.copy = cache_read A C shared
            am, ak = compute_at A.copy ko
            cm, cn = reverse_compute_at C.copy nc
            init = decompose_reduction C ko
            bind mo block.y
            bind no block.x
            bind nc cluster
            bind am thread.y
            bind ak thread.x
            bind mi thread.y
            bind ni thread.x
            bind cm thread.y
            bind cn thread.x
            bind init.mi thread.y
            bind init.ni thread.x
            """
        );
}
