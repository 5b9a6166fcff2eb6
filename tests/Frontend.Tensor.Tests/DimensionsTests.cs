using Xunit;

namespace Picograd.Tests;

public class DimensionsTests
{
    [Fact]
    public void ShapesAndStridesPrint()
    {
        var t = Tensor.Zeros(2, 3);
        Assert.Equal("shape [2, 3], strides [3, 1]", $"shape {t.Shape}, strides {t.Strides}");
        Assert.Equal("[]", Tensor.Full([], 1).Shape.ToString());
        Assert.Equal("[3]", $"{t.Shape[1..]}");
        Assert.Equal("[]", default(Dimensions).ToString());
    }

    [Fact]
    public void ShapesAreUsedAsSpansAre()
    {
        var t = Tensor.Zeros(2, 3, 5);
        ReadOnlySpan<long> span = t.Shape;
        Assert.Equal(3, span.Length);
        Assert.Equal(3, t.Shape.Length);
        Assert.Equal(2, t.Shape[0]);
        Assert.Equal(5, t.Shape[^1]);
        Assert.Equal([3, 5], t.Shape[1..].ToArray());
        Assert.Equal([1, 2, 3, 5], (long[])[1, .. t.Shape]);
        Assert.True(t.Shape.SequenceEqual([2, 3, 5]));
        Assert.Equal([2, 3, 5], Tensor.Ones(t.Shape).Shape);
        Assert.Equal([2, 3, 5], Tensor.Ones(t.Shape, DType.Int32).Shape);
        Assert.Equal([6, 5], t.Reshape([6, .. t.Shape[2..]]).Shape);
        Assert.Equal(30, t.Shape.Aggregate(1L, (a, b) => a * b));
        long sum = 0;
        foreach (long size in t.Shape)
            sum += size;
        Assert.Equal(10, sum);
        Assert.Throws<IndexOutOfRangeException>(() => t.Shape[3]);
        Assert.Throws<ArgumentOutOfRangeException>(() => t.Shape[2..5]);
    }

    [Fact]
    public void ShapesCompareByValue()
    {
        var a = Tensor.Zeros(2, 3);
        var b = Tensor.Ones(3, 2);
        Assert.True(a.Shape == [2, 3]);
        Assert.True(a.Shape != b.Shape);
        Assert.True(a.Shape == b.Transpose(0, 1).Shape);
        Assert.Equal(a.Shape.GetHashCode(), b.Transpose(0, 1).Shape.GetHashCode());
        Assert.False(a.Shape.Equals((object)b.Shape));
        Assert.False(a.Shape == [2, 3, 1]);
    }

    [Fact]
    public void ShapesAreTakenApart()
    {
        var (rows, columns) = Tensor.Zeros(2, 3).Shape;
        Assert.Equal((2, 3), (rows, columns));
        var (b, h, t, d) = Tensor.Zeros(2, 3, 4, 5).Shape;
        Assert.Equal((2, 3, 4, 5), (b, h, t, d));
        var wrong = Assert.Throws<InvalidOperationException>(() =>
        {
            var (x, y, z) = Tensor.Zeros(2, 3).Shape;
            return x + y + z;
        });
        Assert.Equal("[2, 3] has 2 dimensions, but was taken apart into 3.", wrong.Message);
    }

    [Fact]
    public void ReadingAShapeAllocatesNothing()
    {
        var t = Tensor.Zeros(2, 3, 5);
        long Read()
        {
            long sum = 0;
            for (int i = 0; i < 1000; i++)
                sum += t.Shape[^1] + t.Shape[1..].Length + t.Strides[0];
            foreach (long size in t.Shape)
                sum += size;
            return sum;
        }
        Read();
        long before = GC.GetAllocatedBytesForCurrentThread();
        long sum = Read();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1000 * (5 + 2 + 15) + 10, sum);
    }
}
