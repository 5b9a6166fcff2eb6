using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class AutogradTests
{
    private static Tensor Leaf(params double[] values) => Tensor.From(values).RequiresGrad_();

    [Fact]
    public void GradientsAddUp()
    {
        var x = Leaf(1, 2);
        (x * 3).Sum().Backward();
        (x * 4).Sum().Backward();
        Assert.Equal([7, 7], x.Grad!.ToDoubles());
        x.ZeroGrad_();
        Assert.Null(x.Grad);
        var g = x.Grad;
        (x * x).Sum().Backward();
        g = x.Grad!;
        Assert.Equal([2, 4], g.ToDoubles());
        // What was read stays the same tensor, and is added to.
        (x * 1)
            .Sum()
            .Backward();
        Assert.Same(g, x.Grad);
        Assert.Equal([3, 5], g.ToDoubles());
        x.ZeroGrad_();
        Assert.Equal([3, 5], g.ToDoubles());
    }

    [Fact]
    public void LeavesDoNotShareGradients()
    {
        var x = Leaf(1, 2);
        var y = Leaf(3, 4);
        (x + y).Sum().Backward();
        x.Grad!.Add_(100);
        Assert.Equal([1, 1], y.Grad!.ToDoubles());
        var gradient = Tensor.From([5.0, 6]);
        (x + 0).Backward(gradient);
        x.Grad!.Zero_();
        Assert.Equal([5, 6], gradient.ToDoubles());
        x.ZeroGrad_();
        x.Backward(gradient);
        x.Grad!.Zero_();
        Assert.Equal([5, 6], gradient.ToDoubles());
    }

    [Fact]
    public void DiamondsAreVisitedOnce()
    {
        var x = Leaf(0.5);
        var y = x.Tanh();
        var z = y;
        for (int i = 0; i < 40; i++)
            z = z * 0.5 + z * 0.5;
        z.Sum().Backward();
        Assert.Equal(1 - Math.Pow(Math.Tanh(0.5), 2), x.Grad!.Item(), 12);
    }

    [Fact]
    public void OnlyLeavesKeepGradientsUnlessAsked()
    {
        var x = Leaf(2, 3);
        var y = x * x;
        var z = (y * 2).RetainGrad();
        var sum = z.Sum();
        Assert.True(x.IsLeaf && !y.IsLeaf && y.RequiresGrad);
        sum.Backward();
        Assert.Null(y.Grad);
        Assert.Equal([1, 1], z.Grad!.ToDoubles());
        Assert.Equal([8, 12], x.Grad!.ToDoubles());
        Assert.Throws<InvalidOperationException>(() => Tensor.Zeros(1).RetainGrad());
    }

    [Fact]
    public void NothingIsRecordedInNoGrad()
    {
        var x = Leaf(1);
        using (Tensor.NoGrad())
        {
            Assert.False((x * 2).RequiresGrad);
            using (Tensor.EnableGrad())
                Assert.True((x * 2).RequiresGrad);
            Assert.False((x * 2).RequiresGrad);
        }
        Assert.True((x * 2).RequiresGrad);
        Assert.False((x * 2).Detach().RequiresGrad);
        Assert.False((Tensor.Zeros(1) * 2).RequiresGrad);
        Assert.False((x > 0).RequiresGrad);
    }

    [Fact]
    public void DetachStopsGradients()
    {
        var x = Leaf(3);
        (x * (x * 2).Detach()).Sum().Backward();
        Assert.Equal(6, x.Grad!.Item());
    }

    [Fact]
    public void OnlyScalarsHaveAGradientOfTheirOwn()
    {
        var x = Leaf(1, 2, 3);
        var error = Assert.Throws<InvalidOperationException>(() => (x * 2).Backward());
        Assert.Contains("only a tensor of one element", error.Message);
        Assert.Contains("[3]", error.Message);
        (x * 2).Backward(Tensor.From([1.0, 10, 100]));
        Assert.Equal([2, 20, 200], x.Grad!.ToDoubles());
        Assert.Contains("[2]", Assert.Throws<ArgumentException>(() => (x * 2).Backward(Tensor.From([1.0, 1]))).Message);
        Assert.Contains("f32", Assert.Throws<ArgumentException>(() => (x * 2).Backward(Tensor.Ones(3))).Message);
    }

    [Fact]
    public void BackwardNeedsARecord()
    {
        var error = Assert.Throws<InvalidOperationException>(() => Tensor.Zeros(1).Backward());
        Assert.Contains("does not require a gradient", error.Message);
    }

    [Fact]
    public void TheRecordIsFreedUnlessRetained()
    {
        var x = Leaf(2);
        var y = (x * x).Sum();
        y.Backward(retainGraph: true);
        y.Backward();
        Assert.Equal(8, x.Grad!.Item());
        var error = Assert.Throws<InvalidOperationException>(() => y.Backward());
        Assert.Contains("retainGraph", error.Message);
        // A failed pass leaves nothing behind.
        (x * 1)
            .Sum()
            .Backward();
        Assert.Equal(9, x.Grad!.Item());
    }

    [Fact]
    public void ASavedTensorThatWasChangedIsAnError()
    {
        var x = Leaf(1, 2);
        var w = Tensor.From([3.0, 4]);
        var y = x * w;
        w += 1;
        var error = Assert.Throws<InvalidOperationException>(() => y.Sum().Backward());
        Assert.Contains("mul saved", error.Message);
        Assert.Contains("changed in place", error.Message);
        Assert.Contains("version 1, saved at 0", error.Message);
        // Also where an output is saved, where a view of it is changed, and where an optimizer did it.
        var t = x.Tanh();
        t[0] = Tensor.From(9.0);
        Assert.Contains("tanh", Assert.Throws<InvalidOperationException>(() => t.Sum().Backward()).Message);
        var square = x.Square();
        using (Tensor.NoGrad())
            x[1..].Fill_(0);
        Assert.Contains("square", Assert.Throws<InvalidOperationException>(() => square.Sum().Backward()).Message);
        // What is not saved may change.
        var z = x + w;
        w += 1;
        z.Sum().Backward();
        Assert.Equal([1, 1], x.Grad!.ToDoubles());
    }

    [Fact]
    public void OperatorsInPlaceAreRecorded()
    {
        var x = Leaf(1, 2);
        var y = x * 3;
        y += x;
        y *= 2;
        y -= 1;
        y.Tanh_();
        y.Sum().Backward();
        double[] expected = [.. new[] { 1.0, 2 }.Select(v => 8 * (1 - Math.Pow(Math.Tanh(8 * v - 1), 2)))];
        Assert.Equal(expected[0], x.Grad!.ToDoubles()[0], 12);
        Assert.Equal(expected[1], x.Grad!.ToDoubles()[1], 12);
    }

    [Fact]
    public void AssignmentToPartsIsRecorded()
    {
        var x = Leaf(1, 2, 3);
        var v = Leaf(10);
        var y = x * 2;
        y[1..] = v * 5;
        (y * Tensor.From([1.0, 10, 100])).Sum().Backward();
        Assert.Equal([2, 0, 0], x.Grad!.ToDoubles());
        Assert.Equal(550, v.Grad!.Item());
        var buffer = Tensor.Zeros([2, 2], DType.Float64);
        buffer[0] = x[..2];
        buffer[1].ToDoubles();
        x.ZeroGrad_();
        buffer.Sum().Backward();
        Assert.Equal([1, 1, 0], x.Grad!.ToDoubles());
        var copy = Tensor.Zeros([3], DType.Float64).Copy_(x);
        x.ZeroGrad_();
        (copy * 7).Sum().Backward();
        Assert.Equal([7, 7, 7], x.Grad!.ToDoubles());
        var filled = x * 2;
        filled.Fill_(1);
        x.ZeroGrad_();
        filled.Sum().Backward();
        Assert.Equal([0, 0, 0], x.Grad!.ToDoubles());
    }

    [Fact]
    public void LeavesDoNotChangeInPlace()
    {
        var x = Leaf(1, 2);
        Assert.Contains("leaf", Assert.Throws<InvalidOperationException>(() => x.Add_(1)).Message);
        Assert.Contains("leaf", Assert.Throws<InvalidOperationException>(() => x.Zero_()).Message);
        Assert.Contains("NoGrad", Assert.Throws<InvalidOperationException>(() => x[0] = Tensor.From(1.0)).Message);
        Assert.Contains("view of a leaf", Assert.Throws<InvalidOperationException>(() => x[0].Mul_(2)).Message);
        using (Tensor.NoGrad())
            x += 1;
        Assert.Equal([2, 3], x.ToDoubles());
    }

    [Fact]
    public void RepeatedIndicesAddTheirGradients()
    {
        var table = Tensor.Zeros([3, 2], DType.Float64).RequiresGrad_();
        F.Embedding(table, Tensor.From([1L, 1, 2, 1])).Sum().Backward();
        Assert.Equal([0, 0, 3, 3, 1, 1], table.Grad!.ToDoubles());
        var x = Leaf(1, 2);
        x[Tensor.From([0L, 0, 1, 0])].Sum().Backward();
        Assert.Equal([3, 1], x.Grad!.ToDoubles());
    }

    [Fact]
    public void RequiresGradCanBeSwitchedOnLeavesOnly()
    {
        var x = Leaf(1);
        var y = x * 2;
        Assert.Throws<InvalidOperationException>(() => y.RequiresGrad_(false));
        x.RequiresGrad_(false);
        Assert.False((x * 2).RequiresGrad);
    }

    [Fact]
    public void HessianOfACube()
    {
        var x = Leaf(2, 3);
        x.Pow(3).Sum().Backward(createGraph: true);
        var g = x.Grad!;
        Assert.Equal([12, 27], g.ToDoubles());
        x.Grad = null;
        g.Sum().Backward();
        Assert.Equal([12, 18], x.Grad!.ToDoubles());
    }

    [Fact]
    public void LongChainsDoNotOverflowTheStack()
    {
        var x = Leaf(1);
        var y = x;
        for (int i = 0; i < 20_000; i++)
            y = y + 0;
        y.Backward();
        Assert.Equal(1, x.Grad!.Item());
    }
}
