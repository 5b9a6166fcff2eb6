using Picograd.Schedules.Rules;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Space;

namespace Picograd.Search.Strategies;

/// <summary>
/// A beam over partial schedules, coarse to fine. A partial schedule is a rule and its decisions down to a level; at each level those of
/// the beam are decided further in all ways, each is judged by its best completion, and the most promising are completed, ranked
/// by the cost model and measured, batch by batch, while the models learn. What was best is the beam of the next level. Afterwards the
/// best are refined by small steps and random mutations. May be run again to go on refining.
/// </summary>
/// <remarks>
/// Making a program takes about as long as measuring it, so completions are first compared by their choices alone
/// (<see cref="ChoiceModel"/>), and few more programs are made than are measured (<see cref="SearchSettings.LookAhead"/>).
/// </remarks>
public sealed class BeamSearch : SearchStrategy
{
    /// <summary>Completions that a partial schedule is judged by at most, besides its parent's.</summary>
    private const int Completions = 3;

    /// <summary>Of how many the uncertainty of guesses is asked, which takes ten times as long as a guess.</summary>
    private const int Hopeful = 64;

    /// <summary>Random points of each rule that a search from scratch begins with.</summary>
    private const int RandomStarts = 4;

    /// <summary>How often more points of a rule are drawn of which none was a program.</summary>
    private const int RandomRounds = 16;

    private readonly SearchModel _model;
    private readonly List<Draft> _unmeasured = [];
    private readonly List<LevelResult> _levels = [];
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
        : this(task, rules, runner, model, ceilingMilliseconds, settings, []) { }

    private BeamSearch(
        TuneTask task,
        IEnumerable<ScheduleRule>? rules,
        ICandidateRunner runner,
        CostModel model,
        double ceilingMilliseconds,
        SearchSettings settings,
        List<string> errors
    )
        : this(
            new Hardware(task, rules, runner, model, (rule, e) => errors.Add(Hardware.Error(rule.Name, e))),
            model,
            ceilingMilliseconds,
            settings
        )
    {
        foreach (string error in errors)
            TellRuleError(error);
    }

    internal BeamSearch(ISearchMachine machine, CostModel model, double ceilingMilliseconds, SearchSettings settings)
        : base(machine, ceilingMilliseconds, settings) => _model = new SearchModel(model, settings);

    /// <summary>The best after the first programs of the rules, after each level, and after refining so far.</summary>
    public IReadOnlyList<LevelResult> Levels => _levels;

    private protected override StopReason Search(BudgetMeter meter, CancellationToken cancel)
    {
        if (!_levelsDone)
        {
            try
            {
                RunLevels(meter, cancel);
            }
            finally
            {
                _levelsDone = true;
            }
        }
        try
        {
            return Refine(meter, cancel);
        }
        finally
        {
            Note("refined");
        }
    }

    private void RunLevels(BudgetMeter meter, CancellationToken cancel)
    {
        try
        {
            Begin(meter, cancel);
        }
        finally
        {
            Note(Settings.FromScratch ? "at random" : "defaults");
        }
        int[] levels = Settings.Without == Ablation.Levels ? [int.MaxValue] : [.. Space.Levels];
        for (int i = 0; i < levels.Length; i++)
        {
            double until = Settings.LevelShare * (i + 1) / levels.Length;
            if (meter.TrialsUntil(until) == 0)
                continue;
            try
            {
                RunLevel(levels[i], meter, until, cancel);
            }
            finally
            {
                Note(levels[i] == int.MaxValue ? "all levels" : $"level {levels[i]}");
            }
        }
    }

    private void Note(string name)
    {
        _levels.RemoveAll(l => l.Name == name);
        _levels.Add(new LevelResult(name, TimedPrograms.Count, BestMilliseconds, Best?.Candidate.Describe() ?? ""));
    }

    /// <summary>Rounds of one level: partial schedules of the beam, decided further.</summary>
    private void RunLevel(int level, BudgetMeter meter, double until, CancellationToken cancel)
    {
        int stale = 0;
        while (stale < Settings.LevelPatience && meter.TrialsUntil(until) > 0)
        {
            CheckStop(meter, cancel);
            var beam = Beam();
            int each = Math.Max(8, Settings.MostExpansions / Math.Max(1, beam.Count));
            var partial = beam.SelectMany(e => Expand(e.Point, level, each)).DistinctBy(p => p.Text).ToList();
            double before = BestMilliseconds;
            if (!Step(partial.Select(p => BestCompletion(p, level)), meter, until, cancel))
                return;
            stale = BestMilliseconds < before * (1 - Settings.LeastGain) ? 0 : stale + 1;
        }
    }

    private List<ChoicePoint> Expand(ChoicePoint from, int level, int most) =>
        level == int.MaxValue
            ? [.. Enumerable.Range(0, most).Select(_ => CandidateSpace.Mutate(from, from, from.At.Length, Random))]
            : CandidateSpace.Expand(from, level, most, Random);

    /// <summary>
    /// The completion of a partial schedule that promises most: with the finer choices of its parent, with those of others that were
    /// timed, or with choices at random.
    /// </summary>
    private ChoicePoint BestCompletion(ChoicePoint partial, int level)
    {
        if (level == int.MaxValue || partial.Rule.Knobs.All(k => k.Level <= level || k.Values.Length == 1))
            return partial;
        var best = partial;
        double least = Guess(partial);
        for (int i = 0; i < Completions; i++)
        {
            var other = partial.Rule.Draw(Random);
            if (i > 0 && TimedPrograms.Count > 0)
            {
                var timed = TimedPrograms[Random.Next(TimedPrograms.Count)].Point;
                if (timed.Rule == partial.Rule)
                    other = timed;
            }
            var point = partial.Completed(other, level);
            double guess = Guess(point);
            if (guess < least)
                (best, least) = (point, guess);
        }
        return best;

        double Guess(ChoicePoint point) => IsNew(point) ? _model.Guess(point, hope: 0) : double.PositiveInfinity;
    }

    /// <summary>Every rule's default; from scratch of each rule the most promising of some random points instead.</summary>
    private void Begin(BudgetMeter meter, CancellationToken cancel)
    {
        if (!Settings.FromScratch)
        {
            MeasureDefaults(Make(Space.Defaults, int.MaxValue), meter, cancel);
            return;
        }
        for (int dry = 0; TimedPrograms.Count == 0 && dry < Settings.DryRounds; dry++)
        {
            CheckStop(meter, cancel);
            var drafts = new List<Draft>();
            var rules = Space.Rules.ToList();
            // Most points of a large space may be refused.
            for (int i = 0; i < RandomRounds && rules.Count > 0; i++)
            {
                CheckStop(meter, cancel);
                drafts.AddRange(
                    Make(
                        [.. rules.SelectMany(r => Enumerable.Range(0, RandomStarts).Select(_ => r.Draw(Random)))],
                        int.MaxValue
                    )
                );
                rules.RemoveAll(r => drafts.Any(d => d.Point.Rule == r));
            }
            MeasureDefaults(
                [.. Predicted(drafts).DistinctBy(d => d.Draft.Point.Rule.Name).Select(d => d.Draft)],
                meter,
                cancel
            );
            _unmeasured.AddRange(drafts.Where(d => TimedPrograms.All(t => t.Draft.Hash != d.Hash)));
        }
    }

    /// <summary>
    /// Every rule's default, whatever is predicted: from then on predictions are corrected by what each rule's programs took. A
    /// default that no process can be ended for is left out where it would take longer than the deadline.
    /// </summary>
    private void MeasureDefaults(List<Draft> drafts, BudgetMeter meter, CancellationToken cancel)
    {
        var limit = Machine.Limit;
        // Whoever counts trials waits for each as long as the runner does.
        var deadline = meter.TimeLeft is { } left ? DefaultDeadline(left, drafts.Count) : Settings.LeastDefaultTime;
        try
        {
            if (meter.TimeLeft is not null && (limit is null || limit > deadline))
                Machine.Limit = deadline;
            // One alone, so that what is slower than it is given up early; the others together, for compilers that work at several.
            for (int batch = 1; drafts.Count > 0; batch = int.MaxValue)
            {
                CheckStop(meter, cancel);
                int allowed = Math.Min(batch, meter.TrialsUntil(1));
                var ranked = Predicted(drafts);
                if (TimedPrograms.Count > 0 && Machine.IsHostMemory)
                    ranked.RemoveAll(d =>
                        d.Time > Settings.HopelessFactor * BestMilliseconds
                        && (Settings.FromScratch || d.Time > deadline.TotalMilliseconds / 3)
                    );
                if (ranked.Count == 0 || allowed == 0)
                    return;
                var chosen = ranked.Take(allowed).ToList();
                Measure(chosen, meter, cancel);
                Learn();
                drafts.RemoveAll(d => chosen.Any(c => ReferenceEquals(c.Draft, d)));
            }
            CheckStop(meter, cancel);
        }
        finally
        {
            Machine.Limit = limit;
        }
    }

    private TimeSpan DefaultDeadline(TimeSpan left, int count)
    {
        var least = Machine.IsHostMemory ? Settings.LeastDefaultTime : Settings.LeastDeviceDefaultTime;
        var share = left * Settings.LevelShare / Math.Max(1, count);
        return share > least ? share : least;
    }

    private StopReason Refine(BudgetMeter meter, CancellationToken cancel)
    {
        int dry = 0;
        int since = TimedPrograms.Count;
        // Rounds of a whole batch without improvement.
        while ((TimedPrograms.Count - since) / Settings.BatchSize is var stale && stale < Settings.Patience)
        {
            CheckStop(meter, cancel);
            if (TimedPrograms.Count == 0)
                return StopReason.Exhausted;
            double before = BestMilliseconds;
            var parents = TimedPrograms.OrderBy(e => e.Milliseconds).Take(Settings.BeamWidth).ToArray();
            // The best one's neighbours all at once, then ever wider steps from any of the best.
            var points = parents.Take(1 + stale).SelectMany(e => CandidateSpace.Neighbours(e.Point)).ToList();
            for (int i = 0; i < Settings.Mutations; i++)
            {
                var parent = parents[Random.Next(parents.Length)];
                var other = parents[Random.Next(parents.Length)];
                points.Add(CandidateSpace.Mutate(parent.Point, other.Point, 1 + Math.Max(stale / 2, dry), Random));
                // Where all of that is known, the rest of the space: rules of which nothing was a program yet, too.
                if (dry > 0)
                    points.Add(Space.Draw(Random));
            }
            if (!Step(points, meter, 1, cancel))
            {
                // Wider and wider mutations find nothing new: the space is spent.
                if (++dry >= 8)
                    return StopReason.Exhausted;
                continue;
            }
            dry = 0;
            if (BestMilliseconds < before * (1 - Settings.LeastGain))
                since = TimedPrograms.Count;
        }
        return StopReason.Plateau;
    }

    /// <summary>
    /// One batch: of some points those that promise most by their choices are made, and of these, and of what was made before and not
    /// measured, the best by the cost model are measured. Returns false where there was nothing new.
    /// </summary>
    private bool Step(IEnumerable<ChoicePoint> points, BudgetMeter meter, double until, CancellationToken cancel)
    {
        // The models learn after each batch: of 4 instead of 8, the mean distance from the best after 0.9 s is 0.7 % instead of 1.3 % (28
        // recorded tasks). Compilers of devices work at many candidates at the same time.
        int batch = Machine.IsHostMemory ? Math.Max(1, Settings.BatchSize / 2) : Settings.BatchSize;
        int allowed = Math.Min(batch, meter.TrialsUntil(until));
        int look = (int)Math.Ceiling(Settings.LookAhead * allowed);
        var made = Make(MostPromising(points, look), look, meter, until);
        foreach (var draft in made)
            _model.Suppose(draft);
        _unmeasured.AddRange(made);
        CheckStop(meter, cancel);
        var ranked = Predicted(_unmeasured);
        if (TimedPrograms.Count > 0)
            ranked.RemoveAll(d => d.Time > Settings.HopelessFactor * BestMilliseconds);
        if (ranked.Count == 0 || allowed == 0)
            return made.Count > 0;
        int explore = ranked.Count > allowed ? (int)Math.Round(allowed * Settings.Exploration) : 0;
        var chosen = ranked.Take(allowed - explore).ToList();
        for (int i = 0; i < explore; i++)
            chosen.Add(ranked[allowed - explore + Random.Next(ranked.Count - allowed + explore)]);
        chosen = [.. chosen.DistinctBy(c => c.Draft.Hash)];
        Measure(chosen, meter, cancel);
        Learn();
        _unmeasured.RemoveAll(d => chosen.Any(c => ReferenceEquals(c.Draft, d)));
        if (_unmeasured.Count > Settings.Unmeasured)
        {
            var kept = Predicted(_unmeasured).Take(Settings.Unmeasured).Select(p => p.Draft).ToList();
            _unmeasured.Clear();
            _unmeasured.AddRange(kept);
        }
        return true;
    }

    private IEnumerable<ChoicePoint> MostPromising(IEnumerable<ChoicePoint> points, int count)
    {
        var fresh = points.Where(IsNew).DistinctBy(p => p.Text).ToArray();
        Random.Shuffle(fresh);
        if (Settings.Without == Ablation.Model)
            return fresh;
        var ranked = fresh.Select(p => (Point: p, Guess: _model.Guess(p, hope: 0))).OrderBy(p => p.Guess).ToList();
        // Duplicates and refused ones are replaced by those that come next.
        return ranked
            .Take(Math.Max(Hopeful, count))
            .Select(p => (p.Point, Guess: _model.Guess(p.Point, Settings.Hope)))
            .OrderBy(p => p.Guess)
            .Concat(ranked.Skip(Math.Max(Hopeful, count)))
            .Select(p => p.Point);
    }

    private int _learned;

    // What was timed since the last time.
    private void Learn()
    {
        for (; _learned < TimedPrograms.Count; _learned++)
            _model.Learn(TimedPrograms[_learned].Draft, TimedPrograms[_learned].Milliseconds);
    }

    /// <summary>Most promising first.</summary>
    private List<(Draft Draft, double Time)> Predicted(IEnumerable<Draft> drafts)
    {
        var list = drafts.ToArray();
        if (Settings.Without == Ablation.Model)
        {
            Random.Shuffle(list);
            return [.. list.Select(d => (d, 0.0))];
        }
        return [.. list.Select(d => (Draft: d, Time: _model.Predict(d))).OrderBy(d => d.Time)];
    }

    /// <summary>The best programs, and of each rule that is not far behind at least its best.</summary>
    private List<Timed> Beam()
    {
        var ranked = TimedPrograms.OrderBy(e => e.Milliseconds).ToList();
        var beam = ranked.Take(Settings.BeamWidth).ToList();
        foreach (var rule in ranked.GroupBy(e => e.Point.Rule.Name))
        {
            // Coarse choices before the fine ones are made tell little: a factor of three may still turn.
            var best = rule.First();
            if (!beam.Contains(best) && best.Milliseconds < 3 * BestMilliseconds)
                beam.Add(best);
        }
        return beam;
    }
}

/// <summary>How far a search was after one of its parts.</summary>
/// <param name="Name">defaults, level 0, level 1, …, refined.</param>
/// <param name="Timed">Programs timed so far.</param>
/// <param name="BestMilliseconds">The best of them; infinite where there was none.</param>
/// <param name="Best">Its rule and choices.</param>
public sealed record LevelResult(string Name, int Timed, double BestMilliseconds, string Best);
