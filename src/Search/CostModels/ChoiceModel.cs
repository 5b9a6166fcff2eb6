using Picograd.Search.Space;

namespace Picograd.Search.CostModels;

/// <summary>
/// Guesses the time of a point from its choices alone, before a program is made of it: for each rule a quadratic function of the
/// choices, fitted to the logarithm of what was timed and, with less weight, to what the cost model said of programs that were made.
/// A guess takes microseconds where a program takes a millisecond.
/// </summary>
internal sealed class ChoiceModel
{
    /// <summary>What a prediction of the cost model counts for beside a measurement.</summary>
    private const double PredictionWeight = 0.15;

    /// <summary>Penalties: of a rule's mean, of slopes, of curvatures, of products of two knobs.</summary>
    private const double MeanPenalty = 1e-3;
    private const double SlopePenalty = 0.5;
    private const double CurvePenalty = 1;
    private const double ProductPenalty = 2;

    private readonly Dictionary<string, RidgeRegression> _rules = [];

    public void Measured(ChoicePoint point, double milliseconds) =>
        Of(point).Add(Features(point), Math.Log(milliseconds));

    public void Predicted(ChoicePoint point, double milliseconds) =>
        Of(point).Add(Features(point), Math.Log(milliseconds), PredictionWeight);

    /// <summary>The logarithm of the time, less what is hoped of places where little is known.</summary>
    /// <param name="point">The choices.</param>
    /// <param name="hope">How many standard deviations of the prediction.</param>
    public double Guess(ChoicePoint point, double hope)
    {
        var rule = Of(point);
        if (rule.Observations == 0)
            return double.NegativeInfinity;
        double[] x = Features(point);
        return rule.Predict(x) - (hope > 0 ? hope * Math.Sqrt(rule.Variance(x)) : 0);
    }

    private RidgeRegression Of(ChoicePoint point)
    {
        if (_rules.TryGetValue(point.Rule.Name, out var rule))
            return rule;
        return _rules[point.Rule.Name] = new RidgeRegression([MeanPenalty, .. Penalties(point.Rule)]);
    }

    /// <summary>Of the weights of <see cref="Features"/> but the constant's.</summary>
    public static IEnumerable<double> Penalties(RuleSpace rule)
    {
        int n = rule.Knobs.Count(k => k.Values.Length > 1);
        return
        [
            .. Enumerable.Repeat(SlopePenalty, n),
            .. Enumerable.Repeat(CurvePenalty, n),
            .. Enumerable.Repeat(ProductPenalty, n * (n - 1) / 2),
        ];
    }

    /// <summary>
    /// A constant, then slopes, curvatures and products of the knobs, their values spread evenly over −1 … 1: they are offered in steps that
    /// matter about equally.
    /// </summary>
    public static double[] Features(ChoicePoint point)
    {
        var knobs = point.Rule.Knobs;
        var places = new List<double>(knobs.Length);
        for (int i = 0; i < knobs.Length; i++)
        {
            if (knobs[i].Values.Length > 1)
                places.Add(2.0 * point.At[i] / (knobs[i].Values.Length - 1) - 1);
        }
        int n = places.Count;
        var x = new double[1 + 2 * n + n * (n - 1) / 2];
        x[0] = 1;
        int next = 1 + 2 * n;
        for (int i = 0; i < n; i++)
        {
            x[1 + i] = places[i];
            x[1 + n + i] = places[i] * places[i] - 0.5;
            for (int j = 0; j < i; j++)
                x[next++] = places[i] * places[j];
        }
        return x;
    }
}
