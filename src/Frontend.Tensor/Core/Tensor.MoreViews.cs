using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    // Data: the layouts of view and input, and how many elements there are in memory.
    private static readonly Rule AsStridedRule = new(
        "as_strided",
        Saves.Nothing,
        static (n, g) =>
        {
            var (view, input, count) = ((Layout, Layout, long))n.Data!;
            var memory = Zeros([count], g.DType, g.Device)
                .IndexAdd(0, PlacesOf(view, g.Device), g.Reshape(g.NumElements));
            n.Send(0, memory.AsStrided(input.Sizes, input.Strides, input.Offset));
        }
    );

    // Of each element of a layout its place in memory.
    private static Tensor PlacesOf(Layout layout, Device device)
    {
        using var off = NoGrad();
        var places = Full([], layout.Offset, DType.Int64, device);
        for (int d = 0; d < layout.Rank; d++)
            places = places.Unsqueeze(-1) + Arange(layout.Sizes[d], device) * layout.Strides[d];
        return places.Reshape(layout.Count);
    }

    /// <summary>A view of the memory with sizes, strides and a beginning of its own (that of this tensor unless given), in elements.</summary>
    /// <exception cref="ArgumentException">Negative sizes or strides, or elements outside of the memory.</exception>
    public Tensor AsStrided(ReadOnlySpan<long> size, ReadOnlySpan<long> stride, long? storageOffset = null)
    {
        if (size.Length != stride.Length)
            throw new ArgumentException(
                $"as_strided: {size.Length} sizes and {stride.Length} strides are given; there must be as many."
            );
        long offset = storageOffset ?? Layout.Offset;
        long count = Storage.Length / ElementSize;
        var last = (Int128)offset;
        bool isEmpty = false;
        for (int d = 0; d < size.Length; d++)
        {
            if (size[d] < 0 || stride[d] < 0)
                throw new ArgumentException(
                    $"as_strided: sizes {Layout.Text(size)} and strides {Layout.Text(stride)} must not be negative."
                );
            isEmpty |= size[d] == 0;
            last += (Int128)(size[d] - 1) * stride[d];
        }
        if (offset < 0 || (!isEmpty && last >= count))
            throw new ArgumentException(
                $"as_strided: sizes {Layout.Text(size)} and strides {Layout.Text(stride)} from {offset} on reach element {last}, but the "
                    + $"memory has {count}."
            );
        var view = new Layout(size.ToArray(), stride.ToArray(), isEmpty ? Layout.Offset : offset);
        return TakeView(view, AsStridedRule, (view, Layout, count));
    }

    /// <summary>All elements in one dimension; a view where that is possible.</summary>
    public Tensor Ravel() => Reshape(-1);

    /// <summary>Expanded to the shape that it has together with another tensor.</summary>
    internal Tensor ExpandWith(Tensor other) =>
        Broadcasting.Shape(Layout, other.Layout) is { } shape ? Expand(shape) : this;

    /// <summary>Expanded to the shape of another.</summary>
    public Tensor ExpandAs(Tensor other) => Expand(Given(other).Layout.Sizes);

    /// <summary>Expanded to a shape.</summary>
    public Tensor BroadcastTo(params ReadOnlySpan<long> size) => Expand(size);

    /// <summary>In the shape of another.</summary>
    public Tensor ReshapeAs(Tensor other) => Reshape(Given(other).Layout.Sizes);

    /// <summary>A view in the shape of another.</summary>
    public Tensor ViewAs(Tensor other) => View(Given(other).Layout.Sizes);

    /// <summary>In the dtype of another.</summary>
    public Tensor TypeAs(Tensor other) => To(Given(other).DType);

    /// <summary>The shape that several broadcast to.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    public static long[] BroadcastShapes(params ReadOnlySpan<long[]> shapes)
    {
        long[] result = [];
        foreach (long[] shape in shapes)
        {
            var (a, b) = (Layout.Contiguous(result), CheckedShape(shape, "broadcast_shapes"));
            result =
                Broadcasting.Shape(a, b)
                ?? throw new ArgumentException($"broadcast_shapes: the shapes {a} and {b} do not broadcast.");
        }
        return result;
    }

    /// <summary>All expanded to the shape that they broadcast to.</summary>
    public static Tensor[] BroadcastTensors(params ReadOnlySpan<Tensor> tensors)
    {
        var all = tensors.ToArray();
        long[] shape = BroadcastShapes([.. all.Select(t => Given(t).Layout.Sizes)]);
        return [.. all.Select(t => t.Expand(shape))];
    }

    /// <summary>Pieces along the second dimension (of a vector the first).</summary>
    public Tensor[] HSplit(int sections) => TensorSplit(sections, HDim("hsplit"));

    /// <inheritdoc cref="HSplit(int)"/>
    public Tensor[] HSplit(ReadOnlySpan<long> indices) => TensorSplit(indices, HDim("hsplit"));

    /// <summary>Pieces along the first dimension.</summary>
    public Tensor[] VSplit(int sections) => Even("vsplit", sections, 2, 0);

    /// <inheritdoc cref="VSplit(int)"/>
    public Tensor[] VSplit(ReadOnlySpan<long> indices)
    {
        RequireRank("vsplit", 2);
        return TensorSplit(indices, 0);
    }

    /// <summary>Pieces along the third dimension.</summary>
    public Tensor[] DSplit(int sections) => Even("dsplit", sections, 3, 2);

    /// <inheritdoc cref="DSplit(int)"/>
    public Tensor[] DSplit(ReadOnlySpan<long> indices)
    {
        RequireRank("dsplit", 3);
        return TensorSplit(indices, 2);
    }

    private int HDim(string what)
    {
        RequireRank(what, 1);
        return Rank == 1 ? 0 : 1;
    }

    private Tensor[] Even(string what, int sections, int rank, int dim)
    {
        RequireRank(what, rank);
        if (sections <= 0 || Layout.Sizes[dim] % sections != 0)
            throw new ArgumentException(
                $"{what}: sections is {sections}, but must divide dimension {dim} of shape {Layout}."
            );
        return TensorSplit(sections, dim);
    }

    private void RequireRank(string what, int least)
    {
        if (Rank < least)
            throw new ArgumentException($"{what}: needs at least {least} dimensions, but the shape is {Layout}.");
    }

    /// <summary>A copy with one index of a dimension replaced.</summary>
    public Tensor SelectScatter(Tensor src, int dim, long index) =>
        Replaced("select_scatter", t => t.Select(dim, index), src);

    /// <summary>A copy with some indices of a dimension replaced.</summary>
    public Tensor SliceScatter(Tensor src, int dim = 0, long? start = null, long? end = null, long step = 1)
    {
        int d = Layout.Dim(dim, "slice_scatter");
        return Replaced(
            "slice_scatter",
            t =>
            {
                var indices = new TensorIndex[d + 1];
                for (int i = 0; i < d; i++)
                    indices[i] = new Slice(null, null);
                indices[d] = new Slice(start, end, step);
                return t[indices];
            },
            src
        );
    }

    /// <summary>A copy with a diagonal replaced.</summary>
    public Tensor DiagonalScatter(Tensor src, long offset = 0, int dim1 = 0, int dim2 = 1) =>
        Replaced("diagonal_scatter", t => t.Diagonal(offset, dim1, dim2), src);

    private Tensor Replaced(string what, Func<Tensor, Tensor> part, Tensor src)
    {
        ArgumentNullException.ThrowIfNull(src);
        var copy = Clone();
        var view = part(copy);
        if (!view.Layout.SameSizes(src.Layout))
            throw new ArgumentException(
                $"{what}: the part that is replaced has the shape {view.Layout}, but src {src.Layout}."
            );
        view.Copy_(src);
        return copy;
    }

    /// <summary>With at least one dimension.</summary>
    public Tensor Atleast1d() => Rank == 0 ? Reshape(1) : this;

    /// <summary>With at least two dimensions; a vector is a row.</summary>
    public Tensor Atleast2d() => Rank < 2 ? Atleast1d().Unsqueeze(0) : this;

    /// <summary>With at least three dimensions; a vector lies in the middle, a matrix in front.</summary>
    public Tensor Atleast3d() => Rank < 3 ? Atleast2d().Unsqueeze(-1) : this;

    /// <summary>Vectors as columns beside each other, and matrices.</summary>
    public static Tensor ColumnStack(params ReadOnlySpan<Tensor> tensors)
    {
        var all = tensors.ToArray();
        return HStack([.. all.Select(t => Given(t).Rank <= 1 ? t.Reshape(t.NumElements, 1) : t)]);
    }

    /// <summary>Matrices along the diagonal, zeros beside them; vectors are rows.</summary>
    public static Tensor BlockDiag(params ReadOnlySpan<Tensor> tensors)
    {
        var all = tensors.ToArray();
        if (all.Length == 0)
            return Zeros(1, 0);
        for (int i = 0; i < all.Length; i++)
        {
            if (Given(all[i]).Rank > 2)
                throw new ArgumentException(
                    $"block_diag: tensor {i} must have at most 2 dimensions, but its shape is {all[i].Layout}."
                );
        }
        var type = Promotion.Of(all);
        for (int i = 0; i < all.Length; i++)
            all[i] = all[i].Atleast2d();
        long columns = all.Sum(t => t.Layout.Sizes[1]);
        long left = 0;
        var rows = new List<Tensor>();
        foreach (var block in all)
        {
            var (m, n) = (block.Layout.Sizes[0], block.Layout.Sizes[1]);
            rows.Add(
                Cat(
                    [
                        Zeros([m, left], type, block.Device),
                        block.To(type),
                        Zeros([m, columns - left - n], type, block.Device),
                    ],
                    1
                )
            );
            left += n;
        }
        return Cat([.. rows], 0);
    }

    /// <summary>Rows and columns (int64 [2, n]) of the lower triangle of a matrix.</summary>
    public static Tensor TrilIndices(
        long row,
        long col,
        long offset = 0,
        DType dtype = DType.Int64,
        Device? device = null
    ) => TriangleIndices("tril_indices", row, col, (i, j) => j - i <= offset, dtype, device);

    /// <summary>Rows and columns (int64 [2, n]) of the upper triangle of a matrix.</summary>
    public static Tensor TriuIndices(
        long row,
        long col,
        long offset = 0,
        DType dtype = DType.Int64,
        Device? device = null
    ) => TriangleIndices("triu_indices", row, col, (i, j) => j - i >= offset, dtype, device);

    private static Tensor TriangleIndices(
        string what,
        long rows,
        long columns,
        Func<Tensor, Tensor, Tensor> condition,
        DType dtype,
        Device? device
    )
    {
        CheckedShape([rows, columns], what);
        var (i, j) = (Arange(rows, device).Unsqueeze(1), Arange(columns, device));
        return condition(i, j).Expand(rows, columns).NonZero().T.Contiguous().To(dtype);
    }

    /// <summary>Where elements are not 0: a row of indices each.</summary>
    public Tensor Argwhere() => NonZero();

    /// <summary>Elements at places of the flattened tensor replaced, in place. Returns itself.</summary>
    public Tensor Put_(Tensor index, Tensor source, bool accumulate = false)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(source);
        if (index.NumElements != source.NumElements)
            throw new ArgumentException(
                $"put_: {index.NumElements} places and {source.NumElements} elements are given; there must be as many."
            );
        if (source.DType != DType)
            throw new ArgumentException(
                $"put_: the dtypes {DType.Name()} and {source.DType.Name()} differ; convert one with To()."
            );
        var places = index.Flatten();
        var values = source.Flatten();
        if (IsContiguous)
        {
            View(NumElements).IndexPut_([places], values, accumulate);
            return this;
        }
        var changed = Reshape(NumElements).Clone();
        changed.IndexPut_([places], values, accumulate);
        return Copy_(changed.Reshape(Shape));
    }

    /// <summary>A copy with elements at places of the flattened tensor replaced.</summary>
    public Tensor Put(Tensor index, Tensor source, bool accumulate = false) => Clone().Put_(index, source, accumulate);

    /// <summary>Slices of a source put together with those at indices of a dimension: "prod", "mean", "amax" or "amin".</summary>
    public Tensor IndexReduce(int dim, Tensor index, Tensor source, string reduce, bool includeSelf = true)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(reduce);
        int d = Layout.Dim(dim, "index_reduce");
        if (reduce is not ("prod" or "mean" or "amax" or "amin"))
            throw new ArgumentException(
                $"index_reduce: reduce is \"{reduce}\", but must be \"prod\", \"mean\", \"amax\" or \"amin\"."
            );
        if (index.Rank > 1 || source.Rank != Rank || (Rank > 0 && source.Layout.Sizes[d] != index.NumElements))
            throw new ArgumentException(
                $"index_reduce: the index has shape {index.Layout} and the source {source.Layout}; needs one place for each of its slices along {dim}."
            );
        long[] shape = [.. Enumerable.Repeat(1L, Rank)];
        if (Rank > 0)
            shape[d] = index.NumElements;
        return ScatterReduce(dim, index.Reshape(shape).Expand(source.Shape), source, reduce, includeSelf);
    }

    /// <summary>As <see cref="IndexReduce"/>, in place. Returns itself.</summary>
    public Tensor IndexReduce_(int dim, Tensor index, Tensor source, string reduce, bool includeSelf = true) =>
        Copy_(IndexReduce(dim, index, source, reduce, includeSelf));

    /// <summary>beta · this + alpha · Σ of products of matrices.</summary>
    public Tensor Addbmm(Tensor batch1, Tensor batch2, double beta = 1, double alpha = 1)
    {
        ArgumentNullException.ThrowIfNull(batch1);
        ArgumentNullException.ThrowIfNull(batch2);
        if (Picograd.Autocast.Of("addbmm", this) is { } cast)
            return cast.Run([this, batch1, batch2], t => t[0].Addbmm(t[1], t[2], beta, alpha));
        var sum = batch1.Bmm(batch2).Sum([0]);
        var scaled = alpha == 1 ? sum : sum * alpha;
        return beta == 0 ? scaled.ExpandWith(this)
            : beta == 1 ? this + scaled
            : this * beta + scaled;
    }

    /// <summary>All choices of r of the elements of a vector, in order.</summary>
    public Tensor Combinations(int r = 2, bool withReplacement = false)
    {
        if (Rank != 1 || r < 0)
            throw new ArgumentException(
                $"combinations: needs a vector and r of at least 0, but the shape is {Layout} and r is {r}."
            );
        if (r == 0)
            return Empty([0], DType, Device);
        var rows = new List<long>();
        long n = NumElements;
        long[] at = new long[r];
        for (int i = 0; i < r; i++)
            at[i] = withReplacement ? 0 : i;
        while (n > 0 && at[^1] < n)
        {
            rows.AddRange(at);
            int k = r - 1;
            while (k >= 0 && at[k] == (withReplacement ? n - 1 : n - r + k))
                k--;
            if (k < 0)
                break;
            at[k]++;
            for (int i = k + 1; i < r; i++)
                at[i] = withReplacement ? at[k] : at[i - 1] + 1;
        }
        var index = From(rows.ToArray()).ToDevice(Device);
        return IndexSelect(0, index).Reshape(rows.Count / r, r);
    }
}
