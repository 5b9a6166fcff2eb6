using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Picograd.Schedules;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>Tuning one task: any number of slices of search, then race, certification and storing.</summary>
internal sealed class TuneSession : IDisposable
{
    /// <summary>The default schedule takes part in the race unless it is so many times slower that it would only cost time.</summary>
    private const double RaceFactor = 3;

    private const int Racers = 5;
    private const double RaceMilliseconds = 1_000;
    private const int FewestRounds = 9;
    private const int MostRounds = 31;

    /// <summary>Measurements of earlier runs that the cost model learns from before this one.</summary>
    private const int Lessons = 64;

    /// <summary>How many schedules of runs that never finished are measured again: enough to outlast a lucky measurement.</summary>
    private const int Recovered = 3;

    private readonly TuneOptions _options;
    private readonly ICandidateRunner _runner;
    private readonly BeamSearch _search;
    private readonly TuneKey _key;
    private readonly string _run;
    private readonly TimeProvider _clock;
    private readonly Dictionary<string, int> _more = [];
    private readonly List<Trial> _given = [];
    private TimeSpan _searched;
    private bool _begun;

    public TuneSession(TuneTask task, TuneOptions options)
    {
        Task = task;
        _options = options;
        _key = task.Key;
        _clock = options.Settings.Clock;
        _run = string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyyMMddTHHmmss.fff}-seed{options.Seed}");
        Ceiling = Roofline.Of(task, task.On.Ceilings);
        _runner = options.Runner?.Invoke(task) ?? new InProcessRunner(task, options.Seed);
        var model = new CostModel(task.Target);
        Teach(model);
        _search = new BeamSearch(
            task,
            options.Rules,
            _runner,
            model,
            Ceiling.Milliseconds,
            options.Settings with
            {
                Seed = options.Seed,
            }
        )
        {
            OnBatch = OnBatch,
        };
    }

    public TuneTask Task { get; }

    public Roofline Ceiling { get; }

    public StopReason Stop { get; private set; } = StopReason.Budget;

    /// <summary>Whether more search could find more.</summary>
    public bool IsOpen => Stop == StopReason.Budget;

    public double? BestMilliseconds => Best?.Milliseconds;

    public int Tried => _search.Trials.Count + _given.Count;

    public (double Spent, TimeSpan? Remaining) SliceProgress => _search.Progress;

    /// <summary>Called after every batch.</summary>
    public Action? OnProgress { get; set; }

    private Trial? Best => Timed().MinBy(t => t.Milliseconds);

    /// <summary>Searches for a slice of the budget.</summary>
    public void Search(SearchBudget slice, CancellationToken cancel)
    {
        long start = _clock.GetTimestamp();
        if (!_begun)
        {
            _begun = true;
            // Asked before this run adds to the log.
            var unfinished = Unfinished();
            MeasureGiven(cancel);
            foreach (string trace in unfinished)
                if (!cancel.IsCancellationRequested)
                    Given(trace);
        }
        Stop = _search.Run(slice, cancel);
        _searched += _clock.GetElapsedTime(start);
    }

    /// <summary>Race, certification, storing.</summary>
    /// <param name="budget">As it was given, for provenance.</param>
    /// <param name="phase">Told the name of each phase.</param>
    /// <param name="cancel">When set already, the race is left out.</param>
    /// <exception cref="TuneException">Nothing was measured.</exception>
    public TuneResult Finish(SearchBudget budget, Action<string> phase, CancellationToken cancel)
    {
        var before = FindStored();
        var stored = Given(before?.Trace);
        var standard = Standard();
        if (!Timed().Any())
            throw new TuneException($"tuning '{Task.Spec}' measured nothing: {Describe(Outcomes())}{LastDetail()}");
        phase("race");
        var racers = Timed().OrderBy(t => t.Milliseconds).ThenBy(t => t.Candidate.Complexity).Take(Racers).ToList();
        double fastest = racers[0].Milliseconds;
        if (standard is { } s && s.Milliseconds < RaceFactor * fastest && !racers.Contains(s))
            racers.Add(s);
        int? incumbent = stored is null ? null : racers.FindIndex(r => r.Candidate.Hash == stored.Candidate.Hash);
        if (incumbent < 0)
        {
            incumbent = null;
            if (stored!.Measured.IsTimed && stored.Milliseconds < RaceFactor * fastest)
            {
                incumbent = racers.Count;
                racers.Add(stored);
            }
        }
        var raced = RaceThem(racers, cancel, incumbent);
        double Time(int i) => double.IsFinite(raced.Milliseconds[i]) ? raced.Milliseconds[i] : racers[i].Milliseconds;
        int at = standard is null ? -1 : racers.IndexOf(standard);
        double? standardTime = at >= 0 ? Time(at) : standard?.Milliseconds;

        phase("certify");
        int? winner = null;
        Certification? first = null;
        Certification? passed = null;
        foreach (int i in raced.Order)
        {
            var certification = _runner.Certify(racers[i].Candidate);
            first ??= certification;
            if (certification.Ok)
            {
                (winner, passed) = (i, certification);
                break;
            }
            Count(OutcomeNames.Uncertified);
            Log([
                new LoggedCandidate(
                    OutcomeNames.Uncertified,
                    racers[i].Candidate.Describe(),
                    racers[i],
                    certification.Detail
                ),
            ]);
        }
        int chosen = winner ?? raced.Order[0];
        var result = new TuneResult
        {
            Task = Task,
            Trace = racers[chosen].Candidate.TraceText,
            Description = racers[chosen].Candidate.Describe(),
            Milliseconds = Time(chosen),
            DefaultMilliseconds = standardTime,
            Ceiling = Ceiling,
            Stop = Stop,
            Outcomes = Outcomes(),
            Tried = Tried,
            RankCorrelation = RankCorrelation.Spearman(
                [.. _search.Trials.Where(t => t.Measured.IsTimed).Select(t => t.PredictedMilliseconds)],
                [.. _search.Trials.Where(t => t.Measured.IsTimed).Select(t => t.Milliseconds)]
            ),
            SearchSeconds = _searched.TotalSeconds,
            MedianReadyMilliseconds = Racing.Median([
                .. Timed().Select(t => t.Measured.ReplayMilliseconds + t.Measured.CompileMilliseconds),
            ]),
            Certification = passed ?? first!,
            Stored = null,
        };
        if (passed is null || _options.Store is not { } store)
            return result;
        var record = Record(result, budget, raced.Samples[chosen]);
        // The race just decided between the stored one and this one, which the store's comparison of old times could not.
        // One that was too slow for the race, or does not replay or gives wrong results any more, lost as well.
        bool replaces = chosen != incumbent && before is not null;
        return result with { Stored = chosen == incumbent ? PutOutcome.Kept : store.Put(record, force: replaces) };
    }

    public void Dispose() => _runner.Dispose();

    private RaceResult RaceThem(List<Trial> racers, CancellationToken cancel, int? incumbent)
    {
        int[] complexity = [.. racers.Select(r => r.Candidate.Complexity)];
        double round = racers.Sum(r => 2 * Math.Max(0.15, r.Milliseconds));
        int rounds = (int)Math.Clamp(RaceMilliseconds / round, FewestRounds, MostRounds);
        var times = cancel.IsCancellationRequested
            ? new RaceTimes([], [])
            : _runner.Race([.. racers.Select(r => r.Candidate)], rounds, cancel);
        var result = Racing.Decide(times, complexity, incumbent);
        if (result.Order.Count > 0)
            return result;
        // Interrupted: the times of the search decide.
        return result with
        {
            Order = [.. Enumerable.Range(0, racers.Count).OrderBy(i => racers[i].Milliseconds)],
            Samples = [.. racers.Select(r => r.Measured.Samples)],
        };
    }

    private IEnumerable<Trial> Timed() => _search.Trials.Concat(_given).Where(t => t.Measured.IsTimed);

    private TuneRecord? FindStored() => _options.Store?.FindExact(_key);

    /// <summary>The default schedule's trial; measured now if the search left it out.</summary>
    private Trial? Standard()
    {
        var nest = DefaultSchedule.For(Task.Algorithm, Task.Target);
        ulong hash = NestHash.Of(nest);
        var trial = _search.Trials.Concat(_given).FirstOrDefault(t => t.Candidate.Hash == hash);
        trial ??= Measure(new Candidate(null, new Dictionary<string, long>(), nest), CancellationToken.None);
        return trial is { Measured.IsTimed: true } ? trial : null;
    }

    /// <summary>Traces written by hand and the stored winner come first: the search has to beat them.</summary>
    private void MeasureGiven(CancellationToken cancel)
    {
        foreach (string trace in _options.Traces)
        {
            if (cancel.IsCancellationRequested)
                return;
            // A trace given by hand that does not fit is the caller's error and is said so.
            var nest = Trace.Parse(trace).Replay(Task.Algorithm);
            Measure(new Candidate(null, new Dictionary<string, long>(), nest), cancel);
        }
    }

    /// <summary>
    /// The fastest schedules that runs measured since the winner was stored. A run that was killed stored no winner of
    /// its own, but its log has what it found, and this is how the next run keeps it.
    /// </summary>
    private IReadOnlyList<string> Unfinished()
    {
        if (_options.Store is not { } store)
            return [];
        var since = FindStored()?.Provenance.Utc ?? DateTime.MinValue;
        var log = store.Candidates(_key);
        var wrong = log.Where(c => c.Outcome == OutcomeNames.Uncertified).Select(c => c.TraceHash).ToHashSet();
        return
        [
            .. log.Where(c => c is { Outcome: OutcomeNames.Timed, Trace: not null, Milliseconds: not null })
                .Where(c => c.Utc > since && !wrong.Contains(c.TraceHash))
                .OrderBy(c => c.Milliseconds)
                .DistinctBy(c => c.TraceHash)
                .Take(Recovered)
                .Select(c => c.Trace!),
        ];
    }

    /// <summary>A stored trace as a trial; null when there is none, or when it no longer replays or runs.</summary>
    private Trial? Given(string? trace)
    {
        if (trace is null)
            return null;
        LoopNest nest;
        try
        {
            nest = Trace.Parse(trace).Replay(Task.Algorithm);
        }
        catch (TraceException e)
        {
            Count(OutcomeNames.ReplayFailed);
            Log([new LoggedCandidate(OutcomeNames.ReplayFailed, "stored schedule", null, e.Message)]);
            return null;
        }
        ulong hash = NestHash.Of(nest);
        var trial =
            _search.Trials.Concat(_given).FirstOrDefault(t => t.Candidate.Hash == hash)
            ?? Measure(new Candidate(null, new Dictionary<string, long>(), nest), CancellationToken.None);
        return trial is { Measured.IsTimed: true } ? trial : null;
    }

    private Trial? Measure(Candidate candidate, CancellationToken cancel)
    {
        var measured = _runner.Measure([candidate], double.PositiveInfinity, cancel);
        if (measured.Count == 0)
            return null;
        var trial = new Trial(candidate, double.NaN, measured[0]);
        _given.Add(trial);
        Count(measured[0].Outcome);
        Log([new LoggedCandidate(measured[0].Outcome, candidate.Describe(), trial, measured[0].Detail)]);
        return trial;
    }

    private void Teach(CostModel model)
    {
        if (_options.Store is not { } store)
            return;
        var past = store
            .Candidates(_key)
            .Where(c => c is { Trace: not null, Milliseconds: not null })
            .TakeLast(Lessons);
        foreach (var candidate in past)
        {
            try
            {
                model.Learn(
                    model.Features(Trace.Parse(candidate.Trace!).Replay(Task.Algorithm)),
                    candidate.Milliseconds!.Value
                );
            }
            catch (TraceException)
            {
                // Written by an older version whose primitives differ: nothing can be learned from it.
            }
        }
    }

    private void OnBatch(IReadOnlyList<LoggedCandidate> batch)
    {
        Log(batch);
        OnProgress?.Invoke();
    }

    private void Log(IReadOnlyList<LoggedCandidate> batch)
    {
        if (_options.Store is not { } store)
            return;
        var now = DateTime.UtcNow;
        store.AppendCandidates([
            .. batch.Select(c => new TuneCandidate(
                _key,
                _run,
                c.Trial is { } trial ? trial.Candidate.Hash.ToString("x16", CultureInfo.InvariantCulture) : Hash(c),
                c.Trial?.Candidate.TraceText,
                c.Outcome,
                c.Trial is { Measured.IsTimed: true } timed ? timed.Milliseconds : null,
                now,
                c.Detail.Length == 0 ? c.Description : $"{c.Description}: {c.Detail}"
            )),
        ]);
    }

    private static string Hash(LoggedCandidate candidate) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(candidate.Description)))[..16];

    private void Count(string outcome) => _more[outcome] = _more.GetValueOrDefault(outcome) + 1;

    private SortedDictionary<string, int> Outcomes()
    {
        var all = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var (outcome, count) in _search.Outcomes.Concat(_more))
            all[outcome] = all.GetValueOrDefault(outcome) + count;
        return all;
    }

    private string LastDetail()
    {
        string? detail = _search.Trials.Concat(_given).LastOrDefault(t => !t.Measured.IsTimed)?.Measured.Detail;
        return string.IsNullOrEmpty(detail) ? "" : $" (the last one: {detail})";
    }

    private static string Describe(IReadOnlyDictionary<string, int> outcomes) =>
        outcomes.Count == 0 ? "no candidate" : string.Join(", ", outcomes.Select(o => $"{o.Value} {o.Key}"));

    private TuneRecord Record(TuneResult result, SearchBudget budget, IReadOnlyList<double> samples) =>
        new()
        {
            Key = _key,
            Spec = Task.Spec.ToString(),
            Trace = result.Trace,
            Guards = GuardList.Of(Task.Algorithm, Task.Target),
            Milliseconds = result.Milliseconds,
            DefaultMilliseconds = result.DefaultMilliseconds,
            Samples = [.. samples.Where(double.IsFinite)],
            Certification = result.Certification,
            Certified = result.Certification.Ok,
            Provenance = new Provenance(
                DateTime.UtcNow,
                _options.Machine,
                _options.Seed,
                budget.ToString(),
                result.Tried,
                result.Stop.ToString().ToLowerInvariant(),
                RuntimeInformation.FrameworkDescription,
                typeof(TuneSession).Assembly.GetName().Version?.ToString(3) ?? ""
            ),
        };
}
