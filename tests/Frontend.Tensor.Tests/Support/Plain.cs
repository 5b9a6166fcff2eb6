using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>A plain array with shape: the independent computations that operators are compared with.</summary>
internal sealed record Plain(long[] Shape, double[] Values)
{
    public static Plain Of(Tensor t) => new(t.Shape.ToArray(), t.ToDoubles());

    public static Plain Of(long[] shape, Func<long[], double> element)
    {
        double[] values = new double[shape.Aggregate(1L, (a, b) => a * b)];
        for (int i = 0; i < values.Length; i++)
            values[i] = element(Index(shape, i));
        return new Plain(shape, values);
    }

    /// <summary>The element of an index that may be longer, and beyond sizes of 1 (broadcasting).</summary>
    public double At(params ReadOnlySpan<long> index)
    {
        long at = 0;
        int skip = index.Length - Shape.Length;
        for (int d = 0; d < Shape.Length; d++)
            at = at * Shape[d] + (Shape[d] == 1 ? 0 : index[d + skip]);
        return Values[at];
    }

    public static long[] Index(long[] shape, long place)
    {
        long[] index = new long[shape.Length];
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            index[d] = place % shape[d];
            place /= shape[d];
        }
        return index;
    }

    public static long[] Broadcast(long[] a, long[] b)
    {
        long[] result = new long[Math.Max(a.Length, b.Length)];
        for (int d = 1; d <= result.Length; d++)
        {
            long x = d <= a.Length ? a[^d] : 1;
            long y = d <= b.Length ? b[^d] : 1;
            result[^d] = x == 1 ? y : x;
        }
        return result;
    }

    /// <summary>Asserts shape and values, within a relative and absolute tolerance.</summary>
    public void Same(Tensor actual, double tolerance = 1e-5)
    {
        Assert.Equal(Shape, actual.Shape.ToArray());
        double[] values = actual.ToDoubles();
        for (int i = 0; i < values.Length; i++)
        {
            double expected = Values[i];
            bool same =
                expected.Equals(values[i])
                || Math.Abs(expected - values[i]) <= tolerance * Math.Max(1, Math.Abs(expected));
            Assert.True(
                same,
                $"element [{string.Join(", ", Index(Shape, i))}] of {actual.DType.Name()}{Layout.Text(Shape)}: expected {expected}, got {values[i]}"
            );
        }
    }
}

/// <summary>Tensors with known contents.</summary>
internal static class Make
{
    /// <summary>Numbers between −2 and 2 that differ, none of them 0, 1 or −1; whole numbers for integers.</summary>
    public static Tensor Values(long[] shape, DType type = DType.Float32, int seed = 1, bool positive = false)
    {
        long count = shape.Aggregate(1L, (a, b) => a * b);
        double[] values = new double[count];
        var random = new Random(seed);
        for (int i = 0; i < count; i++)
        {
            double value = type.IsFloat() ? random.NextDouble() * 3.8 - 1.9 : random.Next(-5, 6);
            if (Math.Abs(value) < 0.05 && type.IsFloat())
                value = 0.3;
            values[i] = positive ? Math.Abs(value) + 0.1 : value;
        }
        return Tensor.From(values, shape).To(type == DType.Bool ? DType.Int32 : type).To(type);
    }

    /// <summary>The same elements as a view that does not lie densely: a transpose, or every second of a larger tensor.</summary>
    public static Tensor Ragged(Tensor t)
    {
        if (t.Rank == 0)
            return Tensor.Stack([t, t])[1];
        var wide = Tensor.Stack([t, t + t], t.Rank);
        return wide[Tensor.Ellipsis, 0];
    }
}
