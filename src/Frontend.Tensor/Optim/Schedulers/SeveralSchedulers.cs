namespace Picograd;

/// <summary>One scheduler after another, each from epoch 0 on from its milestone.</summary>
public sealed class SequentialLR : LRScheduler
{
    private readonly LRScheduler[] _schedulers;
    private int[] _milestones;

    /// <param name="optimizer">That of all schedulers.</param>
    /// <param name="schedulers">In order.</param>
    /// <param name="milestones">Epochs at which the second one begins, and so on; ascending.</param>
    /// <param name="lastEpoch">Epoch before the one to begin with.</param>
    /// <exception cref="ArgumentException">Schedulers of another optimizer; not one milestone fewer than schedulers.</exception>
    public SequentialLR(
        Optimizer optimizer,
        IEnumerable<LRScheduler> schedulers,
        IEnumerable<int> milestones,
        int lastEpoch = -1
    )
        : base(optimizer, waits: true)
    {
        (_schedulers, _milestones) = ([.. schedulers], [.. milestones]);
        Several.Check(nameof(SequentialLR), _schedulers, optimizer);
        if (_milestones.Length != _schedulers.Length - 1)
            throw new ArgumentException(
                $"SequentialLR: of {_schedulers.Length} schedulers there must be {_schedulers.Length - 1} milestones, but {_milestones.Length} were given."
            );
        if (_schedulers.Any(s => s is ReduceLROnPlateau))
            throw new ArgumentException("SequentialLR: ReduceLROnPlateau has to be called by itself.");
        LastEpoch = lastEpoch + 1;
        foreach (var group in optimizer.ParamGroups)
            group.Lr = group.InitialLr;
        // What they did when they were made is undone; the first one begins.
        foreach (var scheduler in _schedulers)
            Undo(scheduler);
        _schedulers[0].InitialStep();
        LastLrs = _schedulers[0].GetLastLr();
    }

    private static void Undo(LRScheduler scheduler)
    {
        scheduler.LastEpoch--;
        var parts = scheduler switch
        {
            SequentialLR sequential => sequential._schedulers,
            ChainedScheduler chained => chained.Parts,
            _ => [],
        };
        foreach (var part in parts)
            Undo(part);
    }

    /// <inheritdoc/>
    public override void Step()
    {
        LastEpoch++;
        int at = _milestones.Count(m => m <= LastEpoch);
        if (at > 0 && _milestones[at - 1] == LastEpoch)
            _schedulers[at].Step(0);
        else
            _schedulers[at].Step();
        LastLrs = _schedulers[at].GetLastLr();
    }

    /// <exception cref="NotSupportedException">Always: what its parts are at is not known.</exception>
    public override void Step(int epoch) =>
        throw new NotSupportedException("SequentialLR: goes on by one epoch only; call Step().");

    protected override double NextLr(int group) => Lr(group);

    private protected override void Describe(SchedulerSettings settings) =>
        settings.Add(
            "_milestones",
            () => (double[])[.. _milestones.Select(m => (double)m)],
            v => _milestones = [.. v.Select(m => (int)m)]
        );

    /// <inheritdoc/>
    public override OrderedDictionary<string, object?> StateDict() => Several.StateOf(base.StateDict(), _schedulers);

    /// <inheritdoc/>
    public override void LoadStateDict(IReadOnlyDictionary<string, object?> state)
    {
        Several.Load(nameof(SequentialLR), state, _schedulers);
        base.LoadStateDict(state);
    }
}

/// <summary>Several schedulers at once, each of which goes on from the rates that the one before left.</summary>
public sealed class ChainedScheduler : LRScheduler
{
    private readonly LRScheduler[] _schedulers;

    internal LRScheduler[] Parts => _schedulers;

    /// <exception cref="ArgumentException">None, or of different optimizers.</exception>
    public ChainedScheduler(IEnumerable<LRScheduler> schedulers, Optimizer? optimizer = null)
        : this([.. schedulers], optimizer) { }

    private ChainedScheduler(LRScheduler[] schedulers, Optimizer? optimizer)
        : base(
            optimizer
                ?? schedulers.FirstOrDefault()?.Optimizer
                ?? throw new ArgumentException("ChainedScheduler: there must be at least one scheduler."),
            waits: true
        )
    {
        _schedulers = schedulers;
        Several.Check(nameof(ChainedScheduler), schedulers, Optimizer);
    }

    /// <inheritdoc/>
    public override void Step()
    {
        LastEpoch++;
        foreach (var scheduler in _schedulers)
            scheduler.Step();
        LastLrs = Rates();
    }

    /// <exception cref="NotSupportedException">Always: what its parts are at is not known.</exception>
    public override void Step(int epoch) =>
        throw new NotSupportedException("ChainedScheduler: goes on by one epoch only; call Step().");

    protected override double NextLr(int group) => Lr(group);

    /// <inheritdoc/>
    public override OrderedDictionary<string, object?> StateDict() => Several.StateOf(base.StateDict(), _schedulers);

    /// <inheritdoc/>
    public override void LoadStateDict(IReadOnlyDictionary<string, object?> state)
    {
        Several.Load(nameof(ChainedScheduler), state, _schedulers);
        base.LoadStateDict(state);
    }
}

internal static class Several
{
    private const string Parts = "_schedulers";

    public static void Check(string name, LRScheduler[] schedulers, Optimizer optimizer)
    {
        if (schedulers.Length == 0)
            throw new ArgumentException($"{name}: there must be at least one scheduler.");
        if (schedulers.Any(s => s.Optimizer != optimizer))
            throw new ArgumentException($"{name}: all schedulers must be of one optimizer.");
    }

    public static OrderedDictionary<string, object?> StateOf(
        OrderedDictionary<string, object?> state,
        LRScheduler[] schedulers
    )
    {
        state[Parts] = new List<object?>(schedulers.Select(s => s.StateDict()));
        return state;
    }

    public static void Load(string name, IReadOnlyDictionary<string, object?> state, LRScheduler[] schedulers)
    {
        var parts = StateTree.List(state, Parts, name);
        if (parts.Count != schedulers.Length)
            throw new ArgumentException(
                $"{name}: the state is of {parts.Count} schedulers, but there are {schedulers.Length}."
            );
        for (int i = 0; i < schedulers.Length; i++)
            schedulers[i].LoadStateDict(StateTree.Dictionary(parts[i], $"{Parts}[{i}]", name));
    }
}
