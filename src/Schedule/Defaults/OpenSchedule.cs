using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;

namespace Picograd.Schedules.Defaults;

/// <summary>The schedule of a class of shapes: that of the shape which stands for it, replayed over symbolic extents.</summary>
public static class OpenSchedule
{
    /// <summary>The nest over symbolic extents by the library's default rules.</summary>
    /// <exception cref="TraceException">A step needs a constant extent: the shapes need schedules of their own.</exception>
    public static LoopNest For(OpenOperator open, TargetInfo target) => For(open, a => DefaultSchedule.For(a, target));

    /// <inheritdoc cref="For(OpenOperator, TargetInfo)"/>
    /// <param name="open">The class.</param>
    /// <param name="rule">The schedule of one shape.</param>
    public static LoopNest For(OpenOperator open, Func<Algorithm, LoopNest> rule)
    {
        // Where a short loop was taken whole, as one vector or tile, a longer one is cut.
        (long Small, bool Within)[] attempts = [(37, true), (69, true), (131, false)];
        for (int i = 0; ; i++)
        {
            var standing = open.Representative(attempts[i].Small, attempts[i].Within);
            try
            {
                return Replay(rule(standing.Build()), open.Build());
            }
            catch (TraceException) when (i + 1 < attempts.Length) { }
        }
    }

    /// <summary>The steps of a nest on another algorithm of the same stages and names.</summary>
    /// <exception cref="TraceException">A step is refused there.</exception>
    public static LoopNest Replay(LoopNest standing, Algorithm algorithm)
    {
        var names = Trace.Of(InitialNest.Of(algorithm));
        return new Trace(names.Parameters, names.Inputs, names.Stages, standing.Trace).Replay(algorithm);
    }
}
