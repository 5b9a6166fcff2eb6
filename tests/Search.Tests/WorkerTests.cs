using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.Search.Worker;
using Xunit;

namespace Picograd.Tests;

public sealed class WorkerTests : IDisposable
{
    private const string Small = "matmul m=32 n=48 k=40";

    private readonly WorkerProcess _process = new(
        new WorkerCommand("dotnet", [Path.Combine(AppContext.BaseDirectory, "Picograd.Search.Tests.Worker.dll")])
    );

    public void Dispose() => _process.Dispose();

    private IReadOnlyList<Measured> Measure(TuneTask task, params Candidate[] candidates)
    {
        using var runner = new WorkerRunner(task, _process, seed: 1, timeout: TimeSpan.FromSeconds(10));
        return runner.Measure(candidates, double.PositiveInfinity, CancellationToken.None);
    }

    [Fact]
    public void ACrashCostsOneCandidate()
    {
        var task = Machine.Task(Small);
        var results = Measure(
            task,
            Machine.Tiled(task, mr: 2),
            Machine.Tiled(task, "crash"),
            Machine.Tiled(task, mr: 4),
            Machine.Tiled(task, mr: 6)
        );
        Assert.Equal(
            [OutcomeNames.Timed, OutcomeNames.Crash, OutcomeNames.Timed, OutcomeNames.Timed],
            results.Select(r => r.Outcome)
        );
        Assert.Contains("as the test asked", results[1].Detail);
        // Where others were compiled meanwhile, of which the process may have died as well, it is tried once more alone.
        Assert.Equal(task.On.SpareCores > 0 ? 3 : 2, _process.Starts);
    }

    [Fact]
    public void WhatIsCompiledAheadIsTimedAsWhatIsNot()
    {
        var task = Machine.Task(Small);
        using var runner = new WorkerRunner(task, _process, seed: 1);
        // More than are under way at once, some refused, one twice.
        Candidate[] candidates =
        [
            Machine.Tiled(task, mr: 2),
            Machine.Tiled(task, "refuse"),
            Machine.Tiled(task, mr: 4),
            Machine.Tiled(task, "throw"),
            Machine.Tiled(task, mr: 4),
            Machine.Tiled(task, "refuse"),
            Machine.Tiled(task, mr: 6),
        ];
        var results = runner.Measure(candidates, double.PositiveInfinity, CancellationToken.None);
        const string Refused = "il-too-large";
        const string Error = OutcomeNames.InternalError;
        const string Timed = OutcomeNames.Timed;
        Assert.Equal([Timed, Refused, Timed, Error, Timed, Refused, Timed], results.Select(r => r.Outcome));
        Assert.All(
            results.Where(r => r.IsTimed),
            r => Assert.True(r is { ReplayMilliseconds: > 0, CompileMilliseconds: > 0 })
        );
        Assert.Equal(1, _process.Starts);
    }

    [Fact]
    public void BeingKilledFromOutsideSaysNothingAboutACandidate()
    {
        // There are no signals.
        if (OperatingSystem.IsWindows())
            return;
        var task = Machine.Task(Small);
        var results = Measure(task, Machine.Tiled(task, "killed"), Machine.Tiled(task));
        Assert.Equal([OutcomeNames.Killed, OutcomeNames.Timed], results.Select(r => r.Outcome));
        using var runner = new WorkerRunner(task, _process, seed: 1);
        var killed = runner.Certify(Machine.Tiled(task, "killed"));
        Assert.True(killed is { Ok: false, IsRefused: true, IsFault: true }, killed.Detail);
        Assert.Contains("short of memory", killed.Detail, StringComparison.Ordinal);
        // A crash is the kernel's own.
        Assert.False(runner.Certify(Machine.Tiled(task, "crash")).IsRefused);
    }

    [Fact]
    public void MakingInputsIsGivenUpBeyondALimit()
    {
        var task = Machine.Task(Small);
        using var runner = new WorkerRunner(task, _process, seed: 1);
        // The process alone takes longer to begin.
        var e = Assert.Throws<TuneException>(() => runner.Prepare(TimeSpan.FromMilliseconds(5)));
        Assert.True(e.IsOverTime, e.Message);
        Assert.Contains("could not be made within 0.0 s", e.Message, StringComparison.Ordinal);
        // With time, it can.
        runner.Prepare(TimeSpan.FromSeconds(60));
        Assert.Equal(2, _process.Starts);
    }

    [Fact]
    public void AHangCostsOneCandidate()
    {
        var task = Machine.Task(Small);
        using var runner = new WorkerRunner(task, _process, seed: 1, timeout: TimeSpan.FromSeconds(3));
        var results = runner.Measure(
            [Machine.Tiled(task, "hang"), Machine.Tiled(task)],
            double.PositiveInfinity,
            CancellationToken.None
        );
        Assert.Equal([OutcomeNames.Hang, OutcomeNames.Timed], results.Select(r => r.Outcome));
        Assert.Equal(2, _process.Starts);
    }

    [Fact]
    public void WhatIsFarSlowerThanTheBestIsCutOff()
    {
        var task = Machine.Task(Small);
        using var runner = new WorkerRunner(task, _process, seed: 1);
        runner.Prepare();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var results = runner.Measure(
            [Machine.Tiled(task, "slow"), Machine.Tiled(task)],
            bestMilliseconds: 1,
            CancellationToken.None
        );
        Assert.Equal([OutcomeNames.OverTime, OutcomeNames.Timed], results.Select(r => r.Outcome));
        Assert.Contains("cut off after", results[0].Detail);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(8), $"{watch.Elapsed.TotalSeconds} s");
        Assert.Equal(2, _process.Starts);
    }

    [Fact]
    public void ATaskThatComesBackIsStillThere()
    {
        TuneTask[] tasks = [Machine.Task(Small), Machine.Task("matmul m=16 n=16 k=16"), Machine.Task("tanh n=77")];
        double[] Prepared() =>
            [
                .. tasks.Select(t =>
                {
                    using var runner = new WorkerRunner(t, _process, seed: 1);
                    return runner.Prepare();
                }),
            ];
        // What it took to make the inputs, to the last bit: they were not made again.
        Assert.Equal(Prepared(), Prepared());
        Assert.Equal(OutcomeNames.Timed, Measure(tasks[0], Machine.Tiled(tasks[0]))[0].Outcome);
        Assert.Equal(1, _process.Starts);
    }

    [Fact]
    public void OtherFaultsAreToldApartWithoutARestart()
    {
        var task = Machine.Task(Small);
        string[] faults = ["wrong", "overrun", "throw", "refuse"];
        var results = Measure(task, [.. faults.Select(f => Machine.Tiled(task, f)), Machine.Tiled(task)]);
        Assert.Equal(
            [
                OutcomeNames.WrongResult,
                OutcomeNames.WrongResult,
                OutcomeNames.InternalError,
                "il-too-large",
                OutcomeNames.Timed,
            ],
            results.Select(r => r.Outcome)
        );
        Assert.Contains("C at row-major position 0", results[0].Detail);
        Assert.Contains("before the start of C", results[1].Detail);
        Assert.Equal(1, _process.Starts);
    }

    [Fact]
    public void RacesCertifiesAndChangesTask()
    {
        var task = Machine.Task(Small);
        using var runner = new WorkerRunner(task, _process, seed: 1);
        var race = runner.Race(
            [Machine.Tiled(task), Machine.Tiled(task, mr: 4)],
            new RacePlan(2, 3),
            CancellationToken.None
        );
        Assert.Equal(6, race.Rounds.Count);
        Assert.Equal([0, 0, 0, 1, 1, 1], race.Heats);
        Assert.All(race.Rounds, r => Assert.All(r, ms => Assert.True(ms > 0)));
        Assert.True(runner.Certify(Machine.Tiled(task)).Ok);
        Assert.False(runner.Certify(Machine.Tiled(task, "wrong")).Ok);

        var other = Machine.Task("matmul m=16 n=16 k=16");
        Assert.Equal(OutcomeNames.Timed, Measure(other, Machine.Tiled(other))[0].Outcome);
        Assert.Equal(OutcomeNames.Timed, Measure(task, Machine.Tiled(task))[0].Outcome);
        Assert.Equal(1, _process.Starts);
    }

    [Fact]
    public void ASearchThroughTheWorkerGoesOnAfterFaults()
    {
        var task = Machine.Task(Small);
        var result = Tuner.Tune(
            task,
            new TuneOptions
            {
                Budget = SearchBudget.Of(25),
                Rules = [new TileRule()],
                Traces = [Machine.Tiled(task, "crash").TraceText],
                Runner = t => new WorkerRunner(t, _process, seed: 1),
            }
        );
        Assert.Equal(1, result.Outcomes[OutcomeNames.Crash]);
        Assert.True(result.Certification.Ok);
        Assert.True(result.Outcomes[OutcomeNames.Timed] >= 20);
    }

    [Fact]
    public void AWorkerThatCannotStartIsSaid()
    {
        using var missing = new WorkerProcess(new WorkerCommand("no-such-program-anywhere", []));
        var task = Machine.Task(Small);
        using var runner = new WorkerRunner(task, missing, seed: 1);
        var e = Assert.Throws<TuneException>(() =>
            runner.Measure([Machine.Tiled(task)], double.PositiveInfinity, CancellationToken.None)
        );
        Assert.Contains("cannot be started", e.Message);

        // A program that ends at once.
        using var wrong = new WorkerProcess(new WorkerCommand("dotnet", ["--version"]));
        using var runner2 = new WorkerRunner(task, wrong, seed: 1);
        e = Assert.Throws<TuneException>(() =>
            runner2.Measure([Machine.Tiled(task)], double.PositiveInfinity, CancellationToken.None)
        );
        Assert.Contains("no sign of readiness", e.Message);
    }
}
