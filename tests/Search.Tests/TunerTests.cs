using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Schedules.Traces;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

public class TunerTests
{
    private const string Small = "matmul m=32 n=48 k=40";

    private static ulong Standard(TuneTask task) => NestHash.Of(DefaultSchedule.For(task.Algorithm, task.Target));

    private static TuneOptions Options(ITuneStore? store, int trials = 40, int seed = 1) =>
        new()
        {
            Budget = SearchBudget.Of(trials),
            Seed = seed,
            Store = store,
            Rules = [new TileRule(), new PlainRule()],
        };

    [Fact]
    public void WinnerIsCertifiedAndStored()
    {
        using var store = new MemoryTuneStore();
        var task = Machine.Task(Small);
        var phases = new List<TuneProgress>();
        var result = Tuner.Tune(task, Options(store), new Recorder(phases));

        Assert.Equal(PutOutcome.Added, result.Stored);
        Assert.True(result.Certification is { Ok: true, BitStable: true, ErrorRatio: > 0 and <= 1 });
        var record = store.FindExact(task.Key);
        Assert.NotNull(record);
        Assert.Equal(result.Trace, record.Trace);
        Assert.Equal(Small, record.Spec);
        Assert.Contains("align(A,4)", record.Guards);
        Assert.Contains("disjoint(C)", record.Guards);
        Assert.NotEmpty(record.Samples);
        Trace.Parse(record.Trace).Replay(task.Algorithm);

        // The default schedule took part in the race, so nothing that lost to it can have won.
        Assert.True(result.DefaultStands ? result.Speedup == 1 : result.Speedup > 1);
        Assert.Equal(result.Speedup, record.Speedup);
        Assert.True(result.Gflops > 0 && result.CeilingShare > 0);
        Assert.Equal("arithmetic", result.Ceiling.Limit);
        Assert.NotNull(result.RankCorrelation);
        Assert.True(result.MedianReadyMilliseconds > 0);
        var log = store.Candidates(task.Key);
        Assert.Equal(result.Tried, log.Count(c => c.Trace is not null));
        Assert.Equal(result.Outcomes[OutcomeNames.Timed], log.Count(c => c.Milliseconds is not null));
        Assert.Equal(
            ["start", "default", "search", "race", "certify", "store", "done"],
            phases.Select(p => p.Phase).Distinct()
        );
        Assert.Contains(phases, p => p is { Phase: "search", Remaining: not null, Spent: > 0 and < 1 });
    }

    [Fact]
    public void SecondRunLearnsFromTheFirstAndKeepsItsWinner()
    {
        using var store = new MemoryTuneStore();
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        var options = Options(store) with
        {
            Runner = _ => new SyntheticRunner(c => 1 + (c.Hash % 1000) / 1000.0, 1, noisy: false),
        };
        var first = Tuner.Tune(task, options);
        var second = Tuner.Tune(task, options with { Seed = 9, Budget = SearchBudget.Of(3) });
        Assert.Equal(PutOutcome.Added, first.Stored);
        Assert.Equal(first.Trace, second.Trace);
        Assert.Equal(PutOutcome.Kept, second.Stored);
    }

    [Fact]
    public void ARunThatWasKilledLeavesWhatItFoundToTheNext()
    {
        using var store = new MemoryTuneStore();
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        var options = Options(store) with
        {
            Runner = _ => new SyntheticRunner(c => 1 + (c.Hash % 1000) / 1000.0, 1, noisy: false),
        };
        // As kill -9 does: the run ends between two batches and stores no winner.
        Assert.Throws<EndOfStreamException>(() => Tuner.Tune(task, options, new Killer(after: 20)));
        Assert.Null(store.FindExact(task.Key));
        double found = store.Candidates(task.Key).Min(c => c.Milliseconds)!.Value;

        var next = Tuner.Tune(task, options with { Seed = 9, Rules = [new PlainRule()] });
        Assert.Equal(found, next.Milliseconds, 1e-9);
        Assert.Equal(next.Trace, store.FindExact(task.Key)!.Trace);
        Assert.Equal(PutOutcome.Added, next.Stored);
    }

    [Fact]
    public void ABetterOneReplacesTheStoredWhateverItsOldTimeSays()
    {
        using var store = new MemoryTuneStore();
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        // The machine was three times as fast when the first was measured.
        var options = Options(store);
        Tuner.Tune(
            task,
            options with
            {
                Rules = [new PlainRule()],
                Runner = _ => new SyntheticRunner(_ => 0.1, 1, noisy: false),
            }
        );
        var second = Tuner.Tune(
            task,
            options with
            {
                Runner = _ => new SyntheticRunner(c => c.Hash == Standard(task) ? 0.33 : 0.3, 1, noisy: false),
            }
        );
        Assert.Equal(PutOutcome.Replaced, second.Stored);
        Assert.Equal(second.Trace, store.FindExact(task.Key)!.Trace);
    }

    [Fact]
    public void AStoredWinnerThatIsOutOfTheRaceGoesWhateverItsOldTimeSays()
    {
        using var store = new MemoryTuneStore();
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        var options = Options(store);
        Tuner.Tune(
            task,
            options with
            {
                Rules = [new PlainRule()],
                Runner = _ => new SyntheticRunner(_ => 0.1, 1, noisy: false),
            }
        );
        var second = Tuner.Tune(
            task,
            options with
            {
                Runner = _ => new SyntheticRunner(c => c.Hash == Standard(task) ? 3.3 : 0.3, 1, noisy: false),
            }
        );
        Assert.Equal(PutOutcome.Replaced, second.Stored);
        Assert.Equal(second.Trace, store.FindExact(task.Key)!.Trace);
    }

    [Fact]
    public void AWinnerThatFailsCertificationGivesWayToTheNext()
    {
        using var store = new MemoryTuneStore();
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        ulong? best = null;
        var result = Tuner.Tune(
            task,
            Options(store) with
            {
                Runner = _ => new SyntheticRunner(c => 1 + (c.Hash % 1000) / 1000.0, 1, noisy: false)
                {
                    Certifying = c =>
                        (best ??= c.Hash) == c.Hash
                            ? new Certification(2, Ok: false, BitStable: true, "off by one")
                            : new Certification(0.5, Ok: true, BitStable: true),
                },
            }
        );
        Assert.True(result.Certification.Ok);
        Assert.Equal(1, result.Outcomes[OutcomeNames.Uncertified]);
        Assert.Contains(
            store.Candidates(),
            c => c.Outcome == OutcomeNames.Uncertified && c.Detail.Contains("off by one")
        );
    }

    [Fact]
    public void NothingCertifiedNothingStored()
    {
        using var store = new MemoryTuneStore();
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        var result = Tuner.Tune(
            task,
            Options(store) with
            {
                Runner = _ => new SyntheticRunner(_ => 1, 1, noisy: false)
                {
                    Certifying = _ => new Certification(3, Ok: false, BitStable: true, "wrong"),
                },
            }
        );
        Assert.False(result.Certification.Ok);
        Assert.Null(result.Stored);
        Assert.Empty(store.All());
    }

    [Fact]
    public void MeasuringNothingIsAnError()
    {
        using var store = new MemoryTuneStore();
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        var e = Assert.Throws<TuneException>(() =>
            Tuner.Tune(
                task,
                Options(store) with
                {
                    Runner = _ => new SyntheticRunner(_ => double.NaN, 1, noisy: false),
                }
            )
        );
        Assert.Contains("measured nothing", e.Message);
        Assert.Contains("il-too-large", e.Message);
    }

    [Fact]
    public void InterruptedTuningStoresWhatItFound()
    {
        using var store = new MemoryTuneStore();
        using var cancel = new CancellationTokenSource();
        var task = Machine.Task(Small);
        var progress = new Recorder(
            [],
            p =>
            {
                if (p.Tried >= 10)
                    cancel.Cancel();
            }
        );
        var result = Tuner.Tune(task, Options(store, trials: 100_000), progress, cancel.Token);
        Assert.Equal(StopReason.Cancelled, result.Stop);
        Assert.Equal(PutOutcome.Added, result.Stored);
        Assert.NotNull(store.FindExact(task.Key));
        Assert.Equal("cancelled", store.FindExact(task.Key)!.Provenance.StopReason);
    }

    [Fact]
    public void AHandWrittenTraceTakesPart()
    {
        var task = new TuneTask(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));
        var hand = Machine.Tiled(task, mr: 4);
        string trace = hand.TraceText;
        var result = Tuner.Tune(
            task,
            Options(null, trials: 5) with
            {
                Rules = [new PlainRule()],
                Traces = [trace],
                Runner = _ => new SyntheticRunner(c => c.Hash == hand.Hash ? 0.5 : 1, 1, noisy: false),
            }
        );
        Assert.Equal(trace, result.Trace);
        Assert.Equal(0.5, result.Milliseconds);
        Assert.Throws<TraceException>(() =>
            Tuner.Tune(
                task,
                Options(null) with
                {
                    Traces = [trace.Replace("split C.m", "split C.q")],
                    Runner = _ => new SyntheticRunner(_ => 1, 1, noisy: false),
                }
            )
        );
    }

    [Fact]
    public void SharedBudgetGoesWhereTimeCanBeSaved()
    {
        using var store = new MemoryTuneStore();
        var target = new PaperTarget(PaperTarget.Info);
        // The second task is a hundred times longer and far from its ceiling.
        var small = new TuneTask(Machine.Task("matmul m=32 n=32 k=32").Problem, target);
        var large = new TuneTask(Machine.Task("matmul m=96 n=96 k=96").Problem, target);
        var runners = new Dictionary<TuneTask, SyntheticRunner>();
        var results = Tuner.TuneAll(
            [small, large],
            Options(store, trials: 160) with
            {
                Settings = new SearchSettings { Patience = 1000 },
                Runner = t =>
                    runners[t] = new SyntheticRunner(
                        c =>
                            (t == large ? 10 : 0.1) * (1 + 1.0 / (1 + runners.GetValueOrDefault(t)?.Measurements ?? 0)),
                        1,
                        noisy: false
                    ),
            }
        );
        Assert.All(results, r => Assert.Equal(PutOutcome.Added, r.Result?.Stored));
        Assert.True(runners[large].Measurements > 1.5 * runners[small].Measurements);
        // The default schedule may be measured beyond the budget, to compare with.
        Assert.InRange(runners.Values.Sum(r => r.Measurements), 100, 164);
    }

    [Fact]
    public void ATaskThatCannotBeTunedDoesNotStopTheOthers()
    {
        var target = new PaperTarget(PaperTarget.Info);
        var good = new TuneTask(Machine.Task("matmul m=32 n=32 k=32").Problem, target);
        var bad = new TuneTask(Machine.Task("matmul m=33 n=32 k=32").Problem, target);
        TuneOptions With(params TuneTask[] broken) =>
            Options(null) with
            {
                Runner = t => new SyntheticRunner(_ => broken.Contains(t) ? double.NaN : 1, 1, noisy: false),
            };
        var results = Tuner.TuneAll([bad, good], With(bad));
        Assert.Contains("measured nothing", results[0].Failure);
        Assert.NotNull(results[1].Result);
        Assert.Throws<TuneException>(() => Tuner.TuneAll([bad, good], With(bad, good)));
        Assert.Throws<ArgumentException>(() => Tuner.TuneAll([], With()));
    }

    [Fact]
    public void ColdCachesAreSlowerAndHaveAKeyOfTheirOwn()
    {
        var warm = Machine.Task("matmul m=64 n=64 k=64");
        var cold = Machine.Task("matmul m=64 n=64 k=64", TimingPolicy.Cold);
        Assert.NotEqual(warm.Key, cold.Key);
        Assert.Equal("cold", cold.Key.Policy);
        using var warmRunner = new InProcessRunner(warm, 1);
        using var coldRunner = new InProcessRunner(cold, 1);
        var candidate = Machine.Tiled(warm);
        double Time(ICandidateRunner runner) =>
            runner.Measure([candidate], double.PositiveInfinity, default)[0].Milliseconds;
        Assert.True(Time(coldRunner) > 1.02 * Time(warmRunner));
    }

    /// <summary>Progress without a synchronisation context: reports at once, on the same thread.</summary>
    private sealed class Killer(int after) : IProgress<TuneProgress>
    {
        public void Report(TuneProgress value)
        {
            if (value.Tried >= after)
                throw new EndOfStreamException();
        }
    }

    private sealed class Recorder(List<TuneProgress> reports, Action<TuneProgress>? then = null)
        : IProgress<TuneProgress>
    {
        public void Report(TuneProgress value)
        {
            reports.Add(value);
            then?.Invoke(value);
        }
    }
}
