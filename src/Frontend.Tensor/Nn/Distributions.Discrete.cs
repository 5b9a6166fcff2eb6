using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>1 with a probability, else 0.</summary>
    public sealed class Bernoulli : Distribution
    {
        /// <param name="probs">Probabilities of 1; null where logits are given.</param>
        /// <param name="logits">Logarithms of the odds of 1; null where probs are given.</param>
        /// <exception cref="ArgumentException">Neither or both, or probabilities that are not from 0 to 1.</exception>
        public Bernoulli(Tensor? probs = null, Tensor? logits = null)
            : base(One("Bernoulli", probs, logits).Layout.Sizes)
        {
            if (probs is not null)
            {
                Probs = probs.To(Promotion.Float(probs.DType));
                Between("Bernoulli", Probs);
                // As PyTorch cuts them.
                double eps = Math.ScaleB(1, 1 - Probs.DType.Compute().Info().Significand);
                Logits = Probs.Clamp(eps, 1 - eps).Logit();
            }
            else
            {
                Logits = logits!.To(Promotion.Float(logits.DType));
                Probs = Logits.Sigmoid();
            }
        }

        /// <inheritdoc cref="Bernoulli(Tensor?, Tensor?)"/>
        public Bernoulli(double probs)
            : this(Number(probs)) { }

        /// <summary>How likely 1 is.</summary>
        public Tensor Probs { get; }

        /// <summary>Logarithm of the odds of 1.</summary>
        public Tensor Logits { get; }

        public override bool HasRSample => false;

        public override Tensor Mean => Probs;

        public override Tensor Variance => Probs * (1 - Probs);

        public override Tensor LogProb(Tensor value) =>
            -F.BinaryCrossEntropyWithLogits(
                Logits.Expand(Shape(value)),
                Tensor.Given(value).To(Logits.DType).Expand(Shape(value)),
                reduction: LossReduction.None
            );

        public override Tensor Entropy() =>
            F.BinaryCrossEntropyWithLogits(Logits, Probs, reduction: LossReduction.None);

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Probs.Expand(shape).Bernoulli(generator);

        private long[] Shape(Tensor value) =>
            Calls.Broadcasting.Shape(Tensor.Given(value).Layout, Logits.Layout)
            ?? throw new ArgumentException(
                $"Bernoulli: values of shape {value.Shape} do not broadcast with probabilities of shape {Logits.Shape}."
            );
    }

    /// <summary>Whole numbers from 0 on by the probabilities in the last dimension.</summary>
    public sealed class Categorical : Distribution
    {
        /// <param name="probs">[…, classes], at least 0, which need not sum up to 1; null where logits are given.</param>
        /// <param name="logits">Their logarithms, up to a number; null where probs are given.</param>
        /// <exception cref="ArgumentException">Neither or both, no classes, or negative probabilities.</exception>
        public Categorical(Tensor? probs = null, Tensor? logits = null)
            : base(Leading(One("Categorical", probs, logits)))
        {
            if (probs is not null)
            {
                var given = probs.To(Promotion.Float(probs.DType));
                if (!given.Device.IsMeta && given.NumElements > 0 && (given >= 0).All().Item() == 0)
                    throw new ArgumentException("Categorical: probs must be at least 0.");
                Probs = given / given.Sum(-1, keepdim: true);
                double eps = Math.ScaleB(1, 1 - Probs.DType.Compute().Info().Significand);
                Logits = Probs.Clamp(eps, 1 - eps).Log();
            }
            else
            {
                var given = logits!.To(Promotion.Float(logits.DType));
                Logits = given - given.LogSumExp(-1, keepdim: true);
                Probs = Logits.Softmax(-1);
            }
        }

        /// <summary>[…, classes], which sum up to 1.</summary>
        public Tensor Probs { get; }

        /// <summary>Their logarithms.</summary>
        public Tensor Logits { get; }

        public override bool HasRSample => false;

        /// <summary>NaN: classes have no mean.</summary>
        public override Tensor Mean => Tensor.Full(BatchShape, double.NaN, Probs.DType, Probs.Device);

        /// <inheritdoc cref="Mean"/>
        public override Tensor Variance => Mean;

        public override Tensor LogProb(Tensor value)
        {
            var places = Tensor.Given(value).To(DType.Int64);
            long[] shape =
                Calls.Broadcasting.Shape(places.Layout.Sizes, BatchShape.ToArray())
                ?? throw new ArgumentException(
                    $"Categorical: values of shape {value.Shape} do not broadcast with a batch of shape {BatchShape}."
                );
            var logits = Logits.Expand([.. shape, Logits.Size(-1)]);
            return logits.Gather(-1, places.Expand(shape).Unsqueeze(-1)).Squeeze(-1);
        }

        public override Tensor Entropy() => -(Logits.Clamp(min: -Logits.DType.Info().Highest) * Probs).Sum(-1);

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            long classes = Probs.Size(-1);
            long batch = Probs.NumElements / classes;
            long count = shape.Aggregate(1L, (a, b) => a * b);
            if (count == 0)
                return Tensor.Zeros(shape, DType.Int64, Probs.Device);
            var drawn = Probs.Reshape(batch, classes).Multinomial(count / batch, replacement: true, generator);
            return drawn.Transpose(0, 1).Reshape(shape);
        }

        private static ReadOnlySpan<long> Leading(Tensor t) =>
            t.Rank > 0 && t.Size(-1) > 0
                ? t.Layout.Sizes.AsSpan(..^1)
                : throw new ArgumentException(
                    $"Categorical: parameters have the shape {t.Shape}, but must have a dimension of classes."
                );
    }

    private static Tensor One(string what, Tensor? probs, Tensor? logits) =>
        probs is null == logits is null
            ? throw new ArgumentException($"{what}: either probs or logits must be given, and not both.")
            : probs ?? logits!;

    private static void Between(string what, Tensor probs)
    {
        if (!probs.Device.IsMeta && probs.NumElements > 0 && ((probs >= 0) & (probs <= 1)).All().Item() == 0)
            throw new ArgumentException($"{what}: probs must be from 0 to 1.");
    }
}
