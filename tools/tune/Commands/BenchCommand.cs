using System.CommandLine;
using System.Text.Json.Serialization;
using Picograd.Algorithms;
using Picograd.Baselines;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Tune;

/// <summary><c>tune bench FILE</c>: times what dispatch would choose, without tuning anything.</summary>
internal static class BenchCommand
{
    private sealed record Line(
        [property: JsonPropertyName("spec")] string Spec,
        [property: JsonPropertyName("lib")] string Lib,
        [property: JsonPropertyName("threads")] int Threads,
        [property: JsonPropertyName("ms")] double Milliseconds,
        [property: JsonPropertyName("gflops")] double? Gflops,
        [property: JsonPropertyName("gbps")] double? Gbps,
        [property: JsonPropertyName("source")] string? Source
    );

    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string>("FILE") { Description = "Operators, one a line" };
        var threads = CommonOptions.Threads();
        var baselines = new Option<bool>("--baselines") { Description = "Hand-written kernels and libraries too" };
        var json = CommonOptions.Json();
        var db = CommonOptions.Db();
        var target = CommonOptions.Target();
        var command = new Command("bench", "Times what dispatch would choose; tunes nothing")
        {
            file,
            threads,
            baselines,
            json,
            db,
            target,
        };
        command.SetAction(parsed =>
        {
            var on = Targets.Named(parsed, target);
            var specs = SpecFile.Read(parsed.GetValue(file)!, console.Error);
            int count = CommonOptions.ThreadsOf(parsed, threads);
            var machine = Targets.Open(on, count);
            using var kernels = new ServedKernels(
                parsed.GetValue(db),
                count,
                notes: console.Error,
                backend: machine.Backend
            );
            return Run(console, specs, machine, count, parsed.GetValue(baselines), parsed.GetValue(json));
        });
        return command;
    }

    private static int Run(
        ToolConsole console,
        SpecFile specs,
        ITuningTarget machine,
        int threads,
        bool baselines,
        bool json
    )
    {
        var set = baselines ? BaselineSet.For(machine) : null;
        if (set is not null)
            TellBaselines(set, console.Error);
        var table = new TextTable("operator", "lib", ">time", ">rate", "source");
        specs.ForEach(
            console.Cancel,
            spec =>
            {
                foreach (var line in Time(spec, machine, threads, set, console))
                {
                    if (json)
                        JsonLines.Write(console.Out, line);
                    else
                        table.Add(
                            line.Spec,
                            line.Lib,
                            Figures.Time(line.Milliseconds),
                            Rate.Text(spec, line.Milliseconds),
                            line.Source ?? ""
                        );
                }
            }
        );
        if (!json && !table.IsEmpty)
            table.Write(console.Out);
        return console.Cancel.IsCancellationRequested
            ? throw new FailureException("interrupted before every operator was timed.")
            : specs.ExitCode;
    }

    private static List<Line> Time(
        Problem spec,
        ITuningTarget machine,
        int threads,
        BaselineSet? baselines,
        ToolConsole console
    )
    {
        using var memory = new OperatorMemory(spec, machine);
        using var timer = machine.CreateTimer();
        var contenders = new List<Contender> { Contender.Dispatched(spec, memory, timer: timer) };
        if (baselines is not null)
            contenders.AddRange(Contender.Baselines(spec, memory, baselines, threads, timer));
        try
        {
            double[] times = Interleaved.Time(contenders, threads, console.Error, console.Cancel);
            return [.. contenders.Select((c, i) => LineOf(spec, c, threads, times[i]))];
        }
        catch (OperationCanceledException)
        {
            return [];
        }
    }

    private static Line LineOf(Problem spec, Contender contender, int threads, double milliseconds)
    {
        var (gflops, gbps) = Rate.Of(spec, milliseconds);
        return new Line(spec.ToString(), contender.Lib, threads, milliseconds, gflops, gbps, contender.Source);
    }

    /// <summary>Says which OpenBLAS is compared with: which kernels it runs decides what the comparison is worth.</summary>
    internal static void TellBaselines(BaselineSet baselines, TextWriter to)
    {
        if (OpenBlas.IsAvailable && baselines.All.Any(b => b is OpenBlasBaseline))
        {
            string note =
                OpenBlas.Description.Contains("Haswell", StringComparison.OrdinalIgnoreCase)
                && TargetsCommand.Cpu().VectorBits == 512
                    ? "; it runs its AVX2 kernels on this AVX-512 machine, and the environment variable OPENBLAS_CORETYPE=SKYLAKEX makes it run the others"
                    : "";
            to.WriteLine($"tune: openblas is {OpenBlas.Description}{note}");
        }
        if (baselines.IsEmulated)
            to.WriteLine("tune: this is the emulator, whose times say nothing about any GPU.");
        foreach (string missing in baselines.Missing)
            to.WriteLine($"tune: {missing}");
    }
}
