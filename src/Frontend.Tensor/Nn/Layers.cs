using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// x · Wᵀ + b. The weight is [out, in], drawn uniform within ±1/√in (Kaiming with a = √5, PyTorch's default), as is the bias.
/// </summary>
public sealed class Linear : Module
{
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
        get;
        set => field = Register("weight", Matrix(value));
    }

    /// <summary>[out]; null without bias.</summary>
    public Tensor? Bias { get; }

    public override Tensor Forward(Tensor x) => F.Linear(x, Weight, Bias);

    protected override string ExtraRepr() =>
        $"in_features={Weight.Size(1)}, out_features={Weight.Size(0)}, bias={Bias is not null}";
}

/// <summary>A table [vocab, dim], drawn from the normal distribution, whose rows are picked by integer indices.</summary>
public sealed class Embedding : Module
{
    /// <exception cref="ArgumentOutOfRangeException">A size below 1.</exception>
    public Embedding(long vocab, long dim, Generator? generator = null, DType dtype = DType.Float32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocab, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dim, 1);
        Weight = Tensor.Randn([vocab, dim], generator, dtype);
    }

    /// <summary>[vocab, dim]. Another module's weight may be set, to be shared (tied).</summary>
    /// <exception cref="ArgumentException">Not a matrix.</exception>
    public Tensor Weight
    {
        get;
        set => field = Register("weight", Matrix(value));
    }

    public override Tensor Forward(Tensor x) => F.Embedding(Weight, Tensor.Given(x));

    protected override string ExtraRepr() => $"{Weight.Size(0)}, {Weight.Size(1)}";
}

/// <summary>One dimension out of those from one to another, by default of all but the first.</summary>
public sealed class Flatten(int from = 1, int to = -1) : Module
{
    public override Tensor Forward(Tensor x) => Tensor.Given(x).Flatten(from, to);

    protected override string ExtraRepr() => $"start_dim={from}, end_dim={to}";
}

/// <summary>Modules one after the other; parameters are called by place: <c>0.weight</c>.</summary>
public sealed class Sequential : Module
{
    private readonly Module[] _modules;

    public Sequential(params ReadOnlySpan<Module> modules)
    {
        _modules = modules.ToArray();
        for (int i = 0; i < _modules.Length; i++)
            Register(i.ToString(System.Globalization.CultureInfo.InvariantCulture), _modules[i]);
    }

    /// <summary>Number of modules.</summary>
    public int Count => _modules.Length;

    public Module this[int place] => _modules[place];

    public override Tensor Forward(Tensor x)
    {
        foreach (var module in _modules)
            x = module.Call(Tensor.Given(x));
        return x;
    }
}
