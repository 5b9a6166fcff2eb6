using System.Globalization;
using Picograd.Algorithms.Operators;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>What tuning an operator brought, in a few lines.</summary>
internal static class ResultText
{
    public static void Write(TextWriter to, TuneResult r, string database)
    {
        var spec = r.Task.Spec;
        to.WriteLine($"{spec} on {r.Task.Target.Fingerprint}");
        to.WriteLine(
            $"  stopped      {r.Stop.ToString().ToLowerInvariant()} after {Figures.Number(r.SearchSeconds)} s of search"
        );
        to.WriteLine(
            $"  candidates   {r.Tried} tried, {Figures.Number(r.CandidatesPerSecond)} a second: {Outcomes(r.Outcomes)}"
        );
        to.WriteLine(
            $"  to code      {Figures.Time(r.MedianReadyMilliseconds)} from candidate to running code (median)"
        );
        to.WriteLine(
            $"  cost model   {(r.RankCorrelation is { } rank ? $"rank correlation {rank.ToString("0.00", CultureInfo.InvariantCulture)} between prediction and measurement" : "too few candidates for a rank correlation")}"
        );
        to.WriteLine($"  best         {r.Description}");
        to.WriteLine($"  time         {Figures.Time(r.Milliseconds)}; {Default(r)}");
        to.WriteLine(
            $"  speed        {Rate.Text(spec, r.Milliseconds)}, {Figures.Percent(r.CeilingShare)} of the ceiling ({Figures.Time(r.Ceiling.Milliseconds)}, set by {r.Ceiling.Limit})"
        );
        to.WriteLine($"  stored       {Stored(r, database)}");
    }

    /// <summary>Counts by name, most first.</summary>
    public static string Outcomes(IReadOnlyDictionary<string, int> outcomes) =>
        string.Join(", ", outcomes.OrderByDescending(o => o.Value).Select(o => $"{o.Value} {o.Key}"));

    private static string Default(TuneResult r) =>
        r.DefaultMilliseconds is { } standard
            ? $"default schedule {Figures.Time(standard)}, {Figures.Ratio(r.Speedup!.Value)}"
            : "the default schedule could not be timed";

    private static string Stored(TuneResult r, string database) =>
        r.Stored switch
        {
            PutOutcome.Added => $"in {database}",
            PutOutcome.Replaced => $"in {database}, in place of a slower one",
            PutOutcome.Kept => $"nothing new: the record in {database} is at least as fast",
            _ => $"nothing: the winner failed certification ({r.Certification.Detail})",
        };
}
