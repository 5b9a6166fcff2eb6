using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>The rows are PyTorch's torch.result_type.</summary>
public class PromotionTests
{
    [Theory]
    [InlineData(DType.Float32, DType.Float64, DType.Float64)]
    [InlineData(DType.Int64, DType.Float32, DType.Float32)]
    [InlineData(DType.Int32, DType.Int64, DType.Int64)]
    [InlineData(DType.UInt8, DType.Int32, DType.Int32)]
    [InlineData(DType.Bool, DType.UInt8, DType.UInt8)]
    [InlineData(DType.Bool, DType.Float64, DType.Float64)]
    public void OfTwoTensorsWithDimensions(DType a, DType b, DType expected)
    {
        var x = Tensor.Ones([2], a);
        var y = Tensor.Ones([2], b);
        Assert.Equal(expected, (x * y).DType);
        Assert.Equal(expected, (y * x).DType);
    }

    [Theory]
    [InlineData(DType.Float32, DType.Float64, DType.Float32)]
    [InlineData(DType.Int32, DType.Int64, DType.Int32)]
    [InlineData(DType.Int64, DType.Float64, DType.Float64)]
    [InlineData(DType.UInt8, DType.Int64, DType.UInt8)]
    [InlineData(DType.Bool, DType.Int32, DType.Int32)]
    [InlineData(DType.Float32, DType.Int64, DType.Float32)]
    public void AScalarTensorCountsOnlyByAHigherCategory(DType dims, DType scalar, DType expected)
    {
        var x = Tensor.Ones([2], dims);
        var y = Tensor.Ones([], scalar);
        Assert.Equal(expected, (x * y).DType);
        Assert.Equal(expected, (y * x).DType);
    }

    [Fact]
    public void ANumberCountsOnlyByAHigherCategory()
    {
        Assert.Equal(DType.Float64, (Tensor.Ones([2], DType.Float64) * 2.5).DType);
        Assert.Equal(DType.Float32, (Tensor.Ones([2], DType.Int64) * 2.5).DType);
        Assert.Equal(DType.Int32, (Tensor.Ones([2], DType.Int32) + 2).DType);
        Assert.Equal(DType.UInt8, (Tensor.Ones([2], DType.UInt8) + 2).DType);
        Assert.Equal(DType.Int64, (Tensor.Ones([2], DType.Bool) + 2).DType);
        Assert.Equal(DType.Float32, (Tensor.Ones([], DType.Int64) * 0.5).DType);
        Assert.Equal(DType.Float32, (Tensor.Ones([2], DType.Float32) * 2).DType);
    }

    [Fact]
    public void DivisionOfIntegersIsFloat()
    {
        Assert.Equal(DType.Float32, (Tensor.Ones([2], DType.Int64) / Tensor.Ones([2], DType.Int64)).DType);
        Assert.Equal(DType.Float64, (Tensor.Ones([2], DType.Int64) / Tensor.Ones([2], DType.Float64)).DType);
    }

    [Fact]
    public void SumsOfIntegersAreInt64()
    {
        Assert.Equal(DType.Int64, Tensor.Ones([2], DType.Int32).Sum().DType);
        Assert.Equal(DType.Int64, Tensor.Ones([2], DType.Bool).Sum().DType);
        Assert.Equal(2, Tensor.Ones([2], DType.Bool).Sum().Item());
        Assert.Equal(DType.Float32, Tensor.Ones([2]).Sum().DType);
    }
}
