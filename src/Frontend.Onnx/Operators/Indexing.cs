namespace Picograd.Onnx.Operators;

/// <summary>Operators that pick and put elements by places.</summary>
internal static class Indexing
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.One(
            "Gather",
            c =>
            {
                int axis = c.Axis("axis", 0, c[0].Rank);
                var places = Wrapped(c[1], c[0].Size(axis));
                long[] shape =
                [
                    .. c[0].Shape.ToArray()[..axis],
                    .. places.Shape.ToArray(),
                    .. c[0].Shape.ToArray()[(axis + 1)..],
                ];
                return c[0].IndexSelect(axis, places.Reshape(-1)).Reshape(shape);
            }
        );
        table.One(
            "GatherElements",
            c =>
            {
                int axis = c.Axis("axis", 0, c[0].Rank);
                return c[0].Gather(axis, Wrapped(c[1], c[0].Size(axis)));
            }
        );
        table.One("GatherND", GatherNd);
        table.One("ScatterElements", ScatterElements);
        table.One("Scatter", ScatterElements);
        table.One("ScatterND", ScatterNd);
        table.One(
            "OneHot",
            c =>
            {
                long depth = c[1].To(DType.Int64).Reshape().Item<long>();
                var values = c[2];
                var indices = Wrapped(c[0].To(DType.Int64), depth);
                int axis = c.Axis("axis", -1, c[0].Rank + 1);
                var made = indices.Unsqueeze(-1).Eq(Tensor.Arange(depth, indices.Device));
                return Tensor.Where(made, values[1], values[0]).MoveDim(-1, axis);
            }
        );
        table.One("NonZero", c => (c[0].Rank == 0 ? c[0].Reshape(1) : c[0]).NonZero().T.Contiguous());
        table.One(
            "Compress",
            c =>
            {
                bool flat = c.Node.Attribute("axis") is null;
                var x = flat ? c[0].Reshape(-1) : c[0];
                int axis = flat ? 0 : c.Axis("axis", 0, x.Rank);
                return x.IndexSelect(axis, c[1].NonZero().Reshape(-1));
            }
        );
        table.One("ReverseSequence", ReverseSequence);
        table.One("NonMaxSuppression", NonMaxSuppression);
    }

    /// <summary>Places of which negative ones count from the end.</summary>
    public static Tensor Wrapped(Tensor places, long size)
    {
        places = places.To(DType.Int64);
        return Tensor.Where(places < 0, places + size, places);
    }

    // Rows of data by places: tuples of indices as numbers of rows, with the batch before them.
    private static (Tensor Rows, Tensor Places, long[] Inner) Tuples(Call call, int batch)
    {
        var (data, indices) = (call[0], call[1]);
        if (batch < 0 || indices.Rank == 0 || batch + indices.Size(-1) > data.Rank)
            throw call.Node.Wrong(
                $"takes tuples of indices of shape {indices.Shape} behind {batch} dimensions of data of shape {data.Shape}"
            );
        int count = (int)indices.Size(-1);
        long[] shape = data.Shape.ToArray();
        long[] rest = shape[(batch + count)..];
        long batches = shape[..batch].Aggregate(1L, (a, b) => a * b);
        long rows = shape[batch..(batch + count)].Aggregate(1L, (a, b) => a * b);
        var places = Tensor.Zeros(indices.Shape.ToArray()[..^1], DType.Int64, indices.Device);
        for (int k = 0; k < count; k++)
        {
            // Each by itself: a sum of one too large and one too small may be a row.
            long size = shape[batch + k];
            var along = Wrapped(indices.Select(-1, k), size);
            if (along.NumElements > 0 && (along.Min().Item<long>() < 0 || along.Max().Item<long>() >= size))
                throw call.Node.Wrong($"has an index outside of the {size} of dimension {batch + k}");
            places = places * size + along;
        }
        if (batch > 0)
            places = places.Reshape(batches, -1) + (Tensor.Arange(batches, indices.Device) * rows).Unsqueeze(1);
        return (data.Reshape([batches * rows, .. rest]), places.Reshape(-1), rest);
    }

    private static Tensor GatherNd(Call call)
    {
        int batch = (int)call.Node.Int("batch_dims", 0);
        var (rows, places, rest) = Tuples(call, batch);
        return rows.IndexSelect(0, places).Reshape([.. call[1].Shape.ToArray()[..^1], .. rest]);
    }

    private static string? Reduction(Call call) =>
        call.Node.Text("reduction", "none") switch
        {
            "none" => null,
            "add" => "sum",
            "mul" => "prod",
            "max" => "amax",
            "min" => "amin",
            var other => throw call.Node.Wrong($"reduces by '{other}'; known are none, add, mul, max and min"),
        };

    private static Tensor ScatterElements(Call call)
    {
        int axis = call.Axis("axis", 0, call[0].Rank);
        var places = Wrapped(call[1], call[0].Size(axis));
        return Reduction(call) is { } how
            ? call[0].ScatterReduce(axis, places, call[2], how, true)
            : call[0].Scatter(axis, places, call[2]);
    }

    private static Tensor ScatterNd(Call call)
    {
        var (rows, places, rest) = Tuples(call, 0);
        var updates = call[2].Reshape([places.NumElements, .. rest]);
        var made = Reduction(call) is { } how
            ? how == "sum"
                ? rows.IndexAdd(0, places, updates)
                : rows.IndexReduce(0, places, updates, how, true)
            : rows.IndexCopy(0, places, updates);
        return made.Reshape(call[0].Shape);
    }

    private static Tensor ReverseSequence(Call call)
    {
        var x = call[0];
        int batch = (int)call.Node.Int("batch_axis", 1);
        int time = (int)call.Node.Int("time_axis", 0);
        long[] lengths = call.Needed(1);
        long steps = x.Size(time);
        long[] places = new long[lengths.Length * steps];
        for (int b = 0; b < lengths.Length; b++)
        {
            for (long t = 0; t < steps; t++)
                places[b * steps + t] = t < lengths[b] ? lengths[b] - 1 - t : t;
        }
        var index = Tensor.From(places, [lengths.Length, steps]).ToDevice(x.Device);
        index = batch < time ? index : index.T;
        for (int d = 2; d < x.Rank; d++)
            index = index.Unsqueeze(-1);
        return x.Gather(time, index.Expand(x.Shape).Contiguous());
    }

    /// <summary>Values once, where each first was, which each is, and how often; axis null for all elements.</summary>
    public static object?[] Unique(Tensor x, int? axis, bool sorted)
    {
        var flat = axis is null ? x.Reshape(-1) : x.MoveDim(axis.Value, 0).Contiguous();
        long count = flat.Size(0);
        // Integers by themselves: doubles hold those up to 2^53.
        return x.DType.IsFloat()
            ? Unique(flat, axis, sorted, flat.ToDoubles())
            : Unique(flat, axis, sorted, flat.To(DType.Int64).ToArray<long>());
    }

    private static object?[] Unique<T>(Tensor flat, int? axis, bool sorted, T[] values)
        where T : IComparable<T>, IEquatable<T>
    {
        long count = flat.Size(0);
        int width = count == 0 ? 0 : (int)(values.Length / count);
        T[][] rows = [.. Enumerable.Range(0, (int)count).Select(i => values[(i * width)..((i + 1) * width)])];
        var found = new List<int>();
        var order = Enumerable
            .Range(0, (int)count)
            .GroupBy(i => rows[i], new RowsEqual<T>())
            .Select(g => g.ToArray())
            .ToList();
        if (sorted)
            order.Sort((a, b) => rows[a[0]].AsSpan().SequenceCompareTo<T>(rows[b[0]]));
        long[] inverse = new long[count];
        for (int g = 0; g < order.Count; g++)
        {
            found.Add(order[g][0]);
            foreach (int i in order[g])
                inverse[i] = g;
        }
        var first = Tensor.From([.. found.Select(i => (long)i)]);
        var unique = flat.IndexSelect(0, first);
        return
        [
            axis is null ? unique : unique.MoveDim(0, axis.Value),
            first,
            Tensor.From(inverse),
            Tensor.From([.. order.Select(g => (long)g.Length)]),
        ];
    }

    private sealed class RowsEqual<T> : IEqualityComparer<T[]>
        where T : IEquatable<T>
    {
        public bool Equals(T[]? x, T[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(T[] row)
        {
            var hash = new HashCode();
            foreach (var value in row)
                hash.Add(value);
            return hash.ToHashCode();
        }
    }

    private static Tensor NonMaxSuppression(Call call)
    {
        var boxes = call[0];
        var scores = call[1];
        long most = call.Given(2)?.Reshape().Item<long>() ?? 0;
        double overlap = call.Given(3)?.Reshape().Item() ?? 0;
        double least = call.Given(4)?.Reshape().Item() ?? double.NegativeInfinity;
        bool centred = call.Node.Int("center_point_box", 0) != 0;
        var (batches, classes, count) = ((int)scores.Size(0), (int)scores.Size(1), (int)scores.Size(2));
        double[] corners = boxes.ToDoubles();
        double[] score = scores.ToDoubles();
        var kept = new List<long>();
        for (int b = 0; b < batches; b++)
        {
            for (int k = 0; k < classes; k++)
            {
                int from = (b * classes + k) * count;
                var taken = new List<int>();
                foreach (
                    int box in Enumerable
                        .Range(0, count)
                        .Where(i => score[from + i] > least)
                        .OrderByDescending(i => score[from + i])
                )
                {
                    if (taken.Count >= most)
                        break;
                    if (taken.Any(t => Shared(Box(b, t), Box(b, box)) > overlap))
                        continue;
                    taken.Add(box);
                    kept.AddRange([b, k, box]);
                }
            }
        }
        return Tensor.From(kept.ToArray(), [kept.Count / 3, 3]);

        (double Y1, double X1, double Y2, double X2) Box(int batch, int box)
        {
            var c = corners.AsSpan((batch * count + box) * 4, 4);
            return centred
                ? (c[1] - c[3] / 2, c[0] - c[2] / 2, c[1] + c[3] / 2, c[0] + c[2] / 2)
                : (Math.Min(c[0], c[2]), Math.Min(c[1], c[3]), Math.Max(c[0], c[2]), Math.Max(c[1], c[3]));
        }

        static double Shared(
            (double Y1, double X1, double Y2, double X2) a,
            (double Y1, double X1, double Y2, double X2) b
        )
        {
            double height = Math.Min(a.Y2, b.Y2) - Math.Max(a.Y1, b.Y1);
            double width = Math.Min(a.X2, b.X2) - Math.Max(a.X1, b.X1);
            if (height <= 0 || width <= 0)
                return 0;
            double both = height * width;
            return both / ((a.Y2 - a.Y1) * (a.X2 - a.X1) + (b.Y2 - b.Y1) * (b.X2 - b.X1) - both);
        }
    }
}
