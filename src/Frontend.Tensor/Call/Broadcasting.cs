using System.Runtime.CompilerServices;

namespace Picograd.Calls;

/// <summary>
/// How operands of different shapes line up, in as few dimensions as possible: neighbouring dimensions in which the same
/// operands repeat are one. A word a dimension: size · 8 + one bit an operand that does not repeat there.
/// </summary>
internal ref struct Broadcasting
{
    /// <summary>Most dimensions that an operator of the library has.</summary>
    public const int MaxDims = 6;

    /// <summary>Most dimensions that a tensor may have here.</summary>
    public const int MaxRank = Layout.MaxRank;

    private readonly Span<long> _words;

    private Broadcasting(Span<long> words) => _words = words;

    /// <summary>Words written.</summary>
    public int Count { get; private set; }

    /// <summary>Bit i: operand i does not lie densely and must be copied first.</summary>
    public int Ragged { get; private set; }

    /// <summary>
    /// Lines up two or three operands (the last may be null) whose broadcast shape is <paramref name="sizes"/>, in which no
    /// size is 0: an empty result needs no kernel, and strides around a size of 0 say nothing.
    /// <paramref name="words"/> has a place for each dimension, and at least one.
    /// </summary>
    public static Broadcasting Of(ReadOnlySpan<long> sizes, Layout a, Layout b, Layout? c, Span<long> words)
    {
        var result = new Broadcasting(words);
        int all = c is null ? 3 : 7;
        long nextA = 1;
        long nextB = 1;
        long nextC = 1;
        int count = 0;
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            long size = sizes[d];
            if (size == 1)
                continue;
            int back = sizes.Length - d;
            int bits = result.Bit(a, back, 1, ref nextA) | result.Bit(b, back, 2, ref nextB);
            if (c is not null)
                bits |= result.Bit(c, back, 4, ref nextC);
            // All that have this dimension repeat along it (expanded views): one of them must be written out in full.
            if (bits == 0)
                result.Ragged |=
                    Repeats(a, back) ? 1
                    : Repeats(b, back) ? 2
                    : 4;
            if (count > 0 && (words[count - 1] & 7) == bits)
                words[count - 1] = ((words[count - 1] >> 3) * size << 3) | (uint)bits;
            else
                words[count++] = (size << 3) | (uint)bits;
        }
        if (count == 0)
            words[count++] = (1 << 3) | (uint)all;
        words[..count].Reverse();
        result.Count = count;
        return result;
    }

    /// <summary>The shape of operands of two shapes, or null where they do not fit.</summary>
    public static long[]? Shape(Layout a, Layout b)
    {
        var (longer, shorter) = a.Rank >= b.Rank ? (a, b) : (b, a);
        int added = longer.Rank - shorter.Rank;
        long[]? made = null;
        for (int d = 0; d < shorter.Rank; d++)
        {
            long x = longer.Sizes[d + added];
            long y = shorter.Sizes[d];
            if (x == y || y == 1)
                continue;
            if (x != 1)
                return null;
            made ??= [.. longer.Sizes];
            made[d + added] = y;
        }
        return made ?? longer.Sizes;
    }

    private static bool Repeats(Layout layout, int back) => layout.Rank >= back && layout.Sizes[^back] != 1;

    // The bit of an operand in the dimension `back` from the end, and whether it lies where a dense operand would.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Bit(Layout layout, int back, int bit, ref long next)
    {
        int d = layout.Rank - back;
        if (d < 0 || layout.Sizes[d] == 1 || layout.Strides[d] == 0)
            return 0;
        if (layout.Strides[d] != next)
            Ragged |= bit;
        next *= layout.Sizes[d];
        return bit;
    }
}
