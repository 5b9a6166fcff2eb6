using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class AttentionTests
{
    [Theory]
    [InlineData(DType.Float64, 1e-12)]
    [InlineData(DType.Float32, 1e-5)]
    public void EqualsWhatItsPartsGive(DType type, double tolerance)
    {
        var q = Make.Values([2, 2, 5, 4], DType.Float64, 1).Tanh().To(type);
        var k = Make.Values([2, 2, 7, 4], DType.Float64, 2).Tanh().To(type);
        var v = Make.Values([2, 2, 7, 4], DType.Float64, 3).Tanh().To(type);
        var (a, b, c) = (q.To(DType.Float64), k.To(DType.Float64), v.To(DType.Float64));
        var weights = (a.MatMul(b.Transpose(-2, -1)) / 2).Softmax();
        Close(weights.MatMul(c), F.ScaledDotProductAttention(q, k, v), tolerance);
    }

    [Fact]
    public void CausalQueriesSeeTheKeysBeforeThem()
    {
        var q = Make.Values([1, 1, 4, 3], DType.Float64, 1);
        var k = Make.Values([1, 1, 4, 3], DType.Float64, 2);
        var v = Make.Values([1, 1, 4, 3], DType.Float64, 3);
        var all = F.ScaledDotProductAttention(q, k, v, isCausal: true);
        Close(v.Narrow(2, 0, 1), all.Narrow(2, 0, 1), 1e-12);
        var first = F.ScaledDotProductAttention(
            q.Narrow(2, 0, 3),
            k.Narrow(2, 0, 3),
            v.Narrow(2, 0, 3),
            isCausal: true
        );
        Close(first, all.Narrow(2, 0, 3), 1e-12);
        // The next query against the cache of all keys.
        var next = F.ScaledDotProductAttention(q.Narrow(2, 3, 1), k, v, isCausal: true);
        Close(next, all.Narrow(2, 3, 1), 1e-12);
        // More queries than keys: the first see nothing.
        var none = F.ScaledDotProductAttention(q, k.Narrow(2, 0, 2), v.Narrow(2, 0, 2), isCausal: true);
        Assert.All(none.Narrow(2, 0, 2).ToDoubles(), x => Assert.Equal(0, x));
    }

    [Fact]
    public void ShapesAndDtypesThatDoNotFitAreNamed()
    {
        var q = Tensor.Zeros([1, 4, 3, 2]);
        string message = Assert
            .Throws<ArgumentException>(() =>
                F.ScaledDotProductAttention(q, Tensor.Zeros([1, 3, 3, 2]), Tensor.Zeros([1, 3, 3, 2]))
            )
            .Message;
        Assert.Contains("h a multiple of hk", message);
        Assert.Throws<ArgumentException>(() =>
            F.ScaledDotProductAttention(q, Tensor.Zeros([1, 4, 0, 2]), Tensor.Zeros([1, 4, 0, 2]))
        );
        Assert.Contains(
            "of one dtype",
            Assert.Throws<ArgumentException>(() => F.ScaledDotProductAttention(q, q, q.To(DType.Float64))).Message
        );
    }

    private static void Close(Tensor expected, Tensor actual, double tolerance)
    {
        Assert.Equal(expected.Shape.ToArray(), actual.Shape.ToArray());
        foreach (var (x, y) in expected.ToDoubles().Zip(actual.ToDoubles()))
            Assert.Equal(x, y, tolerance);
    }
}
