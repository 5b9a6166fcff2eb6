using Picograd.Algorithms;

namespace Picograd;

public static partial class F
{
    /// <summary>x1 · x2 over the product of their lengths along a dimension, each at least eps.</summary>
    /// <exception cref="ArgumentException">No floats, or shapes that do not broadcast.</exception>
    public static Tensor CosineSimilarity(Tensor x1, Tensor x2, int dim = 1, double eps = 1e-8)
    {
        ArgumentNullException.ThrowIfNull(x1);
        ArgumentNullException.ThrowIfNull(x2);
        if (Autocast.Of("cosine_similarity", x1) is { } cast)
            return cast.Run([x1, x2], t => CosineSimilarity(t[0], t[1], dim, eps));
        var type = Promotion.Of(x1, x2);
        if (!type.IsFloat())
            throw new ArgumentException($"cosine_similarity: not defined for {type.Name()}; convert it with To().");
        var wide = type.Compute();
        var (a, b) = (x1.To(wide), x2.To(wide));
        long[] shape =
            Calls.Broadcasting.Shape(a.Layout, b.Layout)
            ?? throw new ArgumentException(
                $"cosine_similarity: the shapes {x1.Layout} and {x2.Layout} do not broadcast."
            );
        (a, b) = (a.Expand(shape), b.Expand(shape));
        var lengths = a.Norm(2, dim).ClampLeast(eps) * b.Norm(2, dim).ClampLeast(eps);
        return ((a * b).Sum(dim) / lengths).To(type);
    }

    /// <summary>The p-norm of x1 − x2 + eps along the last dimension.</summary>
    /// <exception cref="ArgumentException">No floats, or shapes that do not broadcast.</exception>
    public static Tensor PairwiseDistance(Tensor x1, Tensor x2, double p = 2, double eps = 1e-6, bool keepdim = false)
    {
        ArgumentNullException.ThrowIfNull(x1);
        ArgumentNullException.ThrowIfNull(x2);
        var difference = x1 - x2 + eps;
        return difference.Rank == 0 ? difference.Abs() : difference.Norm(p, [-1], keepdim);
    }

    /// <summary>x over its p-norm along a dimension, which is at least eps.</summary>
    /// <exception cref="ArgumentException">No floats.</exception>
    public static Tensor Normalize(Tensor x, double p = 2, int dim = 1, double eps = 1e-12) =>
        Tensor.Given(x) / x.Norm(p, [dim], keepdim: true).ClampLeast(eps);

    private static Tensor ClampLeast(this Tensor x, double least) => x.Clamp(min: least);

    /// <summary>1 − cos where the target is 1, max(cos − margin, 0) where it is −1, of the angles between rows.</summary>
    /// <param name="x1">[n, d] or [d].</param>
    /// <param name="x2">Of x1's shape.</param>
    /// <param name="target">[n] or 0-d: 1 and −1.</param>
    /// <param name="margin">From −1 to 1.</param>
    /// <param name="reduction">What becomes of the losses of rows.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit.</exception>
    public static Tensor CosineEmbeddingLoss(
        Tensor x1,
        Tensor x2,
        Tensor target,
        double margin = 0,
        LossReduction reduction = LossReduction.Mean
    )
    {
        const string What = "cosine_embedding_loss";
        ArgumentNullException.ThrowIfNull(x1);
        ArgumentNullException.ThrowIfNull(x2);
        ArgumentNullException.ThrowIfNull(target);
        CheckReduction(What, reduction);
        if (Autocast.Of(What, x1) is { } cast)
            return cast.Run([x1, x2, target], t => CosineEmbeddingLoss(t[0], t[1], t[2], margin, reduction));
        if (target.Rank > 1 || x1.Rank != target.Rank + 1 || x2.Rank != x1.Rank)
            throw new ArgumentException(
                $"{What}: inputs of shape {x1.Layout} and {x2.Layout} and a target of shape {target.Layout} do not fit; they must be [n, d], [n, d] and [n], or [d], [d] and 0-d."
            );
        var type = Promotion.Of(x1, x2);
        var (a, b) = (x1.To(type.Compute()), x2.To(type.Compute()));
        const double Eps = 1e-12;
        var cos = (a * b).Sum(-1) / (((a * a).Sum(-1) + Eps) * ((b * b).Sum(-1) + Eps)).Sqrt();
        var zero = Tensor.Zeros([], cos.DType, cos.Device);
        var each =
            Tensor.Where(target.Eq(1), 1 - cos, zero) + Tensor.Where(target.Eq(-1), (cos - margin).ClampLeast(0), zero);
        return Reduced(each, reduction).To(type);
    }

    /// <summary>max(d(anchor, positive) − d(anchor, negative) + margin, 0) of p-norm distances.</summary>
    /// <param name="anchor">[n, d] or [d].</param>
    /// <param name="positive">Like it.</param>
    /// <param name="negative">Unlike it.</param>
    /// <param name="margin">Above 0.</param>
    /// <param name="p">Of the norm.</param>
    /// <param name="eps">See <see cref="PairwiseDistance"/>.</param>
    /// <param name="swap">Whether the distance of the negative to the positive counts where it is smaller.</param>
    /// <param name="reduction">What becomes of the losses of rows.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit, or a margin not above 0.</exception>
    public static Tensor TripletMarginLoss(
        Tensor anchor,
        Tensor positive,
        Tensor negative,
        double margin = 1,
        double p = 2,
        double eps = 1e-6,
        bool swap = false,
        LossReduction reduction = LossReduction.Mean
    ) =>
        Triplet(
            "triplet_margin_loss",
            anchor,
            positive,
            negative,
            (a, b) => PairwiseDistance(a, b, p, eps),
            margin,
            swap,
            reduction
        );

    /// <summary>The same of distances of one's own; null is <see cref="PairwiseDistance"/>.</summary>
    /// <inheritdoc cref="TripletMarginLoss"/>
    public static Tensor TripletMarginWithDistanceLoss(
        Tensor anchor,
        Tensor positive,
        Tensor negative,
        Func<Tensor, Tensor, Tensor>? distanceFunction = null,
        double margin = 1,
        bool swap = false,
        LossReduction reduction = LossReduction.Mean
    ) =>
        Triplet(
            "triplet_margin_with_distance_loss",
            anchor,
            positive,
            negative,
            distanceFunction ?? ((a, b) => PairwiseDistance(a, b)),
            margin,
            swap,
            reduction
        );

    private static Tensor Triplet(
        string what,
        Tensor anchor,
        Tensor positive,
        Tensor negative,
        Func<Tensor, Tensor, Tensor> distance,
        double margin,
        bool swap,
        LossReduction reduction
    )
    {
        ArgumentNullException.ThrowIfNull(anchor);
        ArgumentNullException.ThrowIfNull(positive);
        ArgumentNullException.ThrowIfNull(negative);
        CheckReduction(what, reduction);
        if (Autocast.Of(what, anchor) is { } cast)
            return cast.Run(
                [anchor, positive, negative],
                t => Triplet(what, t[0], t[1], t[2], distance, margin, swap, reduction)
            );
        if (!(margin > 0))
            throw new ArgumentException($"{what}: margin is {Text(margin)}, but must be above 0.");
        if (anchor.Rank != positive.Rank || anchor.Rank != negative.Rank)
            throw new ArgumentException(
                $"{what}: the anchor has the shape {anchor.Layout}, the positive {positive.Layout}, the negative {negative.Layout}; they must have as many dimensions."
            );
        var near = distance(anchor, positive);
        var far = distance(anchor, negative);
        if (swap)
            far = far.Minimum(distance(positive, negative));
        return Reduced((near - far + margin).ClampLeast(0), reduction);
    }

    /// <summary>Σ over classes but the target's of max(margin − x[target] + x, 0)ᵖ · weight[target], over the number of classes.</summary>
    /// <param name="x">[n, classes] or [classes].</param>
    /// <param name="target">[n] or 0-d: classes.</param>
    /// <param name="p">1 or 2.</param>
    /// <param name="margin">Any number.</param>
    /// <param name="weight">[classes]; null for 1.</param>
    /// <param name="reduction">What becomes of the losses of rows.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit, or another p.</exception>
    public static Tensor MultiMarginLoss(
        Tensor x,
        Tensor target,
        int p = 1,
        double margin = 1,
        Tensor? weight = null,
        LossReduction reduction = LossReduction.Mean
    )
    {
        const string What = "multi_margin_loss";
        if (Autocast.Of(What, x) is { } cast)
            return cast.Run([x, target, weight], t => MultiMarginLoss(t[0], t[1], p, margin, t[2], reduction));
        var (rows, places) = RowsAndTargets(What, x, target, reduction);
        if (p is not (1 or 2))
            throw new ArgumentException($"{What}: p is {p}, but must be 1 or 2.");
        long classes = rows.Size(1);
        if (weight is not null && (weight.Rank != 1 || weight.NumElements != classes))
            throw new ArgumentException(
                $"{What}: a weight of shape {weight.Layout} does not fit {classes} classes; it must be [{classes}]."
            );
        var at = IndexCheck.Places(What, places, classes, wrap: false).Unsqueeze(1);
        var values = (margin - rows.Gather(1, at) + rows).ClampLeast(0);
        if (p == 2)
            values = values.Square();
        if (weight is not null)
            values = values * Wide(weight).IndexSelect(0, at.Squeeze(1)).Unsqueeze(1);
        var own = at.Eq(Tensor.Arange(classes, rows.Device));
        var each = values.MaskedFill(own, 0).Sum(1) / classes;
        return Reduced(target.Rank == 0 ? each.ReshapeTo([]) : each, reduction).To(x.DType);
    }

    /// <summary>
    /// Σ over targets j and other classes k of max(1 − (x[j] − x[k]), 0), over the number of classes. The targets of a row are its
    /// numbers up to the first −1.
    /// </summary>
    /// <param name="x">[n, classes] or [classes].</param>
    /// <param name="target">Integers of x's shape.</param>
    /// <param name="reduction">What becomes of the losses of rows.</param>
    /// <exception cref="ArgumentException">Shapes that differ.</exception>
    public static Tensor MultiLabelMarginLoss(Tensor x, Tensor target, LossReduction reduction = LossReduction.Mean)
    {
        const string What = "multilabel_margin_loss";
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(target);
        Floats(What, x);
        CheckReduction(What, reduction);
        if (Autocast.Of(What, x) is { } cast)
            return cast.Run([x, target], t => MultiLabelMarginLoss(t[0], t[1], reduction));
        Same(What, x, target);
        if (x.Rank > 2)
            throw new ArgumentException(
                $"{What}: the input has the shape {x.Layout}, but must be [n, classes] or [classes]."
            );
        var rows = Wide(x.Rank == 2 ? x : x.Reshape(1, -1));
        var given = IndexCheck.Places(What, target.Reshape(rows.Shape), rows.Size(1), -1, out var none);
        long classes = rows.Size(1);
        Tensor isListed;
        Tensor isTarget;
        using (Tensor.NoGrad())
        {
            // Those in front of the first −1.
            isListed = none is null
                ? Tensor.Ones(rows.Shape, DType.Bool, rows.Device)
                : none.To(DType.Int64).Cumsum(1).Eq(0);
            isTarget = (given.Unsqueeze(2).Eq(Tensor.Arange(classes, rows.Device)) & isListed.Unsqueeze(2)).Any(1);
        }
        var differences = (1 - rows.Gather(1, given).Unsqueeze(2) + rows.Unsqueeze(1)).ClampLeast(0);
        var counts = isListed.Unsqueeze(2) & isTarget.LogicalNot().Unsqueeze(1);
        var zero = Tensor.Zeros([], rows.DType, rows.Device);
        var each = Tensor.Where(counts, differences, zero).Sum([1, 2]) / classes;
        return Reduced(x.Rank < 2 ? each.ReshapeTo([]) : each, reduction).To(x.DType);
    }

    /// <summary>The mean over classes of <see cref="BinaryCrossEntropyWithLogits"/>.</summary>
    /// <param name="x">[…, classes].</param>
    /// <param name="target">Of x's shape.</param>
    /// <param name="weight">A factor for each class; null for 1.</param>
    /// <param name="reduction">What becomes of the losses of rows.</param>
    public static Tensor MultiLabelSoftMarginLoss(
        Tensor x,
        Tensor target,
        Tensor? weight = null,
        LossReduction reduction = LossReduction.Mean
    )
    {
        CheckReduction("multilabel_soft_margin_loss", reduction);
        if (Tensor.Given(x).Rank == 0)
            throw new ArgumentException(
                "multilabel_soft_margin_loss: the input is 0-d, but must have a dimension of classes."
            );
        var each = Weighted("bce_with_logits", "", Tensor.Given(x), target, weight, LossReduction.None);
        return Reduced(each.Mean(-1), reduction);
    }

    private static (Tensor Rows, Tensor Places) RowsAndTargets(
        string what,
        Tensor x,
        Tensor target,
        LossReduction reduction
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(target);
        Floats(what, x);
        CheckReduction(what, reduction);
        var rows = Wide(x.Rank < 2 ? x.Reshape(1, -1) : x);
        if (x.Rank > 2 || target.Rank > 1 || target.NumElements != rows.Size(0))
            throw new ArgumentException(
                $"{what}: an input of shape {x.Layout} does not fit a target of shape {target.Layout}; they must be [n, classes] and [n], or [classes] and 0-d."
            );
        return (rows, target.Reshape(-1));
    }
}
