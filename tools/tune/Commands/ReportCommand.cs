using System.CommandLine;
using System.Text.Json.Serialization;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// <c>tune report</c>: best-found schedules against hand-written kernels, OpenBLAS, the default schedule and the machine's
/// ceiling, all timed now and in turns.
/// </summary>
internal static class ReportCommand
{
    private sealed record Line(
        [property: JsonPropertyName("spec")] string Spec,
        [property: JsonPropertyName("threads")] int Threads,
        [property: JsonPropertyName("source")] string Source,
        [property: JsonPropertyName("ms")] double Milliseconds,
        [property: JsonPropertyName("gflops")] double? Gflops,
        [property: JsonPropertyName("gbps")] double? Gbps,
        [property: JsonPropertyName("default_ms")] double DefaultMilliseconds,
        [property: JsonPropertyName("hand_ms")] double? HandMilliseconds,
        [property: JsonPropertyName("openblas_ms")] double? OpenBlasMilliseconds,
        [property: JsonPropertyName("ceiling_ms")] double CeilingMilliseconds,
        [property: JsonPropertyName("ceiling_share")] double CeilingShare,
        [property: JsonPropertyName("limit")] string Limit
    );

    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string?>("FILE")
        {
            Description = "Operators, one a line; without it, those in the database for this machine",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var threads = CommonOptions.Threads();
        var db = CommonOptions.Db();
        var json = CommonOptions.Json();
        var command = new Command("report", "Compares the best found with other implementations and the ceiling")
        {
            file,
            threads,
            db,
            json,
        };
        command.SetAction(parsed =>
        {
            int count = CommonOptions.ThreadsOf(parsed, threads);
            string? database = parsed.GetValue(db);
            var specs = parsed.GetValue(file) is { } path
                ? SpecFile.Read(path)
                : Stored(database, new CpuBackend(TargetsCommand.Cpu(), count).Target.Fingerprint);
            foreach (var spec in specs)
                OperatorMemory.RequireRoom(spec);
            return Run(console, specs, database, count, parsed.GetValue(json));
        });
        return command;
    }

    /// <exception cref="FailureException">The database has nothing for this machine.</exception>
    private static IReadOnlyList<OperatorSpec> Stored(string? db, string fingerprint)
    {
        using var store = SqliteTuneStore.Open(TuneDbLocation.Resolve(db), TuneDbMode.ReadOnly);
        var records = store.All(new TuneFilter { Target = fingerprint, Certified = true });
        return records.Count > 0
            ? [.. records.Select(r => r.Spec).Distinct().Order(StringComparer.Ordinal).Select(OperatorSpec.Parse)]
            : throw new FailureException(
                $"'{store.FilePath}' has no certified record for {fingerprint}; 'tune op' and 'tune run' make some."
            );
    }

    private static int Run(ToolConsole console, IReadOnlyList<OperatorSpec> specs, string? db, int threads, bool json)
    {
        BenchCommand.TellBaselines(console.Error);
        var tuning = new CpuTuningTarget(TargetsCommand.Cpu(), threads);
        var lines = new List<Line>();
        foreach (var spec in specs)
        {
            if (console.Cancel.IsCancellationRequested)
                throw new FailureException("interrupted before every operator was timed.");
            var line = Measure(spec, db, threads, tuning, console.Cancel);
            lines.Add(line);
            if (json)
                JsonLines.Write(console.Out, line);
        }
        if (!json)
            WriteText(console.Out, lines, tuning.Ceilings.Gflops, threads);
        return TuneCommand.Success;
    }

    private static Line Measure(
        OperatorSpec spec,
        string? db,
        int threads,
        CpuTuningTarget tuning,
        CancellationToken cancel
    )
    {
        using var memory = new OperatorMemory(spec);
        var contenders = new List<Contender>();
        using (new ServedKernels(db, threads))
            contenders.Add(Contender.Dispatched(spec, memory));
        using (new ServedKernels(null, threads, untuned: true))
            contenders.Add(Contender.Dispatched(spec, memory, "default"));
        contenders.AddRange(Contender.Baselines(spec, memory, threads));
        double[] times;
        try
        {
            times = Interleaved.Time(contenders, threads, cancel);
        }
        catch (OperationCanceledException)
        {
            throw new FailureException("interrupted before every operator was timed.");
        }
        var ceiling = Roofline.Of(new TuneTask(spec, tuning), tuning.Ceilings);
        var (gflops, gbps) = Rate.Of(spec, times[0]);
        return new Line(
            spec.ToString(),
            threads,
            contenders[0].Source!,
            times[0],
            gflops,
            gbps,
            times[1],
            Of("hand"),
            Of("openblas"),
            ceiling.Milliseconds,
            ceiling.Milliseconds / times[0],
            ceiling.Limit
        );

        double? Of(string lib) => contenders.FindIndex(c => c.Lib == lib) is >= 0 and var i ? times[i] : null;
    }

    private static void WriteText(TextWriter to, List<Line> lines, double gflops, int threads)
    {
        to.WriteLine(
            $"{threads} thread{(threads == 1 ? "" : "s")}, arithmetic ceiling {Figures.Number(gflops)} GFLOP/s"
        );
        var table = new TextTable(
            "operator",
            "source",
            ">time",
            ">rate",
            ">of ceiling",
            "limit",
            ">vs default",
            ">vs hand",
            ">vs openblas"
        );
        foreach (var line in lines)
        {
            table.Add(
                line.Spec,
                line.Source,
                Figures.Time(line.Milliseconds),
                line.Gflops is { } g ? $"{Figures.Number(g)} GFLOP/s" : $"{Figures.Number(line.Gbps!.Value)} GB/s",
                Figures.Percent(line.CeilingShare),
                line.Limit,
                Gain(line.DefaultMilliseconds, line),
                Gain(line.HandMilliseconds, line),
                Gain(line.OpenBlasMilliseconds, line)
            );
        }
        table.Write(to);
        Mean(to, "default schedule", lines, l => l.DefaultMilliseconds);
        Mean(to, "hand-written kernels", lines, l => l.HandMilliseconds);
        Mean(to, "OpenBLAS", lines, l => l.OpenBlasMilliseconds);
    }

    private static string? Gain(double? other, Line line) =>
        other is { } ms ? Figures.Ratio(ms / line.Milliseconds) : null;

    private static void Mean(TextWriter to, string name, List<Line> lines, Func<Line, double?> other)
    {
        double[] gains = [.. lines.Where(l => other(l) is not null).Select(l => other(l)!.Value / l.Milliseconds)];
        if (gains.Length == 0)
            to.WriteLine($"against {name}: nothing to compare with here");
        else
            to.WriteLine(
                $"against {name}: {Figures.Ratio(Math.Exp(gains.Average(Math.Log)))} (geometric mean of {gains.Length}), faster in {gains.Count(g => g > 1)}"
            );
    }
}
