using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// x · Wᵀ + b. The weight is [out, in], drawn uniform within ±1/√in (Kaiming with a = √5, PyTorch's default), as is the bias.
/// </summary>
public sealed class Linear : Module
{
    private Tensor _weight = null!;

    /// <exception cref="ArgumentOutOfRangeException">A size below 1.</exception>
    public Linear(long inputs, long outputs, bool bias = true, Generator? generator = null, DType dtype = DType.Float32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        double bound = 1 / Math.Sqrt(inputs);
        Weight = Tensor.Empty([outputs, inputs], dtype).Uniform_(-bound, bound, generator);
        if (bias)
            Bias = Register("bias", Tensor.Empty([outputs], dtype).Uniform_(-bound, bound, generator));
    }

    /// <summary>[out, in]. Another module's weight may be set, to be shared (tied).</summary>
    /// <exception cref="ArgumentException">Not a matrix.</exception>
    public Tensor Weight
    {
        get => Current(_weight);
        set
        {
            if (!SetParametrized("weight", Matrix(value)))
                _weight = Register("weight", value);
        }
    }

    /// <summary>[out]; null without bias.</summary>
    public Tensor? Bias
    {
        get => field is null ? null : Current(field);
        private set;
    }

    private protected override bool IsParametrizable => true;

    /// <summary>Other values in the place of its own.</summary>
    internal void Become(Tensor weight, Tensor bias)
    {
        OwnAgain("weight");
        OwnAgain("bias");
        Weight = weight;
        Bias = Register("bias", bias);
    }

    public override Tensor Forward(Tensor x) => F.Linear(x, Weight, Bias);

    protected override string ExtraRepr() =>
        $"in_features={_weight.Size(1)}, out_features={_weight.Size(0)}, bias={Bias is not null}";
}

/// <summary>Modules one after the other; parameters are called by place, <c>0.weight</c>, or by the names that are given.</summary>
public sealed class Sequential : Module
{
    private readonly List<Module> _modules = [];

    public Sequential(params ReadOnlySpan<Module> modules)
    {
        foreach (var module in modules)
            Append(module);
    }

    /// <summary>Modules with names of their own.</summary>
    public Sequential(IEnumerable<(string Name, Module Module)> modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        foreach (var (name, module) in modules)
            _modules.Add(Register(name, module));
    }

    /// <summary>Number of modules.</summary>
    public int Count => _modules.Count;

    public Module this[int place] => _modules[place < 0 ? place + _modules.Count : place];

    /// <summary>Adds one at the end. Returns itself.</summary>
    public Sequential Append(Module module)
    {
        _modules.Add(Register(_modules.Count.ToString(System.Globalization.CultureInfo.InvariantCulture), module));
        return this;
    }

    public override Tensor Forward(Tensor x)
    {
        foreach (var module in _modules)
            x = module.Call(Tensor.Given(x));
        return x;
    }

    public IEnumerator<Module> GetEnumerator() => _modules.GetEnumerator();
}
