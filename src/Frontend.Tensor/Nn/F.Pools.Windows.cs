using System.Globalization;
using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

// What pools of one to three dimensions have in common.
public static partial class F
{
    private static (Tensor Values, Tensor Indices) MaxPool(
        int rank,
        Tensor x,
        PerDimension kernel,
        PerDimension stride,
        PerDimension padding,
        PerDimension dilation,
        bool ceil,
        bool indices
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        string what = $"max_pool{rank}d";
        // The gradient goes to the places of maxima.
        bool placed = indices || Tensor.Records(x);
        if (x.DType == DType.UInt8)
        {
            var (wide, at) = MaxPool(rank, x.To(DType.Int32), kernel, stride, padding, dilation, ceil, indices);
            return (wide.To(DType.UInt8), at);
        }
        var key = new MaxPoolKey(
            rank,
            kernel,
            stride.Count == 0 ? kernel : stride,
            padding.Or(0),
            dilation.Or(1),
            ceil,
            placed
        );
        var op = MaxPools[key];
        CheckPlanes(what, rank, x, integers: true);
        var sizes = PlacesOf(what, rank, x, key.Kernel, key.Stride, key.Padding, key.Dilation, ceil);
        for (int d = 0; d < rank; d++)
        {
            long size = x.Layout.Sizes[x.Rank - rank + d];
            if (key.Padding[d] > 0 && key.Dilation[d] > 1 && HasEmptyWindow(size, sizes[x.Rank - rank + d], key, d))
                throw new ArgumentException(
                    $"{what}: a window of {key.Kernel} with dilation {key.Dilation} and padding {key.Padding} sees nothing of an input of shape {x.Layout} in dimension {x.Rank - rank + d}."
                );
        }
        return Maxima(op, x, sizes, placed);
    }

    private static bool HasEmptyWindow(long size, long places, MaxPoolKey key, int d)
    {
        for (long y = 0; y < places; y++)
        {
            long from = y * key.Stride[d] - key.Padding[d];
            long skipped = from < 0 ? (-from + key.Dilation[d] - 1) / key.Dilation[d] : 0;
            if (skipped >= key.Kernel[d] || from + skipped * key.Dilation[d] >= size)
                return true;
        }
        return false;
    }

    private static (Tensor Values, Tensor Indices) Maxima(Operator op, Tensor x, long[] sizes, bool placed)
    {
        if (!placed)
            return (op.RecordedAs(sizes, x), null!);
        var values = Tensor.Allocate(sizes, x.DType, x.Runtime);
        var places = Tensor.Allocate(sizes, DType.Int64, x.Runtime);
        op.RunInto([x], [values, places]);
        op.RecordFirst([x], [values, places]);
        return (values, places);
    }

    private static Tensor AvgPool(
        int rank,
        Tensor x,
        PerDimension kernel,
        PerDimension stride,
        PerDimension padding,
        bool ceil,
        bool countsPadding,
        long? divisor
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        string what = $"avg_pool{rank}d";
        if (divisor == 0)
            throw new ArgumentException($"{what}: divisorOverride is 0, but sums are divided by it.");
        var key = new AvgPoolKey(
            rank,
            kernel,
            stride.Count == 0 ? kernel : stride,
            padding.Or(0),
            ceil,
            !countsPadding,
            divisor ?? 0
        );
        var op = AvgPools[key];
        CheckPlanes(what, rank, x);
        for (int d = 0; rank == 3 && d < rank; d++)
        {
            long size = x.Layout.Sizes[x.Rank - rank + d];
            if (size < kernel[d])
                throw new ArgumentException(
                    $"{what}: a window of {kernel} is larger than the input of shape {x.Layout} in dimension {x.Rank - rank + d}, where the padding does not count."
                );
        }
        return op.RecordedAs(PlacesOf(what, rank, x, key.Kernel, key.Stride, key.Padding, 1, ceil), x);
    }

    private static (Tensor Values, Tensor Indices) AdaptivePool(
        int rank,
        Tensor x,
        PerDimension parts,
        bool max,
        bool indices
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        string what = $"adaptive_{(max ? "max" : "avg")}_pool{rank}d";
        bool placed = max && (indices || Tensor.Records(x));
        if (parts.Count == 0)
            throw new ArgumentException($"{what}: outputSize is not given.");
        if (parts.Contains(PerDimension.None) && x.Rank > rank)
        {
            long[] each = new long[rank];
            for (int d = 0; d < rank; d++)
                each[d] = parts[d] == PerDimension.None ? x.Layout.Sizes[x.Rank - rank + d] : parts[d];
            parts = PerDimension.Of(each);
        }
        var op = AdaptivePools[new(rank, parts, max, placed)];
        CheckPlanes(what, rank, x);
        long[] sizes = [.. x.Layout.Sizes];
        for (int d = 0; d < rank; d++)
            sizes[x.Rank - rank + d] = parts[d];
        return max ? Maxima(op, x, sizes, placed) : (op.RecordedAs(sizes, x), null!);
    }

    private static Operator Of(MaxPoolKey key) =>
        new(
            $"max_pool{key.Rank}d",
            WindowText(key.Kernel, key.Stride, key.Padding, $"max_pool{key.Rank}d", key.Rank)
                + $" dil={key.Dilation.Checked(key.Rank, $"max_pool{key.Rank}d", "dilation", 1)}"
                + (key.Ceil ? " ceil=1" : "")
                + (key.Indices ? " indices=1" : ""),
            derives: true
        );

    private static Operator Of(AvgPoolKey key) =>
        new(
            $"avg_pool{key.Rank}d",
            WindowText(key.Kernel, key.Stride, key.Padding, $"avg_pool{key.Rank}d", key.Rank)
                + (key.Ceil ? " ceil=1" : "")
                + (key.Inside ? " inside=1" : "")
                + (key.Divisor == 0 ? "" : $" divisor={key.Divisor.ToString(CultureInfo.InvariantCulture)}"),
            derives: true
        );

    private static Operator Of(AdaptivePoolKey key)
    {
        string what = $"adaptive_{(key.Max ? "max" : "avg")}_pool{key.Rank}d";
        key.Parts.Checked(key.Rank, what, "outputSize", 1);
        return new Operator(what, Each(key.Rank, "o", key.Parts) + (key.Indices ? " indices=1" : ""), derives: true);
    }

    private static string WindowText(
        PerDimension kernel,
        PerDimension stride,
        PerDimension padding,
        string what,
        int rank
    )
    {
        if (kernel.Count == 0)
            throw new ArgumentException($"{what}: kernelSize is not given.");
        kernel.Checked(rank, what, "kernelSize", 1);
        string text =
            Each(rank, "k", kernel)
            + $" stride={stride.Checked(rank, what, "stride", 1)} pad={padding.Checked(rank, what, "padding", 0)}";
        for (int d = 0; d < rank; d++)
        {
            if (padding[d] * 2 > kernel[d])
                throw new ArgumentException(
                    $"{what}: padding is {padding}, but must be at most half of kernelSize, {kernel}."
                );
        }
        return text;
    }

    private static string Each(int rank, string prefix, PerDimension numbers) =>
        string.Join(
            ' ',
            Enumerable
                .Range(0, rank)
                .Select(d => string.Create(CultureInfo.InvariantCulture, $"{prefix}{"dhw"[3 - rank + d]}={numbers[d]}"))
        );

    private static void CheckPlanes(string what, int rank, Tensor x, bool integers = false)
    {
        if (x.Rank != rank + 1 && x.Rank != rank + 2)
            throw new ArgumentException(
                $"{what}: the input has the shape {x.Layout}, but must have {rank + 1} or {rank + 2} dimensions: [n, channels, …] or [channels, …]."
            );
        if (!integers || x.DType == DType.Bool)
            x.RequireFloat(what);
        for (int d = x.Rank - rank - 1; d < x.Rank; d++)
        {
            if (x.Layout.Sizes[d] == 0)
                throw new ArgumentException(
                    $"{what}: the input of shape {x.Layout} has size 0 in dimension {d}, but only the number of images may be 0."
                );
        }
    }

    // The shape of the result.
    private static long[] PlacesOf(
        string what,
        int rank,
        Tensor x,
        PerDimension kernel,
        PerDimension stride,
        PerDimension padding,
        PerDimension dilation,
        bool ceil
    )
    {
        long[] sizes = [.. x.Layout.Sizes];
        for (int d = 0; d < rank; d++)
        {
            int at = x.Rank - rank + d;
            long size = sizes[at];
            long room = size + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1;
            long steps = room + (ceil ? stride[d] - 1 : 0);
            long places = steps < 0 ? 0 : steps / stride[d] + 1;
            if (ceil && (places - 1) * stride[d] >= size + padding[d])
                places--;
            sizes[at] =
                places > 0
                    ? places
                    : throw new ArgumentException(
                        $"{what}: a window that spans {dilation[d] * (kernel[d] - 1) + 1} elements does not fit the input of shape {x.Layout}, which has {size + 2 * padding[d]} in dimension {at} with its padding."
                    );
        }
        return sizes;
    }
}
