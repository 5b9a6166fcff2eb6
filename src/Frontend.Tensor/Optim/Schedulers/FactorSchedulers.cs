namespace Picograd;

/// <summary>Base rates times a function of the epoch, one for all groups or one each.</summary>
public sealed class LambdaLR(Optimizer optimizer, Func<int, double>[] lrLambda, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    private readonly Func<int, double>[] _functions = Each(optimizer, lrLambda, nameof(lrLambda));

    public LambdaLR(Optimizer optimizer, Func<int, double> lrLambda, int lastEpoch = -1)
        : this(optimizer, [lrLambda], lastEpoch) { }

    protected override double NextLr(int group) => BaseLrs[group] * _functions[group](LastEpoch);

    private protected override void Describe(SchedulerSettings settings) =>
        settings.AddUnsaved("lr_lambdas", _functions.Length);
}

/// <summary>Rates times a function of the epoch, again each epoch.</summary>
public sealed class MultiplicativeLR(Optimizer optimizer, Func<int, double>[] lrLambda, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    private readonly Func<int, double>[] _functions = Each(optimizer, lrLambda, nameof(lrLambda));

    public MultiplicativeLR(Optimizer optimizer, Func<int, double> lrLambda, int lastEpoch = -1)
        : this(optimizer, [lrLambda], lastEpoch) { }

    protected override double NextLr(int group) => LastEpoch > 0 ? Lr(group) * _functions[group](LastEpoch) : Lr(group);

    private protected override void Describe(SchedulerSettings settings) =>
        settings.AddUnsaved("lr_lambdas", _functions.Length);
}

/// <summary>Rates times gamma every stepSize epochs.</summary>
public sealed class StepLR(Optimizer optimizer, int stepSize, double gamma = 0.1, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    private int _size = Positive(stepSize, nameof(stepSize));

    protected override double NextLr(int group) =>
        LastEpoch == 0 || LastEpoch % _size != 0 ? Lr(group) : Lr(group) * gamma;

    protected override double? ClosedFormLr(int group) => BaseLrs[group] * Math.Pow(gamma, LastEpoch / _size);

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("step_size", () => _size, v => _size = Positive(v, "step_size"));
        settings.Add("gamma", () => gamma, v => gamma = v);
    }
}

/// <summary>Rates times gamma at each of some epochs, twice at one that is named twice.</summary>
public sealed class MultiStepLR(Optimizer optimizer, int[] milestones, double gamma = 0.1, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    private int[] _milestones = [.. milestones];

    protected override double NextLr(int group) =>
        _milestones.Count(m => m == LastEpoch) is > 0 and var times ? Lr(group) * Math.Pow(gamma, times) : Lr(group);

    protected override double? ClosedFormLr(int group) =>
        BaseLrs[group] * Math.Pow(gamma, _milestones.Count(m => m <= LastEpoch));

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("milestones", () => _milestones, v => _milestones = v);
        settings.Add("gamma", () => gamma, v => gamma = v);
    }
}

/// <summary>Rates times factor until epoch totalIters.</summary>
public sealed class ConstantLR(Optimizer optimizer, double factor = 1.0 / 3, int totalIters = 5, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    private double _factor = factor is >= 0 and <= 1
        ? factor
        : throw new ArgumentOutOfRangeException(nameof(factor), $"factor is {factor}, but must be from 0 to 1.");

    protected override double NextLr(int group) =>
        LastEpoch == 0 ? Lr(group) * _factor
        : LastEpoch != totalIters ? Lr(group)
        : Lr(group) * (1 / _factor);

    protected override double? ClosedFormLr(int group) =>
        BaseLrs[group] * (_factor + (LastEpoch >= totalIters ? 1 - _factor : 0));

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("factor", () => _factor, v => _factor = v);
        settings.Add("total_iters", () => totalIters, v => totalIters = v);
    }
}

/// <summary>Factors of the rates in even steps from startFactor to endFactor at epoch totalIters.</summary>
public sealed class LinearLR(
    Optimizer optimizer,
    double startFactor = 1.0 / 3,
    double endFactor = 1,
    int totalIters = 5,
    int lastEpoch = -1
) : LRScheduler(optimizer, lastEpoch)
{
    private double _start = startFactor is > 0 and <= 1
        ? startFactor
        : throw new ArgumentOutOfRangeException(
            nameof(startFactor),
            $"startFactor is {startFactor}, but must be above 0 and at most 1."
        );
    private double _end = endFactor is >= 0 and <= 1
        ? endFactor
        : throw new ArgumentOutOfRangeException(
            nameof(endFactor),
            $"endFactor is {endFactor}, but must be from 0 to 1."
        );

    protected override double NextLr(int group) =>
        LastEpoch == 0 ? Lr(group) * _start
        : LastEpoch > totalIters ? Lr(group)
        : Lr(group) * (1 + (_end - _start) / (totalIters * _start + (LastEpoch - 1) * (_end - _start)));

    protected override double? ClosedFormLr(int group) =>
        BaseLrs[group] * (_start + (_end - _start) * Math.Min(totalIters, LastEpoch) / totalIters);

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("start_factor", () => _start, v => _start = v);
        settings.Add("end_factor", () => _end, v => _end = v);
        settings.Add("total_iters", () => totalIters, v => totalIters = v);
    }
}

/// <summary>Rates times gamma every epoch.</summary>
public sealed class ExponentialLR(Optimizer optimizer, double gamma, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    protected override double NextLr(int group) => LastEpoch == 0 ? Lr(group) : Lr(group) * gamma;

    protected override double? ClosedFormLr(int group) => BaseLrs[group] * Math.Pow(gamma, LastEpoch);

    private protected override void Describe(SchedulerSettings settings) =>
        settings.Add("gamma", () => gamma, v => gamma = v);
}

/// <summary>Base rates times (1 − epoch / totalIters) to a power.</summary>
public sealed class PolynomialLR(Optimizer optimizer, int totalIters = 5, double power = 1, int lastEpoch = -1)
    : LRScheduler(optimizer, lastEpoch)
{
    protected override double NextLr(int group) =>
        LastEpoch == 0 || LastEpoch > totalIters
            ? Lr(group)
            : Lr(group)
                * Math.Pow(
                    (1.0 - (double)LastEpoch / totalIters) / (1.0 - (double)(LastEpoch - 1) / totalIters),
                    power
                );

    protected override double? ClosedFormLr(int group) =>
        BaseLrs[group] * Math.Pow(1.0 - (double)Math.Min(totalIters, LastEpoch) / totalIters, power);

    private protected override void Describe(SchedulerSettings settings)
    {
        settings.Add("total_iters", () => totalIters, v => totalIters = v);
        settings.Add("power", () => power, v => power = v);
    }
}
