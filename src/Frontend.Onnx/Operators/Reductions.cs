namespace Picograd.Onnx.Operators;

/// <summary>Sums and the like over dimensions.</summary>
internal static class Reductions
{
    public static void Add(Dictionary<string, Operation> table)
    {
        Reduced(table, "ReduceSum", (x, dims) => x.Sum(dims, true, x.DType));
        Reduced(
            table,
            "ReduceMean",
            (x, dims) => x.DType.IsFloat() ? x.Mean(dims, true) : x.To(DType.Float64).Mean(dims, true).To(x.DType)
        );
        Reduced(table, "ReduceMax", (x, dims) => x.Amax(dims, true));
        Reduced(table, "ReduceMin", (x, dims) => x.Amin(dims, true));
        Reduced(table, "ReduceProd", (x, dims) => dims.Aggregate(x, (made, dim) => made.Prod(dim, true, x.DType)));
        Reduced(table, "ReduceL1", (x, dims) => x.Abs().Sum(dims, true, x.DType));
        Reduced(table, "ReduceL2", (x, dims) => Float(x, f => f.Square().Sum(dims, true).Sqrt()));
        Reduced(table, "ReduceSumSquare", (x, dims) => x.Square().Sum(dims, true, x.DType));
        Reduced(table, "ReduceLogSum", (x, dims) => Float(x, f => f.Sum(dims, true).Log()));
        Reduced(table, "ReduceLogSumExp", (x, dims) => Float(x, f => f.LogSumExp(dims, true)));
        table.One("ArgMax", c => Place(c, (x, axis) => x.ArgMax(axis, true)));
        table.One("ArgMin", c => Place(c, (x, axis) => x.ArgMin(axis, true)));
        table["TopK"] = c =>
        {
            var x = c[0];
            long count = c.Given(1) is { } k ? k.To(DType.Int64).Reshape().Item<long>() : c.Node.Int("k", 1);
            var (values, indices) = x.TopK(
                count,
                c.Axis("axis", -1, x.Rank),
                c.Node.Int("largest", 1) != 0,
                c.Node.Int("sorted", 1) != 0
            );
            return [values, indices];
        };
        table["Unique"] = c =>
        {
            int? axis = c.Node.Attribute("axis") is null ? null : c.Axis("axis", 0, c[0].Rank);
            return Indexing.Unique(c[0], axis, c.Node.Int("sorted", 1) != 0);
        };
    }

    private static Tensor Float(Tensor x, Func<Tensor, Tensor> function) =>
        x.DType.IsFloat() ? function(x) : function(x.To(DType.Float64)).To(x.DType);

    private static void Reduced(
        Dictionary<string, Operation> table,
        string name,
        Func<Tensor, int[], Tensor> function
    ) =>
        table.One(
            name,
            c =>
            {
                var x = c[0];
                long[] axes = c.Longs("axes", 1) ?? [];
                if (axes.Length == 0 && c.Node.Int("noop_with_empty_axes", 0) != 0)
                    return x;
                int[] dims = axes.Length == 0 ? [.. Enumerable.Range(0, x.Rank)] : c.Axes(axes, x.Rank);
                // A number is one row of itself.
                var made = x.Rank == 0 ? function(x.Reshape(1), [0]).Reshape() : function(x, dims);
                if (c.Node.Int("keepdims", 1) != 0)
                    return made;
                return made.Reshape([.. x.Shape.ToArray().Where((_, d) => !dims.Contains(d))]);
            }
        );

    private static Tensor Place(Call call, Func<Tensor, int, Tensor> function)
    {
        var x = call[0];
        int axis = call.Axis("axis", 0, x.Rank);
        var made =
            call.Node.Int("select_last_index", 0) != 0
                ? x.Size(axis) - 1 - function(x.Flip(axis), axis)
                : function(x, axis);
        return call.Node.Int("keepdims", 1) != 0 ? made : made.Squeeze(axis);
    }
}
