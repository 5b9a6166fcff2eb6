using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Functions of one element, of two, of three, with plain numbers, and in place.</summary>
internal static class ElementwiseCases
{
    public static IEnumerable<Subject> All =>
        [.. Unary(), .. FunctionCases.Subjects, .. Binary(), .. Numbers(), .. Others(), .. InPlace()];

    private static IEnumerable<Subject> Unary()
    {
        yield return One("Neg", x => -x, x => -x);
        yield return One("Abs", x => x.Abs(), x => x.abs());
        yield return One("Relu", x => x.Relu(), x => x.relu());
        yield return One("Square", x => x.Square(), x => x.square());
        yield return One("LogicalNot", x => x.LogicalNot(), x => x.logical_not());
        yield return One("~", x => ~x, x => x.bitwise_not());
        yield return One("Clone", x => x.Clone(), x => x.clone());
        yield return One("Contiguous", x => x.Contiguous(), x => x.contiguous());
        yield return One("Detach", x => x.Detach(), x => x.detach());
        foreach (var (type, there) in Types)
            yield return One($"To {type}", x => x.To(type), x => x.to_type(there));
    }

    public static readonly (DType, ScalarType)[] Types =
    [
        (DType.Float32, ScalarType.Float32),
        (DType.Float64, ScalarType.Float64),
        (DType.Float16, ScalarType.Float16),
        (DType.BFloat16, ScalarType.BFloat16),
        (DType.Int32, ScalarType.Int32),
        (DType.Int64, ScalarType.Int64),
        (DType.UInt8, ScalarType.Byte),
        (DType.Bool, ScalarType.Bool),
    ];

    private static IEnumerable<Subject> Binary()
    {
        yield return Two("+", (a, b) => a + b, (a, b) => a + b);
        yield return Two("-", (a, b) => a - b, (a, b) => a - b);
        yield return Two("*", (a, b) => a * b, (a, b) => a * b);
        yield return Two("/", (a, b) => a / b, (a, b) => a / b);
        yield return Two("Maximum", (a, b) => a.Maximum(b), (a, b) => a.maximum(b));
        yield return Two("Minimum", (a, b) => a.Minimum(b), (a, b) => a.minimum(b));
        yield return Two("Max(other)", (a, b) => a.Max(b), (a, b) => a.max(b));
        yield return Two("Min(other)", (a, b) => a.Min(b), (a, b) => a.min(b));
        // Without exponents such as −2⁶³, minus 1 of which wraps around in libtorch.
        yield return new(
            "Pow",
            d =>
            {
                var shape = d.Shape();
                var exponent = d.Of(d.Beside(shape), d.AnyType(), tame: true);
                return Trial.Two("Pow", d.Any(shape), exponent, (a, b) => a.Pow(b), (a, b) => a.pow(b));
            }
        );
        yield return Two("Atan2", (a, b) => a.Atan2(b), (a, b) => a.atan2(b));
        yield return Two("<", (a, b) => a < b, (a, b) => a < b);
        yield return Two("<=", (a, b) => a <= b, (a, b) => a <= b);
        yield return Two(">", (a, b) => a > b, (a, b) => a > b);
        yield return Two(">=", (a, b) => a >= b, (a, b) => a >= b);
        yield return Two("Eq", (a, b) => a.Eq(b), (a, b) => a.eq(b));
        yield return Two("Ne", (a, b) => a.Ne(b), (a, b) => a.not_equal(b));
        yield return Two("&", (a, b) => a & b, (a, b) => a.bitwise_and(b));
        yield return Two("|", (a, b) => a | b, (a, b) => a.bitwise_or(b));
        yield return Two("^", (a, b) => a ^ b, (a, b) => a.bitwise_xor(b));
        yield return Two("<<", (a, b) => a << b, (a, b) => a.bitwise_left_shift(b));
        yield return Two(">>", (a, b) => a >> b, (a, b) => a.bitwise_right_shift(b));
        yield return Two("LogicalAnd", (a, b) => a.LogicalAnd(b), (a, b) => a.logical_and(b));
        yield return Two("LogicalOr", (a, b) => a.LogicalOr(b), (a, b) => a.logical_or(b));
        yield return Two("LogicalXor", (a, b) => a.LogicalXor(b), (a, b) => a.logical_xor(b));
    }

    private static IEnumerable<Subject> Numbers()
    {
        yield return WithNumber("+ number", (a, s) => a + s, (a, s) => a + s);
        yield return WithNumber("number +", (a, s) => s + a, (a, s) => s + a);
        yield return WithNumber("- number", (a, s) => a - s, (a, s) => a - s);
        // TorchSharp makes number − tensor of other operators, which take bools.
        yield return WithNumber("number -", (a, s) => s - a, (a, s) => (a - s).neg());
        yield return WithNumber("* number", (a, s) => a * s, (a, s) => a * s);
        yield return WithNumber("/ number", (a, s) => a / s, (a, s) => a / s);
        yield return WithNumber("number /", (a, s) => s / a, (a, s) => s / a);
        yield return WithNumber("Pow number", (a, s) => a.Pow(s), (a, s) => a.pow(s));
        yield return WithNumber("< number", (a, s) => a < s, (a, s) => a < s);
        yield return WithNumber("<= number", (a, s) => a <= s, (a, s) => a <= s);
        yield return WithNumber("> number", (a, s) => a > s, (a, s) => a > s);
        yield return WithNumber(">= number", (a, s) => a >= s, (a, s) => a >= s);
        yield return WithNumber("Eq number", (a, s) => a.Eq(s), (a, s) => a.eq(s));
        yield return WithNumber("Ne number", (a, s) => a.Ne(s), (a, s) => a.ne(s));
        yield return WithNumber("Clamp min", (a, s) => a.Clamp(s), (a, s) => a.clamp(min: s));
        yield return WithNumber("Clamp max", (a, s) => a.Clamp(max: s), (a, s) => a.clamp(max: s));
    }

    private static IEnumerable<Subject> Others()
    {
        yield return new(
            "Clamp",
            d =>
            {
                var (low, high) = (d.Number(), d.Number());
                return Trial.One(
                    $"Clamp({low}, {high})",
                    d.Any(d.Shape()),
                    x => x.Clamp(low.Ours, high.Ours),
                    x => x.clamp(low.Theirs, high.Theirs)
                );
            }
        );
        yield return new(
            "Clamp of tensors",
            d =>
            {
                var shape = d.Shape();
                return new(
                    "Clamp",
                    [d.Any(shape), d.Any(d.Beside(shape)), d.Any(d.Beside(shape))],
                    x => [x[0].Clamp(x[1], x[2])],
                    x => [x[0].clamp(x[1], x[2])]
                );
            }
        );
        yield return new(
            "Where",
            d =>
            {
                var shape = d.Shape();
                return new(
                    "Where",
                    [
                        d.Of(d.Beside(shape), d.Chance(0.9) ? DType.Bool : d.AnyType()),
                        d.Any(shape),
                        d.Any(d.Beside(shape)),
                    ],
                    x => [Tensor.Where(x[0], x[1], x[2])],
                    x => [torch.where(x[0], x[1], x[2])]
                );
            }
        );
        yield return new(
            "MaskedFill",
            d =>
            {
                var shape = d.Shape();
                var number = d.Number();
                return Trial.Two(
                    $"MaskedFill({number})",
                    d.Any(shape),
                    d.Of(d.Beside(shape), DType.Bool),
                    (x, m) => x.MaskedFill(m, number.Ours),
                    (x, m) => x.masked_fill(m, number.Theirs)
                );
            }
        );
    }

    private static IEnumerable<Subject> InPlace()
    {
        yield return Changed("Add_", (a, b) => a.Add_(b), (a, b) => a.add_(b));
        yield return Changed("Sub_", (a, b) => a.Sub_(b), (a, b) => a.sub_(b));
        yield return Changed("Mul_", (a, b) => a.Mul_(b), (a, b) => a.mul_(b));
        yield return Changed("Div_", (a, b) => a.Div_(b), (a, b) => a.div_(b));
        yield return Changed("Copy_", (a, b) => a.Copy_(b), (a, b) => a.copy_(b));
        yield return One("Exp_", x => x.Clone().Exp_(), x => x.clone().exp_());
        yield return One("Relu_", x => x.Clone().Relu_(), x => x.clone().relu_());
        yield return One("Tanh_", x => x.Clone().Tanh_(), x => x.clone().tanh_());
        yield return One("Sqrt_", x => x.Clone().Sqrt_(), x => x.clone().sqrt_());
        yield return One("Sigmoid_", x => x.Clone().Sigmoid_(), x => x.clone().sigmoid_());
        yield return One("Neg_", x => x.Clone().Neg_(), x => x.clone().neg_());
        yield return One("Zero_", x => x.Clone().Zero_(), x => x.clone().fill_(0));
        yield return WithNumber("Fill_", (a, s) => a.Clone().Fill_(s), (a, s) => a.clone().fill_(s));
        yield return WithNumber("Mul_ number", (a, s) => a.Clone().Mul_(s), (a, s) => a.clone().mul_(s));
    }

    private static Subject One(string name, Func<Tensor, Tensor> ours, Func<TorchTensor, TorchTensor> theirs) =>
        new(name, d => Trial.One(name, d.Any(d.Shape()), ours, theirs));

    private static Subject Two(
        string name,
        Func<Tensor, Tensor, Tensor> ours,
        Func<TorchTensor, TorchTensor, TorchTensor> theirs
    ) =>
        new(
            name,
            d =>
            {
                var shape = d.Shape();
                var (a, b) = (d.Any(shape), d.Any(d.Beside(shape)));
                return d.Chance(0.5) ? Trial.Two(name, a, b, ours, theirs) : Trial.Two(name, b, a, ours, theirs);
            }
        );

    private static Subject WithNumber(
        string name,
        Func<Tensor, Scalar, Tensor> ours,
        Func<TorchTensor, TorchSharp.Scalar, TorchTensor> theirs
    ) =>
        new(
            name,
            d =>
            {
                var number = d.Number();
                return Trial.One(
                    $"{name} {number}",
                    d.Any(d.Shape()),
                    x => ours(x, number.Ours),
                    x => theirs(x, number.Theirs)
                );
            }
        );

    /// <summary>The first operand is changed through a copy, whose other view shows the change.</summary>
    private static Subject Changed(
        string name,
        Func<Tensor, Tensor, Tensor> ours,
        Func<TorchTensor, TorchTensor, TorchTensor> theirs
    ) =>
        new(
            name,
            d =>
            {
                var shape = d.Shape(1);
                return new(
                    name,
                    [d.Any(shape), d.Any(d.Beside(shape))],
                    x =>
                    {
                        var all = x[0] * 1;
                        var view = all.Unsqueeze(0);
                        ours(all, x[1]);
                        return [all, view];
                    },
                    x =>
                    {
                        var all = x[0] * 1;
                        var view = all.unsqueeze(0);
                        theirs(all, x[1]);
                        return [all, view];
                    }
                );
            }
        );
}
