using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Functions;

/// <summary>Functions of two and three numbers that are composed of others.</summary>
public static partial class ScalarFunctions
{
    /// <summary>log(eᵃ + eᵇ).</summary>
    public static readonly ScalarFunction LogAddExp = ScalarFunction.Composed(
        "logaddexp",
        (a, b) => Logarithm(a, b, d => Op.Log1p(Op.Exp(d)))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => g / (Op.Const(1, g.Type) + Op.Exp(x[1] - x[0])),
            (x, y, g) => g / (Op.Const(1, g.Type) + Op.Exp(x[0] - x[1])),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>log₂(2ᵃ + 2ᵇ).</summary>
    public static readonly ScalarFunction LogAddExp2 = ScalarFunction.Composed(
        "logaddexp2",
        (a, b) => Logarithm(a, b, d => Op.Log1p(Op.Exp2(d)) * Op.Const(1.4426950408889634, d.Type))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => g / (Op.Const(1, g.Type) + Op.Exp2(x[1] - x[0])),
            (x, y, g) => g / (Op.Const(1, g.Type) + Op.Exp2(x[0] - x[1])),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>√(a² + b²): the greater times a root between 1 and √2, so that no square overflows.</summary>
    public static readonly ScalarFunction Hypot = ScalarFunction.Composed("hypot", RootOfSquares) with
    {
        Derivatives = [(x, y, g) => g * (x[0] / y), (x, y, g) => g * (x[1] / y)],
        Types = DTypes.Floats,
    };

    /// <summary>|a| with the sign bit of b, also where that is −0 or NaN. No slope where a is 0.</summary>
    public static readonly ScalarFunction Copysign = ScalarFunction.Composed(
        "copysign",
        (a, b) =>
        {
            var bits = b.Type == DType.Float64 ? DType.Int64 : DType.Int32;
            var magnitude = Op.Abs(a);
            return Op.Select(Op.Lt(Op.Bitcast(bits, b), Op.Const(0, bits)), -magnitude, magnitude);
        }
    ) with
    {
        Derivatives = [(x, y, g) => Op.Select(Op.Eq(x[0], Zero(g)), Zero(g), g * (y / x[0])), null],
        Types = DTypes.Floats,
    };

    /// <summary>The larger of two, and where one is NaN the other. At equal elements the first has the gradient.</summary>
    public static readonly ScalarFunction Fmax = ScalarFunction.Composed(
        "fmax",
        (a, b) => Op.Select(Op.IsNan(a), b, Op.Select(Op.IsNan(b), a, Op.Max(a, b)))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.Or(Op.Le(x[1], x[0]), Op.IsNan(x[1])), g, Zero(g)),
            (x, y, g) => Op.Select(Op.Or(Op.Le(x[1], x[0]), Op.IsNan(x[1])), Zero(g), g),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>The smaller of two, and where one is NaN the other. At equal elements the first has the gradient.</summary>
    public static readonly ScalarFunction Fmin = ScalarFunction.Composed(
        "fmin",
        (a, b) => Op.Select(Op.IsNan(a), b, Op.Select(Op.IsNan(b), a, Op.Min(a, b)))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.Or(Op.Le(x[0], x[1]), Op.IsNan(x[1])), g, Zero(g)),
            (x, y, g) => Op.Select(Op.Or(Op.Le(x[0], x[1]), Op.IsNan(x[1])), Zero(g), g),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>a · log b; 0 where a is, unless b is NaN.</summary>
    public static readonly ScalarFunction Xlogy = ScalarFunction.Composed(
        "xlogy",
        (a, b) => Op.Select(Op.And(Op.Eq(a, Zero(a)), Op.Eq(b, b)), Zero(a), a * Op.Log(b))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.And(Op.Eq(x[0], Zero(g)), Op.Le(x[1], Zero(g))), Zero(g), g * Op.Log(x[1])),
            (x, y, g) => g * (x[0] / x[1]),
        ],
        Domains = [InputDomain.Any, InputDomain.Positive],
        Types = DTypes.Floats,
    };

    /// <summary>log(x / (1 − x)).</summary>
    public static readonly ScalarFunction Logit = ScalarFunction.Composed(
        "logit",
        x => Op.Log(x / (Op.Const(1, x.Type) - x))
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
                Op.Select(
                    Op.And(Op.Le(Zero(g), x[0]), Op.Le(x[0], Op.Const(1, g.Type))),
                    g / (x[0] * (Op.Const(1, g.Type) - x[0])),
                    g * Op.Const(double.NaN, g.Type)
                ),
        ],
        Domains = [InputDomain.Probability],
        Types = DTypes.Floats,
    };

    /// <summary>sin πx / πx, 1 at 0.</summary>
    public static readonly ScalarFunction Sinc = ScalarFunction.Composed(
        "sinc",
        x =>
        {
            var angle = x * Op.Const(Math.PI, x.Type);
            return Op.Select(Op.Eq(x, Zero(x)), Op.Const(1, x.Type), Op.Sin(angle) / angle);
        }
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
            {
                var angle = x[0] * Op.Const(Math.PI, g.Type);
                // Also where the square underflows.
                return Op.Select(
                    Op.Eq(angle * x[0], Zero(g)),
                    Zero(g),
                    g * ((angle * Op.Cos(angle) - Op.Sin(angle)) / (angle * x[0]))
                );
            },
        ],
        Types = DTypes.Floats,
    };

    /// <summary>a + w · (b − a), from the end that is nearer.</summary>
    public static readonly ScalarFunction Lerp = ScalarFunction.Composed(
        "lerp",
        (a, b, w) =>
            Op.Select(Op.Lt(Op.Abs(w), Op.Const(0.5, w.Type)), a + w * (b - a), b - (b - a) * (Op.Const(1, w.Type) - w))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => g * (Op.Const(1, g.Type) - x[2]),
            (x, y, g) => g * x[2],
            (x, y, g) => g * (x[1] - x[0]),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>a + b · c.</summary>
    public static readonly ScalarFunction Addcmul = ScalarFunction.Composed("addcmul", (a, b, c) => a + b * c) with
    {
        Types = DTypes.Floats,
    };

    /// <summary>a + b / c.</summary>
    public static readonly ScalarFunction Addcdiv = ScalarFunction.Composed("addcdiv", (a, b, c) => a + b / c) with
    {
        Domains = [InputDomain.Any, InputDomain.Any, InputDomain.NonZero],
        Types = DTypes.Floats,
    };

    // Equal infinities are their own result.
    private static Expr Logarithm(Expr a, Expr b, Func<Expr, Expr> ofDifference)
    {
        var (most, least) = (Op.Max(a, b), Op.Min(a, b));
        return Op.Select(Op.And(Op.Eq(a, b), Op.IsInf(a)), a, most + ofDifference(least - most));
    }

    private static Expr RootOfSquares(Expr x, Expr y)
    {
        var (a, b) = (Op.Abs(x), Op.Abs(y));
        var (least, most) =
            a.Type == DType.Float64 ? (double.Epsilon, double.MaxValue) : (float.Epsilon, float.MaxValue);
        var greater = Op.Max(a, b);
        var divisor = Op.Max(Op.Min(greater, Op.Const(most, a.Type)), Op.Const(least, a.Type));
        var ratio = Op.Min(a, b) / divisor;
        return greater * Op.Sqrt(Op.Fma(ratio, ratio, Op.Const(1, a.Type)));
    }
}
