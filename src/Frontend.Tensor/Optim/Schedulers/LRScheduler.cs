namespace Picograd;

/// <summary>
/// Changes the learning rates of an optimizer's groups from step to step, with PyTorch's values to the bit: made, it sets those of epoch
/// 0; each <see cref="Step()"/> goes on by one.
/// </summary>
public abstract class LRScheduler
{
    // Of one that is called from another's step with a number of the epoch.
    private bool _isInitial;

    /// <param name="optimizer">Whose learning rates change.</param>
    /// <param name="lastEpoch">Epoch before the one to begin with; −1 for a new start, else groups must have their <c>initial_lr</c>.</param>
    /// <exception cref="ArgumentException">It is to go on, but a group has no <c>initial_lr</c>.</exception>
    protected LRScheduler(Optimizer optimizer, int lastEpoch = -1)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        Optimizer = optimizer;
        Prepare(lastEpoch == -1);
        foreach (var group in optimizer.ParamGroups)
        {
            if (lastEpoch == -1 && !group.Has("initial_lr"))
                group.InitialLr = group.Lr;
            else if (!group.Has("initial_lr"))
                throw new ArgumentException(
                    $"{GetType().Name}: lastEpoch is {lastEpoch}, but a parameter group has no initial_lr to go on from; set it, or load the state of the optimizer first."
                );
        }
        BaseLrs = [.. optimizer.ParamGroups.Select(g => g.InitialLr)];
        LastEpoch = lastEpoch;
        InitialStep();
    }

    // ReduceLROnPlateau and those of several have no epoch 0.
    private protected LRScheduler(Optimizer optimizer, bool waits)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        Optimizer = optimizer;
        BaseLrs = [.. optimizer.ParamGroups.Select(g => g.Has("initial_lr") ? g.InitialLr : g.Lr)];
        LastLrs = waits ? Rates() : [];
    }

    public Optimizer Optimizer { get; }

    /// <summary>Steps done so far.</summary>
    public int LastEpoch { get; internal set; }

    /// <summary>Learning rates of the groups at epoch 0, unless a scheduler says otherwise.</summary>
    public double[] BaseLrs { get; private protected set; }

    /// <summary>Calls of Step, the first one at the start included.</summary>
    protected int StepCount { get; private set; }

    private protected double[] LastLrs { get; set; } = [];

    /// <summary>The learning rates that it set last.</summary>
    public double[] GetLastLr() => [.. LastLrs];

    /// <summary>Goes on to the next epoch.</summary>
    public virtual void Step()
    {
        StepCount++;
        LastEpoch++;
        Set(closed: false);
    }

    /// <summary>Goes to an epoch.</summary>
    public virtual void Step(int epoch)
    {
        StepCount++;
        LastEpoch = epoch;
        Set(closed: true);
    }

    /// <summary>A group's learning rate at <see cref="LastEpoch"/>, from what it is now.</summary>
    protected abstract double NextLr(int group);

    /// <summary>A group's learning rate at <see cref="LastEpoch"/> whatever it is now; null where that cannot be told.</summary>
    protected virtual double? ClosedFormLr(int group) => null;

    /// <summary>What it keeps between steps, and what it was made with, by PyTorch's names; functions are not saved.</summary>
    public virtual OrderedDictionary<string, object?> StateDict()
    {
        var state = new OrderedDictionary<string, object?>
        {
            ["last_epoch"] = (long)LastEpoch,
            ["_step_count"] = (long)StepCount,
            ["base_lrs"] = Listed(BaseLrs),
            ["_last_lr"] = Listed(LastLrs),
        };
        Settings().Save(state);
        return state;
    }

    /// <summary>Takes over what <see cref="StateDict"/> gave, settings too; learning rates of the groups are part of the optimizer's state.</summary>
    /// <exception cref="ArgumentException">What is missing or of another number of groups; nothing is changed.</exception>
    public virtual void LoadStateDict(IReadOnlyDictionary<string, object?> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        string name = $"{GetType().Name}.LoadStateDict";
        double[] rates = StateTree.Numbers(state, "base_lrs", name);
        double[] last = StateTree.Numbers(state, "_last_lr", name);
        if (rates.Length != BaseLrs.Length)
            throw new ArgumentException(
                $"{name}: the state is of {rates.Length} parameter groups, but the optimizer has {BaseLrs.Length}."
            );
        int epoch = (int)StateTree.Number(state, "last_epoch", name);
        int count = (int)StateTree.Number(state, "_step_count", name);
        Settings().Read(state, name)();
        (StepCount, LastEpoch, BaseLrs, LastLrs) = (count, epoch, rates, last);
    }

    /// <summary>Names what it was made with.</summary>
    private protected virtual void Describe(SchedulerSettings settings) { }

    private SchedulerSettings Settings()
    {
        var settings = new SchedulerSettings();
        Describe(settings);
        return settings;
    }

    /// <summary>The learning rate of a group now.</summary>
    protected double Lr(int group) => Optimizer.ParamGroups[group].Lr;

    /// <summary>Called before the base rates are read.</summary>
    private protected virtual void Prepare(bool isNew) { }

    internal void InitialStep()
    {
        StepCount = 0;
        _isInitial = true;
        Step();
        _isInitial = false;
    }

    private protected bool IsInitial => _isInitial;

    private protected void Counted() => StepCount++;

    private protected void Set(bool closed)
    {
        var groups = Optimizer.ParamGroups;
        // All from the rates before.
        var rates = new double[groups.Count];
        for (int i = 0; i < rates.Length; i++)
            rates[i] = i >= BaseLrs.Length ? groups[i].Lr : (closed ? ClosedFormLr(i) : null) ?? NextLr(i);
        for (int i = 0; i < rates.Length; i++)
            groups[i].Put("lr", rates[i]);
        LastLrs = Rates();
    }

    private protected double[] Rates() => [.. Optimizer.ParamGroups.Select(g => g.Lr)];

    private protected static List<object?> Listed(IEnumerable<double> numbers) => [.. numbers.Select(n => (object?)n)];

    /// <summary>One value for each group: given one by one, or one for all.</summary>
    private protected static T[] Each<T>(Optimizer optimizer, T[] values, string name) =>
        values.Length == 1 ? [.. Enumerable.Repeat(values[0], optimizer.ParamGroups.Count)]
        : values.Length == optimizer.ParamGroups.Count ? values
        : throw new ArgumentException(
            $"{name} has {values.Length} values, but the optimizer {optimizer.ParamGroups.Count} parameter groups; give one for all, or one each."
        );

    private protected static int Positive(int value, string name) =>
        value > 0 ? value : throw new ArgumentOutOfRangeException(name, $"{name} is {value}, but must be above 0.");
}
