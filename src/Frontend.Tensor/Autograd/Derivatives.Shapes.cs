using Picograd.Algorithms;
using Picograd.Dispatch;

namespace Picograd.Autograd;

internal static partial class Derivatives
{
    // Views.

    public static readonly Rule Reshape = new(
        "reshape",
        Saves.Nothing,
        static (n, g) => n.Send(0, g.ReshapeTo(n.Shape(0).Sizes))
    );

    // Send sums over what was repeated.
    public static readonly Rule Expand = new("expand", Saves.Nothing, static (n, g) => n.Send(0, g));

    // Data: the order of the dimensions.
    public static readonly Rule Permute = new(
        "permute",
        Saves.Nothing,
        static (n, g) =>
        {
            int[] order = (int[])n.Data!;
            Span<int> back = stackalloc int[order.Length];
            for (int d = 0; d < order.Length; d++)
                back[order[d]] = d;
            n.Send(0, g.Permute(back));
        }
    );

    // Data: the region, as that of a dense tensor of the input's shape.
    public static readonly Rule Region = new(
        "slice",
        Saves.Nothing,
        static (n, g) => n.Send(0, Tensor.IntoRegion(g, n.Shape(0), (Layout)n.Data!))
    );

    // The region of A was overwritten by B. Data: the region's layout.
    public static readonly Rule Overwrite = new(
        "set-item",
        Saves.Nothing,
        static (n, g) =>
        {
            var region = (Layout)n.Data!;
            if (n.Needs(0))
                n.Send(0, g.WithRegion(region, Tensor.Zeros([], g.DType, g.Device).Expand(region.Sizes)));
            if (n.Needs(1))
                n.Send(1, g.RegionOf(region));
        }
    );

    // I: the dimension.
    public static readonly Rule Cat = new(
        "cat",
        Saves.Nothing,
        static (n, g) =>
        {
            long at = 0;
            for (int i = 0; i < n.InputCount; i++)
            {
                long size = n.Shape(i).Sizes[n.I];
                if (n.Needs(i))
                    n.Send(i, g.Narrow((int)n.I, at, size));
                at += size;
            }
        }
    );

    // All of A was overwritten: by a constant, or by B.

    public static readonly Rule Forget = new("fill_", Saves.Nothing, static (n, g) => n.Send(0, g * 0));

    public static readonly Rule CopyInto = new(
        "copy_",
        Saves.Nothing,
        static (n, g) =>
        {
            if (n.Needs(0))
                n.Send(0, g * 0);
            n.Send(1, g);
        }
    );

    // Reductions. Data: the input's sizes with 1 where it was reduced.

    public static readonly Rule Sum = new(
        "sum",
        Saves.Nothing,
        static (n, g) => n.Send(0, g.ReshapeTo((long[])n.Data!).ExpandTo(n.Shape(0)))
    );

    public static readonly Rule Mean = new(
        "mean",
        Saves.Nothing,
        static (n, g) =>
        {
            double count = (double)n.Shape(0).Count / g.NumElements;
            n.Send(0, (g / count).ReshapeTo((long[])n.Data!).ExpandTo(n.Shape(0)));
        }
    );

    // Equal extremes share the gradient, as PyTorch's amax.
    public static readonly Rule Extreme = new(
        "amax",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            long[] kept = (long[])n.Data!;
            var hits = n.A.Eq(n.Output.ReshapeTo(kept)).To(g.DType);
            n.Send(0, hits * (g.ReshapeTo(kept) / hits.SumTo(Layout.Contiguous(kept))));
        }
    );

    // The extreme along one dimension, whose places are B.
    public static readonly Rule ExtremeAlong = new(
        "max",
        Saves.B,
        static (n, g) =>
        {
            var kept = (long[])n.Data!;
            var place = n.B.ReshapeTo(kept);
            var along = Tensor.Arange(n.Shape(0).Sizes[n.I], g.Device);
            long[] sizes = new long[kept.Length];
            Array.Fill(sizes, 1);
            sizes[n.I] = along.NumElements;
            n.Send(0, g.ReshapeTo(kept) * along.ReshapeTo(sizes).Eq(place).To(g.DType));
        }
    );

    public static readonly Rule Prod = new(
        "prod",
        Saves.A,
        static (n, g) =>
        {
            // The product of all the others, also where one of them (or the element itself) is 0.
            long[] kept = (long[])n.Data!;
            var zero = n.A.Eq(0);
            var others = Tensor.Where(zero, Tensor.OnesLike(n.A), n.A);
            var product = others.ReduceTo(Reduction.Prod, kept);
            var zeros = zero.To(g.DType).ReduceTo(Reduction.Sum, kept);
            var slope = Tensor.Where(
                zero,
                product * zeros.Eq(1).To(g.DType),
                product / others * zeros.Eq(0).To(g.DType)
            );
            n.Send(0, g.ReshapeTo(kept) * slope);
        }
    );

    // Running sums along the last dimension: the gradient is a running sum from the other end.
    public static readonly Rule Cumsum = new(
        "cumsum",
        Saves.Nothing,
        static (n, g) => n.Send(0, g.Sum(-1, keepdim: true) - g.Cumsum(-1) + g)
    );

    // Products.

    public static readonly Rule Matmul = new(
        "matmul",
        Saves.A | Saves.B,
        static (n, g) =>
        {
            if (n.Needs(0))
                n.Send(0, Tensor.Product(g, n.B.Transpose(0, 1)));
            if (n.Needs(1))
                n.Send(1, Tensor.Product(n.A.Transpose(0, 1), g));
        }
    );

    // A and B: [batch, rows, columns], or a matrix that the batch shares (then Send sums over the batch).
    public static readonly Rule BatchMatmul = new(
        "matmul",
        Saves.A | Saves.B,
        static (n, g) =>
        {
            if (n.Needs(0))
                n.Send(0, Tensor.BatchProduct(g, n.B.Transpose(-2, -1)));
            if (n.Needs(1))
                n.Send(1, Tensor.BatchProduct(n.A.Transpose(-2, -1), g));
        }
    );

    // A: [rows, in], B: weight [out, in], C: bias [out].
    public static readonly Rule Linear = new(
        "linear",
        Saves.A | Saves.B,
        static (n, g) =>
        {
            if (n.Needs(0))
                n.Send(0, Tensor.Product(g, n.B));
            if (n.Needs(1))
                n.Send(1, Tensor.Product(g.Transpose(0, 1), n.A));
            if (n.Needs(2))
                n.Send(2, g.Sum(0));
        }
    );

    // Rows and tables.

    public static readonly Rule Softmax = new(
        "softmax",
        Saves.Output,
        static (n, g) =>
        {
            if (Fused)
            {
                n.Send(0, RowKernels.Rows(RowKernels.SoftmaxGrad, n.Output, g));
                return;
            }
            var weighted = g * n.Output;
            n.Send(0, weighted - n.Output * weighted.Sum(-1, keepdim: true));
        }
    );

    public static readonly Rule LogSoftmax = new(
        "log_softmax",
        Saves.Output,
        static (n, g) =>
            n.Send(
                0,
                Fused
                    ? RowKernels.Rows(RowKernels.LogSoftmaxGrad, n.Output, g)
                    : g - n.Output.Exp() * g.Sum(-1, keepdim: true)
            )
    );

    // A: logits [rows, classes], B: targets [rows].
    public static readonly Rule CrossEntropy = new(
        "cross_entropy",
        Saves.A | Saves.B,
        static (n, g) =>
        {
            if (Fused)
            {
                n.Send(0, RowKernels.CrossEntropyGrad(n.A, n.B, g.Contiguous()));
                return;
            }
            var hits = Tensor.Arange(n.A.Size(1), g.Device).Eq(n.B.Unsqueeze(1)).To(g.DType);
            n.Send(0, (n.A.Softmax(1) - hits) * (g / n.A.Size(0)));
        }
    );

    // A: table [vocab, dim], B: indices.
    public static readonly Rule Embedding = new(
        "embedding",
        Saves.B,
        static (n, g) => n.Send(0, Tensor.EmbeddingGrad(g, n.B, n.Shape(0)))
    );

    // The scatter-add above, differentiated: A: rows' gradients, B: indices.
    public static readonly Rule EmbeddingGrad = new(
        "embedding_grad",
        Saves.B,
        static (n, g) => n.Send(0, Nn.F.Embedding(g, n.B).ReshapeTo(n.Shape(0).Sizes))
    );

    // Along the last dimension; A: what is gathered from, B: indices.
    public static readonly Rule Gather = new(
        "gather",
        Saves.B,
        static (n, g) => n.Send(0, Tensor.GatherGrad(g, n.B, n.Shape(0)))
    );

    public static readonly Rule GatherGrad = new("gather_grad", Saves.B, static (n, g) => n.Send(0, g.GatherLast(n.B)));
}
