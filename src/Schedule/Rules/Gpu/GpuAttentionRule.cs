using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Attention as one kernel: a block takes a tile of queries of one head and goes through the keys block by block with
/// online softmax, tiles of Q, K and V in shared memory, scores, statistics and results in registers.
/// </summary>
public sealed class GpuAttentionRule : ScheduleRule
{
    public override string Name => "gpu-attention";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is not null && OnlineReduction.Of(algorithm) is { Beside.IsEmpty: true };

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var p = OnlineReduction.Of(algorithm)!;
        long rows = PowerOfTwo(p.Rows, 64);
        long keys = PowerOfTwo(p.Keys, p.Depth > 64 ? 32 : 64);
        long tx = Math.Min(rows == 1 ? 32 : 16, keys);
        return
        [
            GpuAttentionKnobs.Bq.Offer(UpTo(128, p.Rows, rows), rows),
            GpuAttentionKnobs.Bk.Offer([.. UpTo(128, p.Keys, keys).Where(k => k >= 4 || k == keys)], keys),
            GpuAttentionKnobs.Tx.Offer([4, 8, 16, 32], Math.Max(4, tx)),
            GpuAttentionKnobs.Tm.Offer([1, 2, 4, 8], Math.Min(4, rows)),
            GpuAttentionKnobs.Pad.Offer(true),
            GpuAttentionKnobs.Vector.Offer([1, 2, 4], 4),
            GpuAttentionKnobs.Fragments.Offer(true),
            GpuAttentionKnobs.Eu.Offer([1, 2, 4, 8], 4),
            .. p.IsMasked ? [GpuAttentionKnobs.Skip.Offer(true)] : (Knob[])[],
        ];
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) =>
        new GpuAttentionSchedule(algorithm, choices).Build();

    private static long PowerOfTwo(long extent, long most)
    {
        long size = 1;
        while (size < extent && size < most)
            size *= 2;
        return size;
    }

    private static ImmutableArray<long> UpTo(long most, long extent, long always) =>
        [
            .. new long[] { 1, 2, 4, 8, 16, 32, 64, 128 }
                .Where(v => v <= most && v < 2 * extent)
                .Append(always)
                .Distinct()
                .Order(),
        ];
}

/// <summary>The knobs of <see cref="GpuAttentionRule"/>.</summary>
internal static class GpuAttentionKnobs
{
    public static readonly NumberKnob Bq = new("bq", 0);
    public static readonly NumberKnob Bk = new("bk", 0);
    public static readonly NumberKnob Tx = new("tx", 1);
    public static readonly NumberKnob Tm = new("tm", 1);
    public static readonly SwitchKnob Pad = new("pad", 2);
    public static readonly NumberKnob Vector = new("vector", 3);
    public static readonly SwitchKnob Fragments = new("fragments", 3);
    public static readonly NumberKnob Eu = new("eu", 3);
    public static readonly SwitchKnob Skip = new("skip", 1);
}
