namespace Picograd.Onnx.Operators;

/// <summary>GridSample: images at places between their elements; DFT, as products with sines and cosines.</summary>
internal static class Sampling
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.One("GridSample", GridSample);
        table.One("DFT", Dft);
    }

    private static Tensor GridSample(Call call)
    {
        var (x, grid) = (call[0], call[1]);
        if (x.Rank != 4)
            throw call.Node.Wrong($"has an input of shape {x.Shape}; images of two dimensions are sampled");
        string mode = call.Node.Text("mode", "bilinear");
        string padding = call.Node.Text("padding_mode", "zeros");
        bool corners = call.Node.Int("align_corners", 0) != 0;
        var (height, width) = (x.Size(2), x.Size(3));
        var across = Place(grid.Select(-1, 0), width);
        var down = Place(grid.Select(-1, 1), height);
        if (padding != "zeros" && mode is not ("bicubic" or "cubic"))
        {
            across = Inside(across, width);
            down = Inside(down, height);
        }
        if (mode == "nearest")
            return At(down.Round(), across.Round());
        var (top, left) = (down.Floor(), across.Floor());
        var (dy, dx) = (down - top, across - left);
        if (mode is "bilinear" or "linear")
        {
            return At(top, left) * Weight((1 - dy) * (1 - dx))
                + At(top, left + 1) * Weight((1 - dy) * dx)
                + At(top + 1, left) * Weight(dy * (1 - dx))
                + At(top + 1, left + 1) * Weight(dy * dx);
        }
        if (mode is not ("bicubic" or "cubic"))
            throw call.Node.Wrong($"has the mode '{mode}'; known are bilinear, nearest and bicubic");
        Tensor[] rows = Cubic(dy);
        Tensor[] columns = Cubic(dx);
        Tensor? sum = null;
        for (int i = 0; i < 4; i++)
        {
            for (int j = 0; j < 4; j++)
            {
                var part = At(top + (i - 1), left + (j - 1)) * Weight(rows[i] * columns[j]);
                sum = sum is null ? part : sum + part;
            }
        }
        return sum!;

        // From −1 … 1 to elements.
        Tensor Place(Tensor at, long size) =>
            corners ? (at + 1) * ((size - 1) / 2.0) : ((at + 1) * (double)size - 1) / 2;

        Tensor Inside(Tensor at, long size)
        {
            if (padding == "border")
                return at.Clamp(0, size - 1);
            if (padding != "reflection")
                throw call.Node.Wrong($"has the padding '{padding}'; known are zeros, border and reflection");
            double low = corners ? 0 : -0.5;
            double span = corners ? size - 1 : size;
            if (span == 0)
                return at * 0;
            var from = (at - low).Abs().Remainder(2 * span);
            return (span - (from - span).Abs() + low).Clamp(0, size - 1);
        }

        // NaN is the first one.
        static Tensor Whole(Tensor at, long size) => at.Clamp(0, size - 1).To(DType.Int64).Clamp(0, size - 1);

        Tensor Weight(Tensor weight) => weight.Unsqueeze(1);

        Tensor At(Tensor y, Tensor across)
        {
            if (padding != "zeros")
                (y, across) = (Inside(y, height), Inside(across, width));
            var isIn = y.Ge((Tensor)0)
                .LogicalAnd(y.Le((Tensor)(height - 1)))
                .LogicalAnd(across.Ge((Tensor)0))
                .LogicalAnd(across.Le((Tensor)(width - 1)));
            // Counted in int64: floats of the grid don't hold every place of a large image.
            var places = Whole(y, height) * width + Whole(across, width);
            long[] shape = places.Shape.ToArray();
            var (n, c) = (x.Size(0), x.Size(1));
            var flat = places.Reshape(n, 1, -1).Expand(n, c, places.NumElements / Math.Max(1, n)).Contiguous();
            var taken = x.Reshape(n, c, height * width).Gather(2, flat).Reshape(n, c, shape[1], shape[2]);
            return padding == "zeros" ? Tensor.Where(isIn.Unsqueeze(1), taken, 0).To(x.DType) : taken;
        }

        static Tensor[] Cubic(Tensor part)
        {
            const double A = -0.75;
            Tensor Near(Tensor t) => ((A + 2) * t - (A + 3)) * t * t + 1;
            Tensor Far(Tensor t) => (((t - 5) * t + 8) * t - 4) * A;
            return [Far(part + 1), Near(part), Near(1 - part), Far(2 - part)];
        }
    }

    private static Tensor Dft(Call call)
    {
        var x = call[0];
        int axis = call.Axis(call.Node.Opset >= 20 ? call.Longs(2)?[0] ?? -2 : call.Node.Int("axis", 1), x.Rank);
        bool inverse = call.Node.Int("inverse", 0) != 0;
        long length = call.Longs(1) is { Length: > 0 } given ? given[0] : x.Size(axis);
        long kept = call.Node.Int("onesided", 0) != 0 ? length / 2 + 1 : length;
        long used = Math.Min(length, x.Size(axis));
        x = x.Narrow(axis, 0, used);
        var type = x.DType;
        var angle = Tensor.Arange(used, x.Device).Unsqueeze(1) * Tensor.Arange(kept, x.Device);
        var turn = angle.Remainder(length).To(DType.Float64) * ((inverse ? 2 : -2) * Math.PI / length);
        double scale = inverse ? 1.0 / length : 1;
        var (cos, sin) = ((turn.Cos() * scale).To(type), (turn.Sin() * scale).To(type));
        var real = Along(x.Select(-1, 0));
        var (re, im) = (real.MatMul(cos), real.MatMul(sin));
        if (x.Size(-1) == 2)
        {
            var imaginary = Along(x.Select(-1, 1));
            (re, im) = (re - imaginary.MatMul(sin), im + imaginary.MatMul(cos));
        }
        return Tensor.Stack([re.MoveDim(-1, axis), im.MoveDim(-1, axis)], -1);

        Tensor Along(Tensor part) => part.MoveDim(axis, -1);
    }
}
