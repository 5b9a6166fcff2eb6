using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Dispatch;

/// <summary>A stored trace becomes a program again.</summary>
internal static class RecordReplay
{
    /// <exception cref="TraceException">The text is no trace, or does not fit the algorithm.</exception>
    public static LoopNest Exactly(Algorithm algorithm, string trace) => Trace.Parse(trace).Replay(algorithm);

    /// <exception cref="TraceException">The text is no trace, or does not fit even with other factors.</exception>
    public static LoopNest Near(Algorithm algorithm, string trace)
    {
        var replay = Trace.Parse(trace).ReplayNear(algorithm);
        return replay.Nest ?? throw new TraceException(replay.Failure ?? "the trace does not fit");
    }
}
