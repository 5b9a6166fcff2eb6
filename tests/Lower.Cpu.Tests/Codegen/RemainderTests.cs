using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Defaults;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Quotients in whole numbers and their rests on zeros of both signs, infinities and NaN, as PyTorch has them.</summary>
public class RemainderTests
{
    private static readonly double[] Values =
    [
        0.0,
        -0.0,
        1,
        -1,
        2,
        -2,
        3,
        -3,
        4,
        -4,
        0.75,
        -0.75,
        5.5,
        -5.5,
        1e-30,
        -1e-30,
        double.PositiveInfinity,
        double.NegativeInfinity,
        double.NaN,
    ];

    [Theory]
    [InlineData("fmod", "f32")]
    [InlineData("fmod", "f64")]
    [InlineData("remainder", "f32")]
    [InlineData("remainder", "f64")]
    [InlineData("floor_divide", "f32")]
    [InlineData("floor_divide", "f64")]
    public void Special_values_and_signs_of_zero(string name, string type)
    {
        // Quotients of the smallest are beyond what is exact.
        var pairs = (
            from a in Values
            from b in Values
            where Math.Abs(b) != 1e-30 || !(Math.Abs(a) > 1e-30)
            select (A: a, B: b)
        ).ToList();
        var spec = OperatorSpec.Parse($"{name} n={pairs.Count} dtype={type}");
        var algorithm = spec.Build();
        var (x, y) = (new NDArray(spec.Type(), [pairs.Count]), new NDArray(spec.Type(), [pairs.Count]));
        double Stored(double value) => spec.Type() == DType.Float32 ? (float)value : value;
        for (int i = 0; i < pairs.Count; i++)
            (x.Doubles[i], y.Doubles[i]) = (Stored(pairs[i].A), Stored(pairs[i].B));
        var inputs = new Dictionary<Buffer, NDArray> { [algorithm.Inputs[0]] = x, [algorithm.Inputs[1]] = y };
        foreach (int bits in Widths.All.Where(b => b <= CpuTarget.NativeVectorBits))
        {
            var backend = Widths.Backend(bits);
            using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
            var result = Execution.Run(kernel, algorithm, inputs)[0];
            for (int i = 0; i < pairs.Count; i++)
            {
                var (a, b, got) = (x.Doubles[i], y.Doubles[i], result.Doubles[i]);
                double expected = Stored(Expected(name, a, b));
                Assert.True(
                    double.IsNaN(expected)
                        ? double.IsNaN(got)
                        : BitConverter.DoubleToInt64Bits(expected) == BitConverter.DoubleToInt64Bits(got),
                    $"{spec}, {bits} bits: of {a:R} and {b:R} {got:R}, not {expected:R}"
                );
            }
        }
    }

    // As PyTorch computes them.
    private static double Expected(string name, double a, double b)
    {
        double rest = a % b;
        if (name == "fmod")
            return rest;
        bool differ = rest != 0 && b < 0 != rest < 0;
        if (name == "remainder")
            return differ ? rest + b : rest;
        if (b == 0)
            return a / b;
        double quotient = (a - rest) / b - (differ ? 1 : 0);
        if (quotient == 0)
            return Math.CopySign(0, a / b);
        double down = Math.Floor(quotient);
        return quotient - down > 0.5 ? down + 1 : down;
    }
}
