using System.Runtime.Intrinsics;
using Picograd.Algorithms.Functions;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.MathFunctions;

/// <summary>a^b of Float32: error, exact results, C99's special values, and equal bits for one lane and many.</summary>
public sealed class PowTests(ITestOutputHelper output)
{
    private static readonly float[] Special =
    [
        0f,
        -0f,
        1,
        -1,
        2,
        -2,
        0.5f,
        -0.5f,
        3,
        -3,
        float.Epsilon,
        -float.Epsilon,
        float.MaxValue,
        -float.MaxValue,
        float.PositiveInfinity,
        float.NegativeInfinity,
        float.NaN,
        16777216,
        16777215,
        -16777215,
        1.0000001f,
        0.99999994f,
        -0.99999994f,
        127,
        -149.5f,
    ];

    // The runtime's Float64 function follows C99; products of special values need no rounding that could hide a difference.
    [Fact]
    public void Special_values_are_those_of_C99()
    {
        foreach (float a in Special)
        foreach (float b in Special)
        {
            float expected = (float)Math.Pow(a, b);
            float actual = PowFloat32.Pow(a, b);
            Assert.True(
                float.IsNaN(expected) ? float.IsNaN(actual) : Bits(expected) == Bits(actual),
                $"pow({a:R}, {b:R}) is {actual:R}, not {expected:R}"
            );
        }
    }

    [Theory]
    [InlineData(10, 10, 10000000000f)]
    [InlineData(1, float.NaN, 1)]
    [InlineData(float.NaN, 0, 1)]
    [InlineData(-0f, -1, float.NegativeInfinity)]
    [InlineData(0f, -1, float.PositiveInfinity)]
    [InlineData(1, float.PositiveInfinity, 1)]
    [InlineData(1, float.NegativeInfinity, 1)]
    [InlineData(-1, float.PositiveInfinity, 1)]
    [InlineData(0, float.PositiveInfinity, 0)]
    [InlineData(3, 15, 14348907)]
    [InlineData(-2, 3, -8)]
    [InlineData(2, -149, float.Epsilon)]
    public void Named_values(float a, float b, float expected)
    {
        Assert.Equal(Bits(expected), Bits(PowFloat32.Pow(a, b)));
    }

    [Fact]
    public void Whole_powers_are_exact_where_a_float_holds_them()
    {
        for (int a = -300; a <= 300; a++)
        for (int b = 0; b <= 24; b++)
        {
            var exact = System.Numerics.BigInteger.Pow(a, b);
            if (float.IsFinite((float)exact) && (System.Numerics.BigInteger)(float)exact == exact)
                Assert.Equal((float)exact, PowFloat32.Pow(a, b));
        }
    }

    [Fact]
    public void Error_is_at_most_the_stated_one()
    {
        var random = new Random(5);
        double worst = 0;
        string at = "";
        for (int i = 0; i < 2_000_000; i++)
        {
            // Any two patterns of bits; or a result drawn first, so that most are finite.
            float a = BitConverter.Int32BitsToSingle((int)random.NextInt64(int.MinValue, int.MaxValue));
            float b = BitConverter.Int32BitsToSingle((int)random.NextInt64(int.MinValue, int.MaxValue));
            if (i % 4 != 0)
            {
                a = i % 4 == 1 ? 1 + (float)((random.NextDouble() - 0.5) * Math.Pow(2, -random.Next(23))) : Math.Abs(a);
                b = (float)((random.NextDouble() * 300 - 155) / Math.Log2(a));
            }
            double exact = Math.Pow(a, b);
            float actual = PowFloat32.Pow(a, b);
            if (double.IsNaN(exact) || Math.Abs(exact) >= 3.4028235677973366e38 || exact == 0)
            {
                Assert.True(
                    double.IsNaN(exact) ? float.IsNaN(actual) : Bits((float)exact) == Bits(actual),
                    $"pow({a:R}, {b:R}) is {actual:R}, not {exact:R}"
                );
                continue;
            }
            double unit = Math.Pow(2, Math.Clamp(Math.ILogB(exact), -126, 127) - 23);
            double error = Math.Abs(actual - exact) / unit;
            if (error > worst)
                (worst, at) = (error, $"pow({a:R}, {b:R})");
        }
        output.WriteLine($"{worst:F6} ULP at {at}");
        Assert.InRange(worst, 0.4, PowFloat32.MaxUlp);
    }

    [Fact]
    public void Lanes_have_the_bits_of_the_scalar()
    {
        var random = new Random(6);
        var (a, b) = (new float[16], new float[16]);
        for (int i = 0; i < 5000; i++)
        {
            for (int l = 0; l < 16; l++)
            {
                a[l] = random.Next(9) == 0 ? Special[random.Next(Special.Length)] : (float)(random.NextDouble() * 20);
                b[l] =
                    random.Next(9) == 0 ? Special[random.Next(Special.Length)] : (float)(random.NextDouble() * 40 - 20);
            }
            var wide = PowFloat32.Pow(Vector512.Create(a), Vector512.Create(b));
            var half = PowFloat32.Pow(Vector256.Create(a), Vector256.Create(b));
            var quarter = PowFloat32.Pow(Vector128.Create(a), Vector128.Create(b));
            for (int l = 0; l < 16; l++)
            {
                int expected = Bits(PowFloat32.Pow(a[l], b[l]));
                Assert.Equal(expected, Bits(wide[l]));
                if (l < 8)
                    Assert.Equal(expected, Bits(half[l]));
                if (l < 4)
                    Assert.Equal(expected, Bits(quarter[l]));
            }
        }
    }

    // One NaN is as good as another.
    private static int Bits(float x) => float.IsNaN(x) ? -1 : BitConverter.SingleToInt32Bits(x);
}
