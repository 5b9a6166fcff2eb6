using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.Search.Worker;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Tuning on a GPU, here the emulated one: candidates run in a worker process, and one that faults, hangs or finds no
/// memory costs itself only.
/// </summary>
public sealed class CudaWorkerTests : IDisposable
{
    private const string Small = "add n=2000";
    private const string FaultVariable = "PICOGRAD_EMULATOR_FAULT";
    private const string MemoryVariable = "PICOGRAD_EMULATOR_MEMORY";

    private readonly WorkerProcess _process = new(
        new WorkerCommand("dotnet", [Path.Combine(AppContext.BaseDirectory, "Picograd.Search.Tests.Worker.dll")])
    );

    // Read by this process when it first asks for CUDA, and by the workers that it starts.
    static CudaWorkerTests() => Environment.SetEnvironmentVariable(CudaLibraries.Variable, "emulated");

    public void Dispose()
    {
        _process.Dispose();
        Environment.SetEnvironmentVariable(FaultVariable, null);
        Environment.SetEnvironmentVariable(MemoryVariable, null);
    }

    private static TuneTask Task(string spec, TimingPolicy policy = TimingPolicy.Warm)
    {
        Skip.IfNot(CudaEmulator.IsAvailable(out string? whyNot), whyNot ?? "");
        return new TuneTask(OperatorSpec.Parse(spec), new CudaTuningTarget(CudaDevice.Open()), policy);
    }

    /// <summary>The plain schedule with so many threads a block; its kernel's name ends in _t and the number.</summary>
    private static Candidate Threads(TuneTask task, long threads)
    {
        var rule = ScheduleRules.For(task.Algorithm, task.Target).First(r => r.Name == "gpu-plain");
        var choices = rule.Defaults(task.Algorithm, task.Target).ToDictionary();
        choices["threads"] = threads;
        return new Candidate(null, choices, rule.Apply(task.Algorithm, task.Target, choices));
    }

    private WorkerRunner Runner(TuneTask task, double seconds = 60) =>
        new(task, _process, seed: 1, timeout: TimeSpan.FromSeconds(seconds));

    [SkippableFact]
    public void AKernelThatFaultsCostsOneCandidateAndIsNamed()
    {
        var task = Task(Small);
        Environment.SetEnvironmentVariable(FaultVariable, "700@_t128");
        using var runner = Runner(task);
        var results = runner.Measure(
            [Threads(task, 64), Threads(task, 128), Threads(task, 256)],
            double.PositiveInfinity,
            CancellationToken.None
        );
        Assert.Equal([OutcomeNames.Timed, "illegal-address", OutcomeNames.Timed], results.Select(r => r.Outcome));
        Assert.True(results[1].TargetLost);
        Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", results[1].Detail);
        Assert.Contains("bind Y.", results[1].Detail);
        Assert.Equal(2, _process.Starts);
    }

    [SkippableFact]
    public void AFaultInACertificationFailsItAndTheWorkerIsReplaced()
    {
        var task = Task(Small);
        Environment.SetEnvironmentVariable(FaultVariable, "716@_t128");
        using var runner = Runner(task);
        var failed = runner.Certify(Threads(task, 128));
        Assert.False(failed.Ok);
        Assert.Contains("MISALIGNED_ADDRESS", failed.Detail);
        Assert.True(runner.Certify(Threads(task, 64)).Ok);
        Assert.Equal(2, _process.Starts);
    }

    [SkippableFact]
    public void AKernelThatHangsIsEndedByTheWatchdog()
    {
        var task = Task(Small);
        using (var warm = Runner(task))
        {
            // The kernels are in the emulator's cache afterwards, so that the short limit is for running.
            warm.Measure([Threads(task, 64), Threads(task, 128)], double.PositiveInfinity, CancellationToken.None);
        }
        _process.Dispose();
        Environment.SetEnvironmentVariable(FaultVariable, "hang@_t128");
        using var runner = Runner(task, seconds: 6);
        var results = runner.Measure(
            [Threads(task, 128), Threads(task, 64)],
            double.PositiveInfinity,
            CancellationToken.None
        );
        Assert.Equal([OutcomeNames.Hang, OutcomeNames.Timed], results.Select(r => r.Outcome));
    }

    [SkippableFact]
    public void NoRoomOnTheDeviceIsSaidWithBytes()
    {
        var task = Task("add n=4000000");
        Environment.SetEnvironmentVariable(MemoryVariable, $"{24 << 20}");
        using var runner = Runner(task);
        var e = Assert.Throws<TuneException>(() =>
            runner.Measure([Threads(task, 64)], double.PositiveInfinity, CancellationToken.None)
        );
        Assert.Contains("bytes of device memory were asked for", e.Message);
        Assert.Contains($"of {24 << 20} bytes", e.Message);
    }

    [SkippableTheory]
    [InlineData(TimingPolicy.Warm)]
    [InlineData(TimingPolicy.Cold)]
    public void RacesAndCertifiesInDeviceMemory(TimingPolicy policy)
    {
        var task = Task("sum rows=5 cols=7 axis=1", policy);
        using var runner = Runner(task);
        Candidate[] candidates = [Threads(task, 64), Threads(task, 128)];
        var race = runner.Race(candidates, new RacePlan(1, 3), CancellationToken.None);
        Assert.Equal(3, race.Rounds.Count);
        Assert.All(race.Rounds, r => Assert.All(r, ms => Assert.True(ms > 0)));
        Assert.All(race.Sentinel, ms => Assert.True(ms > 0));
        var certification = runner.Certify(candidates[0]);
        Assert.True(certification.Ok, certification.Detail);
    }

    [SkippableFact]
    public void ASearchGoesOnAfterFaultsAndStoresAGuardedWinner()
    {
        var task = Task(Small);
        Environment.SetEnvironmentVariable(FaultVariable, "719@_t128");
        var store = new TuneDb.MemoryTuneStore();
        var result = Tuner.Tune(
            task,
            new TuneOptions
            {
                Budget = SearchBudget.Of(8),
                Traces = [Threads(task, 128).TraceText],
                Store = store,
                Runner = t => new WorkerRunner(t, _process, seed: 1, timeout: TimeSpan.FromSeconds(60)),
            }
        );
        Assert.True(result.Certification.Ok, result.Certification.Detail);
        Assert.True(result.Outcomes["launch-failed"] >= 1);
        Assert.True(result.Outcomes[OutcomeNames.Timed] >= 1);
        var record = store.FindExact(task.Key)!;
        Assert.Contains(
            record.Guards,
            g => g.StartsWith("align(", StringComparison.Ordinal) && g.EndsWith(",16)", StringComparison.Ordinal)
        );
        // A winner belongs to its architecture: another GPU's key finds neither it nor a near one.
        var other = task.Key with
        {
            Target = task.Key.Target.Replace("sm_90a", "sm_80", StringComparison.Ordinal),
        };
        Assert.NotEqual(task.Key, other);
        Assert.Null(store.FindExact(other));
        Assert.Empty(store.FindNear(other with { Shapes = "n=2001" }, 5));
    }
}
