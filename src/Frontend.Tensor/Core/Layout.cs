using System.Text;

namespace Picograd;

/// <summary>
/// How the elements of a tensor lie in its storage: element [i0, i1, …] is at Offset + Σ i·stride, counted in elements.
/// Immutable, so tensors share layouts freely.
/// </summary>
internal sealed class Layout
{
    public static readonly Layout Scalar = new([], [], 0);

    public readonly long[] Sizes;
    public readonly long[] Strides;
    public readonly long Offset;
    public readonly long Count;

    /// <summary>Row-major without gaps; the offset may be anything.</summary>
    public readonly bool IsContiguous;

    public Layout(long[] sizes, long[] strides, long offset)
    {
        Sizes = sizes;
        Strides = strides;
        Offset = offset;
        long count = 1;
        foreach (long size in sizes)
            count = checked(count * size);
        Count = count;
        IsContiguous = count <= 1 || Packed(sizes, strides);
    }

    public int Rank => Sizes.Length;

    public static Layout Contiguous(ReadOnlySpan<long> sizes) =>
        sizes.IsEmpty ? Scalar : new Layout(sizes.ToArray(), RowMajor(sizes), 0);

    public static long[] RowMajor(ReadOnlySpan<long> sizes)
    {
        long[] strides = new long[sizes.Length];
        long step = 1;
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            strides[d] = step;
            step *= Math.Max(1, sizes[d]);
        }
        return strides;
    }

    public bool SameSizes(Layout other) => ReferenceEquals(this, other) || Sizes.AsSpan().SequenceEqual(other.Sizes);

    /// <summary>The product of the sizes from one dimension up to another, exclusive.</summary>
    public long Product(int from, int to)
    {
        long product = 1;
        for (int d = from; d < to; d++)
            product *= Sizes[d];
        return product;
    }

    /// <summary>A dimension counted from the end when negative.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such dimension; names the operator.</exception>
    public int Dim(int dim, string what)
    {
        int rank = Math.Max(Rank, 1);
        if (dim < -rank || dim >= rank)
            throw new ArgumentOutOfRangeException(
                nameof(dim),
                $"{what}: dim is {dim}, but a tensor of shape {this} allows {-rank} to {rank - 1}."
            );
        return dim < 0 ? dim + rank : dim;
    }

    /// <summary>Sizes seen as another shape without moving elements, or null where that is not possible.</summary>
    public Layout? TryView(long[] sizes)
    {
        if (IsContiguous)
            return new Layout(sizes, RowMajor(sizes), Offset);
        long[] strides = new long[sizes.Length];
        // Runs of old dimensions that lie without gaps are matched with runs of new ones of the same product.
        int next = sizes.Length - 1;
        long run = 1;
        long step = Strides[^1];
        for (int d = Rank - 1; d >= 0; d--)
        {
            run *= Sizes[d];
            if (d > 0 && (Sizes[d - 1] == 1 || Strides[d - 1] == run * step))
                continue;
            long matched = 1;
            while (next >= 0 && (matched < run || sizes[next] == 1))
            {
                strides[next] = matched * step;
                matched *= sizes[next--];
            }
            if (matched != run)
                return null;
            if (d > 0)
            {
                step = Strides[d - 1];
                run = 1;
            }
        }
        return next == -1 ? new Layout(sizes, strides, Offset) : null;
    }

    public override string ToString() => Text(Sizes);

    /// <summary>A shape as people write it: [32, 200]; [] for a scalar.</summary>
    public static string Text(ReadOnlySpan<long> sizes)
    {
        var text = new StringBuilder("[");
        for (int d = 0; d < sizes.Length; d++)
            text.Append(d == 0 ? "" : ", ").Append(sizes[d]);
        return text.Append(']').ToString();
    }

    private static bool Packed(long[] sizes, long[] strides)
    {
        long step = 1;
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            if (sizes[d] == 1)
                continue;
            if (strides[d] != step)
                return false;
            step *= sizes[d];
        }
        return true;
    }
}
