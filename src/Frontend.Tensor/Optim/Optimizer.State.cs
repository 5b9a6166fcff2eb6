using System.Collections;
using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

// What is saved with a model: PyTorch's tree of dictionaries, lists, numbers and tensors.
public abstract partial class Optimizer
{
    private static readonly string[] OnOrOff =
    [
        "nesterov",
        "maximize",
        "amsgrad",
        "centered",
        "decoupled_weight_decay",
    ];

    /// <summary>
    /// State and options as PyTorch has them: <c>state</c> has for each parameter's number its tensors (which share memory) and
    /// numbers, <c>param_groups</c> a dictionary of options for each group, with the numbers of its parameters under <c>params</c>.
    /// </summary>
    public OrderedDictionary<string, object?> StateDict()
    {
        var state = new OrderedDictionary<string, object?>();
        var numbers = new Dictionary<Tensor, int>();
        for (int i = 0; i < _inOrder.Count; i++)
        {
            numbers[_inOrder[i].Parameter] = i;
            if (Saved(_inOrder[i]) is { Count: > 0 } kept)
                state.Add(i.ToString(CultureInfo.InvariantCulture), kept);
        }
        var groups = new List<object?>();
        foreach (var group in _groups)
        {
            var options = new OrderedDictionary<string, object?>();
            foreach (string option in group.Options)
            {
                double value = group[option];
                if (!option.EndsWith(']'))
                    options[option] = OnOrOff.Contains(option) ? value != 0 : value;
                else if (option.EndsWith("[0]", StringComparison.Ordinal))
                    options[option[..^3]] = new List<object?> { value, group[option[..^3] + "[1]"] };
            }
            options["params"] = new List<object?>(group.Parameters.Select(p => (object?)(long)numbers[p]));
            groups.Add(options);
        }
        return new() { ["state"] = state, ["param_groups"] = groups };
    }

    /// <summary>
    /// Takes over state and options, as <see cref="StateDict"/> of an optimizer of the same kind and groups of the same sizes gives them.
    /// Where something does not fit, nothing is changed.
    /// </summary>
    /// <exception cref="ArgumentException">What is missing or does not fit; names it.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, object?> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        string name = $"{GetType().Name}.LoadStateDict";
        var groups = StateTree.List(state, "param_groups", name);
        if (groups.Count != _groups.Count)
            throw new ArgumentException(
                $"{name}: the state has {groups.Count} parameter groups, but the optimizer {_groups.Count}."
            );
        var options = new List<(ParamGroup Group, string Option, double Value)>();
        for (int g = 0; g < groups.Count; g++)
        {
            var saved = StateTree.Dictionary(groups[g], $"param_groups[{g}]", name);
            int count = StateTree.List(saved, "params", name).Count;
            if (count != _groups[g].Parameters.Count)
                throw new ArgumentException(
                    $"{name}: group {g} has {count} parameters in the state, but {_groups[g].Parameters.Count} in the optimizer."
                );
            foreach (var (option, value) in saved)
            {
                if (option == "params" || value is null)
                    continue;
                if (value is not string && value is IEnumerable several)
                {
                    int at = 0;
                    foreach (object? part in several)
                        Add($"{option}[{at++}]", part);
                }
                else
                {
                    Add(option, value);
                }
            }

            void Add(string option, object? value)
            {
                // PyTorch's own switches of how to compute say nothing about what.
                if (option is "foreach" or "capturable" or "differentiable" or "fused" || !IsKnown(option))
                    return;
                double number = StateTree.Number(value, option, name);
                options.Add((_groups[g], option, number));
            }
        }
        var entries = StateTree.Dictionary(state.GetValueOrDefault("state"), "state", name);
        var load = new List<Action>();
        for (int i = 0; i < _inOrder.Count; i++)
        {
            string key = i.ToString(CultureInfo.InvariantCulture);
            if (entries.TryGetValue(key, out object? entry))
                Load(_inOrder[i], StateTree.Dictionary(entry, $"state[{key}]", name), $"{name}: state[{key}]", load);
            else
                load.Add(_inOrder[i].Clear);
        }
        foreach (string key in entries.Keys)
        {
            if (!int.TryParse(key, CultureInfo.InvariantCulture, out int number) || number >= _inOrder.Count)
                throw new ArgumentException(
                    $"{name}: the state is of parameter {key}, but there are {_inOrder.Count}."
                );
        }
        foreach (var (group, option, value) in options)
            group.Put(option, value);
        using var off = Tensor.NoGrad();
        _revision++;
        load.ForEach(l => l());
    }

    private bool IsKnown(string option) => _defaults.Any(d => d.Name == option) || OfSchedulers.Contains(option);

    /// <summary>What is kept of a parameter, by name.</summary>
    private protected virtual OrderedDictionary<string, object?> Saved(ParamState state)
    {
        var kept = new OrderedDictionary<string, object?>();
        if (state.Step > 0)
            kept["step"] = state.Step;
        for (int i = 0; i < _tensorNames.Length; i++)
        {
            if (state.Tensors[i] is { } tensor)
                kept[_tensorNames[i]] = tensor.Detach().Keep();
        }
        for (int i = 0; state.Step > 0 && i < _numberNames.Length; i++)
            kept[_numberNames[i]] = state.Numbers[i];
        return kept;
    }

    /// <summary>Checks what is to be kept of a parameter, and adds what takes it over.</summary>
    private protected virtual void Load(
        ParamState state,
        IReadOnlyDictionary<string, object?> saved,
        string what,
        List<Action> load
    )
    {
        long step = saved.TryGetValue("step", out object? steps) ? (long)StateTree.Number(steps, "step", what) : 0;
        if (step < 0)
            throw new ArgumentException($"{what}: step is {step}, but must be at least 0.");
        var tensors = new Tensor?[_tensorNames.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            if (!saved.TryGetValue(_tensorNames[i], out object? value) || value is null)
                continue;
            if (value is not Tensor tensor)
                throw new ArgumentException(
                    $"{what}: {_tensorNames[i]} is {StateTree.Kind(value)}, but must be a tensor."
                );
            if (!tensor.Layout.SameSizes(state.Parameter.Layout))
                throw new ArgumentException(
                    $"{what}: {_tensorNames[i]} has the shape {tensor.Layout}, but the parameter {state.Parameter.Layout}."
                );
            tensors[i] = tensor;
        }
        double[] numbers =
        [
            .. _numberNames.Select(n => saved.TryGetValue(n, out object? v) ? StateTree.Number(v, n, what) : 0),
        ];
        load.Add(() =>
        {
            state.Step = step;
            for (int i = 0; i < tensors.Length; i++)
            {
                // A copy: what was saved may be another optimizer's.
                state.Tensors[i] = tensors[i] is { } tensor
                    ? Tensor.EmptyLike(state.Parameter).Copy_(tensor.ToDevice(state.Parameter.Device)).Keep()
                    : null;
            }
            numbers.CopyTo(state.Numbers, 0);
        });
    }
}
