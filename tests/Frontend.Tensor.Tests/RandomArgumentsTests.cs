using Xunit;

namespace Picograd.Tests;

/// <summary>A dtype or a device may be named without a generator, as in PyTorch.</summary>
public sealed class RandomArgumentsTests
{
    [Fact]
    public void Draws_take_a_dtype_or_device_without_a_generator()
    {
        foreach (
            var drawn in new[] { Tensor.Rand([2, 3], dtype: DType.Float64), Tensor.Randn([2, 3], dtype: DType.Float64) }
        )
        {
            Assert.Equal(DType.Float64, drawn.DType);
            Assert.Equal([2, 3], drawn.Shape);
        }
        Assert.True(Tensor.Rand([4], device: Device.Meta).Device.IsMeta);
        Assert.Equal([3], Tensor.Randn([3]).Shape);
        Assert.Equal([2, 3], Tensor.Rand(2, 3).Shape);
    }
}
