using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    private static readonly Operator GatherOperator = new("gather", derives: true);

    /// <summary>
    /// In an index: as many whole dimensions as the other indices leave over, PyTorch's <c>...</c>; <c>t[Tensor.Ellipsis, 0]</c>
    /// is about the last dimension.
    /// </summary>
    public static TensorIndex Ellipsis => TensorIndex.Ellipsis;

    /// <summary>
    /// Elements by index: a view for integers, ranges, slices, the ellipsis and null; a copy where tensors of integers or bools
    /// pick elements. See <see cref="TensorIndex"/>. Assigning overwrites them in place with a tensor that is converted and
    /// broadcast; of elements that integers name twice, one assigns.
    /// </summary>
    /// <exception cref="IndexOutOfRangeException">An index is beyond the size of its dimension; a mask has another shape than
    /// the dimensions it is about.</exception>
    /// <exception cref="ArgumentException">More indices than dimensions; two ellipses; index tensors that do not broadcast.</exception>
    [System.Runtime.CompilerServices.IndexerName("Elements")]
    public Tensor this[params ReadOnlySpan<TensorIndex> indices]
    {
        get
        {
            var parsed = Parse(indices, Records(this));
            if (parsed.Part is null)
                return parsed.IsWhole ? TakeView(Layout, Derivatives.Reshape) : Region(parsed.View, parsed.Dense);
            var view = parsed.IsWhole ? this : Region(parsed.View, parsed.Dense);
            return view.ReadPart(parsed.Part);
        }
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            value = Exactly(value, DType);
            // One value for what a mask shows needs no places.
            if (value.Rank == 0 && indices is [{ Type: TensorIndex.Kind.Mask, Dims: > 0 } only])
            {
                RequireDims(only.Dims);
                new ViewBuilder(Layout, dense: false, stackalloc long[ViewBuilder.Room * Rank]).Mask(only.Tensor!);
                CheckChange("set-item", value);
                FillMasked(Trailing(only.Tensor!, Rank), value.To(DType).ToDevice(Device));
                return;
            }
            var parsed = Parse(indices, Records(this, value));
            CheckChange("set-item", value, parsed.Part is null ? parsed.View : Layout);
            var values = WithoutOnesInFront(
                value.To(DType).ToDevice(Device),
                parsed.Part is { } p ? p.Rank(parsed.View) : parsed.View.Rank
            );
            if (parsed.Part is not null)
            {
                AssignPart("set-item", parsed, values);
                return;
            }
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
    /// <c>this[indices] = values</c>, or, where <paramref name="accumulate"/>, adds the values instead: those of elements that are
    /// named twice both. Returns itself.
    /// </summary>
    /// <param name="indices">One tensor of integers or bools a dimension (a mask: for several), or null for a whole one.</param>
    /// <param name="values">Converted, and broadcast to what is indexed.</param>
    /// <param name="accumulate">Add instead of assigning.</param>
    /// <exception cref="ArgumentException">No index; indices or values that do not broadcast; bools or uint8 that would be added
    /// up.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is beyond the size of its dimension; a mask has another shape than
    /// the dimensions it is about.</exception>
    public Tensor IndexPut_(ReadOnlySpan<Tensor?> indices, Tensor values, bool accumulate = false)
    {
        ArgumentNullException.ThrowIfNull(values);
        CheckChange("index_put_", values);
        var parts = new TensorIndex[indices.Length];
        for (int i = 0; i < parts.Length; i++)
            parts[i] = indices[i] is { } index ? index : default(Slice);
        var parsed = Parse(parts, Records(this, values));
        if (parsed.Part is null)
            throw new ArgumentException("index_put_: indices must hold at least one tensor; use t[..] = values.");
        if (accumulate && DType == DType.Bool)
            throw new ArgumentException("index_put_: bools cannot be added up; convert them first.");
        if (accumulate && DType == DType.UInt8)
            return Copy_(To(DType.Int32).IndexPut_(indices, values.To(DType), accumulate));
        AssignPart("index_put_", parsed, values.To(DType).ToDevice(Device), accumulate);
        return this;
    }

    /// <summary>Indices, [count, rank] int64, of the elements that are not zero (or false), in row-major order.</summary>
    public Tensor NonZero() => Masks.Coordinates(ToBool());

    /// <summary>The elements where a mask that broadcasts with this tensor is true, a vector in row-major order.</summary>
    /// <exception cref="ArgumentException">The mask is not of bools, or does not broadcast.</exception>
    public Tensor MaskedSelect(Tensor mask)
    {
        RequireMask("masked_select", mask);
        long[] shape =
            Broadcasting.Shape(Layout, mask.Layout)
            ?? throw new ArgumentException(
                $"masked_select: a mask of shape {mask.Layout} does not broadcast with a tensor of shape {Layout}."
            );
        var all = Layout.Contiguous(shape);
        return ExpandTo(all)[mask.ExpandTo(all)];
    }

    /// <summary>One value where a mask is true, this tensor's elements elsewhere; mask and tensor broadcast.</summary>
    /// <param name="mask">Bools.</param>
    /// <param name="value">A number, converted to the dtype of this tensor.</param>
    /// <exception cref="ArgumentException">The mask is not of bools, or does not broadcast.</exception>
    public Tensor MaskedFill(Tensor mask, Scalar value)
    {
        RequireMask("masked_fill", mask);
        return Where(mask, Full([], value, DType, Device), this);
    }

    /// <summary>Makes the elements where a mask is true one value. Returns itself.</summary>
    /// <inheritdoc cref="MaskedFill(Tensor, Scalar)"/>
    public Tensor MaskedFill_(Tensor mask, Scalar value)
    {
        RequireMask("masked_fill_", mask);
        CheckFits("masked_fill_", mask.Layout);
        CheckChange("masked_fill_", this);
        FillMasked(mask, Full([], value, DType, Device));
        return this;
    }

    /// <summary>
    /// Picks along a dimension by an index of the same rank, whose shape the result has: out[i, j] = this[i, index[i, j]] for the
    /// last of two dimensions.
    /// </summary>
    /// <exception cref="ArgumentException">The index is not of integers, or one of its other sizes is above this tensor's.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is not in [0, size of the dimension).</exception>
    public Tensor Gather(int dim, Tensor index)
    {
        ArgumentNullException.ThrowIfNull(index);
        int d = Layout.Dim(dim, "gather");
        if (Rank == 0 || index.Rank == 0)
        {
            // A number counts as a vector of one element, on either side.
            var vector = Rank == 0 ? ReshapeTo([1]) : this;
            return index.Rank == 0 ? vector.Gather(dim, index.ReshapeTo([1])).ReshapeTo([]) : vector.Gather(dim, index);
        }
        bool fits = index.Rank == Rank;
        for (int e = 0; fits && e < Rank; e++)
            fits = e == d || index.Layout.Sizes[e] <= Layout.Sizes[e];
        if (!fits)
            throw new ArgumentException(
                $"gather: an index of shape {index.Layout} does not fit a tensor of shape {Layout} along dimension {dim}; no "
                    + "other size may be larger than the tensor's."
            );
        var places = IndexCheck.Places("gather", index, Layout.Sizes[d], wrap: false);
        var source = this;
        for (int e = 0; e < Rank; e++)
        {
            if (e != d && index.Layout.Sizes[e] < Layout.Sizes[e])
                source = source.Narrow(e, 0, index.Layout.Sizes[e]);
        }
        return d == Rank - 1
            ? source.GatherLast(places)
            : source.Transpose(d, -1).GatherLast(places.Transpose(d, -1)).Transpose(d, -1).Contiguous();
    }

    /// <summary>Slices of one dimension by a vector of indices.</summary>
    public Tensor IndexSelect(int dim, Tensor index)
    {
        ArgumentNullException.ThrowIfNull(index);
        int d = Layout.Dim(dim, "index_select");
        if (index.Rank > 1)
            throw new ArgumentException($"index_select: the index must be a vector, but its shape is {index.Layout}.");
        if (Rank == 0)
            return Unsqueeze(0).IndexSelect(0, index).Squeeze(0);
        var vector = index.Rank == 0 ? index.Unsqueeze(0) : index;
        return ReadPart(new([d], d, PlacesOn("index_select", vector, Layout.Sizes[d], wrap: false)));
    }

    internal Tensor GatherLast(Tensor places) => GatherOperator.Recorded(this, places);

    // What an index says: a strided view, the same view of a dense tensor (where asked for), and what index tensors pick
    // from it. Whole: the view is all of the tensor, in its shape.
    private readonly record struct Parsed(Layout View, Layout? Dense, IndexPart? Part, bool IsWhole);

    private Parsed Parse(ReadOnlySpan<TensorIndex> indices, bool dense)
    {
        int used = 0;
        int ellipses = 0;
        foreach (var index in indices)
        {
            used += index.Dims;
            ellipses += index.Type == TensorIndex.Kind.Ellipsis ? 1 : 0;
        }
        RequireDims(used);
        if (ellipses > 1)
            throw new ArgumentException("indexing: an index can have only one Tensor.Ellipsis.");
        int most = Rank + indices.Length;
        var room =
            most <= Layout.MaxRank ? stackalloc long[ViewBuilder.Room * most] : new long[ViewBuilder.Room * most];
        var view = new ViewBuilder(Layout, dense, room);
        foreach (var index in indices)
        {
            switch (index.Type)
            {
                case TensorIndex.Kind.NewAxis:
                    view.Insert();
                    break;
                case TensorIndex.Kind.Ellipsis:
                    for (int rest = Rank - used; rest > 0; rest--)
                        view.Keep();
                    break;
                case TensorIndex.Kind.Slice:
                    view.Cut(index.Slice);
                    break;
                case TensorIndex.Kind.At:
                    view.At(index);
                    break;
                case TensorIndex.Kind.Mask:
                    int first = view.Mask(index.Tensor!);
                    view.Pick(first, Math.Max(1, index.Dims), Masks.Places(index.Tensor!.ToDevice(Device)));
                    break;
                default:
                    long size = Layout.Sizes[view.Dim];
                    view.Pick(view.Keep(), 1, PlacesOn("indexing", index.Tensor!, size, wrap: true));
                    break;
            }
        }
        while (view.Dim < Rank)
            view.Keep();
        return new Parsed(view.Layout, view.Dense, view.Part(), view.IsWhole);
    }

    private void RequireDims(int used)
    {
        if (used > Rank)
            throw new ArgumentException(
                $"indexing: {used} dimensions are indexed of a tensor of shape {Layout}, which has {Rank}."
            );
    }

    // Indices may be on the CPU whatever the device is, as in PyTorch.
    private Tensor PlacesOn(string what, Tensor index, long limit, bool wrap) =>
        IndexCheck.Places(what, index, limit, wrap).ToDevice(Device);

    internal Tensor ReadPart(IndexPart part)
    {
        var result = part.Read(this);
        if (Records(this))
            result.Record(Derivatives.Index, this, part.Places).Data = part;
        return result;
    }

    /// <summary>Zeros of a shape to which values are added where they were read from.</summary>
    internal static Tensor AddedIntoPart(Tensor values, Layout shape, IndexPart part)
    {
        var dense = values.Contiguous();
        var result = Zeros(shape.Sizes, values.DType, values.Device);
        part.Write(result, dense, accumulate: true);
        if (Records(dense))
            result.Record(Derivatives.IndexGrad, dense, part.Places).Data = part;
        return result;
    }

    /// <summary>A copy whose elements in a part of a region are 0.</summary>
    internal Tensor WithoutPart(PartOfRegion place)
    {
        var result = Copying.Dense(this);
        using (var region = result.Alias(place.Region))
            place.Part.Write(region, Zeros(place.Part.Picked(place.Region.Sizes), DType, Device), accumulate: false);
        if (Records(this))
            result.Record(Derivatives.WithoutPart, this, place.Part.Places).Data = place;
        return result;
    }

    private void AssignPart(string what, Parsed parsed, Tensor values, bool accumulate = false)
    {
        var part = parsed.Part!;
        using var region = Alias(parsed.View);
        var picked = Layout.Contiguous(part.Picked(parsed.View.Sizes));
        if (Broadcasting.Shape(picked, values.Layout) is not { } fits || !fits.AsSpan().SequenceEqual(picked.Sizes))
            throw new ArgumentException(
                $"{what}: the shape {values.Layout} does not broadcast to the shape {picked} of what is indexed."
            );
        values = values.ExpandTo(picked);
        Node? node = null;
        if (Records(this, values))
        {
            node = Node.Of(accumulate ? Derivatives.IndexAdd : Derivatives.IndexPut, this, this, values, part.Places);
            node.Data = new PartOfRegion(parsed.Dense!, part);
        }
        part.Write(region, Copying.DenseOf(values), accumulate);
        Changed(node);
    }

    // Values may have dimensions of size 1 in front that what they are assigned to has not.
    private static Tensor WithoutOnesInFront(Tensor values, int rank)
    {
        while (values.Rank > rank && values.Layout.Sizes[0] == 1)
            values = values.Squeeze(0);
        return values;
    }

    private void FillMasked(Tensor mask, Tensor value)
    {
        var condition = mask.ToDevice(Device);
        var node = Records(this, value) ? Node.Of(WhereOperator.Rule!, this, condition, value, this) : null;
        using (NoGrad())
            Copying.Replace(this, WhereOperator.Run(condition, value, this));
        Changed(node);
    }

    // A mask of the first dimensions of a tensor of a rank, so that it broadcasts.
    private static Tensor Trailing(Tensor mask, int rank)
    {
        long[] sizes = new long[rank];
        Array.Fill(sizes, 1);
        mask.Layout.Sizes.CopyTo(sizes, 0);
        return mask.ReshapeTo(sizes);
    }

    private static void RequireMask(string what, Tensor mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        if (mask.DType != DType.Bool)
            throw new ArgumentException($"{what}: the mask must be bool, but it is {mask.DType.Name()}.");
    }
}
