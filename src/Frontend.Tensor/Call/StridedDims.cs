namespace Picograd.Calls;

/// <summary>
/// Dimensions with one stride or two, in as few as possible: a neighbour over which both go on without a gap is one with the
/// dimension before it.
/// </summary>
/// <param name="words">Place for three words a dimension.</param>
internal ref struct StridedDims(Span<long> words)
{
    private readonly Span<long> _words = words;

    // Dimensions in front of it stay apart from those behind.
    private int _start;

    public int Count { get; private set; }

    /// <summary>Size and strides of a dimension.</summary>
    public readonly (long Size, long Stride, long Other) this[int dim] =>
        (_words[3 * dim], _words[3 * dim + 1], _words[3 * dim + 2]);

    /// <summary>Appends a dimension within those before.</summary>
    public void Add(long size, long stride, long other = 0)
    {
        if (size == 1)
            return;
        if (Count > _start)
        {
            var last = _words.Slice(3 * (Count - 1), 3);
            if (last[1] == size * stride && last[2] == size * other)
            {
                (last[0], last[1], last[2]) = (last[0] * size, stride, other);
                return;
            }
        }
        Append(size, stride, other);
    }

    /// <summary>Appends a dimension, also of size 1.</summary>
    public void Append(long size, long stride, long other = 0)
    {
        (_words[3 * Count], _words[3 * Count + 1], _words[3 * Count + 2]) = (size, stride, other);
        Count++;
    }

    /// <summary>What comes now is not one with what was there before.</summary>
    public void Split() => _start = Count;

    /// <summary>Whether the second strides are those of row-major order.</summary>
    public readonly bool OthersAreDense()
    {
        long dense = 1;
        for (int d = Count - 1; d >= 0; d--)
        {
            if (this[d].Other != dense)
                return false;
            dense *= this[d].Size;
        }
        return true;
    }
}
