using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// A softmax of many classes of which few are frequent (Grave and others, 2017): a head of the frequent ones and of clusters of the rest,
/// each cluster with products of its own, narrower the rarer its classes are. Classes must be ordered by how frequent they are.
/// </summary>
public sealed class AdaptiveLogSoftmaxWithLoss : Module
{
    private readonly long[] _cutoffs;
    private readonly ModuleList<Sequential> _tail;

    /// <param name="inFeatures">Numbers of an input.</param>
    /// <param name="nClasses">Classes.</param>
    /// <param name="cutoffs">Where clusters begin: ascending, above 0, below nClasses.</param>
    /// <param name="divValue">How much narrower each cluster's inputs are than those of the one before.</param>
    /// <param name="headBias">Whether the head has a bias.</param>
    /// <param name="generator">Draws weights.</param>
    /// <param name="dtype">Of floats.</param>
    /// <exception cref="ArgumentException">Other cutoffs.</exception>
    public AdaptiveLogSoftmaxWithLoss(
        long inFeatures,
        long nClasses,
        IEnumerable<long> cutoffs,
        double divValue = 4,
        bool headBias = false,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
    {
        ArgumentNullException.ThrowIfNull(cutoffs);
        long[] given = [.. cutoffs];
        bool fits = given.Length > 0 && given[0] > 0 && given[^1] <= nClasses - 1;
        for (int i = 1; i < given.Length; i++)
            fits &= given[i] > given[i - 1];
        if (!fits)
            throw new ArgumentException(
                $"AdaptiveLogSoftmaxWithLoss: cutoffs are {string.Join(", ", given)}, but must be unique, ascending and from 1 to {nClasses - 1}.",
                nameof(cutoffs)
            );
        if (!(divValue > 0))
            throw new ArgumentOutOfRangeException(
                nameof(divValue),
                divValue,
                "AdaptiveLogSoftmaxWithLoss: divValue must be above 0."
            );
        (InFeatures, NClasses, DivValue) = (inFeatures, nClasses, divValue);
        _cutoffs = [.. given, nClasses];
        Head = Register("head", new Linear(inFeatures, given[0] + given.Length, headBias, generator, dtype));
        _tail = Register("tail", new ModuleList<Sequential>());
        for (int i = 0; i < given.Length; i++)
        {
            long width = (long)Math.Floor(inFeatures / Math.Pow(divValue, i + 1));
            if (width < 1)
                throw new ArgumentException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"AdaptiveLogSoftmaxWithLoss: cluster {i} would have inputs of {width} numbers; take fewer clusters or a divValue below {divValue}."
                    ),
                    nameof(divValue)
                );
            _tail.Append(
                new Sequential(
                    new Linear(inFeatures, width, false, generator, dtype),
                    new Linear(width, _cutoffs[i + 1] - _cutoffs[i], false, generator, dtype)
                )
            );
        }
    }

    public long InFeatures { get; }

    public long NClasses { get; }

    public double DivValue { get; }

    public Linear Head { get; }

    /// <summary>Log-probabilities of the targets, and the mean of their negatives.</summary>
    /// <param name="input">[n, inFeatures] or [inFeatures].</param>
    /// <param name="target">[n] or 0-d: classes.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit.</exception>
    /// <exception cref="IndexOutOfRangeException">A target that is no class.</exception>
    public (Tensor Output, Tensor Loss) Forward(Tensor input, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(target);
        if (
            input.Rank is not (1 or 2)
            || target.Rank != input.Rank - 1
            || (input.Rank == 2 && input.Size(0) != target.Size(0))
        )
            throw new ArgumentException(
                $"AdaptiveLogSoftmaxWithLoss: an input of shape {input.Shape} does not fit a target of shape {target.Shape}; they must be [n, {InFeatures}] and [n], or [{InFeatures}] and 0-d."
            );
        bool single = input.Rank == 1;
        var x = single ? input.Unsqueeze(0) : input;
        var places = IndexCheck.Places(
            "adaptive_log_softmax",
            single ? target.Unsqueeze(0) : target,
            NClasses,
            wrap: false
        );
        long shortlist = _cutoffs[0];
        // In the head: a frequent class, or the cluster.
        var inHead = places;
        for (int i = 0; i < _tail.Count; i++)
            inHead = Tensor.Where(places >= _cutoffs[i], shortlist + i, inHead);
        var output = Head.Call(x).LogSoftmax(1).Gather(1, inHead.Unsqueeze(1)).Squeeze(1);
        for (int i = 0; i < _tail.Count; i++)
        {
            var rows = ((places >= _cutoffs[i]) & (places < _cutoffs[i + 1])).NonZero().Squeeze(1);
            if (rows.NumElements == 0)
                continue;
            var own = _tail[i].Call(x.IndexSelect(0, rows)).LogSoftmax(1);
            var at = (places.IndexSelect(0, rows) - _cutoffs[i]).Unsqueeze(1);
            output = output.IndexAdd(0, rows, own.Gather(1, at).Squeeze(1).To(output.DType));
        }
        return (single ? output.Squeeze(0) : output, (-output).Mean());
    }

    /// <summary>Log-probabilities of all classes [n, nClasses].</summary>
    /// <param name="input">[n, inFeatures].</param>
    public Tensor LogProb(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var head = Head.Call(input).LogSoftmax(1);
        var parts = new List<Tensor> { head.Narrow(1, 0, _cutoffs[0]) };
        for (int i = 0; i < _tail.Count; i++)
            parts.Add(_tail[i].Call(input).LogSoftmax(1) + head.Narrow(1, _cutoffs[0] + i, 1));
        return Tensor.Cat([.. parts], 1);
    }

    /// <summary>The likeliest class of each input [n].</summary>
    /// <param name="input">[n, inFeatures].</param>
    public Tensor Predict(Tensor input) => LogProb(input).ArgMax(1);

    protected override string ExtraRepr() => $"{InFeatures}, {NClasses}, cutoffs=[{string.Join(", ", _cutoffs[..^1])}]";
}
