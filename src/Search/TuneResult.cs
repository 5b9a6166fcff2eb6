using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Space;
using Picograd.Search.Strategies;
using Picograd.Search.Worker;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>What tuning one task brought.</summary>
public sealed record TuneResult
{
    public required TuneTask Task { get; init; }

    /// <summary>The winner as text.</summary>
    public required string Trace { get; init; }

    /// <summary>Rule and choices of the winner, or where else it came from.</summary>
    public required string Description { get; init; }

    /// <summary>Time of one call of the winner.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>Time of one call of the default schedule; null when that could not be timed.</summary>
    public required double? DefaultMilliseconds { get; init; }

    /// <summary>The machine's limit for this task.</summary>
    public required Roofline Ceiling { get; init; }

    /// <summary>That the ceiling was beaten and measured again, in one sentence; null where it was not.</summary>
    public string? CeilingNote { get; init; }

    public required StopReason Stop { get; init; }

    /// <summary>What might have been chosen, by rule.</summary>
    public required CandidateSpace Space { get; init; }

    /// <summary>How far the search was after its defaults, after each level, and at its end.</summary>
    public required IReadOnlyList<LevelResult> Levels { get; init; }

    /// <summary>Candidates by outcome, refused and duplicate ones included.</summary>
    public required IReadOnlyDictionary<string, int> Outcomes { get; init; }

    /// <summary>Candidates that reached the hardware.</summary>
    public required int Tried { get; init; }

    /// <summary>Spearman's correlation of predicted and measured times; null when too few were timed.</summary>
    public required double? RankCorrelation { get; init; }

    /// <summary>Seconds of each phase (<see cref="Phases"/>), in order; those that did not happen are left out.</summary>
    public required IReadOnlyList<(string Phase, double Seconds)> PhaseSeconds { get; init; }

    /// <summary>Seconds of the search, without race and certification.</summary>
    public double SearchSeconds =>
        PhaseSeconds.Where(p => p.Phase is Phases.Default or Phases.Search).Sum(p => p.Seconds);

    /// <summary>Seconds of all phases.</summary>
    public double TotalSeconds => PhaseSeconds.Sum(p => p.Seconds);

    /// <summary>
    /// Nothing beat the default schedule beyond the margin in the final race: the winner is the default schedule itself, and
    /// what is stored says so.
    /// </summary>
    public required bool DefaultStands { get; init; }

    /// <summary>What rules threw that is no refusal, one line a rule: bugs, which cost the schedules concerned.</summary>
    public required IReadOnlyList<string> RuleErrors { get; init; }

    /// <summary>Median milliseconds from trace to running code.</summary>
    public required double MedianReadyMilliseconds { get; init; }

    /// <summary>The winner's certification; null when nothing passed it.</summary>
    public required Certification Certification { get; init; }

    /// <summary>What the store did with the winner; null without a store or for a winner that failed certification.</summary>
    public required PutOutcome? Stored { get; init; }

    /// <summary>
    /// There was no time to certify the winner: it is stored as waiting for that, which serves nobody yet, and the next run of the
    /// task begins with it.
    /// </summary>
    public required bool IsWaiting { get; init; }

    public double CandidatesPerSecond => Tried / Math.Max(SearchSeconds, 1e-9);

    public double Gflops => Task.Measured.Flops / (Milliseconds * 1e6);

    public double Gbps => Task.Measured.MinBytes / (Milliseconds * 1e6);

    /// <summary>Share of the ceiling that the winner reaches, about 1 at most.</summary>
    public double CeilingShare => Ceiling.Milliseconds / Milliseconds;

    public double? Speedup => DefaultMilliseconds / Milliseconds;
}

/// <summary>How far tuning is.</summary>
/// <param name="Spec">The task at work.</param>
/// <param name="Phase">One of <see cref="Phases"/>.</param>
/// <param name="Tried">Candidates that reached the hardware.</param>
/// <param name="BestMilliseconds">Best so far; null before the first.</param>
/// <param name="CeilingMilliseconds">The machine's limit.</param>
/// <param name="Spent">Share of the budget that is spent, all phases counted; above 1 when it is overdrawn.</param>
/// <param name="Elapsed">Since tuning began, over all tasks.</param>
/// <param name="Remaining">Until the budget is spent, negative when it is overdrawn; null while unknown.</param>
/// <param name="TaskIndex">Position of the task among those tuned together.</param>
/// <param name="TaskCount">How many there are.</param>
public sealed record TuneProgress(
    string Spec,
    string Phase,
    int Tried,
    double? BestMilliseconds,
    double CeilingMilliseconds,
    double Spent,
    TimeSpan Elapsed,
    TimeSpan? Remaining,
    int TaskIndex,
    int TaskCount
);

/// <summary>How to tune; the defaults suit single operators.</summary>
public sealed record TuneOptions
{
    /// <summary>For one task, or shared by all of <see cref="Tuner.TuneAll"/>.</summary>
    public required SearchBudget Budget { get; init; }

    public int Seed { get; init; }

    /// <summary>Where winners and the log of candidates go; null: nowhere.</summary>
    public ITuneStore? Store { get; init; }

    /// <summary>Makes what runs the candidates of a task: a <see cref="WorkerRunner"/>, or in this process when null.</summary>
    public Func<TuneTask, ICandidateRunner>? Runner { get; init; }

    /// <summary>Rules to search; null: all of the library that apply.</summary>
    public IReadOnlyList<Schedules.Rules.ScheduleRule>? Rules { get; init; }

    /// <summary>Schedules written by hand, as traces, that take part in the search and the race.</summary>
    public IReadOnlyList<string> Traces { get; init; } = [];

    /// <summary>
    /// Search nothing: only <see cref="Traces"/>, the stored winner and the default schedule are measured, raced and certified.
    /// </summary>
    public bool OnlyGiven { get; init; }

    /// <summary>Beam width and the like; its seed is replaced by <see cref="Seed"/>.</summary>
    public SearchSettings Settings { get; init; } = new();

    /// <summary>Name of the kind of machine, for provenance.</summary>
    public string Machine { get; init; } = "";

    /// <summary>
    /// When the budget began to be spent, as a timestamp of the settings' clock; null: when tuning is asked for.
    /// </summary>
    public long? Began { get; init; }
}
