using System.Globalization;
using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

/// <summary>
/// Changes parameters in place by their gradients, with PyTorch's arguments, formulas and state. A step goes over all parameters at
/// once, in stretches that threads share (on a GPU one kernel a parameter), reads and writes parameters and state once, and makes no
/// object after the first; 16-bit parameters are computed in float32.
/// </summary>
public abstract partial class Optimizer
{
    // What schedulers keep beside the optimizer's own options.
    private static readonly string[] OfSchedulers =
    [
        "initial_lr",
        "max_lr",
        "min_lr",
        "max_momentum",
        "base_momentum",
        "swa_lr",
    ];

    private readonly (string Name, double Value)[] _defaults;
    private readonly string[] _tensorNames;
    private readonly string[] _numberNames;
    private readonly List<ParamGroup> _groups = [];
    private readonly Dictionary<Tensor, ParamState> _states = [];
    private readonly List<ParamState> _inOrder = [];

    // Raised where states become other tensors.
    private int _revision;

    /// <summary>Memory that steps write to.</summary>
    internal StepMemory Spares { get; } = new();

    /// <param name="groups">What is optimised.</param>
    /// <param name="defaults">All options with the values that groups have unless they say otherwise.</param>
    /// <param name="tensors">What is kept for each parameter, by PyTorch's names.</param>
    /// <param name="numbers">Numbers that are kept for each parameter.</param>
    /// <exception cref="ArgumentException">No parameters, one that is not a leaf with a gradient, or one twice.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option out of its range.</exception>
    protected Optimizer(
        IEnumerable<ParamGroup> groups,
        ReadOnlySpan<(string Name, double Value)> defaults,
        string[]? tensors = null,
        string[]? numbers = null
    )
    {
        ArgumentNullException.ThrowIfNull(groups);
        _defaults = defaults.ToArray();
        (_tensorNames, _numberNames) = (tensors ?? [], numbers ?? []);
        foreach (var (name, value) in _defaults)
            CheckOption(name, value);
        foreach (var group in groups.ToArray())
            AddParamGroup(group);
        if (_inOrder.Count == 0)
            throw new ArgumentException("An optimizer needs at least one parameter, but none was given.");
    }

    /// <summary>Parameters with their options.</summary>
    public IReadOnlyList<ParamGroup> ParamGroups => _groups;

    /// <summary>Learning rate of the first group; set, that of all groups.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative or not a number.</exception>
    public double Lr
    {
        get => _groups[0].Lr;
        set
        {
            foreach (var group in _groups)
                group.Lr = value;
        }
    }

    /// <summary>More parameters, such as layers that were frozen before.</summary>
    /// <exception cref="ArgumentException">
    /// A parameter that is not a leaf with a gradient, or that the optimizer has already; an option that it does not know.
    /// </exception>
    public void AddParamGroup(ParamGroup group)
    {
        ArgumentNullException.ThrowIfNull(group);
        var places = _inOrder.Select((s, i) => (s.Parameter, i)).ToDictionary();
        foreach (var parameter in group.Parameters)
        {
            ArgumentNullException.ThrowIfNull(parameter, nameof(group));
            if (!places.TryAdd(parameter, places.Count))
                throw new ArgumentException(
                    $"An optimizer was given the same parameter twice, as number {places[parameter]} and {places.Count} (shape "
                        + $"{parameter.Layout}); a module's Parameters have each once, and Distinct() sorts out others."
                );
            if (!parameter.RequiresGrad || !parameter.IsLeaf)
                throw new ArgumentException(
                    $"An optimizer changes leaf tensors that require a gradient, but one of shape {parameter.Layout} and "
                        + $"dtype {parameter.DType.Name()} is not; call RequiresGrad_() on it."
                );
            CheckParameter(parameter);
        }
        group.JoinTo(this, _defaults);
        _revision++;
        _groups.Add(group);
        foreach (var parameter in group.Parameters)
        {
            var state = new ParamState(parameter, _tensorNames.Length, _numberNames.Length);
            _states.Add(parameter, state);
            _inOrder.Add(state);
        }
    }

    /// <summary>One step for every parameter that has a gradient.</summary>
    public virtual void Step()
    {
        using var off = Tensor.NoGrad();
        var listener = Executor.Listening;
        bool recorded = listener?.BeginNumbers(new LiveStep(this)) ?? false;
        try
        {
            foreach (var group in _groups)
            {
                Begin(group);
                // By index: the list's own enumerator would be an object.
                for (int i = 0; i < group.Parameters.Count; i++)
                {
                    var parameter = group.Parameters[i];
                    if (parameter.GradOrNull is { } grad)
                        Update(_states[parameter], grad);
                }
            }
        }
        finally
        {
            // Where one parameter is refused, those before it have had their step.
            Spares.Run();
            if (recorded)
                listener!.EndNumbers();
        }
    }

    // The host's part of a step, for the parameters that have a gradient when it begins.
    private sealed class LiveStep(Optimizer optimizer) : ILiveNumbers
    {
        private readonly HashSet<Tensor> _changed =
        [
            .. optimizer._inOrder.Select(s => s.Parameter).Where(p => p.GradUntold is not null),
        ];

        public int Revision => optimizer._revision;

        public string Title => $"{optimizer.GetType().Name}.Step";

        private readonly List<(ParamState State, long Step, Tensor?[] Tensors, double[] Numbers)> _saved = [];

        public void Save()
        {
            if (_saved.Count != optimizer._inOrder.Count)
            {
                _saved.Clear();
                foreach (var state in optimizer._inOrder)
                    _saved.Add((state, 0, new Tensor?[state.Tensors.Length], new double[state.Numbers.Length]));
            }
            for (int i = 0; i < _saved.Count; i++)
            {
                var (state, _, tensors, numbers) = _saved[i];
                state.Tensors.CopyTo(tensors.AsSpan());
                state.Numbers.CopyTo(numbers.AsSpan());
                _saved[i] = (state, state.Step, tensors, numbers);
            }
        }

        public void Restore()
        {
            foreach (var (state, step, tensors, numbers) in _saved)
            {
                state.Step = step;
                numbers.CopyTo(state.Numbers.AsSpan());
                for (int i = 0; i < tensors.Length; i++)
                {
                    if (!ReferenceEquals(state.Tensors[i], tensors[i]))
                        state.Tensors[i]?.Dispose();
                    state.Tensors[i] = tensors[i];
                }
            }
        }

        public void Repeat()
        {
            foreach (var group in optimizer._groups)
            {
                optimizer.Begin(group);
                for (int i = 0; i < group.Parameters.Count; i++)
                {
                    var parameter = group.Parameters[i];
                    if (_changed.Contains(parameter))
                        optimizer.Update(optimizer._states[parameter], parameter);
                }
            }
        }
    }

    /// <summary>Computes the loss and its gradients anew, then does a step. Returns the loss.</summary>
    /// <param name="closure">Forgets gradients, computes a loss, calls Backward and returns the loss.</param>
    public virtual Tensor Step(Func<Tensor> closure)
    {
        ArgumentNullException.ThrowIfNull(closure);
        Tensor loss;
        using (Tensor.EnableGrad())
            loss = closure();
        Step();
        return loss;
    }

    /// <summary>Forgets all gradients.</summary>
    /// <param name="setToNone">Whether they are null afterwards; else they are zeros, and still added up by Backward.</param>
    public void ZeroGrad(bool setToNone = true)
    {
        foreach (var state in _inOrder)
        {
            if (setToNone)
                state.Parameter.ZeroGrad_();
            else if (state.Parameter.GradOrNull is { } grad)
                Operator.Fill(grad, 0);
        }
    }

    /// <summary>Called before the updates of a group: looks up its options.</summary>
    protected virtual void Begin(ParamGroup group) { }

    /// <summary>Changes a parameter by its gradient; nothing is recorded.</summary>
    protected abstract void Update(ParamState state, Tensor grad);

    /// <summary>Refuses parameters that this optimizer cannot change.</summary>
    protected virtual void CheckParameter(Tensor parameter) { }

    /// <summary>The range of an option, the end excluded; null where it has none.</summary>
    protected virtual (double Low, double High)? Range(string option) =>
        option is "lr" or "weight_decay" or "momentum" or "eps" or "lambd" or "lr_decay" or "initial_accumulator_value"
            ? (0, double.PositiveInfinity)
        : option is "betas[0]" or "betas[1]" ? (0, 1)
        : null;

    internal void CheckOption(string option, double value)
    {
        if (!_defaults.Any(d => d.Name == option) && !OfSchedulers.Contains(option))
            throw new ArgumentException(
                $"{GetType().Name} has no option '{option}'; it has {string.Join(", ", _defaults.Select(d => d.Name))}."
            );
        if (Range(option) is var (low, high) && !(value >= low && value < high))
            throw new ArgumentOutOfRangeException(
                option,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{GetType().Name}: {option} is {value}, but must be at least {low} and below {high}."
                )
            );
    }

    /// <summary>Options as groups have them.</summary>
    private protected static double On(bool value) => value ? 1 : 0;

    private protected ParamState StateOf(Tensor parameter) => _states[parameter];

    private protected static ParamGroup[] One(IEnumerable<Tensor> parameters) => [new ParamGroup(parameters)];

    public override string ToString() =>
        $"{GetType().Name} ({string.Concat(_groups.Select((g, i) => $"\n  group {i}: {g}"))}\n)";
}

/// <summary>What an optimizer keeps of a parameter between steps.</summary>
public sealed class ParamState
{
    internal ParamState(Tensor parameter, int tensors, int numbers)
    {
        Parameter = parameter;
        (Tensors, Numbers) = (new Tensor?[tensors], new double[numbers]);
    }

    /// <summary>What it is of.</summary>
    public Tensor Parameter { get; }

    /// <summary>Steps done so far.</summary>
    public long Step { get; internal set; }

    internal Tensor?[] Tensors { get; }

    internal double[] Numbers { get; }

    internal void Clear()
    {
        Step = 0;
        Array.Clear(Tensors);
        Array.Clear(Numbers);
    }

    /// <summary>A tensor of the parameter's shape that outlives scopes; of one value at first.</summary>
    internal Tensor Tensor(int place, double initial = 0) =>
        Tensors[place] ??= (
            initial == 0 ? Picograd.Tensor.ZerosLike(Parameter) : Picograd.Tensor.FullLike(Parameter, initial)
        ).Keep();
}
