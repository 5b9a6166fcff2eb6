using System.Globalization;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public static partial class F
{
    private const string AttentionName = AttentionCalls.Name;

    /// <summary>
    /// softmax(query · keyᵀ · scale + mask) · value of each head; a query that sees no key gives 0. Dimensions before the last two (sequences,
    /// heads) broadcast.
    /// </summary>
    /// <param name="query">[…, h, tq, d], floats.</param>
    /// <param name="key">[…, h, tk, d] of the same dtype.</param>
    /// <param name="value">[…, h, tk, dv] of the same dtype.</param>
    /// <param name="attnMask">
    /// Broadcasts to […, h, tq, tk]: bools, true where a query sees a key, or floats that are added to scores. Null for none.
    /// </param>
    /// <param name="dropoutP">How likely a weight is dropped, from 0 to 1; above 0 weights are in memory.</param>
    /// <param name="isCausal">Query i sees keys up to i, counted from the first ones; goes without attnMask.</param>
    /// <param name="scale">Finite; null for 1 / √d.</param>
    /// <param name="enableGqa">Whether key and value may have fewer heads, a divisor of those of the query, of which each serves neighbours.</param>
    /// <param name="generator">Draws what is dropped; null for the default one.</param>
    /// <returns>[…, h, tq, dv].</returns>
    /// <exception cref="ArgumentException">Shapes, dtypes or settings that do not fit; names them.</exception>
    public static Tensor ScaledDotProductAttention(
        Tensor query,
        Tensor key,
        Tensor value,
        Tensor? attnMask = null,
        double dropoutP = 0,
        bool isCausal = false,
        double? scale = null,
        bool enableGqa = false,
        Generator? generator = null
    )
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        if (Autocast.Of(AttentionName, query) is { } cast)
            return cast.Run(
                [query, key, value, attnMask],
                t => ScaledDotProductAttention(t[0], t[1], t[2], t[3], dropoutP, isCausal, scale, enableGqa, generator)
            );
        CheckAttention(query, key, value, attnMask, dropoutP, isCausal, scale);
        var (tq, tk) = (query.Size(-2), key.Size(-2));
        // Sequences, heads of queries, heads of keys.
        var shape = AttentionShape.Of(query, key, value, enableGqa);
        long[] sizes = [.. shape.Leading, tq, value.Size(-1)];
        if (query.NumElements == 0 || value.NumElements == 0 || key.NumElements == 0 || shape.Batch * shape.Heads == 0)
            return OfNothing(
                sizes,
                attnMask is { DType: not DType.Bool } ? [query, key, value, attnMask] : [query, key, value]
            );
        var (q, k, v) = (shape.Queries(query), shape.Keys(key), shape.Keys(value));
        var mask = attnMask is null ? null : shape.Mask(attnMask, tq, tk, query.DType);
        if (dropoutP > 0)
            return WithDropout(q, k, v, mask, dropoutP, isCausal, scale, generator).ReshapeTo(sizes);
        bool first = isCausal && tq != tk;
        return AttentionCalls.Attend(q, k, v, mask, new(isCausal, first, scale, false)).ReshapeTo(sizes);
    }

    // Of operands [b, h, t, d], made of operators: the kernel has not all weights at hand.
    private static Tensor WithDropout(
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor? mask,
        double p,
        bool isCausal,
        double? scale,
        Generator? generator
    )
    {
        var (batch, heads, tq, tk) = (q.Size(0), q.Size(1), q.Size(2), k.Size(2));
        long group = heads / k.Size(1);
        Tensor Repeated(Tensor t) =>
            group == 1
                ? t
                : t.Unsqueeze(2).Expand(batch, t.Size(1), group, tk, t.Size(3)).Reshape(batch, heads, tk, t.Size(3));
        var scores = (q * (scale ?? 1 / Math.Sqrt(q.Size(3)))).MatMul(Repeated(k).Transpose(-2, -1));
        var hidden =
            isCausal ? Tensor.Arange(tk, q.Device) > Tensor.Arange(tq, q.Device).Unsqueeze(1)
            : mask is { DType: DType.Bool } ? mask.LogicalNot()
            : null;
        if (hidden is not null)
            scores = scores.MaskedFill(hidden, double.NegativeInfinity);
        else if (mask is not null)
            scores = scores + mask;
        // A row of nothing but −∞ has weights of 0.
        var blind = scores.Detach().Amax([-1], keepdim: true).Eq(double.NegativeInfinity);
        var weights = scores.MaskedFill(blind, 0).Softmax(-1).MaskedFill(blind, 0);
        return Dropout(weights, p, generator: generator).MatMul(Repeated(v));
    }

    // Nothing is seen: zeros, of which all gradients are 0.
    private static Tensor OfNothing(long[] sizes, Tensor[] inputs)
    {
        var zeros = Tensor.Zeros(sizes, inputs[0].DType, inputs[0].Device);
        if (inputs.Any(Tensor.Records))
            zeros.SetNode(Derivatives.NodeOfNothing(inputs));
        return zeros;
    }

    private static void CheckAttention(
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor? mask,
        double dropoutP,
        bool isCausal,
        double? scale
    )
    {
        q.RequireFloat(AttentionName);
        if (q.Rank < 2 || k.Rank < 2 || v.Rank < 2)
            throw new ArgumentException(
                $"{AttentionName}: query, key and value must have at least two dimensions, but their shapes are {q.Layout}, {k.Layout} and {v.Layout}."
            );
        if (q.Size(-1) != k.Size(-1) || k.Size(-2) != v.Size(-2))
            throw new ArgumentException(
                $"{AttentionName}: a query of shape {q.Layout} does not fit a key of shape {k.Layout} and a value of shape {v.Layout}; they "
                    + "must be […, tq, d], […, tk, d] and […, tk, dv]."
            );
        if (q.DType != k.DType || q.DType != v.DType)
            throw new ArgumentException(
                $"{AttentionName}: the query is {q.DType.Name()}, the key {k.DType.Name()}, the value {v.DType.Name()}; all must be of one dtype."
            );
        if (mask is not null && mask.DType != DType.Bool && mask.DType != q.DType && mask.DType != DType.Float32)
            throw new ArgumentException(
                $"{AttentionName}: attnMask is {mask.DType.Name()}, but must be bool, f32 or {q.DType.Name()} as the query."
            );
        if (mask is not null && isCausal)
            throw new ArgumentException($"{AttentionName}: isCausal goes without attnMask; make one mask of both.");
        if (!(dropoutP >= 0 && dropoutP <= 1))
            throw new ArgumentException($"{AttentionName}: dropoutP is {Text(dropoutP)}, but must be from 0 to 1.");
        if (scale is { } factor && !double.IsFinite(factor))
            throw new ArgumentException($"{AttentionName}: scale is {Text(factor)}, but must be a finite number.");
    }

    // How operands of any rank become [batch, heads, t, d].
    private readonly record struct AttentionShape(long[] Leading, long Batch, long Heads, long KeyHeads)
    {
        public static AttentionShape Of(Tensor q, Tensor k, Tensor v, bool grouped)
        {
            var (lq, lk, lv) = (q.Layout.Sizes[..^2], k.Layout.Sizes[..^2], v.Layout.Sizes[..^2]);
            long heads = lq.Length == 0 ? 1 : lq[^1];
            long keyHeads = lk.Length == 0 ? 1 : lk[^1];
            bool fewer = grouped && lk.Length > 0 && lv.Length > 0 && lk[^1] == lv[^1] && keyHeads != heads;
            if (fewer)
            {
                if (keyHeads == 0 || heads % keyHeads != 0)
                    throw Misfit(q, k, v, "heads of the query must be a multiple of those of key and value");
                lk = [.. lk[..^1], heads];
                lv = [.. lv[..^1], heads];
            }
            var leading = Broadcasting.Shape(lq, lk) is { } both ? Broadcasting.Shape(both, lv) : null;
            if (leading is null)
                throw Misfit(
                    q,
                    k,
                    v,
                    "dimensions before the last two must be equal or 1; with enableGqa, heads of the query (dimension -3) may be a multiple of those of key and value"
                );
            heads = leading.Length == 0 ? 1 : leading[^1];
            // One head of keys and values for all is such a group, too.
            if (!fewer)
                keyHeads = (lk.Length == 0 || lk[^1] == 1) && (lv.Length == 0 || lv[^1] == 1) ? 1 : heads;
            long batch = 1;
            foreach (long size in leading.AsSpan(0, Math.Max(0, leading.Length - 1)))
                batch *= size;
            return new(leading, batch, heads, keyHeads);
        }

        public Tensor Queries(Tensor t) => Four(t, Heads, t.Size(-2), t.Size(-1));

        public Tensor Keys(Tensor t) => Four(t, KeyHeads, t.Size(-2), t.Size(-1));

        private Tensor Four(Tensor t, long heads, long rows, long columns)
        {
            if (t.Rank == 4 && t.Size(0) == Batch && t.Size(1) == heads)
                return t;
            if (Leading.Length == 0)
                return t.ReshapeTo([1, 1, rows, columns]);
            return t.Expand([.. Leading.AsSpan(..^1), heads, rows, columns]).ReshapeTo([Batch, heads, rows, columns]);
        }

        /// <summary>[b or 1, h or 1, tq or 1, tk].</summary>
        public Tensor Mask(Tensor mask, long tq, long tk, DType type)
        {
            var sizes = mask.Layout.Sizes;
            long[] all = [.. Leading, tq, tk];
            if (
                sizes.Length < 2
                || Broadcasting.Shape(sizes, all) is not { } shape
                || !shape.AsSpan().SequenceEqual(all)
            )
                throw new ArgumentException(
                    $"{AttentionName}: attnMask of shape {mask.Layout} does not broadcast to the scores, {new Dimensions(all)}; it must have "
                        + "at least two dimensions, each 1 or that of the scores."
                );
            if (mask.DType != DType.Bool)
                mask = mask.To(type);
            // Dimensions of 1 stay, but among sequences and keys they are written out where others are not 1.
            long rows = sizes[^2];
            long heads = sizes.Length > 2 ? sizes[^3] : 1;
            bool shared = true;
            for (int d = 0; d < sizes.Length - 3; d++)
                shared &= sizes[d] == 1;
            if (shared)
                return (sizes[^1] == tk ? mask : mask.Expand([.. sizes.AsSpan(..^1), tk])).ReshapeTo([
                    1,
                    heads,
                    rows,
                    tk,
                ]);
            return mask.Expand([.. Leading.AsSpan(..^1), heads, rows, tk]).ReshapeTo([Batch, heads, rows, tk]);
        }

        private static ArgumentException Misfit(Tensor q, Tensor k, Tensor v, string why) =>
            new(
                $"{AttentionName}: a query of shape {q.Layout} does not fit a key of shape {k.Layout} and a value of shape {v.Layout}: {why}."
            );
    }
}
