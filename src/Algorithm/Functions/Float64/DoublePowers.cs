using static Picograd.Algorithms.Functions.Float64.DoubleExpansion;

namespace Picograd.Algorithms.Functions.Float64;

/// <summary>Powers of Float64 in arithmetic. Errors are stated in the table and tested.</summary>
internal static class DoublePowers
{
    // 2/3 - the double nearest to it.
    private const double TwoThirdsRest = 3.700743415417188e-17;

    // From 2^52 on there are no fractions.
    private const double Whole = 4503599627370496;

    /// <summary>
    /// a^b = e^(b·log |a|) with the logarithm as a sum of two numbers, together within 2^-65 of it, since the product is up to 746; special
    /// values as C99 has them. 120 operations, 1 division.
    /// </summary>
    public static Expr Pow(Expr a, Expr b)
    {
        var size = Op.Abs(a);
        var (high, low) = Log(size);
        // 2^66·log |a| is beyond all powers where |a| is not 1.
        var exponent = Clamp(b, -Math.ScaleB(1, 66), Math.ScaleB(1, 66));
        var product = exponent * high;
        var rest = Op.Fma(exponent, low, Op.Fma(exponent, high, -product));
        // What is infinite or far beyond has no rest.
        rest = Double(Bits(rest) & Mask(Op.Abs(product) < D(800)));
        var power = DoubleExponentials.Exp(product, rest);

        var (isWhole, isOdd) = Parity(b);
        power = Double(Bits(power) | (Bits(a) & isOdd & L(long.MinValue)));
        // The finite negative numbers have no powers between the whole ones.
        var none = Mask(a < D(0)) & Mask(D(double.NegativeInfinity) < a) & (isWhole ^ L(-1));
        var number = Mask(Op.Eq(a, a)) & Mask(Op.Eq(b, b));
        power = Choose(none | (number ^ L(-1)), D(double.NaN), power);
        return Choose(Mask(Op.Eq(b, D(0))) | Mask(Op.Eq(a, D(1))), D(1), power);
    }

    /// <summary>
    /// x = 2^k·(1+f) with 1+f in [√½, √2), x ≥ 0: k·ln 2 + log(1+f) by s = f/(2+f) in two parts, as 2s + s·c with c = s²·(2/3 + s²·polynomial(s²))
    /// in two parts. The second parts of products and sums are what rounding the first ones lost.
    /// </summary>
    private static (Expr High, Expr Low) Log(Expr x)
    {
        var (k, f) = DoubleLogarithms.Parts(x);
        var d = f + D(2);
        var inverse = D(1) / d;
        var s = f * inverse;
        var sLow = Op.Fma(-s, f - (d - D(2)), Op.Fma(-s, d, f)) * inverse;
        var z = s * s;
        var zLow = Op.Fma(s + s, sLow, Op.Fma(s, s, -z));
        var tail = Polynomial(
            z,
            0.117230511556927,
            0.11706248528721643,
            0.13334804238680917,
            0.15384594970887083,
            0.1818181833531448,
            0.22222222221656232,
            0.28571428571429364,
            0.4
        );
        var w = Op.Fma(z, tail, D(2.0 / 3));
        var wLow = Op.Fma(z, tail, D(2.0 / 3) - w) + D(TwoThirdsRest);
        var c = z * w;
        var cLow = Op.Fma(z, wLow, Op.Fma(zLow, w, Op.Fma(z, w, -c)));
        var twice = s + s;
        var high = Op.Fma(s, c, twice);
        var low = Op.Fma(s, c, twice - high) + Op.Fma(s, cLow, sLow * (c + D(2)));
        var sum = Op.Fma(k, D(DoubleLogarithms.Ln2High), high);
        var sumLow = (Op.Fma(k, D(DoubleLogarithms.Ln2High), -sum) + high) + Op.Fma(k, D(DoubleLogarithms.Ln2Low), low);
        var ends =
            Op.Select(Op.Eq(x, D(0)), D(double.NegativeInfinity), D(0))
            + Op.Select(Op.Eq(x, D(double.PositiveInfinity)), D(double.PositiveInfinity), D(0));
        return (sum + ends, sumLow);
    }

    // All ones where b is whole, and where it is odd as well.
    private static (Expr IsWhole, Expr IsOdd) Parity(Expr b)
    {
        var size = Op.Min(Op.Abs(b), D(2 * Whole));
        var half = size * D(0.5);
        var isWhole = Mask(Op.Eq(size + D(Whole) - D(Whole), size)) | Mask(Op.Le(D(Whole), size));
        return (isWhole, isWhole & (Mask(Op.Eq(half + D(Whole) - D(Whole), half)) ^ L(-1)));
    }
}
