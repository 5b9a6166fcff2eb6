using System.CommandLine;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db copy FROM TO</c>: a whole database in a new file, of another provider if wanted.</summary>
internal static class DbCopyCommand
{
    public static Command Create(ToolConsole console)
    {
        var from = new Argument<string>("FROM")
        {
            Description = "A database, also litedb:FILE or sqlite:FILE; it is only read",
        };
        var to = new Argument<string>("TO")
        {
            Description = "The new file; litedb:FILE or sqlite:FILE chooses the kind, else its extension, else LiteDB",
        };
        var command = new Command(
            "copy",
            "Copies a whole database into a new file, of another kind if wanted; also what is left of a damaged one"
        )
        {
            from,
            to,
        };
        command.SetAction(parsed =>
        {
            var result = TuneDatabaseCopy.Copy(parsed.GetValue(from)!, parsed.GetValue(to)!);
            console.Out.WriteLine(
                $"copied {result.Records} records, {result.History} entries of the history, {result.Candidates} entries of the log"
            );
            return result.Damaged == 0
                ? TuneCommand.Success
                : throw new FailureException(
                    $"{result.Damaged} parts of '{parsed.GetValue(from)}' were damaged and are not in the copy."
                );
        });
        return command;
    }
}
