namespace Picograd.Onnx.Operators;

/// <summary>
/// Resize and Upsample: along each dimension a product with a matrix of weights (or a choice of places, of nearest neighbours), so that
/// gradients are those of products.
/// </summary>
internal static class Resizing
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.One("Resize", c => c.Node.Opset < 11 ? Upsample(c) : Resize(c));
        table.One("Upsample", Upsample);
    }

    private sealed record Settings(
        string Mode,
        string Coordinates,
        string Nearest,
        double Cubic,
        bool ExcludesOutside,
        double Extrapolated
    );

    private static Tensor Upsample(Call call)
    {
        float[] given = call.Node.Floats("scales") ?? call[1].To(DType.Float32).ToArray<float>();
        var settings = new Settings(call.Node.Text("mode", "nearest"), "asymmetric", "floor", 0, false, 0);
        var x = call[0];
        for (int d = 0; d < x.Rank; d++)
        {
            long size = (long)Math.Floor(x.Size(d) * (double)given[d]);
            x = Along(call, x, d, size, given[d], 0, 1, settings);
        }
        return x;
    }

    private static Tensor Resize(Call call)
    {
        var x = call[0];
        var settings = new Settings(
            call.Node.Text("mode", "nearest"),
            call.Node.Text("coordinate_transformation_mode", "half_pixel"),
            call.Node.Text("nearest_mode", "round_prefer_floor"),
            call.Node.Float("cubic_coeff_a", -0.75),
            call.Node.Int("exclude_outside", 0) != 0,
            call.Node.Float("extrapolation_value", 0)
        );
        if (call.Node.Int("antialias", 0) != 0)
            throw call.Node.Wrong("has antialias, which is not supported");
        int[] axes = call.Node.Ints("axes") is { } given ? call.Axes(given, x.Rank) : [.. Enumerable.Range(0, x.Rank)];
        float[] region = call.Given(1) is { NumElements: > 0 } roi ? roi.To(DType.Float32).ToArray<float>() : [];
        float[]? scales = call.Given(2) is { NumElements: > 0 } asked ? asked.To(DType.Float32).ToArray<float>() : null;
        long[]? sizes = call.Longs(3) is { Length: > 0 } wanted ? wanted : null;
        string policy = call.Node.Text("keep_aspect_ratio_policy", "stretch");
        if (sizes is not null && policy != "stretch")
        {
            var ratios = axes.Select((axis, i) => sizes[i] / (double)x.Size(axis));
            double ratio = policy == "not_larger" ? ratios.Min() : ratios.Max();
            (scales, sizes) = (
                null,
                [.. axes.Select(axis => (long)Math.Round(ratio * x.Size(axis), MidpointRounding.AwayFromZero))]
            );
        }
        for (int i = 0; i < axes.Length; i++)
        {
            long held = x.Size(axes[i]);
            double start = region.Length > 0 ? region[i] : 0;
            double end = region.Length > 0 ? region[i + axes.Length] : 1;
            bool crops = settings.Coordinates == "tf_crop_and_resize";
            long size =
                sizes is not null ? sizes[i]
                : scales is not null ? (long)Math.Floor(held * (crops ? end - start : 1) * (double)scales[i])
                : throw call.Node.Wrong("has neither scales nor sizes");
            double scale = scales is not null ? scales[i] : size / (double)held;
            x = Along(call, x, axes[i], size, scale, start, end, settings);
        }
        return x;
    }

    private static Tensor Along(
        Call call,
        Tensor x,
        int dim,
        long size,
        double scale,
        double start,
        double end,
        Settings settings
    )
    {
        long held = x.Size(dim);
        if (size == held && scale == 1 && settings.Coordinates != "tf_crop_and_resize")
            return x;
        double[] places = [.. Enumerable.Range(0, (int)size).Select(i => Place(i))];
        bool[] isOutside =
        [
            .. places.Select(p => settings.Coordinates == "tf_crop_and_resize" && (p < 0 || p > held - 1)),
        ];
        Tensor made;
        if (settings.Mode == "nearest")
        {
            long[] nearest = [.. places.Select(p => Math.Clamp(Rounded(p), 0, held - 1))];
            made = x.IndexSelect(dim, Tensor.From(nearest).ToDevice(x.Device));
        }
        else
        {
            double[] weights = new double[size * held];
            for (int i = 0; i < size; i++)
                AddWeights(weights.AsSpan((int)(i * held), (int)held), places[i]);
            var matrix = Tensor
                .From(weights, [size, held])
                .To(x.DType.IsFloat() ? x.DType : DType.Float32)
                .ToDevice(x.Device);
            made = x.To(matrix.DType).MoveDim(dim, -1).MatMul(matrix.T).MoveDim(-1, dim).To(x.DType);
        }
        if (!isOutside.Contains(true))
            return made;
        var mask = Tensor
            .From(isOutside)
            .ToDevice(x.Device)
            .Reshape([.. Enumerable.Range(0, x.Rank).Select(d => d == dim ? size : 1)]);
        return Tensor.Where(mask, settings.Extrapolated, made).To(x.DType);

        double Place(int i) =>
            settings.Coordinates switch
            {
                "half_pixel" => (i + 0.5) / scale - 0.5,
                "pytorch_half_pixel" => size > 1 ? (i + 0.5) / scale - 0.5 : 0,
                // The size by which it is scaled need not be whole.
                "align_corners" => size > 1 ? i * (double)(held - 1) / (held * scale - 1) : 0,
                "asymmetric" => i / scale,
                "half_pixel_symmetric" => held / 2.0 * (1 - size / (held * scale)) + (i + 0.5) / scale - 0.5,
                "tf_half_pixel_for_nn" => (i + 0.5) / scale,
                "tf_crop_and_resize" => size > 1
                    ? start * (held - 1) + i * (end - start) * (held - 1) / (size - 1)
                    : 0.5 * (start + end) * (held - 1),
                var other => throw call.Node.Wrong($"has the coordinates '{other}', which are not known"),
            };

        long Rounded(double place) =>
            (long)(
                settings.Nearest switch
                {
                    "floor" => Math.Floor(place),
                    "ceil" => Math.Ceiling(place),
                    "round_prefer_ceil" => Math.Floor(place + 0.5),
                    _ => Math.Ceiling(place - 0.5),
                }
            );

        void AddWeights(Span<double> row, double place)
        {
            long floor = (long)Math.Floor(place);
            double part = place - floor;
            double[] near = settings.Mode switch
            {
                "linear" or "bilinear" or "trilinear" => [1 - part, part],
                "cubic" => [Cubic(1 + part), Cubic(part), Cubic(1 - part), Cubic(2 - part)],
                var other => throw call.Node.Wrong($"has the mode '{other}'; known are nearest, linear and cubic"),
            };
            long first = near.Length == 2 ? floor : floor - 1;
            double sum = 0;
            for (int k = 0; k < near.Length; k++)
            {
                bool isIn = first + k >= 0 && first + k < held;
                if (settings.ExcludesOutside && !isIn)
                    continue;
                row[(int)Math.Clamp(first + k, 0, held - 1)] += near[k];
                sum += near[k];
            }
            if (settings.ExcludesOutside)
            {
                for (int k = 0; k < row.Length; k++)
                    row[k] /= sum;
            }
        }

        // Keys' kernel.
        double Cubic(double t)
        {
            double a = settings.Cubic;
            return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : (((t - 5) * t + 8) * t - 4) * a;
        }
    }
}
