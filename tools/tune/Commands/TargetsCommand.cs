using System.CommandLine;
using System.Globalization;
using System.Text.Json.Serialization;
using Picograd.Lower.Cpu;

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
        [property: JsonPropertyName("unavailable")] IReadOnlyList<Unavailable> Unavailable
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
        var unavailable = new Unavailable(Targets.Cuda, Targets.CudaMissing());
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
                    [unavailable]
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
        console.Out.WriteLine($"cuda  not available: {unavailable.Missing}");
        return TuneCommand.Success;
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
