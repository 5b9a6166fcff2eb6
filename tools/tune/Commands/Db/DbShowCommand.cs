using System.CommandLine;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db show SPEC</c>: the stored schedules of one operator instance.</summary>
internal static class DbShowCommand
{
    public static Command Create(ToolConsole console)
    {
        var spec = SpecWords.Argument();
        var db = CommonOptions.Db();
        var command = new Command("show", "Shows the stored schedules of one operator") { spec, db };
        command.SetAction(parsed =>
        {
            using var store = DbCommand.Read(parsed, db);
            foreach (var record in DbCommand.RecordsOf(store, parsed, spec))
            {
                console.Out.WriteLine(
                    $"{record.Spec}: {Figures.Time(record.Milliseconds)}, {DbListCommand.State(record)}"
                );
                console.Out.WriteLine($"target  {record.Key.Target}");
                console.Out.WriteLine($"policy  {record.Key.Policy}, compiler {record.Key.CompilerVersion}");
                if (record.Guards.Count > 0)
                    console.Out.WriteLine($"guards  {PlainText.Of(string.Join(", ", record.Guards))}");
                if (record.ProblemText.Length > 0)
                    console.Out.WriteLine(record.ProblemText.TrimEnd());
                console.Out.WriteLine(record.Trace.TrimEnd());
                console.Out.WriteLine();
            }
            return TuneCommand.Success;
        });
        return command;
    }
}
