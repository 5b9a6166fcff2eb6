using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Evaluation;

public class EvaluatorTests
{
    private static readonly double NaN = double.NaN;
    private static readonly double Inf = double.PositiveInfinity;

    private static NDArray Vector(params double[] values) => NDArray.Of(DType.Float32, [values.Length], values);

    private static NDArray Integers(DType type, params long[] values) => NDArray.Of(type, [values.Length], values);

    private static Dictionary<Buffer, NDArray> Inputs(params (Buffer, NDArray)[] inputs) =>
        inputs.ToDictionary(i => i.Item1, i => i.Item2);

    [Theory]
    [InlineData("argmax", 3.0, 1)]
    [InlineData("argmin", -2.0, 2)]
    public void Of_equal_elements_the_first_wins(string name, double value, long index)
    {
        var (v, i) = Arg(name, 1, 3, -2, 3, -2);
        Assert.Equal((value, index), (v, i));
    }

    [Theory]
    [InlineData("argmax")]
    [InlineData("argmin")]
    public void NaN_beats_everything_and_the_first_NaN_wins(string name)
    {
        var (v, i) = Arg(name, 1, NaN, 7, NaN, -7);
        Assert.Equal((NaN, 1), (v, i));
    }

    [Fact]
    public void Rows_of_infinities_have_an_index()
    {
        Assert.Equal((-Inf, 0), Arg("argmax", -Inf, -Inf));
        Assert.Equal((Inf, 0), Arg("argmin", Inf, Inf));
        Assert.Equal((0.0, 1), Arg("argmax", -Inf, 0, -Inf));
    }

    private static (double, long) Arg(string name, params double[] row)
    {
        var algorithm = OperatorSpec.Parse($"{name} rows=1 cols={row.Length} axis=1").Build();
        var x = NDArray.Of(DType.Float32, [1, row.Length], row);
        var got = Evaluator.Run(algorithm, Inputs((algorithm.Inputs[0], x)));
        var bounded = Evaluator.RunWithBounds(algorithm, Inputs((algorithm.Inputs[0], x)));
        Assert.Equal(0, bounded[algorithm.Outputs[1]].Bound[0]);
        return (got[algorithm.Outputs[0]].At(0), got[algorithm.Outputs[1]].Longs[0]);
    }

    [Fact]
    public void Max_and_min_give_NaN_if_any_element_is()
    {
        var g = new AlgorithmBuilder("extremes");
        var x = g.Input("X", DType.Float32, 3);
        var i = new Axis("i", 3);
        var max = g.Stage("Max", [], AlgorithmBuilder.Max([i], x[i]));
        var min = g.Stage("Min", [], AlgorithmBuilder.Min([i], x[i]));
        var algorithm = g.Build(max, min);
        var got = Evaluator.Run(algorithm, Inputs((x, Vector(1, NaN, 3))));
        Assert.Equal(NaN, got[max].At(0));
        Assert.Equal(NaN, got[min].At(0));
    }

    [Fact]
    public void Softmax_of_nothing_but_minus_infinity_is_NaN_and_of_large_numbers_is_not()
    {
        var algorithm = OperatorSpec.Parse("softmax rows=3 cols=2").Build();
        var x = NDArray.Of(DType.Float32, [3, 2], [-Inf, -Inf, 1e30, -1e30, -Inf, 5]);
        var y = Evaluator.Run(algorithm, Inputs((algorithm.Inputs[0], x)))[algorithm.Outputs[0]];
        Assert.Equal([NaN, NaN, 1, 0, 0, 1], y.Doubles);
    }

    [Fact]
    public void Scatter_adds_duplicates_and_starts_from_a_buffer()
    {
        var g = new AlgorithmBuilder("scatter");
        var start = g.Input("start", DType.Float32, 4);
        var index = g.Input("I", DType.Int64, 5);
        var x = g.Input("X", DType.Float32, 5);
        var i = new Axis("i", 5);
        var y = g.Scatter("Y", [i], [4], [index[i]], x[i], Reducer.Sum(DType.Float32), start);
        var most = g.Scatter("M", [i], [4], [index[i]], x[i], Reducer.Max(DType.Float32));
        var algorithm = g.Build(y, most);
        var inputs = Inputs(
            (start, Vector(10, 20, 30, 40)),
            (index, Integers(DType.Int64, 3, 1, 3, 3, 0)),
            (x, Vector(1, 2, 4, 8, 16))
        );
        var got = Evaluator.RunWithBounds(algorithm, inputs);
        Assert.Equal([26, 22, 30, 53], got[y].Value.Doubles);
        Assert.Equal([16, 2, -Inf, 8], got[most].Value.Doubles);
        Assert.Equal(got[y].Value.Doubles, Evaluator.Run(algorithm, inputs)[y].Doubles);
        double u = Math.Pow(2, -24);
        Assert.Equal(4 * u * 53, got[y].Bound[3], 1e-10);
    }

    [Fact]
    public void Symbolic_extents_take_their_values_at_run_time()
    {
        var g = new AlgorithmBuilder("prefix");
        var n = g.Parameter("N", 64);
        var x = g.Input("X", DType.Float32, n);
        var (i, j) = (new Axis("i", n), new Axis("j", n));
        var y = g.Stage("Y", [i], AlgorithmBuilder.Sum(j, x[j] * Op.Cast(DType.Float32, n), j <= i));
        var algorithm = g.Build(y);
        var got = Evaluator.Run(algorithm, Inputs((x, Vector(1, 2, 3))), new Dictionary<string, long> { ["N"] = 3 });
        Assert.Equal([3, 9, 18], got[y].Doubles);

        Refused("no value was given for parameter N", null);
        Refused("parameter N is 65, allowed are 1 to 64", 65);
        Refused("input X is f32[2], got f32[3]", 2);
        void Refused(string reason, long? value)
        {
            var parameters = value is null ? null : new Dictionary<string, long> { ["N"] = value.Value };
            var refusal = Assert.Throws<ArgumentException>(() =>
                Evaluator.Run(algorithm, Inputs((x, Vector(1, 2, 3))), parameters)
            );
            Assert.Contains(reason, refusal.Message);
        }
    }

    [Fact]
    public void Loads_outside_a_buffer_name_stage_buffer_and_index()
    {
        var g = new AlgorithmBuilder("shift");
        var x = g.Input("X", DType.Float32, 4);
        var i = new Axis("i", 4);
        var y = g.Stage("Y", [i], x[i - 1]);
        var algorithm = g.Build(y);
        var failure = Assert.Throws<EvaluationException>(() =>
            Evaluator.Run(algorithm, Inputs((x, Vector(1, 2, 3, 4))))
        );
        Assert.Equal("stage Y: index -1 of X is outside [0, 4) in dimension 0", failure.Message);

        var embedding = OperatorSpec.Parse("embedding vocab=3 dim=2 rows=1").Build();
        failure = Assert.Throws<EvaluationException>(() =>
            Evaluator.Run(
                embedding,
                Inputs(
                    (embedding.Inputs[0], new NDArray(DType.Float32, 3, 2)),
                    (embedding.Inputs[1], Integers(DType.Int64, 3))
                )
            )
        );
        Assert.Equal("stage Y: index 3 of W is outside [0, 3) in dimension 0", failure.Message);
    }

    [Fact]
    public void Operands_that_are_not_chosen_are_not_loaded()
    {
        var g = new AlgorithmBuilder("pad");
        var x = g.Input("X", DType.Float32, 4);
        var flag = g.Input("F", DType.Bool, 4);
        var i = new Axis("i", 6);
        var inside = Op.And(1 <= (Expr)i, i < 5);
        var y = g.Stage("Y", [i], Op.Select(inside, x[i - 1], 0f));
        var z = g.Stage("Z", [i], Op.And(inside, flag[i - 1]));
        var w = g.Stage("W", [i], Op.Or(Op.Not(inside), flag[i - 1]));
        var algorithm = g.Build(y, z, w);
        var got = Evaluator.Run(algorithm, Inputs((x, Vector(1, 2, 3, 4)), (flag, Integers(DType.Bool, 1, 0, 0, 1))));
        Assert.Equal([0, 1, 2, 3, 4, 0], got[y].Doubles);
        Assert.Equal([0, 1, 0, 0, 1, 0], got[z].Longs);
        Assert.Equal([1, 1, 0, 0, 1, 1], got[w].Longs);
    }

    [Theory]
    [InlineData(DType.Int32, int.MaxValue, int.MinValue, 1L, -2147483647L)]
    [InlineData(DType.UInt32, uint.MaxValue, 0L, 1L, 1L)]
    [InlineData(DType.UInt8, 255L, 0L, 1L, 1L)]
    [InlineData(DType.Int64, long.MaxValue, long.MinValue, 1L, -9223372036854775807L)]
    public void Integers_wrap_at_their_width(DType type, long largest, long next, long square, long negated)
    {
        var g = new AlgorithmBuilder("wrap");
        var x = g.Input("X", type, 1);
        Expr one = Op.Const(1, type);
        var sum = g.Stage("S", [], x[0] + one);
        var product = g.Stage("P", [], x[0] * x[0]);
        var negative = g.Stage("N", [], Op.Neg(x[0]));
        var algorithm = g.Build(sum, product, negative);
        var got = Evaluator.Run(algorithm, Inputs((x, Integers(type, largest))));
        Assert.Equal([next, square, negated], [got[sum].Longs[0], got[product].Longs[0], got[negative].Longs[0]]);
    }

    [Fact]
    public void Division_rounds_down_and_bits_are_those_of_the_type()
    {
        var g = new AlgorithmBuilder("bits");
        var x = g.Input("X", DType.Float32, 1);
        var i = g.Input("I", DType.Int64, 2);
        var k = new Axis("k", 2);
        var bits = g.Stage("B", [], Op.Bitcast(DType.UInt32, x[0]));
        var back = g.Stage("F", [], Op.Bitcast(DType.Float32, bits[[]]));
        var floor = g.Stage("D", [k], Op.FloorDiv(i[k], 4));
        var rest = g.Stage("R", [k], Op.Mod(i[k], 4));
        var right = g.Stage("Sh", [k], i[k] >> 1);
        var by = g.Stage("Z", [k], Op.FloorDiv(i[k], i[k] + 7));
        var inputs = Inputs((x, Vector(-1.5)), (i, Integers(DType.Int64, -6, 6)));
        var got = Evaluator.Run(g.Build(bits, back, floor, rest, right), inputs);
        Assert.Equal(0xBFC00000, got[bits].Longs[0]);
        Assert.Equal(-1.5, got[back].Doubles[0]);
        Assert.Equal([-2, 1], got[floor].Longs);
        Assert.Equal([2, 2], got[rest].Longs);
        Assert.Equal([-3, 3], got[right].Longs);
        var failure = Assert.Throws<EvaluationException>(() =>
            Evaluator.Run(g.Build(by), Inputs((x, Vector(1)), (i, Integers(DType.Int64, -7, 6))))
        );
        Assert.Equal("stage Z: -7 // 0", failure.Message);
    }

    [Fact]
    public void A_reducer_of_ones_own_carries_a_tuple()
    {
        // Online softmax: (largest so far, sum of exp relative to it).
        var type = DType.Float32;
        var g = new AlgorithmBuilder("online");
        var x = g.Input("X", type, 5);
        var i = new Axis("i", 5);
        var online = Reducer.Custom(
            "online_softmax",
            [Op.Const(-Inf, type), Op.Const(0, type)],
            (a, b) =>
            {
                Expr m = Op.Max(a[0], b[0]);
                return [m, a[1] * Op.Exp(a[0] - m) + b[1] * Op.Exp(b[0] - m)];
            }
        );
        var state = g.TupleStage("N", [], new Reduction(online, [i], [x[i], Op.Const(1, type)]));
        var algorithm = g.Build([.. state]);
        double[] values = [3, -1, 800, 799, 2];
        var got = Evaluator.RunWithBounds(algorithm, Inputs((x, Vector(values))));
        Assert.Equal(800, got[state[0]].Value.At(0));
        Assert.Equal(values.Sum(v => Math.Exp(v - 800)), got[state[1]].Value.At(0), 1e-12);
        Assert.Equal(0, got[state[0]].Bound[0]);
        Assert.InRange(got[state[1]].Bound[0], 1e-8, 1e-4);
    }

    [Fact]
    public void A_component_may_move_to_another_place()
    {
        // The two largest of a row: combine reads both old components after writing the first.
        var g = new AlgorithmBuilder("two");
        var x = g.Input("X", DType.Int64, 6);
        var i = new Axis("i", 6);
        Expr least = new IntImm(long.MinValue, DType.Int64);
        var best = Reducer.Custom(
            "two_largest",
            [least, least],
            (a, b) => [Op.Max(a[0], b[0]), Op.Max(Op.Min(a[0], b[0]), Op.Max(a[1], b[1]))]
        );
        var two = g.TupleStage("T", [], new Reduction(best, [i], [x[i], least]));
        var got = Evaluator.Run(g.Build([.. two]), Inputs((x, Integers(DType.Int64, 3, 9, -1, 7, 9, 2))));
        Assert.Equal([9, 9], [got[two[0]].Longs[0], got[two[1]].Longs[0]]);
    }

    [Theory]
    [InlineData(0.1, 0.1124629160182849)]
    [InlineData(1, 0.8427007929497149)]
    [InlineData(-2.4, -0.9993114861033549)]
    [InlineData(2.6, 0.9997639655834707)]
    [InlineData(4, 0.9999999845827421)]
    public void Erf_is_good_to_the_last_digits(double x, double expected) =>
        Assert.Equal(expected, FloatFunctions.Erf(x), 4e-16);

    [Fact]
    public void Missing_inputs_are_named()
    {
        var algorithm = OperatorSpec.Parse("tanh n=3").Build();
        var refusal = Assert.Throws<ArgumentException>(() => Evaluator.Run(algorithm, Inputs()));
        Assert.Contains("no array was given for input X: f32[3]", refusal.Message);
    }
}
