using Picograd.Algorithms;

namespace Picograd;

public static partial class Distributions
{
    /// <summary>Normal numbers of means and deviations.</summary>
    public sealed class Normal : Distribution
    {
        private Normal(Tensor[] p)
            : base(p[0].Layout.Sizes)
        {
            (Loc, Scale) = (p[0], p[1]);
            Require("Normal", "scale", Scale > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a scale not above 0.</exception>
        public Normal(Tensor loc, Tensor scale)
            : this(Together("Normal", loc, scale)) { }

        /// <inheritdoc cref="Normal(Tensor, Tensor)"/>
        public Normal(double loc, double scale)
            : this(Number(loc), Number(scale)) { }

        public Tensor Loc { get; }

        public Tensor Scale { get; }

        public override Tensor Mean => Loc;

        public override Tensor Variance => Scale.Square();

        public override Tensor LogProb(Tensor value) =>
            -((Tensor.Given(value) - Loc) / Scale).Square() / 2 - Scale.Log() - 0.5 * Math.Log(2 * Math.PI);

        public override Tensor Entropy() => Scale.Log() + (0.5 + 0.5 * Math.Log(2 * Math.PI));

        /// <summary>How likely a number is at most the value.</summary>
        public Tensor Cdf(Tensor value) => 0.5 * (1 + ((Tensor.Given(value) - Loc) / (Scale * Math.Sqrt(2))).Erf());

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Loc + Tensor.Randn(shape, generator, Loc.DType, Loc.Device) * Scale;
    }

    /// <summary>Numbers from low up to high, exclusive, all equally likely.</summary>
    public sealed class Uniform : Distribution
    {
        private Uniform(Tensor[] p)
            : base(p[0].Layout.Sizes)
        {
            (Low, High) = (p[0], p[1]);
            Require("Uniform", "high - low", High - Low > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or low not below high.</exception>
        public Uniform(Tensor low, Tensor high)
            : this(Together("Uniform", low, high)) { }

        /// <inheritdoc cref="Uniform(Tensor, Tensor)"/>
        public Uniform(double low, double high)
            : this(Number(low), Number(high)) { }

        public Tensor Low { get; }

        public Tensor High { get; }

        public override Tensor Mean => (Low + High) / 2;

        public override Tensor Variance => (High - Low).Square() / 12;

        public override Tensor LogProb(Tensor value)
        {
            var inside = (Tensor.Given(value) >= Low) & (value < High);
            var density = -(High - Low).Log();
            return Tensor.Where(
                inside,
                density,
                Tensor.Full([], double.NegativeInfinity, density.DType, density.Device)
            );
        }

        public override Tensor Entropy() => (High - Low).Log();

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            Low + Tensor.Rand(shape, generator, Low.DType, Low.Device) * (High - Low);
    }

    /// <summary>Numbers from 0 on of a density rate · e^(−rate · x).</summary>
    public sealed class Exponential : Distribution
    {
        /// <exception cref="ArgumentException">A rate not above 0.</exception>
        public Exponential(Tensor rate)
            : base(Tensor.Given(rate).Layout.Sizes)
        {
            Rate = Together("Exponential", rate)[0];
            Require("Exponential", "rate", Rate > 0);
        }

        /// <inheritdoc cref="Exponential(Tensor)"/>
        public Exponential(double rate)
            : this(Number(rate)) { }

        public Tensor Rate { get; }

        public override Tensor Mean => 1 / Rate;

        public override Tensor Variance => 1 / Rate.Square();

        public override Tensor LogProb(Tensor value) => Rate.Log() - Rate * Tensor.Given(value);

        public override Tensor Entropy() => 1 - Rate.Log();

        private protected override Tensor Draw(long[] shape, Generator? generator) =>
            -(-Tensor.Rand(shape, generator, Rate.DType, Rate.Device)).Log1p() / Rate;
    }

    /// <summary>Numbers of a density that falls on both sides of a place, e^(−|x − loc| / scale) / (2 · scale).</summary>
    public sealed class Laplace : Distribution
    {
        private Laplace(Tensor[] p)
            : base(p[0].Layout.Sizes)
        {
            (Loc, Scale) = (p[0], p[1]);
            Require("Laplace", "scale", Scale > 0);
        }

        /// <exception cref="ArgumentException">Shapes that do not broadcast, or a scale not above 0.</exception>
        public Laplace(Tensor loc, Tensor scale)
            : this(Together("Laplace", loc, scale)) { }

        /// <inheritdoc cref="Laplace(Tensor, Tensor)"/>
        public Laplace(double loc, double scale)
            : this(Number(loc), Number(scale)) { }

        public Tensor Loc { get; }

        public Tensor Scale { get; }

        public override Tensor Mean => Loc;

        public override Tensor Variance => 2 * Scale.Square();

        public override Tensor LogProb(Tensor value) => -(2 * Scale).Log() - (Tensor.Given(value) - Loc).Abs() / Scale;

        public override Tensor Entropy() => 1 + (2 * Scale).Log();

        private protected override Tensor Draw(long[] shape, Generator? generator)
        {
            // From −1/2 on; the sign says on which side.
            var u = Tensor.Rand(shape, generator, Loc.DType, Loc.Device) - 0.5;
            return Loc - Scale * u.Sign() * (-2 * u.Abs()).Clamp(min: -1 + 1e-7).Log1p();
        }
    }

    private static void Require(string what, string parameter, Tensor holds)
    {
        if (!holds.Device.IsMeta && holds.NumElements > 0 && holds.All().Item() == 0)
            throw new ArgumentException($"{what}: {parameter} must be above 0 everywhere.");
    }
}
