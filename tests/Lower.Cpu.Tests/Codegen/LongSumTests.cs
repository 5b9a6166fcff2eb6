using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Sums over long axes, by every rule and by the plain nest: errors near those of sums in blocks, whatever the schedule. Inputs are
/// spikes of 2^24 among ones, beside which an accumulator of Float32 loses every one.
/// </summary>
public class LongSumTests
{
    public static TheoryData<string> Long =>
        [
            "sum rows=1 cols=1000003 axis=1",
            "sum rows=1000003 cols=1 axis=0",
            "sum rows=100003 cols=3 axis=0",
            "sum rows=50021 cols=37 axis=0",
            "mean rows=3 cols=200003 axis=1",
            "sum shape=7x101x1009 axes=1,2",
            "sum shape=101x7x1009 axes=0,2",
            "sum rows=2 cols=300007 axis=1 dtype=f64",
            "cumsum rows=2 cols=300007",
            "cumsum rows=300007 cols=2 axis=0",
            "cumsum rows=20011 cols=70 axis=0",
            "softmax rows=2 cols=150001",
            "log_softmax rows=2 cols=150001",
            "softmax.adjoint rows=2 cols=150001",
            "layernorm rows=2 cols=150001",
            "rmsnorm rows=2 cols=150001",
            "cross_entropy rows=2 classes=150001",
            "cross_entropy rows=20011 classes=3",
            "matmul m=1 n=1 k=300007",
            "matmul m=3 n=17 k=100003",
            "matmul m=5 n=33 k=40009 tb=1",
            "conv2d n=1 c=2003 h=5 w=5 oc=2 kh=3 kw=3",
        ];

    [Theory]
    [MemberData(nameof(Long))]
    public void Every_schedule_is_within_the_bound(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var backend = new CpuBackend(CpuTarget.Detect(), 1);
        var random = new Random(11);
        foreach (var kind in new[] { InputKind.Spikes, InputKind.WideRange })
        {
            var algorithm = spec.Build();
            var inputs = GuardedMemory.AsStored(spec.MakeInputs(5, kind));
            var expected = Evaluator.RunWithBounds(algorithm, inputs);
            Check(InitialNest.Of(algorithm), "plain");
            Check(DefaultSchedule.For(algorithm, backend.Target), "default");
            foreach (var rule in ScheduleRules.For(algorithm, backend.Target))
            {
                var choices = rule.Knobs(algorithm, backend.Target)
                    .ToImmutableSortedDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)]);
                LoopNest nest;
                try
                {
                    nest = rule.Apply(algorithm, backend.Target, choices);
                }
                catch (ScheduleException)
                {
                    continue;
                }
                Check(nest, $"{rule.Name} {string.Join(' ', choices)}");
            }

            void Check(LoopNest nest, string how)
            {
                using var kernel = backend.Compile(nest);
                var wrong = Execution.Wrong(algorithm, Execution.Run(kernel, algorithm, inputs), expected);
                Assert.True(wrong is null, $"{spec}, {kind}, {how}: {wrong}");
            }
        }
    }

    [Theory]
    [InlineData("sum rows=1 cols=33554432 axis=1", 33554432)]
    [InlineData("sum rows=33554432 cols=1 axis=0", 33554432)]
    [InlineData("mean rows=1 cols=33554432 axis=1", 1)]
    [InlineData("cumsum rows=1 cols=33554432", 33554432)]
    [InlineData("matmul m=1 n=1 k=33554432", 33554432)]
    public unsafe void Ones_are_all_counted(string text, float last)
    {
        var algorithm = OperatorSpec.Parse(text).Build();
        var backend = new CpuBackend(CpuTarget.Detect(), 1);
        foreach (var nest in new[] { InitialNest.Of(algorithm), DefaultSchedule.For(algorithm, backend.Target) })
        {
            using var kernel = backend.Compile(nest);
            var arrays = algorithm.Arguments.Select(b => new float[b.ConstantSize()!.Value]).ToArray();
            for (int i = 0; i < algorithm.Inputs.Length; i++)
                Array.Fill(arrays[i], 1f);
            var pins = arrays
                .Select(a =>
                    System.Runtime.InteropServices.GCHandle.Alloc(a, System.Runtime.InteropServices.GCHandleType.Pinned)
                )
                .ToArray();
            var addresses = pins.Select(p => p.AddrOfPinnedObject()).ToArray();
            fixed (nint* arguments = addresses)
                kernel.Run(arguments, null);
            foreach (var pin in pins)
                pin.Free();
            Assert.Equal(last, arrays[^1][^1]);
        }
    }

    [Fact]
    public void Running_sums_are_rounded_once()
    {
        var random = new Random(4);
        foreach (string text in new[] { "cumsum rows=3 cols=40009", "cumsum rows=40009 cols=37 axis=0" })
        {
            var algorithm = OperatorSpec.Parse(text).Build();
            var x = new NDArray(DType.Float32, [.. algorithm.Inputs[0].Shape.Select(e => ((IntImm)e).Value)]);
            for (int i = 0; i < x.Length; i++)
                x.Doubles[i] = (float)random.NextDouble();
            var exact = Evaluator.Run(algorithm, new Dictionary<Buffer, NDArray> { [algorithm.Inputs[0]] = x })[
                algorithm.Outputs[0]
            ];
            var backend = new CpuBackend(CpuTarget.Detect(), 1);
            using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
            var y = Execution.Run(kernel, algorithm, new Dictionary<Buffer, NDArray> { [algorithm.Inputs[0]] = x })[0];
            for (int i = 0; i < y.Length; i++)
                Assert.InRange(Math.Abs(y.Doubles[i] / exact.Doubles[i] - 1), 0, 6.1e-8);
        }
    }

    [Theory]
    [InlineData("cumsum rows=301 cols=1000 axis=0")]
    [InlineData("cumsum rows=301 cols=1003 axis=0 dtype=f64")]
    [InlineData("cumsum rows=257 cols=129 axis=0")]
    public void Running_sums_down_columns_are_shared_among_threads(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var inputs = GuardedMemory.AsStored(spec.MakeInputs(3, InputKind.WideRange));
        foreach (int threads in new[] { 1, 2 })
        {
            var y = Sums(threads, a => DefaultSchedule.For(a, new CpuBackend(CpuTarget.Detect(), threads).Target));
            var wrong = Execution.Wrong(algorithm, [y], Evaluator.RunWithBounds(algorithm, inputs));
            Assert.True(wrong is null, $"{text}, {threads} threads: {wrong}");
        }

        NDArray Sums(int threads, Func<Algorithm, LoopNest> schedule)
        {
            var nest = schedule(algorithm);
            if (threads > 1)
                Assert.Contains(nest.Loops, l => l.Kind == LoopKind.Parallel);
            using var kernel = new CpuBackend(CpuTarget.Detect(), threads).Compile(nest);
            return Execution.Run(kernel, algorithm, inputs)[0];
        }
    }

    [Fact]
    public void Running_sums_stay_infinite()
    {
        foreach (string text in new[] { "cumsum rows=1 cols=6", "cumsum rows=6 cols=40 axis=0" })
        {
            var algorithm = OperatorSpec.Parse(text).Build();
            var x = new NDArray(DType.Float32, [.. algorithm.Inputs[0].Shape.Select(e => ((IntImm)e).Value)]);
            long stride = x.Length / 6;
            double[] values = [1, double.PositiveInfinity, 2, 3, double.NegativeInfinity, 5];
            for (int i = 0; i < x.Length; i++)
                x.Doubles[i] = values[i / stride];
            var backend = new CpuBackend(CpuTarget.Detect(), 1);
            using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
            var y = Execution.Run(kernel, algorithm, new Dictionary<Buffer, NDArray> { [algorithm.Inputs[0]] = x })[0];
            double[] expected =
            [
                1,
                double.PositiveInfinity,
                double.PositiveInfinity,
                double.PositiveInfinity,
                double.NaN,
                double.NaN,
            ];
            for (int i = 0; i < y.Length; i++)
                Assert.Equal(expected[i / stride], y.Doubles[i]);
        }
    }
}
