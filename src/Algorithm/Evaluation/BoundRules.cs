using Picograd.Algorithms.Functions;

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
        // The quotient of eb first: where a / b is denormal, its product with eb alone is nothing.
        double e = ea / least + (eb == 0 ? 0 : Math.Abs(a / b) * (eb / least));
        return double.IsNaN(e) ? double.PositiveInfinity : e;
    }

    /// <summary>Max (or, with signs flipped by the caller, Min): an operand that surely loses does not matter.</summary>
    public static double Max(double a, double ea, double b, double eb) =>
        a - ea > b + eb ? ea
        : b - eb > a + ea ? eb
        : Math.Max(ea, eb);

    /// <summary>Error of an operation on one operand, before rounding.</summary>
    public static double Unary(UnaryOp kind, double x, double e, double v)
    {
        if (e == 0)
            return 0;
        if (!double.IsFinite(x) || !double.IsFinite(e))
            return double.PositiveInfinity;
        double result = kind switch
        {
            UnaryOp.Neg or UnaryOp.Abs => e,
            UnaryOp.Sqrt => x >= e ? e / (Math.Sqrt(x) + Math.Sqrt(x - e)) : double.PositiveInfinity,
            UnaryOp.Floor => Math.Floor(x + e) - Math.Floor(x - e),
            UnaryOp.Ceil => Math.Ceiling(x + e) - Math.Ceiling(x - e),
            UnaryOp.Round => Math.Round(x + e) - Math.Round(x - e),
            _ => double.PositiveInfinity,
        };
        return double.IsNaN(result) ? double.PositiveInfinity : result;
    }

    /// <summary>Roundoffs that an implementation of the operation itself may add.</summary>
    public static double Ulps(UnaryOp kind) => kind == UnaryOp.Sqrt ? DivisionUlps : 0;

    /// <summary>The rule of a function of one argument.</summary>
    internal static ErrorRule ErrorOf(ScalarFunction function) =>
        function.Error as ErrorRule ?? ErrorRules.Monotonic((Func<double, double>)function.Reference!);

    /// <summary>The rule of a function of two arguments.</summary>
    internal static ErrorRule2 Error2Of(ScalarFunction function) =>
        function.Error as ErrorRule2 ?? ((_, _, _, _, _) => double.PositiveInfinity);

    /// <summary>Error of a function of one argument by its rule, before rounding.</summary>
    public static double Function(ErrorRule rule, double x, double e, double v)
    {
        if (e == 0)
            return 0;
        if (!double.IsFinite(x) || !double.IsFinite(e))
            return double.PositiveInfinity;
        double result = rule(x, e, v);
        return double.IsNaN(result) ? double.PositiveInfinity : result;
    }

    /// <summary>The same for two arguments.</summary>
    public static double Function2(ErrorRule2 rule, double a, double ea, double b, double eb, double v)
    {
        if (ea == 0 && eb == 0)
            return 0;
        double result = rule(a, ea, b, eb, v);
        return double.IsNaN(result) ? double.PositiveInfinity : result;
    }

    /// <summary>What a function is only good to near its zeros, and where it underflows.</summary>
    public static double Absolute(ScalarFunction function, DType type) =>
        function.AbsoluteRoundoffs * UnitRoundoff(type) + (function.Underflows ? Tiny(type) : 0);

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
}
