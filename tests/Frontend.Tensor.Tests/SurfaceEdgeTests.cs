using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Signs of NaN, medians of nothing and indices without elements: as libtorch has them.</summary>
public sealed class SurfaceEdgeTests
{
    private const long NegativeNan = unchecked((long)0xfff8000000000000);
    private const long PositiveNan = 0x7ff8000000000000;

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Float64)]
    public void The_sign_bit_of_nan_and_zero_is_a_sign(DType type)
    {
        double[] values =
        [
            BitConverter.Int64BitsToDouble(NegativeNan),
            BitConverter.Int64BitsToDouble(PositiveNan),
            -0.0,
            0,
            -3,
            3,
            double.NegativeInfinity,
            double.PositiveInfinity,
            -1e-300,
        ];
        // Several vectors and a rest.
        double[] many = [.. Enumerable.Range(0, 77).Select(i => values[i % values.Length])];
        var x = type == DType.Float64 ? Tensor.From<double>(many) : Tensor.From<float>([.. many.Select(v => (float)v)]);
        bool[] signs = [.. many.Select(double.IsNegative)];
        Assert.Equal(signs, x.Signbit().ToArray<bool>());
        var two = Tensor.Full([77], -2.0, type).Copysign(x).To(DType.Float64);
        Assert.Equal(signs.Select(s => s ? -2.0 : 2.0), two.ToArray<double>());
    }

    [Theory]
    [InlineData(DType.Int64, long.MinValue)]
    [InlineData(DType.Int32, int.MinValue)]
    [InlineData(DType.UInt8, 0)]
    public void The_median_of_no_whole_numbers_is_the_lowest(DType type, long lowest)
    {
        var none = Tensor.Zeros([0], type);
        Assert.Equal(lowest, none.Median().To(DType.Int64).Item<long>());
        Assert.Equal(lowest, none.NanMedian().To(DType.Int64).Item<long>());
        Assert.True(double.IsNaN(Tensor.Zeros([2, 0], DType.Float64).Median().Item<double>()));
    }

    [Theory]
    [InlineData("assign")]
    [InlineData("sum")]
    [InlineData("prod")]
    [InlineData("mean")]
    public void An_index_without_elements_gives_the_values_a_gradient_of_zeros(string reduce)
    {
        foreach (long size in new long[] { 0, 3 })
        {
            var x = Tensor.Full([5], 2.0, DType.Float32).RequiresGrad_();
            var values = Tensor.Full([size], 7.0, DType.Float32).RequiresGrad_();
            var index = Tensor.Zeros([0], DType.Int64);
            var y = reduce == "assign" ? x.Scatter(0, index, values) : x.ScatterReduce(0, index, values, reduce);
            Assert.Equal([2, 2, 2, 2, 2], y.ToArray<float>());
            (y * 3).Sum().Backward();
            Assert.Equal([3, 3, 3, 3, 3], x.Grad!.ToArray<float>());
            Assert.Equal(new float[size], values.Grad!.ToArray<float>());
        }
    }
}
