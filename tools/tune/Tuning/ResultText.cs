using System.Globalization;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Search;
using Picograd.Search.Space;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>What tuning an operator brought, in a few lines.</summary>
internal static class ResultText
{
    public static void Write(TextWriter to, TuneResult r, string database)
    {
        var spec = r.Task.Problem;
        to.WriteLine($"{spec} on {r.Task.Target.Fingerprint}");
        if (spec.IsRange)
            to.WriteLine($"  measured at  {r.Task.Measured}, and as much at a point half way down");
        to.WriteLine($"  space        {Space(r.Space)}");
        foreach (var level in r.Levels.Where(l => double.IsFinite(l.BestMilliseconds)))
            to.WriteLine(
                $"  {level.Name, -12} {Figures.Time(level.BestMilliseconds)} after {level.Timed} timed: {level.Best}"
            );
        to.WriteLine(
            $"  stopped      {r.Stop.ToString().ToLowerInvariant()} after {Figures.Number(r.SearchSeconds)} s of search: {Why(r.Stop)}"
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
        to.WriteLine($"  spent        {PhasesOf([r])}");
        to.WriteLine($"  best         {r.Description}");
        to.WriteLine($"  time         {Figures.Time(r.Milliseconds)}; {Default(r)}");
        to.WriteLine(
            $"  speed        {Rate.Text(r.Task.Measured, r.Milliseconds)}, {Figures.Percent(r.CeilingShare)} of the ceiling ({Figures.Time(r.Ceiling.Milliseconds)}, set by {r.Ceiling.Limit})"
        );
        if (r.CeilingNote is { } note)
            to.WriteLine($"  ceiling      {note}");
        if (spec.IsRange && r.Certification.Ok)
            to.WriteLine($"  certified    {r.Certification.Detail}");
        to.WriteLine($"  stored       {Stored(r, database)}");
    }

    /// <summary>How many schedules there are, by rule.</summary>
    public static string Space(CandidateSpace space) =>
        $"{Points(space.Size)} of {space.Rules.Length} {(space.Rules.Length == 1 ? "rule" : "rules")}: {string.Join(", ", space.Rules.Select(r => $"{r.Name} {Count(r.Size)}{Knobs(r)}"))}";

    private static string Points(double size) => size == 1 ? "1 schedule" : $"{Count(size)} schedules";

    private static string Count(double size) =>
        size < 1e15 ? Figures.Count((long)size) : size.ToString("0.0e0", CultureInfo.InvariantCulture);

    private static string Knobs(RuleSpace rule)
    {
        var open = rule.Knobs.Where(k => k.Values.Length > 1).Select(k => k.Name).ToList();
        return open.Count == 0 ? "" : $" ({string.Join(" ", open)})";
    }

    /// <summary>Why a search ended, in words.</summary>
    public static string Why(StopReason stop) =>
        stop switch
        {
            StopReason.Budget => "it is spent",
            StopReason.Plateau => "many rounds brought nothing better",
            StopReason.Roofline => "the best is at the machine's ceiling",
            StopReason.Exhausted => "nothing new is left to try",
            StopReason.Cancelled => "interrupted",
            _ => throw new ArgumentOutOfRangeException(nameof(stop), stop, "an unknown reason"),
        };

    /// <summary>Counts by name, most first.</summary>
    public static string Outcomes(IReadOnlyDictionary<string, int> outcomes) =>
        string.Join(", ", outcomes.OrderByDescending(o => o.Value).Select(o => $"{o.Value} {o.Key}"));

    private static string Default(TuneResult r) =>
        r.DefaultMilliseconds is { } standard
            ? r.DefaultStands
                ? $"default schedule {Figures.Time(standard)}, {Figures.Ratio(1)}: nothing beat it by more than {Racing.EquivalenceMargin:0.0 %} in the final race"
                : $"default schedule {Figures.Time(standard)}, {Figures.Ratio(r.Speedup!.Value)} in the final race"
            : "the default schedule could not be timed";

    /// <summary>Seconds of each phase and in all, over several results.</summary>
    public static string PhasesOf(IReadOnlyList<TuneResult> results)
    {
        var phases = Phases
            .All.Select(p =>
                (Name: p, Seconds: results.Sum(r => r.PhaseSeconds.Where(s => s.Phase == p).Sum(s => s.Seconds)))
            )
            .Where(p => p.Seconds >= 0.005);
        return $"{string.Join(", ", phases.Select(p => $"{p.Name} {Figures.Number(p.Seconds)} s"))}; {Figures.Number(results.Sum(r => r.TotalSeconds))} s in all";
    }

    /// <summary>Why a winner was not stored.</summary>
    public static string NotStored(TuneResult r) =>
        r.IsWaiting && r.Certification.IsFault
            ? $"not yet certified, so nothing uses it: it waits in the database ({r.Certification.Detail}); 'tune db certify' tries again"
        : r.IsWaiting
            ? $"not yet certified, so nothing uses it: it waits in the database, where the next run of this operator finds it ({r.Certification.Detail}); a larger --budget gives it that time"
        : r.Certification.IsFault
            ? $"not stored: {(r.DefaultStands ? "the default schedule" : "the winner")} could not be certified, for a reason that is not its own ({r.Certification.Detail})"
        : r.Certification.IsRefused
            ? $"not stored: {(r.DefaultStands ? "not even the default schedule could" : "the winner could not")} be certified in time ({r.Certification.Detail}); a larger --budget gives it that time"
        : $"not stored: the winner failed certification ({r.Certification.Detail})";

    /// <summary>Says loudly which rules failed with an error of their own.</summary>
    /// <returns>How many operators that concerns.</returns>
    public static int TellRuleErrors(TextWriter to, IEnumerable<TuneResult?> results)
    {
        int concerned = 0;
        foreach (var result in results.OfType<TuneResult>().Where(r => r.RuleErrors.Count > 0))
        {
            concerned++;
            int count = result.Outcomes.GetValueOrDefault(OutcomeNames.RuleError);
            to.WriteLine(
                $"tune: {result.Task.Problem}: INTERNAL ERROR of a schedule rule, {count} times, which cost the schedules concerned and nothing else; please report it: {string.Join("; ", result.RuleErrors)}"
            );
        }
        return concerned;
    }

    private static string Stored(TuneResult r, string database) =>
        r.Stored switch
        {
            PutOutcome.Added or PutOutcome.Replaced when r.DefaultStands =>
                $"in {database}: the default schedule's own trace, so that it need not be searched again",
            PutOutcome.Added => $"in {database}",
            PutOutcome.Replaced => $"in {database}, in place of another",
            PutOutcome.Kept => $"nothing new: the record in {database} is at least as fast",
            _ => NotStored(r),
        };
}
