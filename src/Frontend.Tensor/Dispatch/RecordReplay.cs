using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>
/// A stored trace becomes a kernel again. Records are foreign data: whatever one asks for, it costs milliseconds and memory in
/// proportion to the operator, or is refused.
/// </summary>
internal static class RecordReplay
{
    /// <summary>The nest of a record, for its own shape or, with factors inferred again, for another, compiled.</summary>
    /// <exception cref="TraceException">The text is no trace, does not fit the algorithm, or costs too much.</exception>
    public static (LoopNest Nest, ICompiledKernel Kernel) Run(
        IBackend backend,
        Algorithm algorithm,
        TuneRecord record,
        bool sameShape
    )
    {
        var trace = Trace.Parse(record.Trace);
        var nest = sameShape ? trace.Replay(algorithm) : Near(trace, algorithm);
        var kernel = backend.Compile(nest);
        try
        {
            ReplayLimits.Standard.CheckWorkspace(algorithm, kernel.WorkspaceBytes);
            return (nest, kernel);
        }
        catch
        {
            kernel.Dispose();
            throw;
        }
    }

    private static LoopNest Near(Trace trace, Algorithm algorithm)
    {
        var replay = trace.ReplayNear(algorithm);
        if (replay.AddsTests)
            throw new TraceException("its loops would test for their ends in every iteration here");
        return replay.Nest ?? throw new TraceException(replay.Failure ?? "the trace does not fit");
    }
}
