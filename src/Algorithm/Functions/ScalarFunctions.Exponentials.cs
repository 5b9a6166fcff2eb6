using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>Exponentials and what is made of them.</summary>
public static partial class ScalarFunctions
{
    public static readonly ScalarFunction Exp = ScalarFunction.Elementary("exp", Math.Exp) with
    {
        Derivatives = [(x, y, g) => g * y],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Exp,
        Underflows = true,
        Float32 = x => ExpFloat32(x[0]),
        MaxUlp = 1.75,
        Cost = 12,
    };

    public static readonly ScalarFunction Tanh = ScalarFunction.Elementary("tanh", Math.Tanh) with
    {
        Derivatives = [(x, y, g) => g * (1 - y * y)],
        GradientDomain = InputDomain.Unit,
        Types = DTypes.Floats,
        HasGradientOperator = true,
        Error = (ErrorRule)ErrorRules.Tanh,
        Float32 = x => TanhFloat32(x[0]),
        MaxUlp = 2.75,
    };

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public static readonly ScalarFunction Sigmoid = ScalarFunction.Elementary("sigmoid", FloatFunctions.Sigmoid) with
    {
        Derivatives = [(x, y, g) => g * (y * (1 - y))],
        GradientDomain = InputDomain.Probability,
        Types = DTypes.Floats,
        HasGradientOperator = true,
        Error = (ErrorRule)ErrorRules.Sigmoid,
        Underflows = true,
        Float32 = x => SigmoidFloat32(x[0]),
        MaxUlp = 3,
        Float64 = x => SigmoidFloat64(x[0]),
        MaxUlpFloat64 = 3,
    };

    /// <summary>
    /// e^x = e^r·2^n·2^n with |r| ≤ ln 2: the two factors 2^n carry the result into denormals and to infinity with
    /// a single rounding, at the price of one more term of the polynomial. 16 operations: 2 bounds, 4 for n and r, 7
    /// for e^r, 1 for 2^n, 2 products.
    /// </summary>
    private static Expr ExpFloat32(Expr x)
    {
        // e^-104 rounds to zero, e^89 to infinity.
        x = Clamp(x, -104, 89);
        var (r, power) = HalfExponent(x);
        return ExpOfRemainder(r, 1) * power * power;
    }

    /// <summary>x = r + n·2·ln 2; gives r and 2^n.</summary>
    private static (Expr Remainder, Expr Power) HalfExponent(Expr x)
    {
        var biased = Op.Fma(x, F(0.7213475f), F(ExponentBias));
        var n = biased - F(ExponentBias);
        var r = Op.Fma(n, F(-TwoLn2Rest), Op.Fma(n, F(-TwoLn2), x));
        return (r, PowerOfTwo(biased));
    }

    /// <summary>e^r (sign 1) or e^-r (sign -1) for |r| ≤ 0.6936, to 1.5e-8.</summary>
    private static Expr ExpOfRemainder(Expr r, int sign) =>
        Polynomial(
            r,
            DType.Float32,
            sign * 0.00019637421f,
            0.0014105797f,
            sign * 0.008335929f,
            0.04166118f,
            sign * 0.16666616f,
            0.50000036f,
            sign,
            1
        );

    /// <summary>
    /// With e = e^(2|x|) - 1: tanh |x| = e/(e + 2). e is 2^n·(e^(2r) - 1) + (2^n - 1), which is accurate near zero
    /// too, as n = 0 there. 19 operations: 2 bounds, 3 for n and r, 7 for e^(2r) - 1, 3 for e, 2 for the quotient
    /// (1 division), 2 for the sign. (A rational minimax x·P(x²)/Q(x²) takes 14, but its errors double near ±1: 5 ULP.)
    /// </summary>
    private static Expr TanhFloat32(Expr x)
    {
        // From 9.011 on tanh rounds to 1.
        var a = Op.Min(Op.Abs(x), F(9.02f));
        var biased = Op.Fma(a, F(2.88539f), F(ExponentBias));
        var n = biased - F(ExponentBias);
        // ln 2 / 2 as one float: where n is large, an error of e hardly moves e/(e + 2).
        var r = Op.Fma(n, F(-0.3465736f), a);
        var power = PowerOfTwo(biased);
        var polynomial = Polynomial(r, DType.Float32, 0.08877256f, 0.26772088f, 0.66667897f, 1.3333237f, 1.9999999f);
        var e = Op.Fma(power, Op.Fma(polynomial * r, r, r + r), power - F(1));
        return WithSign(e / (e + F(2)), x);
    }

    /// <summary>
    /// With x = r + n·2·ln 2 and u = 2^n: 1/(1 + e^-x) = u·(u/(u² + e^-r)), where nothing overflows and only the last
    /// product may be denormal. 17 operations: 2 bounds, 4 for n and r, 7 for e^-r, 1 for u, 3 for the quotient
    /// (1 division).
    /// </summary>
    private static Expr SigmoidFloat32(Expr x)
    {
        var (quotient, power) = SigmoidFactors(x, -104);
        return quotient * power;
    }

    /// <summary>x·σ(x) as x·(u/(u² + e^-r))·u: only the last product may be denormal. 21 operations.</summary>
    public static Expr SiluFloat32(Expr x)
    {
        // x·e^x rounds to zero from -109 on; at -∞ it is NaN.
        var (quotient, power) = SigmoidFactors(x, -109);
        var factor = Op.Fma(Op.Min(x, F(1)), F(0), Op.Max(x, F(-109)));
        return factor * quotient * power;
    }

    private static (Expr Quotient, Expr Power) SigmoidFactors(Expr x, double low)
    {
        // At 30 the result is 1 and u² far from overflow.
        x = Clamp(x, low, 30);
        var (r, power) = HalfExponent(x);
        return (power / Op.Fma(power, power, ExpOfRemainder(r, -1)), power);
    }

    /// <summary>
    /// With e = e^-|x|: 1/(1 + e), for negative x e/(1 + e), which underflows gradually. 1 exponential and 6 operations
    /// (1 division).
    /// </summary>
    private static Expr SigmoidFloat64(Expr x)
    {
        var e = Op.Exp(-Op.Abs(x));
        return Op.Select(x < D(0), e, D(1)) / (D(1) + e);
    }
}
