using Xunit;

namespace Picograd.Tests;

/// <summary>Densities add up to 1, and means, variances, entropies, divergences and what is drawn are those of the densities.</summary>
public class DistributionTests
{
    private static Tensor T(double value) => Tensor.Full([], value, DType.Float64);

    // Parameters, the range in which nearly all of it lies, and whether that is without ends.
    private static readonly Dictionary<
        string,
        (Func<Tensor[], Distribution> New, double[] Parameters, double Low, double High)
    > Continuous = new()
    {
        ["Normal"] = (p => new Distributions.Normal(p[0], p[1]), [0.5, 1.5], -20, 20),
        ["LogNormal"] = (p => new Distributions.LogNormal(p[0], p[1]), [0.2, 0.4], 0, 30),
        ["Laplace"] = (p => new Distributions.Laplace(p[0], p[1]), [1, 0.5], -20, 22),
        ["Gumbel"] = (p => new Distributions.Gumbel(p[0], p[1]), [0.3, 0.8], -6, 40),
        ["StudentT"] = (p => new Distributions.StudentT(p[0], p[1], p[2]), [9, 0.5, 1.2], -150, 150),
        ["Exponential"] = (p => new Distributions.Exponential(p[0]), [1.7], 0, 30),
        ["Gamma"] = (p => new Distributions.Gamma(p[0], p[1]), [2.5, 1.3], 0, 60),
        ["Chi2"] = (p => new Distributions.Chi2(p[0]), [5], 0, 120),
        ["InverseGamma"] = (p => new Distributions.InverseGamma(p[0], p[1]), [6, 2], 0, 400),
        ["HalfNormal"] = (p => new Distributions.HalfNormal(p[0]), [1.4], 0, 20),
        ["Weibull"] = (p => new Distributions.Weibull(p[0], p[1]), [1.2, 1.6], 0, 20),
        ["Pareto"] = (p => new Distributions.Pareto(p[0], p[1]), [1.5, 6], 1.5, 900),
        ["Uniform"] = (p => new Distributions.Uniform(p[0], p[1]), [-1, 3], -1, 3),
        ["Beta"] = (p => new Distributions.Beta(p[0], p[1]), [2.5, 1.5], 0, 1),
        ["Kumaraswamy"] = (p => new Distributions.Kumaraswamy(p[0], p[1]), [2.5, 1.5], 0, 1),
    };

    private static readonly Dictionary<string, (Distribution Of, int Most)> Discrete = new()
    {
        ["Bernoulli"] = (new Distributions.Bernoulli(T(0.3)), 1),
        ["Geometric"] = (new Distributions.Geometric(T(0.3)), 400),
        ["Poisson"] = (new Distributions.Poisson(T(3.7)), 80),
        ["Binomial"] = (new Distributions.Binomial(T(9), T(0.35)), 9),
        ["NegativeBinomial"] = (new Distributions.NegativeBinomial(T(3.5), T(0.4)), 400),
    };

    public static TheoryData<string> ContinuousNames => [.. Continuous.Keys];

    public static TheoryData<string> DiscreteNames => [.. Discrete.Keys];

    private static Distribution New(string name)
    {
        var (make, parameters, _, _) = Continuous[name];
        return make([.. parameters.Select(T)]);
    }

    private static void Near(double expected, Tensor actual)
    {
        double within = 1e-3 * Math.Max(1, Math.Abs(expected));
        Assert.InRange(actual.Item(), expected - within, expected + within);
    }

    // Points and weights: midpoints, closer together at the low end.
    private static (Tensor X, Tensor Weight) Grid(double low, double high)
    {
        const int Count = 40_000;
        var t = (Tensor.Arange(Count).To(DType.Float64) + 0.5) / Count;
        bool isWide = high - low > 50;
        return isWide && low >= 0
            ? (low + (high - low) * t.Pow(3), (high - low) * 3 * t.Square() / Count)
            : (low + (high - low) * t, Tensor.FullLike(t, (high - low) / Count));
    }

    [Theory]
    [MemberData(nameof(ContinuousNames))]
    public void Numbers_are_those_of_the_density(string name)
    {
        var of = New(name);
        var (x, weight) = Grid(Continuous[name].Low, Continuous[name].High);
        var log = of.LogProb(x);
        var p = log.Exp() * weight;
        Near(1, p.Sum());
        double mean = (p * x).Sum().Item();
        Near(mean, of.Mean);
        Near((p * (x - mean).Square()).Sum().Item(), of.Variance);
        Near(-(p * log).Sum().Item(), of.Entropy());
        if (name is not ("Uniform" or "Kumaraswamy"))
        {
            double best = log.Max().Item();
            Assert.True(of.LogProb(of.Mode.Clamp(min: Continuous[name].Low + 1e-9)).Item() >= best - 1e-4);
        }
        if (name is "StudentT" or "InverseGamma" or "Beta")
            return;
        int middle = 17_000;
        var at = x[middle];
        double below = p.Narrow(0, 0, middle).Sum().Item() + p[middle].Item() / 2;
        Near(below, of.Cdf(at));
        if (name is not ("Gamma" or "Chi2") && below is > 1e-3 and < 0.999)
            Near(at.Item(), of.Icdf(of.Cdf(at)));
    }

    [Theory]
    [MemberData(nameof(ContinuousNames))]
    public void What_is_drawn_is_spread_so_and_has_gradients(string name)
    {
        var (make, values, _, _) = Continuous[name];
        var of = New(name);
        const int Count = 20_000;
        double[] drawn = of.Sample([Count], new Generator(5)).ToDoubles();
        var (mean, deviation) = (of.Mean.Item(), of.Stddev.Item());
        Assert.InRange(drawn.Average() - mean, -5 * deviation / Math.Sqrt(Count), 5 * deviation / Math.Sqrt(Count));
        Assert.Equal(1, drawn.Select(d => Math.Pow((d - mean) / deviation, 2)).Average(), 0.35);
        // The same uniform numbers, with a parameter a little off.
        Tensor[] Parameters(int at, double by) =>
            [.. values.Select((v, j) => Tensor.Full([50], j == at ? v + by : v, DType.Float64))];
        double[] Draw(int at, double by) => make(Parameters(at, by)).RSample(generator: new Generator(6)).ToDoubles();
        Tensor[] parameters = [.. Parameters(-1, 0).Select(p => p.RequiresGrad_())];
        make(parameters).RSample(generator: new Generator(6)).Sum().Backward();
        for (int i = 0; i < values.Length; i++)
        {
            double[] slopes = [.. Draw(i, 1e-5).Zip(Draw(i, -1e-5), (a, b) => (a - b) / 2e-5)];
            Assert.All(
                slopes.Zip(parameters[i].Grad!.ToDoubles()),
                p =>
                    Assert.InRange(
                        p.Second - p.First,
                        -1e-4 - 1e-4 * Math.Abs(p.First),
                        1e-4 + 1e-4 * Math.Abs(p.First)
                    )
            );
        }
    }

    [Theory]
    [InlineData(0.02)]
    [InlineData(0.7)]
    [InlineData(1.0)]
    [InlineData(30.0)]
    [InlineData(5000.0)]
    public void Gamma_numbers_and_their_slopes_of_any_concentration(double concentration)
    {
        var of = new Distributions.Gamma(T(concentration), T(1));
        double[] drawn = of.Sample([4000], new Generator(8)).ToDoubles();
        Assert.All(drawn, d => Assert.True(d > 0 && double.IsFinite(d)));
        double error = 5 * Math.Sqrt(concentration / 4000);
        Assert.InRange(drawn.Average() - concentration, -error, error);
        // Where the distribution function of what is drawn is uniform.
        double[] u = of.Cdf(of.Sample([4000], new Generator(9))).ToDoubles();
        Assert.InRange(u.Average(), 0.47, 0.53);
        Tensor Full(double value) => Tensor.Full([200], value, DType.Float64);
        var a = Full(concentration).RequiresGrad_();
        new Distributions.Gamma(a, Full(1)).RSample(generator: new Generator(10)).Sum().Backward();
        double h = concentration * 1e-5;
        double At(double c) =>
            new Distributions.Gamma(Full(c), Full(1)).Sample(generator: new Generator(10)).Sum().Item();
        double slope = (At(concentration + h) - At(concentration - h)) / (2 * h);
        Assert.InRange(a.Grad!.Sum().Item() / slope, 0.999, 1.001);
    }

    [Theory]
    [MemberData(nameof(DiscreteNames))]
    public void Numbers_are_those_of_the_probabilities(string name)
    {
        var (of, most) = Discrete[name];
        var x = Tensor.Arange(most + 1).To(DType.Float64);
        var log = of.LogProb(x);
        var p = log.Exp();
        Assert.Equal(1, p.Sum().Item(), 6);
        double mean = (p * x).Sum().Item();
        Assert.Equal(mean, of.Mean.Item(), 5);
        Assert.Equal((p * (x - mean).Square()).Sum().Item(), of.Variance.Item(), 5);
        Assert.Equal(x[p.ArgMax().Item<long>()].Item(), of.Mode.Item());
        if (name is "Bernoulli" or "Geometric" or "Binomial")
            Assert.Equal(-p.Xlogy(p).Sum().Item(), of.Entropy().Item(), 5);
        double[] drawn = of.Sample([10_000], new Generator(3)).ToDoubles();
        Assert.InRange(drawn.Average() - mean, -0.05 * of.Stddev.Item(), 0.05 * of.Stddev.Item());
        Assert.All(drawn, d => Assert.True(d >= 0 && d == Math.Floor(d)));
        Assert.Throws<NotSupportedException>(() => of.RSample());
        Assert.Throws<ArgumentException>(() => of.LogProb(T(0.5)));
        Assert.Throws<ArgumentException>(() => of.LogProb(T(-1)));
    }

    [Fact]
    public void Divergences_are_those_of_the_densities()
    {
        var pairs = new (Distribution P, Distribution Q, double Low, double High)[]
        {
            (New("Normal"), new Distributions.Normal(T(-1), T(2)), -15, 15),
            (New("LogNormal"), new Distributions.LogNormal(T(0), T(0.5)), 0, 25),
            (New("HalfNormal"), new Distributions.HalfNormal(T(2)), 0, 14),
            (New("Exponential"), new Distributions.Exponential(T(0.8)), 0, 20),
            (New("Exponential"), New("Gamma"), 0, 20),
            (New("Gamma"), New("Exponential"), 0, 30),
            (New("Gamma"), new Distributions.Gamma(T(1.5), T(0.7)), 0, 40),
            (New("Laplace"), new Distributions.Laplace(T(0), T(0.9)), -12, 14),
            (New("Laplace"), New("Normal"), -12, 14),
            (New("Normal"), New("Laplace"), -15, 15),
            (New("Gumbel"), new Distributions.Gumbel(T(-0.2), T(1)), -5, 30),
            (New("Pareto"), new Distributions.Pareto(T(1), T(4)), 1.5, 200),
            (New("Beta"), new Distributions.Beta(T(1.2), T(2)), 0, 1),
            (New("Uniform"), new Distributions.Uniform(T(-2), T(4)), -1, 3),
            (New("Uniform"), New("Normal"), -1, 3),
        };
        foreach (var (p, q, low, high) in pairs)
        {
            var (x, weight) = Grid(low, high);
            var log = p.LogProb(x);
            double expected = (log.Exp() * weight * (log - q.LogProb(x))).Sum().Item();
            Assert.InRange(Distributions.KlDivergence(p, q).Item() - expected, -2e-3, 2e-3);
            Assert.Equal(0, Distributions.KlDivergence(p, p).Item(), 6);
        }
        var others = new Dictionary<string, Distribution>
        {
            ["Bernoulli"] = new Distributions.Bernoulli(T(0.6)),
            ["Geometric"] = new Distributions.Geometric(T(0.5)),
            ["Poisson"] = new Distributions.Poisson(T(2)),
            ["Binomial"] = new Distributions.Binomial(T(9), T(0.5)),
        };
        foreach (var (name, q) in others)
        {
            var (p, most) = Discrete[name];
            var x = Tensor.Arange(most + 1).To(DType.Float64);
            var log = p.LogProb(x);
            double expected = (log.Exp() * (log - q.LogProb(x))).Sum().Item();
            Assert.Equal(expected, Distributions.KlDivergence(p, q).Item(), 6);
        }
        // ∫ of Cauchy distributions converges too slowly; (s + t)² + d² over 4 · s · t (Chyzak and Nielsen, 2019).
        var cauchy = Distributions.KlDivergence(
            new Distributions.Cauchy(T(1), T(2)),
            new Distributions.Cauchy(T(0), T(3))
        );
        Assert.Equal(Math.Log(26.0 / 24), cauchy.Item(), 9);
        Assert.Throws<NotSupportedException>(() => Distributions.KlDivergence(New("Beta"), New("Normal")));
    }

    [Fact]
    public void Divergences_of_what_cannot_be_are_infinite_or_nothing()
    {
        Distributions.Categorical Of(params double[] probs) => new(Tensor.From(probs));
        var infinite = Distributions.KlDivergence(Of(0.5, 0.5, 0), Of(1, 0, 0));
        Assert.Equal(double.PositiveInfinity, infinite.Item());
        Assert.Equal(Math.Log(2), Distributions.KlDivergence(Of(1, 0, 0), Of(0.5, 0.5, 0)).Item(), 6);
        Assert.Equal(0, Distributions.KlDivergence(Of(1, 0, 0), Of(1, 0, 0)).Item(), 6);
        Distributions.Bernoulli One(double p) => new(T(p));
        Assert.Equal(double.PositiveInfinity, Distributions.KlDivergence(One(0.5), One(0)).Item());
        Assert.Equal(double.PositiveInfinity, Distributions.KlDivergence(One(0.5), One(1)).Item());
        Assert.Equal(0, Distributions.KlDivergence(One(0), One(0)).Item(), 6);
        Assert.Equal(Math.Log(2), Distributions.KlDivergence(One(1), One(0.5)).Item(), 6);
        Assert.Equal(
            double.PositiveInfinity,
            Distributions.KlDivergence(New("Uniform"), new Distributions.Uniform(T(0), T(1))).Item()
        );
    }

    [Fact]
    public void Values_outside_of_the_support_are_refused_unless_they_are_not_checked()
    {
        var error = Assert.Throws<ArgumentException>(() => new Distributions.Exponential(1.0).LogProb(T(-1)));
        Assert.Contains("-1", error.Message);
        Assert.Contains("numbers from 0 on", error.Message);
        Assert.Throws<ArgumentException>(() => new Distributions.Uniform(0, 1).LogProb(T(2)));
        Assert.Throws<ArgumentException>(() => new Distributions.Normal(0, 1).LogProb(T(double.NaN)));
        Assert.Throws<ArgumentException>(() => new Distributions.Categorical(Tensor.Ones(3)).LogProb(T(3)));
        Assert.Equal(1, new Distributions.Exponential(1.0, validateArgs: false).LogProb(T(-1)).Item());
        Assert.Equal(
            double.NegativeInfinity,
            new Distributions.Uniform(0, 1, validateArgs: false).LogProb(T(2)).Item()
        );
        _ = new Distributions.Normal(0, -1, validateArgs: false);
        Distribution.SetDefaultValidateArgs(false);
        try
        {
            _ = new Distributions.Normal(0, -1);
        }
        finally
        {
            Distribution.SetDefaultValidateArgs(true);
        }
        Assert.Throws<ArgumentException>(() => new Distributions.Beta(0, 1));
        Assert.Throws<ArgumentException>(() => new Distributions.Normal(Tensor.Ones(2), Tensor.Ones(3)));
        Assert.Throws<ArgumentException>(() => new Distributions.Bernoulli(T(0.5), T(0.5)));
    }

    [Fact]
    public void Vectors_of_normal_numbers()
    {
        var covariance = Tensor.From([2.0, 0.6, 0.6, 1.0], [2, 2]);
        var loc = Tensor.From([1.0, -1]);
        var of = new Distributions.MultivariateNormal(loc, covariance);
        var x = Tensor.From([0.3, 0.4]);
        // log N by hand: the determinant is 1.64, the inverse [[1, -0.6], [-0.6, 2]] / 1.64.
        double[] d = [-0.7, 1.4];
        double form = (d[0] * d[0] - 1.2 * d[0] * d[1] + 2 * d[1] * d[1]) / 1.64;
        double expected = -Math.Log(2 * Math.PI) - 0.5 * Math.Log(1.64) - 0.5 * form;
        Assert.Equal(expected, of.LogProb(x).Item(), 6);
        Assert.Equal(
            expected,
            new Distributions.MultivariateNormal(loc, precisionMatrix: Linalg.Inv(covariance)).LogProb(x).Item(),
            5
        );
        Assert.Equal(expected, new Distributions.MultivariateNormal(loc, scaleTril: of.ScaleTril).LogProb(x).Item(), 6);
        Assert.Equal(1 + Math.Log(2 * Math.PI) + 0.5 * Math.Log(1.64), of.Entropy().Item(), 6);
        var drawn = of.Sample([20_000], new Generator(1));
        Assert.Equal([20_000, 2], drawn.Shape.ToArray());
        var centred = drawn - drawn.Mean(0);
        double[] seen = (centred.T.MatMul(centred) / 20_000).ToDoubles();
        Assert.All(seen.Zip(covariance.ToDoubles()), p => Assert.InRange(p.First - p.Second, -0.06, 0.06));
        var other = new Distributions.MultivariateNormal(
            Tensor.Zeros([2], DType.Float64),
            Tensor.Eye(2, dtype: DType.Float64)
        );
        // ½ (tr Σ + |μ|² − 2 − log |Σ|).
        Assert.Equal(0.5 * (3 + 2 - 2 - Math.Log(1.64)), Distributions.KlDivergence(of, other).Item(), 6);
        var scale = of.ScaleTril.Detach().Clone().RequiresGrad_();
        new Distributions.MultivariateNormal(loc, scaleTril: scale).RSample([3], new Generator(2)).Sum().Backward();
        Assert.NotNull(scale.Grad);
        Assert.Throws<ArgumentException>(() => new Distributions.MultivariateNormal(loc));
    }

    [Fact]
    public void Several_numbers_as_one_value()
    {
        var normal = new Distributions.Normal(Tensor.Zeros([4, 3], DType.Float64), Tensor.Ones([4, 3], DType.Float64));
        var together = new Distributions.Independent(normal, 1);
        var x = Tensor.Randn([4, 3], new Generator(2), DType.Float64);
        Assert.Equal(normal.LogProb(x).Sum(-1).ToDoubles(), together.LogProb(x).ToDoubles());
        Assert.Equal([4], together.BatchShape.ToArray());
        Assert.Equal([3], together.EventShape.ToArray());
        Assert.Equal([2, 4, 3], together.Sample([2]).Shape.ToArray());
        Assert.Equal(4, Distributions.KlDivergence(together, together).NumElements);
        var dirichlet = new Distributions.Dirichlet(Tensor.From([2.0, 1, 3]));
        var point = Tensor.From([0.2, 0.3, 0.5]);
        // Γ(6) / (Γ(2) Γ(1) Γ(3)) · 0.2 · 0.5².
        Assert.Equal(Math.Log(60 * 0.2 * 0.25), dirichlet.LogProb(point).Item(), 6);
        var drawn = dirichlet.Sample([5000], new Generator(4));
        Assert.All(drawn.Sum(-1).ToDoubles(), s => Assert.Equal(1, s, 6));
        Assert.All(
            drawn.Mean(0).ToDoubles().Zip(dirichlet.Mean.ToDoubles()),
            p => Assert.InRange(p.First - p.Second, -0.02, 0.02)
        );
        Assert.Equal(
            new Distributions.Beta(T(2), T(3)).Entropy().Item(),
            new Distributions.Dirichlet(Tensor.From([2.0, 3])).Entropy().Item(),
            6
        );
        Assert.Equal(
            Distributions.KlDivergence(new Distributions.Beta(T(2), T(3)), new Distributions.Beta(T(1), T(2))).Item(),
            Distributions
                .KlDivergence(
                    new Distributions.Dirichlet(Tensor.From([2.0, 3])),
                    new Distributions.Dirichlet(Tensor.From([1.0, 2]))
                )
                .Item(),
            6
        );
        Assert.Throws<ArgumentException>(() => dirichlet.LogProb(Tensor.From([0.5, 0.5, 0.5])));
    }

    [Fact]
    public void Counts_of_classes_one_of_them_and_mixtures()
    {
        var probs = Tensor.From([0.2, 0.3, 0.5]);
        var counts = new Distributions.Multinomial(4, probs);
        // 4! / (1! 1! 2!) · 0.2 · 0.3 · 0.25.
        Assert.Equal(Math.Log(12 * 0.2 * 0.3 * 0.25), counts.LogProb(Tensor.From([1.0, 1, 2])).Item(), 6);
        var drawn = counts.Sample([3000], new Generator(7));
        Assert.All(drawn.Sum(-1).ToDoubles(), s => Assert.Equal(4, s));
        Assert.All(
            drawn.Mean(0).ToDoubles().Zip(counts.Mean.ToDoubles()),
            p => Assert.InRange(p.First - p.Second, -0.1, 0.1)
        );
        Assert.Throws<ArgumentException>(() => counts.LogProb(Tensor.From([1.0, 1, 1])));
        var hot = new Distributions.OneHotCategorical(probs);
        Assert.Equal(Math.Log(0.3), hot.LogProb(Tensor.From([0.0, 1, 0])).Item(), 6);
        Assert.All(hot.Sample([20]).Sum(-1).ToDoubles(), s => Assert.Equal(1, s));
        Assert.Equal([0.0, 0, 1], hot.Mode.ToDoubles());
        var mixture = new Distributions.MixtureSameFamily(
            new Distributions.Categorical(Tensor.From([1.0, 3])),
            new Distributions.Normal(Tensor.From([-2.0, 1]), Tensor.From([0.5, 1]))
        );
        var (x, weight) = Grid(-10, 10);
        var p = mixture.LogProb(x).Exp() * weight;
        Near(1, p.Sum());
        Near((p * x).Sum().Item(), mixture.Mean);
        Near((p * (x - mixture.Mean).Square()).Sum().Item(), mixture.Variance);
        double[] values = mixture.Sample([8000], new Generator(11)).ToDoubles();
        Assert.InRange(values.Average() - mixture.Mean.Item(), -0.08, 0.08);
    }

    [Fact]
    public void Log_probabilities_have_gradients_for_all_parameters()
    {
        foreach (var (name, (make, values, low, high)) in Continuous)
        {
            var x = Tensor.From([low + (high - low) * 0.31]);
            if (high > 100)
                x = Tensor.From([Math.Max(low, 0) + 1.3]);
            Autograd.GradCheck(p => [make(p).LogProb(x)], [.. values.Select(v => Tensor.From([v]).RequiresGrad_())]);
        }
    }
}
