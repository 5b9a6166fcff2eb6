using Picograd.Algorithms.Operators;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Search;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>A winner that was found with another driver or compiler takes part in the next search and is renewed by it.</summary>
public class OtherDriverTests
{
    private static TuneRecord Tune(ITuneStore store, string toolchain, int seed)
    {
        var task = new TuneTask(
            OperatorSpec.Parse("matmul m=48 n=64 k=96"),
            new PaperTarget(PaperTarget.Info with { Toolchain = toolchain })
        );
        var result = Tuner.Tune(
            task,
            new TuneOptions
            {
                Budget = SearchBudget.Of(12),
                Rules = [new TileRule(), new PlainRule()],
                Store = store,
                Seed = seed,
                Runner = _ => new SyntheticRunner(c => Time(c.TraceText), 1, noisy: false),
            }
        );
        Assert.True(result.Certification.Ok);
        return store.FindExact(task.Key)!;
    }

    // The longer the schedule, the faster.
    private static double Time(string trace) => 100.0 / (1 + trace.Split('\n').Length);

    [Fact]
    public void ItsTimeAndProvenanceAreRenewed()
    {
        using var store = new MemoryTuneStore();
        var first = Tune(store, "driver=12.4,nvrtc=12.4", 1);
        Assert.Equal("driver=12.4,nvrtc=12.4", TuneTargets.ToolchainOf(first));
        var same = Tune(store, "driver=12.4,nvrtc=12.4", 1);
        Assert.Equal(first.Provenance.Utc, same.Provenance.Utc);
        var second = Tune(store, "driver=13.0,nvrtc=13.0", 1);
        Assert.Equal("driver=13.0,nvrtc=13.0", TuneTargets.ToolchainOf(second));
        Assert.Equal(first.Key, second.Key);
        Assert.True(second.Milliseconds <= first.Milliseconds);
        Assert.Single(store.All());
    }
}
