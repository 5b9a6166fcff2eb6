using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Attention of bf16 and f16 as one kernel on tensor cores through mma.sync: each warp has rows of queries of its own; scores,
/// statistics, weights and results stay in fragments, so that the weights become an operand of the second product without
/// leaving the registers; tiles of Q, K and V lie in shared memory and are loaded with ldmatrix.
/// </summary>
public sealed class GpuTensorAttentionRule : ScheduleRule
{
    // Rows and depth of one mma.
    private const long Unit = 16;

    public override string Name => "gpu-tensor-attention";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is { HasAsyncCopy: true }
        && OnlineReduction.Of(algorithm) is { Beside.IsEmpty: true } p
        && p.Query.Type is DType.BFloat16 or DType.Float16
        && p.Key.Type == p.Query.Type
        && p.Value.Type == p.Query.Type
        && p.Rows % Unit == 0
        && p.Keys % Unit == 0
        && p.Depth % Unit == 0
        && p.Columns % Unit == 0;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var p = OnlineReduction.Of(algorithm)!;
        var rows = Dividing([16, 32, 64, 128], p.Rows);
        var keys = Dividing([16, 32, 64, 128], p.Keys);
        return
        [
            GpuTensorAttentionKnobs.Bq.Offer(rows, rows.Last(r => r <= 64)),
            GpuTensorAttentionKnobs.Bk.Offer(keys, keys.Last(k => k <= 64)),
            GpuTensorAttentionKnobs.Wm.Offer([16, 32], 16),
            GpuTensorAttentionKnobs.Pad.Offer(true),
            GpuTensorAttentionKnobs.Hold.Offer(true),
            .. p.IsMasked ? [GpuTensorAttentionKnobs.Skip.Offer(true)] : (Knob[])[],
        ];
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) =>
        new GpuTensorAttentionSchedule(algorithm, choices).Build();

    private static ImmutableArray<long> Dividing(long[] values, long extent) => [.. values.Where(v => extent % v == 0)];
}

/// <summary>The knobs of <see cref="GpuTensorAttentionRule"/>.</summary>
internal static class GpuTensorAttentionKnobs
{
    public static readonly NumberKnob Bq = new("bq", 0);
    public static readonly NumberKnob Bk = new("bk", 0);
    public static readonly NumberKnob Wm = new("wm", 1);
    public static readonly SwitchKnob Pad = new("pad", 2);
    public static readonly SwitchKnob Hold = new("hold", 1);
    public static readonly SwitchKnob Skip = new("skip", 1);
}
