using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>What distributions of numbers from 0 on have in common.</summary>
    public abstract class Positive : Distribution
    {
        private protected Positive(ReadOnlySpan<long> batchShape, bool? validateArgs)
            : base(batchShape, validateArgs) { }

        private protected virtual bool FromZero => true;

        private protected sealed override Tensor? Within(Tensor value) => FromZero ? value >= 0 : value > 0;

        private protected sealed override string Support => FromZero ? "numbers from 0 on" : "numbers above 0";
    }

    /// <summary>Numbers from 0 on of a density rate · e^(−rate · x).</summary>
    public sealed class Exponential : Positive
    {
        /// <exception cref="ArgumentException">A rate not above 0.</exception>
        public Exponential(Tensor rate, bool? validateArgs = null)
            : base(Tensor.Given(rate).Layout.Sizes, validateArgs)
        {
            Rate = Together("Exponential", rate)[0];
            Require("rate", Rate > 0);
        }

        /// <inheritdoc cref="Exponential(Tensor, bool?)"/>
        public Exponential(double rate, bool? validateArgs = null)
            : this(Number(rate), validateArgs) { }

        public Tensor Rate { get; }

        public override Tensor Mean => 1 / Rate;

        public override Tensor Mode => Tensor.ZerosLike(Rate);

        public override Tensor Variance => 1 / Rate.Square();

        public override Tensor Entropy() => 1 - Rate.Log();

        public override Tensor Cdf(Tensor value) => -(-Rate * Tensor.Given(value)).Expm1();

        public override Tensor Icdf(Tensor value) => -(-Tensor.Given(value)).Log1p() / Rate;

        private protected override Tensor LogDensity(Tensor value) => Rate.Log() - Rate * value;

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            -(-Tensor.Rand(shape, generator, Rate.DType, Rate.Device)).Log1p() / Rate;
    }

    /// <summary>Numbers of a density rateᵃ · xᵃ⁻¹ · e^(−rate · x) / Γ(a) of a concentration a.</summary>
    public class Gamma : Positive
    {
        private protected Gamma(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Concentration, Rate) = (p[0], p[1]);
            Require("concentration", Concentration > 0);
            Require("rate", Rate > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a parameter not above 0.</exception>
        public Gamma(Tensor concentration, Tensor rate, bool? validateArgs = null)
            : this(Together("Gamma", concentration, rate), validateArgs) { }

        /// <inheritdoc cref="Gamma(Tensor, Tensor, bool?)"/>
        public Gamma(double concentration, double rate, bool? validateArgs = null)
            : this(Number(concentration), Number(rate), validateArgs) { }

        public Tensor Concentration { get; }

        public Tensor Rate { get; }

        public override Tensor Mean => Concentration / Rate;

        public override Tensor Mode => ((Concentration - 1) / Rate).Clamp(min: 0);

        public override Tensor Variance => Concentration / Rate.Square();

        public override Tensor Entropy() =>
            Concentration - Rate.Log() + Concentration.Lgamma() + (1 - Concentration) * Concentration.Digamma();

        /// <summary>
        /// How likely a number is at most the value. On the host, in float64; with gradients by value and rate, but not by the concentration.
        /// </summary>
        public override Tensor Cdf(Tensor value)
        {
            CheckValue("Cdf", Tensor.Given(value));
            return Concentration.Igamma(Rate * value);
        }

        private protected override Tensor LogDensity(Tensor value) =>
            Concentration.Xlogy(Rate) + (Concentration - 1).Xlogy(value) - Rate * value - Concentration.Lgamma();

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            GammaDraw.Of(Concentration.Expand(shape), generator) / Rate;
    }

    /// <summary>Sums of squares of as many normal numbers as there are degrees of freedom.</summary>
    /// <exception cref="ArgumentException">df not above 0.</exception>
    public sealed class Chi2(Tensor df, bool? validateArgs = null)
        : Gamma(Together("Chi2", Tensor.Given(df) / 2, Number(0.5)), validateArgs)
    {
        /// <inheritdoc cref="Chi2(Tensor, bool?)"/>
        public Chi2(double df, bool? validateArgs = null)
            : this(Number(df), validateArgs) { }

        public Tensor Df => Concentration * 2;
    }

    /// <summary>Reciprocals of numbers of a <see cref="Gamma"/> distribution.</summary>
    public sealed class InverseGamma : Positive
    {
        private InverseGamma(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Concentration, Rate) = (p[0], p[1]);
            Require("concentration", Concentration > 0);
            Require("rate", Rate > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a parameter not above 0.</exception>
        public InverseGamma(Tensor concentration, Tensor rate, bool? validateArgs = null)
            : this(Together("InverseGamma", concentration, rate), validateArgs) { }

        /// <inheritdoc cref="InverseGamma(Tensor, Tensor, bool?)"/>
        public InverseGamma(double concentration, double rate, bool? validateArgs = null)
            : this(Number(concentration), Number(rate), validateArgs) { }

        public Tensor Concentration { get; }

        public Tensor Rate { get; }

        public override Tensor Mean =>
            Tensor.Where(Concentration > 1, Rate / (Concentration - 1), double.PositiveInfinity);

        public override Tensor Mode => Rate / (Concentration + 1);

        public override Tensor Variance =>
            Tensor.Where(
                Concentration > 2,
                Rate.Square() / ((Concentration - 1).Square() * (Concentration - 2)),
                double.PositiveInfinity
            );

        public override Tensor Entropy() =>
            Concentration + Rate.Log() + Concentration.Lgamma() - (1 + Concentration) * Concentration.Digamma();

        private protected override bool FromZero => false;

        private protected override Tensor LogDensity(Tensor value) =>
            Concentration.Xlogy(Rate) - (Concentration + 1) * value.Log() - Rate / value - Concentration.Lgamma();

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Rate / GammaDraw.Of(Concentration.Expand(shape), generator);
    }

    /// <summary>|x| of normal numbers of mean 0.</summary>
    public sealed class HalfNormal : Positive
    {
        /// <exception cref="ArgumentException">A scale not above 0.</exception>
        public HalfNormal(Tensor scale, bool? validateArgs = null)
            : base(Tensor.Given(scale).Layout.Sizes, validateArgs)
        {
            Scale = Together("HalfNormal", scale)[0];
            Require("scale", Scale > 0);
        }

        /// <inheritdoc cref="HalfNormal(Tensor, bool?)"/>
        public HalfNormal(double scale, bool? validateArgs = null)
            : this(Number(scale), validateArgs) { }

        public Tensor Scale { get; }

        public override Tensor Mean => Scale * Math.Sqrt(2 / Math.PI);

        public override Tensor Mode => Tensor.ZerosLike(Scale);

        public override Tensor Variance => Scale.Square() * (1 - 2 / Math.PI);

        public override Tensor Entropy() => Scale.Log() + (0.5 + 0.5 * Math.Log(2 * Math.PI) - Math.Log(2));

        public override Tensor Cdf(Tensor value) => (Tensor.Given(value) / (Scale * Math.Sqrt(2))).Erf();

        public override Tensor Icdf(Tensor value) => Tensor.Given(value).Erfinv() * Scale * Math.Sqrt(2);

        private protected override Tensor LogDensity(Tensor value)
        {
            var density = -(value / Scale).Square() / 2 - Scale.Log() + (Math.Log(2) - 0.5 * Math.Log(2 * Math.PI));
            return Tensor.Where(value >= 0, density, double.NegativeInfinity);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Tensor.Randn(shape, generator, Scale.DType, Scale.Device).Abs() * Scale;
    }

    /// <summary>|x| of numbers of a <see cref="Cauchy"/> distribution around 0.</summary>
    public sealed class HalfCauchy : Positive
    {
        /// <exception cref="ArgumentException">A scale not above 0.</exception>
        public HalfCauchy(Tensor scale, bool? validateArgs = null)
            : base(Tensor.Given(scale).Layout.Sizes, validateArgs)
        {
            Scale = Together("HalfCauchy", scale)[0];
            Require("scale", Scale > 0);
        }

        /// <inheritdoc cref="HalfCauchy(Tensor, bool?)"/>
        public HalfCauchy(double scale, bool? validateArgs = null)
            : this(Number(scale), validateArgs) { }

        public Tensor Scale { get; }

        public override Tensor Mean => Tensor.FullLike(Scale, double.PositiveInfinity);

        public override Tensor Mode => Tensor.ZerosLike(Scale);

        public override Tensor Variance => Tensor.FullLike(Scale, double.PositiveInfinity);

        public override Tensor Entropy() => Math.Log(2 * Math.PI) + Scale.Log();

        public override Tensor Cdf(Tensor value) => (Tensor.Given(value) / Scale).Atan() * (2 / Math.PI);

        public override Tensor Icdf(Tensor value) => (Tensor.Given(value) * (Math.PI / 2)).Tan() * Scale;

        private protected override Tensor LogDensity(Tensor value)
        {
            var density = Math.Log(2 / Math.PI) - Scale.Log() - (value / Scale).Square().Log1p();
            return Tensor.Where(value >= 0, density, double.NegativeInfinity);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            (Tensor.Rand(shape, generator, Scale.DType, Scale.Device) * (Math.PI / 2)).Tan() * Scale;
    }

    /// <summary>Numbers of which (x / scale) to the power of a concentration is exponential of rate 1.</summary>
    public sealed class Weibull : Positive
    {
        private Weibull(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Scale, Concentration) = (p[0], p[1]);
            Require("scale", Scale > 0);
            Require("concentration", Concentration > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a parameter not above 0.</exception>
        public Weibull(Tensor scale, Tensor concentration, bool? validateArgs = null)
            : this(Together("Weibull", scale, concentration), validateArgs) { }

        /// <inheritdoc cref="Weibull(Tensor, Tensor, bool?)"/>
        public Weibull(double scale, double concentration, bool? validateArgs = null)
            : this(Number(scale), Number(concentration), validateArgs) { }

        public Tensor Scale { get; }

        public Tensor Concentration { get; }

        public override Tensor Mean => Scale * (1 + 1 / Concentration).Lgamma().Exp();

        public override Tensor Mode =>
            Scale * (((Concentration - 1) / Concentration).Clamp(min: 0)).Pow(1 / Concentration);

        public override Tensor Variance =>
            Scale.Square() * ((1 + 2 / Concentration).Lgamma().Exp() - (2 * (1 + 1 / Concentration).Lgamma()).Exp());

        public override Tensor Entropy() => Gumbel.Euler * (1 - 1 / Concentration) + (Scale / Concentration).Log() + 1;

        public override Tensor Cdf(Tensor value) => -(-(Tensor.Given(value) / Scale).Pow(Concentration)).Expm1();

        public override Tensor Icdf(Tensor value) => Scale * (-(-Tensor.Given(value)).Log1p()).Pow(1 / Concentration);

        private protected override bool FromZero => false;

        private protected override Tensor LogDensity(Tensor value)
        {
            var ratio = value / Scale;
            return (Concentration / Scale).Log() + (Concentration - 1) * ratio.Log() - ratio.Pow(Concentration);
        }

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            NotZero(
                Scale
                    * (-(-NotZero(Tensor.Rand(shape, generator, Scale.DType, Scale.Device))).Log1p()).Pow(
                        1 / Concentration
                    )
            );
    }

    /// <summary>Numbers from scale on of a density alpha · scaleᵃ / xᵃ⁺¹.</summary>
    public sealed class Pareto : Distribution
    {
        private Pareto(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Scale, Alpha) = (p[0], p[1]);
            Require("scale", Scale > 0);
            Require("alpha", Alpha > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a parameter not above 0.</exception>
        public Pareto(Tensor scale, Tensor alpha, bool? validateArgs = null)
            : this(Together("Pareto", scale, alpha), validateArgs) { }

        /// <inheritdoc cref="Pareto(Tensor, Tensor, bool?)"/>
        public Pareto(double scale, double alpha, bool? validateArgs = null)
            : this(Number(scale), Number(alpha), validateArgs) { }

        public Tensor Scale { get; }

        public Tensor Alpha { get; }

        public override Tensor Mean => Tensor.Where(Alpha > 1, Alpha * Scale / (Alpha - 1), double.PositiveInfinity);

        public override Tensor Mode => Scale;

        public override Tensor Variance =>
            Tensor.Where(
                Alpha > 2,
                Scale.Square() * Alpha / ((Alpha - 1).Square() * (Alpha - 2)),
                double.PositiveInfinity
            );

        public override Tensor Entropy() => (Scale / Alpha).Log() + (1 + 1 / Alpha);

        public override Tensor Cdf(Tensor value) => 1 - (Scale / Tensor.Given(value)).Pow(Alpha);

        public override Tensor Icdf(Tensor value) => Scale * (1 - Tensor.Given(value)).Pow(-1 / Alpha);

        private protected override Tensor? Within(Tensor value) => value >= Scale;

        private protected override string Support => "numbers from scale on";

        private protected override Tensor LogDensity(Tensor value) =>
            Alpha.Log() + Alpha * Scale.Log() - (Alpha + 1) * value.Log();

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Scale * (1 - Tensor.Rand(shape, generator, Scale.DType, Scale.Device)).Pow(-1 / Alpha);
    }
}
