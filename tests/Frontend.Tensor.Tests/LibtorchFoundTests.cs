using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>What tools/compare found to differ from libtorch 2.10; the values are libtorch's.</summary>
public class LibtorchFoundTests
{
    [Fact]
    public void NothingHasAGradientOfNothing()
    {
        var x = Tensor.Zeros(1, 0, 3).RequiresGrad_();
        x.Min(2).Values.Sum().Backward();
        Assert.Equal([1, 0, 3], x.Grad!.Shape.ToArray());

        var a = Tensor.From([1f, 2f]).RequiresGrad_();
        var nothing = Tensor.Zeros(0).RequiresGrad_();
        (Tensor.Cat([nothing, a, a]) * Tensor.From([1f, 2f, 3f, 4f])).Sum().Backward();
        Assert.Equal([0], nothing.Grad!.Shape.ToArray());
        Assert.Equal([4f, 6f], a.Grad!.ToArray<float>());
    }

    [Fact]
    public void GatherTakesNumbersForVectors()
    {
        var number = Tensor.From(2.5f);
        var place = Tensor.From(0L);
        Assert.Equal(2.5, number.Gather(0, place).Item());
        Assert.Equal(0, number.Gather(-1, place).Rank);
        Assert.Equal([2.5f, 2.5f], number.Gather(0, Tensor.From([0L, 0L])).ToArray<float>());
        Assert.Equal(7, Tensor.From([5f, 7f]).Gather(0, Tensor.From(1L)).Item());
        Assert.Throws<IndexOutOfRangeException>(() => number.Gather(0, Tensor.From(1L)));
    }

    [Fact]
    public void SumAndProdInBools()
    {
        var x = Tensor.From(
            new long[,]
            {
                { 0, 0 },
                { 2, 0 },
            }
        );
        Assert.Equal([false, true], x.Sum(1, dtype: DType.Bool).ToArray<bool>());
        Assert.Equal(DType.Bool, x.Sum(DType.Bool).DType);
        Assert.Equal(1, x.Sum(DType.Bool).Item());
        Assert.Equal(0, x.Prod(DType.Bool).Item());
        Assert.Throws<ArgumentException>(() => x.Cumsum(0, DType.Bool));
    }

    [Fact]
    public void OnlyWholeNumbersBelowZeroStandForBytes()
    {
        var x = Tensor.Zeros([2], DType.UInt8);
        Assert.Equal([255, 255], x.Fill_(-1).ToArray<byte>());
        Assert.Throws<ArgumentException>(() => x.Fill_(-0.92));
        Assert.Throws<ArgumentException>(() => x.MaskedFill(x.Eq(255), -2.5));
    }

    [Fact]
    public void BytesAccumulateModulo256()
    {
        var x = Tensor.From(new byte[] { 250, 1 });
        x.IndexPut_([Tensor.From([0L, 0L, 1L])], Tensor.From(new byte[] { 5, 4, 7 }), accumulate: true);
        Assert.Equal([3, 8], x.ToArray<byte>());
    }

    [Fact]
    public void ArangeRefusesAStepAwayFromItsEnd()
    {
        Assert.Throws<ArgumentException>(() => Tensor.Arange(-8, 0, -2));
        Assert.Throws<ArgumentException>(() => Tensor.Arange(1.5, 0.5, 0.5));
        Assert.Equal(0, Tensor.Arange(3, 3, -1).NumElements);
        Assert.Equal([0L, -2, -4, -6], Tensor.Arange(0, -8, -2).ToArray<long>());
    }

    [Fact]
    public void ProbabilitiesHaveNoIndexToIgnore()
    {
        var logits = Tensor.From(
            new float[,]
            {
                { 1, 2 },
            }
        );
        var shares = Tensor.From(
            new float[,]
            {
                { 0.5f, 0.5f },
            }
        );
        Assert.Throws<ArgumentException>(() => F.CrossEntropy(logits, shares, ignoreIndex: 0));
        Assert.Equal(0.8132617, F.CrossEntropy(logits, shares).Item(), 1e-6);
    }

    [Fact]
    public void AnExtremeOverNothingIsRefusedAlsoWhereNothingResults()
    {
        Assert.Throws<ArgumentException>(() => Tensor.Zeros(7, 2, 0, 0).Amin(2));
        Assert.Equal([2, 0], Tensor.Zeros(7, 2, 0).Amax(0).Shape.ToArray());
    }

    [Theory]
    [InlineData(7)]
    [InlineData(11)]
    [InlineData(100)]
    public void EqualElementsDoNotSpread(int count)
    {
        var x = Tensor.Full([count], 0.1f).RequiresGrad_();
        var std = x.Std();
        Assert.Equal(0, std.Item());
        std.Backward();
        Assert.All(x.Grad!.ToArray<float>(), slope => Assert.Equal(0, slope));
    }

    [Fact]
    public void VarianceWithAnInfinity()
    {
        var x = Tensor.From([1f, float.PositiveInfinity, 2f]).RequiresGrad_();
        x.Var().Backward();
        Assert.Equal([float.NegativeInfinity, float.NaN, float.NegativeInfinity], x.Grad!.ToArray<float>());
    }

    [Fact]
    public void ThreeOperandsPromoteTogether()
    {
        var bytes = Tensor.From(new byte[] { 45, 240 });
        var low = Tensor.From(-1.0);
        var high = Tensor.From([100f, 100f]);
        var cut = bytes.Clamp(low, high);
        Assert.Equal(DType.Float32, cut.DType);
        Assert.Equal([45f, 100f], cut.ToArray<float>());
    }
}
