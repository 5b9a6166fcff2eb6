using System.CommandLine;
using System.Diagnostics;
using Picograd.Algorithms.Operators;
using Picograd.Models;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// <c>tune quickstart</c>: the whole road once: measures the machine, tunes the operators of a character model, trains it,
/// makes up words, and says what tuning gained.
/// </summary>
internal static class QuickstartCommand
{
    private const string StandardBudget = "40s";
    private const int StandardSteps = 20_000;
    private const int MostSteps = 100_000_000;
    private const double StepSeconds = 0.5;

    public static Command Create(ToolConsole console)
    {
        var data = new Option<string?>("--data")
        {
            Description = "Words, one a line; default: names of the .NET libraries' types",
            HelpName = "FILE",
        };
        var budget = BudgetOption.Create(StandardBudget);
        var steps = new Option<string?>("--steps")
        {
            Description = $"Training steps; default {StandardSteps}",
            HelpName = "N",
        };
        var threads = CommonOptions.Threads();
        var db = CommonOptions.Db();
        var seed = CommonOptions.Seed();
        var command = new Command("quickstart", "Tunes, trains and samples a small model on this machine")
        {
            data,
            budget,
            steps,
            threads,
            db,
            seed,
        };
        command.SetAction(parsed =>
        {
            long start = Stopwatch.GetTimestamp();
            var spend = BudgetOption.Of(parsed, budget, StandardBudget);
            int count = CommonOptions.ThreadsOf(parsed, threads);
            int train = (int)CommonOptions.Whole(parsed, steps, 1, MostSteps, StandardSteps);
            int begin = CommonOptions.SeedOf(parsed, seed);
            var words = Load(parsed.GetValue(data));
            using var run = new TuningRun(console, parsed.GetValue(db), count, begin);
            return Run(console, run, words, spend, train, begin, start);
        });
        return command;
    }

    /// <exception cref="UsageException">The file is not one of words.</exception>
    private static CharDataset Load(string? path)
    {
        if (path is null)
            return new CharDataset(TypeNames.All());
        try
        {
            return CharDataset.Load(path);
        }
        catch (Exception e) when (e is InvalidDataException or ArgumentException)
        {
            throw new UsageException($"--data: {e.Message}", e);
        }
    }

    private static int Run(
        ToolConsole console,
        TuningRun run,
        CharDataset data,
        SearchBudget budget,
        int steps,
        int seed,
        long start
    )
    {
        var to = console.Out;
        int threads = run.Target.Backend.Target.Threads;
        to.WriteLine($"{run.Machine}: {run.Target.Backend.Target.Fingerprint}");
        to.WriteLine(
            $"{data.WordCount} words, {data.Train.Count} examples to learn from, {data.Vocabulary} characters"
        );
        var specs = new CharMlp(data.Vocabulary).StepSpecs().Select(OperatorSpec.Parse).ToList();
        Tune(console, run, specs, budget);
        if (console.Cancel.IsCancellationRequested)
            throw new FailureException("interrupted; what was found until then is stored.");

        Training training;
        double tuned;
        string[] samples;
        using (new ServedKernels(run.Store.Address, threads))
        {
            training = new Training(data, seed);
            to.WriteLine(
                $"training starts {Figures.Number(Stopwatch.GetElapsedTime(start).TotalSeconds)} s after the command: {training.Model.ParameterCount} parameters, {steps} steps"
            );
            training.Run(steps, to, console.Cancel);
            samples = [.. training.Samples()];
            tuned = training.TimeStep(StepSeconds);
        }
        to.WriteLine($"made up: {string.Join(", ", samples)}");
        double untuned;
        using (new ServedKernels(null, threads, untuned: true))
            untuned = training.TimeStep(StepSeconds);
        WriteTable(to, run, specs, untuned, tuned);
        return TuneCommand.Success;
    }

    private static void Tune(ToolConsole console, TuningRun run, List<OperatorSpec> specs, SearchBudget budget)
    {
        var missing = specs.Where(s => run.Store.FindOwn(run.TaskOf(s).Key) is null).ToList();
        if (missing.Count == 0)
        {
            console.Out.WriteLine($"all {specs.Count} operators of a training step are tuned already");
            return;
        }
        var ceilings = run.Target.Ceilings;
        console.Out.WriteLine(
            $"ceilings: {Figures.Number(ceilings.Gflops)} GFLOP/s, {string.Join(", ", ceilings.Levels.Select(l => $"{l.Name} {Figures.Number(l.ReadGbps)} GB/s"))}"
        );
        console.Out.WriteLine(
            $"tuning {missing.Count} of the {specs.Count} operators of a training step, budget {budget}"
        );
        foreach (var (task, result, failure) in run.TuneAll([.. missing.Select(s => s.Problem)], budget))
        {
            if (result is null)
                console.Error.WriteLine(
                    $"tune: {task.Problem} was not tuned and runs on its default schedule: {failure}"
                );
            else if (result.Stored is null)
                console.Error.WriteLine(
                    $"tune: {task.Problem} runs on its default schedule: {result.Certification.Detail}"
                );
        }
    }

    private static void WriteTable(TextWriter to, TuningRun run, List<OperatorSpec> specs, double untuned, double tuned)
    {
        to.WriteLine();
        var table = new TextTable("operator", ">untuned", ">tuned", ">gain", ">rate");
        foreach (var spec in specs)
        {
            if (run.Store.FindOwn(run.TaskOf(spec).Key) is not { } record)
                table.Add(spec.ToString(), null, null, null, null);
            else
                table.Add(
                    spec.ToString(),
                    record.DefaultMilliseconds is { } standard ? Figures.Time(standard) : null,
                    Figures.Time(record.Milliseconds),
                    record.Speedup is { } gain ? Figures.Ratio(gain) : null,
                    Rate.Text(spec, record.Milliseconds)
                );
        }
        table.Add("a training step", Figures.Time(untuned), Figures.Time(tuned), Figures.Ratio(untuned / tuned), null);
        table.Write(to);
        to.WriteLine();
        to.WriteLine($"the database is {run.Store.FilePath}");
    }
}
