using System.CommandLine;
using Picograd.Algorithms.Operators;
using Picograd.Search;

namespace Picograd.Tune;

/// <summary><c>tune run FILE</c>: tunes every operator of a file with one budget.</summary>
internal static class RunCommand
{
    private const string StandardBudget = "5m";

    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string>("FILE") { Description = "Operators, one a line" };
        var target = CommonOptions.Target();
        var threads = CommonOptions.Threads();
        var budget = BudgetOption.Create($"{StandardBudget} for the whole file");
        var db = CommonOptions.Db();
        var seed = CommonOptions.Seed();
        var command = new Command("run", "Tunes every operator of a file; the budget goes where it gains most")
        {
            file,
            target,
            threads,
            budget,
            db,
            seed,
        };
        command.SetAction(parsed =>
        {
            var on = Targets.Named(parsed, target);
            var spend = BudgetOption.Of(parsed, budget, StandardBudget);
            int count = CommonOptions.ThreadsOf(parsed, threads);
            int start = CommonOptions.SeedOf(parsed, seed);
            var specs = SpecFile.Read(parsed.GetValue(file)!, console.Error);
            using var run = new TuningRun(console, parsed.GetValue(db), count, start, on);
            var results = run.TuneAll([.. specs.Specs], spend);
            WriteTable(console.Out, results);
            console.Out.WriteLine(
                $"time: {ResultText.PhasesOf([.. results.Select(r => r.Result).OfType<TuneResult>()])}"
            );
            console.Out.WriteLine($"stored in {run.Store.FilePath}");
            int failed = results.Count(r => r.Result?.Stored is null);
            int faulty = ResultText.TellRuleErrors(console.Error, results.Select(r => r.Result));
            if (failed > 0)
                throw new FailureException($"{failed} of {results.Count} operators have no winner that is stored.");
            return faulty > 0 ? TuneCommand.Failure : specs.ExitCode;
        });
        return command;
    }

    internal static void WriteTable(
        TextWriter to,
        IReadOnlyList<(TuneTask Task, TuneResult? Result, string? Failure)> results
    )
    {
        var table = new TextTable(
            "operator",
            ">default",
            ">tuned",
            ">gain",
            ">rate",
            ">of ceiling",
            "tried",
            "stopped by"
        );
        foreach (var (task, result, failure) in results)
        {
            if (result is not null)
            {
                table.Add(
                    task.Spec.ToString(),
                    result.DefaultMilliseconds is { } standard ? Figures.Time(standard) : null,
                    Figures.Time(result.Milliseconds),
                    result.Speedup is { } gain ? Figures.Ratio(gain) : null,
                    Rate.Text(task.Spec, result.Milliseconds),
                    Figures.Percent(result.CeilingShare),
                    $"{result.Tried}",
                    result.Stop.ToString().ToLowerInvariant() + (result.DefaultStands ? "; the default stands" : "")
                );
            }
        }
        if (!table.IsEmpty)
            table.Write(to);
        foreach (var (task, result, failure) in results)
        {
            if (result is null)
                to.WriteLine($"{task.Spec}: not tuned: {failure}");
            else if (result.Stored is null)
                to.WriteLine($"{task.Spec}: {ResultText.NotStored(result)}");
        }
    }
}
