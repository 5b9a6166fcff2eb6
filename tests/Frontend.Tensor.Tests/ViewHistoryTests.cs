using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Views, their base and changes in place: the history of all follows, as in PyTorch (whose values these are).</summary>
public class ViewHistoryTests
{
    private static Tensor Leaf(params double[] values) => Tensor.From(values).RequiresGrad_();

    private static Tensor Square(params double[] values) => Tensor.From(values, [2, 2]).RequiresGrad_();

    private static string Refused(Action act) => Assert.Throws<InvalidOperationException>(act).Message;

    private static void Gradient(Tensor x, params double[] expected)
    {
        Assert.Equal(expected, x.Grad!.ToDoubles());
        x.Grad = null;
    }

    [Fact]
    public void AViewFollowsItsBase()
    {
        var x = Square(1, 2, 3, 4);
        var y = x * 2;
        var v = y[0];
        y.Mul_(3);
        v.Sum().Backward();
        Gradient(x, 6, 6, 0, 0);
        y = x * 2;
        var t = y.Transpose(0, 1);
        y[0] = Tensor.From([7.0, 8]);
        (t * Tensor.From([1.0, 10, 100, 1000], [2, 2])).Sum().Backward();
        Assert.Equal([7, 6, 8, 8], t.ToDoubles());
        Gradient(x, 0, 0, 20, 2000);
        y = x * 2;
        var flat = y.Reshape(4);
        y.Zero_();
        flat.Sum().Backward();
        Gradient(x, 0, 0, 0, 0);
    }

    [Fact]
    public void ABaseFollowsItsViews()
    {
        var x = Square(1, 2, 3, 4);
        var y = x * 2;
        y[0].Mul_(3);
        y.Sum().Backward();
        Gradient(x, 6, 6, 2, 2);
        y = x * 2;
        y.View(4).Mul_(Tensor.From([1.0, 2, 3, 4]));
        y.Sum().Backward();
        Gradient(x, 2, 4, 6, 8);
        y = x * 2;
        y.T[1..][.., 1].Fill_(5);
        y.Sum().Backward();
        Gradient(x, 2, 2, 2, 0);
        y = x * 2;
        y.T[0].Uniform_();
        y.Sum().Backward();
        Gradient(x, 0, 2, 0, 2);
        y = x * 2;
        y.T[1][Tensor.From([false, true])] = Tensor.From(1.0);
        y[0].IndexPut_([Tensor.From([0L, 0])], Tensor.From([1.0, 1]), accumulate: true);
        y.Sum().Backward();
        Gradient(x, 2, 2, 2, 0);
        y = x * 2;
        y.T.Tanh_();
        y.Sum().Backward();
        Assert.Equal(2 * (1 - Math.Pow(Math.Tanh(2), 2)), x.Grad!.ToDoubles()[0], 12);
    }

    [Fact]
    public void OtherViewsFollowToo()
    {
        var x = Leaf(1, 2, 3, 4);
        var y = x * 2;
        var front = y[..3];
        var behind = y[1..];
        front.Mul_(behind * 1);
        // y is [2·4, 4·6, 6·8, 8].
        (behind * Tensor.From([1.0, 10, 100]))
            .Sum()
            .Backward();
        Gradient(x, 0, 12, 8 + 160, 120 + 200);
        y = x * 2;
        front = y[..2];
        behind = y[1..];
        behind.Add_(Tensor.From([1.0, 1, 1]));
        front.Mul_(10);
        (behind * behind).Sum().Backward();
        Gradient(x, 0, 2 * 50 * 20, 2 * 7 * 2, 2 * 9 * 2);
    }

    [Fact]
    public void ChainsOfViewsKeepTheOuterOnes()
    {
        var x = Leaf(1, 2, 3, 4, 5, 6);
        var y = x * 1;
        var table = y.View(2, 3);
        var column = table.T[2];
        var pair = column.Unsqueeze(0);
        column.Mul_(Tensor.From([10.0, 100]));
        pair.Add_(table[1, 0]);
        Assert.Equal([1, 2, 34, 4, 5, 604], y.ToDoubles());
        table.Sum().Backward(retainGraph: true);
        Gradient(x, 1, 1, 10, 3, 1, 100);
        // Of a view, as it is now.
        pair.Sum().Backward();
        Gradient(x, 0, 0, 10, 2, 0, 100);
    }

    [Fact]
    public void ABufferTakesUpTheHistoryOfWhatIsWrittenIntoItsViews()
    {
        var x = Leaf(1, 2);
        var buffer = Tensor.Zeros([4], DType.Float64);
        var front = buffer[..2];
        var middle = buffer[1..3];
        Assert.False(middle.RequiresGrad);
        front.Copy_(x);
        Assert.True(buffer.RequiresGrad && middle.RequiresGrad && !middle.IsLeaf);
        middle.Sum().Backward();
        Gradient(x, 0, 1);
        buffer[2..] = x * 3;
        buffer.Sum().Backward();
        Gradient(x, 4, 4);
    }

    [Fact]
    public void ViewsMadeWithoutRecordAreNotChanged()
    {
        var x = Leaf(1, 2);
        Tensor Hidden(Tensor of)
        {
            using (Tensor.NoGrad())
                return of[0];
        }
        var y = x * 2;
        var v = Hidden(y);
        Assert.False(v.RequiresGrad);
        Assert.Contains("NoGrad", Refused(() => v.Mul_(3)));
        Assert.Contains("NoGrad", Refused(() => v[Tensor.Ellipsis] = x[0]));
        // Nothing was changed by the refusals.
        Assert.Equal([2, 4], y.ToDoubles());
        Assert.Equal(0, y.Version);
        y.Mul_(3);
        Assert.Contains("NoGrad", Refused(() => v.Sum()));
        Assert.Contains("NoGrad", Refused(() => _ = v.RequiresGrad));
        Assert.EndsWith("grad_fn=<Invalid>)", v.ToString());
        Assert.Contains("NoGrad", Refused(() => _ = v[Tensor.Ellipsis]));
        Assert.Contains("NoGrad", Refused(() => Hidden(Tensor.Zeros([2], DType.Float64)).Copy_(x[0])));
        Assert.Contains("NoGrad", Refused(() => Hidden(x).Add_(1)));
        // Both inside the scope is fine, and so is memory that nothing is recorded of.
        using (Tensor.NoGrad())
            Hidden(x).Add_(1);
        Assert.Equal([2, 2], x.ToDoubles());
        var plain = Tensor.Zeros([2], DType.Float64);
        Hidden(plain).Add_(1);
        Assert.Equal([1, 0], plain.ToDoubles());
    }

    [Fact]
    public void ChangesWithoutRecordLeaveTheHistory()
    {
        var x = Leaf(1, 2);
        var y = x * 2;
        var v = y[0];
        using (Tensor.NoGrad())
            y.Mul_(100);
        (v * 1).Backward();
        Gradient(x, 2, 0);
    }

    [Fact]
    public void WhatIsDetachedHasAHistoryOfItsOwn()
    {
        var x = Leaf(1, 2, 3, 4);
        var y = x * 2;
        var d = y.View(2, 2).T.Detach();
        d.Add_(x.View(2, 2));
        Assert.Equal([3, 7, 8, 12], y.ToDoubles());
        d.Sum().Backward();
        Gradient(x, 1, 1, 1, 1);
        y.Sum().Backward();
        Gradient(x, 2, 2, 2, 2);
        // A view of what does not lie densely.
        d = (x * 0).View(2, 2).T.Detach();
        var row = d[0];
        var column = d[.., 1..2];
        row.Mul_(0).Add_(x[..2]);
        (column * Tensor.From([1.0, 10], [2, 1])).Sum().Backward();
        Assert.Equal([1, 2, 0, 0], d.ToDoubles());
        Gradient(x, 0, 1, 0, 0);
        column.Copy_(x[2..].Unsqueeze(1) * d[0, 0].Clone());
        (d * Tensor.From([1.0, 10, 100, 1000], [2, 2])).Sum().Backward();
        Gradient(x, 1 + 30 + 4000, 0, 10, 1000);
        var repeated = Tensor.Zeros([1], DType.Float64).Expand(2).Detach();
        Assert.Contains("several times", Refused(() => repeated[0].Copy_(x[0])));
    }

    [Fact]
    public void ViewsThatRepeatElementsAreFilledOnly()
    {
        var x = Leaf(1, 2);
        var y = x * 2;
        var wide = y.Unsqueeze(0).Expand(3, 2);
        Assert.Contains("several times", Refused(() => wide.Mul_(2)));
        Assert.Contains("several times", Refused(() => wide[.., 0] = x[0]));
        wide[0] = x * 5;
        wide[.., 1].Fill_(7);
        Assert.Equal([5, 7], y.ToDoubles());
        wide.Sum().Backward();
        Gradient(x, 15, 0);
    }

    [Fact]
    public void SavedTensorsAreStillWatched()
    {
        var x = Leaf(1, 2);
        var y = x.Tanh();
        var v = y[0];
        v.Mul_(2);
        Assert.Contains("tanh", Refused(() => y.Sum().Backward()));
        var w = Leaf(3, 4);
        var z = x * 1;
        var product = z * w;
        z[..1].Add_(1);
        Assert.Contains("mul saved", Refused(() => product.Sum().Backward()));
    }

    [Fact]
    public void WhatAnOperatorInPlaceReadsIsKept()
    {
        var x = Leaf(1, 2);
        var w = Leaf(3, 4);
        var y = x * 2;
        y.Mul_(w);
        y[0].Div_(w[1]);
        y.Sum().Backward();
        Gradient(x, 6.0 / 4, 8);
        Gradient(w, 2.0 / 4, 4 - 6.0 / 16);
        y = x * 2;
        Assert.Contains("changed in place", Refused(() => y.Mul_(y).Sum().Backward()));
    }

    [Fact]
    public void AssignmentByIndexTensorsIsRecorded()
    {
        var x = Leaf(1, 2, 3);
        var v = Leaf(5, 6, 7);
        var y = x * 2;
        y[Tensor.From([0L, 0, 2])] = v;
        (y * Tensor.From([1.0, 10, 100])).Sum().Backward();
        Assert.Equal([6, 4, 7], y.ToDoubles());
        Gradient(x, 0, 20, 0);
        Gradient(v, 1, 1, 100);
        // One value for all; into a view; index tensors that change afterwards.
        y = Tensor.Zeros([2, 3], DType.Float64);
        var picks = Tensor.From([2L, 0]);
        y[1][picks] = v[0];
        y.Sum().Backward();
        Gradient(v, 2, 0, 0);
        y = x * 2;
        y[picks] = v[0];
        picks.Zero_();
        Assert.Contains("index_put saved was changed in place", Refused(() => y.Sum().Backward()));
    }

    [Fact]
    public void ARetainedGradientIsThatOfTheLastState()
    {
        var x = Leaf(1, 2);
        var y = (x * 2).RetainGrad();
        y.Mul_(3);
        y.Sum().Backward();
        Gradient(y, 1, 1);
        Gradient(x, 6, 6);
    }

    [Fact]
    public void HistoriesOutliveTheirBase()
    {
        var x = Leaf(1, 2);
        Tensor v;
        using (Tensor.Scope())
            v = (x * 2)[0].Keep();
        v.Mul_(3);
        v.Backward();
        Gradient(x, 6, 0);
    }

    [Fact]
    public void SecondDerivativesThroughViews()
    {
        var x = Leaf(2, 3);
        var y = x * x;
        var v = y[0];
        y.Mul_(x);
        v.Backward(createGraph: true);
        var slope = x.Grad!;
        Assert.Equal([12, 0], slope.ToDoubles());
        x.Grad = null;
        slope.Sum().Backward();
        Gradient(x, 12, 0);
    }
}
