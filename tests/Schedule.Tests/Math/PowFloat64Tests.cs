using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Passes;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.MathFunctions;

/// <summary>a^b of Float64 in arithmetic: error against hundreds of digits, exact results, C99's special values.</summary>
public sealed class PowFloat64Tests(ITestOutputHelper output)
{
    private static readonly Lazy<Func<double, double, double>> s_pow = new(() =>
    {
        var (a, b) = (CompiledExpr.Placeholder(DType.Float64, "a"), CompiledExpr.Placeholder(DType.Float64, "b"));
        return CompiledExpr.Compile<double>(ExpandMath.Expand(Op.Pow(a, b)), a, b);
    });

    private static readonly double[] Special =
    [
        0.0,
        -0.0,
        1,
        -1,
        2,
        -2,
        0.5,
        -0.5,
        3,
        -3,
        2.5,
        -7.25,
        127,
        -149.5,
        1024,
        -1074,
        -1075,
        1e-310,
        double.Epsilon,
        -double.Epsilon,
        2.2250738585072014e-308,
        double.MaxValue,
        -double.MaxValue,
        double.PositiveInfinity,
        double.NegativeInfinity,
        double.NaN,
        4503599627370495.5,
        -4503599627370495.5,
        4503599627370497,
        -4503599627370497,
        9007199254740991,
        -9007199254740991,
        9007199254740992,
        1.8446744073709552e19,
        1.0000000000000002,
        -1.0000000000000002,
        0.9999999999999999,
        -0.9999999999999999,
        1e300,
        -1e300,
        1e-300,
    ];

    private static double Pow(double a, double b) => s_pow.Value(a, b);

    [Fact]
    public void Special_values_are_those_of_C99()
    {
        foreach (double a in Special)
        foreach (double b in Special)
        {
            double expected = Math.Pow(a, b);
            double actual = Pow(a, b);
            bool same =
                double.IsNaN(expected) ? double.IsNaN(actual)
                : double.IsInfinity(expected) || expected == 0
                    ? BitConverter.DoubleToInt64Bits(expected) == BitConverter.DoubleToInt64Bits(actual)
                : Math.Sign(actual) == Math.Sign(expected) && Units(actual, expected) <= 2;
            Assert.True(same, $"pow({a:R}, {b:R}) is {actual:R}, not {expected:R}");
        }
    }

    [Fact]
    public void Whole_powers_are_exact_where_a_double_holds_them()
    {
        for (int a = -300; a <= 300; a++)
        for (int b = 0; b <= 53; b++)
        {
            var exact = System.Numerics.BigInteger.Pow(a, b);
            if (System.Numerics.BigInteger.Abs(exact) < (1L << 53))
                Assert.Equal((double)exact, Pow(a, b));
        }
    }

    [Fact]
    public void Error_is_at_most_the_stated_one()
    {
        var random = new Random(5);
        double worst = 0;
        string at = "";
        for (int i = 0; i < 1500; i++)
        {
            double a = (i % 4) switch
            {
                0 => random.NextDouble() * 4,
                1 => 1 + (random.NextDouble() - 0.5) * Math.Pow(2, -random.Next(50)),
                2 => Math.Pow(2, random.NextDouble() * 400 - 200),
                _ => 0.70710678118654752 * (1 + (random.NextDouble() - 0.5) * Math.Pow(2, -random.Next(40))),
            };
            // A power drawn first; one in three as large or as small as hundreds of digits hold.
            double log = i % 3 == 0 ? (random.Next(2) * 2 - 1) * 330 : (random.NextDouble() - 0.5) * 100;
            double b = i % 7 == 0 ? random.NextDouble() * 4 - 2 : log / Math.Log(a);
            if (a <= 0 || a == 1 || !(Math.Abs(b * Math.Log(a)) < 340) || Math.Abs(b) > 1e17)
                continue;
            double error = BigReal.Ulps(Pow(a, b), BigReal.Pow(a, b));
            if (error > worst)
                (worst, at) = (error, $"pow({a:R}, {b:R})");
        }
        output.WriteLine($"{worst:F4} ULP at {at}");
        Assert.InRange(worst, 0.4, ScalarFunctions.Pow.MaxUlpFloat64);
    }

    // Where the digits do not reach, up to overflow and down through the denormal numbers, beside the runtime's function.
    [Fact]
    public void Near_the_runtimes_up_to_the_ends()
    {
        var random = new Random(7);
        double worst = 0;
        for (int i = 0; i < 200_000; i++)
        {
            double a = BitConverter.Int64BitsToDouble(random.NextInt64(1, 0x7ff0000000000000));
            double b = (random.NextDouble() * 1470 - 750) / Math.Log(a);
            worst = Math.Max(worst, Units(Pow(a, b), Math.Pow(a, b)));
            Assert.True(worst <= 2, $"pow({a:R}, {b:R}) is {Pow(a, b):R}, not {Math.Pow(a, b):R}");
        }
        output.WriteLine($"{worst} units apart at most");
        Assert.True(worst > 0, "nothing was compared");
    }

    // In doubles between, so that an infinity is next to the largest number.
    private static double Units(double a, double b) =>
        double.IsNaN(a) != double.IsNaN(b)
            ? double.PositiveInfinity
            : (double)Int128.Abs((Int128)BitConverter.DoubleToInt64Bits(a) - BitConverter.DoubleToInt64Bits(b));
}
