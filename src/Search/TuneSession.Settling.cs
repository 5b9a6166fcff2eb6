using System.Runtime.InteropServices;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>What comes after a slice of search: the race, the duel with the default schedule, certification, the store.</summary>
internal sealed partial class TuneSession
{
    /// <summary>At which new memory is had and filled, about.</summary>
    private const double FreshBytesPerMillisecond = 2e6;

    /// <summary>Race, certification, storing.</summary>
    /// <param name="budget">As it was given, for provenance.</param>
    /// <param name="slice">The part of it that this task had now; decides how long the race may be.</param>
    /// <param name="limit">What certification may take, race excluded; null for no limit.</param>
    /// <param name="cancel">When set already, the first race is left out.</param>
    /// <exception cref="TuneException">Nothing was measured.</exception>
    public TuneResult Settle(SearchBudget budget, SearchBudget slice, Func<TimeSpan?> limit, CancellationToken cancel)
    {
        if (!Timed().Any())
        {
            bool isOverTime = Outcomes().ContainsKey(OutcomeNames.OverTime);
            string advice = isOverTime
                ? $"; not even the default schedule could be timed within the budget of {budget}, so a larger one is needed"
                : "";
            throw new TuneException(
                $"tuning '{Task.Problem}' measured nothing: {Describe(Outcomes())}{LastDetail()}{advice} ({_phases})"
            )
            {
                IsOverTime = isOverTime,
            };
        }
        _settled = Best;
        var before = FindStored();
        var standard = Standard();
        double raceMilliseconds = slice.Time is { } time
            ? Math.Clamp(RaceShare * time.TotalMilliseconds, 50, RaceMilliseconds)
            : RaceMilliseconds;
        var (racers, raced, incumbent) = _phases.Time(
            Phases.Race,
            () => Race(before, standard, raceMilliseconds, cancel)
        );

        Verdict? verdict = null;
        Verdict? failed = null;
        var tried = new HashSet<ulong>();
        foreach (int i in raced.Order)
        {
            var racer = racers[i];
            if (!tried.Add(racer.Candidate.Hash))
                continue;
            double own = double.IsFinite(raced.Milliseconds[i]) ? raced.Milliseconds[i] : racer.Milliseconds;
            var one = new Verdict(racer, own, standard?.Milliseconds, raced.Samples[i], i == incumbent);
            bool isStandard = standard is not null && racer.Candidate.Hash == standard.Candidate.Hash;
            if (isStandard)
                one = one with { DefaultMilliseconds = own, DefaultStands = true };
            else if (standard is not null && failed?.DefaultStands != true)
            {
                var (beaten, duel) = _phases.Time(Phases.Race, () => Duel(racer, standard, raceMilliseconds));
                if (beaten)
                {
                    one = one with
                    {
                        Milliseconds = duel.Milliseconds[0],
                        DefaultMilliseconds = duel.Milliseconds[1],
                        Samples = duel.Samples[0],
                    };
                }
                else
                {
                    // Neither does any that comes after it: they are slower, or as good and more involved.
                    tried.Add(standard.Candidate.Hash);
                    bool kept = incumbent is { } at && racers[at].Candidate.Hash == standard.Candidate.Hash;
                    one = new Verdict(standard, duel.Milliseconds[1], duel.Milliseconds[1], duel.Samples[1], kept)
                    {
                        DefaultStands = true,
                    };
                }
            }
            // A default that is wrong is no time to compare with.
            if (failed?.DefaultStands == true && !one.DefaultStands)
                one = one with { DefaultMilliseconds = null };
            one = one with { Certification = Certify(one.Trial, limit()) };
            if (one.Certification.Ok)
            {
                verdict = one;
                break;
            }
            failed ??= one;
            if (one.DefaultStands)
                failed = one;
            // Out of time: the others would not get through either.
            if (limit() is { } rest && rest <= TimeSpan.Zero)
                break;
        }
        var chosen = verdict ?? failed!;
        RenewCeiling(chosen.Milliseconds);
        var result = new TuneResult
        {
            Task = Task,
            Trace = chosen.Trial.Candidate.TraceText,
            Description =
                chosen.DefaultStands && chosen.Trial.Candidate.Rule is null
                    ? "the default schedule"
                    : chosen.Trial.Candidate.Describe(),
            Milliseconds = chosen.Milliseconds,
            DefaultMilliseconds = chosen.DefaultMilliseconds,
            DefaultStands = chosen.DefaultStands,
            Ceiling = Ceiling,
            CeilingNote = _ceilingNote,
            Stop = Stop,
            Space = _search.Space,
            Levels = _search.Levels,
            Outcomes = Outcomes(),
            Tried = Tried,
            RankCorrelation = RankCorrelation.Spearman(
                [.. _search.Trials.Where(IsPredicted).Select(t => t.PredictedMilliseconds)],
                [.. _search.Trials.Where(IsPredicted).Select(t => t.Milliseconds)]
            ),
            PhaseSeconds = _phases.Seconds,
            RuleErrors = RuleErrors,
            MedianReadyMilliseconds = Racing.Median([
                .. Timed().Select(t => t.Measured.ReplayMilliseconds + t.Measured.CompileMilliseconds),
            ]),
            Certification = chosen.Certification!,
            Stored = null,
            IsWaiting = false,
        };
        if (verdict is null && !chosen.DefaultStands && chosen.Certification!.IsRefused)
        {
            // It came to no verdict: another run certifies it.
            result = result with
            {
                // What was given alone is where it came from.
                IsWaiting =
                    !_options.OnlyGiven
                    && Keep(
                        chosen.Trial,
                        chosen.Milliseconds,
                        chosen.DefaultMilliseconds,
                        chosen.Samples,
                        chosen.Certification.Detail
                    ),
            };
        }
        else
        {
            DropWaiting();
        }
        if (verdict is not null && _options.Store is { } store)
        {
            var record = Record(
                result.Trace,
                result.Milliseconds,
                result.DefaultMilliseconds,
                verdict.Samples,
                result.Certification,
                budget.ToString()
            );
            // The race just decided between the stored one and this one, which the store's comparison of old times could
            // not. One that was too slow for the race, or does not replay or gives wrong results any more, lost as well.
            // One that stays, but does not say of itself that it beats the default, or that it is the default, is renewed, and so is
            // one that was found with another driver or compiler.
            bool keeps =
                verdict.IsIncumbent
                && TuneTargets.IsFoundWith(before!, Task.Target.Toolchain)
                && before!.DefaultMilliseconds is { } d
                && d > before.Milliseconds != verdict.DefaultStands;
            // What another process stored meanwhile was not raced, and goes by its time.
            var stored = _phases.Time(
                Phases.Store,
                () => keeps ? PutOutcome.Kept : store.Put(record, force: before is not null && FindStored() == before)
            );
            // What an earlier slice added or replaced is still what this run did.
            result = result with
            {
                Stored = stored == PutOutcome.Kept ? _result?.Stored ?? stored : stored,
            };
        }
        // A certified winner of an earlier slice stays what this run found, if nothing better got through.
        if (verdict is not null || _result is not { Certification.Ok: true })
            _result = result;
        return Counted(_result);

        static bool IsPredicted(Trial t) => t.Measured.IsTimed && double.IsFinite(t.PredictedMilliseconds);
    }

    /// <summary>One racer on its way to the store.</summary>
    private sealed record Verdict(
        Trial Trial,
        double Milliseconds,
        double? DefaultMilliseconds,
        IReadOnlyList<double> Samples,
        bool IsIncumbent
    )
    {
        /// <summary>It is the default schedule, which nothing beat.</summary>
        public bool DefaultStands { get; init; }

        public Certification? Certification { get; init; }
    }

    private Certification Certify(Trial trial, TimeSpan? limit)
    {
        if (_certified.TryGetValue(trial.Candidate.Hash, out var known))
            return known;
        long start = _clock.GetTimestamp();
        var certification = _phases.Time(
            Phases.Certify,
            () =>
                limit <= TimeSpan.Zero
                    ? new Certification(0, Ok: false, BitStable: false, "no time was left for its check")
                    {
                        IsRefused = true,
                    }
                    : _runner.Certify(trial.Candidate, limit)
        );
        _certifySeconds = _clock.GetElapsedTime(start).TotalSeconds;
        if (certification.Ok)
        {
            _certified[trial.Candidate.Hash] = certification;
        }
        else
        {
            // Refused: it did not come to a verdict, which is no reason to leave the schedule out another time.
            string outcome =
                certification.IsFault ? OutcomeNames.InternalError
                : certification.IsRefused ? OutcomeNames.OverTime
                : OutcomeNames.Uncertified;
            Count(outcome);
            Log([new LoggedCandidate(outcome, trial.Candidate.Describe(), trial, certification.Detail)]);
        }
        return certification;
    }

    /// <summary>The best few, the default and the stored one against one another.</summary>
    private (List<Trial> Racers, RaceResult Raced, int? Incumbent) Race(
        TuneRecord? before,
        Trial? standard,
        double milliseconds,
        CancellationToken cancel
    )
    {
        var stored = Given(before?.Trace);
        var racers = Timed()
            .OrderBy(t => t.Milliseconds)
            .ThenBy(t => t.Candidate.Complexity)
            .DistinctBy(t => t.Candidate.Hash)
            .Take(Racers)
            .ToList();
        double fastest = racers[0].Milliseconds;
        // Of slow kernels fewer fit: each costs two calls a round.
        while (racers.Count > 2 && RaceHeats * racers.Sum(r => 2 * r.Milliseconds) > milliseconds)
            racers.RemoveAt(racers.Count - 1);
        if (standard is { } s && s.Milliseconds < RaceFactor * fastest && !racers.Contains(s))
            racers.Add(s);
        int? incumbent = stored is null ? null : racers.FindIndex(r => r.Candidate.Hash == stored.Candidate.Hash);
        if (incumbent < 0)
        {
            incumbent = null;
            if (stored!.Milliseconds < RaceFactor * fastest)
            {
                incumbent = racers.Count;
                racers.Add(stored);
            }
        }
        // Of two, one the default, their duel decides; and of kernels so slow that not even two fit, the best by the search
        // meets it at once.
        bool isSlow = RaceHeats * racers.Take(2).Sum(r => 2 * r.Milliseconds) > milliseconds;
        bool onlyDuel =
            racers.Count == 1 || (standard is not null && (isSlow || (racers.Count == 2 && racers.Contains(standard))));
        var times =
            onlyDuel || cancel.IsCancellationRequested
                ? new RaceTimes([], [])
                : _runner.Race([.. racers.Select(r => r.Candidate)], Plan(racers, milliseconds, RaceHeats), cancel);
        var result = Racing.Decide(times, [.. racers.Select(r => r.Candidate.Complexity)], incumbent);
        if (result.Order.Count == 0)
        {
            // Interrupted, or left to the duel: the times of the search order them.
            result = result with
            {
                Order = [.. Enumerable.Range(0, racers.Count).OrderBy(i => racers[i].Milliseconds)],
                Samples = [.. racers.Select(r => r.Measured.Samples)],
            };
            // Fast and stored before: the duel compares each with the default only.
            if (incumbent is { } kept && racers[kept].Milliseconds <= fastest * (1 + Racing.EquivalenceMargin))
                result = result with { Order = [kept, .. result.Order.Where(i => i != kept)] };
        }
        return (racers, result, incumbent);
    }

    /// <summary>
    /// One schedule against the default, in heats of their own: the one that came first among several was chosen for its
    /// luck too, and what it gains over the default must not count that. Takes place after an interrupt as well, since
    /// nothing is stored that did not win it.
    /// </summary>
    private (bool Beaten, RaceResult Result) Duel(Trial racer, Trial standard, double milliseconds)
    {
        Trial[] both = [racer, standard];
        // One call of the default that would not fit decides alone, if it is beyond doubt.
        bool hopeless = standard.Milliseconds > milliseconds && standard.Milliseconds > RaceFactor * racer.Milliseconds;
        var times = hopeless
            ? new RaceTimes([], [])
            : _runner.Race(
                [racer.Candidate, standard.Candidate],
                Plan(both, milliseconds, DuelHeats),
                CancellationToken.None
            );
        var (beaten, result) = Racing.BeatsDefault(times);
        // What has no time in the race (both ran before) keeps that of the search; who has one wins.
        return (
            hopeless || beaten || result.Order is [0],
            result with
            {
                Milliseconds =
                [
                    .. both.Select(
                        (b, i) => double.IsFinite(result.Milliseconds[i]) ? result.Milliseconds[i] : b.Milliseconds
                    ),
                ],
                Samples =
                [
                    .. both.Select((b, i) => result.Samples[i].Count > 0 ? result.Samples[i] : b.Measured.Samples),
                ],
            }
        );
    }

    /// <summary>Heats and rounds that take about so long; at least three rounds.</summary>
    private RacePlan Plan(IReadOnlyList<Trial> racers, double milliseconds, int mostHeats)
    {
        double round = racers.Sum(r => 2 * Math.Max(0.15, r.Milliseconds));
        // Each heat has memory of its own, unless that is too much.
        double bytes = Task.Measured.MinBytes;
        double fresh = bytes <= InProcessRunner.MostHeatBytes ? bytes / FreshBytesPerMillisecond : 0;
        double begin =
            fresh + racers.Sum(r => r.Milliseconds + r.Measured.ReplayMilliseconds + r.Measured.CompileMilliseconds);
        int heats = (int)Math.Clamp(milliseconds / (begin + 2 * round), 1, mostHeats);
        int most = (MostRounds + heats - 1) / heats;
        int fewest = heats == 1 ? 3 : 2;
        int rounds = (int)Math.Clamp((milliseconds / heats - begin) / round, fewest, most);
        return new RacePlan(heats, rounds);
    }

    private TuneRecord Record(
        string trace,
        double milliseconds,
        double? defaultMilliseconds,
        IReadOnlyList<double> samples,
        Certification certification,
        string budget
    ) =>
        new()
        {
            Key = _key,
            Spec = Task.Problem.Label,
            ProblemText = Task.Problem.Text,
            Trace = trace,
            Guards = [.. Guard.Of(Task.Algorithm, Task.Target).Select(g => g.ToString())],
            Milliseconds = milliseconds,
            DefaultMilliseconds = defaultMilliseconds,
            Samples = [.. samples.Where(double.IsFinite)],
            Certification = certification,
            Certified = certification.Ok,
            Provenance = new Provenance(
                DateTime.UtcNow,
                _options.Machine,
                _options.Seed,
                budget,
                Tried,
                Stop.ToString().ToLowerInvariant(),
                TuneTargets.RuntimeText(RuntimeInformation.FrameworkDescription, Task.Target.Toolchain),
                typeof(TuneSession).Assembly.GetName().Version?.ToString(3) ?? ""
            ),
        };
}
