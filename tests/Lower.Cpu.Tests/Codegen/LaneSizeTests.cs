using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Defaults;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Vector code in which values of several sizes meet: conversions, comparisons, values with their places, bools.</summary>
public class LaneSizeTests
{
    private static readonly DType[] Types =
    [
        DType.Float32,
        DType.Float64,
        DType.Float16,
        DType.BFloat16,
        DType.Int32,
        DType.Int64,
        DType.UInt32,
        DType.UInt8,
        DType.Bool,
        DType.Int8,
        DType.Int16,
    ];

    // Where conversion of what does not fit is nobody's promise, none is drawn.
    private static double Draw(Random random, DType from, DType to)
    {
        bool unsigned = from is DType.UInt8 or DType.UInt32 || to is DType.UInt8 or DType.UInt32;
        double most =
            from == DType.Bool ? 1
            : from == DType.Int8 || to == DType.Int8 ? 127
            : from == DType.UInt8 || to == DType.UInt8 || from == DType.Float16 || to == DType.Float16 ? 255
            : from == DType.Int16 || to == DType.Int16 || random.Next(2) == 0 ? 1000
            : 1 << 30;
        double value =
            unsigned || from == DType.Bool ? random.NextDouble() * most : (2 * random.NextDouble() - 1) * most;
        return random.Next(5) == 0 ? 0
            : from.IsFloat() ? value
            : Math.Floor(value);
    }

    public static TheoryData<int, long> Lengths()
    {
        var data = new TheoryData<int, long>();
        foreach (int bits in Widths.All)
        foreach (long n in (long[])[1, 7, 64, 101])
            data.Add(bits, n);
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Lengths))]
    public void Every_conversion_gives_what_the_evaluator_does(int bits, long n)
    {
        var backend = Widths.Backend(bits);
        var random = new Random(bits + (int)n);
        foreach (var from in Types)
        foreach (var to in Types.Where(t => t != from))
        {
            var g = new AlgorithmBuilder("cast");
            var i = new Axis("i", n);
            var x = g.Input("X", from, n);
            var algorithm = g.Build(g.Stage("Y", [i], Op.Cast(to, x[i])));
            Check(algorithm, backend, (_, _) => Draw(random, from, to), $"{from} to {to}");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Lengths))]
    public void Choices_and_comparisons_of_several_sizes(int bits, long n)
    {
        var backend = Widths.Backend(bits);
        var random = new Random(bits + (int)n);
        foreach (var a in Types.Where(t => t != DType.Bool))
        foreach (var b in Types)
        {
            var g = new AlgorithmBuilder("choice");
            var i = new Axis("i", n);
            var x = g.Input("X", a, n);
            var y = g.Input("Y", b, n);
            var mask = g.Input("M", DType.Bool, n);
            Expr first = Op.Lt(x[i], Op.Const(3, a));
            Expr second = b == DType.Bool ? y[i] : Op.Ne(y[i], Op.Const(1, b));
            var both = Op.Or(Op.And(first, Op.Not(second)), mask[i]);
            var z = Op.Select(both, y[i], b == DType.Bool ? Op.Not(y[i]) : Op.Const(7, b));
            Check(g.Build(g.Stage("Z", [i], z)), backend, (_, _) => random.Next(6) / 2, $"{a}, {b}");
            var h = new AlgorithmBuilder("places");
            x = h.Input("X", a, n);
            var counted = Op.Select(Op.Lt(x[i], Op.Const(2, a)), i.Var * 3 - 5, Op.Cast(DType.Int64, Op.Lt(i.Var, 9)));
            Check(h.Build(h.Stage("Z", [i], counted)), backend, (_, _) => random.Next(6) / 2, $"places by {a}");
        }
    }

    // Lanes some elements apart: read by vectors and permutations, and stored so that several rows alternate.
    [SkippableTheory]
    [MemberData(nameof(Lengths))]
    public void Elements_apart_and_rows_that_alternate(int bits, long n)
    {
        var backend = Widths.Backend(bits);
        var random = new Random(bits + (int)n);
        foreach (
            var type in (DType[])
                [
                    DType.Float32,
                    DType.Int32,
                    DType.Float64,
                    DType.Int64,
                    DType.BFloat16,
                    DType.UInt8,
                    DType.Int8,
                    DType.Int16,
                ]
        )
        foreach (long apart in (long[])[2, 3, 4, 5])
        {
            // Nothing lies behind the last element that is read.
            long most = (n - 1) * apart + 1;
            var g = new AlgorithmBuilder("apart");
            var r = new Axis("r", 3);
            var i = new Axis("i", n);
            var x = g.Input("X", type, 3, most);
            Check(
                g.Build(g.Stage("Y", [r, i], x[r, i.Var * apart])),
                backend,
                (_, at) => at % 100,
                $"{type}, {apart} apart"
            );
            var h = new AlgorithmBuilder("alternate");
            var c = new Axis("c", apart);
            i = new Axis("i", n);
            x = h.Input("X", type, apart, n);
            Check(h.Build(h.Stage("Y", [i, c], x[c, i])), backend, (_, at) => at % 100, $"{type}, {apart} alternate");
        }
    }

    // Whether threads share a sum or not, whole stretches or a rest.
    [SkippableTheory]
    [InlineData("140000")]
    [InlineData("131072")]
    [InlineData("401x337")]
    [InlineData("5x32771")]
    public void Sums_and_places_of_all_elements_by_threads(string shape)
    {
        long[] size = [.. shape.Split('x').Select(long.Parse)];
        var backend = Widths.Backend(Lower.Cpu.Machine.CpuTarget.NativeVectorBits, 2);
        foreach (string kind in (string[])["sum", "max", "argmin"])
        {
            var g = new AlgorithmBuilder(kind);
            Axis[] axes = [.. size.Select((extent, d) => new Axis($"a{d}", extent))];
            var x = g.Input("X", DType.Float32, [.. size.Select(extent => (Expr)extent)]);
            if (kind == "argmin" && axes.Length > 1)
                continue;
            var value = x[[.. axes.Select(a => (Expr)a.Var)]];
            var algorithm =
                kind == "argmin" ? g.Build([.. g.TupleStage("Y", [], AlgorithmBuilder.ArgMin(axes[0], value))])
                : kind == "sum" ? g.Build(g.Stage("Y", [], AlgorithmBuilder.Sum(axes, value)))
                : g.Build(g.Stage("Y", [], AlgorithmBuilder.Max(axes, value)));
            Check(algorithm, backend, (_, at) => at * 7919 % 1009 - 500, $"{kind} of {shape}");
        }
    }

    public static TheoryData<int, string> Extremes()
    {
        var data = new TheoryData<int, string>();
        foreach (int bits in Widths.All)
        foreach (string shape in (string[])["1x1", "3x17", "70x3", "2x1000", "600x40"])
            data.Add(bits, shape);
        return data;
    }

    // Ties, NaN, infinities, both zeros: the first place counts, and the first NaN before all.
    [SkippableTheory]
    [MemberData(nameof(Extremes))]
    public void Places_of_extremes_are_the_first_in_rows_columns_and_all(int bits, string shape)
    {
        var backend = Widths.Backend(bits);
        var random = new Random(bits + shape.Length);
        long[] size = [.. shape.Split('x').Select(long.Parse)];
        foreach (
            var type in (DType[])[DType.Float32, DType.Float64, DType.BFloat16, DType.Int32, DType.Int64, DType.UInt8]
        )
        foreach (int axis in (int[])[0, 1])
        foreach (bool largest in (bool[])[true, false])
        foreach (bool hard in type.IsFloat() ? (bool[])[true, false] : [false])
        {
            var g = new AlgorithmBuilder("extreme");
            var kept = new Axis("j", size[1 - axis]);
            var k = new Axis("k", size[axis]);
            var x = g.Input("X", type, size[0], size[1]);
            var value = axis == 0 ? x[k, kept] : x[kept, k];
            var algorithm = g.Build([
                .. g.TupleStage(
                    "Y",
                    [kept],
                    largest ? AlgorithmBuilder.ArgMax(k, value) : AlgorithmBuilder.ArgMin(k, value)
                ),
            ]);
            double[] odd = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, -0.0, 0];
            Check(
                algorithm,
                backend,
                (_, _) => hard && random.Next(20) == 0 ? odd[random.Next(odd.Length)] : random.Next(10),
                $"{type} axis {axis} largest {largest} hard {hard}"
            );
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Extremes))]
    public void Sums_and_tests_of_narrow_types(int bits, string shape)
    {
        var backend = Widths.Backend(bits);
        var random = new Random(bits + shape.Length);
        long[] size = [.. shape.Split('x').Select(long.Parse)];
        foreach (var type in Types)
        foreach (int axis in (int[])[0, 1])
        {
            foreach (string kind in (string[])["sum", "any", "all", "max"])
            {
                if (kind == "max" && type == DType.Bool)
                    continue;
                var g = new AlgorithmBuilder(kind);
                var kept = new Axis("j", size[1 - axis]);
                var k = new Axis("k", size[axis]);
                var x = g.Input("X", type, size[0], size[1]);
                var value = axis == 0 ? x[k, kept] : x[kept, k];
                var test = type == DType.Bool ? value : Op.Ne(value, Op.Const(0, type));
                var reduction = kind switch
                {
                    "sum" => AlgorithmBuilder.Sum(k, Op.Cast(type.IsFloat() ? DType.Float64 : DType.Int64, value)),
                    "any" => AlgorithmBuilder.Any([k], test),
                    "all" => AlgorithmBuilder.All([k], test),
                    _ => AlgorithmBuilder.Max([k], value),
                };
                int rare = random.Next(2) == 0 ? 2 : 500;
                Check(
                    g.Build(g.Stage("Y", [kept], reduction)),
                    backend,
                    (_, _) =>
                        (random.Next(rare) == 0) == (kind == "all") ? 0
                        : type == DType.Bool ? 1
                        : 1 + random.Next(100),
                    $"{kind} {type} axis {axis}"
                );
            }
        }
    }

    private static void Check(
        Algorithm algorithm,
        Lower.Cpu.CpuBackend backend,
        Func<Algorithms.Buffer, long, double> draw,
        string what
    )
    {
        var inputs = algorithm.Inputs.ToImmutableDictionary(
            b => b,
            b =>
            {
                long[] shape = [.. b.Shape.Select(e => ((IntImm)e).Value)];
                var values = Enumerable
                    .Range(0, (int)shape.Aggregate(1L, (n, d) => n * d))
                    .Select(at => b.Type.Info().Round(draw(b, at)))
                    .ToArray();
                return b.Type.IsFloat()
                    ? NDArray.Of(b.Type, shape, values)
                    : NDArray.Of(b.Type, shape, Array.ConvertAll(values, v => (long)v));
            }
        );
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
        string? wrong = Execution.Wrong(algorithm, Execution.Run(kernel, algorithm, inputs), expected);
        Assert.True(wrong is null, $"{what}: {wrong}");
    }
}
