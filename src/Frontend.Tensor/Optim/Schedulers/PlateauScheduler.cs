namespace Picograd;

/// <summary>Rates times factor where what is measured did not become better for some epochs.</summary>
public sealed class ReduceLROnPlateau : LRScheduler
{
    private readonly bool _isMin;
    private readonly bool _isRelative;
    private readonly double _factor;
    private readonly int _patience;
    private readonly double _threshold;
    private readonly int _cooldown;
    private readonly double[] _least;
    private readonly double _epsilon;
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
        Best = _isMin ? double.PositiveInfinity : double.NegativeInfinity;
    }

    /// <summary>The best value so far.</summary>
    public double Best { get; private set; }

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
            (Best, _bad) = (metrics, 0);
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

    /// <inheritdoc/>
    public override OrderedDictionary<string, object?> StateDict()
    {
        var state = base.StateDict();
        (state["best"], state["num_bad_epochs"], state["cooldown_counter"]) = (Best, (long)_bad, (long)_coolingFor);
        return state;
    }

    /// <inheritdoc/>
    public override void LoadStateDict(IReadOnlyDictionary<string, object?> state)
    {
        double best = StateTree.Number(state, "best", nameof(ReduceLROnPlateau));
        int bad = (int)StateTree.Number(state, "num_bad_epochs", nameof(ReduceLROnPlateau));
        int cooling = (int)StateTree.Number(state, "cooldown_counter", nameof(ReduceLROnPlateau));
        base.LoadStateDict(state);
        (Best, _bad, _coolingFor) = (best, bad, cooling);
    }
}
