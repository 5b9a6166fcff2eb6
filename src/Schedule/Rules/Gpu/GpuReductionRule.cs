using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Algorithms with reductions, stage by stage: reductions as <see cref="GpuReduction"/> says, maps as
/// <see cref="GpuMap"/>, anything else as <see cref="GpuPlainRule"/>.
/// </summary>
public sealed class GpuReductionRule : ScheduleRule
{
    public override string Name => "gpu-reduction";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is not null && algorithm.Stages.Any(s => s.Kind == StageKind.Reduce);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var maps = algorithm.Stages.Where(s => s.Kind == StageKind.Map).ToList();
        var knobs = GpuReduction.Knobs(algorithm, target);
        return maps.Count == 0 ? knobs : knobs.AddRange(GpuMap.Knobs(algorithm, target, maps));
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var s = new Schedule(algorithm);
        GpuElementwiseRule.Inline(s, algorithm, algorithm.Stages, all: false);
        var map = GpuMap.From(choices);
        var reduction = GpuReduction.From(choices);
        var stages = algorithm.Stages.ToDictionary(stage => stage.Name);
        foreach (var block in s.Nest.Blocks.Refs().ToList())
        {
            if (stages.TryGetValue(block.Name, out var stage) && stage.Kind == StageKind.Map)
                map.Apply(s, block, target);
            else if (stage is { Kind: StageKind.Reduce })
                reduction.Apply(s, stage);
            else
                GpuPlainRule.Stage(s, block, map.Threads);
        }
        return s.Nest;
    }
}
