using System.CommandLine;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db export [FILE]</c>: the winners as text.</summary>
internal static class DbExportCommand
{
    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string?>("FILE")
        {
            Description = "Where to write; without it, or with -, to the output",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var db = CommonOptions.Db();
        var only = DbCommand.Operator();
        var waiting = new Option<bool>("--uncertified") { Description = "Records that wait for certification too" };
        var command = new Command("export", "Writes the winners as text") { file, db, only, waiting };
        command.SetAction(parsed =>
        {
            var filter = DbCommand.Filter(parsed, only);
            using var store = DbCommand.Read(parsed, db);
            if (parsed.GetValue(file) is not { } path || path == "-")
            {
                store.Export(console.Raw, filter, parsed.GetValue(waiting));
                return TuneCommand.Success;
            }
            int count = store.ExportFile(path, filter, parsed.GetValue(waiting));
            console.Out.WriteLine($"wrote {count} record{(count == 1 ? "" : "s")} to {path}");
            return TuneCommand.Success;
        });
        return command;
    }
}
