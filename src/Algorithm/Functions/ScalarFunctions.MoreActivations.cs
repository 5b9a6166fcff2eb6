using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Functions;

/// <summary>Activations without parameters; those with some are <see cref="Activations"/>.</summary>
public static partial class ScalarFunctions
{
    private const double SeluAlpha = 1.6732632423543772848170429916717;
    private const double SeluScale = 1.0507009873554804934193349852946;
    private const double RootOfTwoOverPi = 0.7978845608028654;
    private const double GeluCube = 0.044715;

    /// <summary>x cut to [0, 6], with slope 0 at both ends.</summary>
    public static readonly ScalarFunction Relu6 = ScalarFunction.Composed(
        "relu6",
        x => Op.Select(Op.Le(x, Zero(x)), Zero(x), Op.Select(Op.Le(Op.Const(6, x.Type), x), Op.Const(6, x.Type), x))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.And(Op.Lt(Zero(g), x[0]), Op.Lt(x[0], Op.Const(6, g.Type))), g, Zero(g)),
        ],
        Types = DTypes.Numbers,
    };

    /// <summary>s·x above 0, s·α·(eˣ − 1) below (Klambauer and others, 2017).</summary>
    public static readonly ScalarFunction Selu = ScalarFunction.Composed(
        "selu",
        x =>
            Op.Select(
                Op.Lt(x, Zero(x)),
                Op.Const(SeluAlpha * SeluScale, x.Type) * Op.Expm1(Op.Min(x, Zero(x))),
                Op.Const(SeluScale, x.Type) * x
            )
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
                Op.Select(
                    Op.Lt(Zero(g), x[0]),
                    g * Op.Const(SeluScale, g.Type),
                    g * (Op.Const(SeluAlpha * SeluScale, g.Type) * Op.Exp(Op.Min(x[0], Zero(g))))
                ),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))), which is x·σ of twice that argument.</summary>
    public static readonly ScalarFunction GeluTanh = ScalarFunction.Composed(
        "gelu_tanh",
        x => x * Op.Sigmoid(GeluArgument(x))
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
            {
                var part = Op.Sigmoid(GeluArgument(x[0]));
                var inner = Op.Const(2 * RootOfTwoOverPi, g.Type) * (1 + Op.Const(3 * GeluCube, g.Type) * x[0] * x[0]);
                return g * (part + x[0] * (part * (1 - part)) * inner);
            },
        ],
        Types = DTypes.Floats,
    };

    /// <summary>x·tanh(log(1 + eˣ)), with n = eˣ·(eˣ + 2) the same as x·n/(n + 2).</summary>
    public static readonly ScalarFunction Mish = ScalarFunction.Composed(
        "mish",
        x =>
        {
            var n = MishPart(x);
            return x * (n / (n + 2));
        }
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
            {
                var n = MishPart(x[0]);
                var part = n / (n + 2);
                var slope = g * (part + x[0] * Op.Sigmoid(x[0]) * (4 * ((n + 1) / (n + 2)) / (n + 2)));
                // Above, the slope is 1 to the last digit, and of infinity 0 times infinity.
                return Op.Select(Op.Lt(Op.Const(40, g.Type), x[0]), g, slope);
            },
        ],
        Types = DTypes.Floats,
    };

    /// <summary>(x + 3)/6 cut to [0, 1].</summary>
    public static readonly ScalarFunction Hardsigmoid = ScalarFunction.Composed(
        "hardsigmoid",
        x => Op.Min(Op.Max(x + 3, Zero(x)), Op.Const(6, x.Type)) / Op.Const(6, x.Type)
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
                Op.Select(
                    Op.And(Op.Lt(Op.Const(-3, g.Type), x[0]), Op.Lt(x[0], Op.Const(3, g.Type))),
                    g / Op.Const(6, g.Type),
                    Zero(g)
                ),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>x·hardsigmoid(x).</summary>
    public static readonly ScalarFunction Hardswish = ScalarFunction.Composed(
        "hardswish",
        x => x * Op.Min(Op.Max(x + 3, Zero(x)), Op.Const(6, x.Type)) / Op.Const(6, x.Type)
    ) with
    {
        Derivatives =
        [
            (x, y, g) =>
                Op.Select(
                    Op.Le(x[0], Op.Const(-3, g.Type)),
                    Zero(g),
                    Op.Select(
                        Op.Lt(x[0], Op.Const(3, g.Type)),
                        g * (x[0] / Op.Const(3, g.Type) + Op.Const(0.5, g.Type)),
                        g
                    )
                ),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>x/(1 + |x|).</summary>
    public static readonly ScalarFunction Softsign = ScalarFunction.Composed("softsign", x => x / (1 + Op.Abs(x))) with
    {
        Derivatives = [(x, y, g) => g / (1 + Op.Abs(x[0])) / (1 + Op.Abs(x[0]))],
        Types = DTypes.Floats,
    };

    /// <summary>log σ(x) = min(x, 0) − log(1 + e^−|x|).</summary>
    public static readonly ScalarFunction LogSigmoid = ScalarFunction.Composed(
        "log_sigmoid",
        x => Op.Min(x, Zero(x)) - Op.Log1p(Op.Exp(-Op.Abs(x)))
    ) with
    {
        Derivatives = [(x, y, g) => g * Op.Sigmoid(-x[0])],
        Types = DTypes.Floats,
    };

    /// <summary>x − tanh x.</summary>
    public static readonly ScalarFunction Tanhshrink = ScalarFunction.Composed("tanhshrink", x => x - Op.Tanh(x)) with
    {
        Derivatives = [(x, y, g) => g * (Op.Tanh(x[0]) * Op.Tanh(x[0]))],
        Types = DTypes.Floats,
    };

    /// <summary>x above 0, else w·x.</summary>
    public static readonly ScalarFunction Prelu = ScalarFunction.Composed(
        "prelu",
        (x, w) => Op.Select(Op.Lt(Zero(x), x), x, w * x)
    ) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.Lt(Zero(g), x[0]), g, x[1] * g),
            (x, y, g) => Op.Select(Op.Lt(Zero(g), x[0]), Zero(g), x[0] * g),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>a·σ(b).</summary>
    public static readonly ScalarFunction Glu = ScalarFunction.Composed("glu", (a, b) => a * Op.Sigmoid(b)) with
    {
        Derivatives =
        [
            (x, y, g) => g * Op.Sigmoid(x[1]),
            (x, y, g) => g * x[0] * (Op.Sigmoid(x[1]) * (1 - Op.Sigmoid(x[1]))),
        ],
        Types = DTypes.Floats,
    };

    private static Expr GeluArgument(Expr x) =>
        Op.Const(2 * RootOfTwoOverPi, x.Type) * (x + Op.Const(GeluCube, x.Type) * x * x * x);

    // e⁴⁰ squared is a float32, and n/(n + 2) has long been 1 there.
    private static Expr MishPart(Expr x)
    {
        var e = Op.Exp(Op.Min(x, Op.Const(40, x.Type)));
        return e * (e + 2);
    }
}
