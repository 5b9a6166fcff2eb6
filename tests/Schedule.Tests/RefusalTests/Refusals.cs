using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.RefusalTests;

/// <summary>Checks the reason of a refusal, not only that there is one.</summary>
internal static class Refusals
{
    /// <summary>
    /// Applies steps to a sample; all but the last must be accepted, the last refused for the reason, with the nest in the
    /// message and, where a loop or block is at fault, its line marked.
    /// </summary>
    public static ScheduleException Of(string sample, string reason, params string[] steps) =>
        Of(SampleAlgorithms.All[sample](), reason, steps);

    public static ScheduleException Of(Algorithm algorithm, string reason, params string[] steps)
    {
        var schedule = new Schedule(algorithm);
        foreach (string step in steps[..^1])
            schedule.Apply(Step.Parse(step));
        var before = schedule.Nest;
        var refusal = Assert.Throws<ScheduleException>(() => schedule.Apply(Step.Parse(steps[^1])));
        Assert.Contains(reason, refusal.Reason);
        Assert.StartsWith(Step.Parse(steps[^1]) + ": ", refusal.Message);
        Assert.Contains($"{Environment.NewLine}legal: {refusal.Legal}", refusal.Message);
        Assert.Contains("block ", refusal.Message);
        if (refusal.At is not null)
            Assert.Contains("<-- here", refusal.Message);
        Assert.Same(before, schedule.Nest);
        return refusal;
    }
}
