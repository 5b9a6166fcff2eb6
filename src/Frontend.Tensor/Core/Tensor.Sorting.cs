using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

// Order along a dimension: NaN is above all other numbers, and equal ones keep their order.
public sealed partial class Tensor
{
    // The elements that are the median share the gradient.
    private static readonly Rule MedianRule = new(
        "median",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            var hits = n.A.Eq(n.Output) | (n.A.Ne(n.A) & n.Output.Ne(n.Output));
            n.Send(0, Where(hits, g / hits.To(g.DType).Sum(), Zeros([], g.DType, g.Device)));
        }
    );

    /// <summary>The elements in order along a dimension, and where they were (int64). Equal ones always keep their order; NaN is above all.</summary>
    /// <param name="dim">The dimension.</param>
    /// <param name="descending">Whether the largest comes first.</param>
    /// <param name="stable">Equal elements keep their order in any case.</param>
    public (Tensor Values, Tensor Indices) Sort(int dim = -1, bool descending = false, bool stable = false) =>
        Ordered("sort", dim, descending, null);

    /// <summary>Where the elements are that come first, second, … along a dimension; int64. See <see cref="Sort"/>.</summary>
    public Tensor ArgSort(int dim = -1, bool descending = false, bool stable = false) =>
        OrderOf("argsort", dim, descending, null);

    /// <summary>The elements in ascending order along the first dimension.</summary>
    public Tensor MSort() => Sort(0).Values;

    /// <summary>The largest (or smallest) elements along a dimension, in order, and where they are (int64).</summary>
    /// <param name="k">How many.</param>
    /// <param name="dim">The dimension.</param>
    /// <param name="largest">The largest, else the smallest.</param>
    /// <param name="sorted">They are in order in any case.</param>
    /// <exception cref="ArgumentOutOfRangeException">More than there are, or fewer than 0.</exception>
    public (Tensor Values, Tensor Indices) TopK(long k, int dim = -1, bool largest = true, bool sorted = true)
    {
        int d = Layout.Dim(dim, "topk");
        long size = Rank == 0 ? 1 : Layout.Sizes[d];
        if (k < 0 || k > size)
            throw new ArgumentOutOfRangeException(
                nameof(k),
                $"topk: k is {k}, but dimension {dim} of shape {Layout} allows 0 to {size}."
            );
        return Ordered("topk", dim, largest, k);
    }

    /// <summary>The k-th smallest elements along a dimension, counted from 1, and where they are (int64).</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no k-th element.</exception>
    public (Tensor Values, Tensor Indices) KthValue(long k, int dim = -1, bool keepdim = false)
    {
        int d = Layout.Dim(dim, "kthvalue");
        long size = Rank == 0 ? 1 : Layout.Sizes[d];
        if (k < 1 || k > size)
            throw new ArgumentOutOfRangeException(
                nameof(k),
                $"kthvalue: k is {k}, but dimension {dim} of shape {Layout} allows 1 to {size}."
            );
        RequireNumbers("kthvalue", DType);
        if (Rank == 0)
            return (Clone(), Zeros([], DType.Int64, Device));
        return Picked(d, OrderOf("kthvalue", d, false, k).Narrow(d, k - 1, 1), keepdim);
    }

    /// <summary>The median of all elements, the lower of two; NaN if there is one, or none at all (of integers the lowest that there is). Equal elements share the gradient.</summary>
    public Tensor Median() => MedianOfAll("median", ignoreNan: false);

    /// <summary>The median of all elements that are numbers; NaN if there is none.</summary>
    public Tensor NanMedian() => MedianOfAll("nanmedian", ignoreNan: true);

    /// <summary>Medians along a dimension, the lower of two, and where they are (int64); NaN where there is one.</summary>
    public (Tensor Values, Tensor Indices) Median(int dim, bool keepdim = false) =>
        MedianAlong("median", dim, keepdim, ignoreNan: false);

    /// <summary>Medians of what are numbers along a dimension, and where they are (int64).</summary>
    public (Tensor Values, Tensor Indices) NanMedian(int dim, bool keepdim = false) =>
        MedianAlong("nanmedian", dim, keepdim, ignoreNan: true);

    /// <summary>The most frequent elements along a dimension, the smallest of equally frequent ones, and the last place of each (int64).</summary>
    public (Tensor Values, Tensor Indices) Mode(int dim = -1, bool keepdim = false)
    {
        int d = Layout.Dim(dim, "mode");
        if (Rank == 0)
            return (Clone(), Zeros([], DType.Int64, Device));
        if (Layout.Sizes[d] == 0)
            throw new ArgumentException($"mode: dimension {dim} of shape {Layout} has size 0, so it has no mode.");
        if (NumElements == 0)
            return Picked(d, Empty(KeptAlong(d), DType.Int64, Device), keepdim);
        var rows = Detach().Transpose(d, -1);
        var order = Sorting.Order(rows, descending: false);
        var (values, places) = (rows.GatherLast(order).OnCpu(), order.OnCpu());
        // Ends of runs of equal elements; NaNs are all different.
        long n = rows.Layout.Sizes[^1];
        bool[] same = (
            n > 1 ? values.Narrow(-1, 1, n - 1).Eq(values.Narrow(-1, 0, n - 1)).Flatten() : Empty([0], DType.Bool)
        ).ToArray<bool>();
        long[] all = places.ToArray<long>();
        long[] found = new long[all.Length / n];
        for (long row = 0; row < found.Length; row++)
        {
            long best = 0;
            long longest = 1;
            long run = 1;
            for (long i = 1; i < n; i++)
            {
                run = same[row * (n - 1) + i - 1] ? run + 1 : 1;
                if (run > longest)
                    (longest, best) = (run, i);
            }
            found[row] = all[row * n + best];
        }
        var at = Held<long>(found, [.. rows.Layout.Sizes[..^1], 1]).ToDevice(Device);
        return Picked(d, at.Transpose(d, -1), keepdim);
    }

    /// <summary>
    /// The elements that at most a part q of all (of a dimension) are below: between two elements in proportion, or as the interpolation
    /// says. NaN where there is one.
    /// </summary>
    /// <param name="q">From 0 to 1.</param>
    /// <param name="dim">The dimension; none: of all elements.</param>
    /// <param name="keepdim">Whether the dimension stays with size 1.</param>
    /// <param name="interpolation">"linear", "lower", "higher", "nearest" or "midpoint".</param>
    /// <exception cref="ArgumentException">Not float32 or float64, q out of range, nothing to choose from, or another interpolation.</exception>
    public Tensor Quantile(double q, int? dim = null, bool keepdim = false, string interpolation = "linear") =>
        Quantile(Full([], q, DType, Device), dim, keepdim, interpolation);

    /// <param name="q">A 0-d tensor, or a vector of which the result has a new first dimension.</param>
    /// <param name="dim">The dimension; none: of all elements.</param>
    /// <param name="keepdim">Whether the dimension stays with size 1.</param>
    /// <param name="interpolation">"linear", "lower", "higher", "nearest" or "midpoint".</param>
    /// <inheritdoc cref="Quantile(double, int?, bool, string)"/>
    public Tensor Quantile(Tensor q, int? dim = null, bool keepdim = false, string interpolation = "linear") =>
        Quantile("quantile", q, dim, keepdim, interpolation, ignoresNan: false);

    /// <summary>As <see cref="Quantile(double, int?, bool, string)"/>, of what are numbers.</summary>
    public Tensor NanQuantile(double q, int? dim = null, bool keepdim = false, string interpolation = "linear") =>
        NanQuantile(Full([], q, DType, Device), dim, keepdim, interpolation);

    /// <inheritdoc cref="NanQuantile(double, int?, bool, string)"/>
    public Tensor NanQuantile(Tensor q, int? dim = null, bool keepdim = false, string interpolation = "linear") =>
        Quantile("nanquantile", q, dim, keepdim, interpolation, ignoresNan: true);

    private Tensor Quantile(string what, Tensor q, int? dim, bool keepdim, string interpolation, bool ignoresNan)
    {
        ArgumentNullException.ThrowIfNull(q);
        ArgumentNullException.ThrowIfNull(interpolation);
        if (DType is not (DType.Float32 or DType.Float64) || q.DType != DType)
            throw new ArgumentException(
                $"{what}: the tensor is {DType.Name()} and q {q.DType.Name()}; both must be float32 or float64, and the same."
            );
        if (q.Rank > 1)
            throw new ArgumentException($"{what}: q has the shape {q.Layout}, but must be a number or a vector.");
        if (interpolation is not ("linear" or "lower" or "higher" or "nearest" or "midpoint"))
            throw new ArgumentException(
                $"{what}: interpolation is \"{interpolation}\", but must be \"linear\", \"lower\", \"higher\", \"nearest\" or \"midpoint\"."
            );
        foreach (double part in q.ToDoubles())
        {
            if (!(part >= 0 && part <= 1))
                throw new ArgumentException($"{what}: q is {part}, but must be from 0 to 1.");
        }
        int d = Layout.Dim(dim ?? 0, what);
        if (NumElements == 0)
            throw new ArgumentException($"{what}: of the shape {Layout} there is nothing to choose from.");
        bool along = dim is not null && Rank > 0;
        var x = along ? MoveDim(d, -1) : Reshape(-1);
        long n = x.Layout.Sizes[^1];
        var sorted = x.Sort(-1).Values;
        var ranks = q.Detach().ReshapeTo([q.NumElements]);
        if (ignoresNan)
            ranks = ranks * (x.Detach().IsNan().LogicalNot().To(DType).Sum(-1, keepdim: true) - 1).Clamp(min: 0);
        else
            ranks = ranks * (n - 1);
        if (interpolation == "nearest")
            ranks = ranks.Round();
        var below = interpolation == "higher" ? ranks.Ceil() : ranks.Floor();
        Tensor At(Tensor rank) =>
            ignoresNan ? sorted.Gather(-1, rank.To(DType.Int64)) : sorted.IndexSelect(-1, rank.To(DType.Int64));
        var result = At(below);
        if (interpolation is "linear" or "midpoint")
        {
            var weight = interpolation == "midpoint" ? Full([], 0.5, DType, Device) : ranks - below;
            result = result.Lerp(At(ranks.Ceil()), weight);
        }
        // NaNs are last, and of a row with one all is NaN.
        var last = sorted.Narrow(-1, n - 1, 1);
        if (!ignoresNan)
            result = Where(last.Detach().IsNan(), last, result);
        result = result.MoveDim(-1, 0);
        if (keepdim)
            result = along
                ? result.Unsqueeze(d + 1)
                : result.ReshapeTo([q.NumElements, .. Enumerable.Repeat(1L, Rank)]);
        return q.Rank == 0 ? result.Select(0, 0) : result;
    }

    /// <summary>
    /// The different elements in ascending order; for each element of this tensor which of these it is; and how often each comes. What is
    /// not asked for is null.
    /// </summary>
    /// <param name="sorted">They are in order in any case.</param>
    /// <param name="returnInverse">Whether to tell which one each element is.</param>
    /// <param name="returnCounts">Whether to count.</param>
    /// <param name="dim">Slices of this dimension are compared instead of elements.</param>
    public (Tensor Values, Tensor? Inverse, Tensor? Counts) Unique(
        bool sorted = true,
        bool returnInverse = false,
        bool returnCounts = false,
        int? dim = null
    )
    {
        if (dim is { } along)
            return UniqueSlices(along, returnInverse, returnCounts);
        using var off = NoGrad();
        var flat = Flatten();
        var order = flat.NumElements == 0 ? Empty([0], DType.Int64, Device) : Sorting.Order(flat, descending: false);
        return Runs(flat.GatherLast(order), order, Layout.Sizes, returnInverse, returnCounts);
    }

    /// <summary>As <see cref="Unique"/>, but only neighbours are compared, and the order stays.</summary>
    public (Tensor Values, Tensor? Inverse, Tensor? Counts) UniqueConsecutive(
        bool returnInverse = false,
        bool returnCounts = false,
        int? dim = null
    )
    {
        using var off = NoGrad();
        if (dim is { } along)
            return ConsecutiveSlices(along, returnInverse, returnCounts);
        var flat = Flatten();
        return Runs(flat, null, Layout.Sizes, returnInverse, returnCounts);
    }

    private (Tensor, Tensor?, Tensor?) ConsecutiveSlices(int dim, bool returnInverse, bool returnCounts)
    {
        int d = NeedsDim("unique_consecutive", dim);
        long n = Layout.Sizes[d];
        if (NumElements == 0 && n > 0)
            throw new ArgumentException(
                $"unique_consecutive: the slices of dimension {dim} of shape {Layout} have no elements to compare."
            );
        if (n == 0)
        {
            Tensor None() => Empty([0], DType.Int64, Device);
            return (Clone(), returnInverse ? None() : null, returnCounts ? None() : null);
        }
        // Numbers of runs stand for the slices.
        var slices = MoveDim(d, 0).Reshape(n, NumElements / n);
        var starts =
            n == 1
                ? Ones([1], DType.Bool, Device)
                : Cat([
                    Ones([1], DType.Bool, Device),
                    slices.Narrow(0, 1, n - 1).Ne(slices.Narrow(0, 0, n - 1)).Any(1),
                ]);
        var (_, inverse, counts) = Runs(starts.To(DType.Int64).Cumsum(0), null, [n], returnInverse, returnCounts);
        return (IndexSelect(d, Masks.Places(starts)), inverse, counts);
    }

    // Of equal neighbours the first.
    private static (Tensor, Tensor?, Tensor?) Runs(
        Tensor flat,
        Tensor? order,
        long[] shape,
        bool returnInverse,
        bool returnCounts
    )
    {
        long n = flat.NumElements;
        var starts =
            n == 0
                ? Empty([0], DType.Bool, flat.Device)
                : Cat([Ones([1], DType.Bool, flat.Device), flat.Narrow(0, 1, n - 1).Ne(flat.Narrow(0, 0, n - 1))]);
        var places = Masks.Places(starts);
        var values = flat.IndexSelect(0, places);
        Tensor? inverse = null;
        Tensor? counts = null;
        if (returnInverse)
        {
            inverse = n == 0 ? Empty([0], DType.Int64, flat.Device) : starts.To(DType.Int64).Cumsum(0) - 1;
            if (order is not null && n > 0)
                inverse = ZerosLike(inverse).Scatter(0, order, inverse);
            inverse = inverse.ReshapeTo(shape);
        }
        if (returnCounts)
        {
            var ends = Cat([places, Full([1], n, DType.Int64, flat.Device)]);
            counts = ends.Narrow(0, 1, places.NumElements) - places;
        }
        return (values, inverse, counts);
    }

    private (Tensor, Tensor?, Tensor?) UniqueSlices(int dim, bool returnInverse, bool returnCounts)
    {
        int d = NeedsDim("unique", dim);
        using var off = NoGrad();
        long n = Layout.Sizes[d];
        if (NumElements == 0 && n > 0)
            throw new ArgumentException(
                $"unique: the slices of dimension {dim} of shape {Layout} have no elements to compare."
            );
        var slices = MoveDim(d, 0).ReshapeTo([n, n == 0 ? 0 : NumElements / n]);
        // From the last element to the first: each sort keeps the order of what is equal.
        var order = Arange(n, Device);
        for (long column = slices.Layout.Sizes[1] - 1; n > 0 && column >= 0; column--)
            order = order.GatherLast(Sorting.Order(slices.Select(1, column).IndexSelect(0, order), descending: false));
        var rows = slices.IndexSelect(0, order);
        var starts =
            n == 0
                ? Empty([0], DType.Bool, Device)
                : Cat([Ones([1], DType.Bool, Device), rows.Narrow(0, 1, n - 1).Ne(rows.Narrow(0, 0, n - 1)).Any(1)]);
        var places = Masks.Places(starts);
        var values = IndexSelect(d, order.IndexSelect(0, places));
        Tensor? inverse = null;
        Tensor? counts = null;
        if (returnInverse)
            inverse =
                n == 0
                    ? Empty([0], DType.Int64, Device)
                    : Zeros([n], DType.Int64, Device).Scatter(0, order, starts.To(DType.Int64).Cumsum(0) - 1);
        if (returnCounts)
        {
            var ends = Cat([places, Full([1], n, DType.Int64, Device)]);
            counts = ends.Narrow(0, 1, places.NumElements) - places;
        }
        return (values, inverse, counts);
    }

    private (Tensor Values, Tensor Indices) Ordered(string what, int dim, bool descending, long? count)
    {
        int d = Layout.Dim(dim, what);
        if (Rank == 0)
            return (Clone(), Zeros([], DType.Int64, Device));
        var places = OrderOf(what, d, descending, count);
        return (Gather(d, places), places);
    }

    private Tensor OrderOf(string what, int dim, bool descending, long? count)
    {
        int d = Layout.Dim(dim, what);
        if (Rank == 0)
            return Zeros([], DType.Int64, Device);
        long[] sizes = [.. Layout.Sizes];
        sizes[d] = count ?? sizes[d];
        if (Layout.CountOf(sizes) == 0)
            return Empty(sizes, DType.Int64, Device);
        return d == Rank - 1
            ? Sorting.Order(this, descending, count)
            : Sorting.Order(Transpose(d, -1), descending, count).Transpose(d, -1).Contiguous();
    }

    private long[] KeptAlong(int d)
    {
        long[] sizes = [.. Layout.Sizes];
        sizes[d] = 1;
        return sizes;
    }

    // Elements at places along a dimension of which one is left.
    private (Tensor Values, Tensor Indices) Picked(int d, Tensor places, bool keepdim)
    {
        var values = Gather(d, places);
        return keepdim ? (values, places.Contiguous()) : (values.Squeeze(d), places.Squeeze(d).Contiguous());
    }

    private Tensor MedianOfAll(string what, bool ignoreNan)
    {
        RequireNumbers(what, DType);
        Tensor result;
        using (NoGrad())
            result =
                NumElements == 0
                    ? Full([], DType.IsFloat() ? double.NaN : Neutral(double.NegativeInfinity), DType, Device)
                    : Flatten().MedianAlong(what, 0, false, ignoreNan).Values;
        if (Records(this))
            result.Record(MedianRule, this);
        return result;
    }

    private (Tensor Values, Tensor Indices) MedianAlong(string what, int dim, bool keepdim, bool ignoreNan)
    {
        int d = Layout.Dim(dim, what);
        RequireNumbers(what, DType);
        if (Rank == 0)
            return (Clone(), Zeros([], DType.Int64, Device));
        long n = Layout.Sizes[d];
        if (n == 0)
            throw new ArgumentException($"{what}: dimension {dim} of shape {Layout} has size 0, so it has no median.");
        if (NumElements == 0)
            return Picked(d, Empty(KeptAlong(d), DType.Int64, Device), keepdim);
        Tensor places;
        using (NoGrad())
        {
            var order = OrderOf(what, d, false, null);
            if (!DType.IsFloat())
                places = order.Narrow(d, (n - 1) / 2, 1);
            else
            {
                // NaNs are last: of those that are there the first, or the middle of the others.
                var numbers = Eq(this).To(DType.Int64).Sum(d, keepdim: true);
                var middle = (numbers - 1).Clamp(min: 0) >> 1;
                var at = ignoreNan ? middle : Where(numbers.Eq(n), middle, numbers);
                places = order.Gather(d, at);
            }
        }
        return Picked(d, places, keepdim);
    }
}
