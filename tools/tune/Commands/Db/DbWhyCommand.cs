using System.CommandLine;
using System.Globalization;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db why SPEC</c>: how the winner came to be: search, certification, history, candidates by outcome.</summary>
internal static class DbWhyCommand
{
    public static Command Create(ToolConsole console)
    {
        var spec = SpecWords.Argument();
        var db = CommonOptions.Db();
        var command = new Command("why", "Tells how the winner of one operator was found") { spec, db };
        command.SetAction(parsed =>
        {
            using var store = DbCommand.Read(parsed, db);
            foreach (var record in DbCommand.RecordsOf(store, parsed, spec))
                Tell(console.Out, store, record);
            return TuneCommand.Success;
        });
        return command;
    }

    private static void Tell(TextWriter to, TuneDatabase store, TuneRecord record)
    {
        var p = record.Provenance;
        to.WriteLine($"{record.Spec} on {record.Key.Target}");
        to.WriteLine(
            $"  time           {Figures.Time(record.Milliseconds)}"
                + (
                    record.DefaultMilliseconds is { } d
                        ? $"; default schedule {Figures.Time(d)}, {Figures.Ratio(record.Speedup!.Value)}"
                            + (record.Speedup > 1 ? "" : ", which it did not beat: dispatch runs the default schedule")
                        : "; what it gains over the default schedule was not measured"
                )
        );
        to.WriteLine($"  samples        {record.Samples.Count}{Spread(record.Samples)}");
        to.WriteLine(
            $"  found          {Figures.Moment(p.Utc)} UTC on {p.Machine}, {p.RuntimeVersion}, Picograd {p.ToolVersion}"
        );
        to.WriteLine(
            $"  search         budget {p.Budget}, seed {p.Seed}, {p.CandidatesTried} candidates, stopped by {p.StopReason}"
        );
        var c = record.Certification;
        to.WriteLine(
            $"  certification  {(c.Ok ? "passed" : "failed")}: error {c.ErrorRatio.ToString("0.####", CultureInfo.InvariantCulture)} of the bound, "
                + (c.BitStable ? "same bits every run" : "bits differ between runs")
                + (c.Detail.Length > 0 ? $" ({PlainText.Of(c.Detail)})" : "")
        );
        to.WriteLine($"  served         {Served(record)} ({record.Origin.ToString().ToLowerInvariant()})");
        to.WriteLine($"  trace          {record.TraceHash}; 'tune db show {record.Spec}' prints it");
        foreach (var entry in store.History(record.Key))
        {
            to.WriteLine(
                $"  history        {Figures.Moment(entry.RecordedUtc)} {entry.Outcome.ToString().ToLowerInvariant()} {Figures.Time(entry.Record.Milliseconds)} (trace {entry.Record.TraceHash[..8]})"
            );
        }
        var candidates = store.Candidates(record.Key);
        foreach (var outcome in candidates.GroupBy(x => x.Outcome).OrderByDescending(g => g.Count()))
            to.WriteLine($"  candidates     {outcome.Count()} {PlainText.Of(outcome.Key)}");
        to.WriteLine();
    }

    private static string Served(TuneRecord record) =>
        OwnTargets.Find(record.Key.Target) is null ? "no, it is foreign: for another machine"
        : OwnTargets.IsOutdated(record)
            ? "no, it was certified with another driver or compiler: 'tune db certify' certifies it again"
        : record.IsServable ? "yes"
        : "no, it waits for certification on this machine";

    private static string Spread(IReadOnlyList<double> samples) =>
        samples.Count == 0 ? "" : $", {Figures.Time(samples.Min())} to {Figures.Time(samples.Max())}";
}
