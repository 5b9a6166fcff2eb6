namespace Picograd.Onnx.Operators;

/// <summary>Normalizations.</summary>
internal static class Norms
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table["BatchNormalization"] = Batch;
        table.One(
            "InstanceNormalization",
            c => F.InstanceNorm(c[0], weight: c[1], bias: c[2], eps: c.Node.Float("epsilon", 1e-5))
        );
        table["LayerNormalization"] = c =>
        {
            var x = c[0];
            int axis = c.Axis("axis", -1, x.Rank);
            double eps = c.Node.Float("epsilon", 1e-5);
            int[] dims = [.. Enumerable.Range(axis, x.Rank - axis)];
            if (c.Node.Outputs.Length == 1)
                return
                [
                    F.LayerNorm(
                        x,
                        x.Shape.ToArray()[axis..],
                        c[1].Expand(x.Shape.ToArray()[axis..]),
                        c.Given(2)?.Expand(x.Shape.ToArray()[axis..]),
                        eps
                    ),
                ];
            var mean = x.Mean(dims, true);
            var inverse = ((x - mean).Square().Mean(dims, true) + eps).Rsqrt();
            var made = (x - mean) * inverse * c[1];
            return [c.Given(2) is { } bias ? made + bias : made, mean, inverse];
        };
        table.One(
            "GroupNormalization",
            c =>
            {
                var x = c[0];
                long groups = c.Node.Int("num_groups", 1);
                // Before version 21 there is a scale a group.
                var (weight, bias) = (c[1], c[2]);
                long channels = x.Size(1);
                if (weight.NumElements != channels)
                    (weight, bias) = (
                        weight.RepeatInterleave(channels / groups, 0),
                        bias.RepeatInterleave(channels / groups, 0)
                    );
                return F.GroupNorm(x, groups, weight, bias, c.Node.Float("epsilon", 1e-5));
            }
        );
        table.One(
            "LRN",
            c =>
            {
                // Of an even size the longer side is behind, not before as in PyTorch.
                long size = c.Node.Int("size", 1);
                bool isEven = size % 2 == 0;
                var made = F.LocalResponseNorm(
                    isEven ? c[0].Flip(1) : c[0],
                    size,
                    c.Node.Float("alpha", 1e-4),
                    c.Node.Float("beta", 0.75),
                    c.Node.Float("bias", 1)
                );
                return isEven ? made.Flip(1) : made;
            }
        );
        table.One(
            "MeanVarianceNormalization",
            c =>
            {
                int[] dims = c.Axes(c.Node.Ints("axes") ?? [0, 2, 3], c[0].Rank);
                var centred = c[0] - c[0].Mean(dims, true);
                return centred / (centred.Square().Mean(dims, true).Sqrt() + 1e-9);
            }
        );
        table.One(
            "LpNormalization",
            c =>
            {
                int axis = c.Axis("axis", -1, c[0].Rank);
                return c[0] / c[0].Norm((double)c.Node.Int("p", 2), axis, true);
            }
        );
    }

    private static object?[] Batch(Call call)
    {
        var x = call[0];
        double eps = call.Node.Float("epsilon", 1e-5);
        if (call.Node.Int("training_mode", 0) == 0)
            return [F.BatchNorm(x, call[3], call[4], call[1], call[2], false, 0, eps)];
        double momentum = call.Node.Float("momentum", 0.9);
        int[] dims = [0, .. Enumerable.Range(2, x.Rank - 2)];
        long[] along = [1, -1, .. Enumerable.Repeat(1L, x.Rank - 2)];
        var mean = x.Mean(dims);
        var variance = x.Var(dims, 0);
        var made =
            (x - mean.Reshape(along)) * (variance + eps).Rsqrt().Reshape(along) * call[1].Reshape(along)
            + call[2].Reshape(along);
        return [made, call[3] * momentum + mean * (1 - momentum), call[4] * momentum + variance * (1 - momentum)];
    }
}
