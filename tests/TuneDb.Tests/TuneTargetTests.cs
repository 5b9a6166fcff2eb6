namespace Picograd.Tests;

/// <summary>Which targets' records may serve which.</summary>
public sealed class TuneTargetTests
{
    private const string Old = "cpu;x64;amd;avx512;fma;l1=48k;l2=1m;cores=64;threads=2";
    private const string Mine = "cpu;x64;amd;avx512;fma;l1=48k;l2=1m;threads=2";

    [Fact]
    public void The_number_of_cores_does_not_count()
    {
        Assert.Equal(Mine, TuneTargets.Normal(Old));
        Assert.Equal(Mine, TuneTargets.Normal(Mine));
        Assert.True(TuneTargets.AreSame(Old, Mine));
        Assert.False(TuneTargets.AreSame(Old, Mine.Replace("l2=1m", "l2=2m")));
        Assert.Equal(2, TuneTargets.ThreadsOf(Old));
        Assert.Null(TuneTargets.ThreadsOf("cuda;sm_90a"));
        Assert.Null(TuneTargets.ThreadsOf("cpu;threads=many"));
    }

    [Fact]
    public void Targets_that_may_help_are_in_order()
    {
        string With(int threads) => Mine.Replace("threads=2", $"threads={threads}");
        string[] stored =
        [
            With(16),
            With(1),
            With(4),
            "cuda;sm_90a",
            With(2).Replace("avx512", "avx2"),
            Mine,
            Old,
            Old.Replace("threads=2", "threads=3"),
        ];
        Assert.Equal(
            [Old, Old.Replace("threads=2", "threads=3"), With(1), With(4), With(16)],
            TuneTargets.Alike(stored, Mine)
        );
        Assert.Empty(TuneTargets.Alike(stored, "cuda;sm_90a"));
    }

    [Fact]
    public void The_own_record_is_found_under_the_text_of_older_versions()
    {
        using var store = new MemoryTuneStore();
        var old = SampleRecords.Record() with { Key = SampleRecords.Key(target: Old), Milliseconds = 3 };
        store.Put(old);
        Assert.Equal(old, store.FindOwn(SampleRecords.Key(target: Mine)));
        var faster = old with { Key = SampleRecords.Key(target: Old.Replace("cores=64", "cores=8")), Milliseconds = 2 };
        store.Put(faster);
        Assert.Equal(faster, store.FindOwn(SampleRecords.Key(target: Mine)));
        Assert.Null(store.FindOwn(SampleRecords.Key(target: Mine.Replace("threads=2", "threads=1"))));
        var own = old with { Key = SampleRecords.Key(target: Mine), Milliseconds = 4 };
        store.Put(own);
        Assert.Equal(own, store.FindOwn(SampleRecords.Key(target: Mine)));
    }
}
