namespace Picograd.Algorithms.Functions;

/// <summary>How errors of arguments move the results of functions.</summary>
public static class ErrorRules
{
    /// <summary>
    /// Of a function that is monotonic, or falls to 0 and rises from there (cosh): what it is at the ends of the range of the argument. Not
    /// a number at an end means that the argument may be outside of the domain, and no bound.
    /// </summary>
    public static ErrorRule Monotonic(Func<double, double> f) =>
        (x, e, y) =>
        {
            double apart = Math.Max(Math.Abs(f(x + e) - y), Math.Abs(f(x - e) - y));
            // The differences are themselves rounded.
            return apart + Math.Abs(y) * 4e-16;
        };

    public static double Nothing(double x, double e, double y) => e;

    public static double Exp(double x, double e, double y) => y * (Math.Exp(e) - 1 + e * 1e-15);

    public static double Log(double x, double e, double y) => x > e ? e / (x - e) : double.PositiveInfinity;

    public static double Tanh(double x, double e, double y) =>
        Math.Min(2, e * (1 - Math.Pow(Math.Tanh(Nearest(x, e)), 2)));

    public static double Sigmoid(double x, double e, double y)
    {
        // σ(x)·σ(−x), which unlike σ·(1 − σ) does not cancel.
        double power = Math.Exp(-Nearest(x, e));
        return Math.Min(1, e * (power / ((1 + power) * (1 + power))));
    }

    public static double Erf(double x, double e, double y)
    {
        double nearest = Nearest(x, e);
        return Math.Min(2, e * 1.1283791670955126 * Math.Exp(-nearest * nearest));
    }

    /// <summary>Rising between poles; none where one may lie in the range.</summary>
    public static double Tan(double x, double e, double y)
    {
        var (low, high) = (Math.Tan(x - e), Math.Tan(x + e));
        return e < 1 && low <= y && y <= high
            ? Math.Max(high - y, y - low) + Math.Abs(y) * 4e-16
            : double.PositiveInfinity;
    }

    /// <summary>The distance to the origin bounds the slope; none where the jump on the left may lie in the range.</summary>
    public static double Atan2(double a, double ea, double b, double eb, double y)
    {
        double least = Math.Sqrt(
            Math.Pow(Math.Max(Math.Abs(a) - ea, 0), 2) + Math.Pow(Math.Max(Math.Abs(b) - eb, 0), 2)
        );
        bool jumps = Math.Abs(a) <= ea && b - eb <= 0;
        if (jumps || !(least > 0) || !double.IsFinite(least))
            return double.PositiveInfinity;
        return (ea + eb) / least * (1 + 1e-15);
    }

    public static double Trunc(double x, double e, double y) => Math.Truncate(x + e) - Math.Truncate(x - e);

    public static double Rsqrt(double x, double e, double y) =>
        x > e ? 0.5 * e / ((x - e) * Math.Sqrt(x - e)) : double.PositiveInfinity;

    public static double Reciprocal(double x, double e, double y)
    {
        double nearest = Nearest(x, e);
        return nearest > 0 ? e / (nearest * nearest) : double.PositiveInfinity;
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

    private static double Nearest(double x, double e) => Math.Max(Math.Abs(x) - e, 0);
}
