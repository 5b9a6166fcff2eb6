using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Integers and bools as PyTorch has them: bits, powers, products, and numbers beside them.</summary>
public class IntegerTests
{
    [Fact]
    public void BitsOfIntegers()
    {
        Assert.Equal(2L, (Tensor.From(6L) & Tensor.From(3L)).Item<long>());
        Assert.Equal([2], (Tensor.From([6]) & 3).ToArray<int>());
        Assert.Equal([7L, -1], (Tensor.From([6L, -2]) | 3).ToArray<long>());
        Assert.Equal([5L, -3], (3 ^ Tensor.From([6L, -2])).ToArray<long>());
        Assert.Equal([(byte)254, (byte)5], (~Tensor.From([(byte)1, (byte)250])).ToArray<byte>());
        Assert.Equal([-2, 5], (~Tensor.From([1, -6])).ToArray<int>());
        Assert.Equal([false, true], (~Tensor.From([true, false])).ToArray<bool>());
        // A bool beside integers is 0 or 1.
        Assert.Equal([1, 0, 1], (Tensor.From([1, -6, 7]) & Tensor.From([true, false, true])).ToArray<int>());
        Assert.Equal([2L, 0], (Tensor.From([true, false]) << 1).ToArray<long>());
        var x = Tensor.From([6, 5]);
        var same = x;
        x &= 3;
        x <<= 2;
        Assert.Same(same, x);
        Assert.Equal([8, 4], same.ToArray<int>());
    }

    [Fact]
    public void ShiftsByAnything()
    {
        var by = Tensor.From([1, 31, 32, -1, 40]);
        Assert.Equal([-3, -1, -1, -1, 0], (Tensor.From([-5, -5, -5, -5, 5]) >> by).ToArray<int>());
        Assert.Equal([-10, int.MinValue, 0, 0, 0], (Tensor.From([-5, -5, -5, -5, 5]) << by).ToArray<int>());
        var wide = Tensor.From([63L, 62, 64, -1]);
        Assert.Equal([long.MinValue, 1L << 62, 0, 0], (Tensor.From([-5L, 5, 7, 7]) << wide).ToArray<long>());
        var bytes = Tensor.From([(byte)200, (byte)200, (byte)200]);
        Assert.Equal([100, 1, 0], (bytes >> Tensor.From([(byte)1, (byte)7, (byte)8])).ToArray<byte>());
        Assert.Equal([144, 0, 0], (bytes << Tensor.From([(byte)1, (byte)7, (byte)8])).ToArray<byte>());
    }

    [Fact]
    public void PowersOfIntegersAreIntegers()
    {
        var x = Tensor.From([1L, -1, -1, 2, 0, -2, 3, -7]);
        var y = Tensor.From([-3L, -3, -2, -1, -1, -1, 40, 5]);
        Assert.Equal([1, -1, 1, 0, 0, 0, -6289078614652622815, -16807], x.Pow(y).ToArray<long>());
        Assert.Equal([2L, 0, 128], Tensor.Pow(2, Tensor.From([1L, -6, 7])).ToArray<long>());
        Assert.Equal([1, 64, 0], Bytes(1, 6, 250).Pow(Bytes(1, 6, 250)).ToArray<byte>());
        Assert.Equal([1, 0, -35996895], Tensor.From([1, -6, 7]).Pow(300).ToArray<int>());
        Assert.Equal([1, 1, 7], Tensor.From([1, -6, 7]).Pow(Tensor.From([true, false, true])).ToArray<int>());
        Assert.Equal([1L, 0], Tensor.From([true, false]).Pow(2).ToArray<long>());
        Assert.Equal([true, true], Tensor.From([true, false]).Pow(false).ToArray<bool>());
        new Plain([2, 3], [1, 8, 27, 1, 16, 81]).Same(Tensor.Arange(1, 4).Pow(Tensor.From([3L, 4], [2, 1])));
        Assert.Equal(DType.Float32, Tensor.From([2L]).Pow(2.0).DType);
        Refused(() => Tensor.From([2L]).Pow(-1), "pow: integers have no power -1");
        Refused(() => Bytes(2).Pow(300), "pow: the number 300 does not fit u8");
        Refused(() => Tensor.From([true]).Pow(Tensor.From([true])), "pow: not defined for bools");
    }

    [Fact]
    public void BoolsToInfinitePowers()
    {
        var x = Tensor.From([true, false]);
        new Plain([2], [1, 0]).Same(x.Pow(double.PositiveInfinity));
        new Plain([2], [1, double.PositiveInfinity]).Same(x.Pow(double.NegativeInfinity));
        new Plain([2], [1, 0]).Same(x.Pow(Tensor.From([float.PositiveInfinity])));
    }

    [Theory]
    [InlineData(DType.Int32)]
    [InlineData(DType.Int64)]
    [InlineData(DType.UInt8)]
    public void ProductsOfIntegersWrap(DType type)
    {
        foreach (
            var (a, b) in new (long[], long[])[]
            {
                ([3, 5], [5, 7]),
                ([5], [5]),
                ([3, 5], [5]),
                ([5], [5, 7]),
                ([2, 3, 5], [5, 7]),
                ([2, 3, 5], [2, 5, 7]),
                ([2, 1, 3, 5], [3, 5, 2]),
                ([17, 33], [33, 19]),
                ([3, 0], [0, 2]),
            }
        )
        {
            var x = Large(a, type, 1);
            var y = Large(b, type, 2);
            foreach (var (left, right) in new[] { (x, y), (Make.Ragged(x), Make.Ragged(y)) })
            {
                var got = left.MatMul(right);
                Assert.Equal(type, got.DType);
                Assert.Equal(Products(left, right, type), got.To(DType.Int64).ToArray<long>());
            }
        }
        var (m, w, bias) = (Large([4, 5], type, 3), Large([3, 5], type, 4), Large([3], type, 5));
        Assert.Equal(
            (m.MatMul(w.T) + bias).To(DType.Int64).ToArray<long>(),
            F.Linear(m, w, bias).To(DType.Int64).ToArray<long>()
        );
    }

    [Fact]
    public void ProductsThatAreKnown()
    {
        Assert.Equal(1 << 30, Tensor.From([1 << 30, 1 << 30]).MatMul(Tensor.From([4, 1])).Item<int>());
        Assert.Equal(88, Bytes(200, 200).MatMul(Bytes(2, 1)).Item<int>());
        Assert.Equal(14L, Tensor.Arange(4).MatMul(Tensor.Arange(4)).Item<long>());
        var bools = Tensor.From([true, false]);
        Refused(() => bools.MatMul(bools), "matmul: not defined for bools");
        Refused(() => F.Linear(bools, bools.Reshape(1, 2)), "linear: not defined for bools");
    }

    public static TheoryData<string, Func<object>> ThatDoNotFit =>
        new()
        {
            { "add: the number 1099511627776 does not fit i32", () => Tensor.From([1]) + (1L << 40) },
            { "sub: the number 2147483648 does not fit i32", () => (1L << 31) - Tensor.From([1]) },
            { "mul: the number 300 does not fit u8", () => Bytes(1) * 300 },
            { "lt: the number 300 does not fit u8", () => Bytes(1) < 300 },
            { "eq: the number -1 does not fit u8", () => Bytes(1).Eq(-1) },
            { "bitwise_and: the number -2147483649 does not fit i32", () => Tensor.From([1]) & ~(1L << 31) },
            { "left_shift: the number 1099511627776 does not fit i32", () => Tensor.From([1]) << (1L << 40) },
            { "fill_: the number 300 does not fit u8", () => Bytes(1).Fill_(300) },
            { "fill_: the number NaN does not fit i64", () => Tensor.From([1L]).Fill_(double.NaN) },
            { "fill_: the number 1E+40 does not fit f32", () => Tensor.From([1f]).Fill_(1e40) },
            {
                "full: the number 9.223372036854776E+18 does not fit i64",
                () => Tensor.Full([1], 9223372036854775808.0, DType.Int64)
            },
            { "full: the number -256 does not fit u8", () => Tensor.Full([1], -256, DType.UInt8) },
            { "where: the number 1099511627776 does not fit i32", () => Tensor.Where(Yes, 1L << 40, Tensor.From([1])) },
            { "where: the number -300 does not fit u8", () => Tensor.Where(Yes, Bytes(1), -300) },
            { "clamp: the number 300 does not fit u8", () => Bytes(1).Clamp(max: 300) },
            { "clamp: the number -1 does not fit u8", () => Bytes(1).Clamp(-1) },
            { "clamp: the number 1E+40 does not fit f32", () => Tensor.From([1f]).Clamp(max: 1e40) },
            { "add: the number 1099511627776 does not fit i32", () => Tensor.From([1]).Add_(1L << 40) },
            { "does not fit i32", () => Tensor.Arange(0, 1L << 40, 1L << 38, DType.Int32) },
            { "does not fit u8", () => Tensor.Arange(0.0, 330, 60, DType.UInt8) },
            { "the number 300 does not fit u8", () => Bytes(1).MaskedFill(Yes, 300) },
            { "uniform_: there are no numbers from 2 up to 1", () => Tensor.Zeros(2).Uniform_(2, 1) },
            { "uniform_: there are no numbers", () => Tensor.Zeros(2).Uniform_(0, double.PositiveInfinity) },
            { "normal_: std is -1", () => Tensor.Zeros(2).Normal_(0, -1) },
        };

    [Theory]
    [MemberData(nameof(ThatDoNotFit))]
    public void NumbersThatDoNotFitAreRefused(string reason, Func<object> run) => Refused(run, reason);

    [Fact]
    public void NumbersThatFitCount()
    {
        Assert.Equal([(1L << 40) + 1], (Tensor.From([1L]) + (1L << 40)).ToArray<long>());
        Assert.Equal([(1L << 40) + 1], (Tensor.From([true]) + (1L << 40)).ToArray<long>());
        Assert.Equal([int.MaxValue], (Tensor.From([0]) + int.MaxValue).ToArray<int>());
        // Of uint8 the bits of −1 to −255 count, as in PyTorch.
        Assert.Equal([0, 5, 249], (Bytes(1, 6, 250) + -1).ToArray<byte>());
        Assert.Equal([255], Bytes(1).Fill_(-1).ToArray<byte>());
        Assert.Equal([2], Bytes(1).Fill_(2.7).ToArray<byte>());
        Assert.Equal([true], Tensor.From([false]).Fill_(300).ToArray<bool>());
        Assert.True(float.IsPositiveInfinity((Tensor.From([1f]) + 1e40).Item<float>()));
    }

    [Fact]
    public void ClampOfIntegersByFloatsIsFloat()
    {
        var x = Tensor.From([-3L, 1, 2, 9]).Clamp(0.5, 2.5);
        Assert.Equal(DType.Float32, x.DType);
        new Plain([4], [0.5, 1, 2, 2.5]).Same(x);
        Assert.Equal(DType.Int32, Tensor.From([5]).Clamp(1, 3).DType);
        Assert.Equal([3L, 1], Tensor.From([true, true]).Clamp(Tensor.From([3L, 0])).ToArray<long>());
        new Plain([2, 2], [1, 2, 3, 3]).Same(
            Tensor.From([0f, 2, 9, 3], [2, 2]).Clamp(Tensor.From([1f, 2]), Tensor.From([2f, 3], [2, 1]))
        );
        Refused(() => Tensor.From([1]).Clamp((Scalar?)null), "clamp: neither min nor max is given");
        Refused(() => Tensor.From([true]).Clamp(max: true), "clamp: not defined for bools");
    }

    [Fact]
    public void WhereTakesNumbers()
    {
        var c = Tensor.From([true, false]);
        Assert.Equal([7, 2], Tensor.Where(c, 7, Tensor.From([1, 2])).ToArray<int>());
        Assert.Equal([1.5f, 2], Tensor.Where(c, 1.5, Tensor.From([1, 2])).ToArray<float>());
        Assert.Equal([1f, 0], Tensor.Where(c, Tensor.From([1f, 2]), 0).ToArray<float>());
        Assert.Equal([1L, 2], Tensor.Where(c, 1, 2).ToArray<long>());
        Assert.Equal(DType.Float32, Tensor.Where(c, 1, 2.5).DType);
        Assert.Throws<ArgumentNullException>(() => Tensor.Where(c, null!, c));
        Assert.Throws<ArgumentNullException>(() => Tensor.Where(null!, c, c));
    }

    [Fact]
    public void BoolsAreNotSubtractedOrShifted()
    {
        var b = Tensor.From([true]);
        Refused(() => b - b, "sub: bools");
        Refused(() => b - 2.5, "sub: bools");
        Refused(() => 1 - b, "sub: bools");
        Refused(() => Tensor.From([1]) - b, "sub: bools");
        Refused(() => b << b, "left_shift: bools");
        Refused(() => b.Floor(), "floor: not defined for bools");
        Refused(() => b.ArgMax(), "argmax: not defined for bools");
        Refused(() => Tensor.From([1f]) & Tensor.From([1f]), "bitwise_and: f32 tensors have no bits");
        Refused(() => ~Tensor.From([1f]), "bitwise_not: f32 tensors have no bits");
        Assert.Equal([1L, 0], Tensor.From([true, false]).Square().ToArray<long>());
    }

    [Fact]
    public void ReductionsTakeOneDimension()
    {
        var x = Make.Values([3, 5]);
        Assert.Equal(x.Var([1]).ToDoubles(), x.Var(1).ToDoubles());
        Assert.Equal(x.Std([0], 0, true).ToDoubles(), x.Std(0, 0, keepdim: true).ToDoubles());
        Assert.Equal(x.Amax([-1]).ToDoubles(), x.Amax(-1).ToDoubles());
        Assert.Equal(x.Amin([0]).ToDoubles(), x.Amin(0).ToDoubles());
        Assert.Equal((x > 0).Any([1]).ToArray<bool>(), (x > 0).Any(1).ToArray<bool>());
        Assert.Equal((x > 0).All([1], true).ToArray<bool>(), (x > 0).All(1, keepdim: true).ToArray<bool>());
        Assert.Equal([1, 1], x.ArgMax(keepdim: true).Shape.ToArray());
        Assert.Equal(DType.UInt8, Bytes(1, 0).Any().DType);
        Assert.Equal(DType.Int32, Tensor.From([1, 2]).Sum(DType.Int32).DType);
        Assert.Equal(1.5, Tensor.From([1, 2]).Mean(DType.Float64).Item());
        Assert.Equal([200, 144], Bytes(200, 200).Cumsum(0, DType.UInt8).ToArray<byte>());
        Assert.Equal(DType.Float64, Tensor.From([1f]).Softmax(0, DType.Float64).DType);
        Assert.True(Make.Values([3, 4]).Softmax(0).IsContiguous);
        Assert.True(Make.Values([3, 4]).Cumsum(0).IsContiguous);
    }

    [Fact]
    public void IntegersPrintExactly()
    {
        var x = Tensor.From([long.MaxValue, long.MinValue, (1L << 53) + 1]);
        Assert.Equal("tensor([ 9223372036854775807, -9223372036854775808,     9007199254740993])", x.ToString());
        Assert.Equal("tensor([1.0000e+00, 2.0000e-05])", Tensor.From([1f, 2e-5f]).ToString());
    }

    private static readonly Tensor Yes = Tensor.From([true]).Keep();

    private static Tensor Bytes(params byte[] values) => Tensor.From(values);

    // Integers whose products do not fit their type.
    private static Tensor Large(long[] shape, DType type, int seed)
    {
        var random = new Random(seed);
        long count = shape.Aggregate(1L, (a, b) => a * b);
        long[] values =
        [
            .. Enumerable.Range(0, (int)count).Select(_ => random.NextInt64(long.MinValue, long.MaxValue)),
        ];
        return Tensor.From(values, shape).To(type);
    }

    // Σ a·b by plain loops, wrapped into the type at the end.
    private static long[] Products(Tensor a, Tensor b, DType type)
    {
        var x = a.Rank == 1 ? a.Unsqueeze(0) : a;
        var y = b.Rank == 1 ? b.Unsqueeze(1) : b;
        var (m, k, n) = (x.Size(-2), x.Size(-1), y.Size(-1));
        long[] batch = Plain.Broadcast(x.Shape[..^2].ToArray(), y.Shape[..^2].ToArray());
        var left = x.Expand([.. batch, m, k]).To(DType.Int64).ToArray<long>();
        var right = y.Expand([.. batch, k, n]).To(DType.Int64).ToArray<long>();
        var result = new List<long>();
        for (long t = 0; t < batch.Aggregate(1L, (c, e) => c * e); t++)
        for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++)
        {
            long sum = 0;
            for (long p = 0; p < k; p++)
                sum += unchecked(left[(t * m + i) * k + p] * right[(t * k + p) * n + j]);
            result.Add(
                type switch
                {
                    DType.Int32 => (int)sum,
                    DType.UInt8 => (byte)sum,
                    _ => sum,
                }
            );
        }
        return [.. result];
    }

    private static void Refused(Func<object> run, string reason) =>
        Assert.Contains(reason, Assert.Throws<ArgumentException>(run).Message);
}
