using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Passes;
using Xunit;

namespace Picograd.Tests.MathFunctions;

/// <summary>
/// Functions of the table where they are hard: signed zeros, denormal numbers, neighbours of zeros, poles, of bounds of their
/// domain and of where results overflow or vanish, infinities. In Float32 against the function in double, which
/// <see cref="HighPrecisionTests"/> checks.
/// </summary>
public sealed class HardPointTests
{
    public static TheoryData<string> Functions =>
        [.. ScalarFunctions.All.Where(f => f is { Arity: 1, Float32: not null }).Select(f => f.Name)];

    private static readonly double[] s_places =
    [
        0,
        0.25,
        0.4142135,
        0.5,
        0.70710678,
        1,
        1.4142135,
        2,
        Math.PI / 4,
        Math.PI / 2,
        Math.PI,
        1.5 * Math.PI,
        1000 * Math.PI,
        1000.5 * Math.PI,
        1e5,
        3,
        9.01,
        10.05,
        10.06,
        17.3,
        18,
        20,
        87.3,
        88.02,
        88.3762626,
        88.7228394,
        89.4159851,
        103.27,
        103.97,
        126,
        127.999,
        128,
        149,
        149.5,
        150,
        1e9,
        16777216,
        1.8446744e19,
        1.7014118e38,
        float.MaxValue,
        1.17549435e-38,
        float.Epsilon,
        1e-42,
        1e-30,
        5.96e-8,
        1.19e-7,
        3e-4,
    ];

    [Theory]
    [MemberData(nameof(Functions))]
    public void Within_the_stated_error(string name)
    {
        var function = ScalarFunctions.Find(name)!;
        var x = CompiledExpr.Placeholder(DType.Float32);
        var f = CompiledExpr.Compile<float>(ExpandMath.Expand(Op.Call(function, x)), x);
        var reference = (Func<double, double>)function.Reference!;
        foreach (float at in Points())
        {
            double exact = reference(at);
            float actual = f(at);
            double error = Ulps(actual, exact);
            Assert.True(
                error <= function.MaxUlp,
                $"{name}({at:R}) is {actual:R}, not {exact:R}: {error:F3} ULP, stated {function.MaxUlp}"
            );
            // The sign of zero as that of the function of doubles.
            if (exact == 0 && actual == 0)
                Assert.True(
                    double.IsNegative(exact) == float.IsNegative(actual),
                    $"{name}({at:R}) is {actual:R}, not {exact:R}"
                );
        }
    }

    [Fact]
    public void Angles_of_points()
    {
        var (y, x) = (
            CompiledExpr.Placeholder(DType.Float32),
            new Picograd.Algorithms.Buffer("x2", DType.Float32, [1])[0]
        );
        float[] values =
        [
            0f,
            -0f,
            1,
            -1,
            2,
            -3,
            float.Epsilon,
            -float.Epsilon,
            1e-40f,
            1e-38f,
            1.5f,
            float.MaxValue,
            -float.MaxValue,
            float.PositiveInfinity,
            float.NegativeInfinity,
            float.NaN,
        ];
        var random = new Random(4);
        float[] drawn = [.. Enumerable.Range(0, 300).Select(_ => Draw(random)), .. values];
        foreach (float b in drawn)
        {
            var at = Op.Call(ScalarFunctions.Atan2, y, Op.Const(b, DType.Float32));
            var f = CompiledExpr.Compile<float>(ExpandMath.Expand(at), y);
            foreach (float a in drawn)
            {
                double exact = Math.Atan2(a, b);
                float actual = f(a);
                Assert.True(
                    Ulps(actual, exact) <= ScalarFunctions.Atan2.MaxUlp
                        && (exact != 0 || double.IsNegative(exact) == float.IsNegative(actual)),
                    $"atan2({a:R}, {b:R}) is {actual:R}, not {exact:R}: {Ulps(actual, exact)}"
                );
            }
        }
    }

    private static float Draw(Random random) =>
        (float)(
            (random.NextDouble() * 2 - 1)
            * Math.Pow(2, random.Next(2) == 0 ? random.Next(-3, 3) : random.Next(-149, 127))
        );

    private static IEnumerable<float> Points()
    {
        float[] special = [float.PositiveInfinity, float.NegativeInfinity, float.NaN, 0f, -0f];
        foreach (float s in special)
            yield return s;
        foreach (double place in s_places)
        {
            int bits = BitConverter.SingleToInt32Bits((float)place);
            for (int d = -40; d <= 40; d++)
            {
                if (bits + d is < 0 or > 0x7f800000)
                    continue;
                float at = BitConverter.Int32BitsToSingle(bits + d);
                yield return at;
                yield return -at;
            }
        }
    }

    private static double Ulps(float actual, double exact)
    {
        if (double.IsNaN(exact) || float.IsNaN(actual))
            return double.IsNaN(exact) && float.IsNaN(actual) ? 0 : double.PositiveInfinity;
        if (actual.Equals((float)exact) && (actual == 0 || float.IsInfinity(actual)))
            return 0;
        if (double.IsInfinity(exact))
            return double.PositiveInfinity;
        double unit = Math.Pow(2, Math.Clamp(exact == 0 ? -126 : Math.ILogB(exact), -126, 127) - 23);
        double value = float.IsInfinity(actual) ? Math.CopySign(Math.Pow(2, 128), actual) : actual;
        return Math.Abs(value - exact) / unit;
    }
}
