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
