using System.Runtime.CompilerServices;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Xunit;

namespace Picograd.Tests;

/// <summary>Kernels that nobody holds any more leave the device, and stay on it as long as they may run.</summary>
[Collection(EmulatorCollection.Name)]
public sealed unsafe class DroppedKernelTests
{
    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private static void Run(CudaKernel kernel, CudaBuffer x)
    {
        nint address = x.Address;
        kernel.Run(&address, null);
    }

    private static bool IsLoaded(CudaDevice device, nint module, string kernel)
    {
        device.MakeCurrent();
        fixed (byte* name = System.Text.Encoding.UTF8.GetBytes(kernel + "\0"))
        {
            nint function;
            return device.Driver.ModuleGetFunction(&function, module, name) == DriverError.None;
        }
    }

    // What a frame of the caller holds would not be dropped.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static nint LoadAndDrop(CudaDevice device, string name)
    {
        var compiled = SmallPrograms.Compiler(device).Compile(SmallPrograms.Count(name));
        var module = new CudaModule(device, compiled.Cubin, name);
        Assert.True(IsLoaded(device, module.Handle, name));
        return module.Handle;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static CudaGraph RecordAndDrop(CudaDevice device, CudaBuffer x)
    {
        var kernel = SmallPrograms.Load(device, SmallPrograms.Count("counted_in_a_graph"));
        return CudaGraph.Record(device, () => Run(kernel, x));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void RunAndDrop(CudaDevice device, CudaBuffer x) =>
        Run(SmallPrograms.Load(device, SmallPrograms.Count("counted_and_dropped")), x);

    [SkippableFact]
    public void DroppedModulesAreUnloaded()
    {
        var device = EmulatedLaunch.Require();
        nint module = LoadAndDrop(device, "dropped");
        Collect();
        Assert.False(IsLoaded(device, module, "dropped"));
    }

    [SkippableFact]
    public void GraphsHoldTheirKernels()
    {
        var device = EmulatedLaunch.Require();
        using var x = device.Rent(sizeof(float));
        device.Write<float>(x.Address, [1f]);
        using var graph = RecordAndDrop(device, x);
        // The device remembers what was started last.
        using var other = SmallPrograms.Load(device, SmallPrograms.Count("started_last"));
        using var y = device.Rent(sizeof(float));
        Run(other, y);
        Collect();
        graph.Launch();
        float[] result = new float[1];
        device.Read(result.AsSpan(), x.Address);
        Assert.Equal(2, result[0]);
    }

    [SkippableFact]
    public void WhatWasStartedEndsBeforeItsCodeIsUnloaded()
    {
        var device = EmulatedLaunch.Require();
        using var x = device.Rent(sizeof(float));
        device.Write<float>(x.Address, [0f]);
        for (int i = 0; i < 20; i++)
        {
            RunAndDrop(device, x);
            Collect();
        }
        float[] result = new float[1];
        device.Read(result.AsSpan(), x.Address);
        Assert.Equal(20, result[0]);
    }
}
