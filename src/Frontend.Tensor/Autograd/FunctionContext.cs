using Picograd.Algorithms;
using Picograd.Gradients;

namespace Picograd;

/// <summary>What a <see cref="Function"/> hands from its forward to its backward call: PyTorch's <c>ctx</c>.</summary>
public sealed class FunctionContext
{
    private readonly FunctionBase _function;
    private readonly Dictionary<string, object?> _values = [];
    private Tensor?[] _saved = [];
    private int[] _versions = [];
    private bool _released;
    private Tensor[] _dirty = [];
    private Tensor[] _constant = [];
    private bool _materializes = true;
    private Layout[] _shapes = [];
    private (DType Type, Device Device)[] _kinds = [];
    private (DType Type, Device Device)[] _inputKinds = [];

    internal FunctionContext(FunctionBase function, bool[] needs)
    {
        _function = function;
        NeedsInputGrad = needs;
    }

    /// <summary>For each input, whether its gradient is wanted.</summary>
    public IReadOnlyList<bool> NeedsInputGrad { get; }

    /// <summary>Values of one's own, that are no tensors: <c>context["scale"] = 2.0</c>.</summary>
    /// <exception cref="KeyNotFoundException">Nothing was put there.</exception>
    public object? this[string name]
    {
        get => _values[name];
        set => _values[name] = value;
    }

    /// <summary>
    /// What was saved, in order. A tensor that was changed in place since then is an error, as is one that was freed by an earlier
    /// pass.
    /// </summary>
    /// <exception cref="InvalidOperationException">See above.</exception>
    public IReadOnlyList<Tensor> SavedTensors => [.. Saved().Select(t => t!)];

    /// <summary>The same, where null was saved for some.</summary>
    public IReadOnlyList<Tensor?> SavedTensorsOrNull => Saved();

    /// <summary>Saves inputs and results of the function; calling it again replaces what was saved.</summary>
    public void SaveForBackward(params Tensor?[] tensors) => _saved = [.. tensors];

    /// <summary>Results that have no gradient.</summary>
    public void MarkNonDifferentiable(params Tensor[] results) => _constant = [.. results];

    /// <summary>Inputs that forward changed in place, each of which must be a result.</summary>
    public void MarkDirty(params Tensor[] inputs) => _dirty = [.. inputs];

    /// <summary>Whether a result that was not used has a gradient of zeros (as at first) or null.</summary>
    public void SetMaterializeGrads(bool value) => _materializes = value;

    internal string Name => _function.GetType().Name + "Backward";

    /// <summary>Gives the results their history.</summary>
    internal Tensor[] Record(Tensor[] inputs, Tensor[] results)
    {
        bool records = GradMode.Enabled && NeedsInputGrad.Contains(true);
        foreach (var dirty in _dirty)
        {
            if (!results.Contains(dirty))
                throw new InvalidOperationException(
                    $"{Name}: a tensor of shape {dirty.Layout} was marked as changed in place, but is no result."
                );
            if (records && dirty.RequiresGrad && dirty.IsLeaf)
                throw new InvalidOperationException(
                    $"{Name}: a leaf tensor that requires a gradient cannot be changed in place while operators are recorded."
                );
        }
        // A function of several results has a node of its own, that waits for the gradients of all.
        var node = records ? Node.OfMany(results.Length == 1 ? One : Several, inputs) : null;
        if (node is not null)
            node.Data = this;
        _shapes = [.. results.Select(r => r.Layout)];
        _kinds = [.. results.Select(r => (r.DType, r.Device))];
        _inputKinds = [.. inputs.Select(i => (i.DType, i.Device))];
        for (int i = 0; i < results.Length; i++)
        {
            var given = results[i];
            bool constant = node is null || !given.DType.IsFloat() || _constant.Contains(given);
            var own = node;
            if (!constant && results.Length > 1)
            {
                own = Node.OfResult(ResultOf, node!, given.Layout);
                own.Data = new FunctionOutput(this, i);
            }
            results[i] = given.AsResult(constant ? null : own, _dirty.Contains(given), inputs.Contains(given));
            for (int s = 0; s < _saved.Length; s++)
            {
                if (ReferenceEquals(_saved[s], given))
                    _saved[s] = results[i];
            }
        }
        if (node is null)
            _saved = [];
        _versions = [.. _saved.Select(t => t?.Version ?? 0)];
        return results;
    }

    /// <summary>Lets go of what was saved.</summary>
    internal void Release()
    {
        if (_saved.Length == 0)
            return;
        _released = true;
        Array.Clear(_saved);
    }

    /// <summary>What was saved can be had again: from the context of another call of the same, which is given to <see cref="TakeFrom"/>.</summary>
    internal void Forget() => Array.Clear(_saved);

    internal void TakeFrom(FunctionContext other) => (_saved, _versions) = ([.. other._saved], other._versions);

    private Tensor?[] Saved()
    {
        if (_released)
            throw new InvalidOperationException(
                $"Backward: the graph of {Name} was already used and freed; call Backward(retainGraph: true) the first time to go "
                    + "through it twice."
            );
        for (int i = 0; i < _saved.Length && i < _versions.Length; i++)
        {
            if (_saved[i] is { } tensor && tensor.Version != _versions[i])
                throw new InvalidOperationException(
                    $"Backward: the {tensor.DType.Name()} tensor of shape {tensor.Layout} that {Name} saved was changed in place "
                        + $"afterwards (it is at version {tensor.Version}, saved at {_versions[i]}); change a Clone() instead."
                );
        }
        return [.. _saved];
    }

    private static readonly Rule One = new(
        "function",
        Saves.Nothing,
        static (n, g) => ((FunctionContext)n.Data!).Send(n, [g])
    );

    private static readonly Rule Several = new(
        "function",
        Saves.Nothing,
        static (n, _) =>
        {
            var context = (FunctionContext)n.Data!;
            context.Send(n, Engine.TakeResultsOf(context));
        }
    );

    private static readonly Rule ResultOf = new(
        "function",
        Saves.Nothing,
        static (n, g) =>
        {
            var (context, at) = (FunctionOutput)n.Data!;
            g.GradHolders++;
            Engine.ResultsOf(context, context._shapes.Length)[at] = g;
            if (n.Next(0) is { } next)
                Engine.Awake(next, g);
        }
    );

    private static readonly Rule NoSecond = new(
        "function",
        Saves.Nothing,
        static (n, _) =>
            throw new InvalidOperationException(
                $"Backward: trying to differentiate twice {n.Data}, a function that was marked as once differentiable."
            )
    );

    private void Send(Node node, Tensor?[] gradients)
    {
        for (int i = 0; i < gradients.Length; i++)
        {
            if (gradients[i] is null && _materializes)
                gradients[i] = Tensor.Zeros(_shapes[i].Sizes, _kinds[i].Type, _kinds[i].Device);
            // Who has seen it may keep it.
            if (gradients[i] is { } seen)
                seen.GradHolders++;
        }
        bool once = _function.IsOnceDifferentiable && GradMode.Enabled;
        Tensor?[] results;
        if (once)
        {
            using (Tensor.NoGrad())
                results = _function.RunBackwardOf(this, gradients);
        }
        else
        {
            results = _function.RunBackwardOf(this, gradients);
        }
        int inputs = NeedsInputGrad.Count;
        if (results is null || results.Length < inputs || results.Skip(inputs).Any(r => r is not null))
            throw new InvalidOperationException(
                $"Backward: function {Name} returned an incorrect number of gradients (expected {inputs}, got {results?.Length ?? 0})."
            );
        for (int i = 0; i < inputs; i++)
        {
            if (results[i] is { } grad && NeedsInputGrad[i])
                Send(node, i, grad, once);
        }
    }

    private void Send(Node node, int input, Tensor grad, bool once)
    {
        var shape = node.Shape(input);
        if (
            Calls.Broadcasting.Shape(shape, grad.Layout) is not { } all
            || !all.AsSpan().SequenceEqual(grad.Layout.Sizes)
        )
            throw new InvalidOperationException(
                $"Backward: function {Name} returned an invalid gradient at index {input} - got {grad.Layout} but expected shape "
                    + $"compatible with {shape}."
            );
        var (type, device) = _inputKinds[input];
        if (!grad.DType.IsFloat() || grad.Device != device)
            throw new InvalidOperationException(
                $"Backward: function {Name} returned an invalid gradient at index {input} - got {grad.DType.Name()} on {grad.Device}, "
                    + $"but expected {type.Name()} on {device}."
            );
        grad = grad.To(type);
        if (once)
        {
            var marked = Node.OfResult(NoSecond, node, grad.Layout);
            marked.Data = Name;
            grad = grad.AsResult(marked, isDirty: false, isInput: true);
        }
        // It may be anything of the program's own, which must not serve as memory.
        grad.GradHolders++;
        node.Send(input, grad);
    }
}

/// <summary>What the node of one of several results is of.</summary>
internal sealed record FunctionOutput(FunctionContext Of, int At);
