using System.Reflection;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Interpret;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// sin and cos where some arguments are far (beyond <see cref="Picograd.Algorithms.Functions.ScalarFunctions.AngleRange"/>): loops leave their fast body for
/// one iteration, whichever lane or copy of an unrolled body it is, and with whatever sums they carry.
/// </summary>
public class FarAngleTests
{
    private static readonly float[] Far = [1e5f, 100000.01f, -3.4e38f, float.NaN, float.PositiveInfinity, 7e6f, 1e20f];

    private static readonly double[] FarOfDoubles =
    [
        1 << 30,
        1073741824.0000002,
        -1.7e308,
        double.NaN,
        double.NegativeInfinity,
        -7e9,
        1e20,
    ];

    public static TheoryData<string, int, DType> Cases()
    {
        var data = new TheoryData<string, int, DType>();
        foreach (
            string name in new[]
            {
                "sin",
                "cos",
                "both",
                "nested",
                "two stages",
                "rows",
                "columns",
                "row sums",
                "column sums",
                "scan",
            }
        )
        foreach (int every in new[] { 3, 41, 977 })
            data.Add(name, every, DType.Float32);
        foreach (string name in new[] { "sin", "both", "rows", "columns", "row sums", "scan" })
            data.Add(name, 41, DType.Float64);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Far_angles_among_near_ones(string name, int every, DType type)
    {
        var algorithm = Build(name, type);
        var input = algorithm.Inputs[0];
        var x = new NDArray(type, [.. input.Shape.Select(e => ((IntImm)e).Value)]);
        var random = new Random(every);
        for (int i = 0; i < x.Length; i++)
            x.Doubles[i] =
                random.Next(every) == 0 ? FarOne(random, name, type) : (float)(random.NextDouble() * 60 - 30);
        var inputs = new Dictionary<Buffer, NDArray> { [input] = x };
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        var host = new Dictionary<string, HostArray> { [input.Name] = HostArray.From(x, input) };
        foreach (int bits in Widths.All.Where(b => b <= CpuTarget.NativeVectorBits))
        foreach (int threads in new[] { 1, 2 })
        {
            var backend = Widths.Backend(bits, threads);
            var nest = DefaultSchedule.For(algorithm, backend.Target);
            using var kernel = backend.Compile(nest);
            var y = Execution.Run(kernel, algorithm, inputs);
            var wrong = Execution.Wrong(algorithm, y, expected);
            Assert.True(wrong is null, $"{name}, {bits} bits, one in {every} far: {wrong}");
            // The same operations in the same order.
            var interpreted = Interpreter.Run(backend.Lower(nest), host);
            for (int o = 0; o < y.Length; o++)
            {
                var same = interpreted[o].ToDoubles();
                for (int i = 0; i < same.Length; i++)
                    Assert.True(same[i].Equals(y[o].Doubles[i]), $"{name}, {bits} bits: element {i} of output {o}");
            }
        }
    }

    // Sums have no bound beside infinities.
    private static double FarOne(Random random, string name, DType type)
    {
        double far =
            type == DType.Float64 ? FarOfDoubles[random.Next(FarOfDoubles.Length)] : Far[random.Next(Far.Length)];
        return name.EndsWith("sums", StringComparison.Ordinal) || name == "scan"
            ? double.IsFinite(far)
                ? far
                : -2e10f
            : far;
    }

    private static Algorithm Build(string name, DType type)
    {
        const int Rows = 13,
            Columns = 331;
        var g = new AlgorithmBuilder("angles");
        var i = new Axis("i", Rows);
        var j = new Axis("j", Columns);
        var n = new Axis("n", Rows * Columns);
        if (name is "sin" or "cos" or "both" or "nested" or "two stages")
        {
            var x = g.Input("X", type, Rows * Columns);
            if (name == "two stages")
            {
                var y = g.Stage("Y", [n], Op.Sin(x[n]));
                return g.Build(y, g.Stage("Z", [n], Op.Cos(x[n]) * y[n]));
            }
            return g.Build(
                g.Stage(
                    "Y",
                    [n],
                    name switch
                    {
                        "sin" => Op.Sin(x[n]),
                        "cos" => Op.Cos(x[n]),
                        "both" => Op.Sin(x[n]) * Op.Cos(x[n]),
                        _ => Op.Cos(Op.Sin(x[n]) * Op.Const(3e9f, type)),
                    }
                )
            );
        }
        var m = g.Input("X", type, Rows, Columns);
        return g.Build(
            name switch
            {
                "rows" => g.Stage("Y", [i, j], Op.Sin(m[i, j]) + Op.Cos(m[i, 0])),
                "columns" => g.Stage("Y", [j, i], Op.Cos(m[i, j])),
                "row sums" => g.Stage("Y", [i], AlgorithmBuilder.Sum(j, Op.Sin(m[i, j]))),
                "column sums" => g.Stage("Y", [j], AlgorithmBuilder.Sum(i, Op.Cos(m[i, j]))),
                _ => g.Scan("Y", [j, i], i, Op.Cos(m[i, j]), Reducer.Sum(type)),
            }
        );
    }

    // The pool inlined into every kernel with a parallel loop cost 4 ms of compilation where the JIT had a profile of it.
    [Fact]
    public void What_kernels_call_to_run_a_parallel_loop_is_not_inlined() =>
        Assert.True(
            typeof(ParallelTrampoline)
                .GetMethod(nameof(ParallelTrampoline.Run))!
                .MethodImplementationFlags.HasFlag(MethodImplAttributes.NoInlining)
        );
}
