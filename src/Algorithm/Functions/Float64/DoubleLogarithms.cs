using static Picograd.Algorithms.Functions.Float64.DoubleExpansion;

namespace Picograd.Algorithms.Functions.Float64;

/// <summary>Logarithms of Float64 in arithmetic. Errors are stated in the table and tested.</summary>
internal static class DoubleLogarithms
{
    // √½.
    private const long SqrtHalf = 0x3fe6a09e667f3bcd;

    // The first of these has 11 bits less, so that products with whole exponents are exact.
    internal const double Ln2High = 0.6931471805598903;
    internal const double Ln2Low = 5.497923018708371e-14;
    private const double Log10Of2High = 0.30102999566383914;
    private const double Log10Of2Low = 1.42050232272661e-13;

    // From here on 1 does not count beside the argument, whose square is far from overflow.
    private const double Huge = 18014398509481984;

    /// <summary>
    /// x = 2^k·(1+f) with 1+f in [√½, √2): k·ln 2 + log(1+f), the latter by s = f/(2+f) as f - (f²/2 - s·(f²/2 + s²·polynomial(s²))), as in
    /// Sun's fdlibm. (1 division.)
    /// </summary>
    public static Expr Log(Expr x)
    {
        var (exponent, f) = Parts(x);
        return Sum(exponent, f) + OutOfDomain(x);
    }

    /// <summary>k + log(1+f)/ln 2; exact for powers of two.</summary>
    public static Expr Log2(Expr x)
    {
        var (exponent, f) = Parts(x);
        return Op.Fma(Sum(null, f), D(Log2E), exponent) + OutOfDomain(x);
    }

    /// <summary>k·log10 2 in two parts, of which the first is exact, + log(1+f)/ln 10.</summary>
    public static Expr Log10(Expr x)
    {
        var (exponent, f) = Parts(x);
        var low = Op.Fma(exponent, D(Log10Of2Low), Sum(null, f) * D(0.4342944819032518));
        return Op.Fma(exponent, D(Log10Of2High), low) + OutOfDomain(x);
    }

    /// <summary>log(u + c) with u = 1 + x rounded and c what that lost, which is added to the fraction of u, scaled like it.</summary>
    public static Expr Log1p(Expr x) => WithSign(Log1pOf(x), x);

    /// <summary>With a = |x|: log1p(a + a²/(1 + √(a² + 1))), for huge a log 2a.</summary>
    public static Expr Asinh(Expr x)
    {
        var a = Op.Abs(x);
        var huge = D(Huge) < a;
        var small = Op.Min(a, D(Huge));
        var grown = Op.Fma(small, small / (D(1) + Op.Sqrt(Op.Fma(small, small, D(1)))), small);
        return WithSign(Log1pOf(Choose(Mask(huge), a, grown)) + Op.Select(huge, D(Ln2), D(0)), x);
    }

    /// <summary>With t = x - 1: log1p(t + √(t·(t + 2))), for huge x log 2x.</summary>
    public static Expr Acosh(Expr x)
    {
        var huge = D(Huge) < x;
        var t = Op.Min(x, D(Huge)) - D(1);
        var log = Log1pOf(Choose(Mask(huge), x, t + Op.Sqrt(t * (t + D(2)))));
        return log + (Op.Select(huge, D(Ln2), D(0)) + Op.Select(x < D(1), D(double.NaN), D(0)));
    }

    /// <summary>With a = |x|: log1p(2a/(1 - a))/2.</summary>
    public static Expr Atanh(Expr x)
    {
        var a = Op.Abs(x);
        return WithSign(D(0.5) * Log1pOf((a + a) / (D(1) - a)), x);
    }

    private static Expr Log1pOf(Expr x)
    {
        var u = x + D(1);
        var part = u - D(1);
        var c = (x - part) + (D(1) - (u - part));
        var bits = Bits(u);
        var k = (bits - L(SqrtHalf)) >> L(52);
        var power = k << L(52);
        var scale = Double(L(1023L << 52) - power);
        // Beyond 2^100 it does not matter, and at infinity it is no number.
        var lost = Double(Bits(c * scale) & Mask(u < D(Math.ScaleB(1, 100))));
        return Sum(AsDouble(k), lost + (Double(bits - power) - D(1))) + OutOfDomain(u);
    }

    // k and f, of x that may be denormal.
    internal static (Expr Exponent, Expr Fraction) Parts(Expr x)
    {
        var denormal = x < D(2.2250738585072014e-308);
        var bits = Bits(x * Op.Select(denormal, D(Math.ScaleB(1, 54)), D(1)));
        var k = (bits - L(SqrtHalf)) >> L(52);
        var f = Double(bits - (k << L(52))) - D(1);
        return (AsDouble(k) - Op.Select(denormal, D(54), D(0)), f);
    }

    private static Expr AsDouble(Expr small) =>
        Double(small + L(BitConverter.DoubleToInt64Bits(RoundingBias))) - D(RoundingBias);

    // k·ln 2 + log(1+f); without k, log(1+f).
    private static Expr Sum(Expr? k, Expr f)
    {
        var s = f / (f + D(2));
        var z = s * s;
        var half = D(0.5) * f * f;
        var rest =
            s
            * Op.Fma(
                z,
                Polynomial(
                    z,
                    0.1461749869387011,
                    0.15331636699545695,
                    0.18182891680439733,
                    0.22222211099711295,
                    0.28571428626190487,
                    0.39999999999899033,
                    0.666666666666667
                ),
                half
            );
        if (k is null)
            return f - (half - rest);
        return Op.Fma(k, D(Ln2High), f - (half - Op.Fma(k, D(Ln2Low), rest)));
    }

    // What to add to a logarithm of x: NaN, -∞ or ∞ for negative, zero and infinite x, else 0.
    private static Expr OutOfDomain(Expr x)
    {
        var negative = Op.Select(Op.Le(D(0), x), D(0), D(double.NaN));
        var zero = Op.Select(Op.Eq(x, D(0)), D(double.NegativeInfinity), D(0));
        var infinite = Op.Select(Op.Eq(x, D(double.PositiveInfinity)), D(double.PositiveInfinity), D(0));
        return negative + zero + infinite;
    }
}
