using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Runs the attention of the library, without recording.</summary>
internal static unsafe class AttentionKernels
{
    // Signature [head, b, h, tq, tk, d, hk, causal].
    private static readonly Family AttentionFamily = new(
        "attention",
        static (_, s) =>
            $"attention b={s[1]} h={s[2]} tq={s[3]} tk={s[4]} d={s[5]}"
            + (s[7] != 0 ? " causal=1" : "")
            + (s[6] != s[2] ? $" hk={s[6]}" : "")
            + $" dtype={Family.TypeOf(s).Name()}"
    );

    /// <summary>q [b, h, tq, d], k and v [b, hk, tk, d], none of them empty; gives [b, h, tq, d].</summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, bool causal)
    {
        var runtime = DeviceRuntime.Common("scaled_dot_product_attention", q, k, v);
        var (a, b, c) = (q.Contiguous(), k.Contiguous(), v.Contiguous());
        var result = a.AllocateLike(q.DType);
        var (sizes, keys) = (a.Layout.Sizes, b.Layout.Sizes);
        long* signature = stackalloc long[]
        {
            AttentionFamily.Head(q.DType),
            sizes[0],
            sizes[1],
            sizes[2],
            keys[2],
            sizes[3],
            keys[1],
            causal ? 1 : 0,
        };
        nint* arguments = stackalloc nint[] { a.Address, b.Address, c.Address, result.Address };
        Dispatcher.Run(runtime, AttentionFamily, new(signature, 8), arguments);
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(c);
        return result;
    }
}
