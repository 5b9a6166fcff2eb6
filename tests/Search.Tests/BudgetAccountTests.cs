using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Search;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>What a budget counts, and what happens at its end. The clock is the test's.</summary>
public class BudgetAccountTests
{
    private static readonly PaperTarget Target = new(PaperTarget.Info);

    private static TuneTask Task(int m = 32) => new(Machine.Task($"matmul m={m} n=48 k=40").Problem, Target);

    private sealed class Recorder(Action<TuneProgress> then) : IProgress<TuneProgress>
    {
        public void Report(TuneProgress value) => then(value);
    }

    private static TuneOptions Options(
        FakeClock clock,
        ITuneStore? store,
        double seconds,
        Func<TuneTask, SyntheticRunner> make
    ) =>
        new()
        {
            Budget = SearchBudget.Seconds(seconds),
            Store = store,
            Rules = [new TileRule(), new PlainRule()],
            Settings = new SearchSettings { Clock = clock },
            Runner = make,
        };

    [Fact]
    public void EveryPhaseCountsAndCertificationFindsRoomForItself()
    {
        var clock = new FakeClock();
        var runner = new SyntheticRunner(c => 1 + c.Hash % 7, 1, noisy: false)
        {
            Clock = clock,
            PrepareTime = TimeSpan.FromSeconds(0.3),
            CertifyTime = TimeSpan.FromSeconds(1.2),
        };
        var reports = new List<TuneProgress>();
        long began = clock.GetTimestamp();
        var result = Tuner.Tune(Task(), Options(clock, null, 4, _ => runner), new Recorder(reports.Add));
        double wall = clock.GetElapsedTime(began).TotalSeconds;
        Assert.True(result.Certification.Ok);
        // Preparing tells what certifying will take, so all of it fits.
        Assert.InRange(wall, 2, 4.2);
        Assert.Equal(wall, result.TotalSeconds, 0.01);
        Assert.Equal(
            [Phases.Start, Phases.Default, Phases.Search, Phases.Race, Phases.Certify],
            result.PhaseSeconds.Select(p => p.Phase)
        );
        Assert.Equal(1.2, result.PhaseSeconds.Single(p => p.Phase == Phases.Certify).Seconds, 0.01);
        // Time spent never goes back to nothing, and what is left is never said to be 0 while much is to come.
        Assert.All(reports.Zip(reports.Skip(1)), p => Assert.True(p.First.Elapsed <= p.Second.Elapsed));
        Assert.True(reports.First(r => r.Phase == Phases.Certify).Remaining >= TimeSpan.FromSeconds(1));
        Assert.All(reports, r => Assert.Equal(r.Elapsed / TimeSpan.FromSeconds(4), r.Spent, 1e-9));
    }

    [Fact]
    public void WhatBeganBeforeTuningWasAskedForCountsToo()
    {
        var clock = new FakeClock();
        long began = clock.GetTimestamp();
        clock.Advance(TimeSpan.FromSeconds(2));
        var options = Options(clock, null, 3, _ => new SyntheticRunner(_ => 1, 1, noisy: false) { Clock = clock });
        Tuner.Tune(Task(), options with { Began = began });
        Assert.InRange(clock.GetElapsedTime(began).TotalSeconds, 2, 3.2);
    }

    [Fact]
    public void ACertificationThatDoesNotFitIsSaidAndServesNothing()
    {
        var clock = new FakeClock();
        using var store = new MemoryTuneStore();
        var result = Tuner.Tune(
            Task(),
            Options(
                clock,
                store,
                3,
                _ => new SyntheticRunner(c => 1 + c.Hash % 7, 1, noisy: false)
                {
                    Clock = clock,
                    CertifyTime = TimeSpan.FromSeconds(60),
                }
            )
        );
        Assert.False(result.Certification.Ok);
        Assert.True(result.Certification.IsRefused);
        Assert.Null(result.Stored);
        Assert.True(result.IsWaiting);
        Assert.Null(store.FindExact(Task().Key));
        Assert.False(Assert.Single(store.All()).IsServable);
        // It did not come to a verdict: another time it may.
        Assert.False(result.Outcomes.ContainsKey(OutcomeNames.Uncertified));
        Assert.True(result.Outcomes[OutcomeNames.OverTime] >= 1);
    }

    [Fact]
    public void WinnersAreStoredAsTheyAreFoundAndNotAtTheEnd()
    {
        var clock = new FakeClock();
        using var store = new MemoryTuneStore();
        TuneTask[] tasks = [Task(32), Task(33), Task(34)];
        var settled = new List<string>();
        int looked = 0;
        var recorder = new Recorder(p =>
        {
            // When a task begins, those before it are in the store.
            if (p.Phase != Phases.Start)
                return;
            looked++;
            Assert.Equal(p.TaskIndex, store.All().Count);
        });
        var results = Tuner.TuneAll(
            tasks,
            Options(clock, store, 6, _ => new SyntheticRunner(c => 1 + c.Hash % 7, 1, noisy: false) { Clock = clock }),
            recorder,
            settled: r => settled.Add(r.Task.Problem.ToString())
        );
        Assert.True(looked >= 3);
        Assert.Equal(tasks.Select(t => t.Problem.ToString()), settled.Distinct());
        Assert.All(results, r => Assert.Equal(PutOutcome.Added, r.Result!.Stored));
    }

    [Fact]
    public void ARunThatDiesKeepsWhatWasFoundBefore()
    {
        var clock = new FakeClock();
        using var store = new MemoryTuneStore();
        var recorder = new Recorder(p =>
        {
            if (p is { TaskIndex: 1, Phase: Phases.Search })
                throw new EndOfStreamException();
        });
        Assert.Throws<EndOfStreamException>(() =>
            Tuner.TuneAll(
                [Task(32), Task(33)],
                Options(
                    clock,
                    store,
                    6,
                    _ => new SyntheticRunner(c => 1 + c.Hash % 7, 1, noisy: false) { Clock = clock }
                ),
                recorder
            )
        );
        Assert.NotNull(store.FindExact(Task(32).Key));
        Assert.Null(store.FindExact(Task(33).Key));
    }

    [Fact]
    public void OneThatTakesLongToCertifyDoesNotTakeTheOthersTime()
    {
        var clock = new FakeClock();
        using var store = new MemoryTuneStore();
        TuneTask[] tasks = [Task(32), Task(33), Task(34), Task(35)];
        long began = clock.GetTimestamp();
        var results = Tuner.TuneAll(
            tasks,
            Options(
                clock,
                store,
                16,
                t => new SyntheticRunner(c => 1 + c.Hash % 7, 1, noisy: false)
                {
                    Clock = clock,
                    CertifyTime = TimeSpan.FromSeconds(t == tasks[0] ? 100 : 0.1),
                }
            )
        );
        Assert.Null(results[0].Result!.Stored);
        Assert.All(results.Skip(1), r => Assert.Equal(PutOutcome.Added, r.Result!.Stored));
        // The first one's check is given up after twice its share each time.
        Assert.InRange(clock.GetElapsedTime(began).TotalSeconds, 10, 19.2);
    }

    [Fact]
    public void TasksWhoseTurnCameTooLateAreReported()
    {
        var clock = new FakeClock();
        var results = Tuner.TuneAll(
            [Task(32), Task(33)],
            Options(
                clock,
                null,
                1,
                t => new SyntheticRunner(c => 1 + c.Hash % 7, 1, noisy: false)
                {
                    Clock = clock,
                    PrepareTime = TimeSpan.FromSeconds(5),
                }
            )
        );
        Assert.NotNull(results[0].Result);
        Assert.Contains("no time was left", results[0].Result!.Certification.Detail);
        Assert.Contains("the budget of 1s was spent before its turn came", results[1].Failure);
    }

    [Fact]
    public void ACeilingMeasuredOnABusyMachineStopsNothing()
    {
        // 1 GFLOP/s measured, on a machine that does a hundred times as much.
        var task = new TuneTask(
            Machine.Task("matmul m=96 n=96 k=96").Problem,
            new PaperTarget(PaperTarget.Info, gflops: 1)
        );
        var result = Tuner.Tune(
            task,
            new TuneOptions
            {
                Budget = SearchBudget.Of(40),
                Rules = [new TileRule()],
                Runner = _ => new SyntheticRunner(c => 0.02 + c.Hash % 7 / 1000.0, 1, noisy: false),
            }
        );
        Assert.Equal(StopReason.Budget, result.Stop);
        // What was measured again and is beaten all the same, is beaten by what was found.
        Assert.Equal(1, result.CeilingShare);
        Assert.Contains("measured again: 1 GFLOP/s instead of 1", result.CeilingNote);
    }
}
