using static Picograd.Algorithms.Functions.Float64.DoubleExpansion;

namespace Picograd.Algorithms.Functions.Float64;

/// <summary>Exponentials and what is made of them, of Float64 in arithmetic. Errors are stated in the table and tested.</summary>
internal static class DoubleExponentials
{
    /// <summary>
    /// e^x = e^r·2^h·2^(n-h) with n = round(x/ln 2) and h = round(n/2): two factors, so that only the last product may overflow or be
    /// denormal. 27 operations.
    /// </summary>
    public static Expr Exp(Expr x)
    {
        // e^-746 rounds to zero, e^710 to infinity.
        var (n, r) = Remainder(Clamp(x, -746, 710));
        var (first, second) = Powers(n);
        return ExpOfRemainder(r) * first * second;
    }

    /// <summary>The same of a sum x + rest with |rest| at most 2^-40, of which nothing is lost.</summary>
    public static Expr Exp(Expr x, Expr rest)
    {
        var clamped = Clamp(x, -760, 720);
        var (n, near) = ExactRemainder(clamped);
        var low = Op.Fma(n, D(-Ln2Rest), rest);
        var r = near + low;
        var tail = Op.Fma(r * r, SeriesOfRemainder(r), low - (r - near));
        var sum = r + D(1);
        var (first, second) = Powers(n);
        return (sum + ((r - (sum - D(1))) + tail)) * first * second;
    }

    /// <summary>The same for arguments that are known to be from -700 to 700: one factor.</summary>
    public static Expr ExpWithin(Expr x)
    {
        var (n, r) = Remainder(x);
        return ExpOfRemainder(r) * PowerOfTwo(n + D(ExponentBias));
    }

    /// <summary>e^x as e^r and 2^h and 2^(n-h).</summary>
    public static (Expr Fraction, Expr First, Expr Second) ExpParts(Expr x)
    {
        var (n, r) = Remainder(x);
        var (first, second) = Powers(n);
        return (ExpOfRemainder(r), first, second);
    }

    /// <summary>2^x; whole x give exact powers.</summary>
    public static Expr Exp2(Expr x)
    {
        // 2^-1076 rounds to zero, 2^1025 to infinity.
        x = Clamp(x, -1076, 1025);
        var n = x + D(RoundingBias) - D(RoundingBias);
        var r = x - n;
        var p = Polynomial(
            r,
            4.454960975460706e-10,
            7.072586657066206e-09,
            1.0178062443959398e-07,
            1.3215442584382707e-06,
            1.5252733829839213e-05,
            0.00015403530441741856,
            0.0013333558146416933,
            0.009618129107606885,
            0.0555041086648216,
            0.24022650695910097,
            0.6931471805599453
        );
        var (first, second) = Powers(n);
        return Op.Fma(r, p, D(1)) * first * second;
    }

    /// <summary>e^x - 1 = 2·(s·(e^r - 1) + (s - ½)) with s = 2^(n-1), which is finite wherever the result is.</summary>
    public static Expr Expm1(Expr x)
    {
        // e^-40 - 1 rounds to -1, e^710 to infinity.
        var (n, r) = Remainder(Clamp(x, -40, 710));
        var s = PowerOfTwo(n + D(ExponentBias - 1));
        var half = Op.Fma(s, Expm1OfRemainder(r), s - D(0.5));
        // Below 2^-54 it is x, of which halving a denormal number would lose the last bit.
        return Choose(Mask(Op.Lt(Op.Abs(x), D(Math.ScaleB(1, -54)))), x, WithSign(half + half, x));
    }

    /// <summary>With e = e^(2|x|) - 1: tanh |x| = e/(e + 2).</summary>
    public static Expr Tanh(Expr x)
    {
        // From 19.06 on tanh rounds to 1.
        var a = Op.Min(Op.Abs(x), D(19.5));
        var (n, r) = Remainder(a + a);
        var power = PowerOfTwo(n + D(ExponentBias));
        var e = Op.Fma(power, Expm1OfRemainder(r), power - D(1));
        return WithSign(e / (e + D(2)), x);
    }

    /// <summary>
    /// With e^-x = p·2^-n and 2^n = u·v: 1/(1 + e^-x) = u/(u·v + p)·v, where nothing overflows and only the last product may be denormal.
    /// </summary>
    public static Expr Sigmoid(Expr x)
    {
        // e^-746 rounds to zero; at 40 the result is 1.
        x = Clamp(x, -746, 40);
        var n = Op.Fma(x, D(Log2E), D(RoundingBias)) - D(RoundingBias);
        var p = ExpOfRemainder(Op.Fma(n, D(Ln2Rest), Op.Fma(n, D(Ln2), -x)));
        var (u, v) = Powers(n);
        return u / Op.Fma(u, v, p) * v;
    }

    /// <summary>With t = e^|x|/2: t - ¼/t, below 1 x + x³·polynomial.</summary>
    public static Expr Sinh(Expr x)
    {
        var magnitude = Op.Abs(x);
        var t = HalfExp(magnitude);
        var square = x * x;
        var near = Op.Fma(
            x * square,
            Polynomial(
                square,
                7.746188556142327e-13,
                1.605767934982023e-10,
                2.5052117698709824e-08,
                2.755731919136874e-06,
                0.00019841269841324225,
                0.008333333333333299,
                0.16666666666666666
            ),
            x
        );
        return Choose(Mask(magnitude < D(1)), near, WithSign(t - D(0.25) / t, x));
    }

    /// <summary>With t = e^|x|/2: t + ¼/t.</summary>
    public static Expr Cosh(Expr x)
    {
        var t = HalfExp(Op.Abs(x));
        return t + D(0.25) / t;
    }

    // e^a/2 for a ≥ 0; from 711 on the functions made of it are infinite.
    private static Expr HalfExp(Expr a)
    {
        var (fraction, first, second) = ExpParts(Op.Min(a, D(712)));
        return fraction * first * (second * D(0.5));
    }

    // x = n·ln 2 + r. The first difference is exact, the second rounds once.
    private static (Expr N, Expr R) Remainder(Expr x)
    {
        var (n, near) = ExactRemainder(x);
        return (n, Op.Fma(n, D(-Ln2Rest), near));
    }

    private static (Expr N, Expr R) ExactRemainder(Expr x)
    {
        var n = Op.Fma(x, D(Log2E), D(RoundingBias)) - D(RoundingBias);
        return (n, Op.Fma(n, D(-Ln2), x));
    }

    private static (Expr First, Expr Second) Powers(Expr n)
    {
        var half = Op.Fma(n, D(0.5), D(ExponentBias));
        return (PowerOfTwo(half), PowerOfTwo(n - (half - D(ExponentBias)) + D(ExponentBias)));
    }

    /// <summary>e^r for |r| ≤ 0.3466, to 2^-56 before rounding.</summary>
    private static Expr ExpOfRemainder(Expr r) => Op.Fma(r * r, SeriesOfRemainder(r), r) + D(1);

    // (e^r - 1 - r)/r².
    private static Expr SeriesOfRemainder(Expr r) =>
        Polynomial(
            r,
            2.5100399926586822e-08,
            2.7620107211175845e-07,
            2.7557268429653227e-06,
            2.4801521256496224e-05,
            0.0001984126986307315,
            0.0013888888917239115,
            0.008333333333330058,
            0.04166666666662408,
            0.16666666666666669,
            0.5
        );

    /// <summary>e^r - 1 for |r| ≤ 0.3466, to 2^-60 of it before rounding.</summary>
    private static Expr Expm1OfRemainder(Expr r) =>
        Op.Fma(
            r * r,
            Polynomial(
                r,
                2.0914698305573583e-09,
                2.510523288117511e-08,
                2.7557273615865557e-07,
                2.755725536205433e-06,
                2.4801587325569223e-05,
                0.00019841269874850708,
                0.0013888888888883742,
                0.008333333333326127,
                0.04166666666666667,
                0.1666666666666667,
                0.5
            ),
            r
        );
}
