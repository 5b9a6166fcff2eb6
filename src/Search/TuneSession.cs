using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Strategies;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>
/// Tuning one task: any number of slices of search, each of which may be settled, which is race, certification, storing.
/// </summary>
internal sealed partial class TuneSession : IDisposable
{
    /// <summary>The default schedule takes part in the first race unless it is so many times slower that it would only cost time.</summary>
    private const double RaceFactor = 3;

    private const int Racers = 5;
    private const double RaceMilliseconds = 1_000;
    private const int RaceHeats = 3;
    private const int DuelHeats = 5;
    private const int MostRounds = 31;

    /// <summary>Of a budget of time, what a race may take.</summary>
    private const double RaceShare = 0.1;

    /// <summary>Of a budget of time, what the search gets at least, whatever certification is expected to take.</summary>
    private const double LeastSearchShare = 0.05;

    /// <summary>Bounds of what one candidate may take where time is the budget; a part of the budget between them.</summary>
    private static readonly TimeSpan LeastCandidate = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan LongestCandidate = TimeSpan.FromSeconds(20);

    /// <summary>What is better by less than this share is not raced and certified again.</summary>
    private const double NewsShare = 0.985;

    /// <summary>Measurements of earlier runs that the cost model learns from before this one.</summary>
    private const int Lessons = 64;

    /// <summary>How many schedules of runs that never finished are measured again: enough to outlast a lucky measurement.</summary>
    private const int Recovered = 3;

    private readonly TuneOptions _options;
    private readonly ICandidateRunner _runner;
    private readonly BeamSearch _search;
    private readonly PhaseClock _phases;
    private readonly TuneKey _key;
    private readonly string _run;
    private readonly TimeProvider _clock;
    private readonly Dictionary<string, int> _more = [];
    private readonly List<Trial> _given = [];
    private readonly List<string> _ruleErrors = [];
    private readonly Dictionary<ulong, Certification> _certified = [];
    private readonly double _certifyShare;
    private double _prepareSeconds;
    private double? _certifySeconds;
    private readonly string _budget;
    private ulong? _standard;
    private ulong? _stored;
    private Trial? _settled;
    private TuneResult? _result;
    private bool _begun;
    private bool _isOutOfTime;

    /// <param name="task">What is tuned.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told the phase at its begin, and again after every batch of the search.</param>
    public TuneSession(TuneTask task, TuneOptions options, Action<TuneSession, string> progress)
    {
        Task = task;
        _options = options;
        _key = task.Key;
        _clock = options.Settings.Clock;
        _budget = options.Budget.ToString();
        _certifyShare = task.Problem.IsRange ? new RangeCertifier(task.Problem, task.On, options.Seed).Share : 1;
        Progress = phase => progress(this, phase);
        _phases = new PhaseClock(_clock, phase => Progress(phase));
        _run = string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyyMMddTHHmmss.fff}-seed{options.Seed}");
        Ceiling = new Roofline(0, "");
        Ceiling = _phases.Time(Phases.Start, () => Roofline.Of(task, task.On.Ceilings));
        _runner = _phases.Time(
            Phases.Start,
            () => options.Runner?.Invoke(task) ?? new InProcessRunner(task, options.Seed)
        );
        bool scratch = options.Settings.FromScratch;
        var model = new CostModel(task.Target, task.On.Backend.Lower, scratch ? null : Residuals.Of(task.Target));
        if (!scratch)
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
            Known = TakeOver,
            RenewCeiling = () =>
            {
                RenewCeiling(BestMilliseconds!.Value);
                return Roofline.Of(Task, Task.On.Ceilings).Milliseconds;
            },
        };
    }

    public TuneTask Task { get; }

    public Roofline Ceiling { get; private set; }

    /// <summary>Told of a ceiling that was beaten, once at most; null: none was.</summary>
    private string? _ceilingNote;

    /// <summary>Nothing is faster than the ceiling: one that something beats is measured again.</summary>
    private void RenewCeiling(double milliseconds) =>
        Ceiling =
            _ceilingNote is null ? Roofline.Of(Task, Task.On.Ceilings, milliseconds, note => _ceilingNote = note)
            : Roofline.Of(Task, Task.On.Ceilings) is var line && line.Milliseconds > milliseconds
                ? line with
                {
                    Milliseconds = milliseconds,
                }
            : line;

    public StopReason Stop { get; private set; } = StopReason.Budget;

    /// <summary>Whether more search could find more.</summary>
    public bool IsOpen => Stop == StopReason.Budget && !_isOutOfTime;

    public double? BestMilliseconds => _search is null ? null : Best?.Milliseconds;

    public int Tried => _search is null ? 0 : _search.Trials.Count + _given.Count;

    /// <summary>What part of the slice of search now running is spent, and the time until it is.</summary>
    public (double Spent, TimeSpan? Remaining) SliceProgress => _search?.Progress ?? (0, null);

    /// <summary>Whether the search found something that was not raced and certified yet.</summary>
    public bool HasNews =>
        Best is { } best
        && (
            _settled is null
            || best.Candidate.Hash != _settled.Candidate.Hash && best.Milliseconds < NewsShare * _settled.Milliseconds
        );

    /// <summary>What was settled last, with the counts of now; null before the first time.</summary>
    public TuneResult? Result => _result is null ? null : Counted(_result);

    private Action<string> Progress { get; }

    private Trial? Best => Timed().MinBy(t => t.Milliseconds);

    /// <summary>Searches for a slice of the budget, all that has to happen first included.</summary>
    /// <param name="slice">What may be spent until it is settled.</param>
    /// <param name="began">When it began, as a timestamp of the clock.</param>
    /// <param name="limit">Time until nothing may go on any more; null for no limit.</param>
    /// <param name="cancel">Ends the search.</param>
    public void Search(SearchBudget slice, long began, Func<TimeSpan?> limit, CancellationToken cancel)
    {
        if (!_begun)
        {
            _prepareSeconds = _phases.Time(Phases.Start, () => _runner.Prepare(limit() is { } most ? All(most) : null));
            _begun = true;
            // Asked before this run adds to the log.
            bool alone = _options.Settings.FromScratch;
            var unfinished = _options.OnlyGiven || alone ? [] : Unfinished();
            // Without it there is nothing to compare with, and perhaps nothing to certify, so it may take all there is.
            _runner.Limit = limit() is { } all ? All(all) : null;
            _phases.Time(Phases.Default, MeasureStandard);
            LimitCandidates();
            _phases.Time(
                Phases.Search,
                () =>
                {
                    MeasureGiven(cancel);
                    FindWaiting();
                    _stored = alone ? null : Given(FindStored()?.Trace)?.Candidate.Hash;
                    if (!cancel.IsCancellationRequested && !IsOver())
                        MeasureWaiting();
                    foreach (string trace in unfinished)
                    {
                        if (!cancel.IsCancellationRequested && !IsOver())
                            Given(trace);
                    }
                    return 0;
                }
            );
        }
        if (_options.OnlyGiven)
        {
            Stop = StopReason.Exhausted;
            return;
        }
        LimitCandidates();
        KeepImprovement();
        // The first slice leaves room for settling; a later one may bring nothing to settle, and what it does is bounded by
        // the limit.
        bool first = _settled is null;
        var rest = slice;
        if (slice.Time is { } time)
        {
            var settle = SettleTime(time);
            var left = time - _clock.GetElapsedTime(began) - (first ? settle : TimeSpan.Zero);
            if (IsOver() || (!first && limit() <= settle))
            {
                // What is found now could not be certified any more.
                _isOutOfTime = true;
                return;
            }
            double least = LeastSearchShare * time.TotalSeconds;
            double most = ((limit() ?? TimeSpan.MaxValue) - (first ? settle : TimeSpan.Zero)).TotalSeconds;
            // Certifying the default is worth more than looking at one more schedule.
            if (most < least && Timed().Any())
                return;
            rest = SearchBudget.Seconds(Math.Max(0.001, Math.Min(most, Math.Max(least, left.TotalSeconds))));
        }
        Stop = _phases.Time(Phases.Search, () => _search.Run(rest, cancel));

        bool IsOver() => limit() is { } left && left <= TimeSpan.Zero;

        void LimitCandidates() =>
            _runner.Limit = slice.Time is { } most
                ? All(TimeSpan.FromSeconds(Math.Min(most.TotalSeconds / 2, LongestCandidate.TotalSeconds)))
                : null;

        // Less than that a small kernel takes on a busy machine.
        static TimeSpan All(TimeSpan limit) => limit < LeastCandidate ? LeastCandidate : limit;
    }

    public void Dispose() => _runner.Dispose();

    private TuneResult Counted(TuneResult result) =>
        result with
        {
            Stop = Stop,
            Outcomes = Outcomes(),
            Tried = Tried,
            PhaseSeconds = _phases.Seconds,
            RuleErrors = RuleErrors,
            Levels = _search.Levels,
        };

    private IReadOnlyList<string> RuleErrors => [.. _ruleErrors.Concat(_search.RuleErrors).Distinct()];

    /// <summary>A slice of time in which something that is found can be settled too.</summary>
    public TimeSpan LeastSlice(TimeSpan slice) => 1.5 * SettleTime(slice);

    /// <summary>What settling is expected to take, so that the search leaves room for it.</summary>
    private TimeSpan SettleTime(TimeSpan slice)
    {
        // Every kind of inputs and a neighbouring shape, each about what one took; for each kind three to six runs, and those
        // of the neighbour, which are slower where tiles do not fit. Two kernels are compiled.
        double best = BestMilliseconds ?? 0;
        int kinds = Task.Problem.CertificationKinds.Count();
        double runs = kinds * (2 + Math.Clamp(150 / best, 1, 4)) + 6;
        // What it compiles, and the schedule that it compares with, are not known before the first.
        double certify = _certifySeconds ?? 0.2 + 1.4 * _certifyShare * (kinds * _prepareSeconds + runs * best / 1000);
        // A duel has at least three rounds of two calls each of two, and begins with one of each.
        double duel = 14 * best + 200;
        double most = Math.Clamp(RaceShare * slice.TotalMilliseconds, 50, RaceMilliseconds);
        double race = Math.Max(2 * most, duel) / 1000;
        return TimeSpan.FromSeconds(certify + race);
    }

    private IEnumerable<Trial> Timed() => _search.Trials.Concat(_given).Where(t => t.Measured.IsTimed);

    private TuneRecord? FindStored() => _options.Store?.FindOwn(_key);

    /// <summary>
    /// The default schedule, timed before anything else: what is found is compared with it. Where the back end refuses it, what
    /// dispatch runs instead.
    /// </summary>
    private int MeasureStandard()
    {
        foreach (var schedule in Task.Defaults)
        {
            LoopNest nest;
            try
            {
                nest = Task.Open(schedule());
            }
            catch (ScheduleException)
            {
                continue;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                Count(OutcomeNames.RuleError);
                string error = $"default schedule: {e.GetType().Name}: {e.Message.Split('\n')[0]}";
                _ruleErrors.Add(error);
                Log([new LoggedCandidate(OutcomeNames.RuleError, "default schedule", null, error)]);
                continue;
            }
            var candidate = new Candidate(null, new Dictionary<string, long>(), nest);
            _standard = candidate.Hash;
            // What failed in another way than being refused by the back end is what dispatch would run.
            if (Measure(candidate, CancellationToken.None)?.Measured.Outcome is not { } outcome || !IsRefusal(outcome))
                return 1;
        }
        return 0;

        static bool IsRefusal(string outcome) =>
            outcome
                is not (
                    OutcomeNames.Timed
                    or OutcomeNames.WrongResult
                    or OutcomeNames.Crash
                    or OutcomeNames.Hang
                    or OutcomeNames.OverTime
                    or OutcomeNames.InternalError
                );
    }

    /// <summary>The default schedule's trial; null where it could not be timed.</summary>
    private Trial? Standard() => Timed().FirstOrDefault(t => t.Candidate.Hash == _standard);

    /// <summary>A trial made before the search, which now meets the program itself, becomes the search's.</summary>
    private Trial? TakeOver(ulong hash)
    {
        if (_given.Find(t => t.Candidate.Hash == hash) is not { } trial)
            return null;
        _given.Remove(trial);
        _more[trial.Measured.Outcome]--;
        return trial;
    }

    /// <summary>Traces written by hand and the stored winner come first: the search has to beat them.</summary>
    private void MeasureGiven(CancellationToken cancel)
    {
        foreach (string trace in _options.Traces)
        {
            if (cancel.IsCancellationRequested)
                return;
            // A trace given by hand that does not fit is the caller's error and is said so.
            var nest = Task.Replay(trace);
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
            nest = Task.Replay(trace);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Foreign data: whatever is wrong with it, it is left out, and said so.
            Count(OutcomeNames.ReplayFailed);
            Log([new LoggedCandidate(OutcomeNames.ReplayFailed, "stored schedule", null, e.Message)]);
            return null;
        }
        ulong hash = NestHash.Of(nest);
        var trial =
            Timed().FirstOrDefault(t => t.Candidate.Hash == hash)
            ?? Measure(new Candidate(null, new Dictionary<string, long>(), nest), CancellationToken.None);
        return trial is { Measured.IsTimed: true } ? trial : null;
    }

    private Trial? Measure(Candidate candidate, CancellationToken cancel)
    {
        var measured = _runner.Measure([candidate], BestMilliseconds ?? double.PositiveInfinity, cancel);
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
                model.Learn(model.Features(Measured(candidate.Trace!)), candidate.Milliseconds!.Value);
            }
            catch (Exception e) when (e is TraceException or LoweringException)
            {
                // Written by an older version whose primitives or passes differ: nothing can be learned from it.
            }
        }

        // Of a range the same steps with numbers for extents.
        LoopNest Measured(string trace) =>
            Task.Problem.IsRange
                ? OpenSchedule.Replay(Task.Replay(trace), Task.Measured.Algorithm)
                : Task.Replay(trace);
    }

    private void OnBatch(IReadOnlyList<LoggedCandidate> batch)
    {
        Log(batch);
        KeepImprovement();
        Progress(Phases.Search);
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
        foreach (var (outcome, count) in _search.Outcomes.Concat(_more).Where(o => o.Value > 0))
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
}
