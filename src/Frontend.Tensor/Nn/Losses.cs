using Picograd.Algorithms;

namespace Picograd;

/// <summary>What losses have in common: how the losses of examples become one number. They take several tensors.</summary>
public abstract class Loss : Module
{
    private protected Loss(LossReduction reduction, Tensor? weight = null)
    {
        Reduction = reduction;
        if (weight is not null)
            Weight = RegisterBuffer("weight", weight);
    }

    /// <summary>How the losses of examples become one number.</summary>
    public LossReduction Reduction { get; }

    /// <summary>A factor for each class or element; null for 1.</summary>
    public Tensor? Weight { get; }
}

/// <summary>A loss of an input and what it should be.</summary>
public abstract class TargetLoss : Loss
{
    private protected TargetLoss(LossReduction reduction, Tensor? weight = null)
        : base(reduction, weight) { }

    /// <summary>The loss.</summary>
    public abstract Tensor Forward(Tensor input, Tensor target);

    /// <summary>Forward with the module's hooks around it, which see the input.</summary>
    public Tensor Call(Tensor input, Tensor target) => Hooked(input, t => Forward(t, target));
}

/// <summary>See <see cref="F.L1Loss"/>.</summary>
public sealed class L1Loss(LossReduction reduction = LossReduction.Mean) : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) => F.L1Loss(input, target, Reduction);
}

/// <summary>See <see cref="F.MseLoss"/>.</summary>
public sealed class MSELoss(LossReduction reduction = LossReduction.Mean) : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) => F.MseLoss(input, target, Reduction);
}

/// <summary>See <see cref="F.SmoothL1Loss"/>.</summary>
public sealed class SmoothL1Loss(LossReduction reduction = LossReduction.Mean, double beta = 1) : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) => F.SmoothL1Loss(input, target, Reduction, beta);
}

/// <summary>See <see cref="F.HuberLoss"/>.</summary>
public sealed class HuberLoss(LossReduction reduction = LossReduction.Mean, double delta = 1) : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) => F.HuberLoss(input, target, Reduction, delta);
}

/// <summary>See <see cref="F.BinaryCrossEntropy"/>.</summary>
public sealed class BCELoss(Tensor? weight = null, LossReduction reduction = LossReduction.Mean)
    : TargetLoss(reduction, weight)
{
    public override Tensor Forward(Tensor input, Tensor target) =>
        F.BinaryCrossEntropy(input, target, Weight, Reduction);
}

/// <summary>See <see cref="F.BinaryCrossEntropyWithLogits"/>.</summary>
public sealed class BCEWithLogitsLoss : TargetLoss
{
    public BCEWithLogitsLoss(
        Tensor? weight = null,
        LossReduction reduction = LossReduction.Mean,
        Tensor? posWeight = null
    )
        : base(reduction, weight)
    {
        if (posWeight is not null)
            PosWeight = RegisterBuffer("pos_weight", posWeight);
    }

    /// <summary>A factor of what is positive; null for 1.</summary>
    public Tensor? PosWeight { get; }

    public override Tensor Forward(Tensor input, Tensor target) =>
        F.BinaryCrossEntropyWithLogits(input, target, Weight, Reduction, PosWeight);
}

/// <summary>See <see cref="F.NllLoss"/>.</summary>
public sealed class NLLLoss(
    Tensor? weight = null,
    long ignoreIndex = -100,
    LossReduction reduction = LossReduction.Mean
) : TargetLoss(reduction, weight)
{
    public override Tensor Forward(Tensor input, Tensor target) =>
        F.NllLoss(input, target, Weight, ignoreIndex, Reduction);
}

/// <summary>Softmax and negative log-likelihood in one; see <see cref="F.CrossEntropy(Tensor, Tensor, LossReduction, long, double, Tensor?)"/>.</summary>
public sealed class CrossEntropyLoss(
    Tensor? weight = null,
    long ignoreIndex = -100,
    LossReduction reduction = LossReduction.Mean,
    double labelSmoothing = 0
) : TargetLoss(reduction, weight)
{
    /// <summary>The loss of logits [n, classes, …] and targets [n, …] (or probabilities [n, classes, …]).</summary>
    public override Tensor Forward(Tensor input, Tensor target) =>
        F.CrossEntropy(input, target, Reduction, ignoreIndex, labelSmoothing, Weight);
}

/// <summary>See <see cref="F.KlDiv"/>.</summary>
public sealed class KLDivLoss(LossReduction reduction = LossReduction.Mean, bool logTarget = false)
    : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) => F.KlDiv(input, target, Reduction, logTarget);
}

/// <summary>See <see cref="F.PoissonNllLoss"/>.</summary>
public sealed class PoissonNLLLoss(
    bool logInput = true,
    bool full = false,
    double eps = 1e-8,
    LossReduction reduction = LossReduction.Mean
) : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) =>
        F.PoissonNllLoss(input, target, logInput, full, eps, Reduction);
}

/// <summary>See <see cref="F.GaussianNllLoss"/>.</summary>
public sealed class GaussianNLLLoss(bool full = false, double eps = 1e-6, LossReduction reduction = LossReduction.Mean)
    : Loss(reduction)
{
    public Tensor Forward(Tensor input, Tensor target, Tensor var) =>
        F.GaussianNllLoss(input, target, var, full, eps, Reduction);
}

/// <summary>See <see cref="F.HingeEmbeddingLoss"/>.</summary>
public sealed class HingeEmbeddingLoss(double margin = 1, LossReduction reduction = LossReduction.Mean)
    : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) =>
        F.HingeEmbeddingLoss(input, target, margin, Reduction);
}

/// <summary>See <see cref="F.MarginRankingLoss"/>.</summary>
public sealed class MarginRankingLoss(double margin = 0, LossReduction reduction = LossReduction.Mean) : Loss(reduction)
{
    public Tensor Forward(Tensor input1, Tensor input2, Tensor target) =>
        F.MarginRankingLoss(input1, input2, target, margin, Reduction);
}

/// <summary>See <see cref="F.CosineEmbeddingLoss"/>.</summary>
public sealed class CosineEmbeddingLoss(double margin = 0, LossReduction reduction = LossReduction.Mean)
    : Loss(reduction)
{
    public Tensor Forward(Tensor input1, Tensor input2, Tensor target) =>
        F.CosineEmbeddingLoss(input1, input2, target, margin, Reduction);
}

/// <summary>See <see cref="F.TripletMarginLoss"/>.</summary>
public sealed class TripletMarginLoss(
    double margin = 1,
    double p = 2,
    double eps = 1e-6,
    bool swap = false,
    LossReduction reduction = LossReduction.Mean
) : Loss(reduction)
{
    public Tensor Forward(Tensor anchor, Tensor positive, Tensor negative) =>
        F.TripletMarginLoss(anchor, positive, negative, margin, p, eps, swap, Reduction);
}

/// <summary>See <see cref="F.TripletMarginWithDistanceLoss"/>.</summary>
public sealed class TripletMarginWithDistanceLoss(
    Func<Tensor, Tensor, Tensor>? distanceFunction = null,
    double margin = 1,
    bool swap = false,
    LossReduction reduction = LossReduction.Mean
) : Loss(reduction)
{
    public Tensor Forward(Tensor anchor, Tensor positive, Tensor negative) =>
        F.TripletMarginWithDistanceLoss(anchor, positive, negative, distanceFunction, margin, swap, Reduction);
}

/// <summary>See <see cref="F.SoftMarginLoss"/>.</summary>
public sealed class SoftMarginLoss(LossReduction reduction = LossReduction.Mean) : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) => F.SoftMarginLoss(input, target, Reduction);
}

/// <summary>See <see cref="F.MultiMarginLoss"/>.</summary>
public sealed class MultiMarginLoss(
    int p = 1,
    double margin = 1,
    Tensor? weight = null,
    LossReduction reduction = LossReduction.Mean
) : TargetLoss(reduction, weight)
{
    public override Tensor Forward(Tensor input, Tensor target) =>
        F.MultiMarginLoss(input, target, p, margin, Weight, Reduction);
}

/// <summary>See <see cref="F.MultiLabelMarginLoss"/>.</summary>
public sealed class MultiLabelMarginLoss(LossReduction reduction = LossReduction.Mean) : TargetLoss(reduction)
{
    public override Tensor Forward(Tensor input, Tensor target) => F.MultiLabelMarginLoss(input, target, Reduction);
}

/// <summary>See <see cref="F.MultiLabelSoftMarginLoss"/>.</summary>
public sealed class MultiLabelSoftMarginLoss(Tensor? weight = null, LossReduction reduction = LossReduction.Mean)
    : TargetLoss(reduction, weight)
{
    public override Tensor Forward(Tensor input, Tensor target) =>
        F.MultiLabelSoftMarginLoss(input, target, Weight, Reduction);
}

/// <summary>See <see cref="F.CtcLoss(Tensor, Tensor, Tensor, Tensor, long, LossReduction, bool)"/>.</summary>
public sealed class CTCLoss(long blank = 0, LossReduction reduction = LossReduction.Mean, bool zeroInfinity = false)
    : Loss(reduction)
{
    public Tensor Forward(Tensor logProbs, Tensor targets, Tensor inputLengths, Tensor targetLengths) =>
        F.CtcLoss(logProbs, targets, inputLengths, targetLengths, blank, Reduction, zeroInfinity);
}

/// <summary>See <see cref="F.CosineSimilarity"/>.</summary>
public sealed class CosineSimilarity(int dim = 1, double eps = 1e-8) : Module
{
    public Tensor Forward(Tensor x1, Tensor x2) => F.CosineSimilarity(x1, x2, dim, eps);
}

/// <summary>See <see cref="F.PairwiseDistance"/>.</summary>
public sealed class PairwiseDistance(double p = 2, double eps = 1e-6, bool keepdim = false) : Module
{
    public Tensor Forward(Tensor x1, Tensor x2) => F.PairwiseDistance(x1, x2, p, eps, keepdim);
}
