using System.CommandLine;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db merge FILE</c>: takes over the records of another database.</summary>
internal static class DbMergeCommand
{
    public static Command Create(ToolConsole console)
    {
        var file = new Argument<string>("FILE")
        {
            Description = "Another database, also litedb:FILE or sqlite:FILE; it is only read",
        };
        var db = CommonOptions.Db();
        var certify = DbCertifyCommand.Option();
        var command = new Command("merge", "Takes over the records of another database") { file, db, certify };
        command.SetAction(parsed =>
        {
            using var store = DbCommand.Write(parsed, db);
            var result = store.MergeFile(parsed.GetValue(file)!);
            console.Out.WriteLine(
                $"{result.Added} records added, {result.Replaced} replaced slower ones, {result.Kept} were not faster than what is there, {result.Damaged} were damaged and left out; {result.Candidates} log entries"
            );
            if (result.Added + result.Replaced > 0 && !parsed.GetValue(certify))
                CertificationRun.Tell(console.Out, store);
            store.Dispose();
            return parsed.GetValue(certify)
                ? new CertificationRun(console, parsed.GetValue(db), 0).Run(new TuneFilter())
                : TuneCommand.Success;
        });
        return command;
    }
}
