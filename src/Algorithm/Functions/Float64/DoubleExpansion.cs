namespace Picograd.Algorithms.Functions.Float64;

/// <summary>
/// What expansions of functions of Float64 are written with, as <see cref="Expansion"/> for Float32: the same operations, and + - Shl Shr BitAnd
/// BitOr on Int64. Nothing is converted between Int64 and Float64, for which AVX2 has no instruction: whole numbers of small size go
/// through the low bits of 1.5·2^52.
/// </summary>
internal static class DoubleExpansion
{
    // 1.5·2^52: adding it rounds to a whole number, which is then the low bits of the sum.
    internal const double RoundingBias = 6755399441055744;

    // With 1023 more, these bits are the biased exponent of 2^n.
    internal const double ExponentBias = RoundingBias + 1023;

    internal const double Log2E = 1.4426950408889634;

    // ln 2 as the sum of two numbers, to multiply with whole numbers in fused products.
    internal const double Ln2 = 0.6931471805599453;
    internal const double Ln2Rest = 2.3190468138462996e-17;

    // π as the sum of three numbers, each rounded down: were one negative, the difference -0 - 0·π would become +0.
    internal const double Pi = 3.141592653589793;
    internal const double PiRest = 1.224646799147353e-16;
    internal const double PiRest2 = 2.1657133478438278e-32;

    internal const double HalfPi = 1.5707963267948966;
    internal const double HalfPiRest = 6.123233995736766e-17;

    public static Expr D(double value) => Op.Const(value, DType.Float64);

    public static Expr L(long value) => Op.Const(value, DType.Int64);

    public static Expr Bits(Expr x) => Op.Bitcast(DType.Int64, x);

    public static Expr Double(Expr bits) => Op.Bitcast(DType.Float64, bits);

    /// <summary>A bound is neither NaN nor zero, as in <see cref="Expansion.Clamp"/>.</summary>
    public static Expr Clamp(Expr x, double low, double high) => Op.Max(Op.Min(x, D(high)), D(low));

    /// <summary>2^n from a sum n + <see cref="ExponentBias"/>.</summary>
    public static Expr PowerOfTwo(Expr biased) => Double(Bits(biased) << L(52));

    /// <summary>A magnitude (sign bit clear) with the sign of x.</summary>
    public static Expr WithSign(Expr magnitude, Expr x) => Double((Bits(x) & L(long.MinValue)) | Bits(magnitude));

    /// <summary>All ones where a condition holds, else zero.</summary>
    public static Expr Mask(Expr condition) => Op.Select(condition, L(-1), L(0));

    /// <summary>One of two numbers: bits, since a Select would make loads in them conditional.</summary>
    public static Expr Choose(Expr mask, Expr a, Expr b) => Double((Bits(a) & mask) | (Bits(b) & (mask ^ L(-1))));

    public static Expr Polynomial(Expr x, params ReadOnlySpan<double> coefficients) =>
        Expansion.Polynomial(x, DType.Float64, coefficients);
}
