using Picograd.Search.CostModels;
using Picograd.Search.Strategies;

namespace Picograd.Search.Recordings;

/// <summary>How well a cost model orders the programs of a task.</summary>
/// <param name="Spec">The task.</param>
/// <param name="All">Spearman's correlation over all programs that were timed.</param>
/// <param name="Near">Over those within twice the best time.</param>
/// <param name="Regret">
/// By how many programs are looked at first, in the model's order: the best of them over the best of all, less 1.
/// </param>
public sealed record ModelQuality(
    string Spec,
    double? All,
    double? Near,
    IReadOnlyList<(int Programs, double Regret)> Regret
);

/// <summary>Learns from recordings what the analytic terms of the cost model miss.</summary>
public static class ResidualTraining
{
    /// <summary>What is many times slower than the best counts less: it need only be known to be slow.</summary>
    private const double SlowWeight = 0.5;

    private static readonly int[] Looks = [1, 5, 10, 20];

    /// <summary>Fits all programs of some recordings.</summary>
    public static BoostedTrees Fit(IReadOnlyList<Recording> recordings, BoostedTrees.Settings? settings = null)
    {
        var x = new List<double[]>();
        var y = new List<double>();
        var weights = new List<double>();
        var groups = new List<int>();
        for (int g = 0; g < recordings.Count; g++)
        {
            double best = recordings[g].BestMilliseconds;
            foreach (var p in recordings[g].Programs.Where(p => p.IsTimed))
            {
                x.Add(p.Features.Values);
                y.Add(Math.Log(p.Milliseconds / p.Features.AnalyticMilliseconds));
                weights.Add(Math.Pow(best / p.Milliseconds, SlowWeight));
                groups.Add(g);
            }
        }
        return BoostedTrees.Fit(x, y, weights, groups, settings ?? new());
    }

    /// <summary>How a model orders the programs of a recording.</summary>
    /// <param name="recording">The task.</param>
    /// <param name="predict">Predicted milliseconds of a program, by its place in the recording.</param>
    /// <param name="except">Programs that do not count, since the model learned from them.</param>
    public static ModelQuality Judge(Recording recording, Func<int, double> predict, IReadOnlySet<int>? except = null)
    {
        double best = recording.BestMilliseconds;
        var timed = recording
            .Programs.Select((p, i) => (Program: p, Index: i))
            .Where(x => x.Program.IsTimed && except?.Contains(x.Index) != true)
            .Select(x => (x.Program.Milliseconds, Predicted: predict(x.Index)))
            .ToList();
        var near = timed.Where(t => t.Milliseconds <= 2 * best).ToList();
        var order = timed.OrderBy(t => t.Predicted).ToList();
        return new ModelQuality(
            recording.Spec,
            Rank(timed),
            Rank(near),
            [.. Looks.Select(n => (n, order.Take(n).Min(t => t.Milliseconds) / best - 1))]
        );

        static double? Rank(List<(double Milliseconds, double Predicted)> some) =>
            RankCorrelation.Spearman([.. some.Select(s => s.Predicted)], [.. some.Select(s => s.Milliseconds)]);
    }

    /// <summary>
    /// Judges on tasks that were not learned from: recordings in so many folds, each judged by what the others taught; as it is before the
    /// search, and after so many programs of the task at random were measured.
    /// </summary>
    /// <param name="recordings">The tasks.</param>
    /// <param name="folds">At least 2.</param>
    /// <param name="measured">Programs measured for the last of the three.</param>
    /// <param name="settings">How to fit.</param>
    /// <returns>Of each task: the analytic terms alone, with what others taught, and with what the task itself taught as well.</returns>
    public static IReadOnlyList<(ModelQuality Analytic, ModelQuality Trained, ModelQuality Learned)> CrossValidate(
        IReadOnlyList<Recording> recordings,
        int folds,
        int measured,
        BoostedTrees.Settings? settings = null
    )
    {
        var results = new (ModelQuality, ModelQuality, ModelQuality)[recordings.Count];
        var taught = HeldOut(recordings, folds, settings);
        for (int i = 0; i < recordings.Count; i++)
        {
            var trees = taught[i];
            var r = recordings[i];
            var trained = CostModel.OfRecording(trees);
            var learning = new SearchModel(CostModel.OfRecording(trees), new SearchSettings());
            var drafts = RecordedMachine.Drafts(r);
            int[] timed = [.. Enumerable.Range(0, r.Programs.Count).Where(p => r.Programs[p].IsTimed)];
            new Random(i).Shuffle(timed);
            var known = timed.Take(Math.Min(measured, timed.Length / 2)).ToHashSet();
            foreach (int p in known)
                learning.Learn(drafts[p], r.Programs[p].Milliseconds);
            results[i] = (
                Judge(r, p => r.Programs[p].Features.AnalyticMilliseconds),
                Judge(r, p => trained.Predict(r.Programs[p].Features)),
                Judge(r, p => learning.Predict(drafts[p]), known)
            );
        }
        return results;
    }

    /// <summary>For each recording what those of the other folds teach.</summary>
    /// <param name="recordings">The tasks.</param>
    /// <param name="folds">At least 2.</param>
    /// <param name="settings">How to fit.</param>
    public static IReadOnlyList<BoostedTrees> HeldOut(
        IReadOnlyList<Recording> recordings,
        int folds,
        BoostedTrees.Settings? settings = null
    )
    {
        var taught = new BoostedTrees[recordings.Count];
        Parallel.For(
            0,
            folds,
            fold =>
            {
                var trees = Fit([.. recordings.Where((_, i) => i % folds != fold)], settings);
                for (int i = fold; i < recordings.Count; i += folds)
                    taught[i] = trees;
            }
        );
        return taught;
    }
}
