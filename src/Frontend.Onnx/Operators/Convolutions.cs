namespace Picograd.Onnx.Operators;

/// <summary>Convolutions of one to three dimensions.</summary>
internal static class Convolutions
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.One("Conv", c => Convolve(c, c[0], c[1], c.Given(2)));
        table.One("ConvTranspose", Transposed);
    }

    /// <summary>What is padded before and after each dimension, as the attributes say.</summary>
    public static (long[] Before, long[] After) Padding(
        Call call,
        long[] sizes,
        long[] kernel,
        long[] strides,
        long[] dilations
    )
    {
        int dims = sizes.Length;
        string auto = call.Node.Text("auto_pad", "NOTSET");
        long[] pads = call.Node.Ints("pads") ?? new long[2 * dims];
        if (auto is "NOTSET" && pads.Length != 2 * dims)
            throw call.Node.Wrong($"pads {dims} dimensions by {pads.Length} numbers");
        if (auto is "NOTSET")
            return (pads[..dims], pads[dims..]);
        long[] before = new long[dims];
        long[] after = new long[dims];
        if (auto is not ("SAME_UPPER" or "SAME_LOWER" or "VALID"))
            throw call.Node.Wrong($"has auto_pad '{auto}'; known are NOTSET, VALID, SAME_UPPER and SAME_LOWER");
        for (int d = 0; d < dims && auto != "VALID"; d++)
        {
            long wanted = (sizes[d] + strides[d] - 1) / strides[d];
            long total = Math.Max(0, (wanted - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 - sizes[d]);
            before[d] = auto == "SAME_UPPER" ? total / 2 : total - total / 2;
            after[d] = total - before[d];
        }
        return (before, after);
    }

    /// <summary>An attribute with a number for each dimension, 1 where it is left out.</summary>
    public static long[] Each(Call call, string name, int dims)
    {
        long[] numbers = call.Node.Ints(name) ?? [.. Enumerable.Repeat(1L, dims)];
        return numbers.Length == dims
            ? numbers
            : throw call.Node.Wrong($"has {numbers.Length} numbers in '{name}', but {dims} dimensions");
    }

    public static Tensor Convolve(Call call, Tensor x, Tensor weight, Tensor? bias)
    {
        int dims = Dims(call, x);
        long[] kernel = weight.Shape.ToArray()[2..];
        long[] strides = Each(call, "strides", dims);
        long[] dilations = Each(call, "dilations", dims);
        long groups = call.Node.Int("group", 1);
        var (before, after) = Padding(call, x.Shape.ToArray()[2..], kernel, strides, dilations);
        if (!before.SequenceEqual(after))
        {
            x = Shapes.Padded(x, [0, 0, .. before], [0, 0, .. after], 0);
            before = new long[dims];
        }
        var (stride, padding, dilation) = (
            PerDimension.Of(strides),
            PerDimension.Of(before),
            PerDimension.Of(dilations)
        );
        return dims switch
        {
            1 => F.Conv1d(x, weight, bias, stride, padding, dilation, groups),
            2 => F.Conv2d(x, weight, bias, stride, padding, dilation, groups),
            _ => F.Conv3d(x, weight, bias, stride, padding, dilation, groups),
        };
    }

    /// <summary>Dimensions of images: those behind samples and channels.</summary>
    public static int Dims(Call call, Tensor x) =>
        x.Rank is >= 3 and <= 5
            ? x.Rank - 2
            : throw call.Node.Wrong(
                $"has an input of shape {x.Shape}; images have one to three dimensions behind samples and channels"
            );

    private static Tensor Transposed(Call call)
    {
        var (x, weight) = (call[0], call[1]);
        int dims = Dims(call, x);
        long[] kernel = weight.Shape.ToArray()[2..];
        long[] strides = Each(call, "strides", dims);
        long[] dilations = Each(call, "dilations", dims);
        long[] more = call.Node.Ints("output_padding") ?? new long[dims];
        long groups = call.Node.Int("group", 1);
        var (stride, dilation) = (PerDimension.Of(strides), PerDimension.Of(dilations));
        // All that the kernel reaches, of which the ends are cut off or filled up.
        var whole = dims switch
        {
            1 => F.ConvTranspose1d(x, weight, null, stride, 0, 0, groups, dilation),
            2 => F.ConvTranspose2d(x, weight, null, stride, 0, 0, groups, dilation),
            _ => F.ConvTranspose3d(x, weight, null, stride, 0, 0, groups, dilation),
        };
        string auto = call.Node.Text("auto_pad", "NOTSET");
        long[] pads = call.Node.Ints("pads") ?? new long[2 * dims];
        long[]? shape = call.Node.Ints("output_shape");
        long[] before = new long[dims + 2];
        long[] after = new long[dims + 2];
        for (int d = 0; d < dims; d++)
        {
            long reached = whole.Size(d + 2) + more[d];
            long? wanted =
                shape is not null ? shape[^(dims - d)]
                : auto is "SAME_UPPER" or "SAME_LOWER" ? x.Size(d + 2) * strides[d]
                : null;
            (long first, long last) = (pads[d], pads[d + dims]);
            if (auto == "VALID")
                (first, last) = (0, 0);
            if (wanted is { } size)
            {
                long total = Math.Max(0, reached - size);
                first = auto == "SAME_UPPER" ? total / 2 : total - total / 2;
                last = reached - size - first;
            }
            (before[d + 2], after[d + 2]) = (-first, more[d] - last);
        }
        var made = Shapes.Padded(whole, before, after, 0);
        if (call.Given(2) is not { } bias)
            return made;
        return made + bias.Reshape([1, -1, .. Enumerable.Repeat(1L, dims)]);
    }
}
