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
        var sign = new Option<string?>("--sign")
        {
            Description = "Signs the text with this private key, which 'tune db keygen' makes",
            HelpName = "KEY",
        };
        var command = new Command("export", "Writes the winners as text") { file, db, only, waiting, sign };
        command.SetAction(parsed =>
        {
            var filter = DbCommand.Filter(parsed, only);
            if (parsed.GetValue(sign) is not null && parsed.GetValue(waiting))
            {
                throw new UsageException(
                    "--sign says that records were certified, so it does not go with --uncertified, which writes those that were not."
                );
            }
            // What is signed was found and certified here: of a shared database the file on this machine holds that.
            bool signs = parsed.GetValue(sign) is not null;
            using var store = signs
                ? TuneDatabase.OpenForUse(TuneDbLocation.Resolve(parsed.GetValue(db)), TuneDbMode.ReadOnly)
                : DbCommand.Read(parsed, db);
            if (signs)
                filter = filter with { Origin = TuneOrigin.Local };
            if (parsed.GetValue(file) is not { } path || path == "-")
            {
                var text = new StringWriter();
                store.Export(text, filter, parsed.GetValue(waiting));
                console.Raw.Write(
                    parsed.GetValue(sign) is { } key ? SigningKey.Sign(text.ToString(), key) : text.ToString()
                );
                return TuneCommand.Success;
            }
            int count = store.ExportFile(path, filter, parsed.GetValue(waiting), parsed.GetValue(sign));
            console.Out.WriteLine($"wrote {count} record{(count == 1 ? "" : "s")} to {path}");
            return TuneCommand.Success;
        });
        return command;
    }
}
