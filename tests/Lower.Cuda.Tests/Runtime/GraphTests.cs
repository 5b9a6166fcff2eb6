using Picograd.Lower.Cuda.Machine;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Xunit;

namespace Picograd.Tests;

/// <summary>Recorded graphs: their memory, what cannot be recorded, and how they are timed.</summary>
[Collection(EmulatorCollection.Name)]
public sealed unsafe class GraphTests
{
    // Memory that earlier tests dropped goes back when the collector finds it, which must not be in the middle of a count.
    private static long Settled(CudaDevice device)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return device.Memory.Statistics.LiveBytes;
    }

    private static void Run(CudaKernel kernel, nint[] addresses, params long[] parameters)
    {
        fixed (nint* arguments = addresses)
        fixed (long* values = parameters)
            kernel.Run(arguments, values);
    }

    [SkippableFact]
    public void RecordedStepsShareTheirWorkspace()
    {
        var device = EmulatedLaunch.Require();
        using var kernel = SmallPrograms.Load(device, SmallPrograms.AddThenDouble());
        using var x = device.Rent(4000);
        using var y = device.Rent(4000);
        device.Write<float>(x.Address, new float[1000]);
        long live = Settled(device);
        using (
            var graph = CudaGraph.Record(
                device,
                () =>
                {
                    for (int i = 0; i < 20; i++)
                        Run(kernel, [i == 0 ? x.Address : y.Address, y.Address], 1000);
                }
            )
        )
        {
            // One block for all twenty, kept for replays.
            Assert.Equal(4096, device.Memory.Statistics.LiveBytes - live);
            graph.Launch();
            float[] result = new float[1000];
            device.Read(result.AsSpan(), y.Address);
            // v → 2 (v + 1), twenty times from 0.
            Assert.All(result, v => Assert.Equal(2 * ((1 << 20) - 1), v));
        }
        Assert.Equal(live, device.Memory.Statistics.LiveBytes);
    }

    [SkippableFact]
    public void ARecordingThatFailsGivesItsMemoryBackAndAnotherCanFollow()
    {
        var device = EmulatedLaunch.Require();
        using var kernel = SmallPrograms.Load(device, SmallPrograms.AddThenDouble());
        using var x = device.Rent(4);
        using var y = device.Rent(4);
        long live = Settled(device);
        var e = Assert.Throws<InvalidOperationException>(() =>
            CudaGraph.Record(
                device,
                () =>
                {
                    Run(kernel, [x.Address, y.Address], 1);
                    float number = 1;
                    device.Stage(x.Address, &number, sizeof(float));
                }
            )
        );
        Assert.Contains("cannot be recorded", e.Message);
        Assert.Equal(live, device.Memory.Statistics.LiveBytes);
        Assert.Same(device.Stream, device.CurrentStream);
        CudaGraph.Record(device, () => Run(kernel, [x.Address, y.Address], 1)).Dispose();
        Assert.Equal(live, device.Memory.Statistics.LiveBytes);
    }

    [SkippableFact]
    public void WhatCannotBeRecordedIsTimedCallByCall()
    {
        var device = EmulatedLaunch.Require();
        using var x = device.Rent(4);
        using var timer = new CudaKernelTimer(device);
        var kernel = new Staging(device, x.Address);
        nint address = x.Address;
        Assert.True(timer.Sample(kernel, &address, 30, cold: false) >= 0);
        // One attempt to record it, then every call.
        Assert.Equal(31, kernel.Calls);
        Assert.True(timer.Sample(kernel, &address, 30, cold: false) >= 0);
        Assert.Equal(61, kernel.Calls);
    }

    private sealed class Staging(CudaDevice device, nint to) : ICompiledKernel
    {
        public int Calls { get; private set; }

        public long WorkspaceBytes => 0;

        public void Run(nint* arguments, long* parameters)
        {
            Calls++;
            float number = Calls;
            device.Stage(to, &number, sizeof(float));
        }

        public void Dispose() { }
    }

    [SkippableFact]
    public void TimedCallsWaitBehindSomethingThatKeepsTheDeviceBusy()
    {
        var device = EmulatedLaunch.Require();
        var held = new List<int>();
        var probes = new CudaProbeKernels(device);
        using var timer = new CudaKernelTimer(
            device,
            microseconds =>
            {
                held.Add(microseconds);
                probes.Hold(microseconds);
            }
        );
        using var count = SmallPrograms.Load(device, SmallPrograms.Count());
        using var x = device.Rent(4);
        device.Fill(x.Address, 0, 4);
        nint address = x.Address;
        timer.Sample(count, &address, 2, cold: false);
        timer.Sample(count, &address, 10, cold: false);
        timer.Sample(count, &address, 40, cold: false);
        // With cold caches the device is busy clearing them.
        timer.Sample(count, &address, 1, cold: true);
        Assert.Equal(3, held.Count);
        Assert.True(held[1] > held[0]);
        float[] calls = new float[1];
        device.Read(calls.AsSpan(), x.Address);
        Assert.Equal([53f], calls);
    }
}
