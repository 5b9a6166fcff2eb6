using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>A record is served where it says that it beat the default schedule, or says nothing of it.</summary>
public sealed class RecordMarginTests : IDisposable
{
    private readonly MemoryTuneStore _store = new();

    public void Dispose()
    {
        Setup.UseEvaluator();
        _store.Dispose();
    }

    private static Schedule Split(string spec, long factor)
    {
        var schedule = new Schedule(OperatorSpec.Parse(spec).Build());
        schedule.Split(schedule.Nest.Loops.First().Name, factor, Tail.Guard);
        return schedule;
    }

    private void Store(string spec, string trace, double milliseconds, double? standard) =>
        _store.Put(
            new TuneRecord
            {
                Key = TuneKeys.Of(OperatorSpec.Parse(spec), Dispatcher.Target),
                Spec = spec,
                Trace = trace,
                Milliseconds = milliseconds,
                DefaultMilliseconds = standard,
                Certified = true,
                Certification = new Certification(0.1, true, true),
                Provenance = new Provenance(DateTime.UtcNow, "test", 1, "1s", 1, "plateau", "10", "0.1"),
            },
            force: true
        );

    [Theory]
    [InlineData(null, KernelSource.Exact)]
    [InlineData(1.5, KernelSource.Exact)]
    [InlineData(1.0, KernelSource.Default)]
    [InlineData(0.8, KernelSource.Default)]
    public void OfTheSameInstance(double? standard, KernelSource source)
    {
        Dispatcher.Use(_store, new EvaluatorBackend(), (a, _) => InitialNest.Of(a));
        Store("tanh n=13", Trace.Of(Split("tanh n=13", 4).Nest).ToString(), 1, standard);
        var kernel = Dispatcher.Resolve(OperatorSpec.Parse("tanh n=13"));
        Assert.Equal(source, kernel.Source);
        Assert.Equal(source == KernelSource.Default, kernel.Nest.Trace.IsEmpty);
        if (source == KernelSource.Default)
            Assert.Contains("did not beat the default", Assert.Single(kernel.Notes));
    }

    [Fact]
    public void TheDefaultsOwnTraceCountsAsTunedUntilTheDefaultChanges()
    {
        Dispatcher.Use(_store, new EvaluatorBackend(), (a, _) => Split("tanh n=13", 4).Nest);
        Store("tanh n=13", Trace.Of(Split("tanh n=13", 4).Nest).ToString(), 1, 1);
        var kernel = Dispatcher.Resolve(OperatorSpec.Parse("tanh n=13"));
        Assert.Equal(KernelSource.Exact, kernel.Source);
        Assert.Empty(kernel.Notes);
        // Rules that have learned since then are used at once.
        Dispatcher.Use(_store, new EvaluatorBackend(), (a, _) => Split("tanh n=13", 6).Nest);
        kernel = Dispatcher.Resolve(OperatorSpec.Parse("tanh n=13"));
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains(" 6 ", kernel.Nest.Trace[0] + " ");
    }

    [Fact]
    public void OfANearInstance()
    {
        Dispatcher.Use(_store, new EvaluatorBackend(), (a, _) => InitialNest.Of(a));
        Store("tanh n=13", Trace.Of(Split("tanh n=13", 4).Nest).ToString(), 1, 1);
        var kernel = Dispatcher.Resolve(OperatorSpec.Parse("tanh n=14"));
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains(kernel.Notes, n => n.Contains("the record of tanh n=13 did not beat the default schedule"));
    }
}
