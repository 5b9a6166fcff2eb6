using Xunit;

namespace Picograd.Tests;

/// <summary>Sums of many equal numbers, where every rounding of one accumulator goes the same way.</summary>
public class MeanAccuracyTests
{
    [Theory]
    [InlineData(0.3f)]
    [InlineData(0.1f)]
    [InlineData(0.7f)]
    [InlineData(1.1f)]
    [InlineData(1 / 3f)]
    public void AMeanOfEqualNumbersIsThatNumber(float value)
    {
        // libtorch 2.7 is off by up to 9e-7 of these; one accumulator a lane would be off by 1e-3.
        using var numbers = Tensor.Full([1L << 24], value);
        Assert.Equal(0, (numbers.Mean().Item() - value) / value, 1e-6);
        Assert.Equal(0, (numbers.Sum().Item() / (1L << 24) - value) / value, 1e-6);
        using var columns = numbers.Reshape(1L << 12, 1L << 12);
        Assert.Equal(0, (columns.Mean(0)[17].Item() - value) / value, 1e-6);
        Assert.Equal(0, (columns.Mean(1)[17].Item() - value) / value, 1e-6);
    }
}
