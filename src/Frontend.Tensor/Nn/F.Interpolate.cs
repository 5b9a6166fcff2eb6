using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    private static readonly Operator Resample = new("resample", derives: true);

    /// <summary>
    /// Sequences, images or volumes [n, channels, …] at another size: of <paramref name="size"/>, or ⌊size · scaleFactor⌋.
    /// </summary>
    /// <param name="input">Of 3 to 5 dimensions; of floats but for the nearest elements and areas.</param>
    /// <param name="size">One number for all dimensions or one each; either this or scaleFactor is given.</param>
    /// <param name="scaleFactor">One number for all dimensions or one each.</param>
    /// <param name="mode">
    /// "nearest" or "nearest-exact" (whose places are those of the middles of elements), "linear" (3 dimensions), "bilinear" and "bicubic"
    /// (4), "trilinear" (5), "area" (means).
    /// </param>
    /// <param name="alignCorners">Whether the first and last elements lie at those of the result, rather than the edges.</param>
    /// <param name="recomputeScaleFactor">Whether sizes decide on distances where a scaleFactor is given, which does not make whole sizes.</param>
    /// <exception cref="ArgumentException">Arguments that do not fit one another; names them.</exception>
    public static Tensor Interpolate(
        Tensor input,
        ReadOnlySpan<long> size = default,
        ReadOnlySpan<double> scaleFactor = default,
        string mode = "nearest",
        bool? alignCorners = null,
        bool? recomputeScaleFactor = null
    )
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(mode);
        const string What = "interpolate";
        int rank = input.Rank - 2;
        if (rank is < 1 or > 3)
            throw new ArgumentException(
                $"{What}: the input has the shape {input.Layout}, but must have 3 to 5 dimensions: [n, channels, …]."
            );
        int? needs = mode switch
        {
            "nearest" or "nearest-exact" or "area" => null,
            "linear" => 1,
            "bilinear" or "bicubic" => 2,
            "trilinear" => 3,
            _ => throw new ArgumentException(
                $"{What}: mode is \"{mode}\", but must be \"nearest\", \"nearest-exact\", \"linear\", \"bilinear\", \"bicubic\", \"trilinear\" or \"area\"."
            ),
        };
        if (needs is { } dims && dims != rank)
            throw new ArgumentException(
                $"{What}: mode \"{mode}\" needs an input of {dims + 2} dimensions, but the shape is {input.Layout}."
            );
        if (needs is null && alignCorners is not null)
            throw new ArgumentException($"{What}: alignCorners is given, but mode \"{mode}\" has no corners to align.");
        if (size.IsEmpty == scaleFactor.IsEmpty)
            throw new ArgumentException($"{What}: either size or scaleFactor must be given, and not both.");
        int given = size.Length + scaleFactor.Length;
        if (given != 1 && given != rank)
            throw new ArgumentException(
                $"{What}: {given} numbers are given for an input of shape {input.Layout}; there must be one, or {rank}."
            );
        if (recomputeScaleFactor == true && !size.IsEmpty)
            throw new ArgumentException($"{What}: recomputeScaleFactor is for scaleFactor, but size is given.");
        for (int d = 1; d < input.Rank; d++)
        {
            if (input.Layout.Sizes[d] == 0)
                throw new ArgumentException(
                    $"{What}: the input of shape {input.Layout} has size 0 in dimension {d}, but only the number of images may be 0."
                );
        }
        long[] to = new long[rank];
        double?[] scales = new double?[rank];
        for (int d = 0; d < rank; d++)
        {
            if (size.IsEmpty)
            {
                double by = scaleFactor[given == 1 ? 0 : d];
                to[d] = (long)Math.Floor(input.Layout.Sizes[d + 2] * by);
                scales[d] = recomputeScaleFactor == true ? null : by;
            }
            else
                to[d] = size[given == 1 ? 0 : d];
            if (to[d] < 1)
                throw new ArgumentException(
                    $"{What}: dimension {d + 2} of shape {input.Layout} would have size {to[d]}, but must have at least 1."
                );
        }
        if (mode == "area")
            return AdaptivePool(rank, input, PerDimension.Of(to), max: false, indices: false).Values;
        if (needs is not null)
            input.RequireFloat(What);
        bool align = alignCorners ?? false;
        // In float32, as 16 bits are computed.
        var type = input.DType == DType.Float64 ? DType.Float64 : DType.Float32;
        var result = needs is null ? input : input.To(type);
        for (int d = rank - 1; d >= 0; d--)
        {
            // Of one size places are the same, but not those that a factor is about.
            bool same = to[d] == result.Layout.Sizes[d + 2];
            if (same && (needs is not null ? mode != "bicubic" : scales[d] is null or 1))
                continue;
            var sampling = new Sampling(result.Layout.Sizes[d + 2], to[d], scales[d], align, type == DType.Float32);
            result = needs is null
                ? sampling.Nearest(result, d + 2, mode == "nearest-exact")
                : sampling.Weighted(result, d + 2, mode == "bicubic");
        }
        return ReferenceEquals(result, input) ? input.Clone() : result.To(input.DType);
    }

    /// <summary>The same with one number for all dimensions.</summary>
    /// <inheritdoc cref="Interpolate(Tensor, ReadOnlySpan{long}, ReadOnlySpan{double}, string, bool?, bool?)"/>
    public static Tensor Interpolate(
        Tensor input,
        long? size = null,
        double? scaleFactor = null,
        string mode = "nearest",
        bool? alignCorners = null,
        bool? recomputeScaleFactor = null
    ) =>
        Interpolate(
            input,
            size is { } to ? [to] : default(ReadOnlySpan<long>),
            scaleFactor is { } by ? [by] : default(ReadOnlySpan<double>),
            mode,
            alignCorners,
            recomputeScaleFactor
        );

    /// <summary>The same by another name.</summary>
    /// <inheritdoc cref="Interpolate(Tensor, ReadOnlySpan{long}, ReadOnlySpan{double}, string, bool?, bool?)"/>
    public static Tensor Upsample(
        Tensor input,
        ReadOnlySpan<long> size = default,
        ReadOnlySpan<double> scaleFactor = default,
        string mode = "nearest",
        bool? alignCorners = null
    ) => Interpolate(input, size, scaleFactor, mode, alignCorners);

    /// <summary>The same with one number for all dimensions.</summary>
    /// <inheritdoc cref="Interpolate(Tensor, ReadOnlySpan{long}, ReadOnlySpan{double}, string, bool?, bool?)"/>
    public static Tensor Upsample(
        Tensor input,
        long? size = null,
        double? scaleFactor = null,
        string mode = "nearest",
        bool? alignCorners = null
    ) => Interpolate(input, size, scaleFactor, mode, alignCorners);

    // Where the elements of a dimension of the result lie in that of the input.
    private readonly record struct Sampling(long From, long To, double? Scale, bool Align, bool Single)
    {
        // In the precision of the elements, as PyTorch.
        private double Round(double value) => Single ? (float)value : value;

        private double Step =>
            Align ? (To > 1 ? Round((double)(From - 1) / (To - 1)) : 0)
            : Scale is { } by && by > 0 ? Round(1 / by)
            : Round((double)From / To);

        public Tensor Nearest(Tensor x, int dim, bool exact)
        {
            long[] places = new long[To];
            double step = Step;
            for (int i = 0; i < places.Length; i++)
                places[i] = Math.Min((long)Math.Floor(Round((exact ? i + 0.5 : i) * step)), From - 1);
            return x.IndexSelect(dim, Tensor.From(places).ToDevice(x.Device));
        }

        public Tensor Weighted(Tensor x, int dim, bool cubic)
        {
            int taps = cubic ? 4 : 2;
            long[] places = new long[To * taps];
            double[] weights = new double[To * taps];
            double step = Step;
            for (int i = 0; i < To; i++)
            {
                double at = Align ? Round(step * i) : Round(Round(step * Round(i + 0.5)) - 0.5);
                if (!cubic && at < 0)
                    at = 0;
                long first = Math.Min((long)Math.Floor(at), From - 1);
                double part = Math.Clamp(Round(at - first), 0, 1);
                if (!cubic)
                {
                    (places[2 * i], places[2 * i + 1]) = (first, Math.Min(first + 1, From - 1));
                    (weights[2 * i], weights[2 * i + 1]) = (Round(1 - part), part);
                    continue;
                }
                for (int t = 0; t < 4; t++)
                {
                    places[4 * i + t] = Math.Clamp(first - 1 + t, 0, From - 1);
                    weights[4 * i + t] = Cubic(Math.Abs(part + 1 - t));
                }
            }
            var index = Tensor.From(places, [To, taps]).ToDevice(x.Device);
            var weight = Tensor.From(weights, [To, taps]).To(x.DType).ToDevice(x.Device);
            long inner = x.Layout.Product(dim + 1, x.Rank);
            long[] sizes = [.. x.Layout.Sizes];
            var rows = x.ReshapeTo([.. sizes[..dim], From, inner]);
            sizes[dim] = To;
            return Resample.RecordedAs([.. sizes[..dim], To, inner], rows, index, weight).ReshapeTo(sizes);
        }

        // Keys's convolution with a = −0.75, by the distance.
        private static double Cubic(double x) =>
            x <= 1 ? (1.25 * x - 2.25) * x * x + 1 : ((-0.75 * x + 3.75) * x - 6) * x + 3;
    }

    /// <summary>
    /// Sums of p-th powers of windows, their p-th root, over sequences [.., w]: the p-norm where all are positive.
    /// </summary>
    public static Tensor LpPool1d(
        Tensor x,
        double normType,
        PerDimension kernelSize,
        PerDimension stride = default,
        bool ceilMode = false
    ) => LpPool(1, x, normType, kernelSize, stride, ceilMode);

    /// <summary>The same over images [.., h, w].</summary>
    /// <inheritdoc cref="LpPool1d"/>
    public static Tensor LpPool2d(
        Tensor x,
        double normType,
        PerDimension kernelSize,
        PerDimension stride = default,
        bool ceilMode = false
    ) => LpPool(2, x, normType, kernelSize, stride, ceilMode);

    /// <summary>The same over volumes [.., d, h, w].</summary>
    /// <inheritdoc cref="LpPool1d"/>
    public static Tensor LpPool3d(
        Tensor x,
        double normType,
        PerDimension kernelSize,
        PerDimension stride = default,
        bool ceilMode = false
    ) => LpPool(3, x, normType, kernelSize, stride, ceilMode);

    private static Tensor LpPool(int rank, Tensor x, double p, PerDimension kernel, PerDimension stride, bool ceil)
    {
        ArgumentNullException.ThrowIfNull(x);
        var mean = AvgPool(rank, x.Pow(p), kernel, stride, default, ceil, true, null);
        double count = 1;
        for (int d = 0; d < rank; d++)
            count *= kernel[d];
        return (mean.Sign() * mean.Abs().Relu() * count).Pow(1 / p);
    }

    /// <summary>
    /// The elements of a pool of maxima at the places that they came from, 0 elsewhere, for sequences. Of equal places one assigns.
    /// </summary>
    /// <param name="input">What <see cref="MaxPool1dWithIndices"/> gave.</param>
    /// <param name="indices">And the places.</param>
    /// <param name="kernelSize">Size of its windows.</param>
    /// <param name="stride">From a window to the next; the window's size where none is given.</param>
    /// <param name="padding">Places before and behind.</param>
    /// <param name="outputSize">Sizes of the last dimensions; the smallest that give the input's where none are given.</param>
    public static Tensor MaxUnpool1d(
        Tensor input,
        Tensor indices,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        ReadOnlySpan<long> outputSize = default
    ) => MaxUnpool(1, input, indices, kernelSize, stride, padding, outputSize);

    /// <inheritdoc cref="MaxUnpool1d"/>
    public static Tensor MaxUnpool2d(
        Tensor input,
        Tensor indices,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        ReadOnlySpan<long> outputSize = default
    ) => MaxUnpool(2, input, indices, kernelSize, stride, padding, outputSize);

    /// <inheritdoc cref="MaxUnpool1d"/>
    public static Tensor MaxUnpool3d(
        Tensor input,
        Tensor indices,
        PerDimension kernelSize,
        PerDimension stride = default,
        PerDimension padding = default,
        ReadOnlySpan<long> outputSize = default
    ) => MaxUnpool(3, input, indices, kernelSize, stride, padding, outputSize);

    private static Tensor MaxUnpool(
        int rank,
        Tensor input,
        Tensor indices,
        PerDimension kernel,
        PerDimension stride,
        PerDimension padding,
        ReadOnlySpan<long> outputSize
    )
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(indices);
        string what = $"max_unpool{rank}d";
        if (input.Rank != rank + 1 && input.Rank != rank + 2)
            throw new ArgumentException(
                $"{what}: the input has the shape {input.Layout}, but must have {rank + 1} or {rank + 2} dimensions."
            );
        if (!indices.Layout.SameSizes(input.Layout) || indices.DType != DType.Int64)
            throw new ArgumentException(
                $"{what}: the indices are {indices.DType.Name()} of shape {indices.Layout}, but must be int64 of that of the input, {input.Layout}."
            );
        if (kernel.Count == 0)
            throw new ArgumentException($"{what}: kernelSize is not given.");
        stride = stride.Count == 0 ? kernel : stride;
        padding = padding.Or(0);
        kernel.Checked(rank, what, "kernelSize", 1);
        stride.Checked(rank, what, "stride", 1);
        padding.Checked(rank, what, "padding", 0);
        if (!outputSize.IsEmpty && outputSize.Length != rank && outputSize.Length != input.Rank)
            throw new ArgumentException(
                $"{what}: outputSize has {outputSize.Length} numbers, but must have {rank}, or {input.Rank}."
            );
        long[] sizes = [.. input.Layout.Sizes];
        for (int d = 0; d < rank; d++)
        {
            int at = input.Rank - rank + d;
            long least = (sizes[at] - 1) * stride[d] + kernel[d] - 2 * padding[d];
            if (!outputSize.IsEmpty)
            {
                long wanted = outputSize[outputSize.Length - rank + d];
                if (wanted <= least - stride[d] || wanted >= least + stride[d])
                    throw new ArgumentException(
                        $"{what}: outputSize is {wanted} in dimension {at}, but must lie between {least - stride[d]} and {least + stride[d]}."
                    );
                least = wanted;
            }
            if (least < 1)
                throw new ArgumentException($"{what}: the result would have the size {least} in dimension {at}.");
            sizes[at] = least;
        }
        long[] planes = [.. sizes[..^rank]];
        long area = Layout.CountOf(sizes.AsSpan(input.Rank - rank));
        long count = input.Layout.Product(input.Rank - rank, input.Rank);
        return Tensor
            .Zeros([.. planes, area], input.DType, input.Device)
            .Scatter(-1, indices.ReshapeTo([.. planes, count]), input.ReshapeTo([.. planes, count]))
            .ReshapeTo(sizes);
    }
}
