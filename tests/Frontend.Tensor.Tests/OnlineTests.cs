using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Dispatch.Online;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>What a program does with winners that are stored while it runs, and the setting that asks for them.</summary>
public sealed class OnlineTests : IDisposable
{
    private readonly MemoryTuneStore _store = new();

    public void Dispose()
    {
        Setup.UseEvaluator();
        _store.Dispose();
    }

    private void Store(string text, double standard)
    {
        var spec = OperatorSpec.Parse(text);
        var schedule = new Schedule(spec.Build());
        schedule.Split(schedule.Nest.Loops.First().Name, 4, Tail.Guard);
        _store.Put(
            TestRecords.Of(spec, Dispatcher.Target, Trace.Of(schedule.Nest).ToString(), 1, standard),
            force: true
        );
    }

    [Fact]
    public void Calls_go_over_to_a_record_that_was_stored_meanwhile()
    {
        Dispatcher.Use(_store, new EvaluatorBackend(), (a, _) => InitialNest.Of(a));
        var x = Tensor.From<float>([.. Enumerable.Range(0, 13).Select(i => i / 7f - 1)]);
        float[] before = x.Tanh().ToArray<float>();
        float[] other = x[..12].Tanh().ToArray<float>();
        var spec = OperatorSpec.Parse("tanh n=13");
        var context = Dispatcher.Current;
        // None is there, and one that did not beat the default is none.
        Assert.False(context.Adopt(spec));
        Store("tanh n=13", standard: 0.9);
        Assert.False(context.Adopt(spec));
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(spec).Source);

        Store("tanh n=13", standard: 2);
        Assert.Equal(before, x.Tanh().ToArray<float>());
        Assert.Equal(KernelSource.Default, Dispatcher.Resolve(spec).Source);
        Assert.True(context.Adopt(spec));
        var kernel = Dispatcher.Resolve(spec);
        Assert.Equal(KernelSource.Exact, kernel.Source);
        Assert.False(kernel.Used);
        // The very call that ran on the default before.
        Assert.Equal(before, x.Tanh().ToArray<float>());
        Assert.True(kernel.Used);
        Assert.Equal(other, x[..12].Tanh().ToArray<float>());
        Assert.Equal(1, Dispatcher.Statistics.Exact);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("off", null)]
    [InlineData("online", 0.25)]
    [InlineData("online:0.5", 0.5)]
    [InlineData(" online:1 ", 1.0)]
    public void The_setting_is_read(string? text, double? share)
    {
        var (setting, problem) = OnlineSetting.Parse(text);
        Assert.Equal(share, setting?.Share);
        Assert.Null(problem);
    }

    [Theory]
    [InlineData("on")]
    [InlineData("online:")]
    [InlineData("online:0")]
    [InlineData("online:1.5")]
    [InlineData("online:-1")]
    [InlineData("online:NaN")]
    [InlineData("Online")]
    public void Other_words_are_refused(string text)
    {
        var (setting, problem) = OnlineSetting.Parse(text);
        Assert.Null(setting);
        Assert.Contains($"'{text}'", problem);
    }
}
