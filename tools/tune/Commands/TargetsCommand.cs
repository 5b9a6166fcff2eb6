using System.CommandLine;
using System.Globalization;
using System.Text.Json.Serialization;
using Picograd.Dispatch;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cuda.Machine;
using Picograd.Lower.Cuda.Runtime;

namespace Picograd.Tune;

/// <summary><c>tune targets</c>: what this machine is, what it can do at most, and what is missing for other targets.</summary>
internal static class TargetsCommand
{
    private sealed record Unavailable(
        [property: JsonPropertyName("target")] string Target,
        [property: JsonPropertyName("missing")] string Missing
    );

    private sealed record Answer(
        [property: JsonPropertyName("target")] string Target,
        [property: JsonPropertyName("fingerprint")] string Fingerprint,
        [property: JsonPropertyName("model")] string Model,
        [property: JsonPropertyName("threads")] int Threads,
        [property: JsonPropertyName("fma_gflops")] double FmaGflops,
        [property: JsonPropertyName("read_gbps")] double ReadGbps,
        [property: JsonPropertyName("copy_gbps")] double CopyGbps,
        [property: JsonPropertyName("levels")] IReadOnlyList<LevelBandwidth> Levels,
        [property: JsonPropertyName("seconds")] double Seconds,
        [property: JsonPropertyName("gpus")] IReadOnlyList<Gpu> Gpus,
        [property: JsonPropertyName("unavailable")] IReadOnlyList<Unavailable> Unavailable
    );

    private sealed record Gpu(
        [property: JsonPropertyName("target")] string Target,
        [property: JsonPropertyName("fingerprint")] string Fingerprint,
        [property: JsonPropertyName("model")] string Model,
        [property: JsonPropertyName("emulated")] bool Emulated,
        [property: JsonPropertyName("multiprocessors")] int Multiprocessors,
        [property: JsonPropertyName("memory_bytes")] long MemoryBytes,
        [property: JsonPropertyName("driver")] string Driver,
        [property: JsonPropertyName("nvrtc")] string Nvrtc,
        [property: JsonPropertyName("fma_gflops")] double FmaGflops,
        [property: JsonPropertyName("tensor_gflops")] double? TensorGflops,
        [property: JsonPropertyName("l2_read_gbps")] double L2ReadGbps,
        [property: JsonPropertyName("read_gbps")] double ReadGbps,
        [property: JsonPropertyName("copy_gbps")] double CopyGbps
    );

    public static Command Create(ToolConsole console)
    {
        var threads = CommonOptions.Threads();
        var json = CommonOptions.Json();
        var command = new Command("targets", "Measures this machine's ceilings; says what other targets lack")
        {
            threads,
            json,
        };
        command.SetAction(parsed => Run(console, CommonOptions.ThreadsOf(parsed, threads), parsed.GetValue(json)));
        return command;
    }

    private static int Run(ToolConsole console, int threads, bool json)
    {
        var target = Cpu();
        var found = MachineProbe.Measure(target, threads);
        string? missing = Targets.CudaMissing();
        Unavailable[] unavailable = missing is null ? [] : [new Unavailable(Targets.Cuda, missing)];
        Gpu[] gpus = [.. Enumerable.Range(0, CudaDevice.Count).Select(i => GpuOf(new TargetName(Targets.Cuda, i)))];
        if (json)
        {
            JsonLines.Write(
                console.Out,
                new Answer(
                    Targets.Cpu,
                    found.Fingerprint,
                    target.Model,
                    threads,
                    found.FmaGflops,
                    found.ReadGbps,
                    found.CopyGbps,
                    found.Levels,
                    found.Seconds,
                    gpus,
                    unavailable
                )
            );
            return TuneCommand.Success;
        }
        console.Out.WriteLine($"cpu   {found.Fingerprint}");
        console.Out.WriteLine(
            $"      {target.Model}, {target.Cores} cores, {target.VectorBits}-bit vectors, {target.VectorRegisters} vector registers"
        );
        console.Out.WriteLine(
            $"      measured with {threads} thread{(threads == 1 ? "" : "s")} in {Figures.Number(found.Seconds)} s:"
        );
        var table = new TextTable("ceiling", ">value", "meaning");
        table.Add("fma_gflops", Number(found.FmaGflops), "GFLOP/s of fused multiply-adds in float32");
        table.Add("read_gbps", Number(found.ReadGbps), "GB/s reading memory");
        table.Add("copy_gbps", Number(found.CopyGbps), "GB/s copying memory, read and written together");
        foreach (var level in found.Levels)
        {
            table.Add(
                level.Level,
                Number(level.ReadGbps),
                $"GB/s reading {Figures.Bytes(level.WorkingSetBytes)} a thread again and again"
            );
        }
        table.Write(console.Out, "      ");
        foreach (var gpu in gpus)
            Write(console.Out, gpu);
        if (missing is not null)
            console.Out.WriteLine($"cuda  not available: {missing}");
        var cubins = StoredCubins.OfUser().Store;
        if (gpus.Length > 0 && cubins.Statistics() is { Count: > 0 } compiled)
            console.Out.WriteLine(
                $"      compiled kernels: {compiled.Count}, {Figures.Bytes(compiled.Bytes)} in {cubins.Place}"
            );
        return TuneCommand.Success;
    }

    private static Gpu GpuOf(TargetName name)
    {
        var device = Targets.Gpu(name);
        var ceilings = new CudaProbeKernels(device).Ceilings();
        return new Gpu(
            name.ToString(),
            device.Properties.Fingerprint,
            device.Properties.Name,
            device.IsEmulated,
            device.Info.Multiprocessors,
            device.Properties.TotalBytes,
            device.Properties.Driver.ToString(),
            device.Properties.Nvrtc.ToString(),
            ceilings.Gflops,
            ceilings.TensorGflops,
            ceilings.Levels[0].ReadGbps,
            ceilings.Levels[^1].ReadGbps,
            ceilings.CopyGbps
        );
    }

    private static void Write(TextWriter to, Gpu gpu)
    {
        to.WriteLine($"{gpu.Target}  {gpu.Fingerprint}");
        to.WriteLine(
            $"      {gpu.Model}, {gpu.Multiprocessors} multiprocessors, {Figures.Bytes(gpu.MemoryBytes)}, driver for CUDA {gpu.Driver}, NVRTC {gpu.Nvrtc}"
        );
        if (gpu.Emulated)
            to.WriteLine("      emulated on the processor: the figures say nothing about a GPU");
        var table = new TextTable("ceiling", ">value", "meaning");
        table.Add("fma_gflops", Number(gpu.FmaGflops), "GFLOP/s of fused multiply-adds in float32");
        if (gpu.TensorGflops is { } tensor)
            table.Add("tensor_gflops", Number(tensor), "GFLOP/s of matrix products of bfloat16 with sums in float32");
        table.Add("l2_read_gbps", Number(gpu.L2ReadGbps), "GB/s reading the second-level cache");
        table.Add("read_gbps", Number(gpu.ReadGbps), "GB/s reading device memory");
        table.Add("copy_gbps", Number(gpu.CopyGbps), "GB/s copying device memory, read and written together");
        table.Write(to, "      ");
    }

    /// <summary>This machine.</summary>
    /// <exception cref="UsageException">The environment asks for vectors that it lacks.</exception>
    internal static CpuTarget Cpu()
    {
        try
        {
            return CpuTarget.Detect();
        }
        catch (InvalidOperationException e)
        {
            throw new UsageException(e.Message, e);
        }
    }

    private static string Number(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);
}
