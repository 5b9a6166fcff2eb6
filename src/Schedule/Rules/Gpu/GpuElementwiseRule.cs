using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Chains of maps (with broadcasts, gathers and index expressions): intermediate results are computed where they are
/// used, unless they are dear and used often; what is left is one kernel an output, see <see cref="GpuMap"/>.
/// </summary>
public sealed class GpuElementwiseRule : ScheduleRule
{
    public override string Name => "gpu-elementwise";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is not null && algorithm.Stages.All(s => s.Kind == StageKind.Map);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var knobs = GpuMap.Knobs(algorithm, target, algorithm.Stages);
        return algorithm.Stages.Any(s => IsDear(algorithm, s))
            ? knobs.Add(GpuElementwiseKnobs.Inline.Offer(false))
            : knobs;
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var s = new Schedule(algorithm);
        bool all = choices[GpuElementwiseKnobs.Inline];
        Inline(s, algorithm, algorithm.Stages, all);
        var map = GpuMap.From(choices);
        foreach (var block in s.Nest.Blocks.Refs().ToList())
            map.Apply(s, block, target);
        return s.Nest;
    }

    /// <summary>Puts maps into their readers: those that are cheap or have one reader; all, if asked to.</summary>
    internal static void Inline(Schedule s, Algorithm algorithm, IEnumerable<Stage> stages, bool all)
    {
        foreach (var stage in stages)
        {
            if (
                stage.Kind != StageKind.Map
                || algorithm.Outputs.Any(stage.Outputs.Contains)
                || (!all && IsDear(algorithm, stage))
            )
                continue;
            var before = s.Nest;
            try
            {
                s.ComputeInline(stage);
            }
            catch (ScheduleException)
            {
                // A map that cannot be put into its readers is a kernel of its own.
                s.Reset(before);
            }
        }
    }

    // Functions of many steps, computed more than once for each element if put into the readers.
    private static bool IsDear(Algorithm algorithm, Stage stage) =>
        stage.Kind == StageKind.Map
        && !algorithm.Outputs.Any(stage.Outputs.Contains)
        && stage.Values[0].Nodes().Any(n => n.IsFunction())
        && algorithm.Stages.SelectMany(r => r.Values).SelectMany(v => v.Loads()).Count(l => l.Buffer == stage.Output)
            > 1;
}

/// <summary>The knobs of <see cref="GpuElementwiseRule"/>.</summary>
internal static class GpuElementwiseKnobs
{
    public static readonly SwitchKnob Inline = new("inline", 0);
}
