namespace Picograd;

/// <summary>Momentum of groups that goes the other way than the learning rate: <c>momentum</c>, or the first of <c>betas</c>.</summary>
internal sealed class CycledMomentum
{
    private readonly string _option;
    private readonly Optimizer _optimizer;

    public CycledMomentum(Optimizer optimizer, string scheduler)
    {
        _optimizer = optimizer;
        var group = optimizer.ParamGroups[0];
        _option =
            group.Has("betas[0]") ? "betas[0]"
            : group.Has("momentum") ? "momentum"
            : throw new ArgumentException(
                $"{scheduler}: {optimizer.GetType().Name} has neither momentum nor betas; set cycleMomentum to false."
            );
    }

    public void Set(int group, double value) => _optimizer.ParamGroups[group].Put(_option, value);
}

/// <summary>Between two rates, up and down (Smith, 2017), with momentum the other way round.</summary>
public sealed class CyclicLR : LRScheduler
{
    private readonly double[] _low;
    private double[] _high;
    private double[] _lowMomentum = [];
    private double[] _highMomentum = [];
    private double _total;
    private double _ratio;
    private readonly Func<double, double>? _ownScale;
    private string _mode;
    private double _gamma;
    private string _scaleMode;
    private readonly CycledMomentum? _momentum;
    private readonly bool _isMade;

    /// <param name="optimizer">Whose learning rates change.</param>
    /// <param name="baseLr">Lower rate.</param>
    /// <param name="maxLr">Upper rate.</param>
    /// <param name="stepSizeUp">Steps up.</param>
    /// <param name="stepSizeDown">Steps down; as many where null.</param>
    /// <param name="mode"><c>triangular</c>, <c>triangular2</c> (half as high each cycle) or <c>exp_range</c> (gamma to the step).</param>
    /// <param name="gamma">Of <c>exp_range</c>.</param>
    /// <param name="scaleFn">How high a cycle is, in the place of a mode.</param>
    /// <param name="scaleMode">Whether that is by <c>cycle</c>, from 1, or by <c>iterations</c>.</param>
    /// <param name="cycleMomentum">Whether momentum changes too.</param>
    /// <param name="baseMomentum">Lower momentum, at the upper rate.</param>
    /// <param name="maxMomentum">Upper momentum.</param>
    /// <param name="lastEpoch">Step before the one to begin with.</param>
    /// <exception cref="ArgumentException">Another mode; an optimizer without momentum.</exception>
    public CyclicLR(
        Optimizer optimizer,
        double baseLr,
        double maxLr,
        int stepSizeUp = 2000,
        int? stepSizeDown = null,
        string mode = "triangular",
        double gamma = 1,
        Func<double, double>? scaleFn = null,
        string scaleMode = "cycle",
        bool cycleMomentum = true,
        double baseMomentum = 0.8,
        double maxMomentum = 0.9,
        int lastEpoch = -1
    )
        : this(
            optimizer,
            [baseLr],
            [maxLr],
            stepSizeUp,
            stepSizeDown,
            mode,
            gamma,
            scaleFn,
            scaleMode,
            cycleMomentum,
            [baseMomentum],
            [maxMomentum],
            lastEpoch
        ) { }

    /// <inheritdoc cref="CyclicLR(Optimizer, double, double, int, int?, string, double, Func{double, double}?, string, bool, double, double, int)"/>
    public CyclicLR(
        Optimizer optimizer,
        double[] baseLr,
        double[] maxLr,
        int stepSizeUp = 2000,
        int? stepSizeDown = null,
        string mode = "triangular",
        double gamma = 1,
        Func<double, double>? scaleFn = null,
        string scaleMode = "cycle",
        bool cycleMomentum = true,
        double[]? baseMomentum = null,
        double[]? maxMomentum = null,
        int lastEpoch = -1
    )
        : base(optimizer, lastEpoch)
    {
        _low = Each(optimizer, baseLr, nameof(baseLr));
        _high = Each(optimizer, maxLr, nameof(maxLr));
        double down = Positive(stepSizeDown ?? stepSizeUp, nameof(stepSizeDown));
        _total = Positive(stepSizeUp, nameof(stepSizeUp)) + down;
        _ratio = stepSizeUp / _total;
        if (mode is not ("triangular" or "triangular2" or "exp_range") && scaleFn is null)
            throw new ArgumentException(
                $"CyclicLR: mode is '{mode}', but must be 'triangular', 'triangular2' or 'exp_range', or a scaleFn be given."
            );
        if (scaleFn is null)
            scaleMode = mode == "exp_range" ? "iterations" : "cycle";
        (_ownScale, _mode, _gamma, _scaleMode) = (scaleFn, mode, gamma, scaleMode);
        if (cycleMomentum)
        {
            _momentum = new(optimizer, nameof(CyclicLR));
            _lowMomentum = Each(optimizer, baseMomentum ?? [0.8], nameof(baseMomentum));
            _highMomentum = Each(optimizer, maxMomentum ?? [0.9], nameof(maxMomentum));
        }
        for (int i = 0; lastEpoch == -1 && i < _low.Length; i++)
            (optimizer.ParamGroups[i].Lr, optimizer.ParamGroups[i].InitialLr) = (_low[i], _low[i]);
        BaseLrs = _low;
        _isMade = true;
        LastEpoch = lastEpoch;
        InitialStep();
    }

    /// <inheritdoc/>
    public override void Step()
    {
        if (_isMade)
            base.Step();
    }

    protected override double NextLr(int group)
    {
        double cycle = Math.Floor(1 + LastEpoch / _total);
        double x = 1 + LastEpoch / _total - cycle;
        double share = x <= _ratio ? x / _ratio : (x - 1) / (_ratio - 1);
        double scale = Scale(_scaleMode == "cycle" ? cycle : LastEpoch);
        _momentum?.Set(group, _highMomentum[group] - (_highMomentum[group] - _lowMomentum[group]) * share * scale);
        return BaseLrs[group] + (_high[group] - BaseLrs[group]) * share * scale;
    }

    private double Scale(double x) =>
        _ownScale is { } own ? own(x)
        : _mode == "triangular" ? 1
        : _mode == "triangular2" ? 1 / Math.Pow(2, x - 1)
        : Math.Pow(_gamma, x);

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("max_lrs", () => _high, v => _high = v);
        settings.Add("total_size", () => _total, v => _total = v);
        settings.Add("step_ratio", () => _ratio, v => _ratio = v);
        settings.Add("mode", () => _mode, v => _mode = v);
        settings.Add("gamma", () => _gamma, v => _gamma = v);
        settings.Add("scale_mode", ["cycle", "iterations"], () => _scaleMode, v => _scaleMode = v);
        if (_momentum is null)
            return;
        settings.Add("base_momentums", () => _lowMomentum, v => _lowMomentum = v);
        settings.Add("max_momentums", () => _highMomentum, v => _highMomentum = v);
    }
}

/// <summary>Up to a rate and down to almost nothing, once, with momentum the other way round (Smith and Topin, 2018).</summary>
public sealed class OneCycleLR : LRScheduler
{
    private int _total;
    private bool _isCosine;
    private double _share;
    private readonly bool _threePhase;
    private readonly CycledMomentum? _momentum;
    private (double Low, double High) _momenta;
    private readonly (double Initial, double High, double Least)[] _rates;
    private readonly bool _isMade;

    /// <param name="optimizer">Whose learning rates change.</param>
    /// <param name="maxLr">Highest rate.</param>
    /// <param name="totalSteps">Steps in all; epochs · stepsPerEpoch where null.</param>
    /// <param name="epochs">Epochs, where totalSteps is null.</param>
    /// <param name="stepsPerEpoch">Steps an epoch, where totalSteps is null.</param>
    /// <param name="pctStart">Share of the steps that go up.</param>
    /// <param name="annealStrategy"><c>cos</c> or <c>linear</c>.</param>
    /// <param name="cycleMomentum">Whether momentum changes too.</param>
    /// <param name="baseMomentum">Lower momentum, at the highest rate.</param>
    /// <param name="maxMomentum">Upper momentum.</param>
    /// <param name="divFactor">Highest rate by first rate.</param>
    /// <param name="finalDivFactor">First rate by last rate.</param>
    /// <param name="threePhase">Whether to go down to the first rate as long as up, then to the last one.</param>
    /// <param name="lastEpoch">Step before the one to begin with.</param>
    /// <exception cref="ArgumentException">No number of steps; another strategy; an optimizer without momentum.</exception>
    public OneCycleLR(
        Optimizer optimizer,
        double maxLr,
        int? totalSteps = null,
        int? epochs = null,
        int? stepsPerEpoch = null,
        double pctStart = 0.3,
        string annealStrategy = "cos",
        bool cycleMomentum = true,
        double baseMomentum = 0.85,
        double maxMomentum = 0.95,
        double divFactor = 25,
        double finalDivFactor = 1e4,
        bool threePhase = false,
        int lastEpoch = -1
    )
        : this(
            optimizer,
            [maxLr],
            totalSteps,
            epochs,
            stepsPerEpoch,
            pctStart,
            annealStrategy,
            cycleMomentum,
            baseMomentum,
            maxMomentum,
            divFactor,
            finalDivFactor,
            threePhase,
            lastEpoch
        ) { }

    /// <inheritdoc cref="OneCycleLR(Optimizer, double, int?, int?, int?, double, string, bool, double, double, double, double, bool, int)"/>
    public OneCycleLR(
        Optimizer optimizer,
        double[] maxLr,
        int? totalSteps = null,
        int? epochs = null,
        int? stepsPerEpoch = null,
        double pctStart = 0.3,
        string annealStrategy = "cos",
        bool cycleMomentum = true,
        double baseMomentum = 0.85,
        double maxMomentum = 0.95,
        double divFactor = 25,
        double finalDivFactor = 1e4,
        bool threePhase = false,
        int lastEpoch = -1
    )
        : base(optimizer, lastEpoch)
    {
        if (totalSteps is null && (epochs is null || stepsPerEpoch is null))
            throw new ArgumentException("OneCycleLR: give totalSteps, or epochs and stepsPerEpoch.");
        _total = totalSteps is { } steps
            ? Positive(steps, nameof(totalSteps))
            : Positive(epochs!.Value, nameof(epochs)) * Positive(stepsPerEpoch!.Value, nameof(stepsPerEpoch));
        if (!(pctStart is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(
                nameof(pctStart),
                $"pctStart is {pctStart}, but must be from 0 to 1."
            );
        _isCosine = Annealing.IsCosine(annealStrategy);
        (_share, _threePhase) = (pctStart, threePhase);
        _momenta = (baseMomentum, maxMomentum);
        double[] highest = Each(optimizer, maxLr, nameof(maxLr));
        _rates = [.. highest.Select(h => (h / divFactor, h, h / divFactor / finalDivFactor))];
        if (cycleMomentum)
            _momentum = new(optimizer, nameof(OneCycleLR));
        for (int i = 0; lastEpoch == -1 && i < _rates.Length; i++)
        {
            var group = optimizer.ParamGroups[i];
            (group.InitialLr, group["max_lr"], group["min_lr"]) = _rates[i];
        }
        BaseLrs = [.. optimizer.ParamGroups.Select(g => g.InitialLr)];
        _isMade = true;
        LastEpoch = lastEpoch;
        InitialStep();
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">More steps than it was made for.</exception>
    public override void Step()
    {
        if (!_isMade)
            return;
        if (LastEpoch + 1 > _total)
            throw new InvalidOperationException(
                $"OneCycleLR: step {LastEpoch + 1} is one too many; it was made for {_total}."
            );
        base.Step();
    }

    protected override double NextLr(int group)
    {
        var (initial, high, least) = _rates[group];
        var (low, most) = _momenta;
        ReadOnlySpan<double> ends = _threePhase
            ? [_share * _total - 1, 2 * _share * _total - 2, _total - 1]
            : [_share * _total - 1, _total - 1];
        // From, to, and the same of the momentum.
        ReadOnlySpan<(double, double, double, double)> phases = _threePhase
            ? [(initial, high, most, low), (high, initial, low, most), (initial, least, most, most)]
            : [(initial, high, most, low), (high, least, low, most)];
        int phase = 0;
        double start = 0;
        while (phase < ends.Length - 1 && LastEpoch > ends[phase])
            start = ends[phase++];
        double share = (LastEpoch - start) / (ends[phase] - start);
        var (from, to, fromMomentum, toMomentum) = phases[phase];
        _momentum?.Set(group, Annealing.At(_isCosine, fromMomentum, toMomentum, share));
        return Annealing.At(_isCosine, from, to, share);
    }

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("total_steps", () => _total, v => _total = v);
        settings.Add("pct_start", () => _share, v => _share = v);
        settings.Add("_anneal_func_type", () => Annealing.Name(_isCosine), v => _isCosine = Annealing.IsCosine(v));
        settings.Add("base_momentum", () => _momenta.Low, v => _momenta.Low = v);
        settings.Add("max_momentum", () => _momenta.High, v => _momenta.High = v);
        for (int i = 0; i < _rates.Length; i++)
        {
            int at = i;
            settings.Add(
                $"rates[{i}]",
                () => (double[])[_rates[at].Initial, _rates[at].High, _rates[at].Least],
                v => _rates[at] = (v[0], v[1], v[2])
            );
        }
    }
}
