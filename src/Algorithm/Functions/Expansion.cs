namespace Picograd.Algorithms.Functions;

// The expansions are branch-free trees of operations that every vector unit has, so they vectorise with the code
// around them. How they are written, and why:
// - x - n·c with n = round(x/c) takes n from the low bits of x/c + 1.5·2^23: one addition rounds, one subtraction
//   gives n as a float, and the bits of the sum shifted left give the power of two. No rounding and no conversion
//   instruction. (1.5·2^23 + 127 makes the shifted bits the float 2^n itself.)
// - Bounds are Min and Max against a constant that is neither NaN nor zero, because these name x once, and because
//   there a single machine instruction with the constant as its first operand lets NaN through.
// - Choices are between constants or between values without loads: with a load in an operand of Select the load would
//   be conditional.
// - Subexpressions that are used several times are one object. Walkers that do not see this pay for a tree: 270 to 860
//   nodes a function over a leaf, with 23 (exp) to 113 (erf) copies of the argument. So expand late, after all passes that
//   walk expressions as trees, or expand over a leaf and bind the leaf to a value.
// - Coefficients are minimax fits of the relative error (exchange or reweighted least squares in 45 digits), rounded
//   to float one after the other, from the leading one, with the others refitted.

/// <summary>
/// What expansions of functions are written with: + - * Div, Fma, Min, Max, Sqrt, Abs, Neg, Select, comparisons, Bitcast and Cast between
/// Float32 and Int32, and + Shl Shr BitAnd BitOr on Int32.
/// </summary>
public static class Expansion
{
    // 1.5·2^23: adding it rounds to an integer, which is then the low bits of the sum. With 127 more, these bits are
    // the biased exponent of 2^n.
    internal const double RoundingBias = 12582912;
    internal const double ExponentBias = RoundingBias + 127;

    internal const double Ln2 = 0.6931472f;

    // 2·ln 2 as the sum of two floats.
    internal const double TwoLn2 = 1.3862944f;
    internal const double TwoLn2Rest = -3.8093084e-9f;

    internal const double Log2E = 1.442695f;
    internal const double Ln2Rest = -1.9046542e-9f;

    // π as the sum of three floats, each rounded down: were one negative, the difference -0 - 0·π would become +0.
    internal const double Pi = 3.1415925f;
    internal const double PiRest = 1.5099579e-7f;
    internal const double PiRest2 = 1.0780605e-14f;

    public static Expr F(double value) => Op.Const((float)value, DType.Float32);

    public static Expr I(int value) => Op.Const(value, DType.Int32);

    public static Expr Bits(Expr x) => Op.Bitcast(DType.Int32, x);

    public static Expr Float(Expr bits) => Op.Bitcast(DType.Float32, bits);

    public static Expr Clamp(Expr x, double low, double high) => Op.Max(Op.Min(x, F(high)), F(low));

    /// <summary>2^n from a sum x + <see cref="ExponentBias"/>.</summary>
    public static Expr PowerOfTwo(Expr biased) => Float(Bits(biased) << I(23));

    /// <summary>A magnitude (sign bit clear) with the sign of x.</summary>
    public static Expr WithSign(Expr magnitude, Expr x) => Float((Bits(x) & I(int.MinValue)) | Bits(magnitude));

    /// <summary>
    /// One of two floats: bits, since a Select would make loads in them conditional. <paramref name="mask"/> is all ones
    /// where the first is wanted, else zero (<see cref="Mask"/>).
    /// </summary>
    public static Expr Choose(Expr mask, Expr a, Expr b) => Float((Bits(a) & mask) | (Bits(b) & (mask ^ I(-1))));

    public static Expr Mask(Expr condition) => Op.Select(condition, I(-1), I(0));

    public static Expr D(double value) => Op.Const(value, DType.Float64);

    /// <summary>c[0]·x^(n-1) + … + c[n-1], by Horner's rule.</summary>
    public static Expr Polynomial(Expr x, DType type, params ReadOnlySpan<double> coefficients)
    {
        var sum = Op.Const(coefficients[0], type);
        foreach (double c in coefficients[1..])
            sum = Op.Fma(sum, x, Op.Const(c, type));
        return sum;
    }
}
