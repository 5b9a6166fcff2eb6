using AttributeType = Picograd.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace Picograd.Onnx.Operators;

/// <summary>Operators that change shapes and dtypes, and those that make tensors of shapes.</summary>
internal static class Shapes
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.Add("Identity", c => [c.Value(0)]);
        AddViews(table);
        AddCasts(table);
        table.One("Constant", Constant);
        table.One(
            "ConstantOfShape",
            c =>
            {
                var value = c.Node.Attribute("value") is { } given
                    ? OnnxTensors.Read(c.Node.NeededTensor(given), c.Node.Path)
                    : Tensor.Zeros(1);
                return value.Reshape().Expand(c.Needed(0)).Clone();
            }
        );
        table.One(
            "Range",
            c =>
            {
                var (start, limit, step) = (c[0], c[1], c[2]);
                var wide = start.DType.IsFloat() ? DType.Float64 : DType.Int64;
                double span = limit.To(DType.Float64).Item() - start.To(DType.Float64).Item();
                long count = (long)Math.Max(0, Math.Ceiling(span / step.To(DType.Float64).Item()));
                return (Tensor.Arange(count).To(wide) * step.To(wide) + start.To(wide)).To(start.DType);
            }
        );
        table.One(
            "EyeLike",
            c =>
            {
                var type = c.Node.Attribute("dtype") is null ? c[0].DType : Type(c, "dtype");
                var (rows, columns) = (
                    Tensor.Arange(c[0].Size(0), c[0].Device),
                    Tensor.Arange(c[0].Size(1), c[0].Device)
                );
                return (rows.Unsqueeze(1) + c.Node.Int("k", 0)).Eq(columns).To(type);
            }
        );
        table.One(
            "Trilu",
            c =>
            {
                long diagonal = c.Given(1)?.Reshape().Item<long>() ?? 0;
                return c.Node.Int("upper", 1) != 0 ? c[0].Triu(diagonal) : c[0].Tril(diagonal);
            }
        );
        table.One("DepthToSpace", DepthToSpace);
        table.One("SpaceToDepth", SpaceToDepth);
    }

    private static void AddViews(Dictionary<string, Operation> table)
    {
        table.One(
            "Reshape",
            c =>
            {
                long[] shape = c.Needed("shape", 1);
                if (c.Node.Int("allowzero", 0) == 0)
                {
                    for (int d = 0; d < shape.Length; d++)
                        shape[d] = shape[d] == 0 ? c[0].Size(d) : shape[d];
                }
                return c[0].Reshape(shape);
            }
        );
        table.One(
            "Transpose",
            c =>
                c[0]
                    .Permute(
                        c.Node.Ints("perm") is { } order
                            ? c.Axes(order, c[0].Rank)
                            : [.. Enumerable.Range(0, c[0].Rank).Reverse()]
                    )
        );
        table.One(
            "Squeeze",
            c =>
            {
                var x = c[0];
                if (c.Longs("axes", 1) is not { } axes)
                    return x.Squeeze();
                int[] dims = c.Axes(axes, x.Rank);
                if (dims.Any(d => x.Size(d) != 1))
                    throw c.Node.Wrong($"takes away dimensions of other sizes than 1 of {x.Shape}");
                return x.Reshape([.. x.Shape.ToArray().Where((_, d) => !dims.Contains(d))]);
            }
        );
        table.One(
            "Unsqueeze",
            c =>
            {
                long[] axes = c.Needed("axes", 1);
                int[] dims = [.. c.Axes(axes, c[0].Rank + axes.Length).Order()];
                return dims.Aggregate(c[0], (made, dim) => made.Unsqueeze(dim));
            }
        );
        table.One(
            "Flatten",
            c =>
            {
                long axis = c.Node.Int("axis", 1);
                if (axis < -c[0].Rank || axis > c[0].Rank)
                    throw c.Node.Wrong($"has the axis {axis}, but its input {c[0].Rank} dimensions");
                return Flat(c[0], (int)(axis < 0 ? axis + c[0].Rank : axis));
            }
        );
        table.One(
            "Concat",
            c => Tensor.Cat([.. Enumerable.Range(0, c.Count).Select(i => c[i])], c.Axis("axis", 1, c[0].Rank))
        );
        table["Split"] = c =>
        {
            var x = c[0];
            int axis = c.Axis("axis", 0, x.Rank);
            if (c.Longs("split", 1) is { } sizes)
                return [.. x.Split(sizes, axis)];
            // The last part is what is left.
            int parts = (int)c.Node.Int("num_outputs", c.Node.Outputs.Length);
            long part = (x.Size(axis) + parts - 1) / parts;
            return
            [
                .. x.Split(
                    [.. Enumerable.Range(0, parts).Select(i => Math.Clamp(x.Size(axis) - i * part, 0, part))],
                    axis
                ),
            ];
        };
        table.One("Slice", Slice);
        table.One("Expand", c => c[0].Expand(Tensor.BroadcastShapes(c[0].Shape.ToArray(), c.Needed(1))));
        table.One("Tile", c => c[0].Tile(c.Needed(1)));
        table.One("Pad", Pad);
        table.One(
            "Shape",
            c =>
            {
                long[] shape = c[0].Shape.ToArray();
                int start = Cut(c.Node.Int("start", 0));
                int end = Cut(c.Node.Int("end", shape.Length));
                return Tensor.From(end <= start ? [] : shape[start..end]);

                int Cut(long place) => (int)Math.Clamp(place < 0 ? place + shape.Length : place, 0, shape.Length);
            }
        );
        table.One("Size", c => Tensor.From(c[0].NumElements));
    }

    private static void AddCasts(Dictionary<string, Operation> table)
    {
        table.One("Cast", c => Cast(c[0], Type(c, "to")));
        table.One("CastLike", c => Cast(c[0], c[1].DType));
    }

    private static Tensor Cast(Tensor x, DType type) => type == DType.Bool ? x.Ne((Tensor)0) : x.To(type);

    /// <summary>The dtype that an attribute names.</summary>
    public static DType Type(Call call, string attribute)
    {
        int number = (int)call.Node.Int(attribute, 1);
        return OnnxTensors.TypeOf(number)
            ?? throw call.Node.Wrong($"has the dtype {OnnxTensors.NameOf(number)}, which tensors here can't be");
    }

    /// <summary>A matrix of the dimensions before an axis and those from it on.</summary>
    public static Tensor Flat(Tensor x, int axis)
    {
        long rows = 1;
        for (int d = 0; d < axis; d++)
            rows *= x.Size(d);
        long columns = 1;
        for (int d = axis; d < x.Rank; d++)
            columns *= x.Size(d);
        return x.Reshape(rows, columns);
    }

    private static Tensor Constant(Call call)
    {
        foreach (var attribute in call.Node.Attributes)
        {
            switch (attribute.Name)
            {
                case "value" when attribute.Type is AttributeType.Tensor or AttributeType.Undefined:
                    return OnnxTensors.Read(call.Node.NeededTensor(attribute), call.Node.Path);
                case "value_int":
                    return Tensor.From(attribute.I);
                case "value_ints":
                    return Tensor.From([.. attribute.Ints]);
                case "value_float":
                    return Tensor.From(attribute.F);
                case "value_floats":
                    return Tensor.From([.. attribute.Floats]);
            }
        }
        throw call.Node.Wrong("has no value, or one of strings or sparse ones");
    }

    private static Tensor Slice(Call call)
    {
        var x = call[0];
        long[] starts = call.Needed("starts", 1);
        long[] ends = call.Needed("ends", 2);
        long[] axes = call.Longs("axes", 3) ?? [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)];
        long[] steps = call.Longs(4) ?? [.. starts.Select(_ => 1L)];
        for (int i = 0; i < axes.Length; i++)
        {
            int axis = call.Axis(axes[i], x.Rank);
            long size = x.Size(axis);
            long step = steps[i];
            if (step == 0)
                throw call.Node.Wrong("has a step of 0");
            long start = Cut(starts[i], step > 0 ? 0 : -1);
            long end = Cut(ends[i], step > 0 ? 0 : -1);
            long count = Math.Max(0, (end - start + step - Math.Sign(step)) / step);
            x =
                step == 1
                    ? x.Narrow(axis, count == 0 ? 0 : start, count)
                    : x.IndexSelect(axis, Tensor.Arange(count, x.Device) * step + start);

            // Backwards the first element's place is before −1.
            long Cut(long place, long least)
            {
                place = place < 0 ? (place < -size ? -size - 1 : place) + size : place;
                return Math.Clamp(place, least, least + size);
            }
        }
        return x;
    }

    private static Tensor Pad(Call call)
    {
        var x = call[0];
        long[] pads = call.Needed("pads", 1);
        string mode = call.Node.Text("mode", "constant");
        int[] axes = call.Longs(3) is { } given ? call.Axes(given, x.Rank) : [.. Enumerable.Range(0, x.Rank)];
        if (pads.Length != 2 * axes.Length)
            throw call.Node.Wrong($"pads {axes.Length} dimensions by {pads.Length} numbers");
        Scalar value = call.Given(2) is { } tensor
            ? tensor.DType.IsFloat()
                ? tensor.Reshape().Item()
                : tensor.To(DType.Int64).Reshape().Item<long>()
            : call.Node.Float("value", 0);
        long[] before = new long[x.Rank];
        long[] after = new long[x.Rank];
        for (int i = 0; i < axes.Length; i++)
            (before[axes[i]], after[axes[i]]) = (pads[i], pads[i + axes.Length]);
        if (mode == "constant")
            return Padded(x, before, after, value);
        for (int d = 0; d < x.Rank; d++)
        {
            long size = x.Size(d);
            if (before[d] == 0 && after[d] == 0)
                continue;
            var places = Tensor.Arange(-before[d], size + after[d], device: x.Device);
            long period = 2 * (size - 1);
            places = mode switch
            {
                "edge" => places.Clamp(0, size - 1),
                "wrap" => places.Remainder(size),
                "reflect" when size > 1 => size - 1 - (places.Remainder(period) - (size - 1)).Abs(),
                "reflect" => places * 0,
                _ => throw call.Node.Wrong($"pads by the mode '{mode}'; known are constant, edge, reflect and wrap"),
            };
            x = x.IndexSelect(d, places);
        }
        return x;
    }

    /// <summary>A tensor with a value around; where a number is negative, elements are taken away.</summary>
    public static Tensor Padded(Tensor x, long[] before, long[] after, Scalar value)
    {
        if (before.All(p => p == 0) && after.All(p => p == 0))
            return x;
        long[] pads = [.. Enumerable.Range(0, x.Rank).Reverse().SelectMany(d => new[] { before[d], after[d] })];
        return F.Pad(x, pads, "constant", value);
    }

    private static Tensor DepthToSpace(Call call)
    {
        var x = call[0];
        long block = call.Node.Int("blocksize", 1);
        long depth = x.Size(1) / (block * block);
        var made =
            call.Node.Text("mode", "DCR") == "CRD"
                ? x.Reshape(x.Size(0), depth, block, block, x.Size(2), x.Size(3)).Permute(0, 1, 4, 2, 5, 3)
                : x.Reshape(x.Size(0), block, block, depth, x.Size(2), x.Size(3)).Permute(0, 3, 4, 1, 5, 2);
        return made.Reshape(x.Size(0), depth, x.Size(2) * block, x.Size(3) * block);
    }

    private static Tensor SpaceToDepth(Call call)
    {
        var x = call[0];
        long block = call.Node.Int("blocksize", 1);
        var (height, width) = (x.Size(2) / block, x.Size(3) / block);
        return x.Reshape(x.Size(0), x.Size(1), height, block, width, block)
            .Permute(0, 3, 5, 1, 2, 4)
            .Reshape(x.Size(0), x.Size(1) * block * block, height, width);
    }
}
