namespace Picograd;

/// <summary>
/// Part of a model: parameters, perhaps of smaller parts, and a function from tensor to tensor. A subclass registers what
/// it has in its constructor and overrides <see cref="Forward"/>.
/// </summary>
public abstract class Module
{
    private readonly List<(string Name, Tensor Tensor)> _parameters = [];
    private readonly List<(string Name, Module Module)> _children = [];

    /// <summary>What the module computes.</summary>
    public abstract Tensor Forward(Tensor x);

    /// <summary>All parameters, own ones first, in the order of registration; one that is shared comes once.</summary>
    public IEnumerable<Tensor> Parameters => NamedParameters.Select(p => p.Parameter);

    /// <summary>
    /// All parameters with their paths, such as <c>2.weight</c>. One that several modules share (tied weights) comes once,
    /// under its first path.
    /// </summary>
    public IEnumerable<(string Name, Tensor Parameter)> NamedParameters => Distinct([]);

    private IEnumerable<(string Name, Tensor Parameter)> Distinct(HashSet<Tensor> met)
    {
        foreach (var (name, tensor) in _parameters)
        {
            if (met.Add(tensor))
                yield return (name, tensor);
        }
        foreach (var (name, child) in _children)
        {
            foreach (var (inner, tensor) in child.Distinct(met))
                yield return ($"{name}.{inner}", tensor);
        }
    }

    /// <summary>The parts, in the order of registration.</summary>
    public IEnumerable<Module> Children => _children.Select(c => c.Module);

    /// <summary>Number of elements of all parameters.</summary>
    public long ParameterCount => Parameters.Sum(p => p.NumElements);

    /// <summary>Forgets the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in Parameters)
            parameter.ZeroGrad_();
    }

    /// <summary>
    /// Moves all parameters, and their gradients, to a device. They stay the same tensors, but an optimizer that keeps
    /// state must be made afterwards. Returns itself.
    /// </summary>
    /// <exception cref="InvalidOperationException">This machine has no such device; says what is missing.</exception>
    public Module ToDevice(Device device)
    {
        foreach (var parameter in Parameters)
            parameter.MoveTo(device);
        return this;
    }

    /// <summary>Makes a tensor a parameter: a leaf that requires a gradient and outlives scopes. Returns it.</summary>
    protected Tensor Register(string name, Tensor parameter)
    {
        _parameters.Add((name, parameter));
        return parameter.RequiresGrad_().Keep();
    }

    /// <summary>Makes a module a part of this one. Returns it.</summary>
    protected T Register<T>(string name, T child)
        where T : Module
    {
        _children.Add((name, child));
        return child;
    }
}
