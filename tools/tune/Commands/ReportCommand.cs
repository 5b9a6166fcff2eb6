using System.CommandLine;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// <c>tune report</c>: best-found schedules against hand-written kernels, libraries, the default schedule and the machine's
/// ceiling, all timed now and in turns.
/// </summary>
internal static class ReportCommand
{
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
        var html = new Option<string?>("--html")
        {
            Description =
                "Also writes one page for browsers to this file: bars, roofline, searches, schedules, machine code",
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
            html,
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
            string? page = parsed.GetValue(html);
            if (page is not null)
                CheckPage(page);
            var lines = new List<ReportLine>();
            try
            {
                return Run(
                    console,
                    specs,
                    machine,
                    new Wanted(database, count, page is not null),
                    parsed.GetValue(json),
                    saved,
                    lines
                );
            }
            finally
            {
                // Of what was timed when an interrupt came too.
                if (page is not null && lines.Count > 0)
                    WritePage(page, lines, machine, count, Targets.Model(Targets.Named(parsed, target)), console);
            }
        });
        return command;
    }

    /// <summary>What a report is made with.</summary>
    /// <param name="Db">The database; null for the environment's or the default one.</param>
    /// <param name="Threads">That kernels may use.</param>
    /// <param name="Details">Whether schedules, searches and code are wanted.</param>
    private sealed record Wanted(string? Db, int Threads, bool Details)
    {
        /// <summary>Where the machine tells energy, and it is wanted.</summary>
        public EnergyMeter? Energy { get; } = Details ? EnergyMeter.Open(out _) : null;
    }

    // Before minutes of timing.
    private static void CheckPage(string path)
    {
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full))
            throw new UsageException($"--html is '{path}', which is a folder; name a file in it.");
        if (Path.GetDirectoryName(full) is { } folder && !Directory.Exists(folder))
            throw new UsageException($"--html is '{path}', but there is no folder '{folder}'.");
    }

    private static void WritePage(
        string path,
        IReadOnlyList<ReportLine> lines,
        ITuningTarget tuning,
        int threads,
        string machine,
        ToolConsole console
    )
    {
        string energy = "energy is told of processors only";
        if (tuning.IsHostMemory)
            EnergyMeter.Open(out energy);
        try
        {
            WholeFile.Write(
                Path.GetFullPath(path),
                new ReportPage(lines, tuning, threads, machine, energy, DateTime.UtcNow).ToString()
            );
            console.Error.WriteLine($"tune: wrote {path}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FailureException($"--html is '{path}', which cannot be written: {e.Message}");
        }
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
        Wanted wanted,
        bool json,
        TextWriter? saved,
        List<ReportLine> lines
    )
    {
        var baselines = BaselineSet.For(tuning);
        BenchCommand.TellBaselines(baselines, console.Error);
        specs.ForEach(
            console.Cancel,
            spec =>
            {
                if (Measure(spec, wanted, tuning, baselines, console) is not { } line)
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
            ReportText.Write(console.Out, lines, tuning, wanted.Threads);
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
    private static ReportLine? Measure(
        Problem spec,
        Wanted wanted,
        ITuningTarget tuning,
        BaselineSet baselines,
        ToolConsole console
    )
    {
        using var memory = new OperatorMemory(spec, tuning);
        using var timer = tuning.CreateTimer();
        var contenders = new List<Contender>();
        var (db, threads) = (wanted.Db, wanted.Threads);
        KernelDetails? details = null;
        using (new ServedKernels(db, threads, backend: tuning.Backend))
        {
            contenders.Add(Contender.Dispatched(spec, memory, timer: timer));
            if (wanted.Details)
                details = DetailsOf(spec, tuning, db);
        }
        using (new ServedKernels(null, threads, untuned: true, backend: tuning.Backend))
            contenders.Add(Contender.Dispatched(spec, memory, "default", timer));
        contenders.AddRange(Contender.Baselines(spec, memory, baselines, threads, timer));
        Spread[] spreads;
        try
        {
            spreads = Interleaved.Measure(contenders, threads, console.Error, console.Cancel);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        double[] times = [.. spreads.Select(s => s.Median)];
        var ceiling = Roofline.Of(
            new TuneTask(spec, tuning),
            tuning.Ceilings,
            times[0],
            note => console.Error.WriteLine($"tune: {spec}: {note}")
        );
        var (gflops, gbps) = Rate.Of(spec, times[0]);
        return new ReportLine(
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
        )
        {
            Contenders = [.. contenders.Zip(spreads, (c, s) => new TimedContender(c.Lib, s))],
            Gigaflop = spec.Flops / 1e9,
            Intensity = spec.Flops / (double)spec.MinBytes,
            Joules = tuning.IsHostMemory ? wanted.Energy?.Of(contenders[0].Run) : null,
            Details = details,
        };

        double? Of(string lib) => contenders.FindIndex(c => c.Lib == lib) is >= 0 and var i ? times[i] : null;
    }

    private static KernelDetails DetailsOf(Problem spec, ITuningTarget tuning, string? db)
    {
        string address = TuneDbLocation.Resolve(db);
        if (!TuneDatabase.IsThere(address))
            return KernelDetails.Of(spec, tuning, null);
        using var store = TuneDatabase.OpenForUse(address, TuneDbMode.ReadOnly);
        return KernelDetails.Of(spec, tuning, store);
    }
}
