using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>What activations that may change their input in place have in common.</summary>
public abstract class Activation : Module
{
    private protected Activation(bool inplace) => Inplace = inplace;

    /// <summary>Whether the input is changed and returned.</summary>
    public bool Inplace { get; }

    private protected virtual string Settings => "";

    protected override string ExtraRepr() =>
        Settings
        + (
            Inplace
                ? Settings.Length > 0
                    ? ", inplace=True"
                    : "inplace=True"
                : ""
        );

    private protected static string Text(double number)
    {
        string text = number.ToString("R", CultureInfo.InvariantCulture).Replace("E", "e", StringComparison.Ordinal);
        return text.AsSpan().ContainsAny(".eNI") ? text : text + ".0";
    }
}

/// <summary>max(x, 0), element by element.</summary>
public sealed class ReLU(bool inplace = false) : Activation(inplace)
{
    public override Tensor Forward(Tensor x) => F.Relu(x, Inplace);
}

/// <summary>See <see cref="F.Relu6"/>.</summary>
public sealed class ReLU6(bool inplace = false) : Activation(inplace)
{
    public override Tensor Forward(Tensor x) => F.Relu6(x, Inplace);
}

/// <summary>See <see cref="F.LeakyRelu"/>.</summary>
public sealed class LeakyReLU(double negativeSlope = 0.01, bool inplace = false) : Activation(inplace)
{
    private protected override string Settings => $"negative_slope={Text(negativeSlope)}";

    public override Tensor Forward(Tensor x) => F.LeakyRelu(x, negativeSlope, Inplace);
}

/// <summary>x above 0, else w · x with a trained w, or one for each channel; see <see cref="F.Prelu"/>.</summary>
public sealed class PReLU : Module
{
    private readonly long _count;

    /// <exception cref="ArgumentOutOfRangeException">Fewer than one parameter.</exception>
    public PReLU(long numParameters = 1, double init = 0.25, DType dtype = DType.Float32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numParameters, 1);
        _count = numParameters;
        Weight = Register("weight", Tensor.Full([numParameters], init, dtype));
    }

    /// <summary>[1] or [channels].</summary>
    public Tensor Weight { get; }

    public override Tensor Forward(Tensor x) => F.Prelu(x, Weight);

    protected override string ExtraRepr() => $"num_parameters={_count}";
}

/// <summary>See <see cref="F.Rrelu"/>: slopes are drawn while <see cref="Module.Training"/>.</summary>
public sealed class RReLU(
    double lower = 1.0 / 8,
    double upper = 1.0 / 3,
    bool inplace = false,
    Generator? generator = null
) : Activation(inplace)
{
    private protected override string Settings => $"lower={Text(lower)}, upper={Text(upper)}";

    public override Tensor Forward(Tensor x) => F.Rrelu(x, lower, upper, Training, Inplace, generator);
}

/// <summary>See <see cref="F.Elu"/>.</summary>
public sealed class ELU(double alpha = 1, bool inplace = false) : Activation(inplace)
{
    private protected override string Settings => $"alpha={Text(alpha)}";

    public override Tensor Forward(Tensor x) => F.Elu(x, alpha, Inplace);
}

/// <summary>See <see cref="F.Selu"/>.</summary>
public sealed class SELU(bool inplace = false) : Activation(inplace)
{
    public override Tensor Forward(Tensor x) => F.Selu(x, Inplace);
}

/// <summary>See <see cref="F.Celu"/>.</summary>
public sealed class CELU(double alpha = 1, bool inplace = false) : Activation(inplace)
{
    private protected override string Settings => $"alpha={Text(alpha)}";

    public override Tensor Forward(Tensor x) => F.Celu(x, alpha, Inplace);
}

/// <summary>See <see cref="F.Gelu"/>.</summary>
public sealed class GELU(string approximate = "none") : Module
{
    public override Tensor Forward(Tensor x) => F.Gelu(x, approximate);

    protected override string ExtraRepr() => $"approximate='{approximate}'";
}

/// <summary>See <see cref="F.Silu"/>.</summary>
public sealed class SiLU(bool inplace = false) : Activation(inplace)
{
    public override Tensor Forward(Tensor x) => F.Silu(x, Inplace);
}

/// <summary>See <see cref="F.Mish"/>.</summary>
public sealed class Mish(bool inplace = false) : Activation(inplace)
{
    public override Tensor Forward(Tensor x) => F.Mish(x, Inplace);
}

/// <summary>See <see cref="F.Softplus"/>.</summary>
public sealed class Softplus(double beta = 1, double threshold = 20) : Module
{
    public override Tensor Forward(Tensor x) => F.Softplus(x, beta, threshold);

    protected override string ExtraRepr() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"beta={beta:0.0###############}, threshold={threshold:0.0###############}"
        );
}

/// <summary>See <see cref="F.Softsign"/>.</summary>
public sealed class Softsign : Module
{
    public override Tensor Forward(Tensor x) => F.Softsign(x);
}

/// <summary>See <see cref="F.Hardtanh"/>.</summary>
public sealed class Hardtanh(double minVal = -1, double maxVal = 1, bool inplace = false) : Activation(inplace)
{
    private protected override string Settings => $"min_val={Text(minVal)}, max_val={Text(maxVal)}";

    public override Tensor Forward(Tensor x) => F.Hardtanh(x, minVal, maxVal, Inplace);
}

/// <summary>See <see cref="F.Hardsigmoid"/>.</summary>
public sealed class Hardsigmoid(bool inplace = false) : Activation(inplace)
{
    public override Tensor Forward(Tensor x) => F.Hardsigmoid(x, Inplace);
}

/// <summary>See <see cref="F.Hardswish"/>.</summary>
public sealed class Hardswish(bool inplace = false) : Activation(inplace)
{
    public override Tensor Forward(Tensor x) => F.Hardswish(x, Inplace);
}

/// <summary>See <see cref="F.Hardshrink"/>.</summary>
public sealed class Hardshrink(double lambd = 0.5) : Module
{
    public override Tensor Forward(Tensor x) => F.Hardshrink(x, lambd);

    protected override string ExtraRepr() => lambd.ToString("R", CultureInfo.InvariantCulture);
}

/// <summary>See <see cref="F.Softshrink"/>.</summary>
public sealed class Softshrink(double lambd = 0.5) : Module
{
    public override Tensor Forward(Tensor x) => F.Softshrink(x, lambd);

    protected override string ExtraRepr() => lambd.ToString("R", CultureInfo.InvariantCulture);
}

/// <summary>See <see cref="F.Tanhshrink"/>.</summary>
public sealed class Tanhshrink : Module
{
    public override Tensor Forward(Tensor x) => F.Tanhshrink(x);
}

/// <summary>See <see cref="F.Threshold"/>.</summary>
public sealed class Threshold(double threshold, double value, bool inplace = false) : Activation(inplace)
{
    private protected override string Settings => $"threshold={Text(threshold)}, value={Text(value)}";

    public override Tensor Forward(Tensor x) => F.Threshold(x, threshold, value, Inplace);
}

/// <summary>tanh, element by element.</summary>
public sealed class Tanh : Module
{
    public override Tensor Forward(Tensor x) => Tensor.Given(x).Tanh();
}

/// <summary>1 / (1 + e⁻ˣ), element by element.</summary>
public sealed class Sigmoid : Module
{
    public override Tensor Forward(Tensor x) => Tensor.Given(x).Sigmoid();
}

/// <summary>log σ(x), element by element.</summary>
public sealed class LogSigmoid : Module
{
    public override Tensor Forward(Tensor x) => F.LogSigmoid(x);
}

/// <summary>See <see cref="F.Glu"/>.</summary>
public sealed class GLU(int dim = -1) : Module
{
    public override Tensor Forward(Tensor x) => F.Glu(x, dim);

    protected override string ExtraRepr() => $"dim={dim}";
}

/// <summary>What modules that go along one dimension have in common.</summary>
public abstract class AlongDimension : Module
{
    private readonly int? _dim;

    private protected AlongDimension(int? dim) => _dim = dim;

    // As PyTorch chooses where none is given.
    private protected int Dim(Tensor x) => _dim ?? (Tensor.Given(x).Rank is 0 or 1 or 3 ? 0 : 1);

    protected override string ExtraRepr() => $"dim={(_dim is { } dim ? dim : "None")}";
}

/// <summary>Shares e^x / Σ e^x along a dimension; without one the first, of 2 or 4 and more dimensions the second.</summary>
public sealed class Softmax(int? dim = null) : AlongDimension(dim)
{
    public override Tensor Forward(Tensor x) => F.Softmax(x, Dim(x));
}

/// <summary><see cref="Softmax"/> of −x.</summary>
public sealed class Softmin(int? dim = null) : AlongDimension(dim)
{
    public override Tensor Forward(Tensor x) => F.Softmin(x, Dim(x));
}

/// <summary>Logarithms of <see cref="Softmax"/>.</summary>
public sealed class LogSoftmax(int? dim = null) : AlongDimension(dim)
{
    public override Tensor Forward(Tensor x) => F.LogSoftmax(x, Dim(x));
}

/// <summary>Softmax over the channels of images [n, channels, h, w] or [channels, h, w].</summary>
public sealed class Softmax2d : Module
{
    /// <exception cref="ArgumentException">Neither 3 nor 4 dimensions.</exception>
    public override Tensor Forward(Tensor x) =>
        Tensor.Given(x).Rank is 3 or 4
            ? x.Softmax(-3)
            : throw new ArgumentException(
                $"Softmax2d: the input has the shape {x.Shape}, but must have 3 or 4 dimensions."
            );
}

/// <summary>The input itself; arguments are taken and count for nothing, as in PyTorch.</summary>
public sealed class Identity : Module
{
    public Identity(params ReadOnlySpan<object?> arguments) => _ = arguments.Length;

    public override Tensor Forward(Tensor x) => Tensor.Given(x);
}
