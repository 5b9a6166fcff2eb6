using Picograd.Algorithms;
using Picograd.Gradients;

namespace Picograd;

public static partial class F
{
    private static readonly Rule CtcRule = new(
        "ctc_loss",
        Saves.Nothing,
        static (n, g) =>
        {
            if (GradMode.Enabled)
                throw new NotSupportedException(
                    "ctc_loss: its gradient has no gradient of its own; leave out createGraph."
                );
            var slopes = (Tensor)n.Data!;
            n.Send(0, (slopes * g.To(slopes.DType).Unsqueeze(-1)).To(g.DType));
        }
    );

    /// <summary>
    /// Connectionist temporal classification (Graves and others, 2006): the negative logarithm of the probability of a sequence of
    /// targets, over all ways to spread them, with blanks between, over the steps. Computed on the host, in float64; its gradient takes
    /// the input for logarithms of a softmax, as PyTorch's does, and cannot be differentiated.
    /// </summary>
    /// <param name="logProbs">[t, n, classes] or [t, classes]: logarithms of probabilities.</param>
    /// <param name="targets">[n, most], or all one after the other [Σ targetLengths]: classes that are not the blank.</param>
    /// <param name="inputLengths">How many steps each example has, at most t.</param>
    /// <param name="targetLengths">How many targets each example has.</param>
    /// <param name="blank">The class of nothing.</param>
    /// <param name="reduction"><see cref="LossReduction.Mean"/>: each over the length of its target, then the mean.</param>
    /// <param name="zeroInfinity">Whether a loss that is infinite, since no way fits, becomes 0 with its gradient.</param>
    /// <exception cref="ArgumentException">Shapes or lengths that do not fit; names them.</exception>
    public static Tensor CtcLoss(
        Tensor logProbs,
        Tensor targets,
        Tensor inputLengths,
        Tensor targetLengths,
        long blank = 0,
        LossReduction reduction = LossReduction.Mean,
        bool zeroInfinity = false
    )
    {
        ArgumentNullException.ThrowIfNull(inputLengths);
        ArgumentNullException.ThrowIfNull(targetLengths);
        return CtcLoss(
            logProbs,
            targets,
            inputLengths.Reshape(-1).To(DType.Int64).ToArray<long>(),
            targetLengths.Reshape(-1).To(DType.Int64).ToArray<long>(),
            blank,
            reduction,
            zeroInfinity
        );
    }

    /// <inheritdoc cref="CtcLoss(Tensor, Tensor, Tensor, Tensor, long, LossReduction, bool)"/>
    public static Tensor CtcLoss(
        Tensor logProbs,
        Tensor targets,
        ReadOnlySpan<long> inputLengths,
        ReadOnlySpan<long> targetLengths,
        long blank = 0,
        LossReduction reduction = LossReduction.Mean,
        bool zeroInfinity = false
    )
    {
        const string What = "ctc_loss";
        ArgumentNullException.ThrowIfNull(logProbs);
        ArgumentNullException.ThrowIfNull(targets);
        Floats(What, logProbs);
        CheckReduction(What, reduction);
        if (Autocast.Of(What, logProbs) is { } cast)
        {
            long[] inputs = [.. inputLengths];
            long[] counts = [.. targetLengths];
            return cast.Run(
                [logProbs, targets],
                t => CtcLoss(t[0], t[1], inputs, counts, blank, reduction, zeroInfinity)
            );
        }
        if (logProbs.Rank is not (2 or 3))
            throw new ArgumentException(
                $"{What}: logProbs has the shape {logProbs.Layout}, but must be [t, n, classes] or [t, classes]."
            );
        bool single = logProbs.Rank == 2;
        var x = single ? logProbs.Unsqueeze(1) : logProbs;
        var (steps, count, classes) = (x.Size(0), x.Size(1), x.Size(2));
        if (inputLengths.Length != count || targetLengths.Length != count)
            throw new ArgumentException(
                $"{What}: {inputLengths.Length} input lengths and {targetLengths.Length} target lengths are given for {count} examples; there must be one each."
            );
        if (blank < 0 || blank >= classes)
            throw new ArgumentException($"{What}: blank is {blank}, but must be a class, from 0 to {classes - 1}.");
        long sum = 0;
        for (int i = 0; i < count; i++)
        {
            if (inputLengths[i] < 0 || inputLengths[i] > steps)
                throw new ArgumentException(
                    $"{What}: input length {inputLengths[i]} of example {i} is out of range; there are {steps} steps."
                );
            if (targetLengths[i] < 0)
                throw new ArgumentException($"{What}: target length {targetLengths[i]} of example {i} is negative.");
            sum += targetLengths[i];
        }
        bool joined = targets.Rank == 1 && !(single && targets.NumElements != sum);
        bool fits =
            joined && targets.NumElements == sum
            || targets.Rank == 2 && targets.Size(0) == count
            || single && targets.Rank == 1;
        if (!fits)
            throw new ArgumentException(
                $"{What}: targets of shape {targets.Layout} do not fit {count} examples with {sum} targets together; they must be [n, most] or [{sum}]."
            );
        long[] all = targets.Reshape(-1).To(DType.Int64).ToArray<long>();
        var walks = new CtcWalk[count];
        double[] values = x.Detach().To(DType.Float64).ToArray<double>();
        bool records = Tensor.Records(logProbs);
        double[] slopes = records ? new double[values.Length] : [];
        double[] losses = new double[count];
        long at = 0;
        for (int i = 0; i < count; i++)
        {
            long start = joined ? at : i * (targets.Rank == 2 ? targets.Size(1) : 0);
            at += targetLengths[i];
            if (!joined && targetLengths[i] > targets.Size(-1))
                throw new ArgumentException(
                    $"{What}: target length {targetLengths[i]} of example {i} is more than the {targets.Size(-1)} targets there are."
                );
            var own = all.AsSpan((int)start, (int)targetLengths[i]);
            foreach (long target in own)
            {
                if (target < 0 || target >= classes)
                    throw new IndexOutOfRangeException(
                        $"{What}: target {target} of example {i} is out of range; there are {classes} classes."
                    );
            }
            walks[i] = new(values, (int)count, (int)classes, i, (int)inputLengths[i], own, (int)blank);
            losses[i] = walks[i].Loss;
            if (zeroInfinity && double.IsPositiveInfinity(losses[i]))
                losses[i] = 0;
            else if (records)
                walks[i].Slopes(slopes);
        }
        var result = Tensor.From<double>(losses).To(x.DType).ToDevice(x.Device);
        if (records)
        {
            result.SetNode(Node.OfMany(CtcRule, [x])).Data = Tensor
                .From<double>(slopes, [steps, count, classes])
                .To(x.DType.Compute())
                .ToDevice(x.Device);
        }
        if (single)
            result = result.Reshape([]);
        if (reduction != LossReduction.Mean)
            return Reduced(result, reduction);
        long[] lengths = [.. targetLengths.ToArray().Select(l => Math.Max(l, 1))];
        var divisors = Tensor.From<long>(lengths).To(x.DType).ToDevice(x.Device);
        return (result / (single ? divisors.Reshape([]) : divisors)).Mean();
    }

    /// <summary>One example: forward and backward variables over its targets with blanks around each.</summary>
    private sealed class CtcWalk
    {
        private readonly double[] _values;
        private readonly int _stride;
        private readonly int _classes;
        private readonly int _offset;
        private readonly int _steps;
        private readonly int[] _labels;
        private readonly double[] _forward;

        public CtcWalk(
            double[] values,
            int count,
            int classes,
            int example,
            int steps,
            ReadOnlySpan<long> targets,
            int blank
        )
        {
            (_values, _stride, _classes, _offset, _steps) = (
                values,
                count * classes,
                classes,
                example * classes,
                steps
            );
            _labels = new int[2 * targets.Length + 1];
            for (int i = 0; i < _labels.Length; i++)
                _labels[i] = i % 2 == 0 ? blank : (int)targets[i / 2];
            int places = _labels.Length;
            _forward = new double[Math.Max(steps, 1) * places];
            Array.Fill(_forward, double.NegativeInfinity);
            if (steps == 0)
            {
                Loss = targets.Length == 0 ? 0 : double.PositiveInfinity;
                return;
            }
            _forward[0] = At(0, 0);
            if (places > 1)
                _forward[1] = At(0, 1);
            for (int t = 1; t < steps; t++)
            for (int s = 0; s < places; s++)
            {
                double before = Joined(
                    _forward[(t - 1) * places + s],
                    s > 0 ? _forward[(t - 1) * places + s - 1] : double.NegativeInfinity,
                    Skips(s) ? _forward[(t - 1) * places + s - 2] : double.NegativeInfinity
                );
                _forward[t * places + s] = before + At(t, s);
            }
            int end = (steps - 1) * places;
            Loss = -Joined(
                _forward[end + places - 1],
                places > 1 ? _forward[end + places - 2] : double.NegativeInfinity,
                double.NegativeInfinity
            );
        }

        public double Loss { get; }

        /// <summary>Writes the gradient of each step's values.</summary>
        public void Slopes(double[] slopes)
        {
            int places = _labels.Length;
            double[] next = new double[places];
            double[] here = new double[places];
            double[] sums = new double[_classes];
            for (int t = _steps - 1; t >= 0; t--)
            {
                Array.Fill(sums, double.NegativeInfinity);
                for (int s = 0; s < places; s++)
                {
                    double after =
                        t == _steps - 1
                            ? s >= places - 2
                                ? 0
                                : double.NegativeInfinity
                            : Joined(
                                next[s],
                                s + 1 < places ? next[s + 1] : double.NegativeInfinity,
                                s + 2 < places && Skips(s + 2) ? next[s + 2] : double.NegativeInfinity
                            );
                    here[s] = after + At(t, s);
                    ref double sum = ref sums[_labels[s]];
                    sum = Joined(sum, _forward[t * places + s] + here[s], double.NegativeInfinity);
                }
                (next, here) = (here, next);
                for (int c = 0; c < _classes; c++)
                {
                    int at = t * _stride + _offset + c;
                    double log = _values[at];
                    slopes[at] = Math.Exp(log) - (double.IsNegativeInfinity(log) ? 0 : Math.Exp(sums[c] + Loss - log));
                }
            }
        }

        private double At(int step, int place) => _values[step * _stride + _offset + _labels[place]];

        // From a label to the next one without the blank between, unless both are the same.
        private bool Skips(int place) => place >= 2 && place % 2 == 1 && _labels[place] != _labels[place - 2];

        private static double Joined(double a, double b, double c)
        {
            double most = Math.Max(a, Math.Max(b, c));
            return double.IsNegativeInfinity(most)
                ? most
                : most + Math.Log(Math.Exp(a - most) + Math.Exp(b - most) + Math.Exp(c - most));
        }
    }
}
