using System.Collections.Immutable;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests;

/// <summary>From program to cubin: the cache and the prune reasons, with NVIDIA's compiler where it is installed.</summary>
[Collection(EmulatorCollection.Name)]
public class CompilerTests
{
    private static CudaProgram Program(string source) => new("k", source, [], [], [], []);

    private static string Copy(int registers) =>
        $$"""
            extern "C" __global__ void k(float* x) {
                float a[{{registers}}];
                #pragma unroll
                for (int i = 0; i < {{registers}}; i++) a[i] = x[i * 1024 + threadIdx.x];
                __syncthreads();
                #pragma unroll
                for (int i = 0; i < {{registers}}; i++) x[i * 1024 + threadIdx.x] = a[{{registers
                - 1}} - i] * a[(i * 7) % {{registers}}];
            }
            """;

    [SkippableFact]
    public void TheSameTextIsCompiledOnceAndItsReportStays()
    {
        var nvrtc = InstalledNvrtc.Require();
        var cache = new CountingCubinCache();
        var compiler = new CudaCompiler(nvrtc, "sm_80", cache);
        var first = compiler.Compile(Program(Copy(4)));
        var second = compiler.Compile(Program(Copy(4)));
        Assert.Equal(1, cache.Puts);
        Assert.Equal(first.Cubin.ToArray(), second.Cubin.ToArray());
        Assert.Equal(first.Report.Registers, second.Report.Registers);
        Assert.NotEqual(compiler.KeyOf("a"), new CudaCompiler(nvrtc, "sm_90a", cache).KeyOf("a"));
        Assert.NotEqual(compiler.KeyOf("a"), compiler.KeyOf("b"));
    }

    [SkippableFact]
    public void SpillsArePrunedByNameWhereAskedFor()
    {
        var nvrtc = InstalledNvrtc.Require();
        var compiler = new CudaCompiler(nvrtc, "sm_80", new MemoryCubinCache());
        // 1,024 threads leave 64 registers to each.
        var program = Program(Copy(160).Replace("void k", "void __launch_bounds__(1024) k"));
        Assert.True(compiler.Compile(program).Report.SpillBytes > CudaCompiler.MostSpillBytes);
        var e = Assert.Throws<LoweringException>(() => compiler.Compile(program, prune: true));
        Assert.Equal("spills", e.Reason);
        Assert.Contains("bytes spilled", e.Message);
    }

    [SkippableFact]
    public void WhatDoesNotCompileIsNamedWithTheLine()
    {
        var nvrtc = InstalledNvrtc.Require();
        var cache = new CountingCubinCache();
        var compiler = new CudaCompiler(nvrtc, "sm_80", cache);
        var e = Assert.Throws<LoweringException>(() =>
            compiler.Compile(Program("extern \"C\" __global__ void k() { oops }"))
        );
        Assert.Equal("nvrtc-error", e.Reason);
        Assert.Contains("k.cu(1)", e.Message);
        Assert.Equal(0, cache.Puts);
    }

    [SkippableFact]
    public void OptionsThatOnlySaveTimeAreLeftOutWhereNvrtcRefusesThem()
    {
        EmulatedLaunch.Require();
        CudaEmulator.Set("PICOGRAD_EMULATOR_REFUSED", "--minimal");
        try
        {
            var nvrtc = Nvrtc.Open(CudaEmulator.Build().Nvrtc);
            Assert.Contains("--minimal", nvrtc.OptionsFor("sm_80"));
            const string Text = "extern \"C\" __global__ void k() { }";
            Assert.True(nvrtc.Compile(Text, "k", "sm_80").Succeeded);
            Assert.DoesNotContain("--minimal", nvrtc.OptionsFor("sm_80"));
            Assert.Contains("--gpu-architecture=sm_80", nvrtc.OptionsFor("sm_80"));
            // An option that was asked for is another matter.
            var e = Assert.Throws<CudaException>(() => nvrtc.Compile(Text, "k", "sm_80", ["--minimal"]));
            Assert.Contains("INVALID_OPTION", e.Message);
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_REFUSED", null);
        }
    }

    [Fact]
    public void TheMemoryCacheDropsWhatWasNotUsedForLongest()
    {
        var cache = new MemoryCubinCache(mostBytes: 250);
        foreach (string key in (string[])["a", "b"])
            cache.Put(key, new CachedCubin([.. new byte[100]], key));
        Assert.Equal("a", cache.Find("a")!.Log);
        cache.Put("c", new CachedCubin([.. new byte[100]], "c"));
        Assert.Null(cache.Find("b"));
        Assert.NotNull(cache.Find("a"));
        Assert.NotNull(cache.Find("c"));
        Assert.Equal(200, cache.Bytes);
    }
}

/// <summary>A cache that counts what it is given.</summary>
internal sealed class CountingCubinCache : ICubinCache
{
    private readonly MemoryCubinCache _cache = new();
    private int _puts;

    public int Puts => _puts;

    public CachedCubin? Find(string key) => _cache.Find(key);

    public void Put(string key, CachedCubin cubin)
    {
        Interlocked.Increment(ref _puts);
        _cache.Put(key, cubin);
    }
}
