using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Calls;
using Picograd.Dispatch;
using Xunit;

namespace Picograd.Tests;

/// <summary>Operators of a program's own: calls, dispatch, text, errors. Their gradients are rows of <see cref="GradientCase"/>.</summary>
public sealed class CustomOperatorTests : IDisposable
{
    public void Dispose() => Setup.UseEvaluator();

    private static double[] Ramp(int count) => [.. Enumerable.Range(0, count).Select(i => Math.Sin(1 + 1.7 * i) * 2)];

    private static double[] Expected(double[] x, double[] y, int d) =>
        [
            .. from i in Enumerable.Range(0, x.Length / d)
            from j in Enumerable.Range(0, y.Length / d)
            select Enumerable.Range(0, d).Sum(k => Math.Pow(x[i * d + k] - y[j * d + k], 2)),
        ];

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(7, 3, 5)]
    [InlineData(64, 96, 32)]
    [InlineData(65, 31, 17)]
    public void Runs_on_the_processor(int n, int m, int d)
    {
        Setup.UseCpu();
        var (x, y) = (Ramp(n * d), Ramp(m * d + 5)[5..]);
        var a = Tensor.From<double>(x, [n, d]);
        var b = Tensor.From<double>(y, [m, d]);
        var expected = Expected(x, y, d);
        AssertNear(expected, OwnOperators.Distances.Call(a, b), 1e-12);
        AssertNear(expected, OwnOperators.Distances.Call(a.To(DType.Float32), b.To(DType.Float32)), 1e-4);
        // Operands that do not lie densely.
        var wide = a.Transpose(0, 1).Clone();
        AssertNear(expected, OwnOperators.Distances.Call(wide.Transpose(0, 1), b), 1e-12);
        foreach (var type in new[] { DType.Float16, DType.BFloat16 })
        {
            var (half, other) = (a.To(type), b.To(type));
            var result = OwnOperators.Distances.Call(half, other);
            Assert.Equal(type, result.DType);
            AssertNear(Expected(half.ToDoubles(), other.ToDoubles(), d), result, type == DType.Float16 ? 1e-3 : 8e-3);
        }
    }

    [Fact]
    public void Shapes_share_a_kernel()
    {
        Setup.UseCpu();
        for (int n = 3; n < 40; n++)
        {
            var (x, y) = (Ramp(n * 21), Ramp((n + 1) * 21));
            AssertNear(
                Expected(x, y, 21),
                OwnOperators.Distances.Call(Tensor.From<double>(x, [n, 21]), Tensor.From<double>(y, [n + 1, 21])),
                1e-12
            );
        }
        Assert.InRange(Dispatcher.Statistics.Kernels, 1, 12);
    }

    [Fact]
    public void Cuts_of_a_network_are_trained()
    {
        Setup.UseCpu();
        var generator = new Generator(3);
        var w = Tensor.Randn([4, 3], generator: generator).RequiresGrad_();
        var v = Tensor.Randn([4, 3], generator: generator).RequiresGrad_();
        var x = Tensor.Randn([32, 4], generator: generator);
        var target = Tensor.Randn([32, 3], generator: generator) * 0.1 + x[.., ..3];
        var optimizer = new Adam([w, v], lr: 0.05);
        double first = 0;
        double last = 0;
        for (int step = 0; step < 100; step++)
        {
            var loss = OwnOperators.Huber.Call(OwnOperators.Gated.Call(x.MatMul(w), x.MatMul(v)), target).Mean();
            optimizer.ZeroGrad();
            loss.Backward();
            optimizer.Step();
            last = loss.Item();
            first = step == 0 ? last : first;
        }
        Assert.InRange(last, 0, 0.5 * first);
    }

    [Fact]
    public void Sizes_of_zero_give_sums_of_nothing()
    {
        Setup.UseCpu();
        var d = OwnOperators.Distances.Call(Tensor.Zeros([2, 0]), Tensor.Zeros([3, 0]));
        Assert.Equal([2, 3], d.Shape.ToArray());
        Assert.All(d.ToDoubles(), v => Assert.Equal(0, v));
        d = OwnOperators.Distances.Call(Tensor.Zeros([0, 4]).RequiresGrad_(), Tensor.Zeros([3, 4]));
        Assert.Equal([0, 3], d.Shape.ToArray());
        d.Sum().Backward();
        var none = OwnOperators.LogSumExp.Call(Tensor.Zeros([2, 0]));
        Assert.All(none.ToDoubles(), v => Assert.Equal(double.NegativeInfinity, v));
    }

    [Fact]
    public void Shapes_are_inferred_without_elements()
    {
        var x = Tensor.Zeros([6, 2, 3], DType.Float32, Device.Meta).RequiresGrad_();
        var y = OwnOperators.LogSumExp.Call(x);
        Assert.Equal([6, 2], y.Shape.ToArray());
        Assert.True(y.Device.IsMeta);
        y.Sum().Backward();
        Assert.Equal([6, 2, 3], x.Grad!.Shape.ToArray());
    }

    // Operands are read where they lie, forward and backward: nothing is written out, and what repeats is added up by the gradient.
    [Fact]
    public void Elements_broadcast_by_index()
    {
        var a = Tensor.From<double>(Ramp(24), [2, 3, 4]).RequiresGrad_();
        var b = Tensor.From<double>(Ramp(3), [3, 1]).RequiresGrad_();
        using var recorder = new Recorder();
        using (recorder.Enter())
            OwnOperators.Gated.Call(a, b).Backward(Tensor.Ones([2, 3, 4], DType.Float64));
        Assert.Equal(
            ["gated a=2x3x4 b=1x3x1 dtype=f64", "gated.adjoint a=2x3x4 b=1x3x1 dtype=f64"],
            Specs(recorder).Take(2)
        );
        Assert.Equal([3, 1], b.Grad!.Shape.ToArray());

        // What is expanded lies once; what does not lie densely is copied alone.
        using var other = new Recorder();
        using (other.Enter())
        {
            var row = b.Detach().Reshape(3).Expand(5, 3);
            Assert.Equal([5, 3], OwnOperators.Gated.Call(Tensor.Ones([5, 3], DType.Float64), row).Shape.ToArray());
            OwnOperators.Gated.Call(row, b.Detach().Reshape(3));
            OwnOperators.Gated.Call(a.Detach().Transpose(1, 2), b.Detach().Reshape(3));
        }
        Assert.Equal(
            [
                "gated a=5x3 b=1x3 dtype=f64",
                "copy shape=5x3 strides=0,1 dtype=f64",
                "gated a=5x3 b=1x3 dtype=f64",
                "copy shape=2x4x3 strides=12,1,4 dtype=f64",
                "gated a=8x3 b=1x3 dtype=f64",
            ],
            Specs(other)
        );
    }

    private static IEnumerable<string> Specs(Recorder recorder) =>
        recorder
            .Calls.Select(c => OperatorSpec.Parse(c.Spec).ToString())
            .Where(s => !s.StartsWith("fill", StringComparison.Ordinal));

    [Fact]
    public void More_dimensions_than_operators_have_are_written_out()
    {
        long[] shape = [2, 3, 2, 3, 2, 3, 2, 3];
        var a = Tensor.From<double>(Ramp(1296), shape).RequiresGrad_();
        var b = Tensor.From<double>(Ramp(81), [1, 3, 1, 3, 1, 3, 1, 3]).RequiresGrad_();
        OwnOperators.Gated.Call(a, b).Sum().Backward();
        var (x, y) = (a.Detach().RequiresGrad_(), b.Detach().RequiresGrad_());
        (x * y.Sigmoid()).Sum().Backward();
        AssertNear(x.Grad!.ToDoubles(), a.Grad!, 1e-9);
        Assert.Equal(y.Grad!.Shape.ToArray(), b.Grad!.Shape.ToArray());
        AssertNear(y.Grad!.ToDoubles(), b.Grad!, 1e-9);
    }

    [Fact]
    public void Its_text_is_an_algorithm_of_the_same_structure()
    {
        var (x, y) = (Tensor.Zeros([6, 3]), Tensor.Zeros([4, 3]));
        string text = OwnOperators.Distances.TextFor(x, y);
        Assert.Contains("input X: f32[6, 3]", text);
        var spec = OperatorSpec.Parse("distances n=6 d=3 m=4");
        Assert.Equal(AlgorithmHash.Full(spec.Build()), AlgorithmHash.Full(AlgorithmText.Parse(text)));
    }

    [Fact]
    public void Saved_tensors_must_not_change()
    {
        var a = Tensor.From([1.0, 2]).RequiresGrad_();
        var b = Tensor.From([3.0, 4]);
        var y = OwnOperators.Gated.Call(a, b);
        b.Fill_(0);
        Assert.Contains(
            "that gated saved was changed in place",
            Assert.Throws<InvalidOperationException>(() => y.Sum().Backward()).Message
        );
        y = OwnOperators.Gated.Call(a, b);
        y.Sum().Backward();
        Assert.Contains("already used", Assert.Throws<InvalidOperationException>(() => y.Sum().Backward()).Message);
    }

    [Fact]
    public void Wrong_calls_are_refused_by_name()
    {
        var (x, y) = (Tensor.Zeros([6, 3]), Tensor.Zeros([4, 2]));
        Refused(
            () => OwnOperators.Distances.Call(x, y),
            "Y has the shape [4, 2], in which d is 2, but elsewhere it is 3"
        );
        Refused(() => OwnOperators.Distances.Call(x), "1 inputs were given, but it has 2");
        Refused(
            () => OwnOperators.Distances.Call(x, Tensor.Zeros([3])),
            "Y has the shape [3], but must have 2 dimensions"
        );
        Refused(
            () => OwnOperators.Distances.Call(x, Tensor.Zeros([4, 3], DType.Float64)),
            "Y is f64, but must be f32; convert it with To()"
        );
        Refused(() => OwnOperators.Distances.Call(x.To(DType.Bool), x), "X is bool, but must be f32 or f64");
        Refused(() => OwnOperators.Moments.Call(x), "several outputs; use CallAll");
        Refused(() => OwnOperators.Gated.Call(x, y), "do not broadcast");
    }

    [Fact]
    public void Wrong_definitions_are_refused()
    {
        static Algorithms.Buffer Same(AlgorithmBuilder g, Algorithms.Buffer x) => x;

        Refused(() => CustomOperator.Define("tanh", "X[n] -> Y[n]", Same), "is called tanh already");
        Refused(() => CustomOperator.Define("gated", "X[n] -> Y[n]", Same), "is called gated already");
        Refused(() => CustomOperator.Define("1st", "X[n] -> Y[n]", Same), "must be a letter");
        Refused(() => CustomOperator.Define("own1", "X[n], Y[n]", Same), "must have one arrow");
        Refused(() => CustomOperator.Define("own1", "X[*] -> Y[*]", Same), "must have a name");
        Refused(() => CustomOperator.Define("own1", "X[n] -> Y[m]", Same), "dimension m, which no input has");
        Refused(() => CustomOperator.Define("own1", "X:int[n] -> Y[n], X[n]", Same), "two operands are called X");
        Refused(() => CustomOperator.Define("own1", "X:f33[n] -> Y[n]", Same), "dtype 'f33'", "f32");
        Refused(() => CustomOperator.Define("own1", "X[n, m] -> Y[m]", Same), "output Y has the shape [5, 7]");
        Refused(() => CustomOperator.Define("own1", "X[n] -> Y:i64[n]", Same), "must be i64; use Op.Cast");
        Refused(() => CustomOperator.Define("own1", "X[n], Z[n] -> Y[n]", Same), "takes 1 inputs");
        Refused(
            () => CustomOperator.Define("own1", "X[n] -> Y[n], Z[n]", (g, x) => ImmutableArray.Create(x[0])),
            "returned 1 outputs"
        );
        Refused(
            () => CustomOperator.Elementwise("own1", a => a, OwnOperators.Gated),
            "the gradient gated reads B, which is no operand"
        );
        Assert.Throws<ArgumentNullException>(() =>
            CustomOperator.Define(
                "own1",
                "X[n] -> Y[n]",
                (Func<AlgorithmBuilder, Algorithms.Buffer, Algorithms.Buffer>)null!
            )
        );
        // The name is free still, and what gives an input back gives a copy.
        var own = CustomOperator.Define("own1", "X[n] -> Y[n]", Same);
        var given = Tensor.From([1.0, 2]);
        var result = own.Call(given);
        given.Fill_(0);
        Assert.Equal([1.0, 2], result.ToDoubles());
    }

    [Fact]
    public void Sizes_may_be_numbers()
    {
        var thrice = CustomOperator.Define(
            "thrice",
            "X[n] -> Y[n, 3]",
            (g, x) =>
            {
                var (i, j) = (new Axis("i", x.Shape[0]), new Axis("j", 3));
                return g.Stage("Y", [i, j], x[i] * 2);
            }
        );
        var x = Tensor.From([1.0, 5]).RequiresGrad_();
        var y = thrice.Call(x);
        Assert.Equal([2.0, 2, 2, 10, 10, 10], y.ToDoubles());
        y.Sum().Backward();
        Assert.Equal([6.0, 6], x.Grad!.ToDoubles());
    }

    private static void Refused(Action action, params string[] parts)
    {
        string message = Assert.ThrowsAny<ArgumentException>(action).Message;
        Assert.All(parts, part => Assert.Contains(part, message));
    }

    private static void AssertNear(double[] expected, Tensor actual, double tolerance)
    {
        double[] values = actual.ToDoubles();
        Assert.Equal(expected.Length, values.Length);
        for (int i = 0; i < values.Length; i++)
            Assert.InRange(
                values[i],
                expected[i] - tolerance * (1 + Math.Abs(expected[i])),
                expected[i] + tolerance * (1 + Math.Abs(expected[i]))
            );
    }
}
