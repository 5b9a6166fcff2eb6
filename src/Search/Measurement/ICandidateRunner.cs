using Picograd.TuneDb;

namespace Picograd.Search.Measurement;

/// <summary>What became of a candidate on the hardware.</summary>
/// <param name="Outcome"><see cref="OutcomeNames.Timed"/>, or why not: one of <see cref="OutcomeNames"/> or a back end's reason.</param>
/// <param name="Milliseconds">Time of one call; NaN unless timed.</param>
/// <param name="Samples">Times of one call, in milliseconds, in the order taken.</param>
/// <param name="ReplayMilliseconds">From trace to nest.</param>
/// <param name="CompileMilliseconds">From nest to running code.</param>
/// <param name="Abandoned">Timed by one or two calls only, since those were far slower than the best.</param>
/// <param name="Detail">More on the outcome; may be empty.</param>
public sealed record Measured(
    string Outcome,
    double Milliseconds,
    IReadOnlyList<double> Samples,
    double ReplayMilliseconds = 0,
    double CompileMilliseconds = 0,
    bool Abandoned = false,
    string Detail = ""
)
{
    public bool IsTimed => Outcome == OutcomeNames.Timed;

    /// <summary>The candidate took the target with it: the process that ran it can run nothing more there.</summary>
    public bool TargetLost { get; init; }

    public static Measured Failed(string outcome, string detail) => new(outcome, double.NaN, [], Detail: detail);
}

/// <summary>
/// How candidates are timed against one another: in heats, each with code compiled anew and in memory of its own, as a
/// process that uses the winner will have it. Where code and pages happen to lie makes one instance of a kernel up to 12 %
/// faster or slower than the next for as long as it lives (softmax of 4096×1024), so rounds of one instance, however many,
/// mostly measure its luck.
/// </summary>
/// <param name="Heats">At least 1; targets with memory of their own take all rounds in one.</param>
/// <param name="Rounds">Of each heat; at least 1.</param>
public sealed record RacePlan(int Heats, int Rounds);

/// <summary>Interleaved rounds of several candidates.</summary>
/// <param name="Rounds">For each round the time of one call of each candidate, in milliseconds; NaN where it failed.</param>
/// <param name="Sentinel">For each round the slower of the sentinel's times before and after it, in milliseconds.</param>
/// <param name="Heats">For each round the number of its heat; null where all are of one.</param>
public sealed record RaceTimes(
    IReadOnlyList<double[]> Rounds,
    IReadOnlyList<double> Sentinel,
    IReadOnlyList<int>? Heats = null
);

/// <summary>Runs candidates of one task on the hardware, or on a model of it in tests.</summary>
public interface ICandidateRunner : IDisposable
{
    /// <summary>Compiles, checks and times each, in order.</summary>
    /// <param name="candidates">Schedules as traces.</param>
    /// <param name="bestMilliseconds">Best time so far; those far slower are given up early. Infinite for none.</param>
    /// <param name="cancel">What was measured until then is returned: the list may be shorter.</param>
    IReadOnlyList<Measured> Measure(
        IReadOnlyList<Candidate> candidates,
        double bestMilliseconds,
        CancellationToken cancel
    );

    /// <summary>
    /// What <see cref="Measure"/> may take for one candidate, compilation included; beyond it, it counts as
    /// <see cref="OutcomeNames.OverTime"/>. Only a runner with a process of its own can hold to it.
    /// </summary>
    TimeSpan? Limit
    {
        get => null;
        set { }
    }

    /// <summary>Makes inputs and their right answers, where that was not done yet.</summary>
    /// <returns>What that takes where it is done again, in seconds: a certification does it about four times. 0 where unknown.</returns>
    /// <param name="limit">More than this is given up; null for the runner's own limit. Only a runner with a process of its own can hold to it.</param>
    /// <exception cref="TuneException">It cannot be done, or not in time.</exception>
    double Prepare(TimeSpan? limit = null) => 0;

    /// <summary>Times candidates against one another.</summary>
    RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel);

    /// <summary>Checks a candidate thoroughly against the float64 evaluator.</summary>
    /// <param name="candidate">What to check.</param>
    /// <param name="limit">
    /// A check that takes longer is given up, and its answer has <see cref="Certification.Ok"/> false and
    /// <see cref="Certification.IsRefused"/> true; null for the runner's own limit.
    /// </param>
    Certification Certify(Candidate candidate, TimeSpan? limit = null);
}
