using System.Collections.Immutable;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions.Float64;
using Picograd.Algorithms.Operators;
using static Picograd.Algorithms.Functions.Expansion;

namespace Picograd.Algorithms.Functions;

/// <summary>Functions of angles.</summary>
public static partial class ScalarFunctions
{
    /// <summary>
    /// Largest |x| for which sin, cos and tan of Float32 are computed in Float32; beyond it, by the runtime's functions of Float64.
    /// </summary>
    public const double AngleRange = 1e5;

    /// <summary>The same for Float64: up to 2^30 what is lost of n·π does not count.</summary>
    public const double AngleRangeFloat64 = 1 << 30;

    // What is called beyond: without an expansion.
    private static readonly ScalarFunction FarSin = ScalarFunction.Elementary("sin", Math.Sin);
    private static readonly ScalarFunction FarCos = ScalarFunction.Elementary("cos", Math.Cos);
    private static readonly ScalarFunction FarTan = ScalarFunction.Elementary("tan", Math.Tan);

    public static readonly ScalarFunction Sin = ScalarFunction.Elementary("sin", Math.Sin) with
    {
        Derivatives = [(x, y, g) => g * Op.Cos(x[0])],
        Range = InputDomain.Unit,
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Nothing,
        AbsoluteRoundoffs = 8,
        Float32 = x => SinFloat32(x[0]),
        MaxUlp = 2.5,
        Float64 = x => Far(FarSin, x[0], DoubleAngles.Sin(x[0])),
        MaxUlpFloat64 = 2,
        Cost = 12,
    };

    public static readonly ScalarFunction Cos = ScalarFunction.Elementary("cos", Math.Cos) with
    {
        Derivatives = [(x, y, g) => -(g * Op.Sin(x[0]))],
        Range = InputDomain.Unit,
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Nothing,
        AbsoluteRoundoffs = 8,
        Float32 = x => CosFloat32(x[0]),
        MaxUlp = 2.5,
        Float64 = x => Far(FarCos, x[0], DoubleAngles.Cos(x[0])),
        MaxUlpFloat64 = 2,
        Cost = 12,
    };

    public static readonly ScalarFunction Tan = ScalarFunction.Elementary("tan", Math.Tan) with
    {
        Derivatives = [(x, y, g) => g * (1 + y * y)],
        Types = DTypes.Floats,
        Error = (ErrorRule)ErrorRules.Tan,
        AbsoluteRoundoffs = 8,
        Float32 = x => TanFloat32(x[0]),
        Float64 = x => Far(FarTan, x[0], DoubleAngles.Tan(x[0])),
        MaxUlp = 3,
        MaxUlpFloat64 = 2.5,
        Cost = 24,
    };

    public static readonly ScalarFunction Asin = ScalarFunction.Elementary("asin", Math.Asin) with
    {
        Derivatives = [(x, y, g) => g * Op.Rsqrt(1 - x[0] * x[0])],
        Domains = [InputDomain.Unit],
        Types = DTypes.Floats,
        Float32 = x => AsinFloat32(x[0]),
        Float64 = x => DoubleAngles.Asin(x[0]),
        MaxUlp = 2.5,
        MaxUlpFloat64 = 2,
    };

    public static readonly ScalarFunction Acos = ScalarFunction.Elementary("acos", Math.Acos) with
    {
        Derivatives = [(x, y, g) => -(g * Op.Rsqrt(1 - x[0] * x[0]))],
        Domains = [InputDomain.Unit],
        Types = DTypes.Floats,
        Float32 = x => AcosFloat32(x[0]),
        Float64 = x => DoubleAngles.Acos(x[0]),
        MaxUlp = 2,
        MaxUlpFloat64 = 2,
    };

    public static readonly ScalarFunction Atan = ScalarFunction.Elementary("atan", Math.Atan) with
    {
        Derivatives = [(x, y, g) => g / (x[0] * x[0] + 1)],
        Types = DTypes.Floats,
        Float32 = x => AtanFloat32(x[0]),
        Float64 = x => DoubleAngles.Atan(x[0]),
        MaxUlp = 2,
        MaxUlpFloat64 = 2,
    };

    /// <summary>Angle of the point (second argument, first argument), −π to π.</summary>
    public static readonly ScalarFunction Atan2 = ScalarFunction.Elementary("atan2", Math.Atan2) with
    {
        Derivatives = [(x, y, g) => g * ByDistance(x[1], x), (x, y, g) => g * ByDistance(-x[0], x)],
        Types = DTypes.Floats,
        Error = (ErrorRule2)ErrorRules.Atan2,
        Underflows = true,
        Float32 = x => Atan2Float32(x[0], x[1]),
        Float64 = x => DoubleAngles.Atan2(x[0], x[1]),
        MaxUlp = 3,
        MaxUlpFloat64 = 2,
        Cost = 30,
    };

    // By the square of the distance to the origin; 0 there, as PyTorch has it.
    private static Expr ByDistance(Expr a, ImmutableArray<Expr> point)
    {
        var square = point[0] * point[0] + point[1] * point[1];
        return Op.Select(Op.Eq(square, Zero(square)), Zero(square), a / square);
    }

    /// <summary>sin x = ±sin(x - n·π), n = round(x/π). 15 operations: 2 for n, 3 for r, 6 for sin r, 2 bounds, 2 for
    /// the sign; 6 for arguments that are far.</summary>
    private static Expr SinFloat32(Expr x)
    {
        var biased = Op.Fma(x, F(0.31830987f), F(RoundingBias));
        return Far(FarSin, x, SinOfRemainder(x, biased - F(RoundingBias), biased));
    }

    /// <summary>cos x = ±sin(x - n·π), n = round(x/π + ½) - ½. 17 operations, as in sin with 2 more for n.</summary>
    private static Expr CosFloat32(Expr x)
    {
        var biased = Op.Fma(x, F(0.31830987f), F(0.5)) + F(RoundingBias);
        return Far(FarCos, x, SinOfRemainder(x, biased - F(RoundingBias) - F(0.5), biased));
    }

    // Beyond the range the function of Float64, which back ends call and which reduces its argument exactly. It is rare, so
    // vectors should test all lanes at once.
    private static Expr Far(ScalarFunction function, Expr x, Expr near) =>
        x.Type == DType.Float64
            ? Op.Select(Op.Le(Op.Abs(x), DoubleExpansion.D(AngleRangeFloat64)), near, Op.Call(function, x))
            : Op.Select(
                Op.Le(Op.Abs(x), F(AngleRange)),
                near,
                Op.Cast(DType.Float32, Op.Call(function, Op.Cast(DType.Float64, x)))
            );

    /// <summary>
    /// The function and argument of what functions of angles expand to: the value near zero where |x| is in the range, else that of
    /// a call. Null for other expressions.
    /// </summary>
    public static (ScalarFunction Function, Expr X)? FarAngle(Select s)
    {
        ArgumentNullException.ThrowIfNull(s);
        var called = s.Else is Cast { To: DType.Float32, A: Apply inner } ? inner : s.Else as Apply;
        if (called is null || (called.Function != FarSin && called.Function != FarCos && called.Function != FarTan))
            return null;
        return (called.Function, called.A is Cast { To: DType.Float64, A: { Type: DType.Float32 } x } ? x : called.A);
    }

    private static Expr SinOfRemainder(Expr x, Expr n, Expr biased)
    {
        // With fused products the first difference is exact and the second and third round once (Cody and Waite).
        var r = Op.Fma(n, F(-PiRest2), Op.Fma(n, F(-PiRest), Op.Fma(n, F(-Pi), x)));
        // r times a polynomial that ends in 1, not r + r³·polynomial, which would lose the sign of zero.
        var sin = r * Polynomial(r * r, DType.Float32, 2.6051127e-6f, -0.00019809435f, 0.0083330665f, -0.1666666f, 1);
        // Rounding may go above 1 near π/2; and outside of the range of the reduction r is no longer small.
        sin = Clamp(sin, -1, 1);
        // Odd n flip the sign: their lowest bit moves to and is added at the sign bit.
        return Float((Bits(biased) << I(31)) + Bits(sin));
    }

    /// <summary>
    /// tan x = tan r or -1/tan r with r = x - n·π/2, n = round(2x/π), as one quotient of which n's lowest bit says what is on
    /// top. 27 operations (1 division).
    /// </summary>
    private static Expr TanFloat32(Expr x)
    {
        var biased = Op.Fma(x, F(0.63661975f), F(RoundingBias));
        var n = biased - F(RoundingBias);
        var r = Op.Fma(n, F(-PiRest2 / 2), Op.Fma(n, F(-PiRest / 2), Op.Fma(n, F(-Pi / 2), x)));
        var square = r * r;
        var tan = Op.Fma(
            r * square,
            Polynomial(
                square,
                DType.Float32,
                0.00437028939f,
                0.000103075901f,
                0.0108237229f,
                0.0212875716f,
                0.0540586784f,
                0.133326769f,
                0.333333492f
            ),
            r
        );
        var odd = (Bits(biased) << I(31)) >> I(31);
        return Far(FarTan, x, Choose(odd, F(-1), tan) / Choose(odd, tan, F(1)));
    }

    /// <summary>asin of a = |x|: s + s·z·polynomial(z) of s = a, z = a² up to ½; of s = √z, z = (1-a)/2 above, where it is half of π/2 - asin a.</summary>
    private static (Expr Angle, Expr Above) AsinParts(Expr a)
    {
        var rest = Op.Fma(a, F(-0.5), F(0.5));
        // The lesser is always the right one.
        var z = Op.Min(a * a, rest);
        var s = Op.Min(a, Op.Sqrt(rest));
        var angle = Op.Fma(
            s * z,
            Polynomial(z, DType.Float32, 0.0421712361f, 0.024178097f, 0.0454702266f, 0.074953042f, 0.166667521f),
            s
        );
        return (angle, F(0.5) < a);
    }

    /// <summary>20 operations (1 root).</summary>
    private static Expr AsinFloat32(Expr x)
    {
        var (angle, above) = AsinParts(Op.Abs(x));
        return WithSign(Op.Fma(angle, Op.Select(above, F(-2), F(1)), Op.Select(above, F(HalfPi), F(0))), x);
    }

    /// <summary>2·angle or π - 2·angle beyond ½, else π/2 ± angle. 25 operations (1 root).</summary>
    private static Expr AcosFloat32(Expr x)
    {
        var (angle, above) = AsinParts(Op.Abs(x));
        var sign = Op.Select(x < F(0), F(-1), F(1));
        return Turned(angle, sign * Op.Select(above, F(2), F(-1)), sign * Op.Select(above, F(1), F(0)));
    }

    // π/2·(1 - turn) + factor·angle, with π/2 in two parts: where the result is near 1 the rest of it counts.
    private static Expr Turned(Expr angle, Expr factor, Expr turn) =>
        Op.Fma(turn, F(-HalfPi), F(HalfPi)) + Op.Fma(angle, factor, Op.Fma(turn, F(-HalfPiRest), F(HalfPiRest)));

    private const double HalfPi = 1.5707964f;
    private const double HalfPiRest = -4.371139e-8f;

    /// <summary>atan t of t = min(|x|, 1/|x|), and π/2 less that where |x| is above 1. 24 operations (1 division).</summary>
    private static Expr AtanFloat32(Expr x)
    {
        var a = Op.Abs(x);
        var above = F(1) < a;
        var angle = AtanOfFraction(Op.Min(a, F(1) / a));
        return WithSign(Op.Fma(angle, Op.Select(above, F(-1), F(1)), Op.Select(above, F(HalfPi), F(0))), x);
    }

    /// <summary>atan t for t in [0, 1].</summary>
    private static Expr AtanOfFraction(Expr t)
    {
        var square = t * t;
        return Op.Fma(
            t * square,
            Polynomial(
                square,
                DType.Float32,
                -0.0017901432f,
                0.0108986553f,
                -0.0311472528f,
                0.0579258092f,
                -0.0840151608f,
                0.109514907f,
                -0.142641008f,
                0.19998534f,
                -0.333332986f
            ),
            t
        );
    }

    /// <summary>
    /// atan of the lesser of |x| and |y| by the greater, turned into the right eighth of the circle. 40 operations (1 division).
    /// </summary>
    private static Expr Atan2Float32(Expr y, Expr x)
    {
        var (a, b) = (Op.Abs(y), Op.Abs(x));
        var lesser = Op.Min(a, b);
        // 0 by what is least instead of 0.
        var greater = Op.Max(Op.Max(a, b), F(float.Epsilon));
        // ∞/∞ is 1/1: without its second bit infinity is 1.
        var mask = Op.Select(Op.Eq(lesser, F(double.PositiveInfinity)), I(0x3fffffff), I(-1));
        var angle = AtanOfFraction(Float(Bits(lesser) & mask) / Float(Bits(greater) & mask));
        var steep = b < a;
        var side = Op.Select(Op.Lt(Bits(x), I(0)), F(-1), F(1));
        return WithSign(Turned(angle, side * Op.Select(steep, F(-1), F(1)), side * Op.Select(steep, F(0), F(1))), y);
    }
}
