using System.Globalization;
using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    private readonly record struct ConvolutionKey(
        PerDimension Stride,
        PerDimension Padding,
        PerDimension Dilation,
        PerDimension OutputPadding,
        long Groups,
        bool Bias
    );

    private static readonly OperatorFamily<ConvolutionKey>[] Convolutions =
    [
        .. Enumerable.Range(0, 4).Select(rank => new OperatorFamily<ConvolutionKey>(k => Of(k, rank, false))),
    ];

    private static readonly OperatorFamily<ConvolutionKey>[] TransposedConvolutions =
    [
        .. Enumerable.Range(0, 4).Select(rank => new OperatorFamily<ConvolutionKey>(k => Of(k, rank, true))),
    ];

    /// <summary>
    /// Convolution of sequences x [n, in, w] or [in, w] with filters weight [out, in/groups, kw], plus bias [out]; gives [n, out, ow].
    /// </summary>
    /// <inheritdoc cref="Conv2d"/>
    public static Tensor Conv1d(
        Tensor x,
        Tensor weight,
        Tensor? bias = null,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        long groups = 1
    ) => Convolve(1, x, weight, bias, stride, padding, dilation, groups);

    /// <summary>
    /// Convolution of images x [n, in, h, w] or [in, h, w] with filters weight [out, in/groups, kh, kw], plus bias [out]; gives
    /// [n, out, oh, ow] with oh = ⌊(h + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1.
    /// </summary>
    /// <param name="x">Floats; none of its sizes but n may be 0.</param>
    /// <param name="weight">Of x's dtype.</param>
    /// <param name="bias">Of x's dtype; null for none.</param>
    /// <param name="stride">From a place of the filters to the next; 1 where none is given.</param>
    /// <param name="padding">Zeros before and behind x in each dimension; 0 where none is given.</param>
    /// <param name="dilation">From an element of the filters to the next; 1 where none is given.</param>
    /// <param name="groups">Groups of channels that do not mix: the channels of each go to out/groups of the result.</param>
    /// <exception cref="ArgumentException">Shapes, numbers or dtypes that do not fit; names them.</exception>
    public static Tensor Conv2d(
        Tensor x,
        Tensor weight,
        Tensor? bias = null,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        long groups = 1
    ) => Convolve(2, x, weight, bias, stride, padding, dilation, groups);

    /// <summary>
    /// Convolution of volumes x [n, in, d, h, w] or [in, d, h, w] with filters weight [out, in/groups, kd, kh, kw], plus bias [out]; gives
    /// [n, out, od, oh, ow].
    /// </summary>
    /// <inheritdoc cref="Conv2d"/>
    public static Tensor Conv3d(
        Tensor x,
        Tensor weight,
        Tensor? bias = null,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension dilation = default,
        long groups = 1
    ) => Convolve(3, x, weight, bias, stride, padding, dilation, groups);

    /// <summary>
    /// Transposed convolution of sequences x [n, in, w] or [in, w] with filters weight [in, out/groups, kw], plus bias [out].
    /// </summary>
    /// <inheritdoc cref="ConvTranspose2d"/>
    public static Tensor ConvTranspose1d(
        Tensor x,
        Tensor weight,
        Tensor? bias = null,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension outputPadding = default,
        long groups = 1,
        PerDimension dilation = default
    ) => ConvolveTransposed(1, x, weight, bias, stride, padding, outputPadding, groups, dilation);

    /// <summary>
    /// Transposed convolution, the gradient of a convolution with respect to its images: x [n, in, h, w] or [in, h, w] and filters weight
    /// [in, out/groups, kh, kw], plus bias [out], give [n, out, oh, ow] with
    /// oh = (h − 1)·stride − 2·padding + dilation·(kh − 1) + outputPadding + 1.
    /// </summary>
    /// <param name="x">Floats; none of its sizes but n may be 0.</param>
    /// <param name="weight">Of x's dtype.</param>
    /// <param name="bias">Of x's dtype; null for none.</param>
    /// <param name="stride">From what an element of x adds to to that of the next; 1 where none is given.</param>
    /// <param name="padding">Rows and columns that are left out on each side; 0 where none is given.</param>
    /// <param name="outputPadding">Rows and columns more at the end, fewer than stride or dilation.</param>
    /// <param name="groups">Groups of channels that do not mix.</param>
    /// <param name="dilation">From an element of the filters to the next; 1 where none is given.</param>
    /// <exception cref="ArgumentException">Shapes, numbers or dtypes that do not fit; names them.</exception>
    public static Tensor ConvTranspose2d(
        Tensor x,
        Tensor weight,
        Tensor? bias = null,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension outputPadding = default,
        long groups = 1,
        PerDimension dilation = default
    ) => ConvolveTransposed(2, x, weight, bias, stride, padding, outputPadding, groups, dilation);

    /// <summary>
    /// Transposed convolution of volumes x [n, in, d, h, w] or [in, d, h, w] with filters weight [in, out/groups, kd, kh, kw], plus bias
    /// [out].
    /// </summary>
    /// <inheritdoc cref="ConvTranspose2d"/>
    public static Tensor ConvTranspose3d(
        Tensor x,
        Tensor weight,
        Tensor? bias = null,
        PerDimension stride = default,
        PerDimension padding = default,
        PerDimension outputPadding = default,
        long groups = 1,
        PerDimension dilation = default
    ) => ConvolveTransposed(3, x, weight, bias, stride, padding, outputPadding, groups, dilation);

    private static Tensor Convolve(
        int rank,
        Tensor x,
        Tensor weight,
        Tensor? bias,
        PerDimension stride,
        PerDimension padding,
        PerDimension dilation,
        long groups
    )
    {
        string what = $"conv{rank}d";
        if (Autocast.Of(what, x) is { } cast)
            return cast.Run(
                [x, weight, bias],
                t => Convolve(rank, t[0], t[1], t[2], stride, padding, dilation, groups)
            );
        if (padding.IsSame)
            (x, padding) = SamePadded(what, rank, x, weight, stride, dilation);
        var key = new ConvolutionKey(stride.Or(1), padding.Or(0), dilation.Or(1), 0, groups, bias is not null);
        var op = CheckConvolution(what, Convolutions[rank], key, rank, x, weight, bias);
        bool single = x.Rank == rank + 1;
        var images = single ? x.Unsqueeze(0) : x;
        var (given, filter) = (images.Layout.Sizes, weight.Layout.Sizes);
        if (given[1] != filter[1] * groups)
            throw new ArgumentException(
                $"{what}: the input of shape {x.Layout} has {given[1]} channels in dimension {x.Rank - rank - 1}, but a weight of shape {weight.Layout} in {groups} group{(groups == 1 ? "" : "s")} takes {filter[1] * groups}."
            );
        if (filter[0] % groups != 0)
            throw new ArgumentException(
                $"{what}: groups is {groups}, which must divide the {filter[0]} channels in dimension 0 of the weight of shape {weight.Layout}."
            );
        CheckBias(what, bias, filter[0], weight);
        long[] sizes = new long[rank + 2];
        (sizes[0], sizes[1]) = (given[0], filter[0]);
        for (int d = 0; d < rank; d++)
        {
            long spread = key.Dilation[d] * (filter[d + 2] - 1) + 1;
            long padded = given[d + 2] + 2 * key.Padding[d];
            if (spread > padded)
                throw new ArgumentException(
                    $"{what}: the weight of shape {weight.Layout} spans {spread} elements in dimension {d + 2}, but the padded input of shape {x.Layout} has {padded} in dimension {x.Rank - rank + d}."
                );
            sizes[d + 2] = (padded - spread) / key.Stride[d] + 1;
        }
        var result = op.RecordedAs(sizes, images, weight, bias);
        return single ? result.Squeeze(0) : result;
    }

    // What is added, and by whom: by the convolution where both sides get as much. One more goes behind.
    private static (Tensor X, PerDimension Padding) SamePadded(
        string what,
        int rank,
        Tensor x,
        Tensor weight,
        PerDimension stride,
        PerDimension dilation
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        if (stride.Or(1).Any(1))
            throw new ArgumentException($"{what}: padding is \"same\", but stride is {stride}, and must be 1 then.");
        // Shapes that do not fit are refused there.
        if (weight.Rank != rank + 2 || x.Rank < rank + 1)
            return (x, 0);
        long[] pads = SamePads(rank, [.. weight.Layout.Sizes[2..]], dilation);
        long[] left = [.. Enumerable.Range(0, rank).Select(d => pads[2 * (rank - 1 - d)])];
        bool even = Enumerable.Range(0, rank).All(d => pads[2 * d] == pads[2 * d + 1]);
        return even ? (x, PerDimension.Of(left)) : (Pad(x, pads), 0);
    }

    /// <summary>In front and behind of each dimension from the last on, for results of the input's size.</summary>
    internal static long[] SamePads(int rank, long[] kernel, PerDimension dilation)
    {
        long[] pads = new long[2 * rank];
        for (int d = 0; d < rank; d++)
        {
            long total = dilation.Or(1)[d] * (kernel[d] - 1);
            int at = 2 * (rank - 1 - d);
            (pads[at], pads[at + 1]) = (total / 2, total - total / 2);
        }
        return pads;
    }

    private static Tensor ConvolveTransposed(
        int rank,
        Tensor x,
        Tensor weight,
        Tensor? bias,
        PerDimension stride,
        PerDimension padding,
        PerDimension outputPadding,
        long groups,
        PerDimension dilation
    )
    {
        string what = $"conv_transpose{rank}d";
        if (Autocast.Of(what, x) is { } cast)
            return cast.Run(
                [x, weight, bias],
                t => ConvolveTransposed(rank, t[0], t[1], t[2], stride, padding, outputPadding, groups, dilation)
            );
        var key = new ConvolutionKey(
            stride.Or(1),
            padding.Or(0),
            dilation.Or(1),
            outputPadding.Or(0),
            groups,
            bias is not null
        );
        var op = CheckConvolution(what, TransposedConvolutions[rank], key, rank, x, weight, bias);
        bool single = x.Rank == rank + 1;
        var images = single ? x.Unsqueeze(0) : x;
        var (given, filter) = (images.Layout.Sizes, weight.Layout.Sizes);
        if (given[1] != filter[0])
            throw new ArgumentException(
                $"{what}: the input of shape {x.Layout} has {given[1]} channels in dimension {x.Rank - rank - 1}, but a weight of shape {weight.Layout} takes {filter[0]}."
            );
        if (given[1] % groups != 0)
            throw new ArgumentException(
                $"{what}: groups is {groups}, which must divide the {given[1]} channels of the input of shape {x.Layout}."
            );
        CheckBias(what, bias, filter[1] * groups, weight);
        long[] sizes = new long[rank + 2];
        (sizes[0], sizes[1]) = (given[0], filter[1] * groups);
        for (int d = 0; d < rank; d++)
        {
            if (key.OutputPadding[d] >= Math.Max(key.Stride[d], key.Dilation[d]))
                throw new ArgumentException(
                    $"{what}: outputPadding is {key.OutputPadding}, but must be less than stride, {key.Stride}, or dilation, {key.Dilation}."
                );
            sizes[d + 2] =
                (given[d + 2] - 1) * key.Stride[d]
                - 2 * key.Padding[d]
                + key.Dilation[d] * (filter[d + 2] - 1)
                + key.OutputPadding[d]
                + 1;
            if (sizes[d + 2] < 1)
                throw new ArgumentException(
                    $"{what}: of an input of shape {x.Layout} and a weight of shape {weight.Layout} a padding of {key.Padding} leaves {sizes[d + 2]} elements in dimension {x.Rank - rank + d}."
                );
        }
        var result = op.RecordedAs(sizes, images, weight, bias);
        return single ? result.Squeeze(0) : result;
    }

    private static Operator Of(ConvolutionKey key, int rank, bool transposed)
    {
        string what = transposed ? $"conv_transpose{rank}d" : $"conv{rank}d";
        if (key.Groups < 1)
            throw new ArgumentException($"{what}: groups is {key.Groups}, but must be at least 1.");
        string attributes =
            $"stride={key.Stride.Checked(rank, what, "stride", 1)} pad={key.Padding.Checked(rank, what, "padding", 0)} "
            + $"dil={key.Dilation.Checked(rank, what, "dilation", 1)}"
            + (key.Groups == 1 ? "" : $" groups={key.Groups.ToString(CultureInfo.InvariantCulture)}")
            + (key.Bias ? " bias=1" : "")
            + (transposed ? $" opad={key.OutputPadding.Checked(rank, what, "outputPadding", 0)}" : "");
        return new Operator(what, attributes, derives: true);
    }

    // What is the same for both; the operator of the arguments.
    private static Operator CheckConvolution(
        string what,
        OperatorFamily<ConvolutionKey> family,
        ConvolutionKey key,
        int rank,
        Tensor x,
        Tensor weight,
        Tensor? bias
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        var op = family[key];
        string sizes = rank switch
        {
            1 => "width",
            2 => "height, width",
            _ => "depth, height, width",
        };
        if (x.Rank != rank + 2 && x.Rank != rank + 1)
            throw new ArgumentException(
                $"{what}: the input has the shape {x.Layout}, but must be [n, channels, {sizes}] or [channels, {sizes}]."
            );
        if (weight.Rank != rank + 2)
            throw new ArgumentException(
                $"{what}: the weight has the shape {weight.Layout}, but must have {rank + 2} dimensions, the last ones {sizes}."
            );
        if (x.DType != weight.DType || (bias is not null && bias.DType != x.DType))
            throw new ArgumentException(
                $"{what}: the input is {x.DType.Name()}, the weight {weight.DType.Name()}"
                    + (bias is null ? "" : $", the bias {bias.DType.Name()}")
                    + "; all must be of one dtype."
            );
        x.RequireFloat(what);
        for (int d = x.Rank - rank - 1; d < x.Rank; d++)
        {
            if (x.Layout.Sizes[d] == 0)
                throw new ArgumentException(
                    $"{what}: the input of shape {x.Layout} has size 0 in dimension {d}, but only the number of images may be 0."
                );
        }
        if (weight.NumElements == 0)
            throw new ArgumentException($"{what}: the weight of shape {weight.Layout} has no elements.");
        return op;
    }

    private static void CheckBias(string what, Tensor? bias, long channels, Tensor weight)
    {
        if (bias is not null && (bias.Rank != 1 || bias.Layout.Sizes[0] != channels))
            throw new ArgumentException(
                $"{what}: the bias has the shape {bias.Layout}, but must be [{channels}], a number for each channel that a weight of shape {weight.Layout} gives."
            );
    }
}
