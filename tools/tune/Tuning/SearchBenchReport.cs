using System.Globalization;
using Picograd.Search.CostModels;
using Picograd.Search.Recordings;

namespace Picograd.Tune;

/// <summary>What ways to search find, and how soon, over recordings.</summary>
internal static class SearchBenchReport
{
    private const int Folds = 5;

    /// <summary>Strategies that are compared task by task: the first ones.</summary>
    private const int Compared = 3;

    /// <summary>Of the best time of the space: what counts as found.</summary>
    private const double Found = 0.95;

    /// <summary>Moments at which searches are compared, as shares of the budget.</summary>
    private static readonly double[] Moments = [0.1, 0.3, 1];

    public static void Write(
        TextWriter to,
        IReadOnlyList<Recording> recordings,
        IReadOnlyList<string> strategies,
        int seeds,
        double milliseconds
    )
    {
        to.WriteLine(
            $"{recordings.Count} tasks, {seeds} seeds, {Figures.Number(milliseconds / 1000)} s by the recordings' clock; times of the best found over those of the best of the space"
        );
        // No task is searched with what its own recording taught.
        IReadOnlyList<BoostedTrees>? taught =
            recordings.Count > 1 ? ResidualTraining.HeldOut(recordings, Math.Min(Folds, recordings.Count)) : null;
        var runs = strategies
            .AsParallel()
            .AsOrdered()
            .Select(s =>
                (
                    Strategy: s,
                    Runs: recordings
                        .Select(
                            (r, task) =>
                                Enumerable
                                    .Range(0, seeds)
                                    .Select(i => SearchBench.Run(r, s, i, milliseconds, taught?[task]))
                                    .ToList()
                        )
                        .ToList()
                )
            )
            .ToList();
        var table = new TextTable([
            "strategy",
            .. Moments.Select(m => $">after {Figures.Number(m * milliseconds / 1000)} s"),
            ">95 % reached",
            ">after",
            ">measured",
            ">looked at",
            ">own time",
        ]);
        foreach (var (strategy, tasks) in runs)
        {
            var all = tasks
                .SelectMany((t, i) => t.Select(r => (Run: r, Best: recordings[i].BestMilliseconds)))
                .ToList();
            var reached = all.Select(a => a.Run.Reached(a.Best / Found)).ToList();
            table.Add([
                strategy,
                .. Moments.Select(m =>
                    Ratio(Mean(all.Select(a => Math.Min(100, a.Run.BestBy(m * milliseconds) / a.Best))))
                ),
                Figures.Percent((double)reached.Count(r => r is not null) / reached.Count),
                // What never did counts with the whole budget.
                $"{Figures.Number(Mean(reached.Select(r => r ?? milliseconds)) / 1000)} s",
                Figures.Number(all.Average(a => a.Run.Timeline.Count)),
                Figures.Number(all.Average(a => a.Run.Looked)),
                $"{Figures.Number(all.Average(a => a.Run.ThinkingMilliseconds / Math.Max(1, a.Run.Looked)))} ms",
            ]);
        }
        table.Write(to);
        to.WriteLine();
        var each = new TextTable([
            "task",
            ">points",
            ">programs",
            ">best",
            .. runs.Take(Compared).Select(r => ">" + r.Strategy),
            .. runs.Take(Compared).Select(r => $">{r.Strategy}, 95 %"),
        ]);
        for (int i = 0; i < recordings.Count; i++)
        {
            var r = recordings[i];
            each.Add([
                r.Spec,
                Figures.Count(r.Points.Count),
                Figures.Count(r.Programs.Count),
                Figures.Time(r.BestMilliseconds),
                .. runs.Take(Compared).Select(s => Best(s.Runs[i], r)),
                .. runs.Take(Compared).Select(s => Time(s.Runs[i], r)),
            ]);
        }
        each.Write(to);

        string Best(IReadOnlyList<BenchRun> some, Recording r) =>
            Ratio(Mean(some.Select(x => Math.Min(100, x.BestBy(milliseconds) / r.BestMilliseconds))));
        string Time(IReadOnlyList<BenchRun> some, Recording r) =>
            $"{Figures.Number(Mean(some.Select(x => x.Reached(r.BestMilliseconds / Found) ?? milliseconds)) / 1000)} s";
    }

    private static string Ratio(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>The geometric mean.</summary>
    private static double Mean(IEnumerable<double> values) => Math.Exp(values.Average(Math.Log));
}
