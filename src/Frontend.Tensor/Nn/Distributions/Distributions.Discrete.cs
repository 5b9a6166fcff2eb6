using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>What distributions of probabilities by element have in common.</summary>
    public abstract class OfProbability : Distribution
    {
        private protected OfProbability(Tensor? probs, Tensor? logits, bool? validateArgs, Tensor? with = null)
            : base(BatchOf(One(probs, logits), with), validateArgs)
        {
            long[] shape = BatchShape.ToArray();
            if (probs is not null)
            {
                Probs = probs.To(Promotion.Float(probs.DType)).Expand(shape);
                Require("probs", (Probs >= 0) & (Probs <= 1), "must be from 0 to 1");
                Logits = Cut(Probs).Logit();
            }
            else
            {
                Logits = logits!.To(Promotion.Float(logits.DType)).Expand(shape);
                RequireNumbers("logits", Logits);
                Probs = Logits.Sigmoid();
            }
        }

        /// <summary>How likely 1, or a success, is.</summary>
        public Tensor Probs { get; }

        /// <summary>Logarithm of the odds.</summary>
        public Tensor Logits { get; }

        public override bool HasRSample => false;

        private static long[] BatchOf(Tensor p, Tensor? with) =>
            with is null
                ? p.Layout.Sizes
                : Calls.Broadcasting.Shape(p.Layout.Sizes, with.Layout.Sizes)
                    ?? throw new ArgumentException(
                        $"Parameters of shapes {with.Shape} and {p.Shape} do not broadcast."
                    );
    }

    /// <summary>1 with a probability, else 0.</summary>
    /// <param name="probs">Probabilities of 1; null where logits are given.</param>
    /// <param name="logits">Logarithms of the odds of 1; null where probs are given.</param>
    /// <param name="validateArgs">Whether parameters and values are checked.</param>
    /// <exception cref="ArgumentException">Neither or both, or probabilities that are not from 0 to 1.</exception>
    public sealed class Bernoulli(Tensor? probs = null, Tensor? logits = null, bool? validateArgs = null)
        : OfProbability(probs, logits, validateArgs)
    {
        /// <inheritdoc cref="Bernoulli(Tensor?, Tensor?, bool?)"/>
        public Bernoulli(double probs, bool? validateArgs = null)
            : this(Number(probs), null, validateArgs) { }

        public override Tensor Mean => Probs;

        public override Tensor Mode => Tensor.Where(Probs.Eq(0.5), double.NaN, (Probs >= 0.5).To(Probs.DType));

        public override Tensor Variance => Probs * (1 - Probs);

        public override Tensor Entropy() =>
            F.BinaryCrossEntropyWithLogits(Logits, Probs, reduction: LossReduction.None);

        private protected override Tensor? Within(Tensor value) => value.Eq(0) | value.Eq(1);

        private protected override string Support => "0 and 1";

        private protected override Tensor LogDensity(Tensor value)
        {
            long[] shape = Logits.SameShape("Bernoulli", value);
            return -F.BinaryCrossEntropyWithLogits(
                Logits.Expand(shape),
                value.To(Logits.DType).Expand(shape),
                reduction: LossReduction.None
            );
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Probs.Expand(shape).Bernoulli(generator);
    }

    /// <summary>Failures before the first success: 0, 1, ….</summary>
    public sealed class Geometric : OfProbability
    {
        /// <param name="probs">Probabilities of a success; null where logits are given.</param>
        /// <param name="logits">Logarithms of its odds; null where probs are given.</param>
        /// <param name="validateArgs">Whether parameters and values are checked.</param>
        /// <exception cref="ArgumentException">Neither or both, or probabilities that are not above 0 and at most 1.</exception>
        public Geometric(Tensor? probs = null, Tensor? logits = null, bool? validateArgs = null)
            : base(probs, logits, validateArgs)
        {
            if (probs is not null)
                Require("probs", Probs > 0);
        }

        /// <inheritdoc cref="Geometric(Tensor?, Tensor?, bool?)"/>
        public Geometric(double probs, bool? validateArgs = null)
            : this(Number(probs), null, validateArgs) { }

        public override Tensor Mean => 1 / Probs - 1;

        public override Tensor Mode => Tensor.ZerosLike(Probs);

        public override Tensor Variance => (1 / Probs - 1) / Probs;

        public override Tensor Entropy() =>
            F.BinaryCrossEntropyWithLogits(Logits, Probs, reduction: LossReduction.None) / Probs;

        private protected override Tensor? Within(Tensor value) => (value >= 0) & Whole(value);

        private protected override string Support => "whole numbers from 0 on";

        private protected override Tensor LogDensity(Tensor value)
        {
            var failures = value.To(Probs.DType);
            // 0 · log 0 is 0.
            var none = Probs.Eq(1) & failures.Eq(0);
            return failures * (-Probs.MaskedFill(none, 0)).Log1p() + Probs.Log();
        }

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            var u = Tensor.Rand(shape, generator, Probs.DType, Probs.Device);
            // Of a probability of 1 the logarithm is −∞, and there is no failure.
            return ((-u).Log1p() / (-Probs).Log1p()).Floor();
        }
    }

    /// <summary>What distributions of one of several classes have in common.</summary>
    public abstract class OfClasses : Distribution
    {
        private protected OfClasses(Tensor? probs, Tensor? logits, bool? validateArgs, bool isOneHot)
            : base(
                Leading("Categorical", One(probs, logits)),
                validateArgs,
                isOneHot ? [One(probs, logits).Size(-1)] : []
            )
        {
            if (probs is not null)
            {
                var given = probs.To(Promotion.Float(probs.DType));
                Require("probs", given >= 0, "must be at least 0");
                var total = given.Sum(-1, keepdim: true);
                Require("probs", total > 0, "must not all be 0");
                Probs = given / total;
                Logits = Cut(Probs).Log();
            }
            else
            {
                var given = logits!.To(Promotion.Float(logits.DType));
                RequireNumbers("logits", given);
                Logits = given - given.LogSumExp(-1, keepdim: true);
                Probs = Logits.Softmax(-1);
            }
        }

        /// <summary>[…, classes], which sum up to 1.</summary>
        public Tensor Probs { get; }

        /// <summary>Their logarithms.</summary>
        public Tensor Logits { get; }

        public override bool HasRSample => false;

        public override Tensor Entropy() => -(Logits.Clamp(min: -Logits.DType.Info().Highest) * Probs).Sum(-1);

        // Numbers of classes, of a shape without theirs.
        private protected Tensor Classes(long[] shape, Generator? generator)
        {
            long classes = Probs.Size(-1);
            long batch = Probs.NumElements / classes;
            long count = shape.Aggregate(1L, (a, b) => a * b);
            if (count == 0)
                return Tensor.Zeros(shape, DType.Int64, Probs.Device);
            var drawn = Probs.Reshape(batch, classes).Multinomial(count / batch, replacement: true, generator);
            return drawn.Transpose(0, 1).Reshape(shape);
        }
    }

    /// <summary>Whole numbers from 0 on by the probabilities in the last dimension.</summary>
    /// <param name="probs">[…, classes], at least 0, which need not sum up to 1; null where logits are given.</param>
    /// <param name="logits">Their logarithms, up to a number; null where probs are given.</param>
    /// <param name="validateArgs">Whether parameters and values are checked.</param>
    /// <exception cref="ArgumentException">Neither or both, no classes, or negative probabilities.</exception>
    public sealed class Categorical(Tensor? probs = null, Tensor? logits = null, bool? validateArgs = null)
        : OfClasses(probs, logits, validateArgs, isOneHot: false)
    {
        /// <summary>NaN: classes have no mean.</summary>
        public override Tensor Mean => Tensor.Full(BatchShape, double.NaN, Probs.DType, Probs.Device);

        public override Tensor Mode => Probs.ArgMax(-1);

        /// <inheritdoc cref="Mean"/>
        public override Tensor Variance => Mean;

        private protected override Tensor? Within(Tensor value) =>
            (value >= 0) & (value < Probs.Size(-1)) & Whole(value);

        private protected override string Support => $"the classes from 0 to {Probs.Size(-1) - 1}";

        private protected override Tensor LogDensity(Tensor value)
        {
            var places = value.To(DType.Int64);
            long[] shape =
                Calls.Broadcasting.Shape(places.Layout.Sizes, BatchShape.ToArray())
                ?? throw new ArgumentException(
                    $"Categorical: values of shape {value.Shape} do not broadcast with a batch of shape {BatchShape}."
                );
            var logits = Logits.Expand([.. shape, Logits.Size(-1)]);
            return logits.Gather(-1, places.Expand(shape).Unsqueeze(-1)).Squeeze(-1);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) => Classes(shape, generator);
    }

    /// <summary>Vectors with one 1, at a place by the probabilities in the last dimension.</summary>
    /// <inheritdoc cref="Categorical"/>
    public sealed class OneHotCategorical(Tensor? probs = null, Tensor? logits = null, bool? validateArgs = null)
        : OfClasses(probs, logits, validateArgs, isOneHot: true)
    {
        public override Tensor Mean => Probs;

        public override Tensor Mode => Hot(Probs.ArgMax(-1));

        public override Tensor Variance => Probs * (1 - Probs);

        private protected override Tensor? Within(Tensor value) =>
            (value.Eq(0) | value.Eq(1)).All(-1) & value.To(Probs.DType).Sum(-1).Eq(1);

        private protected override string Support => "vectors with one 1";

        private protected override Tensor LogDensity(Tensor value)
        {
            long[] shape = Logits.SameShape("OneHotCategorical", value);
            var places = value.Expand(shape).ArgMax(-1, keepdim: true);
            return Logits.Expand(shape).Gather(-1, places).Squeeze(-1);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Hot(Classes(shape[..^1], generator));

        private Tensor Hot(Tensor places) =>
            places.Unsqueeze(-1).Eq(Tensor.Arange(Probs.Size(-1), Probs.Device)).To(Probs.DType);
    }

    private static Tensor One(Tensor? probs, Tensor? logits) =>
        probs is null == logits is null
            ? throw new ArgumentException("Distribution: either probs or logits must be given, and not both.")
            : probs ?? logits!;
}
