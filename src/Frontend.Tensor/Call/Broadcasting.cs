using System.Runtime.CompilerServices;

namespace Picograd.Calls;

/// <summary>How operands of different shapes line up.</summary>
internal static class Broadcasting
{
    /// <summary>Most dimensions that an operator of the library has.</summary>
    public const int MaxDims = 6;

    /// <summary>The shape of operands of two shapes, or null where they do not fit.</summary>
    public static long[]? Shape(Layout a, Layout b) => Shape(a.Sizes, b.Sizes);

    /// <inheritdoc cref="Shape(Layout, Layout)"/>
    public static long[]? Shape(long[] a, long[] b)
    {
        var (longer, shorter) = a.Length >= b.Length ? (a, b) : (b, a);
        int added = longer.Length - shorter.Length;
        long[]? made = null;
        for (int d = 0; d < shorter.Length; d++)
        {
            long x = longer[d + added];
            long y = shorter[d];
            if (x == y || y == 1)
                continue;
            if (x != 1)
                return null;
            made ??= [.. longer];
            made[d + added] = y;
        }
        return made ?? longer;
    }

    /// <summary>
    /// Operands of a broadcast shape in as few dimensions as possible: neighbours in which the same operands repeat are one (PyTorch's
    /// TensorIterator says coalesced).
    /// </summary>
    /// <param name="sizes">The shape, in which no size is 0.</param>
    /// <param name="operands">Null for one that never repeats.</param>
    /// <param name="dims">A place for each dimension, and at least one. Gets size · 8 + one bit an operand that does not repeat there.</param>
    /// <param name="repeated">A dimension along which all repeat, which only expanded views do; -1 for none.</param>
    /// <returns>The number of dimensions.</returns>
    public static int Coalesce(
        ReadOnlySpan<long> sizes,
        ReadOnlySpan<Layout?> operands,
        Span<long> dims,
        out int repeated
    )
    {
        int count = 0;
        repeated = -1;
        for (int d = 0; d < sizes.Length; d++)
        {
            if (sizes[d] == 1)
                continue;
            long bits = 0;
            for (int i = 0; i < operands.Length; i++)
                bits |= operands[i] is { } layout && Repeats(layout, sizes.Length - d) ? 0 : 1L << i;
            repeated = bits == 0 ? d : repeated;
            if (count > 0 && (dims[count - 1] & 7) == bits)
                dims[count - 1] = ((dims[count - 1] >> 3) * sizes[d] << 3) | bits;
            else
                dims[count++] = (sizes[d] << 3) | bits;
        }
        if (count == 0)
            dims[count++] = (1 << 3) | ((1L << operands.Length) - 1);
        return count;
    }

    // In the dimension `back` from the end.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Repeats(Layout layout, int back)
    {
        int d = layout.Rank - back;
        return d < 0 || layout.Sizes[d] == 1 || layout.Strides[d] == 0;
    }
}
