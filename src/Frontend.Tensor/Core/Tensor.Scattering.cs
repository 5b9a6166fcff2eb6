using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

// Values put where indices say, and more ways to pick.
public sealed partial class Tensor
{
    private static readonly Operator AssignOperator = new("scatter", "reduce=assign", derives: true);
    private static readonly Operator ScatterSum = new("scatter", "reduce=sum", derives: true);
    private static readonly Operator ScatterProd = new("scatter", "reduce=prod", derives: true);
    private static readonly Operator ScatterMax = new("scatter", "reduce=amax", derives: true);
    private static readonly Operator ScatterMin = new("scatter", "reduce=amin", derives: true);

    // Of an index without elements.
    private static readonly Rule NothingPutRule = new(
        "scatter",
        Saves.B,
        static (n, g) =>
        {
            if (n.Needs(0))
                n.Send(0, g);
            if (n.Needs(1))
                n.Send(1, ZerosLike(n.B));
        }
    );

    /// <summary>
    /// A copy in which values are put along a dimension: out[index[i, j], j] = src[i, j] for dimension 0 of two. Of equal indices the last
    /// one assigns, and the gradient goes to all.
    /// </summary>
    /// <param name="dim">The dimension that indices are about.</param>
    /// <param name="index">Integers, of this tensor's rank; no size but that of the dimension is larger than this tensor's, none than src's.</param>
    /// <param name="src">Values of this tensor's dtype.</param>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is not in [0, size of the dimension).</exception>
    public Tensor Scatter(int dim, Tensor index, Tensor src) => Scattered("scatter", AssignOperator, dim, index, src);

    /// <summary>The same with one value.</summary>
    /// <inheritdoc cref="Scatter(int, Tensor, Tensor)"/>
    public Tensor Scatter(int dim, Tensor index, Scalar value)
    {
        ArgumentNullException.ThrowIfNull(index);
        return Scatter(dim, index, Full([], value, DType, Device).Expand(index.Shape));
    }

    /// <summary>The same, where values are added ("add") or multiplied ("multiply") instead of assigned.</summary>
    /// <inheritdoc cref="Scatter(int, Tensor, Tensor)"/>
    public Tensor Scatter(int dim, Tensor index, Tensor src, string reduce)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(src);
        ArgumentNullException.ThrowIfNull(reduce);
        return reduce switch
        {
            "add" => ScatterAdd(dim, index, src),
            "multiply" => ScatterReduce(dim, index, src, "prod"),
            _ => throw new ArgumentException($"scatter: reduce is \"{reduce}\", but must be \"add\" or \"multiply\"."),
        };
    }

    /// <summary>A copy to which values are added where they are put; those of equal indices all.</summary>
    /// <inheritdoc cref="Scatter(int, Tensor, Tensor)"/>
    public Tensor ScatterAdd(int dim, Tensor index, Tensor src) =>
        Scattered("scatter_add", ScatterSum, dim, index, src);

    /// <summary>A copy in which the elements at each place are reduced to one.</summary>
    /// <param name="dim">The dimension that indices are about.</param>
    /// <param name="index">See <see cref="Scatter(int, Tensor, Tensor)"/>.</param>
    /// <param name="src">Values of this tensor's dtype.</param>
    /// <param name="reduce">"sum", "prod", "mean", "amax" or "amin".</param>
    /// <param name="includeSelf">Whether this tensor's elements take part where values are put.</param>
    /// <inheritdoc cref="Scatter(int, Tensor, Tensor)"/>
    public Tensor ScatterReduce(int dim, Tensor index, Tensor src, string reduce, bool includeSelf = true)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(src);
        ArgumentNullException.ThrowIfNull(reduce);
        const string What = "scatter_reduce";
        var (op, neutral) = reduce switch
        {
            "sum" => (ScatterSum, 0.0),
            "mean" => (ScatterSum, 0.0),
            "prod" => (ScatterProd, 1.0),
            "amax" => (ScatterMax, double.NegativeInfinity),
            "amin" => (ScatterMin, double.PositiveInfinity),
            _ => throw new ArgumentException(
                $"{What}: reduce is \"{reduce}\", but must be \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\"."
            ),
        };
        CheckScatter(What, dim, index, src);
        var self = includeSelf ? this : Scatter(dim, index, Neutral(neutral));
        var result = self.Scattered(What, op, dim, index, src);
        if (reduce != "mean")
            return result;
        var type = DType.IsFloat() ? DType.Compute() : DType.Int64;
        Tensor counts;
        using (NoGrad())
        {
            var ones = Ones([], type, Device);
            var start = includeSelf ? ones.Expand(Shape) : Ones(Shape, type, Device).Scatter(dim, index, 0);
            counts = start.ScatterAdd(dim, index, ones.Expand(index.Shape)).Maximum(ones);
        }
        return DType.IsFloat() ? (result.To(type) / counts).To(DType) : result.To(type).Div(counts, "floor").To(DType);
    }

    private Scalar Neutral(double value) =>
        DType.IsFloat() || double.IsFinite(value) ? value
        : DType == DType.Bool ? (value > 0 ? 1 : 0)
        : value > 0
            ? (long)Math.Min(DType.Info().Highest, 9.2e18) is var most && DType == DType.Int64 ? long.MaxValue
                : most
        : DType == DType.Int64 ? long.MinValue
        : (long)DType.Info().Lowest;

    /// <summary><see cref="Scatter(int, Tensor, Tensor)"/> in place. Returns itself.</summary>
    public Tensor Scatter_(int dim, Tensor index, Tensor src) =>
        InPlace("scatter_", Given(src), t => t.Scatter(dim, index, src));

    /// <inheritdoc cref="Scatter_(int, Tensor, Tensor)"/>
    public Tensor Scatter_(int dim, Tensor index, Scalar value) =>
        InPlace("scatter_", this, t => t.Scatter(dim, index, value));

    /// <summary><see cref="ScatterAdd"/> in place. Returns itself.</summary>
    public Tensor ScatterAdd_(int dim, Tensor index, Tensor src) =>
        InPlace("scatter_add_", Given(src), t => t.ScatterAdd(dim, index, src));

    /// <summary><see cref="ScatterReduce"/> in place. Returns itself.</summary>
    public Tensor ScatterReduce_(int dim, Tensor index, Tensor src, string reduce, bool includeSelf = true) =>
        InPlace("scatter_reduce_", Given(src), t => t.ScatterReduce(dim, index, src, reduce, includeSelf));

    // What a function makes of it takes its place.
    private Tensor InPlace(string what, Tensor other, Func<Tensor, Tensor> function)
    {
        ArgumentNullException.ThrowIfNull(other);
        CheckChange(what, other);
        // Derivatives read what was there before.
        var result = function(Records(this, other) ? Clone() : this);
        if (!result.Layout.SameSizes(Layout))
            throw new ArgumentException(
                $"{what}: the result has the shape {result.Layout}, which cannot take the place of one of shape {Layout}."
            );
        return Copy_(result);
    }

    private int CheckScatter(string what, int dim, Tensor index, Tensor src)
    {
        int d = Layout.Dim(dim, what);
        if (src.DType != DType)
            throw new ArgumentException(
                $"{what}: the values are {src.DType.Name()} and the tensor {DType.Name()}; convert one with To()."
            );
        if (!index.DType.IsPlaces())
            throw new ArgumentException(
                $"{what}: indices must be int64 (or int32, uint8), but they are {index.DType.Name()}."
            );
        if (index.NumElements == 0)
            return d;
        var (own, at, from) = (AtLeastVector(Layout), AtLeastVector(index.Layout), AtLeastVector(src.Layout));
        bool fits = at.Length == own.Length && at.Length == from.Length;
        for (int e = 0; fits && e < own.Length; e++)
            fits = at[e] <= from[e] && (e == d || at[e] <= own[e]);
        if (!fits)
            throw new ArgumentException(
                $"{what}: an index of shape {index.Layout} and values of shape {src.Layout} do not fit a tensor of shape {Layout} along dimension {dim}; no size of the index may be larger than that of the values, and none but that of the dimension than the tensor's."
            );
        return d;
    }

    private static long[] AtLeastVector(Layout layout) => layout.Rank == 0 ? [1] : layout.Sizes;

    private Tensor Scattered(string what, Operator op, int dim, Tensor index, Tensor src)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(src);
        int d = CheckScatter(what, dim, index, src);
        if (index.NumElements == 0)
            return NothingPut(src);
        if (Rank == 0 || index.Rank == 0 || src.Rank == 0)
        {
            Tensor Vector(Tensor t) => t.Rank == 0 ? t.ReshapeTo([1]) : t;
            return Vector(this).Scattered(what, op, dim, Vector(index), Vector(src)).ReshapeTo([.. Layout.Sizes]);
        }
        if (op != AssignOperator && DType is DType.UInt8 or DType.Bool)
        {
            if (DType == DType.Bool && op == ScatterSum)
                op = ScatterMax;
            return Operator.Cast(To(DType.Int32).Scattered(what, op, dim, index, src.To(DType.Int32)), DType);
        }
        var places = IndexCheck.Places(what, index, Layout.Sizes[d], wrap: false).ToDevice(Device);
        var (target, values) = (this, src);
        bool part = false;
        for (int e = 0; e < Rank; e++)
        {
            values = Fitting(values, e, index.Layout.Sizes[e]);
            if (e == d || index.Layout.Sizes[e] == Layout.Sizes[e])
                continue;
            target = target.Narrow(e, 0, index.Layout.Sizes[e]);
            part = true;
        }
        Tensor result =
            d == Rank - 1
                ? op.Recorded(target, places, values)
                : op.Recorded(target.Transpose(d, -1), places.Transpose(d, -1), values.Transpose(d, -1))
                    .Transpose(d, -1)
                    .Contiguous();
        return part ? WithRegion(new Layout(target.Layout.Sizes, Layout.RowMajor(Layout.Sizes), 0), result) : result;
    }

    private Tensor NothingPut(Tensor src)
    {
        var result = Copying.Dense(this);
        if (DType.IsFloat() && Records(this, src))
            result.Record(NothingPutRule, this, src);
        return result;
    }

    private static Tensor Fitting(Tensor t, int dim, long size) =>
        t.Layout.Sizes[dim] == size ? t : t.Narrow(dim, 0, size);

    /// <summary>A copy to whose slices of a dimension those of another tensor, times a number, are added where a vector of indices says.</summary>
    /// <exception cref="ArgumentException">Dtypes that differ, an index that is no vector of integers, or slices of other shapes.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is beyond the size of the dimension.</exception>
    public Tensor IndexAdd(int dim, Tensor index, Tensor source, Scalar? alpha = null)
    {
        var values = CheckSlices("index_add", dim, index, source);
        if (DType == DType.Bool)
            return Operator.Cast(To(DType.Int32).IndexAdd(dim, index, source.To(DType.Int32), alpha), DType);
        if (alpha is { } by)
        {
            by.Require(DType, "index_add");
            values = (values * by).To(DType);
        }
        return WithSlices(dim, index, values, accumulate: true);
    }

    /// <summary><see cref="IndexAdd"/> in place. Returns itself.</summary>
    public Tensor IndexAdd_(int dim, Tensor index, Tensor source, Scalar? alpha = null) =>
        InPlace("index_add_", Given(source), t => t.IndexAdd(dim, index, source, alpha));

    /// <summary>A copy in which slices of a dimension are those of another tensor, where a vector of indices says; of equal ones the last.</summary>
    /// <inheritdoc cref="IndexAdd"/>
    public Tensor IndexCopy(int dim, Tensor index, Tensor source) =>
        WithSlices(dim, index, CheckSlices("index_copy", dim, index, source), accumulate: false);

    /// <summary><see cref="IndexCopy"/> in place. Returns itself.</summary>
    public Tensor IndexCopy_(int dim, Tensor index, Tensor source) =>
        InPlace("index_copy_", Given(source), t => t.IndexCopy(dim, index, source));

    /// <summary>A copy in which slices of a dimension are one value, where a vector of indices says.</summary>
    /// <inheritdoc cref="IndexAdd"/>
    public Tensor IndexFill(int dim, Tensor index, Scalar value)
    {
        value.Require(DType, "index_fill");
        return IndexFill(dim, index, Full([], value, DType, Device));
    }

    /// <param name="dim">The dimension.</param>
    /// <param name="index">Which slices.</param>
    /// <param name="value">A 0-d tensor, converted to this one's dtype.</param>
    /// <inheritdoc cref="IndexFill(int, Tensor, Scalar)"/>
    public Tensor IndexFill(int dim, Tensor index, Tensor value)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(value);
        if (value.Rank != 0)
            throw new ArgumentException($"index_fill: the value has the shape {value.Layout}, but must be a scalar.");
        int d = Layout.Dim(dim, "index_fill");
        long[] sizes = [.. AtLeastVector(Layout)];
        RequireVector("index_fill", index);
        sizes[d] = index.NumElements;
        return WithSlices(dim, index, value.To(DType).Expand(sizes), accumulate: false);
    }

    /// <summary><see cref="IndexFill(int, Tensor, Scalar)"/> in place. Returns itself.</summary>
    public Tensor IndexFill_(int dim, Tensor index, Scalar value) =>
        InPlace("index_fill_", this, t => t.IndexFill(dim, index, value));

    private static void RequireVector(string what, Tensor index)
    {
        if (index.Rank > 1)
            throw new ArgumentException($"{what}: the index must be a vector, but its shape is {index.Layout}.");
        if (index.DType is not (DType.Int64 or DType.Int32))
            throw new ArgumentException($"{what}: indices must be int64 or int32, but they are {index.DType.Name()}.");
    }

    private Tensor CheckSlices(string what, int dim, Tensor index, Tensor source)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(source);
        int d = Layout.Dim(dim, what);
        RequireVector(what, index);
        if (source.DType != DType)
            throw new ArgumentException(
                $"{what}: the source is {source.DType.Name()} and the tensor {DType.Name()}; convert one with To()."
            );
        long[] own = AtLeastVector(Layout);
        long[] sizes = [.. own];
        sizes[d] = index.NumElements;
        var values = source.Rank == 0 && Rank <= 1 ? source.ReshapeTo([1]) : source;
        if (!values.Layout.Sizes.AsSpan().SequenceEqual(sizes))
            throw new ArgumentException(
                $"{what}: the source has the shape {source.Layout}, but for an index of {index.NumElements} along dimension {dim} of shape {Layout} it must be {Layout.Text(sizes)}."
            );
        return values;
    }

    private Tensor WithSlices(int dim, Tensor index, Tensor values, bool accumulate)
    {
        if (Rank == 0)
            return ReshapeTo([1]).WithSlices(dim, index, values, accumulate).ReshapeTo([]);
        int d = Layout.Dim(dim, "index");
        var places = new Tensor?[d + 1];
        var vector = index.Rank == 0 ? index.ReshapeTo([1]) : index;
        places[d] = vector;
        return Clone().IndexPut_(places, values, accumulate);
    }

    /// <summary>Elements by row-major places, in the shape of the index; negative places count from the end.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such element.</exception>
    public Tensor Take(Tensor index)
    {
        ArgumentNullException.ThrowIfNull(index);
        if (index.DType != DType.Int64)
            throw new ArgumentException($"take: indices must be int64, but they are {index.DType.Name()}.");
        return Flatten()[index];
    }

    /// <summary>Elements along a dimension by indices that broadcast with this tensor; of all in row-major order where no dimension is named.</summary>
    /// <exception cref="ArgumentException">Indices that are not int64, of another rank, or do not broadcast.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is beyond the size of the dimension.</exception>
    public Tensor TakeAlongDim(Tensor indices, int? dim = null)
    {
        ArgumentNullException.ThrowIfNull(indices);
        if (indices.DType != DType.Int64)
            throw new ArgumentException($"take_along_dim: indices must be int64, but they are {indices.DType.Name()}.");
        if (dim is not { } given)
            return Flatten().Gather(0, indices.Flatten());
        if (indices.Rank != Rank)
            throw new ArgumentException(
                $"take_along_dim: indices have the shape {indices.Layout} and the tensor {Layout}; both must have as many dimensions."
            );
        int d = Layout.Dim(given, "take_along_dim");
        long[] own = [.. Layout.Sizes];
        long[] others = [.. indices.Layout.Sizes];
        if (Rank > 0)
            own[d] = others[d] = 1;
        long[] shape =
            Broadcasting.Shape(Layout.Contiguous(own), Layout.Contiguous(others))
            ?? throw new ArgumentException(
                $"take_along_dim: indices of shape {indices.Layout} do not broadcast with a tensor of shape {Layout} outside of dimension {given}."
            );
        long[] wide = [.. shape];
        if (Rank > 0)
            (shape[d], wide[d]) = (Layout.Sizes[d], indices.Layout.Sizes[d]);
        return Expand(shape).Gather(given, indices.Expand(wide));
    }

    /// <summary>A copy in which elements where a mask is true are those of another tensor, one after the other in row-major order.</summary>
    /// <exception cref="ArgumentException">A mask that is not of bools or does not broadcast, another dtype, or fewer elements than places.</exception>
    public Tensor MaskedScatter(Tensor mask, Tensor source)
    {
        ArgumentNullException.ThrowIfNull(source);
        RequireMask("masked_scatter", mask);
        if (source.DType != DType)
            throw new ArgumentException(
                $"masked_scatter: the source is {source.DType.Name()} and the tensor {DType.Name()}; convert one with To()."
            );
        long[] shape =
            Broadcasting.Shape(Layout, mask.Layout)
            ?? throw new ArgumentException(
                $"masked_scatter: a mask of shape {mask.Layout} does not broadcast with a tensor of shape {Layout}."
            );
        var all = Layout.Contiguous(shape);
        var places = Masks.Places(mask.ExpandTo(all));
        if (places.NumElements > source.NumElements)
            throw new ArgumentException(
                $"masked_scatter: the mask is true at {places.NumElements} places, but the source of shape {source.Layout} has {source.NumElements} elements."
            );
        var values = source.Flatten().Narrow(0, 0, places.NumElements);
        return ExpandTo(all).Flatten().IndexCopy(0, places.ToDevice(Device), values).ReshapeTo(shape);
    }

    /// <summary><see cref="MaskedScatter"/> in place. Returns itself.</summary>
    public Tensor MaskedScatter_(Tensor mask, Tensor source) =>
        InPlace("masked_scatter_", Given(source), t => t.MaskedScatter(mask, source));

    /// <summary>A 0-d tensor's value where a mask is true, this tensor's elements elsewhere; mask and tensor broadcast.</summary>
    /// <inheritdoc cref="MaskedFill(Tensor, Scalar)"/>
    public Tensor MaskedFill(Tensor mask, Tensor value)
    {
        ArgumentNullException.ThrowIfNull(value);
        RequireMask("masked_fill", mask);
        if (value.Rank != 0)
            throw new ArgumentException($"masked_fill: the value has the shape {value.Layout}, but must be a scalar.");
        if (Promotion.Category(value.DType) > Promotion.Category(DType))
            throw new ArgumentException(
                $"masked_fill: the value is {value.DType.Name()}, which does not fit a tensor of {DType.Name()}."
            );
        return Where(mask, value.To(DType).ToDevice(Device), this);
    }

    /// <summary>Indices of the elements that are not zero, a vector for each dimension.</summary>
    public static Tensor[] Where(Tensor condition)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var coordinates = (condition.Rank == 0 ? condition.ReshapeTo([1]) : condition).NonZero();
        return coordinates.Unbind(1);
    }
}
