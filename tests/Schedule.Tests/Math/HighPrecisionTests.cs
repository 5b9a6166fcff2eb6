using System.Numerics;
using Picograd.Algorithms.Functions;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.MathFunctions;

/// <summary>
/// The functions of doubles, which the evaluator uses and which those of Float32 are compared with, against integer arithmetic with
/// <see cref="BigReal.Digits"/> binary digits after the point.
/// </summary>
public sealed class HighPrecisionTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("expm1", -45, 45, 3)]
    [InlineData("exp2", -60, 60, 1)]
    [InlineData("log1p", -1, 30, 2)]
    [InlineData("log2", 0, 40, 2)]
    [InlineData("log10", 0, 40, 2)]
    [InlineData("tan", -30, 30, 2)]
    [InlineData("asin", -1, 1, 2)]
    [InlineData("acos", -1, 1, 2)]
    [InlineData("atan", -20, 20, 2)]
    [InlineData("sinh", -40, 40, 2)]
    [InlineData("cosh", -40, 40, 2)]
    [InlineData("asinh", -30, 30, 3)]
    [InlineData("acosh", 1, 30, 3)]
    [InlineData("atanh", -1, 1, 3)]
    [InlineData("erfc", -4, 8, 6)]
    public void Functions_of_doubles_are_within(string name, double low, double high, double most)
    {
        var function = ScalarFunctions.Find(name)!;
        var f = (Func<double, double>)function.Reference!;
        var random = new Random(17);
        double worst = 0;
        double worstAt = 0;
        for (int i = 0; i < 600; i++)
        {
            double at =
                i % 3 == 0 ? low + random.NextDouble() * (high - low)
                // Near zero, and near 1, where some have a zero or end.
                : i % 3 == 1 ? Math.Pow(2, -25 * random.NextDouble()) * (low < 0 && i % 2 == 0 ? -1 : 1)
                : 1 + Math.Pow(2, -30 * random.NextDouble()) * (high <= 1 || i % 2 == 0 ? -1 : 1);
            if (at <= low || at >= high)
                continue;
            var exact = BigReal.Of(name, at);
            if (exact.IsZero)
                continue;
            double error = BigReal.Ulps(f(at), exact);
            if (error > worst)
                (worst, worstAt) = (error, at);
        }
        output.WriteLine($"{name}: {worst:F3} ULP at {worstAt:R}");
        Assert.True(worst <= most, $"{name}({worstAt:R}): {worst:F3} ULP, not {most}");
        Assert.True(worst > 0.3, $"{name}: {worst}: nothing was compared");
    }

    [Theory]
    [InlineData("expm1", double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData("expm1", double.NegativeInfinity, -1)]
    [InlineData("expm1", 709.7, 1.6549840276802644e308)]
    [InlineData("expm1", 710, double.PositiveInfinity)]
    [InlineData("expm1", -0.0, -0.0)]
    [InlineData("expm1", double.Epsilon, double.Epsilon)]
    [InlineData("expm1", double.NaN, double.NaN)]
    [InlineData("log1p", -1, double.NegativeInfinity)]
    [InlineData("log1p", -1.5, double.NaN)]
    [InlineData("log1p", -0.0, -0.0)]
    [InlineData("log1p", double.Epsilon, double.Epsilon)]
    [InlineData("log1p", double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData("log1p", double.NegativeInfinity, double.NaN)]
    [InlineData("log1p", double.MaxValue, 709.782712893384)]
    [InlineData("exp2", 1024, double.PositiveInfinity)]
    [InlineData("exp2", -1074, double.Epsilon)]
    [InlineData("exp2", 10, 1024)]
    [InlineData("exp2", double.NegativeInfinity, 0)]
    [InlineData("erfc", double.PositiveInfinity, 0)]
    [InlineData("erfc", double.NegativeInfinity, 2)]
    [InlineData("erfc", 0, 1)]
    [InlineData("erfc", 28, 0)]
    [InlineData("erfc", double.NaN, double.NaN)]
    [InlineData("trunc", -0.5, -0.0)]
    [InlineData("trunc", -1e300, -1e300)]
    public void Float64_at_special_places(string name, double x, double expected)
    {
        double actual = ((Func<double, double>)ScalarFunctions.Find(name)!.Reference!)(x);
        bool close =
            double.IsFinite(expected) && Math.Abs(expected) > 1e-300
                ? Math.Abs(actual - expected) <= 4e-13 * Math.Abs(expected)
                : BitConverter.DoubleToInt64Bits(actual) == BitConverter.DoubleToInt64Bits(expected)
                    || (double.IsNaN(actual) && double.IsNaN(expected));
        Assert.True(close, $"{name}({x:R}) is {actual:R}, not {expected:R}");
    }
}

/// <summary>Fixed-point numbers as integers, with what functions need of them.</summary>
internal static class BigReal
{
    public const int Digits = 640;

    private static readonly BigInteger One = BigInteger.One << Digits;
    private static readonly BigInteger Pi = 16 * ArcTan(One / 5) - 4 * ArcTan(One / 239);
    private static readonly BigInteger Ln2 = 2 * ArcTanH(One / 3);

    /// <summary>A double, exactly where it has no smaller bits than the fixed point.</summary>
    public static BigInteger From(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(Math.Abs(x));
        int exponent = Math.Max((int)(bits >> 52), 1) - 1075;
        BigInteger mantissa = (bits & ((1L << 52) - 1)) | (bits >> 52 > 0 ? 1L << 52 : 0);
        var value = exponent + Digits >= 0 ? mantissa << (exponent + Digits) : mantissa >> -(exponent + Digits);
        return x < 0 ? -value : value;
    }

    /// <summary>Distance in units of the last place of the exact value.</summary>
    public static double Ulps(double actual, BigInteger exact)
    {
        long size = (long)BigInteger.Abs(exact).GetBitLength() - 1;
        // The unit is 2^(size - 52) in units of the fixed point.
        var distance = BigInteger.Abs(From(actual) - exact);
        return (double)(distance << 20) / Math.Pow(2, size - 52 + 20);
    }

    public static BigInteger Of(string name, double x)
    {
        var a = From(x);
        return name switch
        {
            "exp" => Exp(a),
            "log" => Log(a),
            "sin" => Sin(a),
            "cos" => Sin(a + Pi / 2),
            "tanh" => Div(Exp(a) - Exp(-a), Exp(a) + Exp(-a)),
            "sigmoid" => Div(One, One + Exp(-a)),
            "erf" => Erf(a),
            "rsqrt" => Div(One, Sqrt(a)),
            "reciprocal" => Div(One, a),
            "expm1" => Exp(a) - One,
            "exp2" => Exp(Mul(a, Ln2)),
            "log1p" => Log(One + a),
            "log2" => Div(Log(a), Ln2),
            "log10" => Div(Log(a), Log(10 * One)),
            "tan" => Div(Sin(a), Sin(Pi / 2 - a)),
            "asin" => ArcTan(Div(a, Sqrt(One - Mul(a, a)))),
            "acos" => Pi / 2 - ArcTan(Div(a, Sqrt(One - Mul(a, a)))),
            "atan" => ArcTan(a),
            "sinh" => (Exp(a) - Exp(-a)) / 2,
            "cosh" => (Exp(a) + Exp(-a)) / 2,
            "asinh" => a.Sign * Log(BigInteger.Abs(a) + Sqrt(Mul(a, a) + One)),
            "acosh" => Log(a + Sqrt(Mul(a, a) - One)),
            "atanh" => Log(Div(One + a, One - a)) / 2,
            "erfc" => One - Erf(a),
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no exact value"),
        };
    }

    /// <summary>a^b for a &gt; 0, where the power is above 2^-500.</summary>
    public static BigInteger Pow(double a, double b) => Exp(Mul(From(b), Log(From(a))));

    private static BigInteger Mul(BigInteger a, BigInteger b) => (a * b) >> Digits;

    private static BigInteger Div(BigInteger a, BigInteger b) => (a << Digits) / b;

    private static BigInteger Sqrt(BigInteger a)
    {
        var wide = a << Digits;
        if (wide.IsZero)
            return wide;
        var root = BigInteger.One << (int)((wide.GetBitLength() + 1) / 2 + 1);
        while (true)
        {
            var next = (root + wide / root) >> 1;
            if (next >= root)
                return root;
            root = next;
        }
    }

    private static BigInteger Exp(BigInteger a)
    {
        // e^a = 2^n·(e^(r/2^16))^(2^16), which loses 16 of many digits.
        var n = (2 * a + Ln2) / (2 * Ln2);
        if (2 * a + Ln2 < 0)
            n -= 1;
        var r = (a - n * Ln2) >> 8;
        var (term, sum) = (One, One);
        for (int i = 1; !term.IsZero && i < 200; i++)
        {
            term = Mul(term, r) / i;
            if (term == -1)
                break;
            sum += term;
        }
        for (int i = 0; i < 8; i++)
            sum = Mul(sum, sum);
        return n >= 0 ? sum << (int)n : sum >> (int)-n;
    }

    // By Newton's method from the double.
    private static BigInteger Log(BigInteger a)
    {
        int shift = (int)a.GetBitLength() - 1 - Digits;
        var m = shift >= 0 ? a >> shift : a << -shift;
        var y = From(Math.Log((double)(m >> (Digits - 60)) / Math.Pow(2, 60)));
        for (int i = 0; i < 4; i++)
        {
            var e = Exp(y);
            y += 2 * Div(m - e, m + e);
        }
        return y + shift * Ln2;
    }

    private static BigInteger Sin(BigInteger a)
    {
        var turns = BigInteger.Divide(2 * a + (a.Sign < 0 ? -Pi : Pi), 2 * Pi);
        var r = a - turns * Pi;
        var square = Mul(r, r);
        var (term, sum) = (r, r);
        for (int n = 1; !term.IsZero && n < 200; n++)
        {
            term = -Mul(term, square) / (2 * n * (2 * n + 1));
            sum += term;
        }
        return turns.IsEven ? sum : -sum;
    }

    private static BigInteger ArcTan(BigInteger a)
    {
        int halved = 0;
        while (BigInteger.Abs(a) > One / 8)
        {
            a = Div(a, One + Sqrt(One + Mul(a, a)));
            halved++;
        }
        var square = Mul(a, a);
        var (power, sum) = (a, a);
        for (int n = 1; !power.IsZero && n < 400; n++)
        {
            power = -Mul(power, square);
            sum += power / (2 * n + 1);
        }
        return sum << halved;
    }

    private static BigInteger ArcTanH(BigInteger a)
    {
        var square = Mul(a, a);
        var (power, sum) = (a, a);
        for (int n = 1; !power.IsZero && n < 400; n++)
        {
            power = Mul(power, square);
            sum += power / (2 * n + 1);
        }
        return sum;
    }

    private static BigInteger Erf(BigInteger a)
    {
        var square = Mul(a, a);
        var (term, sum) = (a, a);
        for (int n = 1; !term.IsZero && n < 2000; n++)
        {
            term = Mul(term, 2 * square) / (2 * n + 1);
            if (term == -1)
                break;
            sum += term;
        }
        return Div(Mul(2 * sum, Exp(-square)), Sqrt(Pi));
    }
}
