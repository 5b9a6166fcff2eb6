using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search;
using Picograd.Search.Worker;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>A range is tuned as anything else: in a worker process, under limits, beside what is stored and what waits.</summary>
public sealed class RangeTuningTests : IDisposable
{
    private static readonly Problem Range = Problem.OfOperator("softmax rows=1..200 cols=100");

    private static TuneTask Task => new(Range, Machine.Cpu);

    private readonly WorkerProcess _process = new(
        new WorkerCommand("dotnet", [Path.Combine(AppContext.BaseDirectory, "Picograd.Search.Tests.Worker.dll")])
    );

    public void Dispose() => _process.Dispose();

    private static Candidate Standard() =>
        new(null, new Dictionary<string, long>(), Task.Open(DefaultSchedule.For(Task.Measured.Algorithm, Task.Target)));

    private static Candidate Faulty(string fault)
    {
        var nest = InitialNest.Of(Range.Algorithm);
        var s = new Schedule(nest);
        s.Apply(Step.Of("split", nest.Loops.First().Name, "1").Yielding($"fault.{fault}", "rest"));
        if (fault == "threads")
            s.Apply(Step.Of("parallel", "rest"));
        return new Candidate(null, new Dictionary<string, long>(), s.Nest);
    }

    private static TuneRecord RecordOf(string trace, double milliseconds, bool certified) =>
        new()
        {
            Key = Task.Key,
            Spec = Range.Label,
            ProblemText = Range.Text,
            Trace = trace,
            Guards = [],
            Milliseconds = milliseconds,
            DefaultMilliseconds = 10,
            Samples = [milliseconds],
            Certification = new Certification(0.1, certified, certified),
            Certified = certified,
            Provenance = new Provenance(DateTime.UtcNow, "m", 1, "1s", 1, "budget", "10", "0"),
        };

    [Fact]
    public void A_kernel_that_crashes_costs_itself_only()
    {
        using var runner = new WorkerRunner(Task, _process, seed: 1, timeout: TimeSpan.FromSeconds(10));
        var results = runner.Measure(
            [Standard(), Faulty("crash"), Faulty("wrong"), Standard()],
            double.PositiveInfinity,
            CancellationToken.None
        );
        Assert.Equal(
            [OutcomeNames.Timed, OutcomeNames.Crash, OutcomeNames.WrongResult, OutcomeNames.Timed],
            results.Select(r => r.Outcome)
        );
        // Once more alone where others were compiled meanwhile.
        Assert.Equal(Task.On.SpareCores > 0 ? 3 : 2, _process.Starts);
        var right = runner.Certify(Standard());
        Assert.True(right.Ok, right.Detail);
        Assert.Contains(" at 1; 200; 131; ", right.Detail, StringComparison.Ordinal);
        Assert.Contains(
            "other bits with 7 threads",
            runner.Certify(Faulty("threads")).Detail,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void An_interrupt_ends_its_certification()
    {
        using var interrupt = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        using var runner = new WorkerRunner(Task, _process, seed: 1) { CertifyCancel = interrupt.Token };
        Assert.Equal("interrupted", runner.Certify(Faulty("slow")).Detail);
    }

    [Fact]
    public void A_budget_bounds_its_certification()
    {
        using var runner = new WorkerRunner(Task, _process, seed: 1);
        runner.Prepare();
        var refused = runner.Certify(Faulty("slow"), TimeSpan.FromSeconds(1));
        Assert.True(refused is { IsRefused: true, IsUnfinished: true }, refused.Detail);
    }

    [Fact]
    public void What_waits_takes_part_and_is_certified()
    {
        using var store = new MemoryTuneStore();
        string plain = Trace.Of(InitialNest.Of(Range.Algorithm)).ToString();
        store.Put(RecordOf(plain, 1, certified: false));
        var result = Tune(store, c => c.TraceText == plain ? 1 : 9);
        Assert.Equal((plain, PutOutcome.Added), (result.Trace, result.Stored));
        Assert.Null(store.FindWaiting(Task.Key));
        Assert.Equal(plain, store.FindExact(Task.Key)!.Trace);
    }

    [Fact]
    public void A_stored_winner_that_is_faster_stays()
    {
        using var store = new MemoryTuneStore();
        string plain = Trace.Of(InitialNest.Of(Range.Algorithm)).ToString();
        var record = RecordOf(plain, 1, certified: true);
        store.Put(record);
        var result = Tune(store, c => c.TraceText == plain ? 1 : 3 + c.Hash % 7);
        Assert.Equal(plain, result.Trace);
        Assert.Equal(plain, store.FindExact(Task.Key)!.Trace);
    }

    [Fact]
    public void What_could_not_be_certified_waits()
    {
        using var store = new MemoryTuneStore();
        var result = Tune(
            store,
            // What the search finds beats the default schedule.
            c => c.Rule is null ? 9 : 1 + c.Hash % 7,
            _ => new Certification(0, false, false, "no time") { IsRefused = true, IsUnfinished = true }
        );
        Assert.True(result.IsWaiting);
        Assert.Null(store.FindExact(Task.Key));
        Assert.Equal(result.Trace, store.FindWaiting(Task.Key)!.Trace);
    }

    [Fact]
    public void Several_ranges_share_a_budget()
    {
        using var store = new MemoryTuneStore();
        TuneTask[] tasks = [Task, new(Problem.OfOperator("tanh n=1..500"), Machine.Cpu), Machine.Task("relu n=100")];
        var results = Tuner.TuneAll(tasks, new TuneOptions { Budget = SearchBudget.Of(12), Store = store });
        Assert.All(results, r => Assert.Null(r.Failure));
        Assert.All(results, r => Assert.NotNull(store.FindExact(r.Task.Key)));
    }

    private static TuneResult Tune(
        ITuneStore store,
        Func<Candidate, double> time,
        Func<Candidate, Certification>? certify = null
    ) =>
        Tuner.Tune(
            Task,
            new TuneOptions
            {
                Budget = SearchBudget.Of(8),
                Store = store,
                Runner = _ => new SyntheticRunner(time, 1, noisy: false)
                {
                    Certifying = certify ?? (_ => new Certification(0.1, true, true)),
                },
            }
        );
}
