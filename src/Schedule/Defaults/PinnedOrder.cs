using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;

namespace Picograd.Schedules.Defaults;

/// <summary>
/// The order in which the pinned policy adds up: that of the library's default schedule for one thread of a processor of which only the
/// width of vectors is known. So it depends on algorithm, shape and that width; caches, number of threads and tuning have no part in it.
/// A tuned kernel is served under the policy if it gives the bits of this one.
/// </summary>
public static class PinnedOrder
{
    /// <summary>What records are stored under that keep the order.</summary>
    public const string Policy = "pinned";

    // Caches of about the smallest processor of today.
    private const long L1Bytes = 32 << 10;
    private const long L2Bytes = 1 << 20;
    private const long L3Bytes = 32 << 20;

    // Below so many points threads are not worth being woken.
    private const double PointsWorthThreads = 1 << 15;

    /// <summary>The processor that stands for all of a target's width of vectors.</summary>
    public static TargetInfo Reference(TargetInfo target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return target with
        {
            Threads = 1,
            L1Bytes = L1Bytes,
            L2Bytes = L2Bytes,
            L3Bytes = L3Bytes,
            Fingerprint = $"pinned;{target.VectorBits}",
        };
    }

    /// <summary>The default schedule in this order; outer loops are spread over threads, which changes no sum.</summary>
    /// <param name="algorithm">What is computed.</param>
    /// <param name="target">A processor.</param>
    /// <exception cref="NotSupportedException">A GPU: there the policy is not had.</exception>
    public static LoopNest For(Algorithm algorithm, TargetInfo target)
    {
        if (target.Gpu is not null)
            throw new NotSupportedException("Sums are pinned on processors only.");
        return Spread(DefaultSchedule.For(algorithm, Reference(target)), target.Threads);
    }

    /// <summary>What to try, in order, where a back end refuses <see cref="For"/>.</summary>
    public static IEnumerable<Func<LoopNest>> Fallbacks(Algorithm algorithm, TargetInfo target) =>
        DefaultSchedule.Fallbacks(algorithm, Reference(target));

    // Each outermost loop that a primitive lets be parallel, where there is enough below it.
    private static LoopNest Spread(LoopNest nest, int threads)
    {
        if (threads == 1)
            return nest;
        var schedule = new Schedule(nest);
        foreach (var loop in nest.Loops.Where(l => nest.LoopsAround(l).IsEmpty).ToList())
        {
            double points = loop
                .Body.Nodes()
                .OfType<For>()
                .Aggregate((double)(loop.ConstantExtent ?? 1), (n, l) => n * Math.Max(1, l.ConstantExtent ?? 1));
            if (loop.ConstantExtent is null or 1 || points < PointsWorthThreads)
                continue;
            try
            {
                schedule.Parallel(loop);
            }
            catch (ScheduleException)
            {
                // Its iterations are not apart; it stays with one thread.
            }
        }
        return schedule.Nest;
    }
}
