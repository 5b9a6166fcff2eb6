using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Functions;
using Picograd.Algorithms.Operators;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Evaluation;

/// <summary>Bounds hold for honest float32 computations, and are tight enough to catch wrong ones.</summary>
public class ErrorBoundTests(ITestOutputHelper output)
{
    public static TheoryData<InputKind> Kinds => [InputKind.Normal, InputKind.WideRange, InputKind.Cancellation];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Hold_for_softmax_and_cross_entropy_in_float32(InputKind kind)
    {
        foreach (int seed in Enumerable.Range(1, 10))
        {
            var spec = OperatorSpec.Parse("softmax rows=7 cols=33");
            var inputs = spec.MakeInputs(seed, kind);
            var x = inputs[spec.Build().Inputs[0]];
            var y = new float[7 * 33];
            for (int r = 0; r < 7; r++)
            {
                float max = Enumerable.Range(0, 33).Max(c => (float)x[r, c]);
                float sum = 0;
                for (int c = 0; c < 33; c++)
                    sum += MathF.Exp((float)x[r, c] - max);
                for (int c = 0; c < 33; c++)
                    y[r * 33 + c] = MathF.Exp((float)x[r, c] - max) / sum;
            }
            AssertAccepted(spec, inputs, y);

            spec = OperatorSpec.Parse("cross_entropy rows=7 classes=33");
            inputs = spec.MakeInputs(seed, kind);
            x = inputs[spec.Build().Inputs[0]];
            var t = inputs[spec.Build().Inputs[1]];
            float loss = 0;
            for (int r = 6; r >= 0; r--)
            {
                float max = Enumerable.Range(0, 33).Max(c => (float)x[r, c]);
                float sum = 0;
                for (int c = 32; c >= 0; c--)
                    sum += MathF.Exp((float)x[r, c] - max);
                loss += (max - (float)x[r, t.Longs[r]] + MathF.Log(sum)) / 7;
            }
            AssertAccepted(spec, inputs, [loss]);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Hold_for_sums_in_any_order(InputKind kind)
    {
        var spec = OperatorSpec.Parse("sum rows=1 cols=1000 axis=1");
        var inputs = spec.MakeInputs(4, kind);
        var x = inputs[spec.Build().Inputs[0]].ToFloats();
        float forwards = 0;
        float backwards = 0;
        foreach (float v in x)
            forwards += v;
        foreach (float v in x.Reverse())
            backwards += v;
        var lanes = new float[8];
        for (int i = 0; i < x.Length; i++)
            lanes[i % 8] += x[i];
        float sorted = x.Order().Aggregate(0f, (a, b) => a + b);
        foreach (float sum in new[] { forwards, backwards, lanes.Sum(), sorted })
            AssertAccepted(spec, inputs, [sum]);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Hold_for_products_in_any_order(InputKind kind)
    {
        int bounded = 0;
        foreach (int k in new[] { 2, 17, 65, 200, 700 })
            for (int seed = 1; seed <= 20; seed++)
            {
                var spec = OperatorSpec.Parse($"prod rows=1 cols={k} axis=1");
                var inputs = spec.MakeInputs(seed, kind);
                var algorithm = spec.Build();
                var x = inputs[algorithm.Inputs[0]].ToFloats();
                var lanes = Enumerable.Repeat(1f, 8).ToArray();
                for (int i = 0; i < x.Length; i++)
                    lanes[i % 8] *= x[i];
                // Sizes in order take the longest way through what is too large or too small for float32.
                foreach (
                    var order in new[] { x, x.Reverse(), lanes, x.OrderBy(Math.Abs), x.OrderByDescending(Math.Abs) }
                )
                    AssertAccepted(spec, inputs, [order.Aggregate(1f, (a, b) => a * b)]);

                var running = OperatorSpec.Parse($"cumprod rows=1 cols={k}");
                float all = 1;
                var factors = new Dictionary<Buffer, NDArray> { [running.Build().Inputs[0]] = NDArray.Of([1, k], x) };
                AssertAccepted(running, factors, [.. x.Select(v => all *= v)]);

                var result = Evaluator.RunWithBounds(algorithm, inputs)[algorithm.Outputs[0]];
                double product = result.Value.At(0);
                if (product != 0 && result.Bound[0] < 0.01 * Math.Abs(product))
                {
                    bounded++;
                    Assert.False(result.Accepts(0, 1.05 * product));
                }
            }
        Assert.True(bounded > 20, $"only {bounded} products of 100 have a bound to speak of");
    }

    [Theory]
    [InlineData("sum rows=1 cols=300007 axis=1")]
    [InlineData("cumsum rows=1 cols=300007")]
    [InlineData("matmul m=1 n=1 k=300007")]
    public void Refuse_one_accumulator_over_a_long_axis_and_accept_blocks(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var inputs = spec.MakeInputs(4, InputKind.Spikes);
        var factors = algorithm.Inputs.Select(b => inputs[b].ToFloats()).ToArray();
        var (one, blocks) = (new float[factors[0].Length], new float[factors[0].Length]);
        float all = 0;
        float before = 0;
        float block = 0;
        for (int i = 0; i < one.Length; i++)
        {
            float term = factors.Aggregate(1f, (p, f) => p * f[i]);
            one[i] = all += term;
            block += term;
            blocks[i] = before + block;
            if (i % 512 == 511)
                (before, block) = (before + block, 0);
        }
        bool scan = spec.Name == "cumsum";
        var expected = Evaluator.RunWithBounds(algorithm, inputs)[algorithm.Outputs[0]];
        Assert.False(expected.Accepts(expected.Value.Length - 1, one[^1]));
        AssertAccepted(spec, inputs, scan ? blocks : [blocks[^1]]);
    }

    [Theory]
    [InlineData("tanh")]
    [InlineData("exp")]
    [InlineData("log")]
    [InlineData("sqrt")]
    [InlineData("sin")]
    [InlineData("sigmoid")]
    public void Hold_for_chains_of_functions(string function)
    {
        // f(x · y + z): the argument is already inexact.
        foreach (var kind in Enum.GetValues<InputKind>())
        {
            var g = new AlgorithmBuilder("chain");
            var x = g.Input("X", DType.Float32, 200, 3);
            var i = new Axis("i", 200);
            Expr inner = x[i, 0] * x[i, 1] + x[i, 2];
            var op = ScalarFunctions.Find(function)!;
            var y = g.Stage("Y", [i], Op.Call(op, inner));
            var algorithm = g.Build(y);
            var data = OperatorSpec.Parse("neg n=600").MakeInputs(3, kind).Values.Single().Doubles;
            if (function is "log" or "sqrt")
                data = [.. data.Select(Math.Abs)];
            if (function == "sin")
                data = [.. data.Select(v => Math.Tanh(v) is var t ? (double)(float)t : 0)];
            var result = Evaluator.RunWithBounds(
                algorithm,
                new Dictionary<Buffer, NDArray> { [x] = NDArray.Of(DType.Float32, [200, 3], data) }
            )[y];
            for (int p = 0; p < 200; p++)
            {
                float a = (float)data[3 * p] * (float)data[3 * p + 1] + (float)data[3 * p + 2];
                float value = function switch
                {
                    "tanh" => MathF.Tanh(a),
                    "exp" => MathF.Exp(a),
                    "log" => MathF.Log(a),
                    "sqrt" => MathF.Sqrt(a),
                    "sin" => MathF.Sin(a),
                    _ => 1 / (1 + MathF.Exp(-a)),
                };
                Assert.True(
                    result.Accepts(p, value),
                    $"{function} {kind} [{p}]: {value} against {result.Value.At(p)} ± {result.Bound[p]}"
                );
            }
        }
    }

    [Fact]
    public void A_choice_that_rounding_could_turn_allows_both_outcomes()
    {
        var g = new AlgorithmBuilder("choice");
        var x = g.Input("X", DType.Float32, 2, 2);
        var (r, c) = (new Axis("r", 2), new Axis("c", 2));
        var s = g.Stage("S", [r, c], x[r, c] * Op.Const(1.1, DType.Float32));
        var best = g.TupleStage("B", [r], AlgorithmBuilder.ArgMax(c, s[r, c]));
        var algorithm = g.Build([.. best]);
        // Row 0: neighbours in float32, closer than the rounding of the product; row 1: clearly apart.
        double close = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(1f) + 1);
        var result = Evaluator.RunWithBounds(
            algorithm,
            new Dictionary<Buffer, NDArray> { [x] = NDArray.Of(DType.Float32, [2, 2], [1, close, 1, 2]) }
        )[best[1]];
        Assert.Equal([1, 1], result.Value.Longs);
        Assert.True(result.Accepts(0, 0));
        Assert.True(result.Accepts(0, 1));
        Assert.False(result.Accepts(1, 0));
    }

    [Fact]
    public void Wrong_results_are_refused_and_overflow_is_allowed_only_where_it_happens()
    {
        var spec = OperatorSpec.Parse("exp n=3");
        var algorithm = spec.Build();
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [algorithm.Inputs[0]] = NDArray.Of(DType.Float32, [3], [1, 88.8, -90.0]),
        };
        var y = Evaluator.RunWithBounds(algorithm, inputs)[algorithm.Outputs[0]];
        Assert.True(y.Accepts(0, MathF.E));
        Assert.False(y.Accepts(0, 2.7183));
        Assert.False(y.Accepts(0, double.PositiveInfinity));
        Assert.False(y.Accepts(0, double.NaN));
        Assert.True(y.Accepts(1, double.PositiveInfinity));
        Assert.True(y.Accepts(2, 0));
        Assert.Equal(0, y.ErrorInBounds(0, Math.E));
        Assert.InRange(y.ErrorInBounds(0, 2.7183), 1, 1000);
        Assert.Equal(double.PositiveInfinity, y.ErrorInBounds(0, double.NaN));
    }

    [Fact]
    public void Half_precision_results_are_bounded_by_their_own_rounding()
    {
        var spec = OperatorSpec.Parse("mul n=50 dtype=f16");
        var algorithm = spec.Build();
        var inputs = spec.MakeInputs(2);
        var y = Evaluator.RunWithBounds(algorithm, inputs)[algorithm.Outputs[0]];
        for (int i = 0; i < 50; i++)
        {
            double product = inputs[algorithm.Inputs[0]].At(i) * inputs[algorithm.Inputs[1]].At(i);
            Assert.True(y.Accepts(i, (double)(Half)product), $"{product} ± {y.Bound[i]}");
            Assert.False(y.Accepts(i, product * 1.01));
        }
    }

    [Fact]
    public void A_denormal_quotient_carries_the_error_of_what_it_is_divided_by()
    {
        double error = BoundRules.Div(1e-314, 0, 8e-5, 1.1e-16);
        Assert.InRange(error, 1.25e-310 * 1.3e-12, 1.25e-310 * 1.5e-12);
    }

    private void AssertAccepted(OperatorSpec spec, IReadOnlyDictionary<Buffer, NDArray> inputs, float[] computed)
    {
        var result = Evaluator.RunWithBounds(spec.Build(), inputs)[spec.Build().Outputs[0]];
        double worst = 0;
        for (int i = 0; i < computed.Length; i++)
        {
            Assert.True(
                result.Accepts(i, computed[i]),
                $"{spec} [{i}]: {computed[i]} against {result.Value.At(i)} ± {result.Bound[i]}"
            );
            worst = Math.Max(worst, result.ErrorInBounds(i, computed[i]));
        }
        output.WriteLine($"{spec}: largest error {worst:F4} bounds");
    }
}
