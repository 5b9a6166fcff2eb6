namespace Picograd.Algorithms.Evaluation;

/// <summary>Functions in double precision that <see cref="Math"/> lacks or defines otherwise.</summary>
public static class FloatFunctions
{
    public static double Sigmoid(double x)
    {
        if (x >= 0)
            return 1 / (1 + Math.Exp(-x));
        double e = Math.Exp(x);
        return e / (1 + e);
    }

    /// <summary>NaN if either operand is.</summary>
    public static double Min(double a, double b) => Math.Min(a, b);

    /// <summary>NaN if either operand is.</summary>
    public static double Max(double a, double b) => Math.Max(a, b);

    /// <summary>
    /// The error function to within a few 1e-16 relative: Taylor series for small arguments, the continued fraction of
    /// erfc (Abramowitz and Stegun 7.1.14) beyond.
    /// </summary>
    public static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (double.IsNaN(x))
            return x;
        if (a > 6)
            return Math.CopySign(1, x);
        if (a < 2.5)
        {
            // erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)): all terms positive, so nothing cancels.
            double term = a;
            double sum = a;
            for (int n = 1; term > sum * 1e-17; n++)
            {
                term *= 2 * a * a / (2 * n + 1);
                sum += term;
            }
            return Math.CopySign(1.1283791670955126 * Math.Exp(-a * a) * sum, x);
        }
        double fraction = 0;
        for (int n = 60; n >= 1; n--)
            fraction = n / 2.0 / (a + fraction);
        double erfc = Math.Exp(-a * a) / (1.7724538509055159 * (a + fraction));
        return Math.CopySign(1 - erfc, x);
    }

    /// <summary>
    /// The Float32 next to a value with an odd last bit, the value itself where it is one: what is rounded to 11 or 8 bits after that
    /// is rounded as if at once (Boldo and Melquiond 2008).
    /// </summary>
    public static float ToOdd(double x)
    {
        float near = (float)x;
        if (near == x || double.IsNaN(x))
            return near;
        int bits = BitConverter.SingleToInt32Bits(near);
        // Towards zero first; infinity becomes the largest number, whose last bit is odd.
        if (Math.Abs((double)near) > Math.Abs(x))
            bits--;
        return BitConverter.Int32BitsToSingle(bits | 1);
    }

    /// <summary>The same for an integer.</summary>
    public static float ToOdd(long x) =>
        Math.Abs((double)x) < 1L << 53 ? ToOdd((double)x) : ToOdd(((x >> 11) | ((x & 2047) != 0 ? 1L : 0L)) * 2048.0);

    public static long FloatBits(double x) => BitConverter.SingleToInt32Bits((float)x);

    public static double BitsFloat(long bits) => BitConverter.Int32BitsToSingle((int)bits);

    public static long HalfBits(double x) => BitConverter.HalfToUInt16Bits((Half)x);

    public static double BitsHalf(long bits) => (double)BitConverter.UInt16BitsToHalf((ushort)bits);

    /// <summary>Truncates towards zero; NaN gives 0 and what is out of range saturates, so that nothing faults.</summary>
    public static long ToInteger(double x) => (long)x;
}
