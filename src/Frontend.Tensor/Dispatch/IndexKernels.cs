using System.Text;
using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>
/// What index tensors pick from a strided view: some of its dimensions, through which one dense int64 tensor counts in
/// row-major order. Dimension <see cref="At"/> and the following ones of the result are those of the index tensor, in the place
/// of the indexed ones.
/// </summary>
/// <param name="Dims">The indexed dimensions, ascending.</param>
/// <param name="At">How many of the other dimensions lie in front of what is picked.</param>
/// <param name="Places">Row-major places within the indexed dimensions, in range; of the shape that is picked.</param>
internal sealed record IndexPart(int[] Dims, int At, Tensor Places)
{
    /// <summary>Dimensions of what is picked out of a view.</summary>
    public int Rank(Layout view) => view.Rank - Dims.Length + Places.Rank;

    /// <summary>Shape of what is picked out of a shape.</summary>
    public long[] Picked(long[] sizes)
    {
        var rest = Rest(sizes.Length);
        return [.. rest[..At].Select(d => sizes[d]), .. Places.Layout.Sizes, .. rest[At..].Select(d => sizes[d])];
    }

    /// <summary>The dimensions in the order of the result, the indexed ones where what is picked goes.</summary>
    public int[] Order(int rank)
    {
        var rest = Rest(rank);
        return [.. rest[..At], .. Dims, .. rest[At..]];
    }

    private int[] Rest(int rank) => [.. Enumerable.Range(0, rank).Except(Dims)];
}

/// <summary>Runs the library's reads and writes of parts of a strided view by index.</summary>
internal static unsafe class IndexKernels
{
    // Signature [head, rows, first and number of indexed dimensions, then size and stride of each dimension].
    private const int Fixed = 4;

    private static readonly Family IndexFamily = new("index", static (f, s) => Spec(f, s, ""));
    private static readonly Family PutFamily = new("index_put", static (f, s) => Spec(f, s, ""));
    private static readonly Family AddFamily = new("index_put", static (f, s) => Spec(f, s, " accumulate=1"));

    /// <summary>The part of a tensor in new dense memory.</summary>
    public static Tensor Read(Tensor source, IndexPart part)
    {
        var runtime = DeviceRuntime.Common("indexing", source, part.Places);
        var result = Tensor.Allocate(part.Picked(source.Layout.Sizes), source.DType, runtime);
        if (result.NumElements == 0)
            return result;
        Span<long> signature = stackalloc long[Fixed + 2 * Layout.MaxRank];
        int count = Signature(IndexFamily, source, part, signature);
        if (count < 0)
        {
            source = Copying.Dense(source.Detach().Permute(part.Order(source.Rank)));
            count = Signature(IndexFamily, source, InOrder(part), signature);
        }
        // The rows of a dense matrix have an operator of their own, which near shapes are tuned for.
        bool rows = count == Fixed + 4 && signature[2] == 0 && signature[3] == 1;
        if (rows && signature[7] == 1 && signature[5] == signature[6])
        {
            RowKernels.Embedding(source, signature[4], signature[6], part.Places, result.Address);
            return result;
        }
        nint* arguments = stackalloc nint[] { source.Address, part.Places.Address, result.Address };
        Dispatcher.Run(runtime, IndexFamily, signature[..count], arguments);
        GC.KeepAlive(source);
        GC.KeepAlive(part.Places);
        return result;
    }

    /// <summary>
    /// Assigns or adds dense values of the picked shape to the part of a view, in place; of places that are given twice the last
    /// one assigns. The view must not show an element twice. Values and places may lie in the memory that is written.
    /// </summary>
    public static void Write(Tensor view, IndexPart part, Tensor values, bool accumulate)
    {
        if (values.NumElements == 0)
            return;
        var runtime = DeviceRuntime.Common("indexing", view, part.Places, values);
        // The kernel would read what it has written: other values, and places that nobody checked.
        if (ReferenceEquals(view.Storage, values.Storage))
            values = Copying.Dense(values);
        if (ReferenceEquals(view.Storage, part.Places.Storage))
            part = part with { Places = Copying.Dense(part.Places) };
        Span<long> signature = stackalloc long[Fixed + 2 * Layout.MaxRank];
        var family = accumulate ? AddFamily : PutFamily;
        int count = Signature(family, view, part, signature);
        if (count < 0)
        {
            var front = view.Detach().Permute(part.Order(view.Rank));
            var dense = Copying.Dense(front);
            Write(dense, InOrder(part), values, accumulate);
            Copying.Into(front, dense);
            return;
        }
        nint at = view.Address;
        nint* arguments = stackalloc nint[] { at, part.Places.Address, values.Address, at };
        Dispatcher.Run(runtime, family, signature[..count], arguments);
        view.Storage.Version++;
        GC.KeepAlive(view);
        GC.KeepAlive(part.Places);
        GC.KeepAlive(values);
    }

    // The same part of the dimensions in their order in the result.
    private static IndexPart InOrder(IndexPart part) =>
        part with
        {
            Dims = [.. Enumerable.Range(part.At, part.Dims.Length)],
        };

    // Neighbouring dimensions that lie without a gap are one, on either side of the indexed ones and among these. −1: more
    // dimensions are left than an operator has.
    private static int Signature(Family family, Tensor source, IndexPart part, Span<long> words)
    {
        var order = part.Order(source.Rank);
        int behind = part.At + part.Dims.Length;
        int count = Fixed;
        Append(source.Layout, order.AsSpan(0, part.At), words, ref count);
        int first = (count - Fixed) / 2;
        int before = count;
        Append(source.Layout, order.AsSpan(part.At, part.Dims.Length), words, ref count);
        if (count == before)
        {
            // Only dimensions of size 1 are indexed: there must be one.
            words[count++] = 1;
            words[count++] = 1;
        }
        words[0] = family.Head(source.DType);
        words[1] = part.Places.NumElements;
        words[2] = first;
        words[3] = (count - before) / 2;
        Append(source.Layout, order.AsSpan(behind), words, ref count);
        int dims = (count - Fixed) / 2;
        return dims <= Broadcasting.MaxDims ? count : -1;
    }

    private static void Append(Layout layout, ReadOnlySpan<int> dims, Span<long> words, ref int count)
    {
        int start = count;
        foreach (int d in dims)
        {
            long size = layout.Sizes[d];
            long stride = layout.Strides[d];
            if (size == 1)
                continue;
            if (count > start && words[count - 1] == size * stride)
            {
                words[count - 2] *= size;
                words[count - 1] = stride;
                continue;
            }
            words[count++] = size;
            words[count++] = stride;
        }
    }

    private static string Spec(Family family, ReadOnlySpan<long> s, string more)
    {
        var shape = new StringBuilder();
        var strides = new StringBuilder();
        var dims = new StringBuilder();
        for (int d = 0, i = Fixed; i < s.Length; d++, i += 2)
        {
            shape.Append(d == 0 ? "" : "x").Append(s[i]);
            strides.Append(d == 0 ? "" : ",").Append(s[i + 1]);
            if (d >= s[2] && d < s[2] + s[3])
                dims.Append(dims.Length == 0 ? "" : ",").Append(d);
        }
        string type = Family.TypeOf(s).Name();
        return $"{family.Name} shape={shape} strides={strides} dims={dims} rows={s[1]}{more} dtype={type}";
    }
}
