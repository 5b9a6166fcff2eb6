using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;

namespace Picograd.Tests.Operators;

/// <summary>Inputs of an instance by name, for the plain loops that tests compare with.</summary>
internal sealed class Given(OperatorSpec spec, IReadOnlyDictionary<Picograd.Algorithms.Buffer, NDArray> inputs)
{
    public OperatorSpec Spec { get; } = spec;

    public NDArray this[string name] => inputs.Single(i => i.Key.Name == name).Value;

    public double Scalar(string name) => this[name].At(0);
}

/// <summary>
/// Plain loops for every operator but matmul, written from the definitions and not from the library: name to outputs,
/// row-major.
/// </summary>
internal static class References
{
    private static readonly Dictionary<string, Func<double, double>> UnaryFunctions = new()
    {
        ["tanh"] = Math.Tanh,
        ["exp"] = Math.Exp,
        ["log"] = Math.Log,
        ["sigmoid"] = x => 1 / (1 + Math.Exp(-x)),
        ["sqrt"] = Math.Sqrt,
        ["rsqrt"] = x => 1 / Math.Sqrt(x),
        ["reciprocal"] = x => 1 / x,
        ["erf"] = ErfByQuadrature,
        ["sin"] = Math.Sin,
        ["cos"] = Math.Cos,
        ["floor"] = Math.Floor,
        ["ceil"] = Math.Ceiling,
        ["round"] = x => Math.Round(x, MidpointRounding.ToEven),
        ["silu"] = x => x / (1 + Math.Exp(-x)),
        ["gelu"] = x => 0.5 * x * (1 + ErfByQuadrature(x / Math.Sqrt(2))),
        ["neg"] = x => -x,
        ["abs"] = Math.Abs,
        ["relu"] = x => x > 0 ? x : 0,
        ["square"] = x => x * x,
        ["logical_not"] = x => x == 0 ? 1 : 0,
        // By other functions than the table's, where that loses no digits.
        ["expm1"] = x => Math.Tanh(x / 2) * (Math.Exp(x) + 1),
        ["log1p"] = x => 2 * Math.Atanh(x / (2 + x)),
        ["exp2"] = x => Math.Exp(x * Math.Log(2)),
        ["log2"] = x => Math.Log(x) / Math.Log(2),
        ["log10"] = x => Math.Log(x) / Math.Log(10),
        ["tan"] = x => Math.Sin(x) / Math.Cos(x),
        ["asin"] = x => Math.Atan2(x, Math.Sqrt((1 - x) * (1 + x))),
        ["acos"] = x => Math.Atan2(Math.Sqrt((1 - x) * (1 + x)), x),
        ["atan"] = x => Math.Asin(x / Math.Sqrt(1 + x * x)),
        ["sinh"] = x => Math.Tanh(x) * Math.Cosh(x),
        ["cosh"] = x => (Math.Exp(x) + Math.Exp(-x)) / 2,
        ["asinh"] = x => Math.Atanh(x / Math.Sqrt(1 + x * x)),
        ["acosh"] = x => Math.Log(x + Math.Sqrt((x - 1) * (x + 1))),
        ["atanh"] = x => 0.5 * Math.Log((1 + x) / (1 - x)),
        ["erfc"] = x => 1 - ErfByQuadrature(x),
        ["sign"] = x => Math.Sign(x),
        ["trunc"] = Math.Truncate,
        ["softplus"] = x => Math.Log(1 + Math.Exp(x)),
        ["logit"] = x => 2 * Math.Atanh(2 * x - 1),
        ["sinc"] = x => Math.Sin(Math.PI * x) / (Math.PI * x),
        ["isnan"] = x => double.IsNaN(x) ? 1 : 0,
        ["isinf"] = x => double.IsInfinity(x) ? 1 : 0,
        ["isfinite"] = x => double.IsFinite(x) ? 1 : 0,
        ["relu6"] = x => Math.Clamp(x, 0, 6),
        // Constants are those of float32.
        ["selu"] = x =>
            x > 0 ? 1.0507009873554805f * x : (float)(1.0507009873554805 * 1.6732632423543772) * (Math.Exp(x) - 1),
        ["gelu_tanh"] = x =>
            0.5 * x * (1 + Math.Tanh((float)Math.Sqrt(2 / Math.PI) * (x + 0.044715f * Math.Pow(x, 3)))),
        ["mish"] = x => x * Math.Tanh(Math.Log(1 + Math.Exp(x))),
        ["hardsigmoid"] = x => Math.Clamp(x + 3, 0, 6) / 6,
        ["hardswish"] = x => x * Math.Clamp(x + 3, 0, 6) / 6,
        ["softsign"] = x => x / (1 + Math.Abs(x)),
        ["log_sigmoid"] = x => -Math.Log(1 + Math.Exp(-x)),
        ["tanhshrink"] = x => x - Math.Tanh(x),
        ["leaky_relu"] = x => x > 0 ? x : 0.01f * x,
        ["elu"] = x => x > 0 ? x : Math.Exp(x) - 1,
        ["celu"] = x => x > 0 ? x : 0.5 * (Math.Exp(2 * x) - 1),
        ["softplus_of"] = x => Math.Log(1 + Math.Exp(x)),
        ["hardtanh"] = x => Math.Clamp(x, -1, 1),
        ["hardshrink"] = x => Math.Abs(x) <= 0.5 ? 0 : x,
        ["softshrink"] = x => Math.Abs(x) <= 0.5 ? 0 : x - Math.CopySign(0.5, x),
        ["threshold"] = x => x > 0 ? x : 0,
    };

    // Losses of an element, its target and, of some, a third number.
    private static readonly Dictionary<string, Func<double, double, double, double>> Losses = new()
    {
        ["l1_loss"] = (x, t, _) => Math.Abs(x - t),
        ["smooth_l1_loss"] = (x, t, _) => Math.Abs(x - t) < 1 ? Math.Pow(x - t, 2) / 2 : Math.Abs(x - t) - 0.5,
        ["huber_loss"] = (x, t, _) => Math.Abs(x - t) < 1 ? Math.Pow(x - t, 2) / 2 : Math.Abs(x - t) - 0.5,
        ["bce_loss"] = (x, t, _) => -(t * Math.Log(x) + (1 - t) * Math.Log(1 - x)),
        ["bce_with_logits"] = (x, t, _) => t * Math.Log(1 + Math.Exp(-x)) + (1 - t) * Math.Log(1 + Math.Exp(x)),
        ["bce_with_logits_weighted"] = (x, t, v) =>
            v * t * Math.Log(1 + Math.Exp(-x)) + (1 - t) * Math.Log(1 + Math.Exp(x)),
        ["kl_div"] = (x, t, _) => t * (Math.Log(t) - x),
        ["kl_div_log"] = (x, t, _) => Math.Exp(t) * (t - x),
        ["poisson_nll_loss"] = (x, t, _) => Math.Exp(x) - t * x,
        ["gaussian_nll_loss"] = (x, t, v) => 0.5 * (Math.Log(v) + Math.Pow(x - t, 2) / v),
        ["soft_margin_loss"] = (x, t, _) => Math.Log(1 + Math.Exp(-t * x)),
        ["hinge_embedding_loss"] = (x, t, _) => (t == 1 ? 0 : Math.Max(1 - x, 0)) + (t == -1 ? 0 : x),
        ["margin_ranking_loss"] = (x, t, v) => Math.Max(-v * (x - t), 0),
    };

    private static readonly Dictionary<string, Func<double, double, double>> BinaryFunctions = new()
    {
        ["add"] = (a, b) => a + b,
        ["sub"] = (a, b) => a - b,
        ["mul"] = (a, b) => a * b,
        ["div"] = (a, b) => a / b,
        ["pow"] = Math.Pow,
        ["atan2"] = (a, b) => new System.Numerics.Complex(b, a).Phase,
        ["maximum"] = (a, b) => a > b ? a : b,
        ["minimum"] = (a, b) => a < b ? a : b,
        ["clamp_min"] = (a, b) => a < b ? b : a,
        ["clamp_max"] = (a, b) => a > b ? b : a,
        ["fmod"] = (a, b) => a % b,
        ["remainder"] = (a, b) => a - b * Math.Floor(a / b),
        ["floor_divide"] = (a, b) => Math.Floor(a / b),
        ["trunc_divide"] = (a, b) => Math.Truncate(a / b),
        ["floor_quotient"] = (a, b) => Math.Floor(a / b),
        ["trunc_quotient"] = (a, b) => Math.Truncate(a / b),
        ["floor_rest"] = (a, b) => a - b * Math.Floor(a / b),
        ["trunc_rest"] = (a, b) => a % b,
        ["logaddexp"] = (a, b) => Math.Log(Math.Exp(a) + Math.Exp(b)),
        ["logaddexp2"] = (a, b) => Math.Log2(Math.Pow(2, a) + Math.Pow(2, b)),
        ["hypot"] = (a, b) => Math.Sqrt(a * a + b * b),
        ["copysign"] = Math.CopySign,
        ["fmax"] = Math.Max,
        ["fmin"] = Math.Min,
        ["xlogy"] = (a, b) => a * Math.Log(b),
        ["prelu"] = (a, b) => a > 0 ? a : a * b,
        ["glu"] = (a, b) => a / (1 + Math.Exp(-b)),
        ["dropout"] = (x, t) => t < 0.5 ? 0 : 2 * x,
        ["alpha_dropout"] = (x, t) =>
        {
            double a = 1 / Math.Sqrt(0.5 * (1 + 0.5 * Math.Pow(1.7580993408473766, 2)));
            double half = 0.5 * 1.7580993408473766 * a;
            return t < 0.5 ? (float)-half : x * (float)a + (float)half;
        },
        ["eq"] = (a, b) => a == b ? 1 : 0,
        ["ne"] = (a, b) => a != b ? 1 : 0,
        ["lt"] = (a, b) => a < b ? 1 : 0,
        ["le"] = (a, b) => a <= b ? 1 : 0,
        ["gt"] = (a, b) => a > b ? 1 : 0,
        ["ge"] = (a, b) => a >= b ? 1 : 0,
        ["logical_and"] = (a, b) => a != 0 && b != 0 ? 1 : 0,
        ["logical_or"] = (a, b) => a != 0 || b != 0 ? 1 : 0,
        ["logical_xor"] = (a, b) => (a != 0) != (b != 0) ? 1 : 0,
        ["bitwise_and"] = (a, b) => (long)a & (long)b,
        ["bitwise_or"] = (a, b) => (long)a | (long)b,
        ["bitwise_xor"] = (a, b) => (long)a ^ (long)b,
    };

    // Of the bits of a type: a shift beyond them, or by a negative number, leaves 0, or the sign.
    private static double Shift(bool left, int width, double a, double b)
    {
        var result =
            System.Numerics.BigInteger.Abs((long)b) >= width || b < 0 ? (left || a >= 0 ? 0 : -1)
            : left ? new System.Numerics.BigInteger(a) << (int)b
            : (long)Math.Floor(a / Math.Pow(2, b));
        var modulus = System.Numerics.BigInteger.One << width;
        result = ((result % modulus) + modulus) % modulus;
        return (double)(result >= modulus / 2 ? result - modulus : result);
    }

    // f and f' by central differences of an independent f; the operators whose first input is f's result invert it.
    private static readonly Dictionary<string, (Func<double, double> F, Func<double, double>? Inverse)> Derivatives =
        new()
        {
            ["tanh.adjoint"] = (Math.Tanh, Math.Atanh),
            ["sigmoid.adjoint"] = (x => 1 / (1 + Math.Exp(-x)), y => Math.Log(y / (1 - y))),
            ["sqrt.adjoint"] = (Math.Sqrt, y => y * y),
            ["relu.adjoint"] = (x => x > 0 ? x : 0, y => y > 0 ? y : -1),
            ["abs.adjoint"] = (Math.Abs, null),
            ["erf.adjoint"] = (ErfByQuadrature, null),
            ["silu.adjoint"] = (x => x / (1 + Math.Exp(-x)), null),
            ["expm1.adjoint"] = (x => Math.Exp(x) - 1, y => Math.Log(1 + y)),
            ["log1p.adjoint"] = (x => Math.Log(1 + x), null),
            ["exp2.adjoint"] = (x => Math.Exp(x * Math.Log(2)), y => Math.Log(y) / Math.Log(2)),
            ["log2.adjoint"] = (x => Math.Log(x) / Math.Log(2), null),
            ["log10.adjoint"] = (x => Math.Log(x) / Math.Log(10), null),
            ["tan.adjoint"] = (x => Math.Sin(x) / Math.Cos(x), Math.Atan),
            ["asin.adjoint"] = (x => Math.Atan2(x, Math.Sqrt((1 - x) * (1 + x))), null),
            ["acos.adjoint"] = (x => Math.Atan2(Math.Sqrt((1 - x) * (1 + x)), x), null),
            ["atan.adjoint"] = (x => Math.Asin(x / Math.Sqrt(1 + x * x)), null),
            ["sinh.adjoint"] = (x => (Math.Exp(x) - Math.Exp(-x)) / 2, null),
            ["cosh.adjoint"] = (x => (Math.Exp(x) + Math.Exp(-x)) / 2, null),
            ["asinh.adjoint"] = (x => Math.Atanh(x / Math.Sqrt(1 + x * x)), null),
            ["acosh.adjoint"] = (x => Math.Log(x + Math.Sqrt((x - 1) * (x + 1))), null),
            ["atanh.adjoint"] = (x => 0.5 * Math.Log((1 + x) / (1 - x)), null),
            ["erfc.adjoint"] = (x => 1 - ErfByQuadrature(x), null),
            ["softplus.adjoint"] = (x => Math.Log(1 + Math.Exp(x)), null),
            ["gelu.adjoint"] = (x => 0.5 * x * (1 + ErfByQuadrature(x / Math.Sqrt(2))), null),
        };

    public static double[][] Of(Given g)
    {
        var spec = g.Spec;
        if (UnaryFunctions.TryGetValue(spec.Name, out var unary))
            return [Each(g["X"].Length, i => unary(g["X"].At(i)))];
        if (BinaryFunctions.TryGetValue(spec.Name, out var binary))
            return
            [
                Broadcast(
                    spec.Name.EndsWith("dropout", StringComparison.Ordinal) ? [g["X"], g["T"]] : [g["A"], g["B"]],
                    v => binary(v[0], v[1])
                ),
            ];
        bool each = spec.Name.EndsWith("_each", StringComparison.Ordinal);
        if (Losses.TryGetValue(each ? spec.Name[..^5] : spec.Name, out var loss))
        {
            bool third = spec.Definition.Operands!.Contains("V[", StringComparison.Ordinal);
            NDArray[] operands = third ? [g["X"], g["T"], g["V"]] : [g["X"], g["T"]];
            double[] losses = Broadcast(operands, v => loss(v[0], v[1], third ? v[2] : 0));
            return [each ? losses : [losses.Average()]];
        }
        if (Derivatives.TryGetValue(spec.Name, out var d))
        {
            var first = d.Inverse is null ? g["X"] : g["Y"];
            return
            [
                Each(
                    first.Length,
                    i => g["dY"].At(i) * Slope(spec.Name, d.F, d.Inverse is null ? first.At(i) : d.Inverse(first.At(i)))
                ),
            ];
        }
        return spec.Name switch
        {
            "left_shift" or "right_shift" =>
            [
                Broadcast(
                    [g["A"], g["B"]],
                    v => Shift(spec.Name == "left_shift", spec.Type() == DType.Int64 ? 64 : 32, v[0], v[1])
                ),
            ],
            "clamp" =>
            [
                Broadcast([g["A"], g["B"], g["C"]], v => v[0] < v[1] ? Math.Min(v[1], v[2]) : Math.Min(v[0], v[2])),
            ],
            "where" => [Broadcast([g["C"], g["A"], g["B"]], v => v[0] != 0 ? v[1] : v[2])],
            "lerp" => [Broadcast([g["A"], g["B"], g["C"]], v => v[0] + v[2] * (v[1] - v[0]))],
            "addcmul" => [Broadcast([g["A"], g["B"], g["C"]], v => v[0] + v[1] * v[2])],
            "addcdiv" => [Broadcast([g["A"], g["B"], g["C"]], v => v[0] + v[1] / v[2])],
            "cast" => [Each(g["X"].Length, i => Cast(g["X"].At(i), spec.Choice("to")))],
            "fill" => [Each((int)spec.Dim("n"), _ => g.Scalar("V"))],
            "copy" => [Each(g["X"].Length, i => g["X"].At(i))],
            "arange" => [Each((int)spec.Dim("n"), i => g.Scalar("start") + i * g.Scalar("step"))],
            "sum"
            or "mean"
            or "max"
            or "min"
            or "max_of_all"
            or "min_of_all"
            or "prod"
            or "any"
            or "all"
            or "argmax"
            or "argmin"
            or "logsumexp"
            or "deviation"
            or "root_deviation" => ReductionReferences.Of(g),
            "softmax" or "log_softmax" or "softmax.adjoint" or "log_softmax.adjoint" => RowReferences.Softmax(g),
            "softmax_across" or "log_softmax_across" => AcrossReferences.Softmax(g),
            "cross_entropy_across" => AcrossReferences.CrossEntropy(g),
            "cross_entropy" or "cross_entropy.adjoint" => RowReferences.CrossEntropy(g),
            "mse_loss" =>
            [
                [Each(g["X"].Length, i => Math.Pow(g["X"].At(i) - g["T"].At(i), 2)).Average()],
            ],
            "lstm_cell" or "lstm_cell_grad" or "gru_cell" or "gru_cell_grad" or "rnn_cell" or "rnn_cell_grad" =>
                RecurrentReferences.Of(g),
            "layernorm" or "rmsnorm" => RowReferences.Norm(g),
            "transpose" => RowReferences.Transpose(g),
            "groupnorm" or "batchnorm" or "batchnorm_eval" => ImageReferences.Norm(g),
            var name when name.StartsWith("conv", StringComparison.Ordinal) => [ImageReferences.Convolution(g)],
            var name when name.Contains("_pool", StringComparison.Ordinal) => ImageReferences.Pool(g),
            "attention" => RowReferences.Attention(g),
            "attention_grad" => RowReferences.AttentionGrad(g),
            "cumsum" or "cumprod" => RowReferences.Scan(g),
            "flip"
            or "pad"
            or "tril"
            or "triu"
            or "im2col"
            or "resample"
            or "scatter"
            or "cummax"
            or "cummin"
            or "logcumsumexp" => MovingReferences.Of(g),
            "embedding" or "embedding.adjoint" or "gather" or "gather.adjoint" => RowReferences.Indexed(g),
            "index" or "index_put" => [IndexReferences.Of(g)],
            "sgd"
            or "sgd_momentum"
            or "sgd_nesterov"
            or "adam"
            or "adam_amsgrad"
            or "nadam"
            or "radam"
            or "adamax"
            or "adagrad"
            or "adadelta"
            or "rprop"
            or "asgd"
            or "rmsprop"
            or "rmsprop_momentum" => OptimizerReferences.Of(g),
            _ => throw new InvalidOperationException($"no reference for {spec.Name}"),
        };
    }

    public static double[] Each(int length, Func<int, double> f) => [.. Enumerable.Range(0, length).Select(f)];

    private static double[] Broadcast(NDArray[] operands, Func<double[], double> f)
    {
        int rank = operands.Max(o => o.Shape.Length);
        var shape = new long[rank];
        for (int d = 0; d < rank; d++)
            shape[d] = operands.Max(o => d - (rank - o.Shape.Length) is var e and >= 0 ? o.Shape[e] : 1);
        int total = (int)shape.Aggregate(1L, (a, b) => a * b);
        return Each(
            total,
            flat =>
            {
                var place = new long[rank];
                for (int d = rank - 1, rest = flat; d >= 0; rest = (int)(rest / shape[d]), d--)
                    place[d] = rest % shape[d];
                return f([
                    .. operands.Select(o =>
                        o[[.. place.Skip(rank - o.Shape.Length).Select((p, d) => o.Shape[d] == 1 ? 0 : p)]]
                    ),
                ]);
            }
        );
    }

    private static double Cast(double x, string to) =>
        to switch
        {
            "bool" => x != 0 ? 1 : 0,
            "i32" or "i64" => Math.Truncate(x),
            "u8" => (byte)(long)x,
            "u32" => (uint)(long)x,
            _ => x,
        };

    private static double Slope(string name, Func<double, double> f, double x)
    {
        // Where a function is only defined to one side of a point, step in proportion.
        double h = name switch
        {
            "sqrt.adjoint" or "log2.adjoint" or "log10.adjoint" => 1e-5 * x,
            "acosh.adjoint" => 1e-5 * (x - 1),
            _ => 1e-5,
        };
        return (f(x + h) - f(x - h)) / (2 * h);
    }

    // 2/√π ∫ e^(−t²) by Simpson's rule.
    private static double ErfByQuadrature(double x)
    {
        double end = Math.Clamp(x, -7, 7);
        const int steps = 4000;
        double h = end / steps;
        double sum = 1 + Math.Exp(-end * end);
        for (int i = 1; i < steps; i++)
            sum += (i % 2 == 0 ? 2 : 4) * Math.Exp(-(i * h) * (i * h));
        return 2 / Math.Sqrt(Math.PI) * h / 3 * sum;
    }
}
