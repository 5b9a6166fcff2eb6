using System.Numerics;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// First values of parameters, written into them without a record (PyTorch's nn.init). All return the tensor. Generators may be given; null is
/// the default one.
/// </summary>
public static class Init
{
    /// <summary>How much a nonlinearity's input should be scaled so that variances stay.</summary>
    /// <param name="nonlinearity">"linear", "sigmoid", "conv1d" and the like, "tanh", "relu", "leaky_relu", "selu".</param>
    /// <param name="param">Of "leaky_relu" the slope below 0; null for 0.01.</param>
    /// <exception cref="ArgumentException">Another word.</exception>
    public static double CalculateGain(string nonlinearity, double? param = null) =>
        nonlinearity switch
        {
            "linear"
            or "conv1d"
            or "conv2d"
            or "conv3d"
            or "conv_transpose1d"
            or "conv_transpose2d"
            or "conv_transpose3d"
            or "sigmoid" => 1,
            "tanh" => 5.0 / 3,
            "relu" => Math.Sqrt(2),
            "leaky_relu" => Math.Sqrt(2 / (1 + Math.Pow(param ?? 0.01, 2))),
            "selu" => 0.75,
            _ => throw new ArgumentException(
                $"calculate_gain: nonlinearity is \"{nonlinearity}\", but must be \"linear\", \"sigmoid\", \"conv1d\" (to \"conv_transpose3d\"), \"tanh\", \"relu\", \"leaky_relu\" or \"selu\".",
                nameof(nonlinearity)
            ),
        };

    /// <summary>Uniform from a to b.</summary>
    public static Tensor Uniform_(Tensor tensor, double a = 0, double b = 1, Generator? generator = null) =>
        Written(tensor, t => t.Uniform_(a, b, generator));

    /// <summary>Normal.</summary>
    public static Tensor Normal_(Tensor tensor, double mean = 0, double std = 1, Generator? generator = null) =>
        Written(tensor, t => t.Normal_(mean, std, generator));

    /// <summary>Normal, drawn again until it lies from a to b. On the host, in float64.</summary>
    /// <exception cref="ArgumentException">a above b, or a deviation not above 0.</exception>
    public static Tensor TruncNormal_(
        Tensor tensor,
        double mean = 0,
        double std = 1,
        double a = -2,
        double b = 2,
        Generator? generator = null
    )
    {
        if (!(a <= b && std > 0))
            throw new ArgumentException(
                $"trunc_normal_: a is {a}, b {b} and std {std}, but a must not be above b, and std above 0."
            );
        return Written(
            tensor,
            t =>
            {
                double[] values = Tensor.Rand(t.Shape, generator, DType.Float64).ToArray<double>();
                double low = Phi((a - mean) / std);
                double high = Phi((b - mean) / std);
                for (int i = 0; i < values.Length; i++)
                    values[i] = Math.Clamp(mean + std * Quantile(low + (high - low) * values[i]), a, b);
                t.Copy_(Tensor.From<double>(values, t.Shape).To(t.DType).ToDevice(t.Device));
            }
        );
    }

    public static Tensor Constant_(Tensor tensor, double val) => Written(tensor, t => t.Fill_(val));

    public static Tensor Ones_(Tensor tensor) => Constant_(tensor, 1);

    public static Tensor Zeros_(Tensor tensor) => Constant_(tensor, 0);

    /// <summary>1 on the diagonal of a matrix, 0 elsewhere.</summary>
    /// <exception cref="ArgumentException">Not a matrix.</exception>
    public static Tensor Eye_(Tensor tensor)
    {
        if (Tensor.Given(tensor).Rank != 2)
            throw new ArgumentException($"eye_: the tensor has the shape {tensor.Shape}, but must be a matrix.");
        return Written(tensor, t => t.Copy_(Tensor.Eye(t.Size(0), t.Size(1), t.DType, t.Device)));
    }

    /// <summary>Filters that give as many channels back as there are, of each group: 1 in their middles.</summary>
    /// <param name="tensor">[out, in, …] of 3 to 5 dimensions.</param>
    /// <param name="groups">A divisor of the outputs.</param>
    /// <exception cref="ArgumentException">Other dimensions, or groups that do not divide.</exception>
    public static Tensor Dirac_(Tensor tensor, long groups = 1)
    {
        if (Tensor.Given(tensor).Rank is < 3 or > 5)
            throw new ArgumentException(
                $"dirac_: the tensor has the shape {tensor.Shape}, but must have 3 to 5 dimensions."
            );
        if (groups < 1 || tensor.Size(0) % groups != 0)
            throw new ArgumentException(
                $"dirac_: groups is {groups}, which must divide dimension 0, {tensor.Size(0)}."
            );
        return Written(
            tensor,
            t =>
            {
                t.Zero_();
                long each = t.Size(0) / groups;
                for (long g = 0; g < groups; g++)
                for (long d = 0; d < Math.Min(each, t.Size(1)); d++)
                {
                    var at = t.Select(0, (int)(g * each + d)).Select(0, (int)d);
                    while (at.Rank > 0)
                        at = at.Select(0, (int)(at.Size(0) / 2));
                    at.Fill_(1);
                }
            }
        );
    }

    /// <summary>Uniform within ±gain · √(6 / (fan in + fan out)) (Glorot and Bengio, 2010).</summary>
    public static Tensor XavierUniform_(Tensor tensor, double gain = 1, Generator? generator = null)
    {
        var (fanIn, fanOut) = Fans("xavier_uniform_", tensor);
        double bound = gain * Math.Sqrt(6.0 / (fanIn + fanOut));
        return Uniform_(tensor, -bound, bound, generator);
    }

    /// <summary>Normal of deviation gain · √(2 / (fan in + fan out)).</summary>
    public static Tensor XavierNormal_(Tensor tensor, double gain = 1, Generator? generator = null)
    {
        var (fanIn, fanOut) = Fans("xavier_normal_", tensor);
        return Normal_(tensor, 0, gain * Math.Sqrt(2.0 / (fanIn + fanOut)), generator);
    }

    /// <summary>Uniform within ±gain · √(3 / fan) (He and others, 2015).</summary>
    /// <param name="tensor">[out, in, …].</param>
    /// <param name="a">Slope below 0 of "leaky_relu".</param>
    /// <param name="mode">"fan_in" or "fan_out".</param>
    /// <param name="nonlinearity">See <see cref="CalculateGain"/>.</param>
    /// <param name="generator">Draws.</param>
    public static Tensor KaimingUniform_(
        Tensor tensor,
        double a = 0,
        string mode = "fan_in",
        string nonlinearity = "leaky_relu",
        Generator? generator = null
    )
    {
        double bound = Math.Sqrt(3) * Deviation("kaiming_uniform_", tensor, a, mode, nonlinearity);
        return Uniform_(tensor, -bound, bound, generator);
    }

    /// <summary>Normal of deviation gain / √fan.</summary>
    /// <inheritdoc cref="KaimingUniform_"/>
    public static Tensor KaimingNormal_(
        Tensor tensor,
        double a = 0,
        string mode = "fan_in",
        string nonlinearity = "leaky_relu",
        Generator? generator = null
    ) => Normal_(tensor, 0, Deviation("kaiming_normal_", tensor, a, mode, nonlinearity), generator);

    /// <summary>
    /// Orthogonal rows or columns, whichever are fewer, of length gain, all such equally likely (Saxe and others, 2013). On the host, in
    /// float64.
    /// </summary>
    /// <exception cref="ArgumentException">Fewer than two dimensions.</exception>
    public static Tensor Orthogonal_(Tensor tensor, double gain = 1, Generator? generator = null)
    {
        if (Tensor.Given(tensor).Rank < 2)
            throw new ArgumentException(
                $"orthogonal_: the tensor has the shape {tensor.Shape}, but must have at least 2 dimensions."
            );
        if (tensor.NumElements == 0)
            return tensor;
        return Written(
            tensor,
            t =>
            {
                int rows = (int)t.Size(0);
                int columns = (int)(t.NumElements / rows);
                var (count, length) = (Math.Min(rows, columns), Math.Max(rows, columns));
                double[] vectors = Tensor.Randn([count, length], generator, DType.Float64).ToArray<double>();
                Orthogonalize(vectors, count, length);
                for (int i = 0; i < vectors.Length; i++)
                    vectors[i] *= gain;
                var matrix = Tensor.From<double>(vectors, [count, length]);
                t.Copy_(
                    (rows <= columns ? matrix : matrix.Transpose(0, 1)).Reshape(t.Shape).To(t.DType).ToDevice(t.Device)
                );
            }
        );
    }

    /// <summary>Normal, but a share of each column 0 (Martens, 2010).</summary>
    /// <exception cref="ArgumentException">Not a matrix.</exception>
    public static Tensor Sparse_(Tensor tensor, double sparsity, double std = 0.01, Generator? generator = null)
    {
        if (Tensor.Given(tensor).Rank != 2)
            throw new ArgumentException($"sparse_: the tensor has the shape {tensor.Shape}, but must be a matrix.");
        return Written(
            tensor,
            t =>
            {
                var (rows, columns) = (t.Size(0), t.Size(1));
                long zeros = (long)Math.Ceiling(sparsity * rows);
                t.Normal_(0, std, generator);
                if (zeros == 0 || columns == 0)
                    return;
                // The rows of each column in random order.
                var order = Tensor.Rand([rows, columns], generator, DType.Float64, t.Device).ArgSort(0);
                t.Scatter_(0, order.Narrow(0, 0, Math.Min(zeros, rows)), 0);
            }
        );
    }

    private static Tensor Written(Tensor tensor, Action<Tensor> write)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        using var off = Tensor.NoGrad();
        if (tensor.NumElements > 0)
            write(tensor.Detach());
        return tensor;
    }

    private static double Deviation(string what, Tensor tensor, double a, string mode, string nonlinearity)
    {
        var (fanIn, fanOut) = Fans(what, tensor);
        long fan = mode switch
        {
            "fan_in" => fanIn,
            "fan_out" => fanOut,
            _ => throw new ArgumentException($"{what}: mode is \"{mode}\", but must be \"fan_in\" or \"fan_out\"."),
        };
        return CalculateGain(nonlinearity, a) / Math.Sqrt(Math.Max(fan, 1));
    }

    private static (long In, long Out) Fans(string what, Tensor tensor)
    {
        if (Tensor.Given(tensor).Rank < 2)
            throw new ArgumentException(
                $"{what}: the tensor has the shape {tensor.Shape}, but must have at least 2 dimensions, [out, in, …]."
            );
        long field = tensor.Layout.Product(2, tensor.Rank);
        return (tensor.Size(1) * field, tensor.Size(0) * field);
    }

    // Gram and Schmidt, each vector twice, so that what rounding leaves of the others goes, too.
    private static void Orthogonalize(double[] vectors, int count, int length)
    {
        for (int i = 0; i < count; i++)
        {
            var own = vectors.AsSpan(i * length, length);
            for (int pass = 0; pass < 2; pass++)
            for (int j = 0; j < i; j++)
            {
                var other = vectors.AsSpan(j * length, length);
                AddScaled(own, other, -Dot(own, other));
            }
            double scale = 1 / Math.Sqrt(Dot(own, own));
            for (int k = 0; k < length; k++)
                own[k] *= scale;
        }
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        var sum = Vector<double>.Zero;
        int k = 0;
        for (; k <= a.Length - Vector<double>.Count; k += Vector<double>.Count)
            sum += new Vector<double>(a[k..]) * new Vector<double>(b[k..]);
        double result = Vector.Sum(sum);
        for (; k < a.Length; k++)
            result += a[k] * b[k];
        return result;
    }

    private static void AddScaled(Span<double> a, ReadOnlySpan<double> b, double by)
    {
        int k = 0;
        for (; k <= a.Length - Vector<double>.Count; k += Vector<double>.Count)
            (new Vector<double>(a[k..]) + new Vector<double>(b[k..]) * by).CopyTo(a[k..]);
        for (; k < a.Length; k++)
            a[k] += by * b[k];
    }

    // The normal distribution function by its continued fraction and series.
    private static double Phi(double x)
    {
        if (double.IsInfinity(x))
            return x > 0 ? 1 : 0;
        double z = Math.Abs(x);
        double tail;
        if (z > 6)
        {
            double fraction = z;
            for (int k = 40; k > 0; k--)
                fraction = z + k / fraction;
            tail = Math.Exp(-z * z / 2) / (fraction * Math.Sqrt(2 * Math.PI));
        }
        else
        {
            double term = z;
            double sum = z;
            for (int k = 1; Math.Abs(term) > 1e-18 * Math.Max(sum, 1e-300) && k < 400; k++)
            {
                term *= z * z / (2 * k + 1);
                sum += term;
            }
            tail = 0.5 - sum * Math.Exp(-z * z / 2) / Math.Sqrt(2 * Math.PI);
        }
        return x > 0 ? 1 - tail : tail;
    }

    // Acklam's rational approximation, then a step of Halley's method.
    private static double Quantile(double p)
    {
        if (p <= 0)
            return double.NegativeInfinity;
        if (p >= 1)
            return double.PositiveInfinity;
        double q = Math.Min(p, 1 - p);
        double x;
        if (q < 0.02425)
        {
            double r = Math.Sqrt(-2 * Math.Log(q));
            x =
                (
                    (
                        (
                            ((-7.784894002430293e-03 * r - 3.223964580411365e-01) * r - 2.400758277161838) * r
                            - 2.549732539343734
                        ) * r
                        + 4.374664141464968
                    ) * r
                    + 2.938163982698783
                )
                / (
                    (
                        ((7.784695709041462e-03 * r + 3.224671290700398e-01) * r + 2.445134137142996) * r
                        + 3.754408661907416
                    ) * r
                    + 1
                );
        }
        else
        {
            double s = q - 0.5;
            double r = s * s;
            x =
                (
                    (
                        (
                            ((-3.969683028665376e+01 * r + 2.209460984245205e+02) * r - 2.759285104469687e+02) * r
                            + 1.383577518672690e+02
                        ) * r
                        - 3.066479806614716e+01
                    ) * r
                    + 2.506628277459239
                )
                * s
                / (
                    (
                        (
                            ((-5.447609879822406e+01 * r + 1.615858368580409e+02) * r - 1.556989798598866e+02) * r
                            + 6.680131188771972e+01
                        ) * r
                        - 1.328068155288572e+01
                    ) * r
                    + 1
                );
        }
        double error = Phi(x) - q;
        double u = error * Math.Sqrt(2 * Math.PI) * Math.Exp(x * x / 2);
        x -= u / (1 + x * u / 2);
        return p < 0.5 ? x : -x;
    }
}
