using System.CommandLine;
using System.Diagnostics;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Search;
using Picograd.Search.Recordings;
using Picograd.Search.Worker;

namespace Picograd.Tune;

/// <summary>
/// <c>tune search-bench</c>: ways to search, compared over recordings of this machine. What is not recorded yet is recorded first.
/// </summary>
internal static class SearchBenchCommand
{
    internal const string StandardFolder = "search-recordings";
    private const string Extension = ".recording";

    public static Command Create(ToolConsole console)
    {
        var list = new Argument<string?>("LIST")
        {
            Description = "Operators, one a line; without it, those that are recorded",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var folder = new Option<string?>("--recordings")
        {
            Description = $"Where recordings are; default: {StandardFolder}",
            HelpName = "FOLDER",
        };
        var points = new Option<string?>("--points")
        {
            Description = "Points of a task's space that are recorded, about; default 800",
            HelpName = "N",
        };
        var seeds = new Option<string?>("--seeds") { Description = "Searches of each kind; default 5", HelpName = "N" };
        var budget = new Option<string?>("--budget")
        {
            Description = "Of each search, by the recording's clock; default 5s",
            HelpName = "TIME",
        };
        var refresh = new Option<bool>("--refresh")
        {
            Description = "Computes what the cost model sees of recorded programs anew; nothing is measured",
        };
        var strategies = new Option<string?>("--strategies")
        {
            Description = $"Some of {string.Join(", ", SearchBench.Strategies)}; default: all",
            HelpName = "A,B",
        };
        var threads = CommonOptions.Threads();
        var command = new Command("search-bench", "Compares ways to search over recorded measurements")
        {
            list,
            folder,
            points,
            seeds,
            budget,
            refresh,
            strategies,
            threads,
        };
        command.SetAction(parsed =>
        {
            string recordings = parsed.GetValue(folder) ?? StandardFolder;
            var spend = BudgetOption.Of(parsed, budget, "5s");
            if (spend.Time is not { } time)
                throw new UsageException("--budget is a number of trials, but must be a time, such as 5s.");
            int count = (int)CommonOptions.Whole(parsed, seeds, 1, 1000, 5);
            string[] wanted = parsed.GetValue(strategies)?.Split(',') ?? [.. SearchBench.Strategies];
            if (wanted.FirstOrDefault(w => !SearchBench.Strategies.Contains(w)) is { } unknown)
                throw new UsageException(
                    $"--strategies has '{unknown}'; allowed are {string.Join(", ", SearchBench.Strategies)}."
                );
            if (parsed.GetValue(list) is { } path)
            {
                Record(
                    console,
                    SpecFile.Read(path, console.Error),
                    recordings,
                    (int)CommonOptions.Whole(parsed, points, 2, 100_000, 800),
                    CommonOptions.ThreadsOf(parsed, threads)
                );
            }
            if (parsed.GetValue(refresh))
                Refresh(recordings, CommonOptions.ThreadsOf(parsed, threads));
            SearchBenchReport.Write(console.Out, Read(recordings), wanted, count, time.TotalMilliseconds);
            return TuneCommand.Success;
        });
        return command;
    }

    private static void Record(ToolConsole console, SpecFile list, string folder, int points, int threads)
    {
        Directory.CreateDirectory(folder);
        using var worker = new WorkerProcess(TuningRun.WorkerProgram());
        var target = Targets.Open(new TargetName(Targets.Cpu, 0), threads);
        foreach (var problem in list.Problems)
        {
            string file = Path.Combine(folder, FileName(problem));
            if (File.Exists(file))
                continue;
            var task = new TuneTask(problem, target);
            using var runner = new WorkerRunner(task, worker, seed: 0);
            long start = Stopwatch.GetTimestamp();
            Recording recording;
            try
            {
                recording = Recorder.Record(task, runner, points, seed: 0, cancel: console.Cancel);
            }
            catch (TuneException e)
            {
                throw new FailureException($"{e.Message.TrimEnd('.')}.");
            }
            Save(recording, file);
            console.Error.WriteLine(
                $"tune: recorded {problem}: {recording.Points.Count} points, {recording.Programs.Count} programs, {Figures.Number(Stopwatch.GetElapsedTime(start).TotalSeconds)} s"
            );
        }
    }

    private static void Refresh(string folder, int threads)
    {
        var target = Targets.Open(new TargetName(Targets.Cpu, 0), threads);
        foreach (var recording in Read(folder))
        {
            var problem = OperatorSpec.Parse(recording.Spec);
            Save(Recorder.Refresh(recording, new TuneTask(problem, target)), Path.Combine(folder, FileName(problem)));
        }
    }

    // Whole or not at all.
    private static void Save(Recording recording, string file)
    {
        string part = file + ".part";
        using (var writer = new StreamWriter(part))
            recording.Write(writer);
        File.Move(part, file, overwrite: true);
    }

    /// <exception cref="UsageException">There is none, or one is malformed.</exception>
    internal static IReadOnlyList<Recording> Read(string folder)
    {
        if (!Directory.Exists(folder))
            throw new UsageException($"--recordings '{folder}' is no folder; give a LIST of operators to record some.");
        var read = new List<Recording>();
        foreach (string file in Directory.EnumerateFiles(folder, "*" + Extension).Order(StringComparer.Ordinal))
        {
            try
            {
                using var reader = new StreamReader(file);
                read.Add(Recording.Read(reader));
            }
            catch (FormatException e)
            {
                throw new UsageException($"'{file}' is no recording: {e.Message.TrimEnd('.')}.", e);
            }
        }
        return read.Count > 0
            ? read
            : throw new UsageException(
                $"--recordings '{folder}' has no recordings; give a LIST of operators to record some."
            );
    }

    private static string FileName(Problem problem) =>
        string.Concat(problem.Label.Select(c => char.IsAsciiLetterOrDigit(c) || c is '=' or '.' ? c : '_')) + Extension;
}
