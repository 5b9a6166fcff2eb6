namespace Picograd;

// Parameters that are computed from others, and modules computed with other parameters.
public abstract partial class Module
{
    // By the parameter that there was before.
    private Dictionary<Tensor, ParametrizationList>? _parametrized;

    /// <summary>A parameter as the module computes with it: itself, or what it is computed from others as.</summary>
    private protected Tensor Current(Tensor parameter) =>
        _parametrized is null || !_parametrized.TryGetValue(parameter, out var list) ? parameter : list.Value();

    /// <summary>Whether its parameters are read by <see cref="Current"/>, so that they can be computed from others.</summary>
    private protected virtual bool IsParametrizable => false;

    // Other values in the place of a parameter that may be computed: of what it is computed of, as in PyTorch.
    private protected bool SetParametrized(string name, Tensor value)
    {
        if (ParametrizationOf(name) is not { } list)
            return false;
        list.Set(Tensor.Given(value));
        return true;
    }

    // A parameter is computed from others no more.
    private protected void OwnAgain(string name)
    {
        if (ParametrizationOf(name) is not null)
            Unparametrize(name, leaveParametrized: true);
    }

    internal ParametrizationList? ParametrizationOf(string name) =>
        _parametrized?.Values.FirstOrDefault(p => p.Name == name);

    internal bool IsParametrized => _parametrized is not null;

    /// <summary>A parameter becomes one that is computed; see <see cref="Parametrize"/>.</summary>
    internal void Parametrize_(string name, Parametrization parametrization)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(parametrization);
        if (ParametrizationOf(name) is { } list)
        {
            list.Add(parametrization);
            return;
        }
        int at = _parameters.FindIndex(p => p.Name == name);
        if (at < 0)
            throw new ArgumentException(
                $"{GetType().Name}: there is no parameter '{name}' of its own to compute; there are {string.Join(", ", _parameters.Select(p => p.Name))}."
            );
        if (!IsParametrizable)
            throw new ArgumentException(
                $"{GetType().Name}: its parameters cannot be computed from others; those of the library's linear, bilinear, convolution and embedding layers and of its recurrent networks can."
            );
        var parameter = _parameters[at].Tensor;
        var made = new ParametrizationList(name, parameter, parametrization);
        _parameters.RemoveAt(at);
        (_parametrized ??= []).Add(parameter, made);
        if (_children.Find(c => c.Name == ParametrizationList.Group).Module is not ModuleDict group)
            group = Register(ParametrizationList.Group, new ModuleDict());
        group[name] = made;
    }

    /// <summary>The parameter is one of its own again.</summary>
    internal void Unparametrize(string name, bool leaveParametrized)
    {
        var list =
            ParametrizationOf(name)
            ?? throw new ArgumentException($"{GetType().Name}: the parameter '{name}' is not computed from others.");
        var parameter = _parametrized!.First(p => p.Value == list).Key;
        if (!leaveParametrized && list.Originals.Length > 1)
            throw new ArgumentException(
                $"{GetType().Name}: '{name}' is computed from {list.Originals.Length} parameters, of which none is it; leave its value."
            );
        using (Tensor.NoGrad())
            parameter.Detach().Copy_(leaveParametrized ? list.Value() : list.Originals[0].Detach());
        parameter.RequiresGrad_(list.Originals[0].RequiresGrad);
        _parametrized!.Remove(parameter);
        var group = (ModuleDict)_children.Find(c => c.Name == ParametrizationList.Group).Module;
        group.Remove(name);
        if (_parametrized.Count == 0)
        {
            _parametrized = null;
            _children.RemoveAll(c => c.Name == ParametrizationList.Group);
        }
        _parameters.Add((name, parameter));
    }

    /// <summary>Forgets a part; what takes it apart does so, too.</summary>
    private protected void Forget(string child) => _children.RemoveAll(c => c.Name == child);

    /// <summary>
    /// What the module computes with other tensors in the place of some parameters and buffers, by path (torch.func.functional_call); the
    /// module stays as it is. Tied parameters are all replaced where one is. A copy of its objects is made, but not of its tensors.
    /// </summary>
    /// <param name="parametersAndBuffers">Of any history; gradients go to them.</param>
    /// <param name="x">The input.</param>
    /// <exception cref="ArgumentException">A path that there is not; names those that there are.</exception>
    public Tensor FunctionalCall(IReadOnlyDictionary<string, Tensor> parametersAndBuffers, Tensor x) =>
        FunctionalCall(parametersAndBuffers, m => m.Call(x));

    /// <summary>The same of modules that take or give several tensors.</summary>
    /// <param name="parametersAndBuffers">See there.</param>
    /// <param name="call">What is to be computed with the module that it is given.</param>
    /// <exception cref="ArgumentException">See there.</exception>
    public T FunctionalCall<T>(IReadOnlyDictionary<string, Tensor> parametersAndBuffers, Func<Module, T> call)
    {
        ArgumentNullException.ThrowIfNull(parametersAndBuffers);
        ArgumentNullException.ThrowIfNull(call);
        var entries = Walk();
        var others = new Dictionary<Tensor, (string Name, Tensor Tensor)>();
        foreach (var (name, tensor) in parametersAndBuffers)
        {
            var entry =
                entries.Find(e => e.Name == name)
                ?? throw new ArgumentException(
                    $"functional_call: {GetType().Name} has no '{name}'; it has {string.Join(", ", entries.Select(e => e.Name))}.",
                    nameof(parametersAndBuffers)
                );
            ArgumentNullException.ThrowIfNull(tensor, nameof(parametersAndBuffers));
            if (others.TryGetValue(entry.Tensor, out var tied) && !ReferenceEquals(tied.Tensor, tensor))
                throw new ArgumentException(
                    $"functional_call: '{tied.Name}' and '{name}' of {GetType().Name} are one tensor, but two were given for them.",
                    nameof(parametersAndBuffers)
                );
            others[entry.Tensor] = (name, tensor);
        }
        return call(ModuleCopy.With(this, t => others.TryGetValue(t, out var other) ? other.Tensor : t));
    }
}
