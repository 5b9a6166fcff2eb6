using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Functions of one and two elements on extremes, as vectors and one by one; conversions that round once.</summary>
public class ScalarFunctionTests
{
    public static TheoryData<string> Functions()
    {
        var data = new TheoryData<string>();
        foreach (var f in ScalarFunctions.All.Where(f => !f.Types.IsDefault && f.Types.Contains(DType.Float32)))
        foreach (var type in f.Types.Where(t => t.IsFloat()))
            data.Add($"{f.Name} n=5003 dtype={type.Name()}");
        return data;
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void Right_on_extremes_and_the_same_in_vectors_and_alone(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var inputs = GuardedMemory.AsStored(spec.MakeInputs(9, InputKind.Extreme));
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        NDArray? first = null;
        foreach (int bits in Widths.All.Where(b => b <= CpuTarget.NativeVectorBits))
        {
            var backend = Widths.Backend(bits);
            foreach (var nest in new[] { DefaultSchedule.For(algorithm, backend.Target), InitialNest.Of(algorithm) })
            {
                using var kernel = backend.Compile(nest);
                // Room for several functions in a kernel; the longest, powers of float64 in vectors of two, has 16 KB.
                Assert.True(
                    kernel.IlBytes < IlWriter.MaxIlBytes / 3,
                    $"{spec}, {bits} bits: {kernel.IlBytes} bytes of IL"
                );
                var y = Execution.Run(kernel, algorithm, inputs);
                var wrong = Execution.Wrong(algorithm, y, expected);
                Assert.True(wrong is null, $"{spec}, {bits} bits: {wrong}");
                first ??= y[0];
                for (int i = 0; i < first.Length; i++)
                    Assert.True(first.At(i).Equals(y[0].At(i)), $"{spec}, {bits} bits: element {i} differs");
            }
        }
    }

    [Theory]
    [InlineData("silu n=1 dtype=f64", -709, -8.62698e-306)]
    [InlineData("silu n=1 dtype=f64", -720, -1.46321e-310)]
    [InlineData("silu n=1 dtype=f64", -745, -2.10472e-321)]
    [InlineData("sigmoid n=1 dtype=f64", -720, 2.03223e-313)]
    [InlineData("silu n=1", -100, -3.72008e-42)]
    [InlineData("silu n=1", -92, -1.02022e-38)]
    [InlineData("silu n=1", -1e30, 0)]
    [InlineData("silu n=1", float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData("silu n=1", float.NegativeInfinity, float.NaN)]
    [InlineData("exp n=1", -100, 3.72008e-44)]
    [InlineData("tanh n=1", 1e-42, 1e-42)]
    [InlineData("sin n=1", 13421773, -0.11290219)]
    [InlineData("cos n=1", 3.4028235e38, 0.8530210)]
    public void Named_values(string text, double x, double y)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var array = new NDArray(spec.Type(), [1]);
        array.Doubles[0] = spec.Type() == DType.Float32 ? (float)x : x;
        using var kernel = Widths.Backend(128).Compile(InitialNest.Of(algorithm));
        var inputs = new Dictionary<Buffer, NDArray> { [algorithm.Inputs[0]] = array };
        double actual = Execution.Run(kernel, algorithm, inputs)[0].Doubles[0];
        double near = Math.Max(Math.Abs(y) * 1e-4, spec.Type() == DType.Float32 ? 1.5e-45 : 5e-324);
        Assert.True(
            actual.Equals(y) || actual == y || Math.Abs(actual - y) <= near,
            $"{text} of {x:R} is {actual:R}, not {y:R}"
        );
    }

    public static TheoryData<DType, DType> Conversions()
    {
        var data = new TheoryData<DType, DType>();
        foreach (
            var from in new[] { DType.Float64, DType.Float32, DType.Int64, DType.Int32, DType.UInt32, DType.UInt8 }
        )
        foreach (var to in new[] { DType.Float64, DType.Float32, DType.Float16, DType.BFloat16 })
            data.Add(from, to);
        return data;
    }

    // Values beside the middle between two neighbours of the narrow type, by less than a Float32 can tell.
    [Theory]
    [MemberData(nameof(Conversions))]
    public void Conversions_round_once(DType from, DType to)
    {
        const int Count = 20011;
        var algorithm = OperatorSpec.Parse($"cast n={Count} from={from.Name()} to={to.Name()}").Build();
        var x = new NDArray(from, [Count]);
        var random = new Random(8);
        for (int i = 0; i < Count; i++)
        {
            if (from.IsFloat())
            {
                double value = Near(random, to, random.Next(-30, 18));
                x.Doubles[i] = from == DType.Float32 ? (float)value : value;
            }
            else
            {
                int top = from switch
                {
                    DType.Int64 => 62,
                    DType.UInt32 => 31,
                    DType.Int32 => 30,
                    _ => 7,
                };
                long value = (long)Near(random, to, random.Next(1, top)) + random.Next(-1, 2);
                x.Longs[i] = from is DType.UInt32 or DType.UInt8 ? Math.Abs(value) : value;
            }
        }
        var inputs = new Dictionary<Buffer, NDArray> { [algorithm.Inputs[0]] = x };
        using var kernel = Widths
            .Backend(256 <= CpuTarget.NativeVectorBits ? 256 : 128)
            .Compile(InitialNest.Of(algorithm));
        var y = Execution.Run(kernel, algorithm, inputs)[0];
        var interpreted = Interpreter
            .Run(
                InitialNest.Of(algorithm),
                new Dictionary<string, HostArray> { ["X"] = HostArray.From(x, algorithm.Inputs[0]) }
            )[0]
            .ToDoubles();
        for (int i = 0; i < Count; i++)
        {
            double exact = from.IsFloat() ? x.Doubles[i] : 0;
            decimal whole = from.IsFloat() ? 0 : x.Longs[i];
            double expected = from.IsFloat() ? Nearest(exact, to) : Nearest(whole, to);
            Assert.True(
                expected.Equals(y.Doubles[i]),
                $"{(from.IsFloat() ? exact : whole):R} is {y.Doubles[i]:R}, not {expected:R}"
            );
            Assert.Equal(expected, interpreted[i]);
        }
    }

    private static double Near(Random random, DType to, int exponent)
    {
        int digits = Digits(to);
        // A number of the type, half a unit more, and a little: 2^-30 to 2^-52 of it, up, down or none.
        double value = (1L << (digits - 1)) + random.NextInt64(1L << (digits - 1)) + (random.Next(3) == 0 ? 0 : 0.5);
        value *= 1 + random.Next(-1, 2) * Math.Pow(2, -random.Next(26, 53));
        return (random.Next(2) == 0 ? 1 : -1) * Math.ScaleB(value, exponent - digits + 1);
    }

    private static int Digits(DType type) =>
        type switch
        {
            DType.Float16 => 11,
            DType.BFloat16 => 8,
            DType.Float32 => 24,
            _ => 53,
        };

    // By scaling to whole numbers, which Float64 rounds to even exactly.
    private static double Nearest(double x, DType to)
    {
        if (x == 0 || to == DType.Float64)
            return x;
        int lowest = to == DType.Float16 ? -24 : -149 + (to == DType.BFloat16 ? 16 : 0);
        int unit = Math.Max(Math.ILogB(x) - Digits(to) + 1, lowest);
        double rounded = Math.ScaleB(Math.Round(Math.ScaleB(x, -unit), MidpointRounding.ToEven), unit);
        return to == DType.Float16 && Math.Abs(rounded) > 65504 ? Math.CopySign(double.PositiveInfinity, x) : rounded;
    }

    private static double Nearest(decimal x, DType to)
    {
        decimal unit = 1;
        while (Math.Abs(x) / unit >= 1L << Digits(to))
            unit *= 2;
        decimal rounded = Math.Round(x / unit, MidpointRounding.ToEven) * unit;
        return to == DType.Float16 && Math.Abs(rounded) > 65504
            ? Math.CopySign(double.PositiveInfinity, (double)x)
            : (double)rounded;
    }
}
