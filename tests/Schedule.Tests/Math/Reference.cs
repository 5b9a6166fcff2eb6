using Picograd.Algorithms;
using Picograd.Algorithms.Functions;

namespace Picograd.Tests.MathFunctions;

/// <summary>What the expansions are compared with: double precision for Float32, 28 digits for Float64.</summary>
internal static class Reference
{
    public static double InDouble(string kind, double x) =>
        kind switch
        {
            "exp" => Math.Exp(x),
            "log" => Math.Log(x),
            "tanh" => Math.Tanh(x),
            "sigmoid" => x < 0 ? Math.Exp(x) / (1 + Math.Exp(x)) : 1 / (1 + Math.Exp(-x)),
            "erf" => ErfInDouble(x),
            "sin" => Math.Sin(x),
            "cos" => Math.Cos(x),
            "rsqrt" => 1 / Math.Sqrt(x),
            "reciprocal" => 1 / x,
            // The table's own, which HighPrecisionTests hold to a few units of the last place of Float64.
            _ => ((Func<double, double>)ScalarFunctions.Find(kind)!.Reference!)(x),
        };

    // erf x = 2/√π·e^(-x²)·Σ 2^n·x^(2n+1)/(1·3·…·(2n+1)): all terms positive, so no digits are lost.
    private static double ErfInDouble(double x)
    {
        if (double.IsNaN(x) || Math.Abs(x) > 6)
            return double.IsNaN(x) ? x : Math.Sign(x);
        double term = x;
        double sum = x;
        for (int n = 1; Math.Abs(term) > Math.Abs(sum) * 1e-18; n++)
        {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    /// <summary>A double to 28 decimals; the conversion operator keeps 15 digits only.</summary>
    public static decimal Exactly(double value)
    {
        const long Grid = 1L << 40;
        double high = Math.Round(value * Grid);
        return (decimal)(long)high / Grid + (decimal)(value - high / Grid);
    }

    /// <summary>Absolute error about 1e-27, for |x| ≤ 12.</summary>
    public static decimal InDecimal(string kind, decimal x) =>
        kind switch
        {
            "sigmoid" => 1 / (1 + Exp(-x)),
            "erf" => ErfInDecimal(x),
            "rsqrt" => 1 / Sqrt(x),
            "reciprocal" => 1 / x,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "no reference"),
        };

    private static decimal Exp(decimal x)
    {
        if (x < 0)
            return 1 / Exp(-x);
        decimal term = 1;
        decimal sum = 1;
        for (int n = 1; term > sum * 1e-28m; n++)
        {
            term = term * x / n;
            sum += term;
        }
        return sum;
    }

    private static decimal Sqrt(decimal x)
    {
        decimal root = (decimal)Math.Sqrt((double)x);
        return (root + x / root) / 2;
    }

    private static decimal ErfInDecimal(decimal x)
    {
        const decimal TwoOverSqrtPi = 1.1283791670955125738961589031m;
        decimal term = x;
        decimal sum = x;
        for (int n = 1; Math.Abs(term) > Math.Abs(sum) * 1e-28m; n++)
        {
            term = term * (2 * x * x) / (2 * n + 1);
            sum += term;
        }
        return TwoOverSqrtPi * sum / Exp(x * x);
    }
}
