namespace Picograd;

/// <summary>Half a cosine from the base rate down to etaMin at epoch tMax, and up again (Loshchilov and Hutter, 2017).</summary>
public sealed class CosineAnnealingLR(Optimizer optimizer, int tMax, double etaMin = 0, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    private int _last = Positive(tMax, nameof(tMax));

    protected override double NextLr(int group)
    {
        if (LastEpoch == 0)
            return Lr(group);
        if (StepCount == 1 && LastEpoch > 0)
            return ClosedFormLr(group)!.Value;
        if ((LastEpoch - 1 - _last) % (2 * _last) == 0)
            return Lr(group) + (BaseLrs[group] - etaMin) * (1 - Math.Cos(Math.PI / _last)) / 2;
        return (1 + Math.Cos(Math.PI * LastEpoch / _last))
                / (1 + Math.Cos(Math.PI * (LastEpoch - 1) / _last))
                * (Lr(group) - etaMin)
            + etaMin;
    }

    protected override double? ClosedFormLr(int group) =>
        etaMin + (BaseLrs[group] - etaMin) * (1 + Math.Cos(Math.PI * LastEpoch / _last)) / 2;

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("T_max", () => _last, v => _last = Positive(v, "T_max"));
        settings.Add("eta_min", () => etaMin, v => etaMin = v);
    }
}

/// <summary>Half a cosine from the base rate down to etaMin, then again from the base rate, tMult times as long.</summary>
public sealed class CosineAnnealingWarmRestarts : LRScheduler
{
    private int _first;
    private int _factor;
    private double _least;
    private double _length;
    private double _place;
    private readonly bool _isMade;

    /// <param name="optimizer">Whose learning rates change.</param>
    /// <param name="t0">Epochs until the first restart.</param>
    /// <param name="tMult">How many times longer each time is than the one before.</param>
    /// <param name="etaMin">Least learning rate.</param>
    /// <param name="lastEpoch">Epoch before the one to begin with.</param>
    /// <exception cref="ArgumentOutOfRangeException">t0 or tMult below 1.</exception>
    public CosineAnnealingWarmRestarts(
        Optimizer optimizer,
        int t0,
        int tMult = 1,
        double etaMin = 0,
        int lastEpoch = -1
    )
        : base(optimizer, lastEpoch)
    {
        (_first, _factor, _least) = (Positive(t0, nameof(t0)), Positive(tMult, nameof(tMult)), etaMin);
        (_length, _place) = (_first, lastEpoch);
        _isMade = true;
        // The epoch that the base class could not know the rates of.
        LastEpoch = lastEpoch;
        InitialStep();
    }

    /// <summary>Goes on to the next epoch.</summary>
    public override void Step()
    {
        if (!_isMade)
            return;
        if (LastEpoch < 0)
        {
            Step(0.0);
            return;
        }
        _place++;
        if (_place >= _length)
        {
            _place -= _length;
            _length *= _factor;
        }
        Go(LastEpoch + 1);
    }

    /// <inheritdoc/>
    public override void Step(int epoch) => Step((double)epoch);

    /// <summary>Goes to an epoch, of which a part may be over: epoch + batch / batches.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A negative epoch.</exception>
    public void Step(double epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        if (epoch < _first)
        {
            (_length, _place) = (_first, epoch);
        }
        else if (_factor == 1)
        {
            _place = epoch % _first;
        }
        else
        {
            int n = (int)Math.Log(epoch / _first * (_factor - 1) + 1, _factor);
            double power = Math.Pow(_factor, n);
            _place = epoch - _first * (power - 1) / (_factor - 1);
            _length = _first * power;
        }
        Go((int)Math.Floor(epoch));
    }

    private void Go(int epoch)
    {
        Counted();
        LastEpoch = epoch;
        Set(closed: false);
    }

    protected override double NextLr(int group) =>
        _least + (BaseLrs[group] - _least) * (1 + Math.Cos(Math.PI * _place / _length)) / 2;

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("T_0", () => _first, v => _first = Positive(v, "T_0"));
        settings.Add("T_mult", () => _factor, v => _factor = Positive(v, "T_mult"));
        settings.Add("eta_min", () => _least, v => _least = v);
        settings.Add("T_i", () => _length, v => _length = v);
        settings.Add("T_cur", () => _place, v => _place = v);
    }
}

/// <summary>
/// From the learning rate to swaLr within some epochs, and constant from there, for the averaging of weights (Izmailov and others, 2018).
/// </summary>
public sealed class SWALR(
    Optimizer optimizer,
    double[] swaLr,
    int annealEpochs = 10,
    string annealStrategy = "cos",
    int lastEpoch = -1
) : LRScheduler(optimizer, lastEpoch)
{
    private double[] _goals = Each(optimizer, swaLr, nameof(swaLr));
    private bool _isCosine = Annealing.IsCosine(annealStrategy);

    public SWALR(
        Optimizer optimizer,
        double swaLr,
        int annealEpochs = 10,
        string annealStrategy = "cos",
        int lastEpoch = -1
    )
        : this(optimizer, [swaLr], annealEpochs, annealStrategy, lastEpoch) { }

    protected override double NextLr(int group)
    {
        int step = StepCount - 1;
        if (annealEpochs == 0)
            step = Math.Max(1, step);
        double goal = _goals[group];
        double before = Share(step - 1);
        double start = before == 1 ? goal : (Lr(group) - before * goal) / (1 - before);
        double now = Share(step);
        return goal * now + start * (1 - now);
    }

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("swa_lrs", () => _goals, v => _goals = v);
        settings.Add("anneal_epochs", () => annealEpochs, v => annealEpochs = v);
        settings.Add("_anneal_strategy", () => Annealing.Name(_isCosine), v => _isCosine = Annealing.IsCosine(v));
    }

    private double Share(int step)
    {
        double t = Math.Clamp((double)step / Math.Max(1, annealEpochs), 0, 1);
        return _isCosine ? (1 - Math.Cos(Math.PI * t)) / 2 : t;
    }
}

/// <summary>Ways from one number to another.</summary>
internal static class Annealing
{
    public static bool IsCosine(string strategy) =>
        strategy switch
        {
            "cos" => true,
            "linear" => false,
            _ => throw new ArgumentException($"annealStrategy is '{strategy}', but must be 'cos' or 'linear'."),
        };

    public static string Name(bool isCosine) => isCosine ? "cos" : "linear";

    public static double At(bool cosine, double start, double end, double share) =>
        cosine ? end + (start - end) / 2 * (Math.Cos(Math.PI * share) + 1) : (end - start) * share + start;
}
