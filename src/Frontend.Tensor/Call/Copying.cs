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
        t.IsContiguous
        && t.Layout.Offset == 0
        && t.NumElements * t.ElementSize == t.Storage.Length
        && !t.Storage.IsForeign;

    // From one layout of a tensor's memory to one of another's, both of one shape.
    [SkipLocalsInit]
    private static void Run(Tensor source, Layout from, Tensor target, Layout to)
    {
        if (from.Count == 0)
            return;
        var dims = new StridedDims(stackalloc long[3 * Layout.MaxRank]);
        Align(from, to, ref dims);
        int count = dims.Count;
        if (count > Broadcasting.MaxDims)
        {
            OneByOne(source, from.Offset, target, target.Layout.Offset, dims);
            return;
        }
        var call = new OpCall(Copy, stackalloc long[OpCall.MostWords]);
        call.Place(source);
        call.Place(target);
        bool isDense = dims.OthersAreDense();
        var words = call.Free;
        for (int d = 0; d < count; d++)
            (words[1 + d], words[1 + count + d], words[1 + 2 * count + d]) = dims[d];
        var lists = Copy.Words.Lists;
        call.Head |= ((long)count << lists[0]) | ((long)count << lists[1]) | (isDense ? 0 : (long)count << lists[2]);
        call.Run(1 + (isDense ? 2 : 3) * count);
    }

    // More dimensions than an operator has: one copy for each index of the first.
    private static void OneByOne(Tensor source, long from, Tensor target, long to, StridedDims dims)
    {
        int count = dims.Count - 1;
        var (sizes, steps, strides) = (new long[count], new long[count], new long[count]);
        for (int d = 0; d < count; d++)
            (sizes[d], steps[d], strides[d]) = dims[d + 1];
        for (long i = 0; i < dims[0].Size; i++)
        {
            using var part = source.Alias(new Layout(sizes, steps, from + i * dims[0].Stride));
            using var place = target.Alias(new Layout(sizes, strides, to + i * dims[0].Other));
            Run(part, part.Layout, place, place.Layout);
        }
    }

    // Size and both strides of each dimension, in the order in which the target lies in memory.
    private static void Align(Layout from, Layout to, ref StridedDims dims)
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
        foreach (int d in order[..rank])
            dims.Add(to.Sizes[d], from.Strides[d], to.Strides[d]);
        if (rank == 0)
            dims.Append(1, 1, 1);
    }
}
