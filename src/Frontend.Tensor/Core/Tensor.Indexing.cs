using Picograd.Algorithms;
using Picograd.Autograd;
using Picograd.Dispatch;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>
    /// Elements by index: a view for integers, ranges, <c>..</c> and null; a copy where integer tensors pick elements. See
    /// <see cref="TensorIndex"/>. Assigning overwrites them in place with a tensor that is converted and broadcast.
    /// </summary>
    /// <exception cref="IndexOutOfRangeException">An index is beyond the size of its dimension.</exception>
    /// <exception cref="ArgumentException">More indices than dimensions; index tensors that do not broadcast.</exception>
    [System.Runtime.CompilerServices.IndexerName("Elements")]
    public Tensor this[params ReadOnlySpan<TensorIndex> indices]
    {
        get
        {
            var parsed = Parse(indices);
            var view = parsed.IsWhole ? TakeView(Layout, Derivatives.Reshape) : Region(parsed.View, parsed.Dense);
            return parsed.Gathers is null ? view : view.GatherBy(parsed.Gathers);
        }
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            var parsed = Parse(indices);
            CheckChange("set-item", value);
            if (parsed.Gathers is not null)
            {
                value = value.To(DType);
                var node = Records(this, value) ? Node.Of(Derivatives.OverwritePicked, this, this, value) : null;
                if (node is not null)
                    node.Data = new SavedIndices(indices);
                SetGathered(parsed, value);
                Changed(node);
                return;
            }
            var values = value.To(DType);
            using var region = Alias(parsed.View);
            region.CheckFits("set-item", values.Layout);
            values = values.ExpandTo(parsed.View);
            bool records = Records(this, values);
            Copying.Into(region, values);
            if (records)
                Overwritten(parsed.View, values.NodeForGrad());
        }
    }

    /// <summary>
    /// Picks along a dimension by an index of the same rank: out[i, j] = this[i, index[i, j]] for the last of two dimensions.
    /// </summary>
    /// <exception cref="ArgumentException">The index is not of integers, or its other sizes are not this tensor's.</exception>
    public Tensor Gather(int dim, Tensor index)
    {
        int d = Layout.Dim(dim, "gather");
        bool fits = index.Rank == Rank && Rank > 0;
        for (int e = 0; fits && e < Rank; e++)
            fits = e == d || index.Layout.Sizes[e] == Layout.Sizes[e];
        if (!fits)
            throw new ArgumentException(
                $"gather: an index of shape {index.Layout} does not fit a tensor of shape {Layout} along dimension {dim}; all "
                    + "other sizes must be equal."
            );
        var places = IndexCheck.Places("gather", index, Layout.Sizes[d], wrap: false);
        return d == Rank - 1
            ? GatherLast(places)
            : Transpose(d, -1).GatherLast(places.Transpose(d, -1)).Transpose(d, -1);
    }

    /// <summary>Slices of one dimension by a vector of indices.</summary>
    public Tensor IndexSelect(int dim, Tensor index)
    {
        int d = Layout.Dim(dim, "index_select");
        if (index.Rank != 1)
            throw new ArgumentException($"index_select: the index must be a vector, but its shape is {index.Layout}.");
        var places = IndexCheck.Places("index_select", index, Size(d), wrap: false);
        var gathers = new Tensor?[Rank];
        gathers[d] = places;
        return GatherBy(gathers);
    }

    internal Tensor GatherLast(Tensor places)
    {
        var x = Contiguous();
        var index = places.Contiguous();
        var result = RowKernels.Gather(x, index, Layout.Contiguous(index.Layout.Sizes));
        if (Records(x))
            result.Record(Derivatives.Gather, x, index);
        return result;
    }

    internal static Tensor GatherGrad(Tensor grad, Tensor places, Layout shape)
    {
        var g = grad.Contiguous();
        var result = RowKernels.GatherGrad(g, places.Contiguous(), shape);
        if (Records(g))
            result.Record(Derivatives.GatherGrad, g, places);
        return result;
    }

    internal static Tensor EmbeddingGrad(Tensor grad, Tensor indices, Layout table)
    {
        var g = grad.Contiguous();
        var result = RowKernels.EmbeddingGrad(g, table.Sizes[0], table.Sizes[1], indices.Contiguous());
        if (Records(g))
            result.Record(Derivatives.EmbeddingGrad, g, indices);
        return result;
    }

    private readonly record struct Parsed(Layout View, Layout? Dense, Tensor?[]? Gathers, bool IsWhole);

    private Parsed Parse(ReadOnlySpan<TensorIndex> indices)
    {
        int used = 0;
        bool stretched = false;
        foreach (var index in indices)
        {
            if (index.Type == TensorIndex.Kind.Whole && !stretched)
                stretched = true;
            else if (index.Type != TensorIndex.Kind.NewAxis)
                used++;
        }
        if (used > Rank)
            throw new ArgumentException(
                $"indexing: {used} indices were given for a tensor of shape {Layout}, which has {Rank} dimensions."
            );
        long[]? denseStrides = Records(this) ? Layout.RowMajor(Layout.Sizes) : null;
        var sizes = new List<long>(Rank + indices.Length);
        var strides = new List<long>(Rank + indices.Length);
        var denseOnes = new List<long>(denseStrides is null ? 0 : Rank + indices.Length);
        List<Tensor?>? gathers = null;
        long offset = Layout.Offset;
        long denseOffset = 0;
        bool whole = true;
        int dim = 0;
        void Keep(long size, long start)
        {
            sizes.Add(size);
            strides.Add(Layout.Strides[dim]);
            offset += start * Layout.Strides[dim];
            if (denseStrides is not null)
            {
                denseOnes.Add(denseStrides[dim]);
                denseOffset += start * denseStrides[dim];
            }
            dim++;
        }
        stretched = false;
        foreach (var index in indices)
        {
            switch (index.Type)
            {
                case TensorIndex.Kind.NewAxis:
                    sizes.Add(1);
                    strides.Add(1);
                    denseOnes.Add(1);
                    whole = false;
                    break;
                case TensorIndex.Kind.Whole when !stretched:
                    stretched = true;
                    for (int rest = Rank - used; rest > 0; rest--)
                        Keep(Layout.Sizes[dim], 0);
                    break;
                case TensorIndex.Kind.Whole:
                    Keep(Layout.Sizes[dim], 0);
                    break;
                case TensorIndex.Kind.Slice:
                    long size = Layout.Sizes[dim];
                    long start = Math.Clamp(Place(index.Slice.Start, size), 0, size);
                    long end = Math.Clamp(Place(index.Slice.End, size), start, size);
                    whole &= start == 0 && end == size;
                    Keep(end - start, start);
                    break;
                case TensorIndex.Kind.At:
                    whole = false;
                    long at = Place(index.At, Layout.Sizes[dim]);
                    if (at < 0 || at >= Layout.Sizes[dim])
                        throw new IndexOutOfRangeException(
                            $"indexing: index {index.At} is out of range for dimension {dim} of shape {Layout}."
                        );
                    offset += at * Layout.Strides[dim];
                    denseOffset += denseStrides is null ? 0 : at * denseStrides[dim];
                    dim++;
                    break;
                default:
                    var places = IndexCheck.Places("indexing", index.Tensor!, Layout.Sizes[dim], wrap: true);
                    gathers ??= [];
                    while (gathers.Count < sizes.Count)
                        gathers.Add(null);
                    gathers.Add(places);
                    Keep(Layout.Sizes[dim], 0);
                    break;
            }
        }
        while (dim < Rank)
            Keep(Layout.Sizes[dim], 0);
        while (gathers is not null && gathers.Count < sizes.Count)
            gathers.Add(null);
        long[] shape = [.. sizes];
        return new Parsed(
            new Layout(shape, [.. strides], offset),
            denseStrides is null ? null : new Layout(shape, [.. denseOnes], denseOffset),
            gathers?.ToArray(),
            whole
        );
    }

    private static long Place(Index index, long size) => index.IsFromEnd ? size - index.Value : index.Value;

    /// <summary>
    /// Rows of a table: the indexed dimensions are moved to the front and seen as one, in which the index tensors together
    /// count; what was picked is moved to the place of the first index where the indices lie side by side.
    /// </summary>
    private Tensor GatherBy(Tensor?[] gathers)
    {
        var (order, count, adjacent) = FrontOrder(gathers);
        var (places, shape) = Rows(gathers, order, count);
        var front = Permute(order);
        long[] rest = front.Layout.Sizes[count..];
        long rows = front.Layout.Product(0, count);
        long width = front.Layout.Product(count, front.Rank);
        var picked = Nn.F.EmbeddingOf(front.Reshape(rows, width), places).ReshapeTo([.. shape, .. rest]);
        int first = order[0];
        if (!adjacent || first == 0)
            return picked;
        // [picked…, rest…] → [rest before, picked…, rest behind]
        int[] back = new int[picked.Rank];
        for (int d = 0; d < back.Length; d++)
            back[d] =
                d < first ? shape.Length + d
                : d < first + shape.Length ? d - first
                : d;
        return picked.Permute(back);
    }

    private void SetGathered(Parsed parsed, Tensor value)
    {
        using var region = Alias(parsed.View);
        var (order, count, adjacent) = FrontOrder(parsed.Gathers!);
        var (places, shape) = Rows(parsed.Gathers!, order, count);
        var front = region.Permute(order);
        long[] rest = front.Layout.Sizes[count..];
        if (adjacent && order[0] != 0)
            throw new ArgumentException(
                "set-item: an index tensor behind a range is not supported; move its dimension to the front with Transpose."
            );
        var shown = Layout.Contiguous([.. shape, .. rest]);
        if (Broadcasting.Shape(shown, value.Layout) is not { } fits || !fits.AsSpan().SequenceEqual(shown.Sizes))
            throw new ArgumentException(
                $"set-item: the shape {value.Layout} does not broadcast to the shape {shown} of what is indexed."
            );
        long width = front.Layout.Product(count, front.Rank);
        var values = value.To(DType).ExpandTo(shown).Reshape(places.NumElements, width);
        var table = Copying.Dense(front).Reshape(front.Layout.Product(0, count), width);
        long[] at = places.ToArray<long>();
        for (int i = 0; i < at.Length; i++)
        {
            using var row = table.Narrow(0, at[i], 1);
            Copying.Into(row, values.Narrow(0, i, 1));
        }
        Copying.Into(front, table.Reshape(front.Layout.Sizes));
    }

    private (int[] Order, int Count, bool Adjacent) FrontOrder(Tensor?[] gathers)
    {
        int[] order = new int[Rank];
        int count = 0;
        for (int d = 0; d < Rank; d++)
        {
            if (gathers[d] is not null)
                order[count++] = d;
        }
        bool adjacent = order[count - 1] - order[0] == count - 1;
        int at = count;
        for (int d = 0; d < Rank; d++)
        {
            if (gathers[d] is null)
                order[at++] = d;
        }
        return (order, count, adjacent);
    }

    // The index tensors broadcast together, as one number in row-major order of the indexed dimensions.
    private (Tensor Places, long[] Shape) Rows(Tensor?[] gathers, int[] order, int count)
    {
        var places = gathers[order[0]]!;
        long[] shape = places.Layout.Sizes;
        for (int i = 1; i < count; i++)
        {
            var next = gathers[order[i]]!;
            shape =
                Broadcasting.Shape(Layout.Contiguous(shape), next.Layout)
                ?? throw new ArgumentException(
                    $"indexing: index tensors of the shapes {Layout.Text(shape)} and {next.Layout} do not broadcast."
                );
            places = places * Layout.Sizes[order[i]] + next;
        }
        return (places.Contiguous(), shape);
    }
}
