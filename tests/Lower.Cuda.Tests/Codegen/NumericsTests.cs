using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>On the emulator: functions of elements on extremes, conversions that round once, sums over long axes.</summary>
[Collection(EmulatorCollection.Name)]
public class NumericsTests
{
    private static readonly TargetInfo s_target = new("cuda", "cuda sm_90a", 0, 0, 132, 0, GpuInfo.H100.L2Bytes, 0)
    {
        Gpu = GpuInfo.H100,
    };

    [SkippableTheory]
    [InlineData("pow n=4099")]
    [InlineData("pow n=4099 dtype=f64")]
    [InlineData("silu n=4099")]
    [InlineData("silu n=4099 dtype=f64")]
    [InlineData("sin n=4099")]
    [InlineData("cos n=4099 dtype=f64")]
    [InlineData("sigmoid n=4099")]
    [InlineData("exp n=4099 dtype=bf16")]
    public void FunctionsOnExtremes(string text)
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse(text);
        EmulatedProgram.Check(NaiveKernels.Of(spec.Build()), spec.MakeInputs(9, InputKind.Extreme));
    }

    [SkippableTheory]
    [InlineData("sum rows=2 cols=200003 axis=1")]
    [InlineData("sum rows=20011 cols=33 axis=0")]
    [InlineData("softmax rows=1 cols=100003")]
    [InlineData("cumsum rows=2 cols=100003")]
    public void LongSums(string text)
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse(text);
        var nest = CudaLowering.Run(DefaultSchedule.For(spec.Build(), s_target), GpuInfo.H100);
        EmulatedProgram.Check(nest, spec.MakeInputs(5, InputKind.Spikes));
    }

    [SkippableTheory]
    [InlineData(DType.Float64, DType.Float16)]
    [InlineData(DType.Float64, DType.BFloat16)]
    [InlineData(DType.Int64, DType.BFloat16)]
    [InlineData(DType.Int32, DType.BFloat16)]
    [InlineData(DType.UInt32, DType.BFloat16)]
    public void ConversionsRoundOnce(DType from, DType to)
    {
        EmulatedLaunch.Require();
        const int Count = 4099;
        var algorithm = OperatorSpec.Parse($"cast n={Count} from={from.Name()} to={to.Name()}").Build();
        var x = new NDArray(from, [Count]);
        var random = new Random(8);
        int digits = to == DType.Float16 ? 11 : 8;
        for (int i = 0; i < Count; i++)
        {
            // Half a unit of the type beyond one of its numbers, and a little more or less.
            double value = (1L << (digits - 1)) + random.Next(1 << (digits - 1)) + 0.5;
            if (from.IsFloat())
                x.Doubles[i] = value * (1 + random.Next(-1, 2) * Math.Pow(2, -random.Next(26, 53)));
            else
                x.Longs[i] =
                    (long)Math.ScaleB(value, random.Next(3, from == DType.Int64 ? 52 : 22)) + random.Next(-1, 2);
        }
        var inputs = new Dictionary<Algorithms.Buffer, NDArray> { [algorithm.Inputs[0]] = x };
        var nest = NaiveKernels.Of(algorithm);
        var y = EmulatedProgram.Run(nest, CudaEmitter.Emit(nest, GpuInfo.H100), inputs)[0];
        for (int i = 0; i < Count; i++)
        {
            decimal exact = from.IsFloat() ? (decimal)(long)Math.ScaleB(x.Doubles[i], 46) : x.Longs[i];
            decimal unit = 1;
            while (Math.Abs(exact) / unit >= 1L << digits)
                unit *= 2;
            double expected = (double)(Math.Round(exact / unit, MidpointRounding.ToEven) * unit);
            if (from.IsFloat())
                expected = Math.ScaleB(expected, -46);
            Assert.Equal(expected, y.Doubles[i]);
        }
    }
}
