using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>The initial nest as it is: applies to everything on a processor, has nothing to choose.</summary>
public sealed class PlainRule : ScheduleRule
{
    public override string Name => "plain";

    public override bool Applies(Algorithm algorithm, TargetInfo target) => target.Gpu is null;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target) => [];

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) =>
        InitialNest.Of(algorithm);
}
