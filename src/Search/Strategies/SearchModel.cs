using Picograd.Search.CostModels;
using Picograd.Search.Space;

namespace Picograd.Search.Strategies;

/// <summary>
/// What a search knows of its candidates: the cost model's prediction of a program, corrected for each rule by a linear function of the
/// program's features and of the rule's choices that is fitted to what was timed of the task; and, before a program is made, a guess by
/// its choices alone.
/// </summary>
/// <param name="model">Predicts programs; knows other tasks.</param>
/// <param name="settings">How much is trusted.</param>
internal sealed class SearchModel(CostModel model, SearchSettings settings)
{
    private readonly ChoiceModel _choices = new();
    private readonly Dictionary<string, RidgeRegression> _corrections = [];
    private double _sum;
    private int _count;

    /// <summary>Takes a measurement into account.</summary>
    public void Learn(Draft draft, double milliseconds)
    {
        if (settings.Without == Ablation.Learning)
            return;
        _choices.Measured(draft.Point, milliseconds);
        double missed = Math.Log(milliseconds / model.Predict(draft.Features));
        _sum += missed;
        _count++;
        string rule = draft.Point.Rule.Name;
        if (!_corrections.TryGetValue(rule, out var correction))
        {
            var penalties = ChoiceModel.Penalties(draft.Point.Rule).Select(p => settings.Doubt * p);
            int features = CostModel.Linear(draft.Features).Length - 1;
            _corrections[rule] = correction = new RidgeRegression([
                settings.RuleDoubt,
                .. penalties,
                .. Enumerable.Repeat(settings.FeatureDoubt, features),
            ]);
        }
        correction.Add(Features(draft), missed);
    }

    /// <summary>Takes what the cost model says of a program that was made for a weak measurement of its choices.</summary>
    public void Suppose(Draft draft)
    {
        if (settings.Without != Ablation.Learning)
            _choices.Predicted(draft.Point, Predict(draft));
    }

    /// <summary>Predicted milliseconds of a program.</summary>
    public double Predict(Draft draft)
    {
        double missed = _corrections.TryGetValue(draft.Point.Rule.Name, out var correction)
            ? correction.Predict(Features(draft))
            : _sum / (_count + settings.RuleDoubt);
        return model.Predict(draft.Features) * Math.Exp(missed);
    }

    /// <inheritdoc cref="ChoiceModel.Guess"/>
    public double Guess(ChoicePoint point, double hope) => _choices.Guess(point, hope);

    // Both begin with a constant; one is enough.
    private static double[] Features(Draft draft) =>
        [.. ChoiceModel.Features(draft.Point), .. CostModel.Linear(draft.Features).AsSpan(1)];
}
