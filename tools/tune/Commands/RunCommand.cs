using System.CommandLine;
using Picograd.Algorithms.Operators;
using Picograd.Search;

namespace Picograd.Tune;

/// <summary><c>tune run FILE</c>: tunes every operator of a file, or of a program's profile, with one budget.</summary>
internal static class RunCommand
{
    private const string StandardBudget = "5m";

    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string>("FILE")
        {
            Description = "Operators, one a line, or what a program recorded (PICOGRAD_PROFILE=FILE)",
        };
        var target = CommonOptions.Target();
        var threads = CommonOptions.Threads();
        var budget = BudgetOption.Create($"{StandardBudget} for the whole file");
        var db = CommonOptions.Db();
        var seed = CommonOptions.Seed();
        var again = Again();
        var command = new Command("run", "Tunes every operator of a file; the budget goes where it gains most")
        {
            file,
            target,
            threads,
            budget,
            db,
            seed,
            again,
        };
        command.SetAction(parsed =>
        {
            var on = Targets.Named(parsed, target);
            var spend = BudgetOption.Of(parsed, budget, StandardBudget);
            int count = CommonOptions.ThreadsOf(parsed, threads);
            int start = CommonOptions.SeedOf(parsed, seed);
            var specs = SpecFile.Read(parsed.GetValue(file)!, console.Error);
            var groups = specs.Profile is { } profile
                ? OperatorGroup.Of(
                    profile,
                    specs.Labels,
                    parsed.GetValue(target) is null ? null : on,
                    parsed.GetValue(threads) is null ? null : count
                )
                : [OperatorGroup.Of(on, count, specs.Problems)];
            if (groups.Count == 0)
                throw new UsageException($"--target is '{on}', but nothing of the profile ran there.");
            var tuning = new ProgramTuning(console, parsed.GetValue(db), start, parsed.GetValue(again))
            {
                Began = console.Began,
            };
            var done = tuning.Run(groups, spend);
            foreach (var group in done)
                Write(console.Out, group);
            int code = tuning.Conclude(done);
            return code == TuneCommand.Success ? specs.ExitCode : code;
        });
        return command;
    }

    public static Option<bool> Again() =>
        new("--again") { Description = "Tune also what is tuned under the same conditions already" };

    private static void Write(TextWriter to, GroupTuning group)
    {
        if (group.Results.Count == 0)
            return;
        WriteTable(to, group.Results);
        to.WriteLine($"time: {ResultText.PhasesOf([.. group.Results.Select(r => r.Result).OfType<TuneResult>()])}");
        to.WriteLine($"stored in {group.Database}");
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
                    task.Problem.ToString(),
                    result.DefaultMilliseconds is { } standard ? Figures.Time(standard) : null,
                    Figures.Time(result.Milliseconds),
                    result.Speedup is { } gain ? Figures.Ratio(gain) : null,
                    Rate.Text(task.Measured, result.Milliseconds),
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
                to.WriteLine($"{task.Problem}: not tuned: {failure}");
            else if (result.Stored is null)
                to.WriteLine($"{task.Problem}: {ResultText.NotStored(result)}");
        }
    }
}
