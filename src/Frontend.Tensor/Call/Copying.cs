using System.Runtime.CompilerServices;

namespace Picograd.Calls;

/// <summary>Copies without record: a strided tensor into new dense memory, and values into a strided view.</summary>
internal static class Copying
{
    private static readonly Operator Copy = new("copy");

    /// <summary>A dense copy in new memory.</summary>
    public static Tensor Dense(Tensor source)
    {
        var result = Tensor.Allocate(Layout.Contiguous(source.Layout.Sizes), source.DType, source.Runtime);
        Run(source, source.Layout, result, result.Layout);
        return result;
    }

    /// <summary>A tensor itself where it is dense, else a dense copy; without record.</summary>
    public static Tensor DenseOf(Tensor source) => source.IsContiguous ? source : Dense(source);

    /// <summary>A dense copy in another shape of as many elements.</summary>
    public static Tensor Dense(Tensor source, long[] sizes)
    {
        var result = Tensor.Allocate(Layout.Contiguous(sizes), source.DType, source.Runtime);
        Run(source, source.Layout, result, Layout.Contiguous(source.Layout.Sizes));
        return result;
    }

    /// <summary>
    /// Values of the view's shape and dtype into the memory that a view shows. The view must not show an element twice.
    /// </summary>
    public static void Into(Tensor view, Tensor values)
    {
        if (view.NumElements == 0)
            return;
        if (!ReferenceEquals(view.Runtime, values.Runtime))
            values = values.ToDevice(view.Device);
        // A source that lies in the same memory may be overwritten while it is read.
        var source = ReferenceEquals(view.Storage, values.Storage) ? Dense(values) : values;
        Run(source, source.Layout, view, view.Layout);
        view.Storage.Version++;
    }

    /// <summary>
    /// Puts new contents, computed beside, in the place of a tensor's elements: swaps the memory where the tensor is all of
    /// it, copies into the view otherwise.
    /// </summary>
    public static void Replace(Tensor target, Tensor values)
    {
        if (
            OwnsAll(target)
            && OwnsAll(values)
            && values.Storage.Owners == 1
            && ReferenceEquals(target.Runtime, values.Runtime)
        )
        {
            target.Storage.Swap(values.Storage.Surrender());
            values.Dispose();
        }
        else
        {
            Into(target, values);
        }
    }

    /// <summary>Whether a tensor is dense and fills its storage, so that the storage's memory may be swapped.</summary>
    public static bool OwnsAll(Tensor t) =>
        t.IsContiguous && t.Layout.Offset == 0 && t.NumElements * t.ElementSize == t.Storage.Length;

    // From one layout of a tensor's memory to one of another's, both of one shape.
    [SkipLocalsInit]
    private static void Run(Tensor source, Layout from, Tensor target, Layout to)
    {
        if (from.Count == 0)
            return;
        Span<long> dims = stackalloc long[3 * Layout.MaxRank];
        int count = Align(from, to, dims, out bool isDense);
        if (count > Broadcasting.MaxDims)
        {
            OneByOne(source, from.Offset, target, target.Layout.Offset, dims[..(3 * count)]);
            return;
        }
        var call = new OpCall(Copy, stackalloc long[OpCall.MostWords]);
        call.Place(source);
        call.Place(target);
        var words = call.Free;
        for (int d = 0; d < count; d++)
        {
            words[1 + d] = dims[3 * d];
            words[1 + count + d] = dims[3 * d + 1];
            words[1 + 2 * count + d] = dims[3 * d + 2];
        }
        var lists = Copy.Words.Lists;
        call.Head |= ((long)count << lists[0]) | ((long)count << lists[1]) | (isDense ? 0 : (long)count << lists[2]);
        call.Run(1 + (isDense ? 2 : 3) * count);
    }

    // More dimensions than an operator has: one copy for each index of the first.
    private static void OneByOne(Tensor source, long from, Tensor target, long to, ReadOnlySpan<long> dims)
    {
        int count = dims.Length / 3 - 1;
        var (sizes, steps, strides) = (new long[count], new long[count], new long[count]);
        for (int d = 0; d < count; d++)
            (sizes[d], steps[d], strides[d]) = (dims[3 * d + 3], dims[3 * d + 4], dims[3 * d + 5]);
        for (long i = 0; i < dims[0]; i++)
        {
            using var part = source.Alias(new Layout(sizes, steps, from + i * dims[1]));
            using var place = target.Alias(new Layout(sizes, strides, to + i * dims[2]));
            Run(part, part.Layout, place, place.Layout);
        }
    }

    // Size and both strides of each dimension, in the order in which the target lies in memory; neighbours that lie without
    // a gap in both are one.
    private static int Align(Layout from, Layout to, Span<long> words, out bool isDense)
    {
        Span<int> order = stackalloc int[Layout.MaxRank];
        int rank = 0;
        for (int d = 0; d < to.Rank; d++)
        {
            if (to.Sizes[d] == 1)
                continue;
            int at = rank++;
            for (; at > 0 && to.Strides[order[at - 1]] < to.Strides[d]; at--)
                order[at] = order[at - 1];
            order[at] = d;
        }
        int count = 0;
        foreach (int d in order[..rank])
        {
            var (size, step, stride) = (to.Sizes[d], from.Strides[d], to.Strides[d]);
            if (count > 0)
            {
                var last = words.Slice(3 * (count - 1), 3);
                if (last[1] == size * step && last[2] == size * stride)
                {
                    (last[0], last[1], last[2]) = (last[0] * size, step, stride);
                    continue;
                }
            }
            var next = words.Slice(3 * count++, 3);
            (next[0], next[1], next[2]) = (size, step, stride);
        }
        if (count == 0)
        {
            words[..3].Fill(1);
            count = 1;
        }
        long dense = 1;
        isDense = true;
        for (int d = count - 1; d >= 0; d--)
        {
            isDense &= words[3 * d + 2] == dense;
            dense *= words[3 * d];
        }
        return count;
    }
}
