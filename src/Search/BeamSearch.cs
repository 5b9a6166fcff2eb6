using System.Collections.Immutable;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;

namespace Picograd.Search;

/// <summary>
/// Searches the schedules that the rules offer, coarse to fine: at each level of knobs it expands the programs of the
/// beam, drops refused and duplicate ones, ranks the others by the cost model, and measures the best few, batch by batch,
/// while the model learns. Afterwards it refines the best by small steps and random mutations. Everything random comes
/// from the seed, so equal measurements lead to equal winners. May be run again to go on refining.
/// </summary>
public sealed class BeamSearch
{
    private readonly SearchSettings _settings;
    private readonly ICandidateRunner _runner;
    private readonly CostModel _model;
    private readonly CandidateSpace _space;
    private readonly Func<ChoicePoint, LoopNest> _apply;
    private readonly Func<LoopNest, LoopNest> _open;
    private readonly double _ceilingMilliseconds;
    private readonly bool _isHostMemory;
    private readonly Random _random;
    private readonly HashSet<ulong> _programs = [];
    private readonly HashSet<string> _points = [];
    private readonly List<Entry> _timed = [];
    private readonly HashSet<ulong> _confirmed = [];
    private readonly List<Trial> _trials = [];
    private readonly Dictionary<string, int> _outcomes = [];
    private readonly List<string> _ruleErrors = [];
    private bool _levelsDone;

    /// <param name="task">What is tuned.</param>
    /// <param name="rules">Whose schedules are searched; null for all of the library.</param>
    /// <param name="runner">Runs candidates.</param>
    /// <param name="model">Ranks them; may have learned before.</param>
    /// <param name="ceilingMilliseconds">No schedule can be faster; 0 where that is unknown.</param>
    /// <param name="settings">How to search.</param>
    public BeamSearch(
        TuneTask task,
        IEnumerable<ScheduleRule>? rules,
        ICandidateRunner runner,
        CostModel model,
        double ceilingMilliseconds,
        SearchSettings settings
    )
    {
        _settings = settings;
        _runner = runner;
        _model = model;
        _ceilingMilliseconds = ceilingMilliseconds;
        _isHostMemory = task.On.IsHostMemory;
        _random = new Random(settings.Seed);
        var algorithm = task.Measured.Algorithm;
        _open = task.Open;
        _space = new CandidateSpace(
            algorithm,
            task.Target,
            rules ?? ScheduleRules.All,
            (rule, e) => CountRuleError(rule.Name, e)
        );
        _apply = point => point.Rule.Apply(algorithm, task.Target, point.Values);
    }

    /// <summary>Trials made elsewhere, by the program's hash: what it returns is not run again and becomes the search's own.</summary>
    public Func<ulong, Trial?>? Known { get; init; }

    /// <summary>Errors of rules that are no refusals, one line each: what each rule said last.</summary>
    public IReadOnlyList<string> RuleErrors => _ruleErrors;

    /// <summary>Called after every batch, from the thread that runs the search.</summary>
    public Action<IReadOnlyList<LoggedCandidate>>? OnBatch { get; set; }

    /// <summary>Everything that reached the hardware, in order.</summary>
    public IReadOnlyList<Trial> Trials => _trials;

    /// <summary>Candidates by outcome, those that never reached the hardware included.</summary>
    public IReadOnlyDictionary<string, int> Outcomes => _outcomes;

    /// <summary>The best so far by its measured time; null when nothing was timed.</summary>
    public Trial? Best => _timed.Count == 0 ? null : _timed.MinBy(e => e.Trial.Milliseconds)!.Trial;

    /// <summary>Share of the budget of the present run that is spent, and the time until it is (null: unknown yet).</summary>
    public (double Spent, TimeSpan? Remaining) Progress { get; private set; }

    /// <summary>The best so far, fastest first.</summary>
    public IReadOnlyList<Trial> Top(int count) =>
        [
            .. _timed
                .OrderBy(e => e.Trial.Milliseconds)
                .ThenBy(e => e.Trial.Candidate.Complexity)
                .Take(count)
                .Select(e => e.Trial),
        ];

    /// <summary>Searches until the budget is spent or there is no reason to go on.</summary>
    public StopReason Run(SearchBudget budget, CancellationToken cancel)
    {
        var meter = new BudgetMeter(budget, _settings.Clock);
        try
        {
            if (!_levelsDone)
            {
                RunLevels(meter, cancel);
                _levelsDone = true;
            }
            return Refine(meter, cancel);
        }
        catch (Stop stop)
        {
            return stop.Reason;
        }
    }

    private double BestMilliseconds => Best?.Milliseconds ?? double.PositiveInfinity;

    private void RunLevels(BudgetMeter meter, CancellationToken cancel)
    {
        MeasureDefaults(Generate(_space.Defaults, int.MaxValue), meter, cancel);
        for (int i = 0; i < _space.Levels.Length; i++)
        {
            int level = _space.Levels[i];
            double until = _settings.LevelShare * (i + 1) / _space.Levels.Length;
            int allowed = meter.TrialsUntil(until);
            if (allowed == 0)
                continue;
            // Some eight programs looked at for each that is measured: ranking is cheap, but replay is not free.
            int most = (int)Math.Clamp(8L * Math.Min(allowed, 1 << 20), 32, 1024);
            var beam = Beam();
            int each = Math.Min(_settings.MostExpansions, Math.Max(16, most / Math.Max(1, beam.Count)));
            var points = beam.SelectMany(e => _space.Expand(e.Point, level, each, _random)).ToArray();
            _random.Shuffle(points);
            var found = Generate(points, most, meter, until);
            MeasureRanked(found, meter, until, _settings.BatchSize, _settings.LevelPatience, cancel);
        }
    }

    /// <summary>
    /// Every rule's default, whatever is predicted: from then on predictions are corrected by what each rule's programs took. A
    /// default that no process can be ended for is left out where it would take longer than the deadline.
    /// </summary>
    private void MeasureDefaults(List<Draft> drafts, BudgetMeter meter, CancellationToken cancel)
    {
        var limit = _runner.Limit;
        // Whoever counts trials waits for each as long as the runner does.
        var deadline = meter.TimeLeft is { } left ? DefaultDeadline(left, drafts.Count) : _settings.LeastDefaultTime;
        try
        {
            if (meter.TimeLeft is not null && (limit is null || limit > deadline))
                _runner.Limit = deadline;
            // One alone, so that what is slower than it is given up early; the others together, for compilers that work at several.
            for (int batch = 1; drafts.Count > 0; batch = int.MaxValue)
            {
                CheckStop(meter, cancel);
                int allowed = Math.Min(batch, meter.TrialsUntil(1));
                var ranked = Predicted(drafts);
                if (_timed.Count > 0 && _isHostMemory)
                    ranked.RemoveAll(d =>
                        d.Time > _settings.HopelessFactor * BestMilliseconds && d.Time > deadline.TotalMilliseconds / 3
                    );
                if (ranked.Count == 0 || allowed == 0)
                    return;
                var chosen = ranked.Take(allowed).ToImmutableArray();
                Measure(chosen, meter, cancel);
                drafts.RemoveAll(d => chosen.Any(c => ReferenceEquals(c.Draft, d)));
            }
            CheckStop(meter, cancel);
        }
        finally
        {
            _runner.Limit = limit;
        }
    }

    private TimeSpan DefaultDeadline(TimeSpan left, int count)
    {
        var least = _isHostMemory ? _settings.LeastDefaultTime : _settings.LeastDeviceDefaultTime;
        var share = left * _settings.LevelShare / Math.Max(1, count);
        return share > least ? share : least;
    }

    private StopReason Refine(BudgetMeter meter, CancellationToken cancel)
    {
        int stale = 0;
        int dry = 0;
        while (stale < _settings.Patience)
        {
            CheckStop(meter, cancel);
            if (_timed.Count == 0)
                return StopReason.Exhausted;
            double before = BestMilliseconds;
            var parents = _timed.OrderBy(e => e.Trial.Milliseconds).Take(_settings.BeamWidth).ToArray();
            // The best one's neighbours all at once, then ever wider steps from any of the best.
            var points = parents.Take(1 + stale).SelectMany(e => _space.Neighbours(e.Point)).ToList();
            for (int i = 0; i < 4 * _settings.BatchSize; i++)
            {
                var parent = parents[_random.Next(parents.Length)];
                var other = parents[_random.Next(parents.Length)];
                points.Add(_space.Mutate(parent.Point, other.Point, 1 + Math.Max(stale / 2, dry), _random));
            }
            var found = Generate(points, 4 * _settings.BatchSize, meter, 1);
            if (found.Count == 0)
            {
                // Wider and wider mutations find nothing new: the space is spent.
                if (++dry >= 8)
                    return StopReason.Exhausted;
                continue;
            }
            dry = 0;
            MeasureRanked(found, meter, 1, _settings.BatchSize, patience: 1, cancel);
            stale = BestMilliseconds < before * (1 - _settings.LeastGain) ? 0 : stale + 1;
        }
        return StopReason.Plateau;
    }

    /// <summary>Makes programs of points, drops refused ones and duplicates, and asks the model.</summary>
    private List<Draft> Generate(IEnumerable<ChoicePoint> points, int most, BudgetMeter? meter = null, double until = 1)
    {
        var drafts = new List<Draft>();
        var log = new List<LoggedCandidate>();
        // Making programs may take a quarter of what is left of the time, since one that is not measured is worth little.
        double limit = meter is null ? double.MaxValue : meter.Fraction + (until - meter.Fraction) / 4;
        foreach (var some in points.Chunk(Math.Max(1, Environment.ProcessorCount)))
        {
            if (drafts.Count >= most || (drafts.Count > 0 && meter?.Fraction > limit))
                break;
            var fresh = some.Where(p => !_points.Contains(p.Text)).DistinctBy(p => p.Text).ToArray();
            var made = fresh.AsParallel().AsOrdered().Select(Make).ToArray();
            foreach (var (point, draft, refusal) in made)
            {
                if (drafts.Count >= most)
                    break;
                _points.Add(point.Text);
                switch (refusal)
                {
                    case null when _programs.Add(draft!.Candidate.Hash):
                        drafts.Add(draft);
                        break;
                    case null:
                        Count(OutcomeNames.Duplicate);
                        break;
                    case ScheduleException e:
                        Count(OutcomeNames.Refused);
                        log.Add(new LoggedCandidate(OutcomeNames.Refused, point.Text, null, e.Reason));
                        break;
                    case LoweringException e:
                        Count(e.Reason);
                        log.Add(new LoggedCandidate(e.Reason, point.Text, null, e.Message));
                        break;
                    default:
                        // A bug of a rule or a primitive: counted and told under its own name, and the search goes on without the point.
                        CountRuleError(point.Text, refusal);
                        log.Add(new LoggedCandidate(OutcomeNames.RuleError, point.Text, null, _ruleErrors[^1]));
                        break;
                }
            }
        }
        if (log.Count > 0)
            OnBatch?.Invoke(log);
        return drafts;
    }

    private (ChoicePoint Point, Draft? Draft, Exception? Refusal) Make(ChoicePoint point)
    {
        try
        {
            // Features need numbers for extents.
            var measured = _apply(point);
            var candidate = new Candidate(point.Rule, point.Values, _open(measured));
            return (point, new Draft(point, candidate, _model.Features(measured)), null);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return (point, null, e);
        }
    }

    /// <summary>Measures drafts, most promising first, until the share of the budget is spent or patience ends.</summary>
    private void MeasureRanked(
        List<Draft> drafts,
        BudgetMeter meter,
        double until,
        int batch,
        int patience,
        CancellationToken cancel
    )
    {
        int stale = 0;
        while (drafts.Count > 0 && stale < patience)
        {
            int allowed = Math.Min(batch, meter.TrialsUntil(until));
            CheckStop(meter, cancel);
            if (allowed == 0)
                return;
            double before = BestMilliseconds;
            var predicted = Predicted(drafts);
            if (_timed.Count > 0)
                predicted.RemoveAll(d => d.Time > _settings.HopelessFactor * before);
            if (predicted.Count == 0)
                return;
            int explore = predicted.Count > allowed ? (int)Math.Round(allowed * _settings.Exploration) : 0;
            var chosen = predicted.Take(allowed - explore).ToList();
            for (int i = 0; i < explore; i++)
                chosen.Add(predicted[allowed - explore + _random.Next(predicted.Count - allowed + explore)]);
            chosen = [.. chosen.DistinctBy(c => c.Draft.Candidate.Hash)];
            Measure([.. chosen], meter, cancel);
            drafts.RemoveAll(d => chosen.Any(c => ReferenceEquals(c.Draft, d)));
            stale = BestMilliseconds < before * (1 - _settings.LeastGain) ? 0 : stale + 1;
        }
        CheckStop(meter, cancel);
    }

    /// <summary>
    /// Most promising first. What a rule's programs took beside what the model says of them counts for its others too: the model
    /// sees little of what sets one family of kernels apart from another.
    /// </summary>
    private List<(Draft Draft, double Time)> Predicted(IEnumerable<Draft> drafts)
    {
        var beside = _timed
            .GroupBy(e => e.Point.Rule)
            .ToDictionary(
                rule => rule.Key,
                rule =>
                    rule.Sum(e => Math.Log(e.Trial.Milliseconds / _model.Predict(e.Features)))
                    / (rule.Count() + _settings.RuleDoubt)
            );
        return
        [
            .. drafts
                .Select(d =>
                    (Draft: d, Time: _model.Predict(d.Features) * Math.Exp(beside.GetValueOrDefault(d.Point.Rule)))
                )
                .OrderBy(d => d.Time),
        ];
    }

    private void Measure(ImmutableArray<(Draft Draft, double Time)> chosen, BudgetMeter meter, CancellationToken cancel)
    {
        var known = chosen.Select(c => Known?.Invoke(c.Draft.Candidate.Hash)).ToArray();
        var unknown = chosen.Where((_, i) => known[i] is null).Select(c => c.Draft.Candidate).ToArray();
        // A batch of slow candidates ends with the budget; tests move their own clock, which no timer follows.
        using var deadline =
            _settings.Clock == TimeProvider.System && meter.TimeLeft is { } left
                ? CancellationTokenSource.CreateLinkedTokenSource(cancel)
                : null;
        deadline?.CancelAfter(meter.TimeLeft!.Value);
        var measured = unknown.Length == 0 ? [] : _runner.Measure(unknown, BestMilliseconds, deadline?.Token ?? cancel);
        var log = new List<LoggedCandidate>();
        int next = 0;
        int counted = 0;
        for (int i = 0; i < chosen.Length; i++)
        {
            if (known[i] is null && next == measured.Count)
                continue;
            var (draft, predicted) = chosen[i];
            var result = known[i]?.Measured ?? measured[next++];
            var trial = new Trial(draft.Candidate, predicted, result);
            counted++;
            _trials.Add(trial);
            Count(result.Outcome);
            // What was made elsewhere was logged there.
            if (known[i] is null)
                log.Add(new LoggedCandidate(result.Outcome, draft.Point.Text, trial, result.Detail));
            if (!result.IsTimed)
                continue;
            _timed.Add(new Entry(draft.Point, draft.Features, trial));
            _model.Learn(draft.Features, result.Milliseconds);
        }
        meter.CountTrials(counted);
        Progress = (meter.Fraction, meter.Remaining);
        OnBatch?.Invoke(log);
    }

    private void CheckStop(BudgetMeter meter, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested)
            throw new Stop(StopReason.Cancelled);
        // A best far beyond the ceiling says that the ceiling was measured while the machine was busy: no reason to stop.
        while (
            _ceilingMilliseconds >= _settings.RooflineShare * BestMilliseconds
            && _ceilingMilliseconds <= _settings.CeilingError * BestMilliseconds
        )
        {
            if (!Confirm(meter, cancel))
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
        var best = _timed.MinBy(e => e.Trial.Milliseconds)!;
        if (!_confirmed.Add(best.Trial.Candidate.Hash))
            return false;
        var again = _runner.Measure([best.Trial.Candidate], BestMilliseconds, cancel);
        meter.CountTrials(again.Count);
        if (again is not [{ IsTimed: true } second] || second.Milliseconds <= best.Trial.Milliseconds)
            return true;
        var trial = best.Trial with { Measured = second };
        _timed[_timed.IndexOf(best)] = best with { Trial = trial };
        _trials[_trials.IndexOf(best.Trial)] = trial;
        return true;
    }

    /// <summary>The best programs, and of each rule that is not far behind at least its best.</summary>
    private List<Entry> Beam()
    {
        var ranked = _timed.OrderBy(e => e.Trial.Milliseconds).ToList();
        var beam = ranked.Take(_settings.BeamWidth).ToList();
        foreach (var rule in ranked.GroupBy(e => e.Point.Rule))
        {
            // Coarse choices before the fine ones are made tell little: a factor of three may still turn.
            var best = rule.First();
            if (!beam.Contains(best) && best.Trial.Milliseconds < 3 * BestMilliseconds)
                beam.Add(best);
        }
        return beam;
    }

    private void CountRuleError(string what, Exception e)
    {
        Count(OutcomeNames.RuleError);
        string rule = what.Split(' ')[0];
        _ruleErrors.RemoveAll(known => known.StartsWith(rule + ":", StringComparison.Ordinal));
        string where = what == rule ? "its knobs" : what[(rule.Length + 1)..];
        _ruleErrors.Add($"{rule}: {e.GetType().Name} at {where}: {FirstLine(e.Message)}");
    }

    private void Count(string outcome) => _outcomes[outcome] = _outcomes.GetValueOrDefault(outcome) + 1;

    private static string FirstLine(string text) => text.ReplaceLineEndings("\n").Split('\n')[0];

    private sealed record Draft(ChoicePoint Point, Candidate Candidate, CostFeatures Features);

    private sealed record Entry(ChoicePoint Point, CostFeatures Features, Trial Trial);

    /// <summary>Leaves the loops of the search.</summary>
    private sealed class Stop(StopReason reason) : Exception
    {
        public StopReason Reason { get; } = reason;
    }
}
