using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd.Gradients;

internal static partial class Derivatives
{
    private static readonly Rule Attention = new("scaled_dot_product_attention", Saves.Nothing, OfAttention);

    private static readonly Rule AttentionOfNothing = new(
        "scaled_dot_product_attention",
        Saves.Nothing,
        (n, g) =>
        {
            for (int i = 0; i < n.InputCount; i++)
                n.Send(i, Tensor.Zeros(n.Shape(i).Sizes, g.DType, g.Device));
        }
    );

    /// <summary>The node of a result that does not depend on its inputs, whose gradients are 0.</summary>
    public static Node NodeOfNothing(Tensor[] inputs) => Node.OfMany(AttentionOfNothing, inputs);

    /// <summary>
    /// The node of attention: its inputs are queries [b, h, tq, d], keys and values [b, hk, tk, d], and the mask, where there is one; it saves these, the result, and, for
    /// the gradient in one kernel, maxima and reciprocal sums of rows.
    /// </summary>
    public static Node AttentionNode(
        AttentionCalls.Key key,
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor? mask,
        Tensor y,
        Tensor? max,
        Tensor? part
    )
    {
        Tensor[] inputs = mask is null ? [q, k, v] : [q, k, v, mask];
        var node = Node.OfMany(Attention, inputs, [.. inputs, max is null ? null : y, max, part]);
        node.Data = key;
        return node;
    }

    /// <summary>
    /// Whether the gradient is one kernel, on processors for 32 and 16 bits; the schedule of others, and a mask's gradient, are those of operators.
    /// </summary>
    public static bool HasFusedAttention(Tensor q, Tensor k, Tensor? mask) =>
        q.Device.IsCpu
        && q.DType.Compute() == DType.Float32
        && q.Size(2) > 1
        && k.Size(2) > 1
        && (mask is null || !Tensor.Records(mask));

    // The weights are computed again.
    private static void OfAttention(Node n, Tensor g)
    {
        var key = (AttentionCalls.Key)n.Data!;
        bool masked = n.InputCount > 3;
        var (q, k, v) = (n.Saved(0), n.Saved(1), n.Saved(2));
        var mask = masked ? n.Saved(3) : null;
        int more = n.InputCount;
        // A gradient that is differentiated in its turn is made of operators.
        if (n.IsSaved(more) && !GradMode.Enabled)
        {
            var results = AttentionCalls.Gradient(
                key,
                [q, k, v, n.SavedOutput(more), g.Contiguous(), n.SavedOutput(more + 1), n.SavedOutput(more + 2)],
                mask
            );
            for (int i = 0; i < results.Length; i++)
                n.Send(i, results[i]);
            return;
        }
        long[] shared = [.. k.Shape];
        long group = q.Size(1) / shared[1];
        var (keys, values) = (Repeated(k, group), Repeated(v, group));
        double scale = key.Scale ?? 1 / Math.Sqrt(q.Size(3));
        // Factors on queries and keys, of which there are fewer than scores.
        var scores = (q * scale).MatMul(keys.Transpose(-2, -1));
        var lowest = Tensor.Full([], double.NegativeInfinity, scores.DType, g.Device);
        Tensor? seen = null;
        if (key.Causal)
        {
            var (rows, columns) = (q.Size(2), shared[2]);
            long last = key.First ? 0 : columns - rows;
            seen = Tensor.Arange(columns, g.Device) <= Tensor.Arange(rows, g.Device).Unsqueeze(1) + last;
        }
        else if (mask is { DType: DType.Bool })
            seen = mask;
        else if (mask is not null)
            scores = scores + mask;
        if (seen is not null)
            scores = Tensor.Where(seen, scores, lowest);
        // A row of nothing but −∞ has weights of 0; it is left out of the softmax, which makes NaN of it.
        var blind = scores.Detach().Amax([-1], keepdim: true).Eq(lowest);
        var weights = Tensor.Where(blind, Zero(g), Tensor.Where(blind, Zero(g), scores).Softmax());
        if (n.Needs(2))
            n.Send(2, Summed(weights.Transpose(-2, -1).MatMul(g), [.. v.Shape]));
        if (!n.Needs(0) && !n.Needs(1) && !(masked && n.Needs(3)))
            return;
        var weighted = weights * g.MatMul(values.Transpose(-2, -1));
        if (seen is not null)
            weighted = Tensor.Where(seen, weighted, Zero(g));
        // Weights of what is not seen are 0.
        var slope = weighted - weights * weighted.Sum(-1, keepdim: true);
        if (n.Needs(0))
            n.Send(0, slope.MatMul(keys) * scale);
        if (n.Needs(1))
            n.Send(1, Summed(slope.Transpose(-2, -1).MatMul(q * scale), shared));
        if (masked && n.Needs(3))
            n.Send(3, slope);
    }

    // Each head for all the heads of queries that share it.
    private static Tensor Repeated(Tensor x, long group) =>
        group == 1
            ? x
            : x.Unsqueeze(2)
                .Expand(x.Size(0), x.Size(1), group, x.Size(2), x.Size(3))
                .Reshape(x.Size(0), x.Size(1) * group, x.Size(2), x.Size(3));

    // The other way: the sum over the heads that share one.
    private static Tensor Summed(Tensor grad, long[] shape) =>
        grad.Size(1) == shape[1]
            ? grad
            : grad.Reshape(shape[0], shape[1], grad.Size(1) / shape[1], shape[2], shape[3]).Sum(2);
}
