using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class InPlaceTests
{
    [Fact]
    public void CompoundAssignmentChangesTheTensorItself()
    {
        var t = Tensor.From([1f, 2, 3, 4], [2, 2]);
        var same = t;
        var view = t[1];
        t += Tensor.From([10f, 20]);
        t -= 1;
        t *= 2;
        t /= Tensor.From([2f]);
        Assert.Same(same, t);
        new Plain([2, 2], [10, 21, 12, 23]).Same(t);
        new Plain([2], [12, 23]).Same(view);
        Assert.Equal(4, t.Version);
    }

    [Fact]
    public void ViewsChangeWhatTheyShow()
    {
        var t = Tensor.Zeros(3, 4);
        t[.., 1..3] += 5;
        t.T[0].Add_(Tensor.From([1f, 2, 3]));
        t[2].Mul_(10);
        new Plain([3, 4], [1, 5, 5, 0, 2, 5, 5, 0, 30, 50, 50, 0]).Same(t);
        t.T.Copy_(Tensor.Arange(12).Reshape(4, 3));
        Plain.Of([3, 4], i => i[1] * 3 + i[0]).Same(t);
    }

    [Fact]
    public void OverlappingSourceAndTargetAreSafe()
    {
        var t = Tensor.Arange(6);
        t[1..] = t[..5];
        Assert.Equal([0L, 0, 1, 2, 3, 4], t.ToArray<long>());
        var m = Tensor.Arange(9).Reshape(3, 3).Clone();
        m.Copy_(m.T);
        Assert.Equal([0L, 3, 6, 1, 4, 7, 2, 5, 8], m.ToArray<long>());
        m += m.T;
        Assert.Equal([0L, 4, 8, 4, 8, 12, 8, 12, 16], m.ToArray<long>());
    }

    [Fact]
    public void ResultsAreConvertedWithinTheCategory()
    {
        var t = Tensor.Ones(2);
        t += Tensor.From([0.5, 1.5]);
        Assert.Equal(DType.Float32, t.DType);
        new Plain([2], [1.5, 2.5]).Same(t);
        var i = Tensor.Ones([2], DType.Int32);
        i += Tensor.From([5L, 6]);
        Assert.Equal(DType.Int32, i.DType);
        Assert.Throws<ArgumentException>(() => i.Div_(2));
    }

    [Fact]
    public void FillsCopiesAndDraws()
    {
        var t = Tensor.Empty(3, 2);
        new Plain([3, 2], [7, 7, 7, 7, 7, 7]).Same(t.Fill_(7));
        new Plain([2], [0, 0]).Same(t[1].Zero_());
        new Plain([3, 2], [7, 7, 0, 0, 7, 7]).Same(t);
        new Plain([3, 2], [1, 2, 1, 2, 1, 2]).Same(t.Copy_(Tensor.From([1L, 2])));
        var a = Tensor.Empty(50).Uniform_(2, 3, new Generator(1));
        Assert.All(a.ToDoubles(), v => Assert.InRange(v, 2, 3));
        Assert.Equal(a.ToDoubles(), (Tensor.Rand([50], new Generator(1)) + 2).ToDoubles());
        Assert.InRange(Tensor.Empty(500).Normal_(10, 0.1, new Generator(1)).Mean().Item(), 9.9, 10.1);
        new Plain([2], [Math.Exp(1), Math.Exp(2)]).Same(Tensor.From([1f, 2]).Exp_());
        new Plain([2], [0, 2]).Same(Tensor.From([-1f, 2]).Relu_());
        new Plain([2], [1, -2]).Same(Tensor.From([-1, 2]).Neg_());
        Assert.Equal(0, Tensor.Zeros(0).Add_(1).NumElements);
    }
}
