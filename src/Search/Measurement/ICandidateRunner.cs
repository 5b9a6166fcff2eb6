using Picograd.TuneDb;

namespace Picograd.Search;

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

/// <summary>Interleaved rounds of several candidates.</summary>
/// <param name="Rounds">For each round the time of one call of each candidate, in milliseconds; NaN where it failed.</param>
/// <param name="Sentinel">For each round the slower of the sentinel's times before and after it, in milliseconds.</param>
public sealed record RaceTimes(IReadOnlyList<double[]> Rounds, IReadOnlyList<double> Sentinel);

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

    /// <summary>Times candidates against one another.</summary>
    RaceTimes Race(IReadOnlyList<Candidate> candidates, int rounds, CancellationToken cancel);

    /// <summary>Checks a candidate thoroughly against the float64 evaluator.</summary>
    Certification Certify(Candidate candidate);
}
