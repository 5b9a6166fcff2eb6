using Xunit;

namespace Picograd.Tests;

/// <summary>Draws in place are those of Rand and Randn, multiplied and moved, to the bit: few of them by hand, many by kernels.</summary>
public class DrawTests
{
    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Float64)]
    public void Draws_in_place_are_draws_moved(DType type)
    {
        foreach (long n in new long[] { 0, 1, 7, 1000, 1 << 14, (1 << 14) + 1 })
        {
            var uniform = Tensor.Rand([n], new Generator(5), type) * (1.7 - -0.3) + -0.3;
            Equal(uniform, Tensor.Empty([n], type).Uniform_(-0.3, 1.7, new Generator(5)));
            var normal = Tensor.Randn([n], new Generator(6), type) * 0.1 + 3.0;
            Equal(normal, Tensor.Empty([n], type).Normal_(3, 0.1, new Generator(6)));
        }
    }

    [Fact]
    public void Draws_into_a_view_leave_the_rest()
    {
        var all = Tensor.Full([5, 6], 9f);
        all.T[1].Uniform_(-2, 2, new Generator(7));
        Equal(Tensor.Rand([5], new Generator(7)) * 4.0 + -2.0, all.T[1].Clone());
        Equal(Tensor.Full([5], 9f), all.T[2].Clone());
    }

    [Fact]
    public void Numbers_beyond_the_dtype_are_refused_as_ever()
    {
        var refusal = Record.Exception(() => Tensor.Empty([3]).Normal_(0, 1e60));
        var other = Record.Exception(() => Tensor.Randn([3]) * 1e60 + 0.0);
        Assert.Equal(other?.GetType(), refusal?.GetType());
    }

    private static void Equal(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Shape.ToArray(), actual.Shape.ToArray());
        Assert.Equal(Bits(expected), Bits(actual));
    }

    private static ulong[] Bits(Tensor t) =>
        [.. t.To(DType.Float64).ToArray<double>().Select(BitConverter.DoubleToUInt64Bits)];
}
