using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>The same on machine code.</summary>
public sealed class GradientSemanticsOnCpuTests : GradientSemanticsTests, IDisposable
{
    public GradientSemanticsOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

/// <summary>Gradients at infinities, NaN, ties and bounds, on the evaluator; values are PyTorch's.</summary>
public class GradientSemanticsTests
{
    private const double Inf = double.PositiveInfinity;
    private const double NaN = double.NaN;

    private static Tensor Leaf(params double[] values) => Tensor.From(values).RequiresGrad_();

    private static double[] Gradient(Func<Tensor, Tensor> run, double[] at, double upstream = 1)
    {
        var x = Leaf(at);
        var y = run(x);
        y.Backward(Tensor.Full(y.Shape, upstream, DType.Float64));
        // The same where the derivative is recorded, which does without fused kernels.
        var again = Leaf(at);
        y = run(again);
        y.Backward(Tensor.Full(y.Shape, upstream, DType.Float64), createGraph: true);
        Assert.Equal(x.Grad!.ToDoubles(), again.Grad!.ToDoubles());
        return x.Grad!.ToDoubles();
    }

    // Σ (x − mean) drops out of these slopes, also where it is no number: PyTorch's have no such term either.
    [Fact]
    public void SpreadsOfInfinitiesAreThoseWithoutTheSumOfDeviations()
    {
        Assert.Equal([-Inf, -Inf, NaN, -Inf], Gradient(x => x.Var(), [1, 2, Inf, 4]));
        Assert.Equal([NaN, NaN, NaN, NaN], Gradient(x => x.Var(), [1, -Inf, Inf, 4]));
        Assert.Equal([NaN, NaN, NaN, NaN], Gradient(x => x.Std(), [1, 2, Inf, 4]));
        Assert.Equal([NaN, NaN, NaN, NaN], Gradient(x => F.LayerNorm(x, [4]).Sum(), [1, 2, Inf, 4]));
    }

    [Fact]
    public void TermsOfARepeatedDivisorAreDividedEach()
    {
        var (x, y) = (Leaf(1, -2, 3, 4), Leaf(0, 2));
        (x.Reshape(2, 2) / y).Sum().Backward();
        // −1 / 0² − 3 / 0², and (2 − 4) / 2².
        Assert.Equal([-Inf, -0.5], y.Grad!.ToDoubles());
        var (a, b) = (Leaf(1, -2), Leaf(0));
        (a / b).Sum().Backward();
        Assert.Equal([NaN], b.Grad!.ToDoubles());
    }

    [Fact]
    public void SlopesOfClampAreAllOrNothing()
    {
        Assert.Equal([0, 1, 1, 1, 0, 0], Gradient(x => x.Clamp(-1, 2), [-3, -1, 0, 2, 5, NaN], 1));
        Assert.Equal([0, 0, Inf], Gradient(x => x.Clamp(max: 1), [2, NaN, 1], Inf));
        Assert.Equal([0, 0, Inf], Gradient(x => x.Clamp(min: 1), [0, NaN, 1], Inf));
        var (a, low, high) = (Leaf(0, 1, 2, 3, NaN, 5), Leaf(1, 1, 1, 4, 1, 1), Leaf(3, 3, 1, 2, 3, 3));
        a.Clamp(low, high).Backward(Tensor.Full([6], Inf, DType.Float64));
        Assert.Equal([0, Inf, 0, 0, 0, 0], a.Grad!.ToDoubles());
        Assert.Equal([Inf, 0, 0, 0, 0, 0], low.Grad!.ToDoubles());
        Assert.Equal([0, 0, Inf, Inf, 0, Inf], high.Grad!.ToDoubles());
    }

    [Fact]
    public void ExtremesOfAllShareAlsoAmongNaNs()
    {
        Assert.Equal([0, 3, 3, 0], Gradient(x => x.Max(), [1, 2, 2, -1], 6));
        Assert.Equal([0, 3, 0, 3], Gradient(x => x.Min(), [1, NaN, 2, NaN], 6));
        Assert.Equal([0, 0, Inf], Gradient(x => x.Max(), [-Inf, 2, 3], Inf));
        // 2 / x, of which only x wants a gradient.
        Assert.Equal([-Inf, -0.5, 0], Gradient(x => 2 / x, [0, 2, Inf]));
    }

    [Fact]
    public void SlopesOfZeroMeetInfinities()
    {
        Assert.Equal([0], Gradient(x => 1 / x.Floor(), [0.2]));
        Assert.Equal([0], Gradient(x => 1 / x.Round(), [0.2]));
        Assert.Equal([0], Gradient(x => 1 / x.Ceil(), [-0.2]));
        Assert.Equal([0, 0], Gradient(x => (x * 1).Fill_(0).Log(), [1, 2]));
        Assert.Equal([0, 0], Gradient(x => (x * 1).Zero_().Log(), [1, 2]));
        Assert.Equal([0, 0], Gradient(x => (x * 1).Copy_(Tensor.Zeros([2], DType.Float64)).Log(), [1, 2]));
        Assert.Equal([0, Inf], Gradient(x => x.Maximum(Tensor.Zeros([2], DType.Float64)).Log(), [-1, 1e-320]));
        Assert.Equal([0, 1], Gradient(x => x.Minimum(Tensor.From([-0.0, 2])).Log(), [1, 1]));
        Assert.Equal([0, Inf, 0], Gradient(x => x.Relu(), [0, 1, -1], Inf));
        Assert.Equal([0, -Inf, Inf], Gradient(x => x.Abs(), [0, -1, 1], Inf));
        Assert.Equal([Inf, Inf, 0], Gradient(x => x.Clamp(-1, 1), [-1, 1, 2], Inf));
        Assert.Equal([0, Inf, Inf], Gradient(x => x.Amax(), [1, 3, 3], Inf));
        Assert.Equal([0, Inf, Inf], Gradient(x => x.Max(), [1, 3, 3], Inf));
        Assert.Equal([0, Inf, 0], Gradient(x => x.Max(0).Values, [1, 3, 3], Inf));
        Assert.Equal([Inf, 0, 0], Gradient(x => x.Min(0).Values, [1, 3, 3], Inf));
        Assert.Equal([0, 0], Gradient(x => x.Pow(0), [0, 2], Inf));
        Assert.Equal([Inf, 0, 0], Gradient(x => x[0], [1, 2, 3], Inf));
        Assert.Equal([0, 0, 0], Gradient(x => x.Std(), [1, 1, 1]));
        Assert.Equal([0, Inf], Gradient(x => Tensor.Where(x > 1, x, Tensor.Zeros([2], DType.Float64)), [1, 2], Inf));
    }

    [Fact]
    public void BoundsTiesAndNaN()
    {
        Assert.Equal([1, 1, 1, 0, 0, 0], Gradient(x => x.Clamp(-1, 1), [-1, 1, 0.5, 2, -2, NaN]));
        Assert.Equal([1, 1, 1, 1, 0, 0], Gradient(x => x.Clamp(-1), [-1, 1, 0.5, 2, -2, NaN]));
        Assert.Equal([0, 0, 0], Gradient(x => x.Clamp(1, -1), [-1, 1, 0.5]));
        Assert.Equal([0, 1, 0, 1], Gradient(x => x.Relu(), [0, NaN, -1, 1]));
        Assert.Equal([0, 0, 0, -1, 1], Gradient(x => x.Abs(), [0, -0.0, NaN, -1, Inf]));
        var other = Tensor.From([0, 1, NaN, 5, 1]);
        Assert.Equal([0.5, 1, 1, 0, 1], Gradient(x => x.Maximum(other), [0, NaN, 3, 1, 5]));
        Assert.Equal([0.5, 1, 1, 1, 0], Gradient(x => x.Minimum(other), [0, NaN, 3, 1, 5]));
        Assert.Equal([0.5, 1, 1, 1, 0], Gradient(x => other.Maximum(x), [0, NaN, 3, 5 + 1, 0.5]));
        Assert.Equal([0, 1, 0, 0], Gradient(x => x.Max(0).Values, [1, NaN, 3, NaN]));
        Assert.Equal([0, 0.5, 0, 0.5], Gradient(x => x.Max(), [1, NaN, 3, NaN]));
        Assert.Equal([0, 1, 0], Gradient(x => x.Min(), [1, NaN, 3]));
        Assert.Equal([NaN, NaN, NaN, NaN], Gradient(x => x.Amax(), [1, NaN, 3, NaN]));
        Assert.Equal([NaN], Gradient(x => x.Std(), [1]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Inf)]
    public void BoundsOfTensorsGetWhatTheyCut(double up)
    {
        var x = Leaf(-1, 1, 0.5, 2, -2, NaN, 0, 0);
        var low = Leaf(-1, -1, -1, -1, -1, -1, NaN, 2);
        var high = Leaf(1).Expand(8);
        high.RetainGrad();
        x.Clamp(low, high).Backward(Tensor.Full([8], up, DType.Float64));
        Assert.Equal([up, up, up, 0, 0, 0, 0, 0], x.Grad!.ToDoubles());
        Assert.Equal([0, 0, 0, 0, up, 0, 0, 0], low.Grad!.ToDoubles());
        Assert.Equal([0, 0, 0, up, 0, 0, 0, up], high.Grad!.ToDoubles());
        x = Leaf(1, 2, 3);
        low = Leaf(2);
        x.Clamp(low).Backward(Tensor.Full([3], up, DType.Float64));
        Assert.Equal([0, up, up], x.Grad!.ToDoubles());
        Assert.Equal([up], low.Grad!.ToDoubles());
    }

    [Fact]
    public void ThePowerZeroStaysOnTheGraph()
    {
        var x = Leaf(0, 2, NaN);
        var y = x.Pow(0);
        Assert.True(y.RequiresGrad);
        y.Sum().Backward();
        Assert.Equal([0, 0, 0], x.Grad!.ToDoubles());
    }

    [Fact]
    public void PowersAtSpecialBasesAndExponents()
    {
        var a = Leaf(0, 0, 0, 0, 0, -2, -2, -2, -2, 2, 1);
        var b = Leaf(0, 1, 2, -1, 0.5, 0, 2, 3, 0.5, 3, NaN);
        a.Pow(b).Backward(Tensor.Ones([11], DType.Float64));
        double[] slopes = a.Grad!.ToDoubles();
        double[] expected = [0, 1, 0, -Inf, Inf, 0, -4, 12, NaN, 12, NaN];
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], slopes[i], 1e-12);
        slopes = b.Grad!.ToDoubles();
        expected = [0, 0, 0, -Inf, 0, NaN, NaN, NaN, NaN, 8 * Math.Log(2)];
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], slopes[i], 1e-12);
        // Where the base is 0 the exponent does not matter, whatever comes from above.
        b = Leaf(0, 1, 0.5);
        Tensor.Zeros([3], DType.Float64).Pow(b).Backward(Tensor.Full([3], Inf, DType.Float64));
        Assert.Equal([0, 0, 0], b.Grad!.ToDoubles());
    }

    [Fact]
    public void QuotientsDoNotOverflowOnTheWay()
    {
        var a = Leaf(0, 0, 1, Inf, Inf, 1e-200, 1);
        var b = Leaf(0, 1, 0, Inf, 1, 1e-200, 1e-200);
        (a / b).Backward(Tensor.Ones([7], DType.Float64));
        Assert.Equal([Inf, 1, Inf, 0, 1, 1e200, 1e200], a.Grad!.ToDoubles(), new Near());
        Assert.Equal([NaN, 0, -Inf, NaN, -Inf, -1e200, -Inf], b.Grad!.ToDoubles(), new Near());
        Assert.Equal([-Inf, -2, 0], Gradient(x => 2 / x, [0, 1, Inf]), new Near());
        Assert.Equal([-1e200], Gradient(x => 1e-200 / x, [1e-200]), new Near());
    }

    [Fact]
    public void RunningSumsAreNotSubtracted()
    {
        var x = Tensor.Zeros(4).RequiresGrad_();
        x.Cumsum(0).Backward(Tensor.From([1e8f, 1, 1, 1]));
        Assert.Equal([1e8f + 3, 3, 2, 1], x.Grad!.ToDoubles());
        x = Tensor.Zeros(3, 2).RequiresGrad_();
        x.Cumsum(0).Backward(Tensor.From([float.PositiveInfinity, 1, 1, 1, 1, 1], [3, 2]));
        Assert.Equal([Inf, 3, 2, 2, 1, 1], x.Grad!.ToDoubles());
        // Variances subtract means of what comes from above only in the data.
        Assert.Equal([-Inf, -Inf, Inf], Gradient(v => v.Var(), [1, 2, 4], Inf));
    }

    [Fact]
    public void ProductsOfAllOthers()
    {
        Assert.Equal([0, 6, 0], Gradient(x => x.Prod(), [2, 0, 3]));
        Assert.Equal([0, 0, 0], Gradient(x => x.Prod(), [2, 0, 0]));
        Assert.Equal([NaN, 0, Inf], Gradient(x => x.Prod(), [2, Inf, 0]));
        Assert.Equal([Inf, NaN, Inf], Gradient(x => x.Prod(), [2, Inf, 3]));
        Assert.Equal([1e-200, 1e-200, 0], Gradient(x => x.Prod(), [1e-200, 1e-200, 1]), new Near());
        // Of all elements two zeros leave nothing, along a dimension they meet what is not finite; a scalar is its own product.
        var pair = Leaf(0, 0, Inf, 3);
        pair.Prod().Backward();
        Assert.Equal([0, 0, 0, 0], pair.Grad!.ToDoubles());
        Assert.Equal([NaN, NaN, 0, NaN], Gradient(x => x.Prod(0), [0, 0, Inf, 3]));
        Assert.Equal([NaN], Gradient(x => x.Prod(), [Inf]));
        Assert.Equal([1], Gradient(x => x.Reshape().Prod(), [Inf]));
        Assert.Equal([1], Gradient(x => x.Reshape().Prod(0), [Inf]));
        var x = Tensor.From([2.0, 0, 3, 0, 0, 5, 1, 2, 3, 4, 5, 6], [2, 3, 2]).RequiresGrad_();
        x.Prod(1).Backward(Tensor.From([1.0, 10, 1, 1], [2, 2]));
        Assert.Equal([0, 0, 0, 0, 6, 0, 15, 24, 5, 12, 3, 8], x.Grad!.ToDoubles());
        // A second derivative beside zeros: ∂²(abc) / ∂a∂b = c.
        x = Leaf(0, 0, 3);
        x.Prod().Backward(createGraph: true);
        var slope = x.Grad!;
        x.Grad = null;
        slope[0].Backward();
        Assert.Equal([0, 3, 0], x.Grad!.ToDoubles());
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Float64)]
    public void AttentionFarBelowAnyFiniteStandIn(DType type)
    {
        // Both scores near −63,640: the second query weighs both keys alike.
        var q = Tensor.Full([1, 1, 2, 2], 300, type);
        var k = Tensor.Full([1, 1, 2, 2], -150, type);
        var v = Tensor.From([1.0, 2, 3, 4], [1, 1, 2, 2]).To(type).RequiresGrad_();
        q.RequiresGrad_();
        k.RequiresGrad_();
        F.ScaledDotProductAttention(q, k, v, isCausal: true).Sum().Backward();
        // The evaluator, which runs here, does not round scores as kernels do; of the maximum it has 24 digits.
        double tolerance = type == DType.Float32 ? 0.004 : 0;
        foreach (var (expected, actual) in new[] { 1.5, 1.5, 0.5, 0.5 }.Zip(v.Grad!.ToDoubles()))
            Assert.Equal(expected, actual, tolerance);
        Assert.All(q.Grad!.ToDoubles().Concat(k.Grad!.ToDoubles()), x => Assert.True(double.IsFinite(x)));
    }

    [Fact]
    public void QueriesThatSeeNothingHaveNoGradient()
    {
        var q = Make.Values([1, 1, 3, 2], DType.Float64, 1).RequiresGrad_();
        var k = Make.Values([1, 1, 2, 2], DType.Float64, 2).RequiresGrad_();
        var v = Make.Values([1, 1, 2, 2], DType.Float64, 3).RequiresGrad_();
        var seen = Tensor.From([0, 0, 1, 0, 1, 1], [3, 2]).To(DType.Bool);
        F.ScaledDotProductAttention(q, k, v, seen).Sum().Backward(createGraph: true);
        Assert.Equal([0, 0], q.Grad!.ToDoubles()[..2]);
        Assert.Equal([2, 2], new[] { v.Grad![0, 0, .., 0].Sum().Item(), v.Grad[0, 0, .., 1].Sum().Item() }, new Near());
        var slope = q.Grad.Sum() + k.Grad!.Sum();
        foreach (var x in new[] { q, k, v })
            x.Grad = null;
        slope.Backward();
        foreach (var x in new[] { q, k, v })
            Assert.All(x.Grad!.ToDoubles(), g => Assert.True(double.IsFinite(g)));
        // Scores of −∞ throughout.
        q = Tensor.Full([1, 1, 1, 1], Inf, DType.Float64).RequiresGrad_();
        v = Tensor.Ones([1, 1, 2, 1], DType.Float64).RequiresGrad_();
        F.ScaledDotProductAttention(q, -Tensor.Ones([1, 1, 2, 1], DType.Float64), v).Sum().Backward();
        Assert.Equal([0, 0], v.Grad!.ToDoubles());
    }

    [Fact]
    public void GradientsThatWereSetOutliveAScope()
    {
        var w = Tensor.Ones(2).RequiresGrad_();
        var optimizer = new SGD([w], lr: 1);
        using (Tensor.Scope())
            w.Grad = Tensor.From([1f, 2]) * 3;
        optimizer.Step();
        Assert.Equal([-2, -5], w.ToDoubles());
        using (Tensor.Scope())
            w.Grad = Tensor.From([1f, 2, 3, 4])[1..3];
        optimizer.Step();
        Assert.Equal([-4, -8], w.ToDoubles());
        Assert.Contains("its own gradient", Assert.Throws<ArgumentException>(() => w.Grad = w).Message);
    }

    [Fact]
    public void NodesThatSavedNothingAreGoneThroughAgain()
    {
        var x = Leaf(1, 2);
        var y = ((x + 1) * 2).View(2, 1)[0].Sum();
        y.Backward();
        y.Backward();
        Assert.Equal([4, 0], x.Grad!.ToDoubles());
        var z = Tensor.Stack([x, x]).Tanh().Sum();
        z.Backward();
        Assert.Contains("retainGraph", Assert.Throws<InvalidOperationException>(() => z.Backward()).Message);
    }

    private sealed class Tied : Module
    {
        private readonly Embedding _table;
        private readonly Tensor _output;

        public Tied(Generator generator)
        {
            _table = Register("table", new Embedding(5, 3, generator: generator));
            _output = Register("output", _table.Weight);
            Register("again", _table);
        }

        public override Tensor Forward(Tensor x) => F.Linear(_table.Forward(x), _output);
    }

    [Fact]
    public void TiedWeightsCountOnce()
    {
        var model = new Sequential(new Tied(new Generator(1)), new Flatten());
        Assert.Equal(["0.output"], model.NamedParameters.Select(p => p.Name));
        Assert.Equal(15, model.ParameterCount);
        var optimizer = new Adam(model.Parameters);
        var weight = model.Parameters.Single();
        double[] before = weight.ToDoubles();
        F.CrossEntropy(model.Forward(Tensor.From([1L, 2])), Tensor.From([2L, 3])).Backward();
        optimizer.Step();
        Assert.All(before.Zip(weight.ToDoubles()), p => Assert.NotEqual(p.First, p.Second));
        string message = Assert.Throws<ArgumentException>(() => new Adam([weight, weight])).Message;
        Assert.Contains("as number 0 and 1 (shape [5, 3])", message);
    }

    private sealed class Near : IEqualityComparer<double>
    {
        public bool Equals(double a, double b) =>
            a.Equals(b) || a == b || Math.Abs(a - b) <= 1e-12 * Math.Max(Math.Abs(a), Math.Abs(b));

        public int GetHashCode(double x) => 0;
    }
}
