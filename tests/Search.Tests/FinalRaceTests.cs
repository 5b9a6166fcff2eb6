using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Schedules.Traces;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>What is stored beat the default schedule in the final race, or is the default schedule.</summary>
public class FinalRaceTests
{
    private const string Small = "matmul m=32 n=48 k=40";

    private static readonly TuneTask Task = new(Machine.Task(Small).Problem, new PaperTarget(PaperTarget.Info));

    private static readonly LoopNest Default = DefaultSchedule.For(Task.Algorithm, Task.Target);

    private static bool IsDefault(Candidate c) => c.Hash == NestHash.Of(Default);

    private static TuneOptions Options(ITuneStore? store, SyntheticRunner runner, int trials = 40) =>
        new()
        {
            Budget = SearchBudget.Of(trials),
            Seed = 1,
            Store = store,
            Rules = [new TileRule(), new PlainRule()],
            Runner = _ => runner,
        };

    [Fact]
    public void AScheduleThatIsNoBetterGivesWayToTheDefaultWhichIsStoredAsSuch()
    {
        using var store = new MemoryTuneStore();
        var runner = new SyntheticRunner(c => IsDefault(c) ? 1.01 : 1, 1, noisy: false);
        var result = Tuner.Tune(Task, Options(store, runner));
        Assert.True(result.DefaultStands);
        Assert.Equal("the default schedule", result.Description);
        var record = store.FindExact(Task.Key)!;
        Assert.Equal(Trace.Of(Default).ToString(), record.Trace);
        Assert.True(record.IsServable);
        Assert.Equal(record.Milliseconds, record.DefaultMilliseconds);
        Assert.Equal(PutOutcome.Kept, Tuner.Tune(Task, Options(store, runner)).Stored);
    }

    [Fact]
    public void WhatWonByLuckAmongSeveralLosesToTheDefaultInADuelOfItsOwn()
    {
        using var store = new MemoryTuneStore();
        SyntheticRunner runner = null!;
        runner = new SyntheticRunner(c => IsDefault(c) ? 1 : 0.9, 1, noisy: false)
        {
            Racing = (c, _) => runner.Races[^1].Count > 2 || IsDefault(c) ? (IsDefault(c) ? 1 : 0.9) : 1.05,
        };
        var result = Tuner.Tune(Task, Options(store, runner));
        Assert.True(result.DefaultStands);
        Assert.Equal(1, store.FindExact(Task.Key)!.Speedup);
        Assert.Equal(Trace.Of(Default).ToString(), store.FindExact(Task.Key)!.Trace);
    }

    [Fact]
    public void OneLuckyInstanceOfManyRoundsDoesNotDecideForFive()
    {
        // In one heat the schedule is twice as fast, in the other four a little slower.
        double[][] rounds = [.. Enumerable.Range(0, 25).Select(r => new[] { r < 5 ? 0.5 : 1.02, 1.0 })];
        int[] heats = [.. Enumerable.Range(0, 25).Select(r => r / 5)];
        var times = new RaceTimes(rounds, [.. Enumerable.Repeat(1.0, 25)], heats);
        Assert.False(Racing.BeatsDefault(times).Beaten);
        // Nor do many rounds of one heat outvote the others.
        rounds = [.. Enumerable.Range(0, 25).Select(r => new[] { r < 21 ? 0.5 : 1.1, 1.0 })];
        heats = [.. Enumerable.Range(0, 25).Select(r => Math.Max(0, r - 20))];
        Assert.False(Racing.BeatsDefault(times with { Rounds = rounds, Heats = heats }).Beaten);
        rounds = [.. Enumerable.Range(0, 25).Select(r => new[] { 0.97, 1.0 })];
        Assert.True(Racing.BeatsDefault(times with { Rounds = rounds }).Beaten);
    }

    [Fact]
    public void TheDefaultIsRacedHoweverSlowItSeemedInTheSearch()
    {
        // Interrupted for a long time while it was timed, and in truth the fastest.
        using var store = new MemoryTuneStore();
        var runner = new SyntheticRunner(c => IsDefault(c) ? 50 : 1, 1, noisy: false)
        {
            Racing = (c, _) => IsDefault(c) ? 0.5 : 1,
        };
        var result = Tuner.Tune(Task, Options(store, runner));
        Assert.True(result.DefaultStands);
        Assert.Equal(0.5, result.Milliseconds);
    }

    [Fact]
    public void AnInterruptLeavesOutTheRaceButNotTheDuel()
    {
        using var store = new MemoryTuneStore();
        using var cancel = new CancellationTokenSource();
        SyntheticRunner runner = null!;
        runner = new SyntheticRunner(
            c =>
            {
                if (runner.Measurements == 10)
                    cancel.Cancel();
                return IsDefault(c) ? 1 : 0.8;
            },
            1,
            noisy: false
        )
        {
            Racing = (c, _) => IsDefault(c) ? 1 : 1.2,
        };
        var result = Tuner.Tune(Task, Options(store, runner, 1000), cancel: cancel.Token);
        Assert.Equal(StopReason.Cancelled, result.Stop);
        Assert.True(result.DefaultStands);
        Assert.Equal(2, Assert.Single(runner.Races).Count);
    }

    [Fact]
    public void AStoredRecordThatDoesNotSayWhatItGainsIsRenewed()
    {
        using var store = new MemoryTuneStore();
        var runner = new SyntheticRunner(c => IsDefault(c) ? 1 : 0.5 + (c.Hash % 1000) / 10_000.0, 1, noisy: false);
        Tuner.Tune(Task, Options(store, runner));
        var record = store.FindExact(Task.Key)!;
        Assert.True(record.Speedup > 1.5);
        foreach (double? old in new double?[] { null, record.Milliseconds / 2 })
        {
            store.Put(record with { DefaultMilliseconds = old }, force: true);
            Tuner.Tune(Task, Options(store, runner));
            Assert.Equal(record.Speedup, store.FindExact(Task.Key)!.Speedup);
        }
    }

    [Fact]
    public void WhateverTheTimesWhatIsStoredBeatsTheDefaultOrIsIt()
    {
        var random = new Random(5);
        int stood = 0;
        const int Count = 60;
        for (int i = 0; i < Count; i++)
        {
            using var store = new MemoryTuneStore();
            double spread = random.NextDouble();
            double standard = 1 + random.NextDouble() * spread;
            double luck = random.NextDouble() * 0.2;
            var runner = new SyntheticRunner(
                c => IsDefault(c) ? standard : 1 + spread * (c.Hash % 997) / 997.0,
                i,
                noisy: random.Next(2) == 0
            )
            {
                // Each heat has its luck, in which one of five certifies wrong too.
                Racing = (c, heat) =>
                    (IsDefault(c) ? standard : 1 + spread * (c.Hash % 997) / 997.0)
                    * (1 + luck * (((uint)c.Hash * 31 + (uint)heat * 17) % 7) / 7.0),
                Certifying = c =>
                    c.Hash % 5 == 0 ? new Certification(2, false, true, "wrong") : new Certification(0.5, true, true),
            };
            var result = Tuner.Tune(Task, Options(store, runner, random.Next(5, 40)));
            if (store.FindExact(Task.Key) is not { } record)
            {
                Assert.False(result.Certification.Ok);
                continue;
            }
            bool isDefault = record.Trace == Trace.Of(Default).ToString();
            Assert.Equal(isDefault, result.DefaultStands);
            if (isDefault)
                Assert.Equal(1, record.Speedup);
            else if (record.Speedup is { } gain)
                Assert.True(gain > 1);
            stood += isDefault ? 1 : 0;
        }
        Assert.InRange(stood, 1, Count - 1);
    }

    [Fact]
    public void EveryHeatCompilesAnewAndHasMemoryOfItsOwn()
    {
        var target = new RecordingTarget(Machine.Cpu);
        var task = new TuneTask(OperatorSpec.Parse("relu n=5000"), target);
        using var runner = new InProcessRunner(task, 1);
        Candidate[] both =
        [
            new(null, new Dictionary<string, long>(), InitialNest.Of(task.Algorithm)),
            new(null, new Dictionary<string, long>(), DefaultSchedule.For(task.Algorithm, task.Target)),
        ];
        var times = runner.Race(both, new RacePlan(4, 3), CancellationToken.None);
        Assert.Equal(12, times.Rounds.Count);
        Assert.Equal(4 * 2, target.Compiled);
        Assert.Equal(4, target.Addresses.Count);
        // Where tensors of that size begin: nothing before them.
        Assert.All(target.Addresses, a => Assert.Equal(0, a % 4096));
    }

    /// <summary>Counts compilations, and where the first argument of the calls lay.</summary>
    private sealed class RecordingTarget(ITuningTarget real) : ITuningTarget, IBackend
    {
        public int Compiled { get; private set; }

        public HashSet<nint> Addresses { get; } = [];

        public IBackend Backend => this;

        public TargetInfo Target => real.Backend.Target;

        public TargetCeilings Ceilings => real.Ceilings;

        public nint Allocate(long bytes) => real.Allocate(bytes);

        public void Free(nint memory, long bytes) => real.Free(memory, bytes);

        public double SentinelMilliseconds() => real.SentinelMilliseconds();

        public ICompiledKernel Compile(LoopNest nest)
        {
            Compiled++;
            return new Kernel(real.Backend.Compile(nest), Addresses);
        }

        private sealed unsafe class Kernel(ICompiledKernel kernel, HashSet<nint> addresses) : ICompiledKernel
        {
            public long WorkspaceBytes => kernel.WorkspaceBytes;

            public void Run(nint* arguments, long* parameters)
            {
                addresses.Add(arguments[0]);
                kernel.Run(arguments, parameters);
            }

            public void Dispose() => kernel.Dispose();
        }
    }
}
