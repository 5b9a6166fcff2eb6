using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Picograd;

/// <summary>Modules by number, each a part. A plain list in a field of a module is the same.</summary>
/// <typeparam name="T">Of what kind they are.</typeparam>
public class ModuleList<T> : Module, IReadOnlyList<T>
    where T : Module
{
    private readonly List<T> _modules = [];

    public ModuleList(params ReadOnlySpan<T> modules)
    {
        foreach (var module in modules)
            Append(module);
    }

    public ModuleList(IEnumerable<T> modules) => Extend(modules);

    public int Count => _modules.Count;

    /// <summary>One of them, counted from the end where the number is negative. Another may be put in its place.</summary>
    public T this[int place]
    {
        get => _modules[At(place)];
        set => _modules[At(place)] = Register(Name(At(place)), value);
    }

    /// <summary>Adds one at the end. Returns itself.</summary>
    public ModuleList<T> Append(T module)
    {
        _modules.Add(Register(Name(Count), module));
        return this;
    }

    /// <summary>Adds several at the end. Returns itself.</summary>
    public ModuleList<T> Extend(IEnumerable<T> modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        foreach (var module in modules)
            Append(module);
        return this;
    }

    /// <summary>Adds one in front of another. Returns itself.</summary>
    public ModuleList<T> Insert(int place, T module)
    {
        ArgumentNullException.ThrowIfNull(module);
        int at = place < 0 ? place + Count : place;
        _modules.Insert(at, module);
        for (; at < Count; at++)
            Register(Name(at), _modules[at]);
        return this;
    }

    public IEnumerator<T> GetEnumerator() => _modules.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private protected override bool IsList => true;

    private protected override string KindName => "ModuleList";

    private int At(int place) => place < 0 ? place + Count : place;

    private static string Name(int place) => place.ToString(CultureInfo.InvariantCulture);
}

/// <inheritdoc/>
public sealed class ModuleList : ModuleList<Module>
{
    public ModuleList(params ReadOnlySpan<Module> modules)
        : base(modules) { }

    public ModuleList(IEnumerable<Module> modules)
        : base(modules) { }
}

/// <summary>Modules by name, each a part. A plain dictionary in a field of a module is the same.</summary>
public sealed class ModuleDict : Module, IReadOnlyDictionary<string, Module>
{
    private readonly OrderedDictionary<string, Module> _modules = [];

    public ModuleDict() { }

    public ModuleDict(IEnumerable<KeyValuePair<string, Module>> modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        foreach (var (name, module) in modules)
            this[name] = module;
    }

    public int Count => _modules.Count;

    public Module this[string key]
    {
        get => _modules[key];
        set => _modules[key] = Register(key, value);
    }

    public IEnumerable<string> Keys => _modules.Keys;

    public IEnumerable<Module> Values => _modules.Values;

    public bool ContainsKey(string key) => _modules.ContainsKey(key);

    /// <summary>Takes one out; whether there was one of the name.</summary>
    public bool Remove(string key)
    {
        Forget(key);
        return _modules.Remove(key);
    }

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out Module value) =>
        _modules.TryGetValue(key, out value);

    public IEnumerator<KeyValuePair<string, Module>> GetEnumerator() => _modules.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Parameters by number. A plain list of tensors in a field of a module is the same.</summary>
public sealed class ParameterList : Module, IReadOnlyList<Tensor>
{
    private readonly List<Tensor> _parameters = [];

    public ParameterList(params ReadOnlySpan<Tensor> parameters)
    {
        foreach (var parameter in parameters)
            Append(parameter);
    }

    public int Count => _parameters.Count;

    public Tensor this[int place]
    {
        get => _parameters[place < 0 ? place + Count : place];
        set =>
            _parameters[place < 0 ? place + Count : place] = Register(Name(place < 0 ? place + Count : place), value);
    }

    /// <summary>Adds one at the end, which is trained from then on. Returns itself.</summary>
    public ParameterList Append(Tensor parameter)
    {
        _parameters.Add(Register(Name(Count), parameter));
        return this;
    }

    public IEnumerator<Tensor> GetEnumerator() => _parameters.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private protected override bool IsGroup => true;

    private static string Name(int place) => place.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Parameters by name. A plain dictionary of tensors in a field of a module is the same.</summary>
public sealed class ParameterDict : Module, IEnumerable<KeyValuePair<string, Tensor>>
{
    private readonly OrderedDictionary<string, Tensor> _parameters = [];

    public ParameterDict() { }

    public ParameterDict(IEnumerable<KeyValuePair<string, Tensor>> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        foreach (var (name, parameter) in parameters)
            this[name] = parameter;
    }

    public int Count => _parameters.Count;

    public Tensor this[string key]
    {
        get => _parameters[key];
        set => _parameters[key] = Register(key, value);
    }

    public IEnumerable<string> Keys => _parameters.Keys;

    public bool ContainsKey(string key) => _parameters.ContainsKey(key);

    public IEnumerator<KeyValuePair<string, Tensor>> GetEnumerator() => _parameters.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private protected override bool IsGroup => true;
}
