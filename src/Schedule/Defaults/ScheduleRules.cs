using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Schedules.Rules.Gpu;

namespace Picograd.Schedules.Defaults;

/// <summary>All rules, most specific first.</summary>
public static class ScheduleRules
{
    public static ImmutableArray<ScheduleRule> All { get; } =
    [
        // For GPUs.
        new GpuWarpgroupMatmulRule(),
        new GpuTensorMatmulRule(),
        new GpuMatmulRule(),
        new GpuTensorAttentionRule(),
        new GpuAttentionRule(),
        new GpuConvRule(),
        new GpuTransposeRule(),
        new GpuElementwiseRule(),
        new GpuRowFusionRule(),
        new GpuReductionRule(),
        new GpuPlainRule(),
        // For processors.
        new OnlineRule(),
        new OnlineGradientRule(),
        new TileRule(),
        new RowFusionRule(),
        new StagewiseRule(),
        new PlainRule(),
    ];

    public static IEnumerable<ScheduleRule> For(Algorithm algorithm, TargetInfo target) =>
        All.Where(r => r.Applies(algorithm, target));
}
