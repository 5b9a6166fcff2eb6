namespace Picograd.Onnx.Operators;

/// <summary>Pools of one to three dimensions.</summary>
internal static class Pools
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table["MaxPool"] = MaxPool;
        table.One("AveragePool", c => Average(c, c[0], c.Node.Int("count_include_pad", 0) != 0));
        table.One(
            "LpPool",
            c =>
            {
                double p = c.Node.Int("p", 2);
                return Sums(c, c[0].Abs().Pow(p)).Pow(1 / p);
            }
        );
        table.One("GlobalAveragePool", c => c[0].Mean(Images(c), true));
        table.One("GlobalMaxPool", c => c[0].Amax(Images(c), true));
        table.One(
            "GlobalLpPool",
            c =>
            {
                double p = c.Node.Int("p", 2);
                return c[0].Abs().Pow(p).Sum(Images(c), true).Pow(1 / p);
            }
        );
        table.One("MaxUnpool", MaxUnpool);
    }

    private static int[] Images(Call call) => [.. Enumerable.Range(2, Math.Max(0, call[0].Rank - 2))];

    private static object?[] MaxPool(Call call)
    {
        var x = call[0];
        int dims = Convolutions.Dims(call, x);
        long[] kernel = Kernel(call, dims);
        long[] strides = Convolutions.Each(call, "strides", dims);
        long[] dilations = Convolutions.Each(call, "dilations", dims);
        long[] sizes = x.Shape.ToArray()[2..];
        var (before, after) = Convolutions.Padding(call, sizes, kernel, strides, dilations);
        bool ceil = call.Node.Int("ceil_mode", 0) != 0;
        var floats = x.DType.IsFloat() ? x : x.To(DType.Float32);
        bool isEven = before.SequenceEqual(after) && !before.Where((p, d) => 2 * p > kernel[d]).Any();
        if (!isEven)
            floats = Shapes.Padded(floats, [0, 0, .. before], [0, 0, .. after], double.NegativeInfinity);
        var padding = PerDimension.Of(isEven ? before : new long[dims]);
        var (size, stride, dilation) = (PerDimension.Of(kernel), PerDimension.Of(strides), PerDimension.Of(dilations));
        bool wantsPlaces = call.Node.Outputs.Length > 1 && call.Node.Outputs[1].Length > 0;
        if (!wantsPlaces)
        {
            var pooled = dims switch
            {
                1 => F.MaxPool1d(floats, size, stride, padding, dilation, ceil),
                2 => F.MaxPool2d(floats, size, stride, padding, dilation, ceil),
                _ => F.MaxPool3d(floats, size, stride, padding, dilation, ceil),
            };
            return [pooled.To(x.DType)];
        }
        var (values, places) = dims switch
        {
            1 => F.MaxPool1dWithIndices(floats, size, stride, padding, dilation, ceil),
            2 => F.MaxPool2dWithIndices(floats, size, stride, padding, dilation, ceil),
            _ => F.MaxPool3dWithIndices(floats, size, stride, padding, dilation, ceil),
        };
        // Places count through the whole input, in either order of its dimensions.
        long[] held = floats.Shape.ToArray()[2..];
        var place = Tensor.Zeros(places.Shape, DType.Int64, x.Device);
        bool columns = call.Node.Int("storage_order", 0) != 0;
        var rest = places;
        long scale = 1;
        for (int d = dims - 1; d >= 0; d--)
        {
            var along = rest.Remainder(held[d]) - (isEven ? 0 : before[d]);
            rest = rest.Div((Tensor)held[d], "floor");
            place = place + along * (columns ? sizes[..d].Aggregate(1L, (a, b) => a * b) : scale);
            scale *= sizes[d];
        }
        var images = Tensor
            .Arange(x.Size(0) * x.Size(1))
            .Reshape([x.Size(0), x.Size(1), .. Enumerable.Repeat(1L, dims)]);
        return [values.To(x.DType), place + images * scale];
    }

    private static long[] Kernel(Call call, int dims) =>
        call.Node.Ints("kernel_shape") is { } kernel && kernel.Length == dims
            ? kernel
            : throw call.Node.Wrong($"has no kernel_shape of {dims} numbers");

    private static Tensor Average(Call call, Tensor x, bool countPadding)
    {
        int dims = Convolutions.Dims(call, x);
        long[] kernel = Kernel(call, dims);
        long[] strides = Convolutions.Each(call, "strides", dims);
        Undilated(call, dims);
        long[] sizes = x.Shape.ToArray()[2..];
        var (before, after) = Convolutions.Padding(call, sizes, kernel, strides, [.. strides.Select(_ => 1L)]);
        bool ceil = call.Node.Int("ceil_mode", 0) != 0;
        if (before.SequenceEqual(after) && !before.Where((p, d) => 2 * p > kernel[d]).Any())
            return Mean(x, kernel, strides, before, ceil, countPadding);
        // Sums over padded images, and how many elements each is of.
        long[] first = [0, 0, .. before];
        long[] last = [0, 0, .. after];
        var ones = Shapes.Padded(Tensor.Ones([1, 1, .. sizes], x.DType, x.Device), first, last, countPadding ? 1 : 0);
        long[] none = new long[dims];
        return Mean(Shapes.Padded(x, first, last, 0), kernel, strides, none, ceil, false)
            / Mean(ones, kernel, strides, none, ceil, false);
    }

    // Zeros complete the windows that ceil_mode lets stand out: means of those count only what is inside.
    private static Tensor Sums(Call call, Tensor x)
    {
        int dims = Convolutions.Dims(call, x);
        long[] kernel = Kernel(call, dims);
        long[] strides = Convolutions.Each(call, "strides", dims);
        Undilated(call, dims);
        long[] sizes = x.Shape.ToArray()[2..];
        var (before, after) = Convolutions.Padding(call, sizes, kernel, strides, [.. strides.Select(_ => 1L)]);
        long[] behind = [.. after];
        for (int d = 0; d < dims && call.Node.Int("ceil_mode", 0) != 0; d++)
        {
            long all = before[d] + sizes[d] + after[d];
            long steps = (all - kernel[d] + strides[d] - 1) / strides[d];
            // The last window begins in the image or before it.
            if (steps * strides[d] < before[d] + sizes[d])
                behind[d] += Math.Max(0, steps * strides[d] + kernel[d] - all);
        }
        var padded = Shapes.Padded(x, [0, 0, .. before], [0, 0, .. behind], 0);
        return Mean(padded, kernel, strides, new long[dims], false, true) * kernel.Aggregate(1.0, (a, b) => a * b);
    }

    private static void Undilated(Call call, int dims)
    {
        if (Convolutions.Each(call, "dilations", dims).Any(d => d != 1))
            throw call.Node.Wrong("has dilations, which average pools here do not");
    }

    private static Tensor Mean(Tensor x, long[] kernel, long[] strides, long[] padding, bool ceil, bool include)
    {
        var (size, stride, pad) = (PerDimension.Of(kernel), PerDimension.Of(strides), PerDimension.Of(padding));
        return kernel.Length switch
        {
            1 => F.AvgPool1d(x, size, stride, pad, ceil, include),
            2 => F.AvgPool2d(x, size, stride, pad, ceil, include),
            _ => F.AvgPool3d(x, size, stride, pad, ceil, include),
        };
    }

    private static Tensor MaxUnpool(Call call)
    {
        var (x, places) = (call[0], call[1]);
        int dims = Convolutions.Dims(call, x);
        long[] kernel = Kernel(call, dims);
        long[] strides = Convolutions.Each(call, "strides", dims);
        long[] pads = call.Node.Ints("pads") ?? new long[2 * dims];
        long[] made = x.Shape.ToArray();
        for (int d = 0; d < dims; d++)
            made[d + 2] = (made[d + 2] - 1) * strides[d] + kernel[d] - pads[d] - pads[d + dims];
        long count = made.Aggregate(1L, (a, b) => a * b);
        // Places are of the input that was pooled, which is this size; a given shape is larger.
        var flat = Tensor.Zeros([count], x.DType, x.Device).Scatter(0, places.Reshape(-1), x.Reshape(-1)).Reshape(made);
        if (call.Longs(2) is not { } shape)
            return flat;
        return Shapes.Padded(flat, new long[made.Length], [.. shape.Zip(made, (a, b) => a - b)], 0);
    }
}
