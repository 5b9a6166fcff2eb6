namespace Picograd.Algorithms.Evaluation;

/// <summary>
/// Running error analysis: given operands x with |computed − x| ≤ bound, an upper bound on the error of one operation
/// carried out in the arithmetic of a type with unit roundoff u. Elementary functions may be off by the stated multiple
/// of u on top of what their operand's error causes. Non-finite exact results carry no error of their own.
/// </summary>
public static class BoundRules
{
    /// <summary>
    /// Results below this size may be flushed to zero or lose bits: the least normal number; for Float64, a few of the least
    /// denormal ones.
    /// </summary>
    public static double Tiny(DType type) => type == DType.Float64 ? 16 * double.Epsilon : 1.1754943508222875e-38;

    /// <summary>Multiples of the unit roundoff allowed to each elementary function of the back ends.</summary>
    public const double DivisionUlps = 4;
    public const double ElementaryUlps = 8;

    /// <summary>
    /// Unit roundoff of a float type; 0 for others. Twice that of Float64: the exact values here are doubles too, so the
    /// distance to a computed one is the sum of two errors.
    /// </summary>
    public static double UnitRoundoff(DType type) =>
        !type.IsFloat() ? 0
        : type == DType.Float64 ? 2.0 / (1L << 53)
        : Math.ScaleB(1, -type.Info().Significand);

    /// <summary>Largest finite value of a float type.</summary>
    public static double Largest(DType type) => type.IsFloat() ? type.Info().Highest : double.MaxValue;

    /// <summary>Half the distance between denormal numbers of a type: the error of rounding that size does not scale.</summary>
    public static double Smallest(DType type) =>
        type.IsFloat() && type != DType.Float64
            ? Math.ScaleB(1, type.Info().LeastExponent - type.Info().Significand)
            : 0;

    /// <summary>Total after rounding: exact value v, error so far e, k roundoffs more.</summary>
    public static double Round(double v, double e, double ku, double largest, double smallest)
    {
        if (!double.IsFinite(v))
            return e == 0 ? 0 : double.PositiveInfinity;
        double magnitude = Math.Abs(v) + e;
        return magnitude <= largest ? e + ku * magnitude + smallest : double.PositiveInfinity;
    }

    public static double Mul(double a, double ea, double b, double eb)
    {
        double e = 0;
        if (eb != 0)
            e += Math.Abs(a) * eb;
        if (ea != 0)
            e += Math.Abs(b) * ea + ea * eb;
        return double.IsNaN(e) ? double.PositiveInfinity : e;
    }

    public static double Div(double a, double ea, double b, double eb)
    {
        double least = Math.Abs(b) - eb;
        if (ea == 0 && eb == 0)
            return 0;
        if (!(least > 0))
            return double.PositiveInfinity;
        double e = (ea + (eb == 0 ? 0 : Math.Abs(a / b) * eb)) / least;
        return double.IsNaN(e) ? double.PositiveInfinity : e;
    }

    /// <summary>Power: the logarithm's error by the exponent's, as a factor.</summary>
    public static double Pow(double a, double ea, double b, double eb, double v)
    {
        double size = Math.Abs(a);
        if (!double.IsFinite(v) || !(size > ea) || (a < 0 && eb != 0))
            return double.PositiveInfinity;
        double log = -Math.Log(1 - ea / size);
        double e = Math.Abs(v) * (Math.Exp((Math.Abs(b) + eb) * log + Math.Abs(Math.Log(size)) * eb) - 1);
        return double.IsNaN(e) ? double.PositiveInfinity : e;
    }

    /// <summary>Max (or, with signs flipped by the caller, Min): an operand that surely loses does not matter.</summary>
    public static double Max(double a, double ea, double b, double eb) =>
        a - ea > b + eb ? ea
        : b - eb > a + ea ? eb
        : Math.Max(ea, eb);

    /// <summary>Error of a function of one operand, before rounding.</summary>
    public static double Unary(UnaryOp kind, double x, double e, double v)
    {
        if (e == 0)
            return 0;
        if (!double.IsFinite(x) || !double.IsFinite(e))
            return double.PositiveInfinity;
        double nearest = Math.Max(Math.Abs(x) - e, 0);
        double result = kind switch
        {
            UnaryOp.Neg or UnaryOp.Abs or UnaryOp.Sin or UnaryOp.Cos => e,
            UnaryOp.Exp => v * (Math.Exp(e) - 1 + e * 1e-15),
            UnaryOp.Log => x > e ? e / (x - e) : double.PositiveInfinity,
            UnaryOp.Tanh => Math.Min(2, e * (1 - Math.Pow(Math.Tanh(nearest), 2))),
            UnaryOp.Sigmoid => Math.Min(1, e * SigmoidSlope(nearest)),
            UnaryOp.Erf => Math.Min(2, e * 1.1283791670955126 * Math.Exp(-nearest * nearest)),
            UnaryOp.Sqrt => x >= e ? e / (Math.Sqrt(x) + Math.Sqrt(x - e)) : double.PositiveInfinity,
            UnaryOp.Rsqrt => x > e ? 0.5 * e / ((x - e) * Math.Sqrt(x - e)) : double.PositiveInfinity,
            UnaryOp.Reciprocal => nearest > 0 ? e / (nearest * nearest) : double.PositiveInfinity,
            UnaryOp.Floor => Math.Floor(x + e) - Math.Floor(x - e),
            UnaryOp.Ceil => Math.Ceiling(x + e) - Math.Ceiling(x - e),
            UnaryOp.Round => Math.Round(x + e) - Math.Round(x - e),
            _ => double.PositiveInfinity,
        };
        return double.IsNaN(result) ? double.PositiveInfinity : result;
    }

    /// <summary>Roundoffs that an implementation of the function itself may add.</summary>
    public static double Ulps(UnaryOp kind) =>
        kind switch
        {
            UnaryOp.Neg or UnaryOp.Abs or UnaryOp.Floor or UnaryOp.Ceil or UnaryOp.Round => 0,
            UnaryOp.Sqrt or UnaryOp.Reciprocal => DivisionUlps,
            _ => ElementaryUlps,
        };

    /// <summary>γ_k = k·u / (1 − k·u): relative error of k roundings in any order.</summary>
    public static double Gamma(double k, double u)
    {
        double ku = k * u;
        return ku < 1 ? ku / (1 - ku) : double.PositiveInfinity;
    }

    /// <summary>
    /// Roundings in a row that a sum of k terms of a type may take: k up to 1,024, then as many as sums in blocks of 512 terms,
    /// of blocks of blocks and so on take. A schedule that adds more terms than these to one accumulator is wrong: 2^25 ones in one
    /// of Float32 are 2^24. Float64 sums are held to k, since the exact values here are added up in Float64 themselves.
    /// </summary>
    public static double SumDepth(double k, DType type) =>
        k <= 1024 || type == DType.Float64 ? k : Math.Min(k, 1024 * Math.Ceiling(Math.Log2(k) / 9));

    /// <summary>A sum that takes k roundings in a row: Σ of the terms' errors plus γ of Σ|term|.</summary>
    public static double Sum(double errors, double magnitude, double k, double u, double largest)
    {
        if (double.IsNaN(magnitude))
            return errors == 0 ? 0 : double.PositiveInfinity;
        if (double.IsInfinity(magnitude))
            return errors == 0 ? 0 : double.PositiveInfinity;
        return magnitude <= largest ? errors + Gamma(k, u) * magnitude : double.PositiveInfinity;
    }

    /// <summary>
    /// A product of k factors in any order: products of some of them on the way may be beyond the type's range, or be denormal, where
    /// rounding them costs up to half a denormal step, which all other factors may scale up to the peak.
    /// </summary>
    /// <param name="v">The product.</param>
    /// <param name="magnitude">Π(|factor| + error).</param>
    /// <param name="peak">Π max(1, |factor| + error).</param>
    /// <param name="k">Factors.</param>
    /// <param name="type">Of the products.</param>
    public static double Prod(double v, double magnitude, double peak, double k, DType type)
    {
        if (!double.IsFinite(magnitude) || !double.IsFinite(v))
            return magnitude == Math.Abs(v) ? 0 : double.PositiveInfinity;
        if (peak > Largest(type))
            return double.PositiveInfinity;
        double relative = Gamma(k, UnitRoundoff(type)) + k * 1e-15;
        return magnitude - Math.Abs(v) + relative * magnitude + k * Smallest(type) * peak + Tiny(DType.Float32);
    }

    /// <summary>sin and cos near their zeros are only good to an absolute error.</summary>
    public static double Absolute(UnaryOp kind, DType type) =>
        kind switch
        {
            UnaryOp.Sin or UnaryOp.Cos => ElementaryUlps * UnitRoundoff(type),
            UnaryOp.Exp or UnaryOp.Sigmoid or UnaryOp.Reciprocal or UnaryOp.Rsqrt => Tiny(type),
            _ => 0,
        };

    // σ(x)·σ(−x), which unlike σ·(1 − σ) does not cancel.
    private static double SigmoidSlope(double x)
    {
        double e = Math.Exp(-x);
        return e / ((1 + e) * (1 + e));
    }
}
