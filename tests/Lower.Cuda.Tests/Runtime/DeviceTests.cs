using Picograd.Algorithms;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Machine;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Xunit;

namespace Picograd.Tests;

/// <summary>Devices, memory, streams, kernels and graphs, on the emulator through the bindings that a GPU is driven by.</summary>
[Collection(EmulatorCollection.Name)]
public sealed unsafe class DeviceTests
{
    private static void Run(CudaKernel kernel, nint[] addresses, params long[] parameters)
    {
        fixed (nint* arguments = addresses)
        fixed (long* values = parameters)
            kernel.Run(arguments, values);
    }

    private static float[] Read(CudaDevice device, CudaBuffer buffer, int count)
    {
        float[] values = new float[count];
        device.Read(values.AsSpan(), buffer.Address);
        return values;
    }

    [SkippableFact]
    public void APropertyListBecomesWhatSchedulesNeed()
    {
        var device = EmulatedLaunch.Require();
        Assert.Equal(CudaProperties.ArchitectureOf(device.Info.Major, device.Info.Minor), device.Info.Architecture);
        Assert.True(device.Info.Multiprocessors > 0);
        Assert.True(device.Info.SharedBytesPerBlock >= 48 << 10);
        Assert.True(device.Info.MemoryGbps > 0);
        string fingerprint = device.Properties.Fingerprint;
        Assert.StartsWith($"cuda;{device.Info.Architecture};", fingerprint);
        Assert.Contains($";sms={device.Info.Multiprocessors};", fingerprint);
        Assert.Contains(";mem=", fingerprint);
        // What changes neither code nor timing is no part of it.
        Assert.DoesNotContain("driver=", fingerprint);
        Assert.DoesNotContain("nvrtc=", fingerprint);
        Assert.Equal($"driver={device.Driver.Version},nvrtc={device.Nvrtc.Version}", device.Properties.Toolchain);
        Assert.Equal(device.Properties.Toolchain, new CudaBackend(device).Target.Toolchain);
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(1000)]
    public void KernelsOfAProgramRunInOrderWithWorkspaceAndSymbolicExtents(int n)
    {
        var device = EmulatedLaunch.Require();
        using var kernel = SmallPrograms.Load(device, SmallPrograms.AddThenDouble());
        using var x = device.Rent(4 * n);
        using var y = device.Rent(4 * n);
        float[] input = [.. Enumerable.Range(0, n).Select(i => i * 0.5f)];
        device.Write<float>(x.Address, input);
        Run(kernel, [x.Address, y.Address], n);
        Assert.Equal(input.Select(v => (v + 1) * 2), Read(device, y, n));
    }

    [SkippableFact]
    public void AGridOfNothingIsSkipped()
    {
        var device = EmulatedLaunch.Require();
        using var kernel = SmallPrograms.Load(device, SmallPrograms.AddThenDouble());
        using var x = device.Rent(0);
        Run(kernel, [x.Address, x.Address], 0);
        device.Synchronize();
    }

    [SkippableFact]
    public void AGraphReplaysWhatWasRecordedWithoutRunningItThen()
    {
        var device = EmulatedLaunch.Require();
        using var count = SmallPrograms.Load(device, SmallPrograms.Count());
        using var twoSteps = SmallPrograms.Load(device, SmallPrograms.AddThenDouble());
        using var x = device.Rent(4);
        using var y = device.Rent(4);
        device.Fill(x.Address, 0, 4);
        using (
            var graph = CudaGraph.Record(
                device,
                () =>
                {
                    for (int i = 0; i < 5; i++)
                        Run(count, [x.Address]);
                    Run(twoSteps, [x.Address, y.Address], 1);
                }
            )
        )
        {
            Assert.Equal([0f], Read(device, x, 1));
            graph.Launch();
            Assert.Equal([12f], Read(device, y, 1));
            graph.Launch();
            Assert.Equal([10f], Read(device, x, 1));
            Assert.Equal([22f], Read(device, y, 1));
        }
    }

    [SkippableFact]
    public void StreamsAreInOrderAndMayWaitForOneAnother()
    {
        var device = EmulatedLaunch.Require();
        using var count = SmallPrograms.Load(device, SmallPrograms.Count());
        using var x = device.Rent(4);
        using var stream = new CudaStream(device);
        device.Fill(x.Address, 0, 4);
        stream.Wait(device.Stream);
        using (device.Use(stream))
        {
            Assert.Same(stream, device.CurrentStream);
            Run(count, [x.Address]);
            Run(count, [x.Address]);
        }
        Assert.Same(device.Stream, device.CurrentStream);
        device.Stream.Wait(stream);
        Assert.Equal([2f], Read(device, x, 1));
    }

    [SkippableFact]
    public void EventsTellTheTimeBetweenThem()
    {
        var device = EmulatedLaunch.Require();
        using var timer = new CudaKernelTimer(device);
        using var count = SmallPrograms.Load(device, SmallPrograms.Count());
        using var x = device.Rent(4);
        device.Fill(x.Address, 0, 4);
        nint address = x.Address;
        Assert.True(timer.Sample(count, &address, 1, cold: false) >= 0);
        Assert.True(timer.Sample(count, &address, 2, cold: true) >= 0);
        Assert.True(timer.Sample(count, &address, 45, cold: false) >= 0);
        // 1 + 2 calls, then 3 replays of 20.
        Assert.Equal([63f], Read(device, x, 1));
    }

    [SkippableFact]
    public void MemoryIsReusedInClassesAndGivenBack()
    {
        var device = EmulatedLaunch.Require();
        device.Memory.Trim();
        long live = device.Memory.Statistics.LiveBytes;
        nint first;
        using (var buffer = device.Rent(5000))
        {
            first = buffer.Address;
            Assert.Equal(0, first % 256);
            Assert.Equal(5120, device.Memory.Statistics.LiveBytes - live);
        }
        Assert.Equal(5120, device.Memory.Statistics.PooledBytes);
        var again = device.Rent(4700);
        Assert.Equal(first, again.Address);
        again.Dispose();
        again.Dispose();
        Assert.Throws<ObjectDisposedException>(() => again.Address);
        Assert.Equal(5120, device.Memory.Trim());
        Assert.Equal(0, device.Memory.Statistics.PooledBytes);
    }

    [Fact]
    public void SizeClassesHoldWhatIsAskedAndWasteAFifthAtMost()
    {
        for (long bytes = 1; bytes < 1L << 40; bytes += 1 + bytes / 7)
        {
            long held = CudaMemoryPool.BytesOf(CudaMemoryPool.ClassOf(bytes));
            Assert.True(held >= bytes);
            Assert.True(bytes <= 512 || held <= 1.25 * bytes, $"{held} for {bytes}");
        }
    }

    [SkippableFact]
    public void OutOfMemoryNamesWhatWasAskedAndWhatIsFreeAfterThePoolWasEmptied()
    {
        var device = EmulatedLaunch.Require();
        device.Memory.Trim();
        CudaEmulator.Set("PICOGRAD_EMULATOR_MEMORY", $"{64 << 20}");
        try
        {
            // What waits in the pool is in the way of the next, and goes.
            device.Rent(40 << 20).Dispose();
            using (var second = device.Rent(33 << 20))
                Assert.Equal(33 << 20, second.Length);
            var e = Assert.Throws<CudaOutOfMemoryException>(() => device.Rent(100_000_000));
            Assert.Equal(100_000_000, e.AskedBytes);
            Assert.Equal(64 << 20, e.TotalBytes);
            Assert.InRange(e.FreeBytes, 1, 64 << 20);
            Assert.Contains("100000000 bytes of device memory were asked for", e.Message);
            Assert.Contains($"{e.FreeBytes} are free", e.Message);
        }
        finally
        {
            device.Memory.Trim();
            CudaEmulator.Set("PICOGRAD_EMULATOR_MEMORY", null);
        }
    }

    [SkippableFact]
    public void AKernelThatFaultsIsNamedWithItsScheduleAndTheDeviceIsLost()
    {
        var device = EmulatedLaunch.Require();
        using var kernel = SmallPrograms.Load(device, SmallPrograms.Count("bad_one"), "split m 32\nbind m.o block.x");
        using var x = device.Rent(4);
        CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", "1");
        CudaEmulator.Set("PICOGRAD_EMULATOR_FAULT", "700@bad_one");
        try
        {
            // Starting it is no error; the copy that waits for it is.
            Run(kernel, [x.Address]);
            var e = Assert.Throws<CudaException>(() => Read(device, x, 1));
            Assert.Equal("illegal-address", e.Reason);
            Assert.True(e.IsLost);
            Assert.True(device.IsLost);
            Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", e.Message);
            Assert.Contains("bad_one", e.Message);
            Assert.Contains("bind m.o block.x", e.Message);
            // Every later call fails, as on a GPU.
            Assert.True(Assert.Throws<CudaException>(device.Synchronize).IsLost);
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_FAULT", null);
            CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", null);
            device.Recover();
        }
        device.Synchronize();
    }

    [SkippableFact]
    public void ALaunchThatOnlyLearnsOfAFaultNamesTheKernelBeforeIt()
    {
        var device = EmulatedLaunch.Require();
        using var bad = SmallPrograms.Load(device, SmallPrograms.Count("bad_one"), "split m 32");
        using var good = SmallPrograms.Load(device, SmallPrograms.Count("good_one"), "split m 64");
        using var x = device.Rent(4);
        CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", "1");
        CudaEmulator.Set("PICOGRAD_EMULATOR_FAULT", "716@bad_one");
        try
        {
            Run(bad, [x.Address]);
            // The kernel has failed by now, and nobody was told.
            Assert.Equal(716, device.Driver.StreamSynchronize(device.Stream.Handle));
            Assert.False(device.IsLost);
            var e = Assert.Throws<CudaException>(() => Run(good, [x.Address]));
            Assert.Equal("misaligned-address", e.Reason);
            Assert.True(e.IsLost);
            Assert.True(device.IsLost);
            Assert.Contains("bad_one", e.Message);
            Assert.DoesNotContain("good_one", e.Message);
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_FAULT", null);
            CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", null);
            device.Recover();
        }
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(209, false)]
    [InlineData(701, false)]
    [InlineData(214, true)]
    [InlineData(226, true)]
    [InlineData(700, true)]
    [InlineData(702, true)]
    [InlineData(716, true)]
    [InlineData(719, true)]
    [InlineData(999, true)]
    public void ErrorsAfterWhichNothingRunsAreKnown(int code, bool lost) =>
        Assert.Equal(lost, new CudaException("call", "problem", code).IsLost);

    [SkippableFact]
    public void LaunchesBeyondTheDeviceAreRefusedBeforeTheyRun()
    {
        var device = EmulatedLaunch.Require();
        var program = SmallPrograms.Count();
        CudaProgram With(Func<CudaLaunch, CudaLaunch> change) =>
            program with
            {
                Launches = [change(program.Launches[0])],
            };
        LoweringException Refused(Func<CudaLaunch, CudaLaunch> change) =>
            Assert.Throws<LoweringException>(() => SmallPrograms.Load(device, With(change)));

        Assert.Equal("too-many-threads", Refused(l => l with { Threads = 2048 }).Reason);
        var shared = Refused(l => l with { SharedBytes = 300_000 });
        Assert.Equal("shared-too-large", shared.Reason);
        Assert.Contains($"{device.Info.SharedBytesPerBlock}", shared.Message);

        using var x = device.Rent(4);
        using var tall = SmallPrograms.Load(device, With(l => l with { GridY = 70_000 }), "a trace");
        var e = Assert.Throws<CudaException>(() => Run(tall, [x.Address]));
        Assert.Contains("1×70000×1", e.Message);
        Assert.Contains("a trace", e.Message);
        Assert.False(e.IsLost);
    }

    [SkippableFact]
    public void AKernelForAnotherArchitectureIsRefusedByName()
    {
        var device = EmulatedLaunch.Require();
        string other = device.Info.Major == 8 ? "sm_90a" : "sm_80";
        var program = SmallPrograms.Count();
        var compiled = new CudaCompiler(device.Nvrtc, other, new MemoryCubinCache()).Compile(program);
        var e = Assert.Throws<CudaException>(() => new CudaKernel(device, program, compiled));
        Assert.Equal("other-architecture", e.Reason);
        Assert.Contains(device.Info.Architecture, e.Message);
        Assert.False(e.IsLost);
    }

    [SkippableFact]
    public void AGpuThatIsNotThereIsNamed()
    {
        EmulatedLaunch.Require();
        var e = Assert.Throws<CudaException>(() => CudaDevice.Open(CudaLibraries.Emulated(), 7));
        Assert.Contains("cuda:7", e.Message);
    }

    [SkippableFact]
    public void ADriverOlderThanTheToolkitIsDiagnosed()
    {
        EmulatedLaunch.Require();
        var (compiler, library) = CudaEmulator.Build();
        CudaEmulator.Set("PICOGRAD_EMULATOR_DRIVER_VERSION", "11080");
        try
        {
            var driver = Driver.Open(library);
            Assert.Equal(new Version(11, 8), driver.Version);
            string? missing = CudaProbe.Diagnose(driver, null, Nvrtc.Open(compiler), null);
            Assert.Contains("CUDA up to 11.8", missing);
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_DRIVER_VERSION", null);
        }
    }

    [SkippableFact]
    public void AMachineWithoutGpuIsDiagnosed()
    {
        EmulatedLaunch.Require();
        var (compiler, library) = CudaEmulator.Build();
        CudaEmulator.Set("PICOGRAD_EMULATOR_DEVICES", "0");
        try
        {
            string? missing = CudaProbe.Diagnose(Driver.Open(library), null, Nvrtc.Open(compiler), null);
            Assert.Contains("sees no GPU", missing);
            missing = CudaProbe.Diagnose(Driver.Open(library), null, null, "NVRTC was not found");
            Assert.Contains("sees no GPU and NVRTC was not found", missing);
            Assert.DoesNotContain("0.0", missing);
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_DEVICES", null);
        }
    }
}
