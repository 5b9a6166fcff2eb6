using System.Runtime.CompilerServices;

namespace Picograd;

/// <summary>Rates times factor where what is measured did not become better for some epochs.</summary>
public sealed class ReduceLROnPlateau : LRScheduler
{
    private bool _isMin;
    private bool _isRelative;
    private double _factor;
    private int _patience;
    private double _threshold;
    private int _cooldown;
    private double[] _least;
    private double _epsilon;
    private double _best;
    private int _coolingFor;
    private int _bad;

    /// <param name="optimizer">Whose learning rates change.</param>
    /// <param name="mode"><c>min</c> where less is better, <c>max</c> where more is.</param>
    /// <param name="factor">Below 1.</param>
    /// <param name="patience">Epochs without a better value that are borne.</param>
    /// <param name="threshold">How much better is better.</param>
    /// <param name="thresholdMode"><c>rel</c>: threshold is a share of the best; <c>abs</c>: a difference.</param>
    /// <param name="cooldown">Epochs after a change in which nothing is counted.</param>
    /// <param name="minLr">Least rate, for all groups or one each.</param>
    /// <param name="eps">Smaller changes are not made.</param>
    /// <exception cref="ArgumentException">A factor of 1 or more; another mode.</exception>
    [OverloadResolutionPriority(1)]
    public ReduceLROnPlateau(
        Optimizer optimizer,
        string mode = "min",
        double factor = 0.1,
        int patience = 10,
        double threshold = 1e-4,
        string thresholdMode = "rel",
        int cooldown = 0,
        double minLr = 0,
        double eps = 1e-8
    )
        : this(optimizer, mode, factor, patience, threshold, thresholdMode, cooldown, [minLr], eps) { }

    /// <inheritdoc cref="ReduceLROnPlateau(Optimizer, string, double, int, double, string, int, double, double)"/>
    public ReduceLROnPlateau(
        Optimizer optimizer,
        string mode = "min",
        double factor = 0.1,
        int patience = 10,
        double threshold = 1e-4,
        string thresholdMode = "rel",
        int cooldown = 0,
        double[]? minLr = null,
        double eps = 1e-8
    )
        : base(optimizer, waits: true)
    {
        if (!(factor < 1))
            throw new ArgumentOutOfRangeException(nameof(factor), $"factor is {factor}, but must be below 1.");
        if (mode is not ("min" or "max"))
            throw new ArgumentException($"ReduceLROnPlateau: mode is '{mode}', but must be 'min' or 'max'.");
        if (thresholdMode is not ("rel" or "abs"))
            throw new ArgumentException(
                $"ReduceLROnPlateau: thresholdMode is '{thresholdMode}', but must be 'rel' or 'abs'."
            );
        (_isMin, _isRelative, _factor, _patience) = (mode == "min", thresholdMode == "rel", factor, patience);
        (_threshold, _cooldown, _epsilon) = (threshold, cooldown, eps);
        _least = Each(optimizer, minLr ?? [0], nameof(minLr));
        _best = _isMin ? double.PositiveInfinity : double.NegativeInfinity;
    }

    /// <summary>The best value so far.</summary>
    public double Best => _best;

    /// <summary>Epochs since it became better.</summary>
    public int NumBadEpochs => _bad;

    /// <exception cref="InvalidOperationException">Always: it needs what was measured.</exception>
    public override void Step() =>
        throw new InvalidOperationException("ReduceLROnPlateau needs what was measured; call Step(metrics).");

    /// <inheritdoc/>
    public override void Step(int epoch) => Step((double)epoch);

    /// <summary>Goes on by an epoch in which something was measured.</summary>
    public void Step(Tensor metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        Step(metrics.Item());
    }

    /// <inheritdoc cref="Step(Tensor)"/>
    public void Step(double metrics)
    {
        LastEpoch++;
        if (IsBetter(metrics))
            (_best, _bad) = (metrics, 0);
        else
            _bad++;
        if (_coolingFor > 0)
        {
            _coolingFor--;
            _bad = 0;
        }
        if (_bad > _patience)
        {
            for (int i = 0; i < _least.Length; i++)
            {
                var group = Optimizer.ParamGroups[i];
                double next = Math.Max(group.Lr * _factor, _least[i]);
                if (group.Lr - next > _epsilon)
                    group.Lr = next;
            }
            (_coolingFor, _bad) = (_cooldown, 0);
        }
        LastLrs = Rates();
    }

    private bool IsBetter(double value) =>
        (_isMin, _isRelative) switch
        {
            (true, true) => value < Best * (1 - _threshold),
            (true, false) => value < Best - _threshold,
            (false, true) => value > Best * (_threshold + 1),
            (false, false) => value > Best + _threshold,
        };

    protected override double NextLr(int group) => Lr(group);

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("factor", () => _factor, v => _factor = v);
        settings.Add("min_lrs", () => _least, v => _least = v);
        settings.Add("patience", () => _patience, v => _patience = v);
        settings.Add("cooldown", () => _cooldown, v => _cooldown = v);
        settings.Add("eps", () => _epsilon, v => _epsilon = v);
        settings.Add("mode", ["min", "max"], () => _isMin ? "min" : "max", v => _isMin = v == "min");
        settings.Add("threshold", () => _threshold, v => _threshold = v);
        settings.Add(
            "threshold_mode",
            ["rel", "abs"],
            () => _isRelative ? "rel" : "abs",
            v => _isRelative = v == "rel"
        );
        settings.Add("best", () => _best, v => _best = v);
        settings.Add("num_bad_epochs", () => _bad, v => _bad = v);
        settings.Add("cooldown_counter", () => _coolingFor, v => _coolingFor = v);
    }
}
