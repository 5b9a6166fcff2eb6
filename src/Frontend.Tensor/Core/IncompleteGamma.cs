using Picograd.Algorithms.Evaluation;

namespace Picograd;

/// <summary>
/// The regularised incomplete gamma functions and Hurwitz's zeta function of float64. How many terms they take depends on the arguments, so
/// that they have no form of one expression.
/// </summary>
internal static class IncompleteGamma
{
    private const double Epsilon = 1.1102230246251565e-16;
    private const int MostTerms = 200_000;

    /// <summary>P(a, x) = ∫₀ˣ tᵃ⁻¹ e⁻ᵗ dt / Γ(a); NaN for a negative argument or two that decide nothing.</summary>
    public static double Lower(double a, double x)
    {
        if (OfLimits(a, x) is { } known)
            return known;
        if (IsWide(a))
            return Uniform(a, x, upper: false);
        return x <= 1 || x <= a ? Series(a, x) : 1 - Rest(a, x);
    }

    /// <summary>Q(a, x) = 1 − P(a, x).</summary>
    public static double Upper(double a, double x)
    {
        if (OfLimits(a, x) is { } known)
            return 1 - known;
        if (IsWide(a))
            return Uniform(a, x, upper: true);
        if (x <= 1 && a < 0.3)
            return NearZero(a, x);
        return x <= 1 || x <= a ? 1 - Series(a, x) : Rest(a, x);
    }

    private static double? OfLimits(double a, double x) =>
        double.IsNaN(a) || double.IsNaN(x) || a < 0 || x < 0 ? double.NaN
        : a == 0 ? (x > 0 ? 1 : double.NaN)
        : x == 0 ? 0
        : double.IsInfinity(a) ? (double.IsInfinity(x) ? double.NaN : 0)
        : double.IsInfinity(x) ? 1
        : null;

    // From here on series of one argument take thousands of terms, and Temme's takes few.
    private static bool IsWide(double a) => a > 1e5;

    // Temme (1979): erfc(±η √(a / 2)) / 2 and a series in 1 / a, with η² / 2 = x / a − 1 − log(x / a); terms in η are those near 0, where
    // the result is neither 0 nor 1.
    private static double Uniform(double a, double x, bool upper)
    {
        double u = (x - a) / a;
        double half = -Log1pMinus(u);
        double eta = Math.CopySign(Math.Sqrt(2 * half), u);
        if (a * half > 750)
            return (u > 0) == upper ? 0 : 1;
        double c0 =
            -1.0 / 3
            + eta * (1.0 / 12 + eta * (-2.0 / 135 + eta * (1.0 / 864 + eta * (1.0 / 2835 - eta * 139 / 777600))));
        double c1 = -1.0 / 540 + eta * (-1.0 / 288 + eta * (1.0 / 378 - eta * 77 / 77760));
        double c2 = 25.0 / 6048 - eta * 139 / 51840;
        double rest = Math.Exp(-a * half) / Math.Sqrt(2 * Math.PI * a) * (c0 + (c1 + c2 / a) / a);
        double sign = upper ? 1 : -1;
        return Math.Clamp(0.5 * FloatFunctions.Erfc(sign * eta * Math.Sqrt(a / 2)) + sign * rest, 0, 1);
    }

    // 1 − xᵃ / Γ(a + 1) · (1 + …) of small a, where it would cancel: the series without its first term, and 1 less that one.
    private static double NearZero(double a, double x)
    {
        double front = a * Math.Log(x) - LogGamma1p(a);
        double sum = 0;
        double power = 1;
        for (int n = 1; n < 100; n++)
        {
            power *= -x / n;
            double term = power / (a + n);
            sum += term;
            if (Math.Abs(term) <= Epsilon * Math.Abs(sum))
                break;
        }
        double less = Math.Abs(front) < 1e-5 ? front + front * front / 2 : Math.Exp(front) - 1;
        return -less - a * Math.Exp(front) * sum;
    }

    // log Γ(1 + a) of 0 to 0.3: −γ a + Σ ζ(n) (−a)ⁿ / n.
    private static double LogGamma1p(double a)
    {
        double sum = -0.57721566490153286060 * a;
        double power = -a;
        for (int n = 2; n < 40; n++)
        {
            power *= -a;
            sum += Zeta(n, 1) * power / n;
        }
        return sum;
    }

    // Σ xⁿ / ((a + 1) … (a + n)), of which all terms are positive.
    private static double Series(double a, double x)
    {
        double sum = 1;
        double term = 1;
        for (int n = 1; n < MostTerms && term > Epsilon * sum; n++)
        {
            term *= x / (a + n);
            sum += term;
        }
        return Math.Min(1, Factor(a, x) * sum);
    }

    // Where 1 − P would cancel: Legendre's continued fraction, by Lentz's method, beyond a.
    private static double Rest(double a, double x)
    {
        double b = x + 1 - a;
        double c = 1e300;
        double d = 1 / b;
        double h = d;
        for (int n = 1; n < MostTerms; n++)
        {
            double an = -n * (n - a);
            b += 2;
            d = 1 / (an * d + b);
            c = b + an / c;
            double delta = c * d;
            h *= delta;
            if (Math.Abs(delta - 1) <= Epsilon)
                break;
        }
        return Math.Clamp(Factor(a, x) * a * h, 0, 1);
    }

    // xᵃ e⁻ˣ / Γ(a + 1): of large arguments without what cancels.
    private static double Factor(double a, double x)
    {
        if (a < 10)
            return Math.Exp(a * Math.Log(x) - x) / GammaOf(a + 1);
        double s = 1 / (a * a);
        double correction =
            (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s * (1.0 / 1188 - s * 691.0 / 360360)))))
            / a;
        return Math.Exp(a * Log1pMinus((x - a) / a) - correction) / Math.Sqrt(2 * Math.PI * a);
    }

    // log(1 + u) − u.
    private static double Log1pMinus(double u)
    {
        if (Math.Abs(u) > 0.3)
            return Math.Log(1 + u) - u;
        double sum = 0;
        double power = u;
        for (int n = 2; n < 60; n++)
        {
            power *= -u;
            sum += power / n;
            if (Math.Abs(power) < Epsilon * Math.Abs(sum))
                break;
        }
        return sum;
    }

    // Of 1 to 11: raised by steps to where Stirling's series is exact.
    private static double GammaOf(double z)
    {
        double product = 1;
        while (z < 12)
            product *= z++;
        double r = 1 / z;
        double s = r * r;
        double series =
            r
            * (
                1.0 / 12
                - s
                    * (
                        1.0 / 360
                        - s * (1.0 / 1260 - s * (1.0 / 1680 - s * (1.0 / 1188 - s * (691.0 / 360360 - s / 156))))
                    )
            );
        return Math.Exp((z - 0.5) * Math.Log(z) - z + series) * Math.Sqrt(2 * Math.PI) / product;
    }

    // Of Euler's and Maclaurin's formula: (2 k)! / B₂ₖ.
    private static readonly double[] OverBernoulli =
    [
        12.0,
        -720.0,
        30240.0,
        -1209600.0,
        47900160.0,
        -1.8924375803183791606e9,
        7.47242496e10,
        -2.950130727918164224e12,
        1.1646782814350067249e14,
        -4.5979787224074726105e15,
        1.8152105401943546773e17,
        -7.1661652561756670113e18,
    ];

    /// <summary>ζ(x, q) = Σ (k + q)⁻ˣ over k ≥ 0; NaN for x below 1, and below 0 for q where x is not whole.</summary>
    public static double Zeta(double x, double q)
    {
        if (double.IsNaN(x) || double.IsNaN(q))
            return double.NaN;
        if (x == 1)
            return double.PositiveInfinity;
        if (x < 1)
            return double.NaN;
        if (q <= 0)
        {
            if (q == Math.Floor(q))
                return double.PositiveInfinity;
            if (x != Math.Floor(x))
                return double.NaN;
        }
        double sum = Math.Pow(q, -x);
        double a = q;
        double b = 0;
        for (int i = 0; i < 9 || a <= 9; )
        {
            i++;
            a += 1;
            b = Math.Pow(a, -x);
            sum += b;
            if (Math.Abs(b) < Epsilon * Math.Abs(sum))
                return sum;
        }
        double w = a;
        sum += b * w / (x - 1) - 0.5 * b;
        double rising = 1;
        double k = 0;
        foreach (double over in OverBernoulli)
        {
            rising *= x + k;
            b /= w;
            double t = rising * b / over;
            sum += t;
            if (Math.Abs(t / sum) < Epsilon)
                break;
            rising *= x + ++k;
            b /= w;
            k++;
        }
        return sum;
    }
}
