using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions.Float64;
using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>Exponentials and what is made of them.</summary>
public static partial class ScalarFunctions
{
    public static readonly ScalarFunction Exp = ScalarFunction.Elementary("exp", Math.Exp) with
    {
        Derivatives = [(x, y, g) => g * y],
        Range = InputDomain.Positive,
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Exp,
        Underflows = true,
        Float32 = x => ExpFloat32(x[0]),
        MaxUlp = 1.75,
        Float64 = x => DoubleExponentials.Exp(x[0]),
        MaxUlpFloat64 = 1.25,
        Cost = 12,
    };

    public static readonly ScalarFunction Tanh = ScalarFunction.Elementary("tanh", Math.Tanh) with
    {
        Derivatives = [(x, y, g) => g * (1 - y * y)],
        Range = InputDomain.Unit,
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Tanh,
        Float32 = x => TanhFloat32(x[0]),
        MaxUlp = 2.75,
        Float64 = x => DoubleExponentials.Tanh(x[0]),
        MaxUlpFloat64 = 2.5,
    };

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public static readonly ScalarFunction Sigmoid = ScalarFunction.Elementary("sigmoid", FloatFunctions.Sigmoid) with
    {
        Derivatives = [(x, y, g) => g * (y * (1 - y))],
        Range = InputDomain.Probability,
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Sigmoid,
        Underflows = true,
        Float32 = x => SigmoidFloat32(x[0]),
        MaxUlp = 3,
        Float64 = x => DoubleExponentials.Sigmoid(x[0]),
        MaxUlpFloat64 = 2.5,
    };

    /// <summary>eˣ − 1, also where that is small.</summary>
    public static readonly ScalarFunction Expm1 = ScalarFunction.Elementary("expm1", FloatFunctions.Expm1) with
    {
        Derivatives = [(x, y, g) => g * (y + 1)],
        Types = DTypes.Floats,
        Float32 = x => Expm1Float32(x[0]),
        MaxUlp = 1.75,
        Float64 = x => DoubleExponentials.Expm1(x[0]),
        MaxUlpFloat64 = 1.75,
        Cost = 15,
    };

    /// <summary>2ˣ.</summary>
    public static readonly ScalarFunction Exp2 = ScalarFunction.Elementary("exp2", FloatFunctions.Exp2) with
    {
        Derivatives = [(x, y, g) => g * (y * Op.Const(0.6931471805599453, g.Type))],
        Range = InputDomain.Positive,
        Types = DTypes.Floats,
        Underflows = true,
        Float32 = x => Exp2Float32(x[0]),
        MaxUlp = 1.25,
        Float64 = x => DoubleExponentials.Exp2(x[0]),
        MaxUlpFloat64 = 1.25,
        Cost = 12,
    };

    public static readonly ScalarFunction Sinh = ScalarFunction.Elementary("sinh", Math.Sinh) with
    {
        Derivatives = [(x, y, g) => g * Op.Cosh(x[0])],
        Types = DTypes.Floats,
        Float32 = x => SinhFloat32(x[0]),
        MaxUlp = 2.5,
        Float64 = x => DoubleExponentials.Sinh(x[0]),
        MaxUlpFloat64 = 2,
    };

    public static readonly ScalarFunction Cosh = ScalarFunction.Elementary("cosh", Math.Cosh) with
    {
        Derivatives = [(x, y, g) => g * Op.Sinh(x[0])],
        Range = InputDomain.Positive,
        Types = DTypes.Floats,
        Float32 = x => CoshFloat32(x[0]),
        MaxUlp = 2.5,
        Float64 = x => DoubleExponentials.Cosh(x[0]),
        MaxUlpFloat64 = 2,
    };

    /// <summary>
    /// e^x - 1 = 2·(s·(e^r - 1) + (s - ½)) with s = 2^(n-1), which is finite wherever the result is. 26 operations: 2 bounds, 4 for n and r, 8
    /// for e^r - 1, 1 for s, 3 for the sum, 2 for the sign of zero, 6 for what is about x.
    /// </summary>
    private static Expr Expm1Float32(Expr x)
    {
        // e^-18 - 1 rounds to -1, e^89 to infinity.
        var a = Clamp(x, -18, 89);
        const double Bias = ExponentBias - 1;
        var biased = Op.Fma(a, F(Log2E), F(Bias));
        var n = biased - F(Bias);
        var r = Op.Fma(n, F(-Ln2Rest), Op.Fma(n, F(-Ln2), a));
        var s = PowerOfTwo(biased);
        var q = Polynomial(
            r,
            DType.Float32,
            0.000197644127f,
            0.00139323808f,
            0.00833354332f,
            0.0416664928f,
            0.166666657f,
            0.5f
        );
        var half = Op.Fma(s, Op.Fma(r * r, q, r), s - F(0.5));
        // Below 2^-24 it is x, of which halving a denormal number would lose the last bit.
        return Choose(Mask(Op.Lt(Op.Abs(x), F(Math.ScaleB(1, -24)))), x, WithSign(half + half, x));
    }

    /// <summary>
    /// 2^x = 2^r·2^m·2^(n-m) with n = round(x), m = ⌊n/2⌋; whole x give exact powers. 19 operations: 2 bounds, 3 for n and r, 6 for 2^r, 6 for the
    /// powers, 2 products.
    /// </summary>
    private static Expr Exp2Float32(Expr x)
    {
        // 2^-151 rounds to zero, 2^129 to infinity.
        x = Clamp(x, -151, 129);
        var biased = x + F(RoundingBias);
        var r = x - (biased - F(RoundingBias));
        var p = Polynomial(
            r,
            DType.Float32,
            0.000153293237f,
            0.00133909704f,
            0.00961849932f,
            0.0555035956f,
            0.240226477f,
            0.693147182f,
            1
        );
        var n = Bits(biased) - I(BitConverter.SingleToInt32Bits((float)RoundingBias));
        var m = n >> I(1);
        return p * Float((m + I(127)) << I(23)) * Float((n - m + I(127)) << I(23));
    }

    /// <summary>With t = e^|x|/2: t - ¼/t, below 1 x + x³·polynomial. 31 operations (1 division).</summary>
    private static Expr SinhFloat32(Expr x)
    {
        var magnitude = Op.Abs(x);
        var t = HalfExp(magnitude);
        var square = x * x;
        var near = Op.Fma(
            x * square,
            Polynomial(square, DType.Float32, 2.78221319e-06f, 0.000198428956f, 0.00833331048f, 0.166666672f),
            x
        );
        return Choose(Mask(magnitude < F(1)), near, WithSign(t - F(0.25) / t, x));
    }

    /// <summary>With t = e^|x|/2: t + ¼/t. 20 operations (1 division).</summary>
    private static Expr CoshFloat32(Expr x)
    {
        var t = HalfExp(Op.Abs(x));
        return t + F(0.25) / t;
    }

    // e^a/2 for a ≥ 0; from 89.5 on the functions made of it are infinite.
    private static Expr HalfExp(Expr a)
    {
        var (r, power) = HalfExponent(Op.Min(a, F(90)));
        return ExpOfRemainder(r, 1) * power * (power * F(0.5));
    }

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
}
