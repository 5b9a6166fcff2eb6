using System.Numerics;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Calls;

namespace Picograd.Gradients;

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

    // A part of A was overwritten by B, or by constants. Data: the Part.
    public static readonly Rule Overwrite = new(
        "set-item",
        Saves.Nothing,
        static (n, g) =>
        {
            var part = (Part)n.Data!;
            var seen = part.Seen(g);
            if (n.Needs(0))
            {
                var zeros = Tensor.Zeros([], g.DType, g.Device).Expand(part.Region.Sizes);
                n.Send(0, part.Whole(seen.WithRegion(part.Region, zeros)));
            }
            if (n.Needs(1))
                n.Send(1, seen.RegionOf(part.Region));
        }
    );

    // A view of A in its own right, whatever views it was taken through. Data: its layout in A's memory.
    public static readonly Rule Strided = new(
        "as_strided",
        Saves.Nothing,
        static (n, g) => n.Send(0, Part.Of(n.Shape(0), (Layout)n.Data!).Put(g, n.Shape(0)))
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
                if (n.Shape(i).Rank != g.Rank)
                {
                    // A vector of nothing, among the last.
                    if (n.Needs(i))
                        n.Send(i, Tensor.Zeros([0], g.DType, g.Device));
                    continue;
                }
                long size = n.Shape(i).Sizes[n.I];
                if (n.Needs(i))
                    n.Send(i, g.Narrow((int)n.I, at, size));
                at += size;
            }
        }
    );

    // Reductions: what they reduced is the node's Over.

    public static readonly Rule Sum = new(
        "sum",
        Saves.Nothing,
        static (n, g) => n.Send(0, g.ReshapeTo(n.Kept).ExpandTo(n.Shape(0)))
    );

    public static readonly Rule Mean = new(
        "mean",
        Saves.Nothing,
        static (n, g) =>
        {
            double count = (double)n.Shape(0).Count / g.NumElements;
            n.Send(0, (g / count).ReshapeTo(n.Kept).ExpandTo(n.Shape(0)));
        }
    );

    public static readonly Rule Prod = OfProd(ofAll: false);

    // Of all elements: beside two zeros no other matters, even one that is not finite.
    public static readonly Rule ProdOfAll = OfProd(ofAll: true);

    private static Rule OfProd(bool ofAll) =>
        new(
            "prod",
            Saves.A | Saves.Output,
            (n, g) =>
            {
                long[] kept = n.Kept;
                var grad = g.ReshapeTo(kept);
                if (kept.Length == 0)
                {
                    n.Send(0, g);
                    return;
                }
                // Products without a 0 can be divided again.
                if (g.Device.IsMeta || (n.A.Ne(0).All() & n.Output.Ne(0).All()).Item() != 0)
                {
                    n.Send(0, grad * (n.Output.ReshapeTo(kept) / n.A));
                    return;
                }
                if (ofAll && !GradMode.Enabled && (n.A.Eq(0).Sum() >= 2).Item() != 0)
                    n.Send(0, Tensor.ZerosLike(n.A));
                else
                    ((Calls.Reduction)ReductionFunctions.Prod).GradientOf(1).Send(n, g);
            }
        );

    // Products.

    // A and B: [batch, rows, columns], or a matrix that the batch shares (then Send sums over the batch).
    public static readonly Rule Matmul = new(
        "matmul",
        Saves.A | Saves.B,
        static (n, g) =>
        {
            if (n.Needs(0))
                n.Send(0, Tensor.Product(g, n.B.Transpose(-2, -1)));
            if (n.Needs(1))
                n.Send(1, Tensor.Product(n.A.Transpose(-2, -1), g));
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
}
