using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Dispatch;

/// <summary>A stored trace becomes a program again.</summary>
internal static class RecordReplay
{
    public static LoopNest Exactly(Algorithm algorithm, string trace)
    {
        var schedule = new Schedule(algorithm);
        foreach (string line in trace.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            schedule.Apply(Step.Parse(line));
        return schedule.Nest;
    }

    public static LoopNest Near(Algorithm algorithm, string trace) => Exactly(algorithm, trace);
}
