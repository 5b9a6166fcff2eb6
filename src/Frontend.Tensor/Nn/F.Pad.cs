using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    private static readonly OperatorFamily<(string Mode, long Left)> Pads = new(k => new Operator(
        "pad",
        FormattableString.Invariant($"left={k.Left} mode={k.Mode}"),
        derives: true
    ));

    private static readonly OperatorFamily<(
        PerDimension Kernel,
        PerDimension Stride,
        PerDimension Padding,
        PerDimension Dilation
    )> Columns = new(k => new Operator(
        "im2col",
        $"kh={k.Kernel[0]} kw={k.Kernel[1]} stride={k.Stride.Checked(2, "unfold", "stride", 1)} "
            + $"pad={k.Padding.Checked(2, "unfold", "padding", 0)} dil={k.Dilation.Checked(2, "unfold", "dilation", 1)}",
        derives: true
    ));

    private static readonly OperatorFamily<(
        PerDimension Kernel,
        PerDimension Stride,
        PerDimension Padding,
        PerDimension Dilation
    )> Folds = new(k => new AdjointOperator(Columns[k], 1, 0));

    /// <summary>
    /// A tensor with more (or, where numbers are negative, fewer) elements at the ends of its last dimensions.
    /// </summary>
    /// <param name="input">Any dtype.</param>
    /// <param name="pad">In front and behind of the last dimension, then of the one before it, and so on.</param>
    /// <param name="mode">
    /// What is put there: "constant" a value, "reflect" the mirror image, in which the end itself is not repeated, "replicate" the
    /// elements at the ends, "circular" what is at the other end. All but "constant" take two numbers for tensors of 2 or 3 dimensions,
    /// four for 3 or 4, and six for 4 or 5.
    /// </param>
    /// <param name="value">The constant; 0 where none is given.</param>
    /// <exception cref="ArgumentException">An odd number of numbers or more than the dimensions have, another mode, a value beside
    /// another mode than "constant", sizes that would be negative, or more than the mode can put there.</exception>
    public static Tensor Pad(Tensor input, ReadOnlySpan<long> pad, string mode = "constant", Scalar? value = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(mode);
        if (mode is not ("constant" or "reflect" or "replicate" or "circular"))
            throw new ArgumentException(
                $"pad: mode is \"{mode}\", but must be \"constant\", \"reflect\", \"replicate\" or \"circular\"."
            );
        int dims = pad.Length / 2;
        if (pad.Length % 2 != 0 || dims > input.Rank)
            throw new ArgumentException(
                $"pad: {pad.Length} numbers are given for a tensor of shape {input.Layout}; there must be two for each dimension from the last on."
            );
        if (mode == "constant")
            return Constant(input, pad, value ?? 0);
        if (value is { } given && given.AsDouble != 0)
            throw new ArgumentException($"pad: a value is given, but mode is \"{mode}\"; only \"constant\" has one.");
        if (dims is < 1 or > 3 || (input.Rank != dims + 1 && input.Rank != dims + 2))
            throw new ArgumentException(
                $"pad: {pad.Length} numbers are given for a tensor of shape {input.Layout}; mode \"{mode}\" takes 2 for tensors of 2 or 3 dimensions, 4 for 3 or 4, and 6 for 4 or 5."
            );
        for (int d = input.Rank - dims - 1; d < input.Rank; d++)
        {
            if (input.Layout.Sizes[d] == 0)
                throw new ArgumentException(
                    $"pad: the input of shape {input.Layout} has size 0 in dimension {d}, of which mode \"{mode}\" cannot put anything anywhere."
                );
        }
        bool some = false;
        for (int i = 0; i < dims; i++)
        {
            int d = input.Rank - 1 - i;
            var (size, left, right) = (input.Layout.Sizes[d], pad[2 * i], pad[2 * i + 1]);
            // Of the mirror image what is cut off is a part as well.
            long most =
                mode == "reflect" ? size - 1
                : mode == "circular" ? size + Math.Min(0, left) + Math.Min(0, right)
                : long.MaxValue;
            if (left > Math.Max(0, most) || right > Math.Max(0, most))
                throw new ArgumentException(
                    $"pad: {left} in front and {right} behind dimension {d} of shape {input.Layout}; mode \"{mode}\" can put at most {Math.Max(0, most)} on a side there."
                );
            RequireSome("pad", input, d, left, right);
            some |= size + left + right > 0;
        }
        if (!some && mode != "circular")
            throw new ArgumentException(
                $"pad: [{string.Join(", ", pad.ToArray())}] would leave nothing of shape {input.Layout}; mode \"{mode}\" needs an element in one of the dimensions."
            );
        var result = input;
        for (int i = 0; i < dims; i++)
            result = Continued(result, result.Rank - 1 - i, pad[2 * i], pad[2 * i + 1], mode);
        return ReferenceEquals(result, input) ? input.Clone() : result;
    }

    private static void RequireSome(string what, Tensor input, int dim, long left, long right)
    {
        long size = input.Layout.Sizes[dim];
        if ((Int128)size + left + right < 0)
            throw new ArgumentException(
                $"{what}: {left} in front and {right} behind would leave {(Int128)size + left + right} of the {size} elements that dimension {dim} of shape {input.Layout} has."
            );
    }

    private static Tensor Continued(Tensor x, int d, long left, long right, string mode)
    {
        bool last = mode != "circular";
        var result = last ? x : Cut(x, d, left, right);
        var (front, behind) = (Math.Max(0, left), Math.Max(0, right));
        if (front + behind > 0)
        {
            long[] sizes = [.. result.Layout.Sizes];
            long inner = result.Layout.Product(d + 1, result.Rank);
            var rows = result.ReshapeTo([.. sizes[..d], sizes[d], inner]);
            sizes[d] += front + behind;
            result = Pads[(mode, front)].RecordedAs([.. sizes[..(d + 1)], inner], rows).ReshapeTo(sizes);
        }
        return last ? Cut(result, d, left, right) : result;
    }

    private static Tensor Cut(Tensor x, int d, long left, long right)
    {
        long from = Math.Max(0, -left);
        long length = x.Layout.Sizes[d] - from - Math.Max(0, -right);
        return length == x.Layout.Sizes[d] ? x : x.Narrow(d, from, length);
    }

    private static Tensor Constant(Tensor input, ReadOnlySpan<long> pad, Scalar value)
    {
        value.Require(input.DType, "pad");
        long[] sizes = [.. input.Layout.Sizes];
        long offset = 0;
        var kept = input;
        for (int i = 0; i < pad.Length / 2; i++)
        {
            int d = input.Rank - 1 - i;
            RequireSome("pad", input, d, pad[2 * i], pad[2 * i + 1]);
            sizes[d] += pad[2 * i] + pad[2 * i + 1];
            kept = Cut(kept, d, Math.Min(pad[2 * i], 0), Math.Min(pad[2 * i + 1], 0));
        }
        long[] strides = Layout.RowMajor(sizes);
        for (int i = 0; i < pad.Length / 2; i++)
            offset += Math.Max(0, pad[2 * i]) * strides[^(i + 1)];
        return Tensor.IntoRegion(kept, Layout.Contiguous(sizes), new Layout(kept.Layout.Sizes, strides, offset), value);
    }

    /// <summary>
    /// Windows over images as columns: [n, c · kh · kw, places], of [c, h, w] without the n. What lies in the padding is 0.
    /// </summary>
    /// <exception cref="ArgumentException">Other dimensions or dtypes, numbers that do not fit, or windows larger than the image.</exception>
    public static Tensor Unfold(
        Tensor input,
        PerDimension kernelSize,
        PerDimension dilation = default,
        PerDimension padding = default,
        PerDimension stride = default
    )
    {
        ArgumentNullException.ThrowIfNull(input);
        input.RequireFloat("unfold");
        if (input.Rank is not (3 or 4))
            throw new ArgumentException(
                $"unfold: the input has the shape {input.Layout}, but must be [n, channels, h, w] or [channels, h, w]."
            );
        var key = ColumnsKey("unfold", kernelSize, dilation, padding, stride);
        var (h, w) = Places("unfold", input.Layout.Sizes[^2], input.Layout.Sizes[^1], key);
        for (int d = input.Rank - 3; d < input.Rank; d++)
        {
            if (input.Layout.Sizes[d] == 0)
                throw new ArgumentException(
                    $"unfold: the input of shape {input.Layout} has size 0 in dimension {d}, but only the number of images may be 0."
                );
        }
        var (kh, kw) = (key.Kernel[0], key.Kernel[1]);
        var windows = Columns[key].RecordedAs([.. input.Layout.Sizes[..^2], kh, kw, h, w], input);
        return windows.ReshapeTo([.. input.Layout.Sizes[..^3], input.Layout.Sizes[^3] * kh * kw, h * w]);
    }

    /// <summary>
    /// Images from windows, [n, c, h, w] from [n, c · kh · kw, places]: what lies in several windows is added up. The gradient of
    /// <see cref="Unfold"/>.
    /// </summary>
    /// <exception cref="ArgumentException">Other dimensions or dtypes, numbers that do not fit, or another number of windows than the image has.</exception>
    public static Tensor Fold(
        Tensor input,
        PerDimension outputSize,
        PerDimension kernelSize,
        PerDimension dilation = default,
        PerDimension padding = default,
        PerDimension stride = default
    )
    {
        ArgumentNullException.ThrowIfNull(input);
        input.RequireFloat("fold");
        if (outputSize.Count == 0)
            throw new ArgumentException("fold: outputSize is not given.");
        outputSize.Checked(2, "fold", "outputSize", 1);
        var key = ColumnsKey("fold", kernelSize, dilation, padding, stride);
        var (h, w) = Places("fold", outputSize[0], outputSize[1], key);
        var (kh, kw) = (key.Kernel[0], key.Kernel[1]);
        bool fits =
            input.Rank is 2 or 3
            && input.Layout.Sizes[^1] == h * w
            && input.Layout.Sizes[^2] % (kh * kw) == 0
            && input.Layout.Sizes[^2] > 0;
        if (!fits)
            throw new ArgumentException(
                $"fold: the input has the shape {input.Layout}, but must be [n, channels · {kh * kw}, {h * w}] for windows of {kh} by {kw} over images of {outputSize[0]} by {outputSize[1]}."
            );
        long channels = input.Layout.Sizes[^2] / (kh * kw);
        long[] front = [.. input.Layout.Sizes[..^2], channels];
        return Folds[key]
            .RecordedAs(
                [.. front, outputSize[0], outputSize[1]],
                input.ReshapeTo([.. front, kh, kw, h, w]).Contiguous()
            );
    }

    private static (PerDimension Kernel, PerDimension Stride, PerDimension Padding, PerDimension Dilation) ColumnsKey(
        string what,
        PerDimension kernel,
        PerDimension dilation,
        PerDimension padding,
        PerDimension stride
    )
    {
        if (kernel.Count == 0)
            throw new ArgumentException($"{what}: kernelSize is not given.");
        (dilation, padding, stride) = (dilation.Or(1), padding.Or(0), stride.Or(1));
        kernel.Checked(2, what, "kernelSize", 1);
        dilation.Checked(2, what, "dilation", 1);
        padding.Checked(2, what, "padding", 0);
        stride.Checked(2, what, "stride", 1);
        return (kernel, stride, padding, dilation);
    }

    private static (long H, long W) Places(
        string what,
        long h,
        long w,
        (PerDimension Kernel, PerDimension Stride, PerDimension Padding, PerDimension Dilation) key
    )
    {
        long Along(int d, long size)
        {
            long room = size + 2 * key.Padding[d] - key.Dilation[d] * (key.Kernel[d] - 1) - 1;
            return room >= 0
                ? room / key.Stride[d] + 1
                : throw new ArgumentException(
                    $"{what}: a window that spans {key.Dilation[d] * (key.Kernel[d] - 1) + 1} elements does not fit images of {h} by {w}, which have {size + 2 * key.Padding[d]} in dimension {d} with their padding."
                );
        }
        return (Along(0, h), Along(1, w));
    }

    /// <summary>[.., c · r², h, w] as [.., c, h · r, w · r].</summary>
    /// <exception cref="ArgumentException">Fewer than three dimensions, or channels that r² does not divide.</exception>
    public static Tensor PixelShuffle(Tensor input, long upscaleFactor)
    {
        long r = ShuffleFactor("pixel_shuffle", input, upscaleFactor);
        var (c, h, w) = (input.Layout.Sizes[^3], input.Layout.Sizes[^2], input.Layout.Sizes[^1]);
        if (c % (r * r) != 0)
            throw new ArgumentException(
                $"pixel_shuffle: the input of shape {input.Layout} has {c} channels, which {r}² must divide."
            );
        long[] front = [.. input.Layout.Sizes[..^3]];
        int at = front.Length;
        return input
            .ReshapeTo([.. front, c / (r * r), r, r, h, w])
            .Permute([.. Enumerable.Range(0, at + 1), at + 3, at + 1, at + 4, at + 2])
            .ReshapeTo([.. front, c / (r * r), h * r, w * r]);
    }

    /// <summary>[.., c, h · r, w · r] as [.., c · r², h, w].</summary>
    /// <exception cref="ArgumentException">Fewer than three dimensions, or sizes that r does not divide.</exception>
    public static Tensor PixelUnshuffle(Tensor input, long downscaleFactor)
    {
        long r = ShuffleFactor("pixel_unshuffle", input, downscaleFactor);
        var (c, h, w) = (input.Layout.Sizes[^3], input.Layout.Sizes[^2], input.Layout.Sizes[^1]);
        if (h % r != 0 || w % r != 0)
            throw new ArgumentException(
                $"pixel_unshuffle: the last two sizes of the input of shape {input.Layout} must be multiples of {r}."
            );
        long[] front = [.. input.Layout.Sizes[..^3]];
        int at = front.Length;
        return input
            .ReshapeTo([.. front, c, h / r, r, w / r, r])
            .Permute([.. Enumerable.Range(0, at + 1), at + 2, at + 4, at + 1, at + 3])
            .ReshapeTo([.. front, c * r * r, h / r, w / r]);
    }

    private static long ShuffleFactor(string what, Tensor input, long factor)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.Rank < 3)
            throw new ArgumentException(
                $"{what}: the input has the shape {input.Layout}, but must have three dimensions or more."
            );
        return factor > 0
            ? factor
            : throw new ArgumentException($"{what}: the factor is {factor}, but must be at least 1.");
    }
}
