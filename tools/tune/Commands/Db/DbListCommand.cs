using System.CommandLine;
using System.Text.Json.Serialization;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db list</c>: the records, by target.</summary>
internal static class DbListCommand
{
    private sealed record Row(
        [property: JsonPropertyName("spec")] string Spec,
        [property: JsonPropertyName("target")] string Target,
        [property: JsonPropertyName("policy")] string Policy,
        [property: JsonPropertyName("ms")] double Milliseconds,
        [property: JsonPropertyName("default_ms")] double? DefaultMilliseconds,
        [property: JsonPropertyName("certified")] bool Certified,
        [property: JsonPropertyName("foreign")] bool Foreign,
        [property: JsonPropertyName("origin")] string Origin,
        [property: JsonPropertyName("utc")] DateTime Utc
    );

    public static Command Create(ToolConsole console)
    {
        var db = CommonOptions.Db();
        var only = DbCommand.Operator();
        var json = CommonOptions.Json();
        var command = new Command("list", "Lists the tuned operators") { db, only, json };
        command.SetAction(parsed =>
        {
            var filter = DbCommand.Filter(parsed, only);
            using var store = DbCommand.Read(parsed, db);
            return Run(console, store, store.All(filter), parsed.GetValue(json));
        });
        return command;
    }

    private static int Run(ToolConsole console, TuneDatabase store, IReadOnlyList<TuneRecord> records, bool json)
    {
        if (json)
        {
            foreach (var r in records)
                JsonLines.Write(console.Out, RowOf(r));
            return TuneCommand.Success;
        }
        console.Out.WriteLine($"{store.FilePath}: {records.Count} record{(records.Count == 1 ? "" : "s")}");
        foreach (var target in records.GroupBy(r => r.Key.Target).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            console.Out.WriteLine();
            console.Out.WriteLine(PlainText.Of(target.Key));
            var table = new TextTable("operator", ">time", ">default", ">gain", "state", "measured");
            foreach (var r in target.OrderBy(r => r.Spec, StringComparer.Ordinal))
            {
                table.Add(
                    PlainText.Of(r.Spec),
                    Figures.Time(r.Milliseconds),
                    r.DefaultMilliseconds is { } standard ? Figures.Time(standard) : null,
                    r.Speedup is { } gain ? Figures.Ratio(gain) : null,
                    State(r),
                    Figures.Moment(r.Provenance.Utc)
                );
            }
            table.Write(console.Out, "  ");
        }
        int other = records.Count(OwnTargets.IsOfOtherCompiler);
        if (other > 0)
            console.Out.WriteLine(
                $"\n{other} {(other == 1 ? "is" : "are")} of another version of the compiler and not served; 'tune db certify' checks and times {(other == 1 ? "it" : "them")} again"
            );
        if (store.DamagedSkipped > 0)
            console.Error.WriteLine(
                $"tune: {store.DamagedSkipped} damaged records were skipped; see 'tune db verify'."
            );
        return TuneCommand.Success;
    }

    /// <summary>
    /// Certified (here, or foreign: on the other machine that it is for) or waiting for that, and where it came from.
    /// </summary>
    internal static string State(TuneRecord record) =>
        (record.Certified ? "certified" : "waiting")
        + (OwnTargets.Find(record.Key.Target) is null ? ", foreign" : "")
        + (OwnTargets.IsOfOtherCompiler(record) ? ", other compiler" : "")
        + (record.Origin == TuneOrigin.Local ? "" : $", {record.Origin.ToString().ToLowerInvariant()}");

    private static Row RowOf(TuneRecord r) =>
        new(
            r.Spec,
            r.Key.Target,
            r.Key.Policy,
            r.Milliseconds,
            r.DefaultMilliseconds,
            r.Certified,
            OwnTargets.Find(r.Key.Target) is null,
            r.Origin.ToString().ToLowerInvariant(),
            r.Provenance.Utc
        );
}
