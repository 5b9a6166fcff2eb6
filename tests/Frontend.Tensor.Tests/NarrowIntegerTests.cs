using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>int8 and int16 as PyTorch has them: they wrap around, promote, and are summed in int64.</summary>
public class NarrowIntegerTests
{
    private static Tensor Bytes(params sbyte[] values) => Tensor.From(values);

    private static Tensor Shorts(params short[] values) => Tensor.From(values);

    [Fact]
    public void Arithmetic_wraps_around()
    {
        var x = Bytes(-128, 127, 5, -3);
        Assert.Equal([0, -2, 10, -6], (x + x).ToArray<sbyte>());
        Assert.Equal([-128, 127, 5, 3], x.Abs().ToArray<sbyte>());
        Assert.Equal([-128, -127, -5, 3], (-x).ToArray<sbyte>());
        Assert.Equal([-128, 127, 5, -3], x.FloorDivide(Bytes(1, 1, 1, 1)).ToArray<sbyte>());
        Assert.Equal([-128, -127, -5, 3], x.FloorDivide(Bytes(-1, -1, -1, -1)).ToArray<sbyte>());
        Assert.Equal([0, 1, 25, 9], (x * x).ToArray<sbyte>());
        Assert.Equal([short.MinValue, -1, 9], (Shorts(short.MinValue, 255, 3) * Shorts(1, 257, 3)).ToArray<short>());
        Assert.Equal([1, 2, 127], Bytes(1, 2, 127).Maximum(Bytes(0, 2, -128)).ToArray<sbyte>());
        Assert.Equal([-2, 2, -1], (Bytes(-3, 5, -1) >> 1).ToArray<sbyte>());
        Assert.Equal([2, 4, -128], (Bytes(1, 2, 64) << 1).ToArray<sbyte>());
        Assert.Equal([(short)2, (short)7], (Shorts(6, 7) & Shorts(3, 15)).ToArray<short>());
    }

    [Fact]
    public void Long_vectors_are_what_elements_are()
    {
        foreach (int n in new[] { 1, 63, 64, 1000 })
        {
            sbyte[] a = [.. Enumerable.Range(0, n).Select(i => unchecked((sbyte)(i * 37)))];
            sbyte[] b = [.. Enumerable.Range(0, n).Select(i => unchecked((sbyte)(i * 91 + 5)))];
            var (x, y) = (Tensor.From(a), Tensor.From(b));
            Assert.Equal(a.Zip(b, (p, q) => unchecked((sbyte)(p * q - p))), (x * y - x).ToArray<sbyte>());
            Assert.Equal(a.Zip(b, (p, q) => p < q), (x < y).ToArray<bool>());
            Assert.Equal(a.Zip(b, (p, q) => p < q ? p : q), Tensor.Where((x < y), x, y).ToArray<sbyte>());
            short[] c = [.. a.Select(v => unchecked((short)(v * 301)))];
            var z = Tensor.From(c);
            Assert.Equal(c.Zip(a, (p, q) => unchecked((short)(p + q))), (z + x).ToArray<short>());
            Assert.Equal(c.Select(v => (float)v), z.To(DType.Float32).ToArray<float>());
            Assert.Equal(c.Select(v => unchecked((sbyte)v)), z.To(DType.Int8).ToArray<sbyte>());
            Assert.Equal(
                c.Zip(c.Reverse(), (p, q) => p <= q),
                (z <= Tensor.From(c.Reverse().ToArray())).ToArray<bool>()
            );
            Assert.Equal(c.Sum(v => (long)v), z.Sum().Item<long>());
            Assert.Equal(c.Max(), z.Max().Item<short>());
            Assert.Equal(a.Min(), x.Amin().Item<sbyte>());
            Assert.Equal(Array.IndexOf(c, c.Max()), (int)z.ArgMax().Item());
            Assert.Equal(c.Order(), z.Sort().Values.ToArray<short>());
            Assert.Equal(a.OrderDescending(), x.Sort(descending: true).Values.ToArray<sbyte>());
        }
    }

    [Fact]
    public void Promotion_and_sums()
    {
        var (x, z) = (Bytes(100, 100, -3), Shorts(1, 2, 3));
        Assert.Equal(DType.Int16, (x + z).DType);
        Assert.Equal(DType.Int16, (x + Tensor.From(new byte[] { 1, 2, 3 })).DType);
        Assert.Equal(DType.Int16, (z + Tensor.From(new byte[] { 1, 2, 3 })).DType);
        Assert.Equal(DType.Int8, (x + Tensor.From([true, false, true])).DType);
        Assert.Equal(DType.Int32, (z + Tensor.From([1, 2, 3])).DType);
        Assert.Equal(DType.Float16, (x + Tensor.Ones([3], DType.Float16)).DType);
        Assert.Equal(DType.Float32, (x / z).DType);
        Assert.Equal(DType.Float32, x.Exp().DType);
        Assert.Equal((DType.Int64, 197L), (x.Sum().DType, x.Sum().Item<long>()));
        Assert.Equal(-59, x.Sum(DType.Int8).Item<sbyte>());
        Assert.Equal((DType.Int64, -30000L), (x.Prod().DType, x.Prod().Item<long>()));
        Assert.Equal([100L, 200, 197], x.Cumsum(0).ToArray<long>());
        Assert.Equal(DType.Int8, (x + 5).DType);
        Assert.Equal(DType.Float32, (x + 0.5).DType);
        Assert.Throws<ArgumentException>(() => x + 300);
        Assert.Equal(
            [123, 3, 113, -124],
            Bytes(-128, 127, 5, -3).Reshape(2, 2).MatMul(Bytes(-128, 127, 5, -3).Reshape(2, 2)).ToArray<sbyte>()
        );
    }

    [Fact]
    public void Created_converted_indexed_and_printed()
    {
        Assert.Equal([0, 1, 2], Tensor.Arange(3).To(DType.Int8).ToArray<sbyte>());
        Assert.Equal([7, 7], Tensor.Full([2], 7, DType.Int16).ToArray<short>());
        Assert.Equal([1, 1], Tensor.Ones([2], DType.Int8).ToArray<sbyte>());
        Assert.Equal([-3, 2], Tensor.From([-3.7f, 2.9f]).To(DType.Int8).ToArray<sbyte>());
        Assert.Equal([44, 127, -56], Tensor.From([300f, -129f, 200f]).To(DType.Int8).ToArray<sbyte>());
        Assert.Contains("-128", Bytes(-128, 1).ToString());
        var x = Bytes(1, 2, 3, 4);
        Assert.Equal([4, 1], x[Tensor.From([3L, 0])].ToArray<sbyte>());
        Assert.Equal([2, 4], x[(x > 1) & x.Ne(3)].ToArray<sbyte>());
        x[1..3].Fill_(9);
        Assert.Equal([1, 9, 9, 4], x.ToArray<sbyte>());
        Assert.Equal([3, 18, 9, 4], x.IndexAdd(0, Tensor.From([0L, 1, 0]), Bytes(1, 9, 1)).ToArray<sbyte>());
        Assert.Equal([1, 4, 9, 9], x.Sort().Values.ToArray<sbyte>());
        Assert.Equal([1, 4, 9], x.Unique().Values.ToArray<sbyte>());
        Assert.Equal((sbyte)-5, Bytes(-5).Item<sbyte>());
        // Places are int64, int32 or uint8, as in PyTorch.
        Assert.Throws<ArgumentException>(() => x[Bytes(1)]);
        Assert.Throws<ArgumentException>(() => x.Gather(0, Shorts(1)));
        Assert.Throws<ArgumentException>(() => x.RequiresGrad_());
    }
}
