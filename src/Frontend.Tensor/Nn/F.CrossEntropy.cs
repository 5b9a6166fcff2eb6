using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public static partial class F
{
    private static readonly Operator CrossEntropyRows = new("cross_entropy", derives: true);

    // Of logits [n, classes, d1, …].
    private static readonly Operator CrossEntropyAcross = new("cross_entropy_across", derives: true)
    {
        Title = "cross_entropy",
    };

    /// <summary>
    /// Negative log-likelihood in nats of targets under softmax(logits), of classes in dimension 1 of logits
    /// [n, classes, d1, …] (dimension 0 of [classes]). Targets are either integer classes [n, d1, …], or, of the logits' shape
    /// and dtype, the probability of each class. <see cref="LossReduction.Mean"/> of classes is over the weights of the
    /// targets that count; of probabilities over n · d1 · ….
    /// </summary>
    /// <param name="logits">Floats; every class of an example.</param>
    /// <param name="targets">Classes, or probabilities.</param>
    /// <param name="reduction">What becomes of the losses of the examples, which have the shape [n, d1, …].</param>
    /// <param name="ignoreIndex">Examples of this target count for nothing; it need not be a class.</param>
    /// <param name="labelSmoothing">From 0 to 1: how much of each target is spread evenly over all classes.</param>
    /// <param name="weight">A factor for each class [classes], of the logits' dtype; null for 1.</param>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit, a smoothing out of range; names them.</exception>
    /// <exception cref="IndexOutOfRangeException">A target is neither ignored nor in [0, classes).</exception>
    public static Tensor CrossEntropy(
        Tensor logits,
        Tensor targets,
        LossReduction reduction = LossReduction.Mean,
        long ignoreIndex = -100,
        double labelSmoothing = 0,
        Tensor? weight = null
    )
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(targets);
        logits.RequireFloat("cross_entropy");
        CheckReduction("cross_entropy", reduction);
        if (Autocast.Of("cross_entropy", logits) is { } cast)
            return cast.Run(
                [logits, targets, weight],
                t => CrossEntropy(t[0], t[1], reduction, ignoreIndex, labelSmoothing, t[2])
            );
        bool probabilities = logits.Layout.SameSizes(targets.Layout) && targets.DType.IsFloat();
        if (probabilities && ignoreIndex >= 0)
            throw new ArgumentException(
                $"cross_entropy: ignoreIndex is {ignoreIndex}, but targets that are probabilities have no index to ignore."
            );
        Check("cross_entropy", logits, targets, labelSmoothing, weight, probabilities);
        // One row an example, its classes side by side.
        var type = logits.DType;
        long examples = logits.Rank == 1 ? 1 : logits.Layout.Sizes[0] * logits.Layout.Product(2, logits.Rank);
        Tensor Rows(Tensor t) => t.Rank == 1 ? t.Unsqueeze(0) : RowsOf(t);
        long[] shape = logits.Rank == 1 ? [] : [logits.Layout.Sizes[0], .. logits.Layout.Sizes[2..]];
        if (probabilities)
        {
            var losses = OfProbabilities(
                Wide(Rows(logits)),
                Wide(Rows(targets)),
                labelSmoothing,
                weight is null ? null : Wide(weight)
            );
            var result = reduction switch
            {
                LossReduction.None => losses.ReshapeTo(shape),
                LossReduction.Sum => losses.Sum(),
                _ => losses.Sum() / losses.NumElements,
            };
            return result.To(type);
        }
        long classes = logits.Layout.Sizes[logits.Rank == 1 ? 0 : 1];
        var places = IndexCheck.Places(
            "cross_entropy",
            targets.Reshape(examples),
            classes,
            ignoreIndex,
            out var ignored
        );
        bool plain = ignored is null && labelSmoothing == 0 && weight is null && logits.NumElements > 0;
        // Of a half type a rounded mean is no sum.
        bool fused = reduction == LossReduction.Mean || (reduction == LossReduction.Sum && !type.IsStorage());
        if (plain && fused)
        {
            bool across =
                logits.Rank > 2 && logits.Layout.Product(2, logits.Rank) >= Tensor.LeastAcross && !logits.Device.IsCuda;
            var mean = across
                ? CrossEntropyAcross.Recorded(logits, places.Reshape(shape))
                : CrossEntropyRows.Recorded(Rows(logits).Contiguous(), places);
            return reduction == LossReduction.Sum ? mean * examples : mean;
        }
        var wide = weight is null ? null : Wide(weight);
        return OfClasses(Wide(Rows(logits)).LogSoftmax(1), places, ignored, reduction, labelSmoothing, wide, shape)
            .To(type);
    }

    /// <summary>The same with the arguments in PyTorch's order.</summary>
    /// <inheritdoc cref="CrossEntropy(Tensor, Tensor, LossReduction, long, double, Tensor?)"/>
    [OverloadResolutionPriority(1)]
    public static Tensor CrossEntropy(
        Tensor logits,
        Tensor targets,
        Tensor? weight,
        long ignoreIndex = -100,
        LossReduction reduction = LossReduction.Mean,
        double labelSmoothing = 0
    ) => CrossEntropy(logits, targets, reduction, ignoreIndex, labelSmoothing, weight);

    /// <summary>
    /// −Σ of the logarithms of probabilities, classes in dimension 1 of [n, classes, d1, …] (dimension 0 of [classes]), that targets
    /// [n, d1, …] name. <see cref="LossReduction.Mean"/> is over the weights of the targets that count.
    /// </summary>
    /// <param name="logProbabilities">Floats, such as <see cref="LogSoftmax"/> gives.</param>
    /// <param name="targets">Classes.</param>
    /// <param name="weight">A factor for each class [classes]; null for 1.</param>
    /// <param name="ignoreIndex">Examples of this target count for nothing.</param>
    /// <param name="reduction">What becomes of the losses of the examples.</param>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit; names them.</exception>
    /// <exception cref="IndexOutOfRangeException">A target is neither ignored nor in [0, classes).</exception>
    public static Tensor NllLoss(
        Tensor logProbabilities,
        Tensor targets,
        Tensor? weight = null,
        long ignoreIndex = -100,
        LossReduction reduction = LossReduction.Mean
    )
    {
        const string What = "nll_loss";
        ArgumentNullException.ThrowIfNull(logProbabilities);
        ArgumentNullException.ThrowIfNull(targets);
        if (Autocast.Of(What, logProbabilities) is { } cast)
            return cast.Run(
                [logProbabilities, targets, weight],
                t => NllLoss(t[0], t[1], t[2], ignoreIndex, reduction)
            );
        var x = logProbabilities.RequireFloat(What);
        CheckReduction(What, reduction);
        Check(What, x, targets, 0, weight, probabilities: false);
        var rows = x.Rank == 1 ? x.Unsqueeze(0) : RowsOf(x);
        long[] shape = x.Rank == 1 ? [] : [x.Layout.Sizes[0], .. x.Layout.Sizes[2..]];
        var classes = targets.Reshape(rows.Layout.Sizes[0]);
        var places = IndexCheck.Places(What, classes, rows.Layout.Sizes[1], ignoreIndex, out var ignored);
        var wide = weight is null ? null : Wide(weight);
        return OfClasses(Wide(rows), places, ignored, reduction, 0, wide, shape).To(x.DType);
    }

    // What several kernels compute is rounded to a half type once, at the end.
    private static Tensor Wide(Tensor t) => t.To(t.DType.Compute());

    // [n, classes, d1, …] as [n · d1 · …, classes].
    private static Tensor RowsOf(Tensor t)
    {
        long classes = t.Layout.Sizes[1];
        long count = 1;
        for (int d = 0; d < t.Rank; d++)
            count *= d == 1 ? 1 : t.Layout.Sizes[d];
        if (t.Rank == 2)
            return t;
        int[] order = [0, .. Enumerable.Range(2, t.Rank - 2), 1];
        return t.Permute(order).Reshape(count, classes);
    }

    private static Tensor OfProbabilities(Tensor rows, Tensor shares, double smoothing, Tensor? weight)
    {
        if (smoothing != 0)
            shares = shares * (1 - smoothing) + smoothing / rows.Layout.Sizes[1];
        var terms = rows.LogSoftmax(1) * shares;
        return -(weight is null ? terms : terms * weight).Sum(1);
    }

    private static Tensor OfClasses(
        Tensor logs,
        Tensor places,
        Tensor? ignored,
        LossReduction reduction,
        double smoothing,
        Tensor? weight,
        long[] shape
    )
    {
        var factors = weight is null
            ? Tensor.Ones([places.NumElements], logs.DType, logs.Device)
            : weight.IndexSelect(0, places);
        var losses = -logs.Gather(1, places.Unsqueeze(1)).Squeeze(1);
        if (weight is not null)
            losses = losses * factors;
        if (smoothing != 0)
        {
            var spread = -(weight is null ? logs : logs * weight).Sum(1);
            losses = losses * (1 - smoothing) + spread * (smoothing / logs.Layout.Sizes[1]);
        }
        if (ignored is not null)
        {
            losses = Tensor.Where(ignored, 0, losses);
            factors = Tensor.Where(ignored, 0, factors);
        }
        return reduction switch
        {
            LossReduction.None => losses.ReshapeTo(shape),
            LossReduction.Sum => losses.Sum(),
            _ => losses.Sum() / factors.Sum(),
        };
    }

    private static void Check(
        string what,
        Tensor logits,
        Tensor targets,
        double smoothing,
        Tensor? weight,
        bool probabilities
    )
    {
        var (given, wanted) = (targets.Layout.Sizes, logits.Layout.Sizes);
        bool fits =
            probabilities
            || logits.Rank == 1 && targets.Rank == 0
            || logits.Rank >= 2
                && given.Length == logits.Rank - 1
                && given[0] == wanted[0]
                && given.AsSpan(1).SequenceEqual(wanted.AsSpan(2));
        if (!fits || logits.Rank == 0)
            throw new ArgumentException(
                $"{what}: logits of shape {logits.Layout} do not fit targets of shape {targets.Layout}; they must be "
                    + "[n, classes, …] and [n, …], or [classes] and a 0-d target, or float targets of the logits' shape."
            );
        long classes = wanted[logits.Rank == 1 ? 0 : 1];
        if (classes == 0)
            throw new ArgumentException($"{what}: logits of shape {logits.Layout} have no classes.");
        if (probabilities && targets.DType != logits.DType)
            throw new ArgumentException(
                $"{what}: the logits are {logits.DType.Name()}, the probabilities {targets.DType.Name()}; convert one "
                    + "with To()."
            );
        if (!(smoothing >= 0 && smoothing <= 1))
            throw new ArgumentException($"{what}: labelSmoothing is {smoothing}, but must be from 0 to 1.");
        if (weight is not null && (weight.Rank != 1 || weight.NumElements != classes || weight.DType != logits.DType))
            throw new ArgumentException(
                $"{what}: a weight of shape {weight.Layout} and dtype {weight.DType.Name()} does not fit {classes} "
                    + $"classes of {logits.DType.Name()} logits; it must be [{classes}] of their dtype."
            );
    }
}
