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
        var certify = DbCertifyCommand.Option();
        var trust = new Option<string?>("--trust")
        {
            Description =
                "Takes the word of this public key's owner for what was certified; the text must be signed with it",
            HelpName = "KEY",
        };
        var command = new Command("import", "Reads exported winners, which then wait for certification")
        {
            file,
            db,
            certify,
            trust,
        };
        command.SetAction(parsed =>
        {
            using var store = DbCommand.Write(parsed, db);
            var result = store.ImportFile(parsed.GetValue(file)!, parsed.GetValue(trust));
            console.Out.WriteLine(
                $"{result.Added} records added, {result.Replaced} replaced slower ones, {result.Kept} were not faster than what is there"
            );
            if (result.Added + result.Replaced > 0 && !parsed.GetValue(certify))
                CertificationRun.Tell(console.Out, store);
            foreach (string problem in result.Problems)
                console.Error.WriteLine($"tune: refused: {problem}");
            store.Dispose();
            int code = parsed.GetValue(certify)
                ? new CertificationRun(console, parsed.GetValue(db), 0).Run(new TuneFilter())
                : TuneCommand.Success;
            return result.Problems.Count == 0
                ? code
                : throw new FailureException(
                    $"{result.Problems.Count} records of '{parsed.GetValue(file)}' were refused."
                );
        });
        return command;
    }
}
