using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.Interpret;

public class InterpreterTests
{
    [Fact]
    public void Matmul_of_the_initial_nest_is_the_matrix_product()
    {
        double[] c = Nests.Run(InitialNest.Of(Nests.Matmul(2, 2, 3)));
        // A = [1 2 3; 4 5 6], B = [1 2; 3 4; 5 6]
        Assert.Equal([22, 28, 49, 64], c);
    }

    [Fact]
    public void Split_with_a_guarded_tail_computes_the_same()
    {
        var schedule = new Schedule(Nests.Matmul(5, 7, 3));
        double[] before = Nests.Run(schedule.Nest);
        schedule.Split("C.m", 2, Tail.Guard);
        schedule.Split("C.k", 2, Tail.Peel);
        schedule.Split("C.n", 4, Tail.Predicate);
        Assert.Equal(before, Nests.Run(schedule.Nest));
    }

    [Fact]
    public void Every_operation_rounds_to_float32()
    {
        var g = new AlgorithmBuilder("round");
        var a = g.Input("A", DType.Float32, 1);
        var i = new Axis("i", 1);
        // (2^24 + 1) rounds to 2^24, so the difference is 0 in float and 1 in double.
        var sum = a[i] + 16777216f;
        double[] b = Nests.Run(InitialNest.Of(g.Build(g.Stage("B", [i], sum - 16777216f))));
        Assert.Equal([0.0], b);
    }

    [Fact]
    public void Fma_rounds_once()
    {
        var g = new AlgorithmBuilder("fma");
        var a = g.Input("A", DType.Float32, 1);
        var i = new Axis("i", 1);
        float x = 1 + MathF.ScaleB(1, -12);
        var exact = Op.Fma(a[i] * x, a[i] * x, a[i] * -(x * x));
        double[] b = Nests.Run(InitialNest.Of(g.Build(g.Stage("B", [i], exact))));
        Assert.Equal([Math.ScaleB(1, -24)], b);
    }

    [Theory]
    [InlineData(DType.Int32, 2147483647, -2147483648)]
    [InlineData(DType.UInt8, 255, 0)]
    [InlineData(DType.UInt32, 4294967295, 0)]
    public void Integers_wrap_at_their_width(DType type, double start, double expected)
    {
        var g = new AlgorithmBuilder("wrap");
        var a = g.Input("A", type, 1);
        var i = new Axis("i", 1);
        var nest = InitialNest.Of(g.Build(g.Stage("B", [i], a[i] + new IntImm(1, type))));
        var inputs = new Dictionary<string, HostArray> { ["A"] = HostArray.Of(type, [1], [start]) };
        Assert.Equal([expected], Interpreter.Run(nest, inputs)[0].ToDoubles());
    }

    [Theory]
    [InlineData(DType.Float16, 2049, 2048)]
    [InlineData(DType.BFloat16, 257, 256)]
    [InlineData(DType.BFloat16, 259, 260)]
    public void Half_types_round_when_stored(DType type, double value, double stored)
    {
        var array = new HostArray(type, [1]);
        array[0] = value;
        Assert.Equal(stored, array[0]);
    }

    [Fact]
    public void Loads_behind_a_false_condition_are_not_performed()
    {
        var g = new AlgorithmBuilder("lazy");
        var a = g.Input("A", DType.Float32, 4);
        var i = new Axis("i", 6);
        var inside = Op.And(Op.Le(1, i.Var), Op.Lt(i.Var, 5));
        var shifted = Op.Select(Op.And(inside, Op.Lt(0f, a[i.Var - 1])), a[i.Var - 1], 0f);
        Assert.Equal([0, 1, 2, 3, 4, 0], Nests.Run(InitialNest.Of(g.Build(g.Stage("B", [i], shifted)))));
    }

    [Fact]
    public void Argmax_takes_the_first_of_equals_and_nan_above_all()
    {
        var g = new AlgorithmBuilder("argmax");
        var a = g.Input("A", DType.Float32, 2, 4);
        var (i, k) = (new Axis("i", 2), new Axis("k", 4));
        var best = g.TupleStage("B", [i], AlgorithmBuilder.ArgMax(k, a[i, k]));
        var nest = InitialNest.Of(g.Build(best[1]));
        var inputs = new Dictionary<string, HostArray>
        {
            ["A"] = HostArray.Of(DType.Float32, [2, 4], [1, 7, 7, 2, 3, double.NaN, 9, double.NaN]),
        };
        Assert.Equal([1, 1], Interpreter.Run(nest, inputs)[0].ToDoubles());
    }

    [Fact]
    public void Scan_and_scatter_with_duplicates_accumulate()
    {
        var g = new AlgorithmBuilder("counts");
        var a = g.Input("A", DType.Float32, 5);
        var at = g.Input("At", DType.Int64, 5);
        var (i, j) = (new Axis("i", 5), new Axis("j", 3));
        var sums = g.Scatter("S", [i], [3], [at[i]], a[i], Reducer.Sum(DType.Float32));
        var running = g.Scan("R", [j], j, sums[j], Reducer.Sum(DType.Float32));
        var inputs = new Dictionary<string, HostArray>
        {
            ["A"] = HostArray.Of(DType.Float32, [5], [1, 2, 3, 4, 5]),
            ["At"] = HostArray.Of(DType.Int64, [5], [2, 0, 2, 0, 2]),
        };
        Assert.Equal([6, 6, 15], Interpreter.Run(InitialNest.Of(g.Build(running)), inputs)[0].ToDoubles());
    }

    [Fact]
    public void Symbolic_extents_take_the_value_of_the_run()
    {
        var g = new AlgorithmBuilder("rows");
        var n = g.Parameter("N", 9);
        var a = g.Input("A", DType.Float32, n, 2);
        var (i, k) = (new Axis("i", n), new Axis("k", 2));
        var nest = InitialNest.Of(g.Build(g.Stage("B", [i], AlgorithmBuilder.Sum(k, a[i, k]))));
        Assert.Equal([3, 7, 11], Nests.Run(nest, null, new Dictionary<string, long> { ["N"] = 3 }));
        var error = Assert.Throws<ArgumentException>(() =>
            Nests.Run(nest, null, new Dictionary<string, long> { ["N"] = 10 })
        );
        Assert.Equal("parameters: N is 10, outside of 1..9", error.Message);
    }

    [Fact]
    public void Strided_inputs_are_read_through_their_strides()
    {
        var g = new AlgorithmBuilder("transposed");
        var a = g.Input(new Buffer("A", DType.Float32, [2, 3], Scope.Global, [1, 2]));
        var (i, j) = (new Axis("i", 2), new Axis("j", 3));
        var nest = InitialNest.Of(g.Build(g.Stage("B", [i, j], a[i, j])));
        var array = HostArray.For(a);
        for (int p = 0; p < 6; p++)
            array[p] = p;
        var inputs = new Dictionary<string, HostArray> { ["A"] = array };
        Assert.Equal([0, 1, 2, 3, 4, 5], Interpreter.Run(nest, inputs)[0].ToDoubles());
    }

    [Fact]
    public void A_stride_of_zero_broadcasts()
    {
        var array = new HostArray(DType.Float32, [2, 3], [0, 1]);
        array[4] = 7;
        Assert.Equal([0, 7, 0, 0, 7, 0], array.ToDoubles());
    }

    [Fact]
    public void An_intrinsic_call_does_what_its_meaning_says()
    {
        var matmul = Nests.Matmul(4, 5, 6);
        var (a, b, c) = (matmul.Inputs[0], matmul.Inputs[1], matmul.Outputs[0]);
        var (ta, tb) = (new Buffer("a", DType.Float32, [3]), new Buffer("b", DType.Float32, [3]));
        var tc = new Buffer("c", DType.Float32, [1]);
        var k = new Var("k");
        var dot = new Intrinsic(
            "dot3",
            [tc, ta, tb],
            new Block(
                "dot",
                [new BlockAxis(k, 3, AxisKind.Reduce, k)],
                Op.True,
                [tc],
                [0],
                [ta[k] * tb[k]],
                Reducer.Sum(DType.Float32)
            )
        );
        var (m, n, o) = (new Var("m"), new Var("n"), new Var("o"));
        var body = Nests.Loop(
            m,
            4,
            Nests.Loop(
                n,
                5,
                Seq.Of(
                    new Store(c, [m, n], 0f),
                    Nests.Loop(
                        o,
                        2,
                        new Call(
                            dot,
                            [c, a, b],
                            [
                                [m, n],
                                [m, o * 3],
                                [o * 3, n],
                            ],
                            [
                                [1],
                                [1],
                                [0],
                            ]
                        )
                    )
                )
            )
        );
        Assert.Equal(Nests.Run(InitialNest.Of(matmul)), Nests.Run(Nests.With(matmul, body)));
    }

    [Fact]
    public void Arguments_that_do_not_fit_are_named()
    {
        var nest = InitialNest.Of(Nests.Double());
        var wrong = new HostArray(DType.Float64, [8]);
        var error = Assert.Throws<ArgumentException>(() =>
            Interpreter.Run(nest, [wrong, new HostArray(DType.Float32, [8])])
        );
        Assert.Equal("arguments: A is f64[8], must be f32[8]", error.Message);
        error = Assert.Throws<ArgumentException>(() => Interpreter.Run(nest, [wrong]));
        Assert.Equal("arguments: 1 given, double takes A, B", error.Message);
    }

    [Theory]
    [InlineData(0.0, 0.0)]
    [InlineData(0.5, 0.5204998778130465)]
    [InlineData(1.5, 0.9661051464753108)]
    [InlineData(-2.4, -0.9993114861033549)]
    [InlineData(2.6, 0.9997639655834707)]
    [InlineData(3.5, 0.9999992569016276)]
    [InlineData(7.0, 1.0)]
    public void Erf_is_right_to_the_last_digits(double x, double expected)
    {
        var g = new AlgorithmBuilder("erf");
        var a = g.Input("A", DType.Float64, 1);
        var i = new Axis("i", 1);
        var nest = InitialNest.Of(g.Build(g.Stage("B", [i], Op.Erf(a[i]))));
        var inputs = new Dictionary<string, HostArray> { ["A"] = HostArray.Of(DType.Float64, [1], [x]) };
        Assert.Equal(expected, Interpreter.Run(nest, inputs)[0][0], 4e-16);
    }
}
