namespace Picograd.Search.CostModels;

/// <summary>Spearman's rank correlation: how well predictions order what was measured. 1 perfect, 0 none, −1 reversed.</summary>
public static class RankCorrelation
{
    /// <summary>Null for fewer than three pairs or where one side is constant: then there is no order to compare.</summary>
    public static double? Spearman(IReadOnlyList<double> predicted, IReadOnlyList<double> measured)
    {
        if (predicted.Count != measured.Count)
            throw new ArgumentException($"{predicted.Count} predictions for {measured.Count} measurements");
        if (predicted.Count < 3)
            return null;
        var a = Ranks(predicted);
        var b = Ranks(measured);
        double mean = (predicted.Count + 1) / 2.0;
        double ab = 0;
        double aa = 0;
        double bb = 0;
        for (int i = 0; i < a.Length; i++)
        {
            ab += (a[i] - mean) * (b[i] - mean);
            aa += (a[i] - mean) * (a[i] - mean);
            bb += (b[i] - mean) * (b[i] - mean);
        }
        return aa == 0 || bb == 0 ? null : ab / Math.Sqrt(aa * bb);
    }

    // Equal values share the mean of their ranks.
    private static double[] Ranks(IReadOnlyList<double> values)
    {
        int[] order = [.. Enumerable.Range(0, values.Count).OrderBy(i => values[i])];
        var ranks = new double[values.Count];
        for (int i = 0; i < order.Length; )
        {
            int j = i;
            while (j < order.Length && values[order[j]].Equals(values[order[i]]))
                j++;
            for (int k = i; k < j; k++)
                ranks[order[k]] = (i + 1 + j) / 2.0;
            i = j;
        }
        return ranks;
    }
}
