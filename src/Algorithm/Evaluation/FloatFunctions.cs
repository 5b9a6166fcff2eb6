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

    /// <summary>eˣ − 1 within 3 units of the last place: 2·e^(x/2)·sinh(x/2).</summary>
    public static double Expm1(double x)
    {
        if (Math.Abs(x) < 1e-17)
            return x;
        return x < -40 ? -1 : 2 * Math.Exp(x / 2) * Math.Sinh(x / 2);
    }

    /// <summary>log(1 + x) within 2 units of the last place: what 1 + x loses in rounding is added to first order.</summary>
    public static double Log1p(double x)
    {
        double u = 1 + x;
        if (u == 1)
            return x;
        if (!(u > 0) || double.IsInfinity(u))
            return Math.Log(u);
        double lost = x >= 1 ? 1 - (u - x) : x - (u - 1);
        return Math.Log(u) + lost / u;
    }

    public static double Exp2(double x) => Math.Pow(2, x);

    /// <summary>
    /// 1 − erf x within 6 units of the last place: (1 + 2a)·e^(a²)·erfc a with a = |x| is a polynomial of q = (a − K)/(a + K).
    /// </summary>
    public static double Erfc(double x)
    {
        if (double.IsNaN(x))
            return x;
        const double K = 3.75;
        // From 27.3 on the result rounds to 0.
        double a = Math.Min(Math.Abs(x), 27.3);
        double q = (a - K) / (a + K);
        // What the quotient lost.
        q += Math.FusedMultiplyAdd(-q, a + K, a - K) / (a + K);
        double p = s_erfc[0];
        for (int i = 1; i < s_erfc.Length; i++)
            p = Math.FusedMultiplyAdd(p, q, s_erfc[i]);
        double square = a * a;
        double lost = Math.FusedMultiplyAdd(a, a, -square);
        // Two factors: the result may be denormal where e^(−a²) is.
        double half = Math.Exp(-0.5 * square);
        double complement = p / (1 + 2 * a) * (half - half * lost) * half;
        return x < 0 ? 2 - complement : complement;
    }

    private static readonly double[] s_erfc =
    [
        2.98341651405726e-10,
        -9.829133227668723e-11,
        -5.1618206775543185e-09,
        -2.4575149958708315e-09,
        3.949315746359353e-08,
        2.156260784364876e-08,
        -2.6034001339449523e-07,
        -5.6011713550287855e-08,
        1.753271797646764e-06,
        -9.7403325166764e-07,
        -1.1445096410620841e-05,
        2.238432246195975e-05,
        5.164944950608826e-05,
        -0.00029015407357707064,
        0.00029371358258426823,
        0.0017556258464850563,
        -0.009746579545734506,
        0.028362277420219427,
        -0.058693398590704465,
        0.09230432116026549,
        -0.10880393014170107,
        0.0822767384901494,
        0.0035854154854635927,
        -0.140240598585547,
        1.2375126308378275,
    ];

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
