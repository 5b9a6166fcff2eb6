using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>Counts of what happens at a rate.</summary>
    public sealed class Poisson : Distribution
    {
        /// <exception cref="ArgumentException">A rate below 0.</exception>
        public Poisson(Tensor rate, bool? validateArgs = null)
            : base(Tensor.Given(rate).Layout.Sizes, validateArgs)
        {
            Rate = Together("Poisson", rate)[0];
            Require("rate", Rate >= 0, "must be at least 0");
        }

        /// <inheritdoc cref="Poisson(Tensor, bool?)"/>
        public Poisson(double rate, bool? validateArgs = null)
            : this(Number(rate), validateArgs) { }

        public Tensor Rate { get; }

        public override bool HasRSample => false;

        public override Tensor Mean => Rate;

        public override Tensor Mode => Rate.Floor();

        public override Tensor Variance => Rate;

        private protected override Tensor? Within(Tensor value) => (value >= 0) & Whole(value);

        private protected override string Support => "whole numbers from 0 on";

        private protected override Tensor LogDensity(Tensor value)
        {
            var count = value.To(Rate.DType);
            return count.Xlogy(Rate) - Rate - (count + 1).Lgamma();
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Rate.Expand(shape).Contiguous().Poisson(generator);
    }

    /// <summary>Counts of successes in as many tries.</summary>
    public sealed class Binomial : OfProbability
    {
        /// <param name="totalCount">Tries; null for 1.</param>
        /// <param name="probs">Probabilities of a success; null where logits are given.</param>
        /// <param name="logits">Logarithms of its odds; null where probs are given.</param>
        /// <param name="validateArgs">Whether parameters and values are checked.</param>
        /// <exception cref="ArgumentException">Shapes that do not broadcast, a count below 0, no probability.</exception>
        public Binomial(
            Tensor? totalCount = null,
            Tensor? probs = null,
            Tensor? logits = null,
            bool? validateArgs = null
        )
            : base(probs, logits, validateArgs, with: totalCount)
        {
            TotalCount = (totalCount ?? Number(1)).To(Probs.DType).Expand(BatchShape.ToArray());
            Require("totalCount", (TotalCount >= 0) & Whole(TotalCount), "must be whole numbers from 0 on");
        }

        /// <inheritdoc cref="Binomial(Tensor?, Tensor?, Tensor?, bool?)"/>
        public Binomial(long totalCount, Tensor? probs = null, Tensor? logits = null, bool? validateArgs = null)
            : this(Number(totalCount), probs, logits, validateArgs) { }

        /// <inheritdoc cref="Binomial(Tensor?, Tensor?, Tensor?, bool?)"/>
        public Binomial(long totalCount, double probs, bool? validateArgs = null)
            : this(Number(totalCount), Number(probs), null, validateArgs) { }

        public Tensor TotalCount { get; }

        public override Tensor Mean => TotalCount * Probs;

        public override Tensor Mode => ((TotalCount + 1) * Probs).Floor().Minimum(TotalCount);

        public override Tensor Variance => TotalCount * Probs * (1 - Probs);

        /// <summary>A sum over all counts, of batches that have one number of tries.</summary>
        public override Tensor Entropy()
        {
            double most = TotalCount.Max().Item();
            if (TotalCount.Min().Item() != most)
                throw new NotSupportedException("Binomial: the entropy of several numbers of tries is not known here.");
            long[] ones = [.. Enumerable.Repeat(1L, BatchShape.Length)];
            var counts = Tensor.Arange((long)most + 1, Probs.Device).To(Probs.DType).Reshape([-1, .. ones]);
            var log = LogDensity(counts);
            return -(log.Exp() * log).Sum(0);
        }

        private protected override Tensor? Within(Tensor value) => (value >= 0) & (value <= TotalCount) & Whole(value);

        private protected override string Support => "whole numbers from 0 to totalCount";

        private protected override Tensor LogDensity(Tensor value)
        {
            var count = value.To(Probs.DType);
            var ways = (TotalCount + 1).Lgamma() - (count + 1).Lgamma() - (TotalCount - count + 1).Lgamma();
            // The last is log(1 − p).
            return count * Logits + ways + TotalCount * F.LogSigmoid(-Logits);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Tensor.Binomial(TotalCount.Expand(shape), Probs.Expand(shape), generator);
    }

    /// <summary>Successes before as many failures.</summary>
    public sealed class NegativeBinomial : OfProbability
    {
        /// <param name="totalCount">Failures, above or at 0; need not be whole.</param>
        /// <param name="probs">Probabilities of a success, below 1; null where logits are given.</param>
        /// <param name="logits">Logarithms of its odds; null where probs are given.</param>
        /// <param name="validateArgs">Whether parameters and values are checked.</param>
        /// <exception cref="ArgumentException">Shapes that do not broadcast, a count below 0, no probability.</exception>
        public NegativeBinomial(
            Tensor totalCount,
            Tensor? probs = null,
            Tensor? logits = null,
            bool? validateArgs = null
        )
            : base(probs, logits, validateArgs, with: Tensor.Given(totalCount))
        {
            TotalCount = totalCount.To(Probs.DType).Expand(BatchShape.ToArray());
            Require("totalCount", TotalCount >= 0, "must be at least 0");
            if (probs is not null)
                Require("probs", Probs < 1, "must be below 1");
        }

        /// <inheritdoc cref="NegativeBinomial(Tensor, Tensor?, Tensor?, bool?)"/>
        public NegativeBinomial(double totalCount, double probs, bool? validateArgs = null)
            : this(Number(totalCount), Number(probs), null, validateArgs) { }

        public Tensor TotalCount { get; }

        public override Tensor Mean => TotalCount * Logits.Exp();

        public override Tensor Mode => ((TotalCount - 1) * Logits.Exp()).Floor().Clamp(min: 0);

        public override Tensor Variance => Mean / (-Logits).Sigmoid();

        private protected override Tensor? Within(Tensor value) => (value >= 0) & Whole(value);

        private protected override string Support => "whole numbers from 0 on";

        private protected override Tensor LogDensity(Tensor value)
        {
            var count = value.To(Probs.DType);
            var log = TotalCount * F.LogSigmoid(-Logits) + count * F.LogSigmoid(Logits);
            var ways = -(TotalCount + count).Lgamma() + (1 + count).Lgamma() + TotalCount.Lgamma();
            // Of no failures there is but the count 0.
            return log - ways.MaskedFill((TotalCount + count).Eq(0), 0);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            var rate = GammaDraw.Of(TotalCount.Expand(shape), generator) * Logits.Exp();
            return rate.Poisson(generator);
        }
    }

    /// <summary>How often each of several classes comes in as many tries.</summary>
    public sealed class Multinomial : Distribution
    {
        private readonly Categorical _classes;

        /// <param name="totalCount">Tries.</param>
        /// <param name="probs">[…, classes], which need not sum up to 1; null where logits are given.</param>
        /// <param name="logits">Their logarithms, up to a number; null where probs are given.</param>
        /// <param name="validateArgs">Whether parameters and values are checked.</param>
        /// <exception cref="ArgumentException">Neither or both, no classes, or negative probabilities.</exception>
        public Multinomial(long totalCount = 1, Tensor? probs = null, Tensor? logits = null, bool? validateArgs = null)
            : base(Leading("Multinomial", One(probs, logits)), validateArgs, [One(probs, logits).Size(-1)])
        {
            ArgumentOutOfRangeException.ThrowIfNegative(totalCount);
            (_classes, TotalCount) = (new(probs, logits, validateArgs), totalCount);
        }

        public long TotalCount { get; }

        public Tensor Probs => _classes.Probs;

        public Tensor Logits => _classes.Logits;

        public override bool HasRSample => false;

        public override Tensor Mean => Probs * (double)TotalCount;

        public override Tensor Variance => Mean * (1 - Probs);

        private protected override Tensor? Within(Tensor value) =>
            ((value >= 0) & Whole(value)).All(-1) & value.To(Probs.DType).Sum(-1).Eq((double)TotalCount);

        private protected override string Support => $"whole numbers from 0 on that add up to {TotalCount}";

        private protected override Tensor LogDensity(Tensor value)
        {
            var count = value.To(Probs.DType);
            long[] shape = Logits.SameShape("Multinomial", count);
            var (logits, counts) = (Logits.Expand(shape), count.Expand(shape));
            // 0 · −∞ is 0.
            logits = logits.MaskedFill(counts.Eq(0) & logits.Eq(double.NegativeInfinity), 0);
            return (counts.Sum(-1) + 1).Lgamma() - (counts + 1).Lgamma().Sum(-1) + (logits * counts).Sum(-1);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            var drawn = _classes.Sample([TotalCount, .. shape[..^(BatchShape.Length + 1)]], generator);
            return drawn.Unsqueeze(-1).Eq(Tensor.Arange(Probs.Size(-1), Probs.Device)).To(Probs.DType).Sum(0);
        }
    }
}
