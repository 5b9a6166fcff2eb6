using System.Globalization;

namespace Picograd;

/// <summary>
/// Parameters of an optimizer with options of their own: <c>new ParamGroup(head.Parameters) { Lr = 1e-2, WeightDecay = 0 }</c>. What is
/// not given is as the optimizer was made with. Options have PyTorch's names (<c>weight_decay</c>) and may be changed between steps;
/// those of two numbers are <c>betas[0]</c> and <c>betas[1]</c>, those that are on or off 1 and 0.
/// </summary>
public sealed class ParamGroup
{
    private readonly OrderedDictionary<string, double> _options = [];
    private Optimizer? _owner;

    /// <param name="parameters">Leaf tensors that require a gradient.</param>
    public ParamGroup(params IEnumerable<Tensor> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = [.. parameters];
    }

    /// <summary>What is optimised with these options.</summary>
    public IReadOnlyList<Tensor> Parameters { get; }

    /// <summary>Names of all options that it has.</summary>
    public IReadOnlyCollection<string> Options => _options.Keys;

    /// <summary>An option by PyTorch's name, such as <c>momentum</c>.</summary>
    /// <exception cref="KeyNotFoundException">It has no such option; names those that it has.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value that the optimizer does not take.</exception>
    public double this[string option]
    {
        get =>
            _options.TryGetValue(option, out double value)
                ? value
                : throw new KeyNotFoundException(
                    $"A parameter group has no option '{option}'; it has {string.Join(", ", _options.Keys)}."
                );
        set
        {
            ArgumentException.ThrowIfNullOrEmpty(option);
            _owner?.CheckOption(option, value);
            Put(option, value);
        }
    }

    /// <summary>Learning rate.</summary>
    public double Lr
    {
        get => this["lr"];
        set => this["lr"] = value;
    }

    /// <summary>The learning rate that a scheduler started from.</summary>
    public double InitialLr
    {
        get => this["initial_lr"];
        set => this["initial_lr"] = value;
    }

    public double WeightDecay
    {
        get => this["weight_decay"];
        set => this["weight_decay"] = value;
    }

    public double Momentum
    {
        get => this["momentum"];
        set => this["momentum"] = value;
    }

    public (double Beta1, double Beta2) Betas
    {
        get => (this["betas[0]"], this["betas[1]"]);
        set => (this["betas[0]"], this["betas[1]"]) = value;
    }

    public double Eps
    {
        get => this["eps"];
        set => this["eps"] = value;
    }

    /// <summary>Whether it has an option.</summary>
    public bool Has(string option) => _options.ContainsKey(option);

    public override string ToString() =>
        $"{Parameters.Count} parameters, "
        + string.Join(", ", _options.Select(o => string.Create(CultureInfo.InvariantCulture, $"{o.Key}: {o.Value}")));

    /// <summary>Sets an option without a look at its range, as schedulers do: PyTorch's may leave it in their last step.</summary>
    internal void Put(string option, double value)
    {
        if (_owner is not null)
            Calls.Executor.Listening?.Refuses(
                $"the option '{option}' of a parameter group is set; set it, or step the scheduler, outside"
            );
        _options[option] = value;
    }

    internal bool IsOn(string option) => this[option] != 0;

    /// <summary>Becomes part of an optimizer: takes over the options that it does not have, in the optimizer's order.</summary>
    internal void JoinTo(Optimizer owner, IReadOnlyList<(string Name, double Value)> defaults)
    {
        if (_owner is not null && _owner != owner)
            throw new ArgumentException(
                "A parameter group belongs to another optimizer already; make one of its own for each."
            );
        var given = _options.ToList();
        foreach (var (option, value) in given)
            owner.CheckOption(option, value);
        _options.Clear();
        foreach (var (name, value) in defaults)
            _options[name] = value;
        foreach (var (option, value) in given)
            _options[option] = value;
        _owner = owner;
    }
}
