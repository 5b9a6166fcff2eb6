using System.CommandLine;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// <c>tune model PROJECT [-- ARGUMENT…]</c>: runs the user's own program, tunes what it spends its time on, runs it again, and
/// says what that gained.
/// </summary>
internal static class ModelCommand
{
    private const string StandardBudget = "5m";

    public static Command Create(ToolConsole console)
    {
        var program = new Argument<string>("PROJECT")
        {
            Description = "A project or its folder, an assembly (.dll), or an executable",
        };
        var arguments = new Argument<string[]>("ARGUMENT")
        {
            Description = "What the program is given; behind -- where it begins with a hyphen",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var threads = CommonOptions.Threads();
        threads.Description =
            "Threads that the program's kernels may use, unless it says itself; default: one a physical core";
        var budget = BudgetOption.Create($"{StandardBudget} for tuning; the program's own runs do not count");
        var db = CommonOptions.Db();
        var seed = CommonOptions.Seed();
        var again = RunCommand.Again();
        var command = new Command("model", "Runs a program, tunes what it spends its time on, and runs it again")
        {
            program,
            arguments,
            threads,
            budget,
            db,
            seed,
            again,
        };
        command.SetAction(parsed =>
        {
            var spend = BudgetOption.Of(parsed, budget, StandardBudget);
            int? count = parsed.GetValue(threads) is null ? null : CommonOptions.ThreadsOf(parsed, threads);
            int start = CommonOptions.SeedOf(parsed, seed);
            var tuning = new ProgramTuning(console, parsed.GetValue(db), start, parsed.GetValue(again));
            string database;
            // The program would say that a database is missing, which is where everybody begins.
            using (var store = DbCommand.Write(parsed, db))
                database = store.Address;
            var model = ModelProgram.Of(console, parsed.GetValue(program)!, parsed.GetValue(arguments) ?? []);
            return Run(console, model, tuning, database, count, spend);
        });
        return command;
    }

    private static int Run(
        ToolConsole console,
        ModelProgram model,
        ProgramTuning tuning,
        string database,
        int? threads,
        Search.SearchBudget budget
    )
    {
        console.Error.WriteLine("tune: the program runs and records its operators");
        var before = model.Run(database, threads);
        console.Out.WriteLine(
            $"the program took {Figures.Time(before.Seconds * 1000)}, of which {Figures.Time(before.Profile.KernelMilliseconds)} in {before.Profile.Operators.Select(o => o.Spec).Distinct().Count()} operators"
        );
        var groups = OperatorGroup.Of(before.Profile, Usable(console, before.Profile), null, null);
        if (groups.Count == 0)
            throw new FailureException("none of the program's operators can be tuned here.");
        var tuned = tuning.Run(groups, budget);
        if (console.Cancel.IsCancellationRequested)
            throw new FailureException("interrupted; what was found until then is stored.");
        console.Out.WriteLine();
        if (tuned.All(g => g.Results.Count == 0))
        {
            ModelReport.Write(console.Out, before);
            return tuning.Conclude(tuned);
        }
        console.Error.WriteLine("tune: the program runs again");
        var after = model.Run(database, threads);
        ModelReport.Write(console.Out, before, after, tuned);
        console.Out.WriteLine($"winners are in {database}");
        return tuning.Conclude(tuned);
    }

    /// <summary>The operators that this version knows and this machine's memory holds.</summary>
    private static Dictionary<string, Problem> Usable(ToolConsole console, Dispatch.Profiles.OperatorProfile profile) =>
        SpecFile.Usable(
            profile,
            (label, message) => console.Error.WriteLine($"tune: {PlainText.Of(label)} is not tuned: {message}")
        );
}
