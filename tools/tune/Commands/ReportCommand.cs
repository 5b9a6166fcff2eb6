using System.CommandLine;
using System.Text.Json.Serialization;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// <c>tune report</c>: best-found schedules against hand-written kernels, libraries, the default schedule and the machine's
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
        [property: JsonPropertyName("cublaslt_ms")] double? CublasLtMilliseconds,
        [property: JsonPropertyName("cudnn_ms")] double? CudnnMilliseconds,
        [property: JsonPropertyName("ladder_ms")] IReadOnlyDictionary<string, double> Ladder,
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
        var target = CommonOptions.Target();
        var threads = CommonOptions.Threads();
        var db = CommonOptions.Db();
        var json = CommonOptions.Json();
        var save = new Option<string?>("--save")
        {
            Description = "Also writes each operator's line as JSON to this file, as soon as it is timed",
            HelpName = "FILE",
        };
        var command = new Command("report", "Compares the best found with other implementations and the ceiling")
        {
            file,
            target,
            threads,
            db,
            json,
            save,
        };
        command.SetAction(parsed =>
        {
            int count = CommonOptions.ThreadsOf(parsed, threads);
            string? database = parsed.GetValue(db);
            var machine = Targets.Open(Targets.Named(parsed, target), count);
            var specs = parsed.GetValue(file) is { } path
                ? SpecFile.Read(path, console.Error)
                : SpecFile.Of(Stored(database, machine.Backend.Target.Fingerprint), console.Error);
            using var saved = parsed.GetValue(save) is { } to ? Create(to) : null;
            return Run(console, specs, machine, database, count, parsed.GetValue(json), saved);
        });
        return command;
    }

    /// <exception cref="FailureException">The database has nothing for this machine.</exception>
    private static IReadOnlyList<(string Label, string Text)> Stored(string? db, string fingerprint)
    {
        using var store = TuneDatabase.OpenForUse(TuneDbLocation.Resolve(db), TuneDbMode.ReadOnly);
        var records = store
            .All(new TuneFilter { Certified = true })
            .Where(r => TuneTargets.AreSame(r.Key.Target, fingerprint))
            .ToList();
        return records.Count > 0
            ?
            [
                .. records
                    .Select(r => (r.Spec, r.ProblemText))
                    .DistinctBy(r => r.Spec)
                    .OrderBy(r => r.Spec, StringComparer.Ordinal),
            ]
            : throw new FailureException(
                $"'{store.FilePath}' has no certified record for {fingerprint}; 'tune op' and 'tune run' make some."
            );
    }

    private static int Run(
        ToolConsole console,
        SpecFile specs,
        ITuningTarget tuning,
        string? db,
        int threads,
        bool json,
        TextWriter? saved
    )
    {
        var baselines = BaselineSet.For(tuning);
        BenchCommand.TellBaselines(baselines, console.Error);
        var lines = new List<Line>();
        specs.ForEach(
            console.Cancel,
            spec =>
            {
                if (Measure(spec, db, threads, tuning, baselines, console) is not { } line)
                    return;
                lines.Add(line);
                if (json)
                    JsonLines.Write(console.Out, line);
                if (saved is not null)
                    JsonLines.Write(saved, line);
            }
        );
        // Of what was timed when an interrupt came too.
        if (!json && lines.Count > 0)
            WriteText(console.Out, lines, tuning, threads);
        if (console.Cancel.IsCancellationRequested)
            throw new FailureException($"interrupted: {lines.Count} of {specs.Problems.Count} operators were timed.");
        return specs.ExitCode;
    }

    /// <exception cref="UsageException">The file cannot be written.</exception>
    private static StreamWriter Create(string path)
    {
        try
        {
            // What is written is there at once, whatever ends the process.
            return new StreamWriter(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read))
            {
                AutoFlush = true,
            };
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new UsageException($"--save is '{path}', which cannot be written: {e.Message}");
        }
    }

    /// <summary>Null when an interrupt came.</summary>
    private static Line? Measure(
        Problem spec,
        string? db,
        int threads,
        ITuningTarget tuning,
        BaselineSet baselines,
        ToolConsole console
    )
    {
        using var memory = new OperatorMemory(spec, tuning);
        using var timer = tuning.CreateTimer();
        var contenders = new List<Contender>();
        using (new ServedKernels(db, threads, backend: tuning.Backend))
            contenders.Add(Contender.Dispatched(spec, memory, timer: timer));
        using (new ServedKernels(null, threads, untuned: true, backend: tuning.Backend))
            contenders.Add(Contender.Dispatched(spec, memory, "default", timer));
        contenders.AddRange(Contender.Baselines(spec, memory, baselines, threads, timer));
        double[] times;
        try
        {
            times = Interleaved.Time(contenders, threads, console.Error, console.Cancel);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        var ceiling = Roofline.Of(
            new TuneTask(spec, tuning),
            tuning.Ceilings,
            times[0],
            note => console.Error.WriteLine($"tune: {spec}: {note}")
        );
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
            Of("cublaslt"),
            Of("cudnn"),
            contenders
                .Zip(times)
                .Skip(2)
                .Where(c => baselines.All.All(b => b.Lib != c.First.Lib))
                .ToDictionary(c => c.First.Lib, c => c.Second),
            ceiling.Milliseconds,
            ceiling.Milliseconds / times[0],
            ceiling.Limit
        );

        double? Of(string lib) => contenders.FindIndex(c => c.Lib == lib) is >= 0 and var i ? times[i] : null;
    }

    private static void WriteText(TextWriter to, List<Line> lines, ITuningTarget tuning, int threads)
    {
        var ceilings = tuning.Ceilings;
        bool gpu = tuning.Backend.Target.Gpu is not null;
        string tensor = ceilings.TensorGflops is { } t ? $", on tensor cores {Figures.Number(t)}" : "";
        to.WriteLine(
            gpu
                ? $"{tuning.Backend.Target.Fingerprint}: arithmetic ceiling {Figures.Number(ceilings.Gflops)} GFLOP/s{tensor}, copying {Figures.Number(ceilings.CopyGbps)} GB/s"
                : $"{threads} thread{(threads == 1 ? "" : "s")}, arithmetic ceiling {Figures.Number(ceilings.Gflops)} GFLOP/s"
        );
        (string Name, string Sentence, Func<Line, double?> Of)[] libraries = gpu
            ?
            [
                ("vs cublaslt", "cuBLASLt", l => l.CublasLtMilliseconds),
                ("vs cudnn", "cuDNN", l => l.CudnnMilliseconds),
            ]
            : [("vs openblas", "OpenBLAS", l => l.OpenBlasMilliseconds)];
        var table = new TextTable([
            "operator",
            "source",
            ">time",
            ">rate",
            ">of ceiling",
            "limit",
            ">vs default",
            ">vs hand",
            .. libraries.Select(l => ">" + l.Name),
        ]);
        foreach (var line in lines)
        {
            table.Add([
                line.Spec,
                line.Source,
                Figures.Time(line.Milliseconds),
                line.Gflops is { } g ? $"{Figures.Number(g)} GFLOP/s" : $"{Figures.Number(line.Gbps!.Value)} GB/s",
                Figures.Percent(line.CeilingShare),
                line.Limit,
                Gain(line.DefaultMilliseconds, line),
                Gain(line.HandMilliseconds, line),
                .. libraries.Select(l => Gain(l.Of(line), line)),
            ]);
        }
        table.Write(to);
        Mean(to, "default schedule", lines, l => l.DefaultMilliseconds);
        Mean(to, "hand-written kernels", lines, l => l.HandMilliseconds);
        foreach (var (_, name, of) in libraries)
            Mean(to, name, lines, of);
        foreach (var line in lines.Where(l => l.Ladder.Count > 0))
        {
            var steps = line.Ladder.Select(s => $"{s.Key} {Figures.Ratio(s.Value / line.Milliseconds)}");
            to.WriteLine($"{line.Spec}: against each step by hand {string.Join(", ", steps)}");
        }
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
