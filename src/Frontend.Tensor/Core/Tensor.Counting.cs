using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

// Where numbers lie among others, and how many of each there are. None of it has a gradient but that of weights.
public sealed partial class Tensor
{
    /// <summary>
    /// Where values would be inserted into sorted rows so that these stay sorted: before equal elements, or (right) behind them. int64.
    /// </summary>
    /// <param name="sortedSequence">Rows in ascending order: a vector, or of the shape of the values but for the last size.</param>
    /// <param name="values">Of the same dtype.</param>
    /// <param name="outInt32">int32 instead of int64.</param>
    /// <param name="right">Behind equal elements.</param>
    /// <exception cref="ArgumentException">Dtypes or shapes that do not fit.</exception>
    public static unsafe Tensor SearchSorted(
        Tensor sortedSequence,
        Tensor values,
        bool outInt32 = false,
        bool right = false,
        string? side = null,
        Tensor? sorter = null
    )
    {
        ArgumentNullException.ThrowIfNull(sortedSequence);
        ArgumentNullException.ThrowIfNull(values);
        const string What = "searchsorted";
        if (side is not (null or "left" or "right"))
            throw new ArgumentException($"{What}: side is \"{side}\", but must be \"left\" or \"right\".");
        if (right && side == "left")
            throw new ArgumentException($"{What}: side is \"left\" and right is true, which contradict each other.");
        right |= side == "right";
        if (sorter is not null)
        {
            if (!sorter.Layout.SameSizes(sortedSequence.Layout) || sorter.DType != DType.Int64)
                throw new ArgumentException(
                    $"{What}: the sorter must be int64 of the shape {sortedSequence.Layout}, but it is {sorter.DType.Name()} of the shape {sorter.Layout}."
                );
            sortedSequence = sortedSequence.Detach().Gather(-1, sorter);
        }
        if (sortedSequence.DType != values.DType)
            throw new ArgumentException(
                $"{What}: the sequence is {sortedSequence.DType.Name()} and the values {values.DType.Name()}; convert one with To()."
            );
        if (sortedSequence.Rank == 0)
            throw new ArgumentException($"{What}: the sequence is a scalar, but must have a dimension.");
        bool shared = sortedSequence.Rank == 1;
        var (s, v) = (sortedSequence.Layout, values.Layout);
        if (
            !shared && (s.Rank != v.Rank || !s.Sizes.AsSpan(0, s.Rank - 1).SequenceEqual(v.Sizes.AsSpan(0, v.Rank - 1)))
        )
            throw new ArgumentException(
                $"{What}: the sequence has the shape {s} and the values {v}; but for the last size they must be equal, or the sequence a vector."
            );
        var type = sortedSequence.DType.IsFloat() ? DType.Float64 : DType.Int64;
        using var off = NoGrad();
        var row = Copying.DenseOf(sortedSequence.To(type)).OnCpu();
        var given = Copying.DenseOf(values.To(type)).OnCpu();
        Executor.Listening?.HostReads(row);
        Executor.Listening?.HostReads(given);
        long[] found = new long[given.NumElements];
        long n = s.Sizes[^1];
        long each = shared || v.Rank == 0 ? given.NumElements : v.Sizes[^1];
        for (long i = 0; i < found.Length; i++)
        {
            long from = shared ? 0 : i / each * n;
            found[i] =
                type == DType.Float64
                    ? Place((double*)row.Address + from, n, ((double*)given.Address)[i], right)
                    : Place((long*)row.Address + from, n, ((long*)given.Address)[i], right);
        }
        GC.KeepAlive(row);
        GC.KeepAlive(given);
        var result = Held<long>(found, v.Sizes).ToDevice(values.Device);
        return outInt32 ? result.To(DType.Int32) : result;
    }

    /// <inheritdoc cref="SearchSorted(Tensor, Tensor, bool, bool, string?, Tensor?)"/>
    public static Tensor SearchSorted(
        Tensor sortedSequence,
        Scalar value,
        bool outInt32 = false,
        bool right = false,
        string? side = null,
        Tensor? sorter = null
    )
    {
        ArgumentNullException.ThrowIfNull(sortedSequence);
        return SearchSorted(
            sortedSequence,
            Full([], value, sortedSequence.DType, sortedSequence.Device),
            outInt32,
            right,
            side,
            sorter
        );
    }

    /// <summary>Which of the intervals between ascending boundaries each element is in; int64. An element on a boundary is below it, or (right) above.</summary>
    /// <exception cref="ArgumentException">Boundaries that are no vector.</exception>
    public Tensor Bucketize(Tensor boundaries, bool outInt32 = false, bool right = false)
    {
        ArgumentNullException.ThrowIfNull(boundaries);
        if (boundaries.Rank != 1)
            throw new ArgumentException(
                $"bucketize: boundaries have the shape {boundaries.Layout}, but must be a vector."
            );
        var type = DTypeInfo.Join(DType, boundaries.DType);
        return SearchSorted(boundaries.To(type), To(type), outInt32, right);
    }

    // Halving, as long as what is there is not yet at least (or above) the value; a NaN never is.
    private static unsafe long Place<TNumber>(TNumber* row, long n, TNumber value, bool right)
        where TNumber : unmanaged, System.Numerics.INumber<TNumber>
    {
        long low = 0;
        long high = n;
        while (low < high)
        {
            long middle = low + (high - low) / 2;
            if (right ? !(row[middle] > value) : !(row[middle] >= value))
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    /// <summary>How often each whole number from 0 on comes in a vector, or the sums of their weights.</summary>
    /// <param name="weights">Of the vector's size; float32 stays, everything else is summed in float64.</param>
    /// <param name="minlength">How many numbers are counted at least.</param>
    /// <exception cref="ArgumentException">Not a vector of integers, negative ones, or weights of another size.</exception>
    public Tensor Bincount(Tensor? weights = null, long minlength = 0)
    {
        if (Rank != 1 || !DType.IsInteger())
            throw new ArgumentException(
                $"bincount: needs a vector of integers, but this is {DType.Name()} of shape {Layout}."
            );
        if (minlength < 0)
            throw new ArgumentException($"bincount: minlength is {minlength}, but must be at least 0.");
        if (weights is not null && !weights.Layout.SameSizes(Layout))
            throw new ArgumentException(
                $"bincount: the weights have the shape {weights.Layout}, but must be of that of the tensor, {Layout}."
            );
        using var off = NoGrad();
        var type =
            weights is null ? DType.Int64
            : weights.DType == DType.Float32 ? DType.Float32
            : DType.Float64;
        if (NumElements == 0)
            return Zeros([minlength], DType.Int64, Device);
        var places = To(DType.Int64);
        if (places.Min().Item<long>() is < 0 and var least)
            throw new ArgumentException($"bincount: there is a number {least}, but none may be negative.");
        long count = Math.Max(minlength, checked(places.Max().Item<long>() + 1));
        return Zeros([count], type, Device)
            .ScatterAdd(0, places, weights?.To(type) ?? Ones([], type, Device).Expand(Layout.Sizes));
    }

    /// <summary>How many elements are in each of some intervals of one width; those outside are not counted.</summary>
    /// <param name="bins">The number of intervals.</param>
    /// <param name="min">Where the first begins.</param>
    /// <param name="max">Where the last ends, which it includes; where it is min, both are those of the elements.</param>
    /// <exception cref="ArgumentException">Not floats, no intervals, or ends that are not finite or the wrong way round.</exception>
    public Tensor Histc(long bins = 100, Scalar? min = null, Scalar? max = null)
    {
        RequireFloat("histc");
        if (bins < 1)
            throw new ArgumentException($"histc: bins is {bins}, but must be at least 1.");
        double low = min?.AsDouble ?? 0;
        double high = max?.AsDouble ?? 0;
        if (low == high && NumElements > 0)
            (low, high) = (Min().Item(), Max().Item());
        if (low == high)
            (low, high) = (low - 1, high + 1);
        if (!(double.IsFinite(low) && double.IsFinite(high) && low < high))
            throw new ArgumentException(
                $"histc: intervals from {low} to {high} are none; both must be finite, and max not below min."
            );
        double[] counts = new double[bins];
        bool single = DType == DType.Float32;
        foreach (double value in ToDoubles())
        {
            if (!(value >= low && value <= high))
                continue;
            // In the precision of the elements, as PyTorch.
            double at = single
                ? ((float)value - (float)low) * bins / ((float)high - (float)low)
                : (value - low) * bins / (high - low);
            counts[Math.Min((long)at, bins - 1)]++;
        }
        return From(counts, [bins]).To(DType).ToDevice(Device);
    }

    /// <summary>How many elements are not 0 over some dimensions (none named: all); int64.</summary>
    public Tensor CountNonzero(params ReadOnlySpan<int> dims) => Ne(0).To(DType.Int64).Sum(dims);

    /// <summary>The smallest and the largest elements along a dimension, or of all.</summary>
    public (Tensor Min, Tensor Max) Aminmax(int? dim = null, bool keepdim = false) =>
        dim is { } d ? (Amin(d, keepdim), Amax(d, keepdim))
        : keepdim ? (Amin([], true), Amax([], true))
        : (Amin(), Amax());
}
