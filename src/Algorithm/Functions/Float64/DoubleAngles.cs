using static Picograd.Algorithms.Functions.Float64.DoubleExpansion;

namespace Picograd.Algorithms.Functions.Float64;

/// <summary>Functions of angles of Float64 in arithmetic. Errors are stated in the table and tested.</summary>
internal static class DoubleAngles
{
    /// <summary>
    /// sin x = ±sin(x - n·π), n = round(x/π). With fused products the first difference is exact, and n times what is left of π beyond
    /// the third part is below 2^-130 in the range.
    /// </summary>
    public static Expr Sin(Expr x)
    {
        var biased = Op.Fma(x, D(0.3183098861837907), D(RoundingBias));
        return SinOfRemainder(x, biased - D(RoundingBias), biased);
    }

    /// <summary>cos x = ±sin(x - n·π), n = round(x/π + ½) - ½.</summary>
    public static Expr Cos(Expr x)
    {
        var biased = Op.Fma(x, D(0.3183098861837907), D(0.5)) + D(RoundingBias);
        return SinOfRemainder(x, biased - D(RoundingBias) - D(0.5), biased);
    }

    /// <summary>tan r or -1/tan r with r = x - n·π/2, n = round(2x/π), as one quotient of which n's lowest bit says what is on top.</summary>
    public static Expr Tan(Expr x)
    {
        var biased = Op.Fma(x, D(0.6366197723675814), D(RoundingBias));
        var n = biased - D(RoundingBias);
        var r = Op.Fma(n, D(-PiRest2 / 2), Op.Fma(n, D(-PiRest / 2), Op.Fma(n, D(-Pi / 2), x)));
        var square = r * r;
        var tan = Op.Fma(
            r * square,
            Polynomial(
                square,
                1.8224597033065202e-05,
                -3.373188659648006e-05,
                6.848735654836547e-05,
                -3.228092461589305e-06,
                0.00011985348185839102,
                0.00023058864808350502,
                0.0005922429142159373,
                0.0014554369672606128,
                0.0035921761486805612,
                0.008863231773402635,
                0.021869488711206073,
                0.05396825396401059,
                0.13333333333337374,
                0.33333333333333326
            ),
            r
        );
        // The lowest bit of n over all bits: its negative.
        var odd = L(0) - (Bits(biased) & L(1));
        return Choose(odd, D(-1), tan) / Choose(odd, tan, D(1));
    }

    public static Expr Asin(Expr x)
    {
        var (angle, above) = AsinParts(Op.Abs(x));
        var rest = Op.Fma(angle, Op.Select(above, D(-2), D(1)), Op.Select(above, D(HalfPiRest), D(0)));
        return WithSign(rest + Op.Select(above, D(HalfPi), D(0)), x);
    }

    /// <summary>2·angle or π - 2·angle beyond ½, else π/2 ± angle.</summary>
    public static Expr Acos(Expr x)
    {
        var (angle, above) = AsinParts(Op.Abs(x));
        var sign = Op.Select(x < D(0), D(-1), D(1));
        return Turned(angle, sign * Op.Select(above, D(2), D(-1)), sign * Op.Select(above, D(1), D(0)));
    }

    /// <summary>atan t of t = min(|x|, 1/|x|), and π/2 less that where |x| is above 1. (1 division.)</summary>
    public static Expr Atan(Expr x)
    {
        var a = Op.Abs(x);
        var above = D(1) < a;
        var angle = AtanOfFraction(Op.Min(a, D(1) / a));
        var rest = Op.Fma(angle, Op.Select(above, D(-1), D(1)), Op.Select(above, D(HalfPiRest), D(0)));
        return WithSign(rest + Op.Select(above, D(HalfPi), D(0)), x);
    }

    /// <summary>atan of the lesser of |x| and |y| by the greater, turned into the right eighth of the circle.</summary>
    public static Expr Atan2(Expr y, Expr x)
    {
        var (a, b) = (Op.Abs(y), Op.Abs(x));
        var lesser = Op.Min(a, b);
        // 0 by what is least instead of 0.
        var greater = Op.Max(Op.Max(a, b), D(double.Epsilon));
        // ∞/∞ is 1/1: without its second bit infinity is 1.
        var mask = Op.Select(Op.Eq(lesser, D(double.PositiveInfinity)), L(0x3fffffffffffffff), L(-1));
        var angle = AtanOfFraction(Double(Bits(lesser) & mask) / Double(Bits(greater) & mask));
        var steep = b < a;
        var side = WithSign(D(1), x);
        return WithSign(Turned(angle, side * Op.Select(steep, D(-1), D(1)), side * Op.Select(steep, D(0), D(1))), y);
    }

    private static Expr SinOfRemainder(Expr x, Expr n, Expr biased)
    {
        var r = Op.Fma(n, D(-PiRest2), Op.Fma(n, D(-PiRest), Op.Fma(n, D(-Pi), x)));
        var square = r * r;
        var sin = Op.Fma(
            r * square,
            Polynomial(
                square,
                -8.006052810609285e-18,
                2.810468619690448e-15,
                -7.647139116069288e-13,
                1.6059043479304338e-10,
                -2.505210838239018e-08,
                2.7557319223971256e-06,
                -0.00019841269841269806,
                0.008333333333333333,
                -0.16666666666666666
            ),
            r
        );
        // Rounding may go above 1 near π/2; and outside of the range of the reduction r is no longer small.
        sin = Clamp(sin, -1, 1);
        // -0 + 0 lost the sign of zero. Odd n flip the sign: their lowest bit moves to and is added at the sign bit.
        return Double((Bits(biased) << L(63)) + (Bits(sin) | (Bits(r) & L(long.MinValue))));
    }

    /// <summary>asin of a = |x|: s + s·z·polynomial(z) of s = a, z = a² up to ½; of s = √z, z = (1-a)/2 above, where it is half of π/2 - asin a.</summary>
    private static (Expr Angle, Expr Above) AsinParts(Expr a)
    {
        var rest = Op.Fma(a, D(-0.5), D(0.5));
        // The lesser is always the right one.
        var z = Op.Min(a * a, rest);
        var s = Op.Min(a, Op.Sqrt(rest));
        var angle = Op.Fma(
            s * z,
            Polynomial(
                z,
                0.02877844261259304,
                -0.014881409392818066,
                0.017419357964884856,
                0.00545087818772055,
                0.010324318288744113,
                0.011478952690257387,
                0.013971235301124539,
                0.017352391265909227,
                0.022372173002005596,
                0.030381944137085216,
                0.04464285714637338,
                0.07499999999998425,
                0.16666666666666669
            ),
            s
        );
        return (angle, D(0.5) < a);
    }

    // π/2·(1 - turn) + factor·angle, with π/2 in two parts: where the result is near 1 the rest of it counts.
    private static Expr Turned(Expr angle, Expr factor, Expr turn) =>
        Op.Fma(turn, D(-HalfPi), D(HalfPi)) + Op.Fma(angle, factor, Op.Fma(turn, D(-HalfPiRest), D(HalfPiRest)));

    /// <summary>atan t for t in [0, 1].</summary>
    private static Expr AtanOfFraction(Expr t)
    {
        var square = t * t;
        return Op.Fma(
            t * square,
            Polynomial(
                square,
                -1.1825503076147815e-05,
                0.00013680392127554087,
                -0.0007515368824503485,
                0.0026221161990544455,
                -0.006574041943820692,
                0.01275389927404434,
                -0.020236338687770167,
                0.027566050120909864,
                -0.033748959717372524,
                0.03872583649708101,
                -0.04308098422388187,
                0.047520806116365374,
                -0.052612643693075695,
                0.05882074729005919,
                -0.06666636408127398,
                0.0769230535231265,
                -0.09090908969422669,
                0.11111111107230112,
                -0.14285714285648318,
                0.19999999999999551,
                -0.3333333333333333
            ),
            t
        );
    }
}
