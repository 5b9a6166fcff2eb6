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
    public void Driver_and_compiler_of_a_GPU_are_provenance()
    {
        const string Gpu = "cuda;sm_90a;nvidia-h200;sms=132;mem=3201";
        string old = $"{Gpu.Replace("mem", "mhz=1980;mem")};driver=12.8;nvrtc=12.4";
        Assert.Equal(Gpu, TuneTargets.Normal(old));
        Assert.Equal(Gpu, TuneTargets.Normal(Gpu));
        Assert.True(TuneTargets.AreSame(old, old.Replace("driver=12.8", "driver=13.0")));
        Assert.False(TuneTargets.AreSame(old, old.Replace("sms=132", "sms=114")));
        Assert.False(TuneTargets.AreSame(old, old.Replace("mem=3201", "mem=2619")));
        Assert.False(TuneTargets.AreSame(old, old.Replace("sm_90a", "sm_80")));

        var record = SampleRecords.Record();
        string Toolchain(string target, string runtime) =>
            TuneTargets.ToolchainOf(
                record with
                {
                    Key = SampleRecords.Key(target: target),
                    Provenance = record.Provenance with { RuntimeVersion = runtime },
                }
            );
        Assert.Equal("driver=12.8,nvrtc=12.4", Toolchain(old, ".NET 10.0.1"));
        Assert.Equal("driver=1,nvrtc=2", Toolchain(Gpu, TuneTargets.RuntimeText(".NET 10.0.1", "driver=1,nvrtc=2")));
        Assert.Equal("", Toolchain(Gpu, ".NET 10.0.1"));
        Assert.Equal("", Toolchain(Mine, TuneTargets.RuntimeText(".NET 10.0.1", "")));
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
