using System.CommandLine;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db import FILE</c>: reads exported winners; they wait for certification on this machine.</summary>
internal static class DbImportCommand
{
    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string>("FILE") { Description = "Text written by 'tune db export'" };
        var db = CommonOptions.Db();
        var command = new Command("import", "Reads exported winners, which then wait for certification") { file, db };
        command.SetAction(parsed =>
        {
            using var store = DbCommand.Write(parsed, db);
            var result = store.ImportFile(parsed.GetValue(file)!);
            console.Out.WriteLine(
                $"{result.Added} records added, {result.Replaced} replaced slower ones, {result.Kept} were not faster than what is there"
            );
            if (result.Added + result.Replaced > 0)
                console.Out.WriteLine(
                    "they wait for certification: 'tune op SPEC' on the machine that they are for times and certifies them"
                );
            foreach (string problem in result.Problems)
                console.Error.WriteLine($"tune: refused: {problem}");
            return result.Problems.Count == 0
                ? TuneCommand.Success
                : throw new FailureException(
                    $"{result.Problems.Count} records of '{parsed.GetValue(file)}' were refused."
                );
        });
        return command;
    }
}
