using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Functions;

/// <summary>Activations of neural networks.</summary>
public static partial class ScalarFunctions
{
    /// <summary>max(x, 0): slope 0 at 0, and at NaN the gradient passes, as in PyTorch.</summary>
    public static readonly ScalarFunction Relu = ScalarFunction.Composed("relu", x => Op.Max(x, Zero(x))) with
    {
        Derivatives = [(x, y, g) => Op.Select(Op.Le(y, Zero(y)), Zero(y), g)],
        Types = DTypes.Numbers,
    };

    /// <summary>x·σ(x), with slope σ(x)·(1 + x·(1 − σ(x))).</summary>
    public static readonly ScalarFunction Silu = ScalarFunction.Composed("silu", SiluOf) with
    {
        Derivatives = [(x, y, g) => g * (Op.Sigmoid(x[0]) * (1 + x[0] * (1 - Op.Sigmoid(x[0]))))],
        Types = DTypes.Floats,
    };

    /// <summary>
    /// x·Φ(x) with the normal distribution function Φ(x) = (1 + erf(x / √2)) / 2; slope Φ(x) + x·φ(x).
    /// </summary>
    public static readonly ScalarFunction Gelu = ScalarFunction.Composed("gelu", x => x * NormalDistribution(x)) with
    {
        Derivatives =
        [
            (x, y, g) =>
                g
                * (
                    NormalDistribution(x[0])
                    + x[0] * (Op.Const(0.39894228040143268, g.Type) * Op.Exp(Op.Const(-0.5, g.Type) * x[0] * x[0]))
                ),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>log(1 + eˣ), x itself above 20, as PyTorch has it.</summary>
    public static readonly ScalarFunction Softplus = ScalarFunction.Composed(
        "softplus",
        x => Op.Max(x, Op.Log1p(Op.Exp(Op.Min(x, Op.Const(SoftplusThreshold, x.Type)))))
    ) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.Lt(Op.Const(SoftplusThreshold, g.Type), x[0]), g, g * Op.Sigmoid(x[0])),
        ],
        Types = DTypes.Floats,
    };

    /// <summary>Where softplus becomes its argument.</summary>
    public const double SoftplusThreshold = 20;

    /// <summary>
    /// Cut to [low, high]: all of the gradient goes to x at the bounds, nothing at NaN; a bound gets it where x is beyond.
    /// </summary>
    public static readonly ScalarFunction Clamp = ScalarFunction.Composed(
        "clamp",
        (x, low, high) => Op.Min(Op.Max(x, low), high)
    ) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.And(Op.Le(x[1], x[0]), Op.Le(x[0], x[2])), g, Zero(g)),
            (x, y, g) => Op.Select(Op.And(Op.Lt(x[0], x[1]), Op.Lt(x[1], x[2])), g, Zero(g)),
            (x, y, g) => Op.Select(Op.Or(Op.Lt(x[2], x[0]), Op.Lt(x[2], x[1])), g, Zero(g)),
        ],
        Types = DTypes.Numbers,
    };

    /// <summary>The same without an upper bound: where x is the bound all goes to x, unlike in <see cref="Maximum"/>.</summary>
    public static readonly ScalarFunction ClampMin = ScalarFunction.Composed("clamp_min", Op.Max) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.Le(x[1], x[0]), g, Zero(g)),
            (x, y, g) => Op.Select(Op.Lt(x[0], x[1]), g, Zero(g)),
        ],
        Types = DTypes.Numbers,
    };

    /// <summary>The same without a lower bound.</summary>
    public static readonly ScalarFunction ClampMax = ScalarFunction.Composed("clamp_max", Op.Min) with
    {
        Derivatives =
        [
            (x, y, g) => Op.Select(Op.Le(x[0], x[1]), g, Zero(g)),
            (x, y, g) => Op.Select(Op.Lt(x[1], x[0]), g, Zero(g)),
        ],
        Types = DTypes.Numbers,
    };

    // In Float64 below 0, x·e^(x/2)·e^(x/2)/(1 + e^x): where σ(x) is denormal, x·σ(x) need not be.
    private static Expr SiluOf(Expr x)
    {
        if (x.Type != DType.Float64)
            return x * Op.Sigmoid(x);
        var half = Op.Exp(Op.Abs(x) * Op.Const(-0.5, x.Type));
        var sum = half * half + 1;
        // The half where x is negative, else 1: a Select of it would make the load of x conditional.
        var factor = Op.Min(
            half + Op.Select(Op.Lt(x, Op.Const(0, x.Type)), Op.Const(0, x.Type), Op.Const(2, x.Type)),
            Op.Const(1, x.Type)
        );
        return x / sum * factor * factor;
    }

    private static Expr NormalDistribution(Expr x) =>
        Op.Const(0.5, x.Type) * (1 + Op.Erf(x * Op.Const(0.70710678118654752, x.Type)));
}
