using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests;

/// <summary>The back end as a whole: from nest to a kernel that runs, or to text and cubin where nothing can.</summary>
[Collection(EmulatorCollection.Name)]
public sealed class BackendTests
{
    private static LoopNest Default(string spec, TargetInfo target) =>
        DefaultSchedule.For(OperatorSpec.Parse(spec).Build(), target);

    [SkippableTheory]
    [InlineData("sm_80")]
    [InlineData("sm_90a")]
    public void WithoutADeviceItStopsAtTheCubin(string architecture)
    {
        var nvrtc = InstalledNvrtc.Require(architecture);
        var backend = CudaBackend.CompileOnly(architecture == "sm_80" ? GpuInfo.A100 : GpuInfo.H100, nvrtc);
        var nest = Default("add n=1000", backend.Target);
        var (program, compiled) = backend.CompileText(nest);
        Assert.Contains("__global__", program.Source);
        Assert.True(compiled.Succeeded);
        Assert.Equal(program.Launches.Length, compiled.Report.Kernels.Length);
        Assert.True(compiled.Report.Registers > 0);
        var e = Assert.Throws<InvalidOperationException>(() => backend.Compile(nest));
        Assert.Contains(architecture, e.Message);
    }

    [SkippableFact]
    public unsafe void ADefaultScheduleRunsOnTheDevice()
    {
        var device = EmulatedLaunch.Require();
        var backend = new CudaBackend(device);
        Assert.Equal(device.Properties.Fingerprint, backend.Target.Fingerprint);
        using var kernel = backend.Compile(Default("add n=1000", backend.Target));
        float[] a = [.. Enumerable.Range(0, 1000).Select(i => (float)i)];
        float[] b = [.. Enumerable.Range(0, 1000).Select(i => 0.25f * i)];
        float[] sum = new float[1000];
        using var x = device.Rent(4000);
        using var y = device.Rent(4000);
        using var z = device.Rent(4000);
        device.Write<float>(x.Address, a);
        device.Write<float>(y.Address, b);
        nint* arguments = stackalloc nint[] { x.Address, y.Address, z.Address };
        kernel.Run(arguments, null);
        device.Read(sum.AsSpan(), z.Address);
        Assert.Equal(a.Zip(b, (p, q) => p + q), sum);
    }

    [SkippableFact]
    public void WhatWasCompiledAheadIsNotCompiledAgain()
    {
        var device = EmulatedLaunch.Require();
        var cache = new CountingCubinCache();
        var backend = new CudaBackend(device, cache);
        var nest = Default("mul n=100", backend.Target);
        System.Threading.Tasks.Parallel.For(0, 4, _ => backend.CompileAhead(nest));
        Assert.Equal(1, cache.Puts);
        backend.Compile(nest).Dispose();
        Assert.Equal(1, cache.Puts);
    }

    [SkippableFact]
    public void ANestWithoutGpuLoopsIsRefusedByName()
    {
        var backend = new CudaBackend(EmulatedLaunch.Require());
        var nest = InitialNest.Of(OperatorSpec.Parse("add n=10").Build());
        backend.CompileAhead(nest);
        Assert.Equal("no-gpu-loop", Assert.Throws<LoweringException>(() => backend.Compile(nest)).Reason);
    }
}
