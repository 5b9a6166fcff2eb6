using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Schedules.Rules.Gpu;

namespace Picograd.Schedules.Defaults;

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
    /// What to try, in order, where a back end refuses the default: of every rule its default choices and, on processors, ever
    /// shorter code of the same rule, down to the plain loops. Each may be refused in turn (ScheduleException, LoweringException).
    /// </summary>
    public static IEnumerable<Func<LoopNest>> Fallbacks(Algorithm algorithm, TargetInfo target)
    {
        foreach (var rule in ScheduleRules.For(algorithm, target))
        {
            yield return () => rule.Apply(algorithm, target, rule.Defaults(algorithm, target));
            if (target.Gpu is not null)
                continue;
            foreach (var choices in rule.Shorter(algorithm, target))
                yield return () => rule.Apply(algorithm, target, choices);
        }
    }
}
