using Picograd.Search.Measurement;

namespace Picograd.Search;

/// <summary>What a race says.</summary>
/// <param name="Order">Candidates by preference: the winner first; those that failed are left out.</param>
/// <param name="Milliseconds">Median time of each candidate over the rounds that count; NaN where it failed.</param>
/// <param name="Samples">Times of each candidate in those rounds.</param>
/// <param name="RoundsDiscarded">Rounds in which the sentinel was slow.</param>
public sealed record RaceResult(
    IReadOnlyList<int> Order,
    IReadOnlyList<double> Milliseconds,
    IReadOnlyList<IReadOnlyList<double>> Samples,
    int RoundsDiscarded
);

/// <summary>
/// Picks the winner of interleaved rounds. Only times of the same round are compared, so a machine that is slow for a
/// while is slow for all; rounds in which the sentinel was slow do not count at all. Each heat has one voice, the median of
/// its rounds, and the median of the heats decides: see <see cref="RacePlan"/>.
/// </summary>
public static class Racing
{
    /// <summary>Kernels closer than this are equally good in practice: below it, repeated searches would disagree.</summary>
    public const double EquivalenceMargin = 0.015;

    /// <summary>A round counts if the sentinel took at most this much more than in the quietest round.</summary>
    private const double SentinelMargin = 0.05;

    private const int FewestRounds = 5;

    /// <summary>
    /// Whether a schedule is worth more than the default one: whether it beat it by more than the margin, by the median of
    /// heats.
    /// </summary>
    /// <param name="times">Rounds of the two: the schedule first, the default second.</param>
    /// <param name="margin">Practical equivalence, as a share of the time.</param>
    /// <returns>Also the result of the race, in which either may have failed.</returns>
    public static (bool Beaten, RaceResult Result) BeatsDefault(RaceTimes times, double margin = EquivalenceMargin)
    {
        // The default is the simpler one and the incumbent: it comes first unless the other is better beyond the margin.
        var result = Decide(times, [1, 0], incumbent: 1, margin);
        bool first = result.Order.Count > 0 && result.Order[0] == 0;
        // The store keeps both medians, and they must say what the heats said.
        return (first && !(result.Milliseconds[0] >= result.Milliseconds[1]), result);
    }

    /// <param name="times">The rounds.</param>
    /// <param name="complexity">Of each candidate; of equally good ones the simplest wins.</param>
    /// <param name="incumbent">Stays unless another is better by more than the margin; null for none.</param>
    /// <param name="margin">Practical equivalence, as a share of the time.</param>
    public static RaceResult Decide(
        RaceTimes times,
        IReadOnlyList<int> complexity,
        int? incumbent = null,
        double margin = EquivalenceMargin
    )
    {
        int n = complexity.Count;
        if (times.Rounds.Count == 0)
            return new RaceResult(
                [],
                [.. Enumerable.Repeat(double.NaN, n)],
                [.. Enumerable.Repeat<double[]>([], n)],
                0
            );
        double quiet = times.Sentinel.Min();
        var counting = Enumerable
            .Range(0, times.Rounds.Count)
            .Where(r => times.Sentinel[r] <= quiet * (1 + SentinelMargin))
            .ToList();
        // On a machine that is never quiet the quietest rounds must do.
        if (counting.Count < FewestRounds)
            counting =
            [
                .. Enumerable.Range(0, times.Rounds.Count).OrderBy(r => times.Sentinel[r]).Take(FewestRounds).Order(),
            ];
        var samples = Enumerable.Range(0, n).Select(i => counting.Select(r => times.Rounds[r][i]).ToArray()).ToArray();
        var running = Enumerable.Range(0, n).Where(i => samples[i].All(double.IsFinite)).ToList();
        var medians = samples.Select(s => s.All(double.IsFinite) ? Median(s) : double.NaN).ToArray();
        if (running.Count == 0)
            return new RaceResult([], medians, samples, times.Rounds.Count - counting.Count);
        int fastest = running.MinBy(i => Ratio(i, running[0]));
        var order = running
            .Select(i => (Index: i, Ratio: Ratio(i, fastest)))
            .OrderBy(x => x.Ratio > 1 + margin)
            .ThenBy(x =>
                x.Ratio > 1 + margin ? x.Ratio
                : x.Index == incumbent ? 0
                : 1
            )
            .ThenBy(x => complexity[x.Index])
            .ThenBy(x => x.Ratio)
            .Select(x => x.Index)
            .ToList();
        return new RaceResult(order, medians, samples, times.Rounds.Count - counting.Count);

        double Ratio(int i, int to) =>
            i == to
                ? 1
                : Median([
                    .. counting
                        .Select((round, s) => (Heat: times.Heats?[round] ?? 0, Ratio: samples[i][s] / samples[to][s]))
                        .GroupBy(r => r.Heat, r => r.Ratio)
                        .Select(heat => Median([.. heat])),
                ]);
    }

    internal static double Median(double[] values)
    {
        var sorted = values.Order().ToArray();
        int half = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
}
