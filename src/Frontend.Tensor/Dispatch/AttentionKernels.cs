using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Runs the attention of the library, without recording.</summary>
internal static unsafe class AttentionKernels
{
    // Signature [head, b, h, tq, tk, d, hk, causal, dv].
    private static readonly Family AttentionFamily = new(
        "attention",
        static (_, s) =>
            $"attention b={s[1]} h={s[2]} tq={s[3]} tk={s[4]} d={s[5]}"
            + (s[7] != 0 ? " causal=1" : "")
            + (s[6] != s[2] ? $" hk={s[6]}" : "")
            + (s[8] != s[5] ? $" dv={s[8]}" : "")
            + $" dtype={Family.TypeOf(s).Name()}"
    );

    /// <summary>q [b, h, tq, d], k [b, hk, tk, d], v [b, hk, tk, dv], none of them empty; gives [b, h, tq, dv].</summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, bool causal)
    {
        var runtime = DeviceRuntime.Common("scaled_dot_product_attention", q, k, v);
        var (a, b, c) = (q.Contiguous(), k.Contiguous(), v.Contiguous());
        var (sizes, keys) = (a.Layout.Sizes, b.Layout.Sizes);
        long width = c.Layout.Sizes[3];
        var result =
            width == sizes[3]
                ? a.AllocateLike(q.DType)
                : Tensor.Allocate([sizes[0], sizes[1], sizes[2], width], q.DType, runtime);
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
            width,
        };
        nint* arguments = stackalloc nint[] { a.Address, b.Address, c.Address, result.Address };
        Dispatcher.Run(runtime, AttentionFamily, new(signature, 9), arguments);
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(c);
        return result;
    }
}
