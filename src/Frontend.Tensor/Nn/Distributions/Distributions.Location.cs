using Picograd.Algorithms;

namespace Picograd;

/// <summary>Distributions by name (PyTorch's torch.distributions), and how far one is from another.</summary>
public static partial class Distributions
{
    /// <summary>What distributions of a place and a width have in common.</summary>
    public abstract class LocationScale : Distribution
    {
        private protected LocationScale(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Loc, Scale) = (p[0], p[1]);
            RequireNumbers("loc", Loc);
            Require("scale", Scale > 0);
        }

        public Tensor Loc { get; }

        public Tensor Scale { get; }

        private protected Tensor Standard(Tensor value) => (Tensor.Given(value) - Loc) / Scale;

        // Numbers of 16 bits have too few digits for what is near 0 or 1.
        private protected Tensor Uniform(long[] shape, Generator? generator) =>
            Tensor.Rand(shape, generator, Loc.DType.Compute(), Loc.Device);
    }

    /// <summary>Normal numbers of means and deviations.</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast, or a scale not above 0.</exception>
    public sealed class Normal(Tensor loc, Tensor scale, bool? validateArgs = null)
        : LocationScale(Together("Normal", loc, scale), validateArgs)
    {
        /// <inheritdoc cref="Normal(Tensor, Tensor, bool?)"/>
        public Normal(double loc, double scale, bool? validateArgs = null)
            : this(Number(loc), Number(scale), validateArgs) { }

        public override Tensor Mean => Loc;

        public override Tensor Mode => Loc;

        public override Tensor Variance => Scale.Square();

        public override Tensor Entropy() => Scale.Log() + (0.5 + 0.5 * Math.Log(2 * Math.PI));

        public override Tensor Cdf(Tensor value) => 0.5 * (1 + (Standard(value) / Math.Sqrt(2)).Erf());

        public override Tensor Icdf(Tensor value) =>
            Loc + Scale * (2 * Tensor.Given(value) - 1).Erfinv() * Math.Sqrt(2);

        private protected override Tensor LogDensity(Tensor value) =>
            -Standard(value).Square() / 2 - Scale.Log() - 0.5 * Math.Log(2 * Math.PI);

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Loc + Tensor.Randn(shape, generator, Loc.DType, Loc.Device) * Scale;
    }

    /// <summary>Numbers whose logarithms are normal.</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast, or a scale not above 0.</exception>
    public sealed class LogNormal(Tensor loc, Tensor scale, bool? validateArgs = null)
        : LocationScale(Together("LogNormal", loc, scale), validateArgs)
    {
        /// <inheritdoc cref="LogNormal(Tensor, Tensor, bool?)"/>
        public LogNormal(double loc, double scale, bool? validateArgs = null)
            : this(Number(loc), Number(scale), validateArgs) { }

        public override Tensor Mean => (Loc + Scale.Square() / 2).Exp();

        public override Tensor Mode => (Loc - Scale.Square()).Exp();

        public override Tensor Variance => Scale.Square().Expm1() * (2 * Loc + Scale.Square()).Exp();

        public override Tensor Entropy() => Scale.Log() + (0.5 + 0.5 * Math.Log(2 * Math.PI)) + Loc;

        public override Tensor Cdf(Tensor value) =>
            0.5 * (1 + (Standard(Tensor.Given(value).Log()) / Math.Sqrt(2)).Erf());

        public override Tensor Icdf(Tensor value) =>
            (Loc + Scale * (2 * Tensor.Given(value) - 1).Erfinv() * Math.Sqrt(2)).Exp();

        private protected override Tensor LogDensity(Tensor value)
        {
            var log = value.Log();
            return -Standard(log).Square() / 2 - Scale.Log() - 0.5 * Math.Log(2 * Math.PI) - log;
        }

        private protected override Tensor? Within(Tensor value) => value > 0;

        private protected override string Support => "numbers above 0";

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            (Loc + Tensor.Randn(shape, generator, Loc.DType, Loc.Device) * Scale).Exp();
    }

    /// <summary>Numbers of a density that falls on both sides of a place, e^(−|x − loc| / scale) / (2 · scale).</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast, or a scale not above 0.</exception>
    public sealed class Laplace(Tensor loc, Tensor scale, bool? validateArgs = null)
        : LocationScale(Together("Laplace", loc, scale), validateArgs)
    {
        /// <inheritdoc cref="Laplace(Tensor, Tensor, bool?)"/>
        public Laplace(double loc, double scale, bool? validateArgs = null)
            : this(Number(loc), Number(scale), validateArgs) { }

        public override Tensor Mean => Loc;

        public override Tensor Mode => Loc;

        public override Tensor Variance => 2 * Scale.Square();

        public override Tensor Entropy() => 1 + (2 * Scale).Log();

        public override Tensor Cdf(Tensor value)
        {
            var t = Standard(value);
            return 0.5 - 0.5 * t.Sign() * (-t.Abs()).Expm1();
        }

        public override Tensor Icdf(Tensor value)
        {
            var t = Tensor.Given(value) - 0.5;
            return Loc - Scale * t.Sign() * (-2 * t.Abs()).Log1p();
        }

        private protected override Tensor LogDensity(Tensor value) => -(2 * Scale).Log() - (value - Loc).Abs() / Scale;

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            // From −1/2 on; the sign says on which side.
            var u = Uniform(shape, generator) - 0.5;
            double most = 1 - Math.ScaleB(1, -u.DType.Info().Significand);
            return Loc - Scale * (u.Sign() * (-2 * u.Abs()).Clamp(min: -most).Log1p()).To(Loc.DType);
        }
    }

    /// <summary>Numbers of a density 1 / (π · scale · (1 + ((x − loc) / scale)²)), which have no mean.</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast, or a scale not above 0.</exception>
    public sealed class Cauchy(Tensor loc, Tensor scale, bool? validateArgs = null)
        : LocationScale(Together("Cauchy", loc, scale), validateArgs)
    {
        /// <inheritdoc cref="Cauchy(Tensor, Tensor, bool?)"/>
        public Cauchy(double loc, double scale, bool? validateArgs = null)
            : this(Number(loc), Number(scale), validateArgs) { }

        public override Tensor Mean => Tensor.FullLike(Loc, double.NaN);

        public override Tensor Mode => Loc;

        public override Tensor Variance => Tensor.FullLike(Loc, double.PositiveInfinity);

        public override Tensor Entropy() => Math.Log(4 * Math.PI) + Scale.Log();

        public override Tensor Cdf(Tensor value) => Standard(value).Atan() / Math.PI + 0.5;

        public override Tensor Icdf(Tensor value) => (Math.PI * (Tensor.Given(value) - 0.5)).Tan() * Scale + Loc;

        private protected override Tensor LogDensity(Tensor value) =>
            -Math.Log(Math.PI) - Scale.Log() - Standard(value).Square().Log1p();

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Loc + (Math.PI * (Uniform(shape, generator) - 0.5)).Tan().To(Loc.DType) * Scale;
    }

    /// <summary>The largest of many numbers: e^(−(z + e⁻ᶻ)) / scale with z = (x − loc) / scale.</summary>
    /// <exception cref="ArgumentException">Shapes that do not broadcast, or a scale not above 0.</exception>
    public sealed class Gumbel(Tensor loc, Tensor scale, bool? validateArgs = null)
        : LocationScale(Together("Gumbel", loc, scale), validateArgs)
    {
        internal const double Euler = 0.57721566490153286060;

        /// <inheritdoc cref="Gumbel(Tensor, Tensor, bool?)"/>
        public Gumbel(double loc, double scale, bool? validateArgs = null)
            : this(Number(loc), Number(scale), validateArgs) { }

        public override Tensor Mean => Loc + Scale * Euler;

        public override Tensor Mode => Loc;

        public override Tensor Variance => Scale.Square() * (Math.PI * Math.PI / 6);

        public override Tensor Entropy() => Scale.Log() + (1 + Euler);

        public override Tensor Cdf(Tensor value) => (-(-Standard(value)).Exp()).Exp();

        public override Tensor Icdf(Tensor value) => Loc - Scale * (-Tensor.Given(value).Log()).Log();

        private protected override Tensor LogDensity(Tensor value)
        {
            var z = Standard(value);
            return -z - (-z).Exp() - Scale.Log();
        }

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            // Below 1 by itself.
            var u = NotZero(Uniform(shape, generator));
            return Loc - Scale * (-u.Log()).Log().To(Loc.DType);
        }
    }

    /// <summary>Student's t of some degrees of freedom, moved and scaled.</summary>
    public sealed class StudentT : Distribution
    {
        private StudentT(Tensor[] p, bool? validateArgs)
            : base(p[0].Layout.Sizes, validateArgs)
        {
            (Df, Loc, Scale) = (p[0], p[1], p[2]);
            Require("df", Df > 0);
            RequireNumbers("loc", Loc);
            Require("scale", Scale > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or df or scale not above 0.</exception>
        public StudentT(Tensor df, Tensor? loc = null, Tensor? scale = null, bool? validateArgs = null)
            : this(Together("StudentT", df, loc ?? Number(0), scale ?? Number(1)), validateArgs) { }

        /// <inheritdoc cref="StudentT(Tensor, Tensor?, Tensor?, bool?)"/>
        public StudentT(double df, double loc = 0, double scale = 1, bool? validateArgs = null)
            : this(Number(df), Number(loc), Number(scale), validateArgs) { }

        public Tensor Df { get; }

        public Tensor Loc { get; }

        public Tensor Scale { get; }

        public override Tensor Mean => Tensor.Where(Df <= 1, double.NaN, Loc);

        public override Tensor Mode => Loc;

        public override Tensor Variance =>
            Tensor.Where(
                Df > 2,
                Scale.Square() * Df / (Df - 2),
                Tensor.Where(Df > 1, Tensor.FullLike(Df, double.PositiveInfinity), Tensor.FullLike(Df, double.NaN))
            );

        public override Tensor Entropy()
        {
            var beta = (Df / 2).Lgamma() + Math.Log(Math.PI) / 2 - ((Df + 1) / 2).Lgamma();
            return Scale.Log() + (Df + 1) / 2 * (((Df + 1) / 2).Digamma() - (Df / 2).Digamma()) + Df.Log() / 2 + beta;
        }

        private protected override Tensor LogDensity(Tensor value)
        {
            var y = (value - Loc) / Scale;
            var z = Scale.Log() + Df.Log() / 2 + Math.Log(Math.PI) / 2 + (Df / 2).Lgamma() - ((Df + 1) / 2).Lgamma();
            return -(Df + 1) / 2 * (y.Square() / Df).Log1p() - z;
        }

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            var x = Tensor.Randn(shape, generator, Df.DType, Df.Device);
            // A chi-square number.
            var z = 2 * GammaDraw.Of((Df / 2).Expand(shape), generator);
            return Loc + Scale * x * (z / Df).Rsqrt();
        }
    }
}
