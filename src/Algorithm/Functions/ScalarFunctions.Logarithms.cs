using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions.Float64;
using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>Logarithms.</summary>
public static partial class ScalarFunctions
{
    /// <summary>Natural logarithm.</summary>
    public static readonly ScalarFunction Log = ScalarFunction.Elementary("log", (Func<double, double>)Math.Log) with
    {
        Derivatives = [(x, y, g) => g / x[0]],
        Domains = [InputDomain.Positive],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Log,
        Float32 = x => LogFloat32(x[0]),
        MaxUlp = 1.25,
        Float64 = x => DoubleLogarithms.Log(x[0]),
        MaxUlpFloat64 = 1.25,
        Cost = 12,
    };

    /// <summary>log(1 + x), also where x is small.</summary>
    public static readonly ScalarFunction Log1p = ScalarFunction.Elementary("log1p", FloatFunctions.Log1p) with
    {
        Derivatives = [(x, y, g) => g / (x[0] + 1)],
        Domains = [InputDomain.AboveMinusOne],
        Types = DTypes.Floats,
        Float32 = x => Log1pFloat32(x[0]),
        Float64 = x => DoubleLogarithms.Log1p(x[0]),
        MaxUlp = 2,
        MaxUlpFloat64 = 2,
        Cost = 18,
    };

    public static readonly ScalarFunction Log2 = ScalarFunction.Elementary("log2", Math.Log2) with
    {
        Derivatives = [(x, y, g) => g / (x[0] * Op.Const(0.6931471805599453, g.Type))],
        Domains = [InputDomain.Positive],
        Types = DTypes.Floats,
        Float32 = x => Log2Float32(x[0]),
        Float64 = x => DoubleLogarithms.Log2(x[0]),
        MaxUlp = 2.25,
        MaxUlpFloat64 = 2,
        Cost = 12,
    };

    public static readonly ScalarFunction Log10 = ScalarFunction.Elementary("log10", Math.Log10) with
    {
        Derivatives = [(x, y, g) => g / (x[0] * Op.Const(2.302585092994046, g.Type))],
        Domains = [InputDomain.Positive],
        Types = DTypes.Floats,
        Float32 = x => Log10Float32(x[0]),
        Float64 = x => DoubleLogarithms.Log10(x[0]),
        MaxUlp = 2.5,
        MaxUlpFloat64 = 2,
        Cost = 12,
    };

    public static readonly ScalarFunction Asinh = ScalarFunction.Elementary("asinh", Math.Asinh) with
    {
        Derivatives = [(x, y, g) => g * Op.Rsqrt(x[0] * x[0] + 1)],
        Types = DTypes.Floats,
        Float32 = x => AsinhFloat32(x[0]),
        Float64 = x => DoubleLogarithms.Asinh(x[0]),
        MaxUlp = 3,
        MaxUlpFloat64 = 3,
        Cost = 30,
    };

    public static readonly ScalarFunction Acosh = ScalarFunction.Elementary("acosh", Math.Acosh) with
    {
        Derivatives = [(x, y, g) => g * Op.Rsqrt(x[0] * x[0] - 1)],
        Domains = [InputDomain.AboveOne],
        Types = DTypes.Floats,
        Float32 = x => AcoshFloat32(x[0]),
        Float64 = x => DoubleLogarithms.Acosh(x[0]),
        MaxUlp = 3,
        MaxUlpFloat64 = 3,
        Cost = 30,
    };

    public static readonly ScalarFunction Atanh = ScalarFunction.Elementary("atanh", Math.Atanh) with
    {
        Derivatives = [(x, y, g) => g / (1 - x[0] * x[0])],
        Domains = [InputDomain.Unit],
        Types = DTypes.Floats,
        Float32 = x => AtanhFloat32(x[0]),
        Float64 = x => DoubleLogarithms.Atanh(x[0]),
        MaxUlp = 3,
        MaxUlpFloat64 = 3,
        Cost = 30,
    };

    /// <summary>
    /// x = 2^k·(1+f) with 1+f in [√½, √2): log x = k·ln 2 + log(1+f), the latter f + f²·polynomial. 30 operations: 3
    /// to scale denormals, 8 for k and f, 10 for log(1+f), 9 for zero, negative and infinite x. Choices are between
    /// constants only: with x in an operand of Select a load in it would be conditional.
    /// </summary>
    private static Expr LogFloat32(Expr x)
    {
        var (exponent, f) = LogParts(x);
        // Where k is not 0 the result is at least 0.35, so that ln 2 as one float is accurate enough.
        var log = Op.Fma(exponent, F(Ln2), LogOfFraction(f));
        return log + OutOfDomain(x);
    }

    /// <summary>x = 2^k·(1+f) with 1+f in [√½, √2): k and f, of x that may be denormal.</summary>
    private static (Expr Exponent, Expr Fraction) LogParts(Expr x)
    {
        var denormal = x < F(1.17549435e-38f);
        var bits = Bits(x * Op.Select(denormal, F(8388608), F(1)));
        var k = (bits - I(SqrtHalf)) >> I(23);
        var f = Float(bits - (k << I(23))) - F(1);
        return (Op.Cast(DType.Float32, k) - Op.Select(denormal, F(23), F(0)), f);
    }

    private const int SqrtHalf = 0x3f3504f3;

    /// <summary>log(1+f) for 1+f in [√½, √2).</summary>
    private static Expr LogOfFraction(Expr f)
    {
        var polynomial = Polynomial(
            f,
            DType.Float32,
            0.087015666f,
            -0.14267555f,
            0.14914382f,
            -0.16577566f,
            0.19963104f,
            -0.25001338f,
            0.3333391f,
            -0.5
        );
        return Op.Fma(f * f, polynomial, f);
    }

    /// <summary>What to add to a logarithm of x: NaN, -∞ or ∞ for negative, zero and infinite x, else 0.</summary>
    private static Expr OutOfDomain(Expr x)
    {
        var negative = Op.Select(Op.Le(F(0), x), F(0), F(double.NaN));
        var zero = Op.Select(Op.Eq(x, F(0)), F(double.NegativeInfinity), F(0));
        var infinite = Op.Select(Op.Eq(x, F(double.PositiveInfinity)), F(double.PositiveInfinity), F(0));
        return negative + zero + infinite;
    }

    /// <summary>
    /// log(u + c) with u = 1 + x rounded and c what that lost, which is added to the fraction of u, scaled like it. 38
    /// operations: 6 for u and c, 6 for k and f, 3 for c's part, 10 for log(1+f), 2 for its sum with k·ln 2, 9 for the ends, 2 for the sign of zero.
    /// </summary>
    private static Expr Log1pFloat32(Expr x) => WithSign(Log1pOf(x), x);

    private static Expr Log1pOf(Expr x)
    {
        var u = x + F(1);
        var part = u - F(1);
        var c = (x - part) + (F(1) - (u - part));
        var bits = Bits(u);
        var k = (bits - I(SqrtHalf)) >> I(23);
        var power = k << I(23);
        var scale = Float(I(127 << 23) - power);
        // Beyond 2^64 it does not matter, and at infinity it is no number.
        var lost = Float(Bits(c * scale) & Mask(u < F(1.8446744e19f)));
        var f = lost + (Float(bits - power) - F(1));
        var log = Op.Fma(Op.Cast(DType.Float32, k), F(Ln2), LogOfFraction(f));
        return log + OutOfDomain(u);
    }

    /// <summary>k + log(1+f)/ln 2; exact for powers of two.</summary>
    private static Expr Log2Float32(Expr x)
    {
        var (exponent, f) = LogParts(x);
        return Op.Fma(LogOfFraction(f), F(Log2E), exponent) + OutOfDomain(x);
    }

    /// <summary>k·log10 2 in two parts, of which the first is exact, + log(1+f)/ln 10.</summary>
    private static Expr Log10Float32(Expr x)
    {
        var (exponent, f) = LogParts(x);
        var low = Op.Fma(exponent, F(4.605039e-6f), LogOfFraction(f) * F(0.4342945f));
        return Op.Fma(exponent, F(0.30102539f), low) + OutOfDomain(x);
    }

    // From here on 1 does not count beside the argument, whose square is far from overflow.
    private const double Huge = 1e9;

    /// <summary>With a = |x|: log1p(a + a²/(1 + √(a² + 1))), for huge a log 2a. (1 division, 1 root.)</summary>
    private static Expr AsinhFloat32(Expr x)
    {
        var a = Op.Abs(x);
        var huge = F(Huge) < a;
        var small = Op.Min(a, F(Huge));
        var grown = Op.Fma(small, small / (F(1) + Op.Sqrt(Op.Fma(small, small, F(1)))), small);
        var log = Log1pOf(Choose(Mask(huge), a, grown));
        return WithSign(log + Op.Select(huge, F(Ln2), F(0)), x);
    }

    /// <summary>With t = x - 1: log1p(t + √(t·(t + 2))), for huge x log 2x. (1 root.)</summary>
    private static Expr AcoshFloat32(Expr x)
    {
        var huge = F(Huge) < x;
        var t = Op.Min(x, F(Huge)) - F(1);
        var grown = t + Op.Sqrt(t * (t + F(2)));
        var log = Log1pOf(Choose(Mask(huge), x, grown));
        return log + (Op.Select(huge, F(Ln2), F(0)) + Op.Select(x < F(1), F(double.NaN), F(0)));
    }

    /// <summary>With a = |x|: log1p(2a/(1 - a))/2. (1 division.)</summary>
    private static Expr AtanhFloat32(Expr x)
    {
        var a = Op.Abs(x);
        return WithSign(F(0.5) * Log1pOf((a + a) / (F(1) - a)), x);
    }
}
