using System.Globalization;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Gradients;

namespace Picograd.Calls;

/// <summary>Attention and its gradient in one kernel, of operands of four dimensions (sequences, heads, queries or keys, numbers).</summary>
internal static class AttentionCalls
{
    public const string Name = "scaled_dot_product_attention";

    /// <summary>What attention is called with besides tensors; for its gradient too.</summary>
    internal readonly record struct Key(bool Causal, bool First, double? Scale, bool Stats)
    {
        public string Attributes =>
            (Causal ? " causal=1" : "")
            + (First ? " first=1" : "")
            + (Scale is { } scale ? $" scale={scale.ToString("R", CultureInfo.InvariantCulture)}" : "")
            + (Stats ? " stats=1" : "");
    }

    private static readonly OperatorFamily<Key> Forwards = new(k => new("attention", k.Attributes) { Title = Name });

    private static readonly OperatorFamily<Key> Gradients = new(k =>
        new("attention_grad", k.Attributes) { Title = Name }
    );

    /// <summary>Attention of operands of four dimensions, recorded.</summary>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? mask, Key key)
    {
        long[] sizes = [q.Size(0), q.Size(1), q.Size(2), v.Size(3)];
        var y = Tensor.Allocate(sizes, q.DType, q.Runtime);
        bool recorded = Tensor.Records(q, k, v) || (mask is not null && Tensor.Records(mask));
        bool fused = recorded && Derivatives.HasFusedAttention(q, k, mask);
        if (!fused)
        {
            Run(Forwards[key], [q, k, v], mask, [y]);
            if (recorded)
                y.SetNode(Derivatives.AttentionNode(key, q, k, v, mask, y, null, null));
            return y;
        }
        var max = Tensor.Allocate(sizes.AsSpan(0, 3), q.DType.Compute(), q.Runtime);
        var part = Tensor.Allocate(sizes.AsSpan(0, 3), q.DType.Compute(), q.Runtime);
        Run(Forwards[key with { Stats = true }], [q, k, v], mask, [y, max, part]);
        y.SetNode(Derivatives.AttentionNode(key, q, k, v, mask, y, max, part));
        return y;
    }

    /// <summary>Gradients of queries, keys and values, not recorded.</summary>
    /// <param name="inputs">Queries, keys, values, result, gradient, maxima, reciprocal sums.</param>
    public static Tensor[] Gradient(Key key, ReadOnlySpan<Tensor> inputs, Tensor? mask)
    {
        Tensor[] results =
        [
            inputs[0].AllocateLike(inputs[0].DType),
            inputs[1].AllocateLike(inputs[1].DType),
            inputs[2].AllocateLike(inputs[2].DType),
        ];
        Run(Gradients[key], inputs, mask, results);
        return results;
    }

    [SkipLocalsInit]
    private static void Run(Operator op, ReadOnlySpan<Tensor> inputs, Tensor? mask, ReadOnlySpan<Tensor> results)
    {
        var call = new OpCall(op, stackalloc long[OpCall.MostWords]);
        foreach (var input in inputs)
            call.In(input);
        // What is added, then what is seen.
        if (mask is { DType: not DType.Bool })
            call.In(mask);
        else
            call.Skip();
        if (mask is { DType: DType.Bool })
            call.In(mask);
        else
            call.Skip();
        foreach (var result in results)
            call.Place(result);
        call.RunInto();
    }
}
