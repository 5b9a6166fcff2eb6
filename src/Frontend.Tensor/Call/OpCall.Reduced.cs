namespace Picograd.Calls;

// Reductions and their gradients: [head, rows, columns] with the axis in the head, or [head, 0, 0, shape, axes], neighbouring
// dimensions of one kind being one.
internal unsafe ref partial struct OpCall
{
    /// <summary>Runs the call, all operands being given and dense.</summary>
    /// <param name="whole">What is reduced; not more than <see cref="Broadcasting.MaxDims"/> <see cref="ReducedDims"/>.</param>
    /// <param name="over">A bit for each dimension that is reduced.</param>
    public void RunReduced(Layout whole, uint over)
    {
        Span<long> dims = stackalloc long[Layout.MaxRank + 1];
        int count = Merge(whole.Sizes, over, dims);
        _words[1] = _words[2] = 0;
        if (count == 2)
        {
            _words[1] = dims[0] >> 1;
            _words[2] = dims[1] >> 1;
            Head |= (dims[0] & 1) != 0 ? _plan.AxisBits[0] : _plan.AxisBits[1];
            _count = 3;
        }
        else
        {
            int next = 3;
            for (int d = 0; d < count; d++)
                _words[next++] = dims[d] >> 1;
            for (int d = 0; d < count; d++)
            {
                if ((dims[d] & 1) != 0)
                    _words[next++] = d;
            }
            Head |= ((long)count << _plan.Lists[0]) | ((long)(next - 3 - count) << _plan.Lists[1]);
            _count = next;
        }
        for (int i = 0; i < _next; i++)
            _empty |= _tensors[i]!.NumElements == 0;
        Run();
    }

    /// <summary>How many dimensions an instance has, neighbouring ones of one kind being one.</summary>
    public static int ReducedDims(Layout whole, uint over) =>
        Merge(whole.Sizes, over, stackalloc long[Layout.MaxRank + 1]);

    // A number a dimension: size · 2 + 1 where it is reduced.
    private static int Merge(ReadOnlySpan<long> sizes, uint over, Span<long> dims)
    {
        int count = 0;
        long any = 0;
        for (int d = 0; d < sizes.Length; d++)
        {
            uint reduced = over >> d & 1;
            if (sizes[d] == 1)
                continue;
            any |= reduced;
            if (count > 0 && (dims[count - 1] & 1) == reduced)
                dims[count - 1] = ((dims[count - 1] >> 1) * sizes[d] << 1) | reduced;
            else
                dims[count++] = (sizes[d] << 1) | reduced;
        }
        // Only dimensions of size 1 are reduced (or there are none at all): a reduced one must be there for the library.
        if (any == 0)
            dims[count++] = (1 << 1) | 1;
        return count;
    }
}
