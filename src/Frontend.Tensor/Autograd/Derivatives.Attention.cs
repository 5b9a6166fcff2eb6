namespace Picograd.Autograd;

internal static partial class Derivatives
{
    public static readonly Rule Attention = OfAttention(isCausal: false);
    public static readonly Rule CausalAttention = OfAttention(isCausal: true);

    // A: queries [b, h, tq, d], B: keys, C: values [b, hk, tk, d]. The weights are computed again.
    private static Rule OfAttention(bool isCausal) =>
        new(
            "scaled_dot_product_attention",
            Saves.A | Saves.B | Saves.C,
            (n, g) =>
            {
                var (q, k, v) = (n.A, n.B, n.C);
                long[] shared = [.. k.Shape];
                long group = q.Size(1) / shared[1];
                var (keys, values) = (Repeated(k, group), Repeated(v, group));
                double scale = 1 / Math.Sqrt(q.Size(3));
                // Factors on queries and keys, of which there are fewer than scores.
                var scores = (q * scale).MatMul(keys.Transpose(-2, -1));
                var lowest = Tensor.Full([], double.NegativeInfinity, scores.DType, g.Device);
                Tensor? seen = null;
                if (isCausal)
                {
                    var (rows, columns) = (q.Size(2), shared[2]);
                    var last = Tensor.Arange(rows, g.Device).Unsqueeze(1) + (columns - rows);
                    seen = Tensor.Arange(columns, g.Device) <= last;
                    scores = Tensor.Where(seen, scores, lowest);
                }
                // A row of nothing but −∞ has weights of 0; it is left out of the softmax, which makes NaN of it.
                var blind = scores.Detach().Amax([-1], keepdim: true).Eq(lowest);
                var weights = Tensor.Where(blind, Zero(g), Tensor.Where(blind, Zero(g), scores).Softmax());
                if (n.Needs(2))
                    n.Send(2, Summed(weights.Transpose(-2, -1).MatMul(g), [.. v.Shape]));
                if (!n.Needs(0) && !n.Needs(1))
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
            }
        );

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
