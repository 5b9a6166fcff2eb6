using System.Text;

namespace Picograd;

/// <summary>
/// Part of a model: parameters, perhaps of smaller parts, and a function from tensor to tensor. A subclass overrides
/// <see cref="Forward"/> and keeps what it has in fields or properties: modules, leaf tensors that require a gradient (these are
/// its parameters), and arrays, lists, dictionaries and tuples of both. They are found whenever the module is asked for them and
/// called as PyTorch would (<c>_fc1.Weight</c> is <c>fc1.weight</c>, the third of a list <c>_blocks</c> is <c>blocks.2</c>);
/// <see cref="Register(string, Tensor)"/> gives a name of one's own. What cannot be found, or might have been
/// forgotten, is an error, not a part that stays untrained; <see cref="UnregisteredAttribute"/> leaves a field out.
/// </summary>
public abstract partial class Module
{
    private readonly List<(string Name, Tensor Tensor)> _parameters = [];
    private readonly List<(string Name, Tensor Tensor)> _buffers = [];
    private readonly List<(string Name, Module Module)> _children = [];

    // Buffers that are not saved.
    private readonly HashSet<string> _transient = [];

    /// <summary>What the module computes. One that takes several tensors has a Forward of its own with them.</summary>
    /// <exception cref="NotSupportedException">The module takes several tensors.</exception>
    public virtual Tensor Forward(Tensor x) =>
        throw new NotSupportedException(
            $"{GetType().Name}: there is no Forward of one tensor; it takes other arguments, or was not overridden."
        );

    /// <summary>All parameters, own ones first, in the order of registration; one that is shared comes once.</summary>
    /// <exception cref="InvalidOperationException">A field may hold a part that cannot be had; names it.</exception>
    public IEnumerable<Tensor> Parameters => NamedParameters.Select(p => p.Parameter);

    /// <summary>
    /// All parameters with their paths, such as <c>2.weight</c>. One that is there several times (tied weights) comes once,
    /// under its first path; <see cref="StateDict"/> has all of them.
    /// </summary>
    /// <exception cref="InvalidOperationException">A field may hold a part that cannot be had; names it.</exception>
    public IEnumerable<(string Name, Tensor Parameter)> NamedParameters
    {
        get
        {
            var met = new HashSet<Tensor>();
            return [.. Walk().Where(e => e.IsParameter && met.Add(e.Tensor)).Select(e => (e.Name, e.Tensor))];
        }
    }

    /// <summary>The parts, in the order of registration; those in lists and dictionaries each by itself.</summary>
    public IEnumerable<Module> Children =>
        Parts().Children.SelectMany(c => c.Module is ModuleGroup group ? group.Children : [c.Module]);

    /// <summary>Number of elements of all parameters.</summary>
    public long ParameterCount => Parameters.Sum(p => p.NumElements);

    /// <summary>
    /// Whether it is being trained, as a new module is: norms over a batch then take the batch's own statistics, and move the running
    /// ones. See <see cref="Train"/> and <see cref="Eval"/>.
    /// </summary>
    public bool Training
    {
        get
        {
            Calls.Executor.Listening?.AsksForMode(this);
            return _training;
        }
        private set => _training = value;
    }

    /// <summary>The same, without anybody being told.</summary>
    internal bool IsTraining => _training;

    private bool _training = true;

    /// <summary>Sets <see cref="Training"/> of this module and all its parts. Returns itself.</summary>
    public Module Train(bool mode = true)
    {
        Training = mode;
        foreach (var child in Children)
            child.Train(mode);
        return this;
    }

    /// <summary>Ends <see cref="Training"/> of this module and all its parts. Returns itself.</summary>
    public Module Eval() => Train(false);

    /// <summary>Forgets the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in Parameters)
            parameter.ZeroGrad_();
    }

    /// <summary>
    /// Moves all parameters, their gradients, and all buffers to a device. They stay the same tensors, but an optimizer that
    /// keeps state must be made afterwards. Returns itself.
    /// </summary>
    /// <exception cref="InvalidOperationException">This machine has no such device; says what is missing.</exception>
    public Module ToDevice(Device device)
    {
        foreach (var entry in Walk())
            entry.Tensor.MoveTo(device);
        return this;
    }

    /// <summary>
    /// Converts all parameters of floats, their gradients, and all buffers of floats to another float dtype. They stay the same
    /// tensors, but an optimizer that keeps state must be made afterwards. Returns itself.
    /// </summary>
    /// <exception cref="ArgumentException">Not a float dtype.</exception>
    public Module To(DType dtype)
    {
        if (!dtype.IsFloat())
            throw new ArgumentException(
                $"To: a module's parameters are floats, but {dtype.Name()} was given; it must be one of "
                    + $"{string.Join(", ", DTypes.Floats.Select(t => t.Name()))}.",
                nameof(dtype)
            );
        foreach (var entry in Walk())
        {
            if (entry.Tensor.DType.IsFloat())
                entry.Tensor.ConvertTo(dtype);
        }
        return this;
    }

    /// <summary><see cref="To(DType)"/> float16.</summary>
    public Module Half() => To(DType.Float16);

    /// <summary><see cref="To(DType)"/> bfloat16.</summary>
    public Module BFloat16() => To(DType.BFloat16);

    /// <summary><see cref="To(DType)"/> float32.</summary>
    public Module Float() => To(DType.Float32);

    /// <summary><see cref="To(DType)"/> float64.</summary>
    public Module Double() => To(DType.Float64);

    /// <summary>
    /// PyTorch's tree: <c>Sequential(</c>, a line for each part, <c>)</c>. What a module says of itself between the parentheses
    /// is <see cref="ExtraRepr"/>.
    /// </summary>
    public override string ToString() => Print([]);

    /// <summary>What stands between the parentheses when it is printed, such as <c>in_features=2, out_features=64</c>.</summary>
    protected virtual string ExtraRepr() => "";

    /// <summary>
    /// Makes a tensor a parameter: a leaf that requires a gradient and outlives scopes. One that has the name already gives
    /// way; a tensor may have several names. Returns it.
    /// </summary>
    /// <exception cref="ArgumentException">The name is empty, has a dot or is a buffer's or a part's; the tensor is not of
    /// floats, or was computed from others that require a gradient.</exception>
    protected Tensor Register(string name, Tensor parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        CheckName(name, _buffers.Exists(b => b.Name == name) || _children.Exists(c => c.Name == name));
        if (!parameter.IsLeaf)
            throw new ArgumentException(
                $"Register: '{name}' (shape {parameter.Layout}) was computed from tensors that require a gradient, so it "
                    + "cannot be trained itself; Detach() it, or register what it was computed from.",
                nameof(parameter)
            );
        Put(_parameters, name, parameter.RequiresGrad_().Keep());
        return parameter;
    }

    /// <summary>
    /// Makes a tensor a buffer: it is moved and saved with the module, but not trained. It outlives scopes. Returns it.
    /// </summary>
    /// <exception cref="ArgumentException">The name is empty, has a dot or is a parameter's or a part's.</exception>
    /// <param name="name">Without dots.</param>
    /// <param name="buffer">Any tensor.</param>
    /// <param name="persistent">Whether it is part of <see cref="StateDict"/>.</param>
    protected Tensor RegisterBuffer(string name, Tensor buffer, bool persistent = true)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        CheckName(name, _parameters.Exists(p => p.Name == name) || _children.Exists(c => c.Name == name));
        Put(_buffers, name, buffer.Keep());
        if (persistent)
            _transient.Remove(name);
        else
            _transient.Add(name);
        return buffer;
    }

    /// <summary>Makes a module a part of this one, in place of one that has the name already. Returns it.</summary>
    /// <exception cref="ArgumentException">The name is empty, has a dot or is a parameter's or a buffer's.</exception>
    protected T Register<T>(string name, T child)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(child);
        CheckName(name, _parameters.Exists(p => p.Name == name) || _buffers.Exists(b => b.Name == name));
        Put(_children, name, child);
        return child;
    }

    /// <summary>A weight that is set.</summary>
    private protected Tensor Matrix(Tensor value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return value.Rank == 2
            ? value
            : throw new ArgumentException(
                $"{GetType().Name}: Weight must be a matrix, but the shape given is {value.Layout}.",
                nameof(value)
            );
    }

    private static void Put<T>(List<(string Name, T Value)> list, string name, T value)
    {
        int at = list.FindIndex(e => e.Name == name);
        if (at < 0)
            list.Add((name, value));
        else
            list[at] = (name, value);
    }

    private void CheckName(string name, bool taken)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name.Contains('.', StringComparison.Ordinal))
            throw new ArgumentException(
                $"{GetType().Name}: a part is called '{name}', but dots join the names of parts; leave them out.",
                nameof(name)
            );
        if (taken)
            throw new ArgumentException(
                $"{GetType().Name}: a part of another kind is called '{name}' already; choose another name.",
                nameof(name)
            );
    }

    private string Print(HashSet<Module> around)
    {
        if (!around.Add(this))
            return $"{GetType().Name}(…)";
        string[] own = ExtraRepr() is { Length: > 0 } said ? said.Split('\n') : [];
        var parts = Parts();
        var lines = new List<string>(own);
        if (IsGroup)
            lines.AddRange(parts.Parameters.Select(p => $"({p.Name}): Parameter {p.Tensor.Layout}"));
        // As PyTorch, equal neighbours of a list are one line: (0-5): 6 x Linear(…).
        string[] texts = [.. parts.Children.Select(c => c.Module.Print(around).Replace("\n", "\n  "))];
        for (int i = 0, next; i < texts.Length; i = next)
        {
            next = i + 1;
            while (IsList && next < texts.Length && texts[next] == texts[i])
                next++;
            lines.Add(
                next == i + 1
                    ? $"({parts.Children[i].Name}): {texts[i]}"
                    : $"({parts.Children[i].Name}-{parts.Children[next - 1].Name}): {next - i} x {texts[i]}"
            );
        }
        around.Remove(this);
        var text = new StringBuilder(KindName).Append('(');
        if (lines.Count == 1 && own.Length == 1)
            text.Append(own[0]);
        else if (lines.Count > 0)
            text.Append("\n  ").AppendJoin("\n  ", lines).Append('\n');
        return text.Append(')').ToString();
    }

    /// <summary>Whether it prints equal parts in one line, as lists do.</summary>
    private protected virtual bool IsList => false;

    /// <summary>Whether it prints the parameters that it holds.</summary>
    private protected virtual bool IsGroup => false;

    private protected virtual string KindName =>
        GetType().Name is var name && name.IndexOf('`') is > 0 and var end ? name[..end] : GetType().Name;
}
