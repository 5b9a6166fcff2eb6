using Picograd.Search.Measurement;
using Picograd.Search.Space;

namespace Picograd.Search.Strategies;

/// <summary>
/// What all ways to search share: programs of points are made once each, refused and duplicate ones counted, and the others measured
/// within a budget. Everything random comes from the seed, so equal measurements lead to equal winners.
/// </summary>
public abstract class SearchStrategy
{
    private readonly ISearchMachine _machine;
    private double _ceilingMilliseconds;
    private bool _ceilingIsRenewed;
    private readonly HashSet<ulong> _programs = [];
    private readonly HashSet<string> _points = [];
    private readonly List<Timed> _timed = [];
    private readonly HashSet<ulong> _confirmed = [];
    private readonly List<Trial> _trials = [];
    private readonly Dictionary<string, int> _outcomes = [];
    private readonly List<string> _ruleErrors = [];

    private protected SearchStrategy(ISearchMachine machine, double ceilingMilliseconds, SearchSettings settings)
    {
        _machine = machine;
        _ceilingMilliseconds = ceilingMilliseconds;
        Settings = settings;
        Random = new Random(settings.Seed);
    }

    /// <summary>Trials made elsewhere, by the program's hash: what it returns is not run again and becomes the search's own.</summary>
    public Func<ulong, Trial?>? Known { get; init; }

    /// <summary>Measures the ceiling again, in milliseconds, where something beat it: asked once. Null: it is as it is.</summary>
    internal Func<double>? RenewCeiling { get; init; }

    /// <summary>Errors of rules that are no refusals, one line each: what each rule said last.</summary>
    public IReadOnlyList<string> RuleErrors => _ruleErrors;

    /// <summary>Called after every batch, from the thread that runs the search.</summary>
    public Action<IReadOnlyList<LoggedCandidate>>? OnBatch { get; set; }

    /// <summary>Everything that reached the hardware, in order; empty where it was a recording.</summary>
    public IReadOnlyList<Trial> Trials => _trials;

    /// <summary>Candidates by outcome, those that never reached the hardware included.</summary>
    public IReadOnlyDictionary<string, int> Outcomes => _outcomes;

    /// <summary>What may be chosen.</summary>
    public CandidateSpace Space => _machine.Space;

    /// <summary>The best so far by its measured time; null when nothing was timed.</summary>
    public Trial? Best => _timed.MinBy(e => e.Milliseconds)?.Trial;

    /// <summary>Share of the budget of the present run that is spent, and the time until it is (null: unknown yet).</summary>
    public (double Spent, TimeSpan? Remaining) Progress { get; private set; }

    /// <summary>The best so far, fastest first.</summary>
    public IReadOnlyList<Trial> Top(int count) =>
        [.. _timed.OrderBy(e => e.Milliseconds).ThenBy(e => e.Draft.Complexity).Take(count).Select(e => e.Trial!)];

    private protected SearchSettings Settings { get; }

    private protected Random Random { get; }

    private protected ISearchMachine Machine => _machine;

    private protected IReadOnlyList<Timed> TimedPrograms => _timed;

    private protected double BestMilliseconds { get; private set; } = double.PositiveInfinity;

    /// <summary>Searches until the budget is spent or there is no reason to go on; may be run again to go on.</summary>
    public StopReason Run(SearchBudget budget, CancellationToken cancel)
    {
        var meter = new BudgetMeter(budget, Settings.Clock);
        try
        {
            return Search(meter, cancel);
        }
        catch (Stop stop)
        {
            return stop.Reason;
        }
    }

    private protected abstract StopReason Search(BudgetMeter meter, CancellationToken cancel);

    /// <summary>Whether the point was made before.</summary>
    private protected bool IsNew(ChoicePoint point) => !_points.Contains(point.Text);

    /// <summary>Makes programs of points, drops refused ones and duplicates, and asks the model for their features.</summary>
    /// <param name="points">In the order in which they are made.</param>
    /// <param name="most">Programs, at most.</param>
    /// <param name="meter">Whose budget may be spent on it up to a share; null for any.</param>
    /// <param name="until">The share.</param>
    private protected List<Draft> Make(
        IEnumerable<ChoicePoint> points,
        int most,
        BudgetMeter? meter = null,
        double until = 1
    )
    {
        var drafts = new List<Draft>();
        var log = new List<LoggedCandidate>();
        // Making programs may take a quarter of what is left of the time, since one that is not measured is worth little.
        double limit = meter is null ? double.MaxValue : meter.Fraction + (until - meter.Fraction) / 4;
        foreach (var some in points.Where(IsNew).Chunk(Math.Max(1, Environment.ProcessorCount)))
        {
            if (drafts.Count >= most || (drafts.Count > 0 && meter?.Fraction > limit))
                break;
            foreach (var made in _machine.Make([.. some.Where(IsNew).DistinctBy(p => p.Text)]))
            {
                if (drafts.Count >= most)
                    break;
                _points.Add(made.Point.Text);
                if (made.Draft is { } draft)
                {
                    if (_programs.Add(draft.Hash))
                        drafts.Add(draft);
                    else
                        Count(OutcomeNames.Duplicate);
                    continue;
                }
                if (made.Outcome == OutcomeNames.RuleError)
                    TellRuleError(made.Detail);
                else
                    Count(made.Outcome);
                log.Add(new LoggedCandidate(made.Outcome, made.Point.Text, null, made.Detail));
            }
        }
        if (log.Count > 0)
            OnBatch?.Invoke(log);
        return drafts;
    }

    /// <summary>Measures programs in their order; the budget may end it early.</summary>
    private protected void Measure(
        IReadOnlyList<(Draft Draft, double Time)> chosen,
        BudgetMeter meter,
        CancellationToken cancel
    )
    {
        var known = chosen.Select(c => Known?.Invoke(c.Draft.Hash)).ToArray();
        var unknown = chosen.Where((_, i) => known[i] is null).Select(c => c.Draft).ToArray();
        // A batch of slow candidates ends with the budget; tests move their own clock, which no timer follows.
        using var deadline =
            Settings.Clock == TimeProvider.System && meter.TimeLeft is { } left
                ? CancellationTokenSource.CreateLinkedTokenSource(cancel)
                : null;
        deadline?.CancelAfter(meter.TimeLeft!.Value);
        var measured =
            unknown.Length == 0 ? [] : _machine.Measure(unknown, BestMilliseconds, deadline?.Token ?? cancel);
        var log = new List<LoggedCandidate>();
        int next = 0;
        int counted = 0;
        for (int i = 0; i < chosen.Count; i++)
        {
            if (known[i] is null && next == measured.Count)
                continue;
            var (draft, predicted) = chosen[i];
            var result = known[i]?.Measured ?? measured[next++];
            counted++;
            var trial = draft.Candidate is { } candidate ? new Trial(candidate, predicted, result) : null;
            if (trial is not null)
                _trials.Add(trial);
            Count(result.Outcome);
            // What was made elsewhere was logged there.
            if (known[i] is null)
                log.Add(new LoggedCandidate(result.Outcome, draft.Point.Text, trial, result.Detail));
            if (!result.IsTimed)
                continue;
            _timed.Add(new Timed(draft, result, trial));
            BestMilliseconds = Math.Min(BestMilliseconds, result.Milliseconds);
        }
        meter.CountTrials(counted);
        Progress = (meter.Fraction, meter.Remaining);
        OnBatch?.Invoke(log);
    }

    private protected void CheckStop(BudgetMeter meter, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested)
            throw new Stop(StopReason.Cancelled);
        while (_ceilingMilliseconds >= Settings.RooflineShare * BestMilliseconds)
        {
            if (Confirm(meter, cancel))
                continue;
            // What beats it says that the ceiling was measured while the machine was busy.
            if (_ceilingMilliseconds > Roofline.Tolerance * BestMilliseconds)
            {
                if (_ceilingIsRenewed || RenewCeiling is null)
                    break;
                _ceilingIsRenewed = true;
                _ceilingMilliseconds = RenewCeiling();
                continue;
            }
            throw new Stop(StopReason.Roofline);
        }
        if (meter.IsSpent)
            throw new Stop(StopReason.Budget);
    }

    /// <summary>
    /// Measures the best again, since one lucky measurement should not end a search. The slower of both times counts from
    /// then on. Returns false when it had been confirmed before.
    /// </summary>
    private bool Confirm(BudgetMeter meter, CancellationToken cancel)
    {
        int at = _timed.IndexOf(_timed.MinBy(e => e.Milliseconds)!);
        var best = _timed[at];
        if (!_confirmed.Add(best.Draft.Hash))
            return false;
        var again = _machine.Measure([best.Draft], BestMilliseconds, cancel);
        meter.CountTrials(again.Count);
        if (again is not [{ IsTimed: true } second] || second.Milliseconds <= best.Milliseconds)
            return true;
        var trial = best.Trial is { } first ? first with { Measured = second } : null;
        _timed[at] = new Timed(best.Draft, second, trial);
        if (trial is not null)
            _trials[_trials.IndexOf(best.Trial!)] = trial;
        BestMilliseconds = _timed.Min(e => e.Milliseconds);
        return true;
    }

    private protected void TellRuleError(string error)
    {
        Count(OutcomeNames.RuleError);
        string rule = error.Split(':')[0];
        _ruleErrors.RemoveAll(known => known.StartsWith(rule + ":", StringComparison.Ordinal));
        _ruleErrors.Add(error);
    }

    private void Count(string outcome) => _outcomes[outcome] = _outcomes.GetValueOrDefault(outcome) + 1;

    /// <summary>A program that was timed.</summary>
    private protected sealed record Timed(Draft Draft, Measured Measured, Trial? Trial)
    {
        public ChoicePoint Point => Draft.Point;

        public double Milliseconds => Measured.Milliseconds;
    }

    /// <summary>Leaves the loops of the search.</summary>
    private sealed class Stop(StopReason reason) : Exception
    {
        public StopReason Reason { get; } = reason;
    }
}
