using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>In which state of the caches kernels are timed.</summary>
public enum TimingPolicy
{
    /// <summary>Operands as the previous call of the same kernel left them in the caches.</summary>
    Warm,

    /// <summary>Nothing of the operands in any cache.</summary>
    Cold,

    /// <summary>As <see cref="Warm"/>, among kernels that give the bits of <see cref="PinnedOrder"/>.</summary>
    Pinned,
}

/// <summary>
/// What is tuned: a problem for a target (threads included) under a timing policy. Of a problem with symbolic extents the rules
/// are asked for schedules of one point, which are replayed over the extents: what is run, timed, certified and stored is the
/// kernel over them.
/// </summary>
public sealed record TuneTask(Problem Problem, ITuningTarget On, TimingPolicy Policy = TimingPolicy.Warm)
{
    public TargetInfo Target => On.Backend.Target;

    public Algorithm Algorithm => Problem.Algorithm;

    /// <summary>What kernels are timed on: the problem, or of a range its point.</summary>
    public Problem Measured => Problem.AtPoint;

    /// <summary>The schedules that dispatch would run untuned, the first that compiles; of a range those of its point.</summary>
    public IEnumerable<Func<LoopNest>> Defaults =>
        Policy == TimingPolicy.Pinned
            ? PinnedOrder
                .Fallbacks(Measured.Algorithm, Target)
                .Prepend(() => PinnedOrder.For(Measured.Algorithm, Target))
            : DefaultSchedule
                .Fallbacks(Measured.Algorithm, Target)
                .Prepend(() => DefaultSchedule.For(Measured.Algorithm, Target));

    /// <summary>The schedule that a rule made for <see cref="Measured"/>, for the problem.</summary>
    /// <exception cref="ScheduleException">It does not replay over the range.</exception>
    public LoopNest Open(LoopNest measured)
    {
        if (!Problem.IsRange)
            return measured;
        try
        {
            return OpenSchedule.Replay(measured, Algorithm);
        }
        catch (TraceException e)
        {
            throw new ScheduleException(null, null, $"it does not replay over the range: {e.Message.Split('\n')[0]}");
        }
    }

    /// <summary>The schedule of a trace; of a range also one that was found at a point of it.</summary>
    /// <exception cref="TraceException">It does not replay.</exception>
    public LoopNest Replay(string trace, ReplayLimits? limits = null)
    {
        var parsed = Trace.Parse(trace);
        if (Problem.IsRange)
        {
            var names = Trace.Of(InitialNest.Of(Algorithm));
            parsed = new Trace(names.Parameters, parsed.Inputs, parsed.Stages, parsed.Steps);
        }
        return parsed.Replay(Algorithm, limits);
    }

    /// <summary>What the winner is stored under.</summary>
    public TuneKey Key => TuneKeys.Of(Problem, Target, PolicyName);

    public string PolicyName => Name(Policy);

    /// <summary>As keys and commands write it: warm, cold.</summary>
    public static string Name(TimingPolicy policy) =>
        policy switch
        {
            TimingPolicy.Warm => TuneKeys.WarmPolicy,
            TimingPolicy.Pinned => PinnedOrder.Policy,
            _ => "cold",
        };

    /// <exception cref="FormatException">Neither warm nor cold.</exception>
    public static TimingPolicy ParsePolicy(string text) =>
        text switch
        {
            "warm" => TimingPolicy.Warm,
            "cold" => TimingPolicy.Cold,
            PinnedOrder.Policy => TimingPolicy.Pinned,
            _ => throw new FormatException($"policy '{text}' is unknown; allowed are warm, cold and pinned"),
        };
}

/// <summary>Tuning cannot go on; the message is one sentence for people.</summary>
public sealed class TuneException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether more time might do.</summary>
    public bool IsOverTime { get; init; }
}
