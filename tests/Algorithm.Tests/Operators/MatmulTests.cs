using System.Diagnostics;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Operators;

public class MatmulTests(ITestOutputHelper output)
{
    [Fact]
    public void Tf32_cuts_the_last_13_bits_of_operands()
    {
        var algorithm = OperatorSpec.Parse("matmul m=1 n=1 k=2 tf32=1").Build();
        double last = 1.0 / 1024;
        var inputs = new Dictionary<Algorithms.Buffer, NDArray>
        {
            [algorithm.Inputs[0]] = NDArray.Of(DType.Float32, [1, 2], [1 + last * 1.5, -3 - last / 2]),
            [algorithm.Inputs[1]] = NDArray.Of(DType.Float32, [2, 1], [1.0, 2.0]),
        };
        var result = Evaluator.RunWithBounds(algorithm, inputs)[algorithm.Outputs[0]];
        Assert.Equal(1 + last - 6, result.Value.At(0));
        Assert.InRange(result.Bound[0], 0, 1e-5);
    }

    [Theory]
    [InlineData("matmul m=5 n=7 k=3")]
    [InlineData("matmul m=1 n=1 k=1")]
    [InlineData("matmul m=13 n=1 k=17 ta=1")]
    [InlineData("matmul m=4 n=11 k=2 tb=1")]
    [InlineData("matmul m=6 n=5 k=9 ta=1 tb=1")]
    [InlineData("matmul m=3 n=4 k=5 batch=3")]
    [InlineData("matmul m=3 n=4 k=5 batch=2 bcast=a tb=1")]
    [InlineData("matmul m=3 n=4 k=5 batch=2 bcast=b ta=1")]
    [InlineData("matmul m=3 n=4 k=5 bias=1")]
    [InlineData("matmul m=3 n=4 k=5 bias=1 act=relu")]
    [InlineData("matmul m=3 n=4 k=5 act=tanh batch=2")]
    [InlineData("matmul m=3 n=4 k=5 act=sigmoid dtype=f64")]
    [InlineData("matmul m=3 n=4 k=5 act=silu dtype=f16")]
    [InlineData("matmul m=3 n=4 k=5 bias=1 batch=2 dtype=i64")]
    [InlineData("matmul m=5 n=2 k=7 ta=1 dtype=i32")]
    public void Equals_plain_loops(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var inputs = spec.MakeInputs(7);
        var c = Evaluator.Run(algorithm, inputs)[algorithm.Outputs[0]];
        var (a, b) = (inputs[algorithm.Inputs[0]], inputs[algorithm.Inputs[1]]);
        var bias = spec.Flag("bias") ? inputs[algorithm.Inputs[2]] : null;
        long batch = spec.Dim("batch");
        bool ta = spec.Flag("ta");
        bool tb = spec.Flag("tb");
        for (long t = 0; t < batch; t++)
        for (long i = 0; i < spec.Dim("m"); i++)
        for (long j = 0; j < spec.Dim("n"); j++)
        {
            double sum = 0;
            for (long p = 0; p < spec.Dim("k"); p++)
            {
                long[] placeA = ta ? [p, i] : [i, p];
                long[] placeB = tb ? [j, p] : [p, j];
                if (batch > 1 && spec.Choice("bcast") != "a")
                    placeA = [t, .. placeA];
                if (batch > 1 && spec.Choice("bcast") != "b")
                    placeB = [t, .. placeB];
                sum += a[placeA] * b[placeB];
            }
            if (bias is not null)
                sum += bias[j];
            double expected = spec.Choice("act") switch
            {
                "relu" => Math.Max(sum, 0),
                "tanh" => Math.Tanh(sum),
                "sigmoid" => 1 / (1 + Math.Exp(-sum)),
                "silu" => sum / (1 + Math.Exp(-sum)),
                _ => sum,
            };
            double got = batch > 1 ? c[t, i, j] : c[i, j];
            Assert.Equal(expected, got, 1e-12);
        }
    }

    [Theory]
    [InlineData("matmul m=256 n=256 k=256")]
    [InlineData("matmul m=256 n=256 k=256 tb=1")]
    public void Evaluation_of_millions_of_points_takes_well_under_a_second(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var inputs = spec.MakeInputs(1);
        var watch = Stopwatch.StartNew();
        Evaluator.Run(spec.Build(), inputs);
        double plain = watch.Elapsed.TotalSeconds;
        watch.Restart();
        Evaluator.RunWithBounds(spec.Build(), inputs);
        output.WriteLine($"{text}: {plain:F3} s, with bounds {watch.Elapsed.TotalSeconds:F3} s");
        Assert.True(plain < 5, $"{plain} s");
    }

    [Fact]
    public void Bound_of_a_dot_product_is_the_classical_one()
    {
        var spec = OperatorSpec.Parse("matmul m=3 n=5 k=100");
        var inputs = spec.MakeInputs(3, InputKind.Cancellation);
        var algorithm = spec.Build();
        var result = Evaluator.RunWithBounds(algorithm, inputs)[algorithm.Outputs[0]];
        var (a, b) = (inputs[algorithm.Inputs[0]], inputs[algorithm.Inputs[1]]);
        for (int i = 0; i < 3; i++)
        for (int j = 0; j < 5; j++)
        {
            double magnitude = 0;
            float sum = 0;
            for (int p = 0; p < 100; p++)
            {
                magnitude += Math.Abs(a[i, p] * b[p, j]);
                sum += (float)a[i, p] * (float)b[p, j];
            }
            double classical = 101 * Math.Pow(2, -24) * magnitude;
            Assert.InRange(result.Bound[i * 5 + j], classical, classical * 1.01);
            Assert.True(result.Accepts(i * 5 + j, sum));
            Assert.False(result.Accepts(i * 5 + j, sum + 3 * classical));
        }
    }
}
