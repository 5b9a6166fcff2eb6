using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// One decision of a rule. Level orders decisions from coarse (0: structure, parallelism) over register tile (1) and
/// cache tiles and packing (2) to fine (3: unrolling, prefetch); the search fixes them in that order.
/// </summary>
/// <param name="Name">For instance mr, nr, kc, pack_b.</param>
/// <param name="Level">0 … 3.</param>
/// <param name="Values">What may be chosen, ascending; the neighbours of a value are small steps.</param>
/// <param name="Default">The choice without any search; one of Values.</param>
public sealed record Knob(string Name, int Level, ImmutableArray<long> Values, long Default);

/// <summary>
/// A structural rule: looks at the shape of an algorithm (never at names) and offers a family of schedules of it, all
/// written through primitives. Any combination of knob values may still be refused by a primitive (ScheduleException)
/// or by the back end (LoweringException).
/// </summary>
public abstract class ScheduleRule
{
    public abstract string Name { get; }

    public abstract bool Applies(Algorithm algorithm, TargetInfo target);

    public abstract ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target);

    /// <summary>The schedule for a choice of every knob.</summary>
    public abstract LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices);

    public IReadOnlyDictionary<string, long> Defaults(Algorithm algorithm, TargetInfo target) =>
        Knobs(algorithm, target).ToDictionary(k => k.Name, k => k.Default);
}

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
        new MatvecRule(),
        new MatmulRule(),
        new RowFusionRule(),
        new StagewiseRule(),
        new PlainRule(),
    ];

    public static IEnumerable<ScheduleRule> For(Algorithm algorithm, TargetInfo target) =>
        All.Where(r => r.Applies(algorithm, target));
}

/// <summary>The initial nest as it is: applies to everything on a processor, has nothing to choose.</summary>
public sealed class PlainRule : ScheduleRule
{
    public override string Name => "plain";

    public override bool Applies(Algorithm algorithm, TargetInfo target) => target.Gpu is null;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target) => [];

    public override LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices) =>
        InitialNest.Of(algorithm);
}

/// <summary>The schedule used where nothing was tuned.</summary>
public static class DefaultSchedule
{
    /// <summary>The first rule that applies, is not refused and fits the GPU, with its default choices.</summary>
    public static LoopNest For(Algorithm algorithm, TargetInfo target)
    {
        foreach (var rule in ScheduleRules.For(algorithm, target))
        {
            try
            {
                var nest = rule.Apply(algorithm, target, rule.Defaults(algorithm, target));
                if (target.Gpu is not { } gpu || GpuFit.Problem(nest, gpu) is null)
                    return nest;
            }
            catch (ScheduleException)
            {
                // The defaults do not fit this shape; a more general rule follows, and the plain one always fits.
            }
        }
        throw new InvalidOperationException($"no rule applies to {algorithm.Name}");
    }

    /// <summary>
    /// What to try, in order, where a back end refuses the default: the default choices of every further rule, down to the
    /// plain one. Each may be refused in turn (ScheduleException, LoweringException).
    /// </summary>
    public static IEnumerable<Func<LoopNest>> Fallbacks(Algorithm algorithm, TargetInfo target)
    {
        // On processors the plain loops always compile, and what failed is seldom mended by a schedule in between.
        var rules = target.Gpu is null ? [new PlainRule()] : ScheduleRules.For(algorithm, target);
        foreach (var rule in rules)
            yield return () => rule.Apply(algorithm, target, rule.Defaults(algorithm, target));
    }
}
