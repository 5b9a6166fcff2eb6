using System.Globalization;
using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    // Each by name, settings and, of sums of all elements, reduction.
    private static readonly OperatorFamily<(string Name, string Settings, LossReduction Reduction)> Losses = new(k =>
        k.Reduction == LossReduction.None
            ? new Operator(k.Name + "_each", k.Settings, derives: true)
            : new Operator(
                k.Name,
                $"reduction={(k.Reduction == LossReduction.Sum ? "sum" : "mean")} {k.Settings}".TrimEnd(),
                derives: true
            )
    );

    /// <summary>|x − target|, its mean by default. Shapes that differ are refused, which PyTorch only warns of.</summary>
    /// <exception cref="ArgumentException">Shapes that differ, or no floats.</exception>
    public static Tensor L1Loss(Tensor x, Tensor target, LossReduction reduction = LossReduction.Mean) =>
        Compared("l1_loss", "", x, target, null, reduction, equal: true);

    /// <summary>(x − target)²/(2·beta) where |x − target| is below beta, else |x − target| − beta/2.</summary>
    /// <exception cref="ArgumentException">Shapes that differ, no floats, or a negative beta.</exception>
    public static Tensor SmoothL1Loss(
        Tensor x,
        Tensor target,
        LossReduction reduction = LossReduction.Mean,
        double beta = 1
    ) =>
        beta >= 0
            ? Compared("smooth_l1_loss", Setting("beta", beta), x, target, null, reduction, equal: true)
            : throw new ArgumentException($"smooth_l1_loss: beta is {Text(beta)}, but must be at least 0.");

    /// <summary>(x − target)²/2 where |x − target| is at most delta, else delta · (|x − target| − delta/2).</summary>
    /// <exception cref="ArgumentException">Shapes that differ, no floats, or delta not above 0.</exception>
    public static Tensor HuberLoss(
        Tensor x,
        Tensor target,
        LossReduction reduction = LossReduction.Mean,
        double delta = 1,
        Tensor? weight = null
    )
    {
        if (!(delta > 0))
            throw new ArgumentException($"huber_loss: delta is {Text(delta)}, but must be above 0.");
        return Weighted("huber_loss", Setting("delta", delta), x, target, weight, reduction);
    }

    /// <summary>
    /// −target · log x − (1 − target) · log(1 − x) of probabilities x, logarithms cut at −100, times a weight that broadcasts.
    /// </summary>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit, or x beyond [0, 1].</exception>
    public static Tensor BinaryCrossEntropy(
        Tensor x,
        Tensor target,
        Tensor? weight = null,
        LossReduction reduction = LossReduction.Mean
    )
    {
        const string What = "binary_cross_entropy";
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(target);
        if (Autocast.Of(What, x) is { } cast)
            return cast.Run([x, target, weight], t => BinaryCrossEntropy(t[0], t[1], t[2], reduction));
        Same(What, x, target);
        Floats(What, x);
        if (target.DType != x.DType)
            throw new ArgumentException(
                $"{What}: the input is {x.DType.Name()}, the target {target.DType.Name()}; convert one with To()."
            );
        if (!x.Device.IsMeta && x.NumElements > 0)
        {
            using var off = Tensor.NoGrad();
            if (((x >= 0) & (x <= 1)).All().Item() == 0)
                throw new ArgumentException($"{What}: elements of the input must be from 0 to 1.");
        }
        return Weighted("bce_loss", "", x, target, weight, reduction);
    }

    /// <summary>
    /// −(posWeight · target · log σ(x) + (1 − target) · log σ(−x)), times a weight; both broadcast.
    /// </summary>
    /// <param name="x">Logits.</param>
    /// <param name="target">Of x's shape, from 0 to 1.</param>
    /// <param name="weight">A factor of each loss; null for 1.</param>
    /// <param name="reduction">What becomes of the losses of elements.</param>
    /// <param name="posWeight">A factor of what is positive, as a rule one for each class of the last dimension; null for 1.</param>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit; names them.</exception>
    public static Tensor BinaryCrossEntropyWithLogits(
        Tensor x,
        Tensor target,
        Tensor? weight = null,
        LossReduction reduction = LossReduction.Mean,
        Tensor? posWeight = null
    )
    {
        const string What = "binary_cross_entropy_with_logits";
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(target);
        if (Autocast.Of(What, x) is { } cast)
            return cast.Run(
                [x, target, weight, posWeight],
                t => BinaryCrossEntropyWithLogits(t[0], t[1], t[2], reduction, t[3])
            );
        CheckReduction(What, reduction);
        Same(What, x, target);
        return posWeight is null
            ? Weighted("bce_with_logits", "", x, target, weight, reduction)
            : Weighted("bce_with_logits_weighted", "", x, target, weight, reduction, posWeight);
    }

    /// <summary>
    /// target · (log target − x) of logarithms x of probabilities, or e^target · (target − x) of targets that are logarithms, too.
    /// </summary>
    /// <param name="x">Logarithms.</param>
    /// <param name="target">Probabilities or, with logTarget, logarithms; broadcasts.</param>
    /// <param name="reduction"><see cref="LossReduction.Mean"/> is over all elements, <see cref="LossReduction.BatchMean"/> over x's first dimension.</param>
    /// <param name="logTarget">Whether targets are logarithms.</param>
    /// <exception cref="ArgumentException">Shapes that do not broadcast.</exception>
    public static Tensor KlDiv(
        Tensor x,
        Tensor target,
        LossReduction reduction = LossReduction.Mean,
        bool logTarget = false
    )
    {
        if (Autocast.Of("kl_div", x) is { } cast)
            return cast.Run([x, target], t => KlDiv(t[0], t[1], reduction, logTarget));
        string name = logTarget ? "kl_div_log" : "kl_div";
        if (reduction != LossReduction.BatchMean)
            return Compared(name, "", x, target, null, reduction);
        var sum = Compared(name, "", x, target, null, LossReduction.Sum);
        return x.Rank == 0 ? sum : sum / x.Size(0);
    }

    /// <summary>
    /// eˣ − target · x, or without logInput x − target · log(x + eps); with full, Stirling's approximation of log target! is added where
    /// a target is above 1.
    /// </summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast.</exception>
    public static Tensor PoissonNllLoss(
        Tensor x,
        Tensor target,
        bool logInput = true,
        bool full = false,
        double eps = 1e-8,
        LossReduction reduction = LossReduction.Mean
    ) =>
        Compared(
            "poisson_nll_loss",
            $"log_input={(logInput ? 1 : 0)} full={(full ? 1 : 0)} {Setting("eps", eps)}",
            x,
            target,
            null,
            reduction
        );

    /// <summary>
    /// (log var + (x − target)²/var)/2, and with full log(2π)/2 more, var at least eps.
    /// </summary>
    /// <param name="x">Means.</param>
    /// <param name="target">Broadcasts with x.</param>
    /// <param name="var">Variances, at least 0: of x's shape, of that without the last dimension, or with a size of 1 there.</param>
    /// <param name="full">Whether the constant is there.</param>
    /// <param name="eps">The smallest variance.</param>
    /// <param name="reduction">What becomes of the losses of elements.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit, or a negative variance.</exception>
    public static Tensor GaussianNllLoss(
        Tensor x,
        Tensor target,
        Tensor var,
        bool full = false,
        double eps = 1e-6,
        LossReduction reduction = LossReduction.Mean
    )
    {
        const string What = "gaussian_nll_loss";
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(var);
        if (!var.Layout.SameSizes(x.Layout) && var.Rank > 0)
        {
            var leading = x.Layout.Sizes[..^1];
            if (leading.SequenceEqual(var.Layout.Sizes))
                var = var.Unsqueeze(-1);
            else if (var.Rank != x.Rank || !leading.SequenceEqual(var.Layout.Sizes[..^1]) || var.Layout.Sizes[^1] != 1)
                throw new ArgumentException(
                    $"{What}: variances of shape {var.Layout} do not fit an input of shape {x.Layout}; they must have its shape, or that without the last dimension."
                );
        }
        if (!var.Device.IsMeta && var.NumElements > 0)
        {
            using var off = Tensor.NoGrad();
            if ((var < 0).Any().Item() != 0)
                throw new ArgumentException($"{What}: variances must be at least 0.");
        }
        return Compared(What, $"full={(full ? 1 : 0)} {Setting("eps", eps)}", x, target, var, reduction);
    }

    /// <summary>log(1 + e^(−target · x)) of targets 1 and −1.</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast.</exception>
    public static Tensor SoftMarginLoss(Tensor x, Tensor target, LossReduction reduction = LossReduction.Mean) =>
        Compared("soft_margin_loss", "", x, target, null, reduction);

    /// <summary>x where the target is 1, max(margin − x, 0) where it is −1.</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast.</exception>
    public static Tensor HingeEmbeddingLoss(
        Tensor x,
        Tensor target,
        double margin = 1,
        LossReduction reduction = LossReduction.Mean
    ) => Compared("hinge_embedding_loss", Setting("margin", margin), x, target, null, reduction);

    /// <summary>max(margin − target · (x1 − x2), 0).</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast.</exception>
    public static Tensor MarginRankingLoss(
        Tensor x1,
        Tensor x2,
        Tensor target,
        double margin = 0,
        LossReduction reduction = LossReduction.Mean
    )
    {
        ArgumentNullException.ThrowIfNull(target);
        if (Tensor.Given(x1).Rank != Tensor.Given(x2).Rank || x1.Rank != target.Rank)
            throw new ArgumentException(
                $"margin_ranking_loss: inputs of shape {x1.Layout} and {x2.Layout} and a target of shape {target.Layout} must have as many dimensions."
            );
        return Compared("margin_ranking_loss", Setting("margin", margin), x1, x2, target, reduction);
    }

    private static string Setting(string key, double value) =>
        string.Create(CultureInfo.InvariantCulture, $"{key}={value:R}");

    // One kernel where all elements are of tensors of one shape that are added up.
    private static Tensor Compared(
        string name,
        string settings,
        Tensor x,
        Tensor target,
        Tensor? third,
        LossReduction reduction,
        bool equal = false
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(target);
        CheckReduction(name, reduction);
        if (Autocast.Of(name, x) is { } cast)
            return cast.Run([x, target, third], t => Compared(name, settings, t[0], t[1], t[2], reduction, equal));
        bool same = x.Layout.SameSizes(target.Layout);
        if (equal && !same)
            throw new ArgumentException($"{name}: the shapes {x.Layout} and {target.Layout} differ.");
        var type = Promotion.Of(x, target, third);
        if (!type.IsFloat())
            throw new ArgumentException($"{name}: not defined for {type.Name()}; convert it with To().");
        var (a, b, c) = (x.To(type), target.To(type), third?.To(type));
        same &= c is null || c.Layout.SameSizes(x.Layout);
        if (same && reduction != LossReduction.None && x.NumElements > 0 && a.Device == b.Device)
            return Losses[(name, settings, reduction)]
                .Recorded(a.Reshape(-1).Contiguous(), b.Reshape(-1).Contiguous(), c?.Reshape(-1).Contiguous());
        bool reduces = reduction != LossReduction.None;
        var wide = reduces ? type.Compute() : type;
        var each = Losses[(name, settings, LossReduction.None)].Recorded(a.To(wide), b.To(wide), c?.To(wide));
        return Reduced(each, reduction).To(type);
    }

    private static Tensor Weighted(
        string name,
        string settings,
        Tensor x,
        Tensor target,
        Tensor? weight,
        LossReduction reduction,
        Tensor? third = null
    )
    {
        if (weight is null)
            return Compared(name, settings, x, target, third, reduction);
        if (Autocast.Of(name, x) is { } cast)
            return cast.Run(
                [x, target, weight, third],
                t => Weighted(name, settings, t[0], t[1], t[2], reduction, t[3])
            );
        CheckReduction(name, reduction);
        var type = Promotion.Of(x, target, third, weight);
        var each = Compared(
            name,
            settings,
            Wide(Tensor.Given(x)),
            Wide(Tensor.Given(target)),
            third is null ? null : Wide(third),
            LossReduction.None
        );
        return Reduced(each * Wide(weight), reduction).To(type);
    }

    private static Tensor Reduced(Tensor each, LossReduction reduction) =>
        reduction switch
        {
            LossReduction.None => each,
            LossReduction.Sum => each.Sum(),
            _ => each.Mean(),
        };

    private static void Same(string what, Tensor x, Tensor target)
    {
        if (!x.Layout.SameSizes(target.Layout))
            throw new ArgumentException(
                $"{what}: a target of shape {target.Layout} does not fit an input of shape {x.Layout}; the shapes must be equal."
            );
    }

    private static void CheckReduction(string what, LossReduction reduction)
    {
        if (reduction is not (LossReduction.Mean or LossReduction.Sum or LossReduction.None))
            throw new ArgumentException(
                $"{what}: reduction is {reduction}, but must be Mean, Sum or None.",
                nameof(reduction)
            );
    }
}
