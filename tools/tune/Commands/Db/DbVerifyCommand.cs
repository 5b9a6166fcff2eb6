using System.CommandLine;

namespace Picograd.Tune;

/// <summary><c>tune db verify</c>: checks the file and every record in it.</summary>
internal static class DbVerifyCommand
{
    public static Command Create(ToolConsole console)
    {
        var db = CommonOptions.Db();
        var command = new Command("verify", "Checks the file and every record in it") { db };
        command.SetAction(parsed =>
        {
            using var store = DbCommand.Read(parsed, db);
            var report = store.Verify();
            console.Out.WriteLine(
                $"{store.FilePath}: {report.Records} sound records, {report.Certified} of them certified"
            );
            foreach (string problem in report.Problems)
                console.Out.WriteLine($"  {problem}");
            return report.Ok
                ? TuneCommand.Success
                : throw new FailureException(
                    $"'{store.FilePath}' has {report.Problems.Count} problem{(report.Problems.Count == 1 ? "" : "s")}; 'tune db prune --damaged' removes damaged records, 'tune db copy' takes what can be read of a damaged file into a new one."
                );
        });
        return command;
    }
}
