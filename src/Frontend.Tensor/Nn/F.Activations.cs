using System.Globalization;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    // Operators by name and settings.
    private static readonly OperatorFamily<(string Name, double A, double B)> Activations = new(k =>
    {
        FormattableString attributes = k.Name switch
        {
            "leaky_relu" => $"negative_slope={k.A:R}",
            "elu" or "celu" => $"alpha={k.A:R}",
            "softplus_of" => $"beta={k.A:R} threshold={k.B:R}",
            "hardtanh" => $"min={k.A:R} max={k.B:R}",
            "hardshrink" or "softshrink" => $"lambda={k.A:R}",
            _ => $"threshold={k.A:R} value={k.B:R}",
        };
        return new Operator(k.Name, attributes.ToString(CultureInfo.InvariantCulture), derives: true);
    });

    /// <summary>max(x, 0).</summary>
    /// <param name="x">Numbers.</param>
    /// <param name="inplace">Whether x is changed and returned.</param>
    public static Tensor Relu(Tensor x, bool inplace = false) =>
        inplace ? Tensor.Given(x).Relu_() : Tensor.Given(x).Relu();

    /// <summary>x cut to [0, 6].</summary>
    /// <inheritdoc cref="Relu"/>
    public static Tensor Relu6(Tensor x, bool inplace = false) =>
        Placed(x, inplace, t => Tensor.Apply(ScalarFunctions.Relu6, t));

    /// <summary>x above 0, else negativeSlope · x.</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor LeakyRelu(Tensor x, double negativeSlope = 0.01, bool inplace = false) =>
        Placed(x, inplace, t => Set("leaky_relu", t, negativeSlope));

    /// <summary>x above 0, else weight · x.</summary>
    /// <param name="x">Floats; [n, channels, …] where there are several weights.</param>
    /// <param name="weight">Of one element, or one for each channel, of x's dtype.</param>
    /// <exception cref="ArgumentException">A weight that does not fit; names it.</exception>
    public static Tensor Prelu(Tensor x, Tensor weight)
    {
        Floats("prelu", x);
        ArgumentNullException.ThrowIfNull(weight);
        if (Autocast.Of("prelu", x) is { } cast)
            return cast.Run([x, weight], t => Prelu(t[0], t[1]));
        if (weight.DType != x.DType)
            throw new ArgumentException(
                $"prelu: the input is {x.DType.Name()}, the weight {weight.DType.Name()}; convert one with To()."
            );
        if (weight.Rank > 1)
            throw new ArgumentException(
                $"prelu: a weight of shape {weight.Layout} is given; it must be a number or have one dimension."
            );
        if (weight.NumElements == 1)
            return Tensor.Apply(ScalarFunctions.Prelu, x, weight.Reshape([]));
        long channels = x.Rank == 0 ? 0 : x.Layout.Sizes[x.Rank == 1 ? 0 : 1];
        if (x.Rank < 2 && x.Rank != 1 || x.Rank == 1 || channels != weight.NumElements)
            throw new ArgumentException(
                $"prelu: {weight.NumElements} weights do not fit an input of shape {x.Layout}; there must be 1, or one for each channel in dimension 1."
            );
        long[] shape = new long[x.Rank - 1];
        Array.Fill(shape, 1);
        shape[0] = channels;
        return Tensor.Apply(ScalarFunctions.Prelu, x, weight.Reshape(shape));
    }

    /// <summary>x above 0, else α · (eˣ − 1).</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Elu(Tensor x, double alpha = 1, bool inplace = false) =>
        Placed(x, inplace, t => Set("elu", t, alpha));

    /// <summary>s · x above 0, s · α · (eˣ − 1) below, with α and s that keep means and variances.</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Selu(Tensor x, bool inplace = false) => Of(ScalarFunctions.Selu, x, inplace);

    /// <summary>x above 0, else α · (e^(x/α) − 1).</summary>
    /// <exception cref="ArgumentException">Not floats, or an α of 0.</exception>
    public static Tensor Celu(Tensor x, double alpha = 1, bool inplace = false) =>
        alpha == 0
            ? throw new ArgumentException("celu: alpha is 0, but must not be, since x is divided by it.")
            : Placed(x, inplace, t => Set("celu", t, alpha));

    /// <summary>x · Φ(x) with the normal distribution function Φ.</summary>
    /// <param name="x">Floats.</param>
    /// <param name="approximate">"none", or "tanh" for x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).</param>
    /// <exception cref="ArgumentException">Not floats, or another word.</exception>
    public static Tensor Gelu(Tensor x, string approximate = "none") => Tensor.Given(x).Gelu(approximate);

    /// <summary>x · σ(x).</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Silu(Tensor x, bool inplace = false) => Of(ScalarFunctions.Silu, x, inplace);

    /// <summary>x · tanh(log(1 + eˣ)).</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Mish(Tensor x, bool inplace = false) => Of(ScalarFunctions.Mish, x, inplace);

    /// <summary>log(1 + e^(beta·x))/beta; x itself where beta·x is above the threshold.</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Softplus(Tensor x, double beta = 1, double threshold = ScalarFunctions.SoftplusThreshold)
    {
        Floats("softplus", x);
        return beta == 1 && threshold == ScalarFunctions.SoftplusThreshold
            ? Tensor.Apply(ScalarFunctions.Softplus, x)
            : Set("softplus_of", x, beta, threshold);
    }

    /// <summary>x / (1 + |x|).</summary>
    public static Tensor Softsign(Tensor x) => Tensor.Apply(ScalarFunctions.Softsign, Tensor.Given(x));

    /// <summary>x cut to [minVal, maxVal], with slope 0 at both.</summary>
    /// <exception cref="ArgumentException">Bools, or minVal above maxVal.</exception>
    public static Tensor Hardtanh(Tensor x, double minVal = -1, double maxVal = 1, bool inplace = false)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (minVal > maxVal)
            throw new ArgumentException(
                $"hardtanh: minVal is {Text(minVal)}, which must not be above maxVal, {Text(maxVal)}."
            );
        return Placed(
            x,
            inplace,
            t =>
                t.DType.IsFloat() && double.IsFinite(minVal) && double.IsFinite(maxVal)
                    ? Set("hardtanh", t, minVal, maxVal)
                : t.DType.IsFloat() ? t.Clamp(minVal, maxVal)
                : t.Clamp((long)minVal, (long)maxVal)
        );
    }

    /// <summary>(x + 3)/6 cut to [0, 1].</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Hardsigmoid(Tensor x, bool inplace = false) => Of(ScalarFunctions.Hardsigmoid, x, inplace);

    /// <summary>x · (x + 3)/6, the latter cut to [0, 1].</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Hardswish(Tensor x, bool inplace = false) => Of(ScalarFunctions.Hardswish, x, inplace);

    /// <summary>0 where |x| is at most lambd, else x.</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor Hardshrink(Tensor x, double lambd = 0.5) => Set("hardshrink", x, lambd);

    /// <summary>x moved by lambd towards 0, up to 0.</summary>
    /// <exception cref="ArgumentException">Not floats, or a negative lambd.</exception>
    public static Tensor Softshrink(Tensor x, double lambd = 0.5) =>
        lambd >= 0
            ? Set("softshrink", x, lambd)
            : throw new ArgumentException($"softshrink: lambd is {Text(lambd)}, but must be at least 0.");

    /// <summary>x − tanh x.</summary>
    public static Tensor Tanhshrink(Tensor x) => Tensor.Apply(ScalarFunctions.Tanhshrink, Tensor.Given(x));

    /// <summary>x above the threshold, else the value.</summary>
    /// <exception cref="ArgumentException">Bools.</exception>
    public static Tensor Threshold(Tensor x, double threshold, double value, bool inplace = false) =>
        Placed(
            x,
            inplace,
            t =>
                t.DType.IsFloat() && double.IsFinite(threshold) && double.IsFinite(value)
                    ? Set("threshold", t, threshold, value)
                    : Tensor.Where(t <= threshold, Tensor.Full([], value, t.DType, t.Device), t)
        );

    /// <summary>log σ(x).</summary>
    /// <exception cref="ArgumentException">Not floats.</exception>
    public static Tensor LogSigmoid(Tensor x) => Of(ScalarFunctions.LogSigmoid, x, false);

    /// <summary>PyTorch's other spelling of <see cref="LogSigmoid"/>.</summary>
    /// <inheritdoc cref="LogSigmoid"/>
    public static Tensor Logsigmoid(Tensor x) => LogSigmoid(x);

    public static Tensor Tanh(Tensor x) => Tensor.Given(x).Tanh();

    public static Tensor Sigmoid(Tensor x) => Tensor.Given(x).Sigmoid();

    /// <summary>The first half of a dimension times σ of the second.</summary>
    /// <exception cref="ArgumentException">Not floats, or a dimension of an odd size.</exception>
    public static Tensor Glu(Tensor x, int dim = -1)
    {
        Floats("glu", x);
        if (x.Rank == 0)
            throw new ArgumentException("glu: a 0-d tensor has no halves; it must have at least one dimension.");
        long size = x.Size(dim);
        if (size % 2 != 0)
            throw new ArgumentException(
                $"glu: dimension {dim} of the shape {x.Layout} has the size {size}, which must be even to be halved."
            );
        return Tensor.Apply(ScalarFunctions.Glu, x.Narrow(dim, 0, size / 2), x.Narrow(dim, size / 2, size / 2));
    }

    public static Tensor Softmax(Tensor x, int dim = -1, DType? dtype = null) => Tensor.Given(x).Softmax(dim, dtype);

    /// <summary>Softmax of −x.</summary>
    public static Tensor Softmin(Tensor x, int dim = -1, DType? dtype = null) => (-Tensor.Given(x)).Softmax(dim, dtype);

    public static Tensor LogSoftmax(Tensor x, int dim = -1, DType? dtype = null) =>
        Tensor.Given(x).LogSoftmax(dim, dtype);

    /// <summary>
    /// x above 0, else r · x, with r drawn for each element between lower and upper while training, and their mean otherwise.
    /// </summary>
    /// <exception cref="ArgumentException">Not floats, or lower above upper.</exception>
    public static Tensor Rrelu(
        Tensor x,
        double lower = 1.0 / 8,
        double upper = 1.0 / 3,
        bool training = false,
        bool inplace = false,
        Generator? generator = null
    )
    {
        Floats("rrelu", x);
        if (lower > upper)
            throw new ArgumentException(
                $"rrelu: lower is {Text(lower)}, which must not be above upper, {Text(upper)}."
            );
        return Placed(
            x,
            inplace,
            t =>
                training
                    ? Tensor.Apply(
                        ScalarFunctions.Prelu,
                        t,
                        Tensor.Empty(t.Shape, t.DType, t.Device).Uniform_(lower, upper, generator)
                    )
                    : Set("leaky_relu", t, (lower + upper) / 2)
        );
    }

    // Results in the place of what they are computed from. What a derivative reads is saved before the change.
    private static Tensor Placed(Tensor x, bool inplace, Func<Tensor, Tensor> function)
    {
        ArgumentNullException.ThrowIfNull(x);
        return inplace ? x.Copy_(function(Tensor.Records(x) ? x.Clone() : x)) : function(x);
    }

    private static Tensor Of(ScalarFunction function, Tensor x, bool inplace)
    {
        Floats(function.Name, x);
        return inplace ? Placed(x, true, t => Tensor.Apply(function, t)) : Tensor.Apply(function, x);
    }

    private static Tensor Set(string name, Tensor x, double a, double b = 0)
    {
        Floats(name, x);
        if (Autocast.Of(name, x) is { } cast)
            x = cast.Of(x)!;
        if (!double.IsFinite(a) || !double.IsFinite(b))
            throw new ArgumentException(
                $"{name}: a setting is {Text(double.IsFinite(a) ? b : a)}, but must be a finite number."
            );
        return Activations[(name, a, b)].Recorded(x);
    }

    private static void Floats(string name, Tensor x)
    {
        if (!Tensor.Given(x).DType.IsFloat())
            throw new ArgumentException($"{name}: not defined for {x.DType.Name()}; convert it with To().");
    }

    private static string Text(double number) => number.ToString("R", CultureInfo.InvariantCulture);
}
