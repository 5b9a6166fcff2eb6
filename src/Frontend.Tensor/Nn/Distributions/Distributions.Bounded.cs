using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>Numbers from low up to high, exclusive, all equally likely.</summary>
    public sealed class Uniform : Distribution
    {
        private Uniform(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Low, High) = (p[0], p[1]);
            Require("high - low", High > Low);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or low not below high.</exception>
        public Uniform(Tensor low, Tensor high, bool? validateArgs = null)
            : this(Together("Uniform", low, high), validateArgs) { }

        /// <inheritdoc cref="Uniform(Tensor, Tensor, bool?)"/>
        public Uniform(double low, double high, bool? validateArgs = null)
            : this(Number(low), Number(high), validateArgs) { }

        public Tensor Low { get; }

        public Tensor High { get; }

        public override Tensor Mean => (Low + High) / 2;

        /// <summary>NaN: there is none.</summary>
        public override Tensor Mode => Tensor.FullLike(High, double.NaN);

        public override Tensor Variance => (High - Low).Square() / 12;

        public override Tensor Entropy() => (High - Low).Log();

        public override Tensor Cdf(Tensor value) => ((Tensor.Given(value) - Low) / (High - Low)).Clamp(0, 1);

        public override Tensor Icdf(Tensor value) => Tensor.Given(value) * (High - Low) + Low;

        private protected override Tensor? Within(Tensor value) => (value >= Low) & (value <= High);

        private protected override string Support => "numbers from low to high";

        private protected override Tensor LogDensity(Tensor value) =>
            Tensor.Where((value >= Low) & (value < High), -(High - Low).Log(), double.NegativeInfinity);

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Low + Tensor.Rand(shape, generator, Low.DType, Low.Device) * (High - Low);
    }

    /// <summary>Numbers from 0 to 1 of a density xᵃ⁻¹ · (1 − x)ᵇ⁻¹ / B(a, b).</summary>
    public sealed class Beta : Distribution
    {
        private Beta(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Concentration1, Concentration0) = (p[0], p[1]);
            Require("concentration1", Concentration1 > 0);
            Require("concentration0", Concentration0 > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a parameter not above 0.</exception>
        public Beta(Tensor concentration1, Tensor concentration0, bool? validateArgs = null)
            : this(Together("Beta", concentration1, concentration0), validateArgs) { }

        /// <inheritdoc cref="Beta(Tensor, Tensor, bool?)"/>
        public Beta(double concentration1, double concentration0, bool? validateArgs = null)
            : this(Number(concentration1), Number(concentration0), validateArgs) { }

        /// <summary>Of x, often called alpha.</summary>
        public Tensor Concentration1 { get; }

        /// <summary>Of 1 − x, often called beta.</summary>
        public Tensor Concentration0 { get; }

        internal Tensor Total => Concentration1 + Concentration0;

        internal Tensor LogBeta => Concentration1.Lgamma() + Concentration0.Lgamma() - Total.Lgamma();

        public override Tensor Mean => Concentration1 / Total;

        public override Tensor Mode
        {
            get
            {
                // As of a Dirichlet distribution of two.
                var (a, b) = ((Concentration1 - 1).Clamp(min: 0), (Concentration0 - 1).Clamp(min: 0));
                var ends = (Concentration1 > Concentration0).To(a.DType);
                return Tensor.Where((Concentration1 < 1) & (Concentration0 < 1), ends, a / (a + b));
            }
        }

        public override Tensor Variance => Concentration1 * Concentration0 / (Total.Square() * (Total + 1));

        public override Tensor Entropy() =>
            LogBeta
            - (Concentration1 - 1) * Concentration1.Digamma()
            - (Concentration0 - 1) * Concentration0.Digamma()
            + (Total - 2) * Total.Digamma();

        private protected override Tensor? Within(Tensor value) => (value >= 0) & (value <= 1);

        private protected override string Support => "numbers from 0 to 1";

        private protected override Tensor LogDensity(Tensor value) =>
            (Concentration1 - 1).Xlogy(value) + (Concentration0 - 1).Xlogy(1 - value) - LogBeta;

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            var a = GammaDraw.LogOf(Concentration1.Expand(shape), generator);
            var b = GammaDraw.LogOf(Concentration0.Expand(shape), generator);
            return Inside((a - b).Sigmoid(), Concentration1.DType);
        }
    }

    /// <summary>Numbers of which 1 − (1 − xᵃ)ᵇ is uniform.</summary>
    public sealed class Kumaraswamy : Distribution
    {
        private Kumaraswamy(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Concentration1, Concentration0) = (p[0], p[1]);
            Require("concentration1", Concentration1 > 0);
            Require("concentration0", Concentration0 > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a parameter not above 0.</exception>
        public Kumaraswamy(Tensor concentration1, Tensor concentration0, bool? validateArgs = null)
            : this(Together("Kumaraswamy", concentration1, concentration0), validateArgs) { }

        /// <inheritdoc cref="Kumaraswamy(Tensor, Tensor, bool?)"/>
        public Kumaraswamy(double concentration1, double concentration0, bool? validateArgs = null)
            : this(Number(concentration1), Number(concentration0), validateArgs) { }

        public Tensor Concentration1 { get; }

        public Tensor Concentration0 { get; }

        public override Tensor Mean => Moment(1);

        public override Tensor Variance => Moment(2) - Moment(1).Square();

        public override Tensor Entropy()
        {
            // The harmonic number of b.
            var harmonic = (Concentration0 + 1).Digamma() + Gumbel.Euler;
            return 1
                - 1 / Concentration0
                + (1 - 1 / Concentration1) * harmonic
                - Concentration1.Log()
                - Concentration0.Log();
        }

        public override Tensor Cdf(Tensor value) =>
            1 - (1 - Tensor.Given(value).Pow(Concentration1)).Pow(Concentration0);

        public override Tensor Icdf(Tensor value) =>
            (1 - (1 - Tensor.Given(value)).Pow(1 / Concentration0)).Pow(1 / Concentration1);

        private Tensor Moment(int n)
        {
            var a = 1 + n / Concentration1;
            return (Concentration0.Log() + a.Lgamma() + Concentration0.Lgamma() - (a + Concentration0).Lgamma()).Exp();
        }

        private protected override Tensor? Within(Tensor value) => (value >= 0) & (value <= 1);

        private protected override string Support => "numbers from 0 to 1";

        private protected override Tensor LogDensity(Tensor value) =>
            Concentration1.Log()
            + Concentration0.Log()
            + (Concentration1 - 1).Xlogy(value)
            + Special.Xlog1py(Concentration0 - 1, -value.Pow(Concentration1));

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Icdf(NotZero(Tensor.Rand(shape, generator, Concentration1.DType, Concentration1.Device)));
    }

    /// <summary>Several numbers from 0 to 1 that add up to 1, of a density ∏ xᵢ^(aᵢ − 1) · Γ(Σ a) / ∏ Γ(aᵢ).</summary>
    public sealed class Dirichlet : Distribution
    {
        /// <param name="concentration">[…, k].</param>
        /// <param name="validateArgs">Whether parameters and values are checked.</param>
        /// <exception cref="ArgumentException">No dimension, or a concentration not above 0.</exception>
        public Dirichlet(Tensor concentration, bool? validateArgs = null)
            : base(Leading("Dirichlet", concentration), validateArgs, [concentration.Size(-1)])
        {
            Concentration = Together("Dirichlet", concentration)[0];
            Require("concentration", Concentration > 0);
        }

        public Tensor Concentration { get; }

        private Tensor Total => Concentration.Sum(-1, keepdim: true);

        public override Tensor Mean => Concentration / Total;

        public override Tensor Variance => Concentration * (Total - Concentration) / (Total.Square() * (Total + 1));

        public override Tensor Entropy()
        {
            double k = Concentration.Size(-1);
            var total = Concentration.Sum(-1);
            return Concentration.Lgamma().Sum(-1)
                - total.Lgamma()
                - (k - total) * total.Digamma()
                - ((Concentration - 1) * Concentration.Digamma()).Sum(-1);
        }

        private protected override Tensor? Within(Tensor value) =>
            (value >= 0).All(-1)
            & ((value.Sum(-1) - 1).Abs() < 1e-6 + 16 * Math.ScaleB(1, -value.DType.Info().Significand));

        private protected override string Support => "numbers from 0 to 1 that add up to 1";

        private protected override Tensor LogDensity(Tensor value) =>
            (Concentration - 1).Xlogy(value).Sum(-1) + Concentration.Sum(-1).Lgamma() - Concentration.Lgamma().Sum(-1);

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            var logarithms = GammaDraw.LogOf(Concentration.Expand(shape), generator);
            return Inside(logarithms.Softmax(-1), Concentration.DType);
        }
    }

    // As PyTorch, neither 0 nor 1, of which densities are infinite.
    private static Tensor Inside(Tensor drawn, DType type) =>
        drawn.To(type).Clamp(Distribution.LeastNormal(type), 1 - Math.ScaleB(1, -type.Info().Significand));

    // The batch in front of a last dimension.
    private static ReadOnlySpan<long> Leading(string what, Tensor t) =>
        Tensor.Given(t).Rank > 0 && t.Size(-1) > 0
            ? t.Layout.Sizes.AsSpan(..^1)
            : throw new ArgumentException(
                $"{what}: parameters have the shape {t.Shape}, but must have a last dimension of at least 1."
            );
}
