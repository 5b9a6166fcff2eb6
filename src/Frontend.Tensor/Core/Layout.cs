using System.Text;

namespace Picograd;

/// <summary>
/// How the elements of a tensor lie in its storage: element [i0, i1, …] is at Offset + Σ i·stride, counted in elements.
/// Immutable, so tensors share layouts freely.
/// </summary>
internal sealed class Layout
{
    /// <summary>Most dimensions that a tensor may have.</summary>
    public const int MaxRank = 32;

    public static readonly Layout Scalar = new([], [], 0);

    public readonly long[] Sizes;
    public readonly long[] Strides;
    public readonly long Offset;
    public readonly long Count;

    /// <summary>Row-major without gaps; the offset may be anything.</summary>
    public readonly bool IsContiguous;

    /// <exception cref="ArgumentException">More dimensions, or more elements, than a tensor may have.</exception>
    public Layout(long[] sizes, long[] strides, long offset)
    {
        if (sizes.Length > MaxRank)
            throw new ArgumentException(
                $"A tensor may have at most {MaxRank} dimensions, but one of {sizes.Length} was asked for: {Text(sizes)}."
            );
        Sizes = sizes;
        Strides = strides;
        Offset = offset;
        Count = CountOf(sizes);
        IsContiguous = Count <= 1 || Packed(sizes, strides);
    }

    // 0 is not known yet.
    private byte _plain;

    /// <summary>
    /// Whether a new tensor of this shape would have this layout: contiguous from the start of its memory, and every stride that of
    /// row-major order, also where a size is 1 or 0 and it could be anything.
    /// </summary>
    public bool IsPlain => _plain == 0 ? FindPlain() : _plain == 1;

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
            if (d > 0 && !TryMultiply(step, Math.Max(1, sizes[d]), out step))
                throw TooMany(sizes);
        }
        return strides;
    }

    /// <summary>The number of elements of a shape: 0 where a size is 0, however large the others are.</summary>
    /// <exception cref="ArgumentException">More than 2⁶³ − 1.</exception>
    public static long CountOf(ReadOnlySpan<long> sizes)
    {
        long count = 1;
        bool fits = true;
        foreach (long size in sizes)
        {
            if (size == 0)
                return 0;
            fits = fits && TryMultiply(count, size, out count);
        }
        return fits ? count : throw TooMany(sizes);
    }

    public bool SameSizes(Layout other) => ReferenceEquals(this, other) || Sizes.AsSpan().SequenceEqual(other.Sizes);

    /// <summary>The product of the sizes from one dimension up to another, exclusive.</summary>
    /// <exception cref="ArgumentException">More than 2⁶³ − 1 (a size outside of these dimensions is 0).</exception>
    public long Product(int from, int to) => CountOf(Sizes.AsSpan(from, to - from));

    /// <summary>Each element of memory once: dimensions that repeat have size 1.</summary>
    public Layout Once()
    {
        long[]? once = null;
        for (int d = 0; d < Rank; d++)
        {
            if (Strides[d] == 0 && Sizes[d] > 1)
                (once ??= [.. Sizes])[d] = 1;
        }
        return once is null ? this : new Layout(once, Strides, Offset);
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

    // Sizes are not negative.
    private static bool TryMultiply(long a, long b, out long product) =>
        Math.BigMul(a, b, out product) == 0 && product >= 0;

    private static ArgumentException TooMany(ReadOnlySpan<long> sizes) =>
        new($"The shape {Text(sizes)} has more elements than can be counted (2^63 - 1).");

    private bool FindPlain()
    {
        bool plain = IsContiguous && Offset == 0;
        long step = 1;
        for (int d = Rank - 1; plain && d >= 0; d--)
        {
            plain = Strides[d] == step;
            step *= Math.Max(1, Sizes[d]);
        }
        _plain = (byte)(plain ? 1 : 2);
        return plain;
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
