using System.Numerics;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Passes;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.MathFunctions;

/// <summary>
/// sin and cos over the whole range of Float32 and Float64, huge arguments and neighbours of multiples of π/2, against integer
/// arithmetic with 1,300 binary digits after the point.
/// </summary>
public sealed class AngleTests(ITestOutputHelper output)
{
    private const int Digits = 1300;
    private static readonly BigInteger One = BigInteger.One << Digits;
    private static readonly BigInteger Pi = 16 * ArcTanOfInverse(5) - 4 * ArcTanOfInverse(239);

    [Theory]
    [InlineData("sin")]
    [InlineData("cos")]
    public void Float32_is_within_the_stated_error(string kind)
    {
        var x = CompiledExpr.Placeholder(DType.Float32);
        var f = CompiledExpr.Compile<float>(ExpandMath.Expand(Op.Call(ScalarFunctions.Find(kind)!, x)), x);
        double worst = 0;
        foreach (double at in Arguments(float.MaxValue, a => (float)a))
        {
            double exact = Exact(kind, at);
            double unit = Math.Pow(2, Math.Max(Math.ILogB(exact), -126) - 23);
            double error = exact == f((float)at) ? 0 : Math.Abs(f((float)at) - exact) / unit;
            Assert.True(
                error <= ScalarFunctions.Find(kind)!.MaxUlp,
                $"{kind}({at:R}) is {f((float)at):R}, not {exact:R}"
            );
            worst = Math.Max(worst, error);
        }
        output.WriteLine($"{kind}: {worst:F3} ULP");
    }

    // The runtime's own, which back ends call: all of the range must be reduced exactly.
    [Theory]
    [InlineData("sin")]
    [InlineData("cos")]
    public void Float64_is_within_one_unit(string kind)
    {
        foreach (double at in Arguments(double.MaxValue, a => a))
        {
            double exact = Exact(kind, at);
            double actual = kind == "sin" ? Math.Sin(at) : Math.Cos(at);
            double unit = Math.Pow(2, Math.Max(Math.ILogB(exact), -1022) - 52);
            Assert.True(
                exact == actual || Math.Abs(actual - exact) <= unit,
                $"{kind}({at:R}) is {actual:R}, not {exact:R}"
            );
        }
    }

    private static IEnumerable<double> Arguments(double largest, Func<double, double> round)
    {
        double[] named = [13000000, 13421773, 16777216, 33554432, 1e8, 1e9, 2147483647, 1e22, 1e30, 3e38, largest];
        foreach (double a in named)
            yield return round(a);
        var random = new Random(3);
        double log = Math.Log2(largest);
        for (int i = 0; i < 1500; i++)
        {
            double size = Math.Pow(2, random.NextDouble() * (log + 30) - 30);
            // Half of them nearest to a multiple of π/2, where digits cancel.
            double a = round(i % 2 == 0 || size > 1e15 ? size : Math.Round(size) * (Math.PI / 2));
            yield return random.Next(2) == 0 ? a : -a;
        }
    }

    private static double Exact(string kind, double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(Math.Abs(x));
        int exponent = Math.Max((int)(bits >> 52), 1) - 1075;
        BigInteger mantissa = (bits & ((1L << 52) - 1)) | (bits >> 52 > 0 ? 1L << 52 : 0);
        var angle = exponent + Digits >= 0 ? mantissa << (exponent + Digits) : mantissa >> -(exponent + Digits);
        if (kind == "cos")
            angle += Pi / 2;
        // sin of what is left of the multiple of π that is nearest.
        var turns = (2 * angle + Pi) / (2 * Pi);
        var rest = angle - turns * Pi;
        var square = (rest * rest) >> Digits;
        var term = rest;
        var sum = rest;
        for (int n = 1; !term.IsZero; n++)
        {
            term = -((term * square) >> Digits) / (2 * n * (2 * n + 1));
            sum += term;
        }
        double value = (double)(sum >> (Digits - 900)) / Math.Pow(2, 900);
        return value * (turns.IsEven ? 1 : -1) * (kind == "sin" && x < 0 ? -1 : 1);
    }

    private static BigInteger ArcTanOfInverse(int n)
    {
        var power = One / n;
        var sum = power;
        for (int k = 1; !power.IsZero; k++)
        {
            power /= -n * n;
            sum += power / (2 * k + 1);
        }
        return sum;
    }
}
