using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Distributions where parameters, or what is drawn, lie at an edge.</summary>
public class DistributionEdgeTests
{
    private static Tensor T(params double[] values) => Tensor.From(values);

    [Fact]
    public void The_slope_of_a_binomial_log_probability_at_odds_of_one()
    {
        var logits = T(0, 1.5, -40).RequiresGrad_();
        new Distributions.Binomial(T(10), logits: logits).LogProb(T(3, 3, 3)).Sum().Backward();
        double[] expected = [.. new[] { 0, 1.5, -40 }.Select(l => 3 - 10 / (1 + Math.Exp(-l)))];
        Assert.All(expected.Zip(logits.Grad!.ToDoubles()), p => Assert.Equal(p.First, p.Second, 10));
    }

    [Fact]
    public void Small_concentrations_draw_no_ties()
    {
        foreach (var type in new[] { DType.Float32, DType.Float64 })
        {
            var c = Tensor.Full([], 1e-3, type);
            var drawn = new Distributions.Beta(c, c).Sample([4000], new Generator(3)).ToDoubles();
            Assert.All(drawn, d => Assert.InRange(d, double.Epsilon, Math.BitDecrement(1.0)));
            Assert.InRange(drawn.Average(), 0.45, 0.55);
            Assert.DoesNotContain(drawn, d => d == 0.5);
        }
        var several = new Distributions.Dirichlet(T(1e-3, 1e-3, 2e-3)).Sample([4000], new Generator(5));
        Assert.All(
            several.Mean(0).ToDoubles().Zip([0.25, 0.25, 0.5]),
            p => Assert.InRange(p.First - p.Second, -0.04, 0.04)
        );
        Assert.All(several.Sum(-1).ToDoubles(), s => Assert.Equal(1, s, 12));
    }

    [Theory]
    [InlineData(0.02)]
    [InlineData(0.4)]
    [InlineData(3)]
    public void Draws_of_beta_numbers_have_the_slopes_of_their_means(double concentration)
    {
        // Of the mean a / (a + b), of many draws.
        var a = T(concentration).RequiresGrad_();
        double b = 1.5 * concentration;
        new Distributions.Beta(a, T(b)).RSample([20_000], new Generator(9)).Mean().Backward();
        double slope = b / Math.Pow(concentration + b, 2);
        Assert.InRange(a.Grad!.Item() / slope, 0.93, 1.07);
    }

    [Fact]
    public void No_failures_draw_no_successes() =>
        Assert.All(
            new Distributions.NegativeBinomial(0, 0.3).Sample([50], new Generator(1)).ToDoubles(),
            n => Assert.Equal(0, n)
        );

    [Fact]
    public void Sixteen_bits_keep_certain_probabilities_and_finite_draws()
    {
        foreach (var type in new[] { DType.Float16, DType.BFloat16 })
        {
            var one = Tensor.Ones([], type);
            double log = new Distributions.Bernoulli(one).LogProb(one).Item();
            Assert.InRange(log, -0.02, 0);
            var (loc, scale) = (Tensor.Zeros([], type), one);
            foreach (
                var d in new Distribution[]
                {
                    new Distributions.Laplace(loc, scale),
                    new Distributions.Gumbel(loc, scale),
                }
            )
            {
                var drawn = d.Sample([20_000], new Generator(2));
                Assert.Equal(type, drawn.DType);
                Assert.All(drawn.ToDoubles(), x => Assert.InRange(x, -20, 20));
            }
        }
    }

    [Fact]
    public void Parameters_that_are_no_numbers_are_refused_by_name()
    {
        void Refused(string name, Action make) =>
            Assert.Contains(name, Assert.Throws<ArgumentException>(make).Message, StringComparison.Ordinal);
        Refused("loc", () => new Distributions.Normal(T(double.NaN), T(1)));
        Refused("loc", () => new Distributions.StudentT(T(3), T(double.NaN)));
        Refused("logits", () => new Distributions.Bernoulli(logits: T(double.NaN)));
        Refused("logits", () => new Distributions.Categorical(logits: T(0, double.NaN)));
        Refused("probs", () => new Distributions.Categorical(T(0, 0)));
        var full = T(2, 0.5, 0.5, 2).Reshape(2, 2);
        Refused("scaleTril", () => new Distributions.MultivariateNormal(T(0, 0), scaleTril: full));
        var skew = T(2, 0.9, 0.5, 2).Reshape(2, 2);
        Refused("covarianceMatrix", () => new Distributions.MultivariateNormal(T(0, 0), skew));
        Refused("precisionMatrix", () => new Distributions.MultivariateNormal(T(0, 0), null, skew));
        _ = new Distributions.MultivariateNormal(T(0, 0), full);
        Refused(
            "MixtureSameFamily",
            () =>
                new Distributions.MixtureSameFamily(
                    new Distributions.Categorical(Tensor.Ones(3, 2)),
                    new Distributions.Normal(Tensor.Zeros(4, 2), Tensor.Ones(4, 2))
                )
        );
    }

    [Fact]
    public void Slopes_of_a_gamma_distribution_function_by_value_and_rate()
    {
        Autograd.GradCheck(
            p => [new Distributions.Gamma(T(2.5), p[0]).Cdf(p[1])],
            [T(1.3).RequiresGrad_(), T(0.8, 4).RequiresGrad_()]
        );
    }

    [Fact]
    public void Edges_of_the_support_of_a_kumaraswamy_distribution()
    {
        Assert.Equal(Math.Log(2), new Distributions.Kumaraswamy(T(2), T(1)).LogProb(T(1)).Item(), 12);
        var weibull = new Distributions.Weibull(T(1), T(0.001));
        Assert.All(weibull.Sample([2000], new Generator(4)).ToDoubles(), x => Assert.True(x > 0));
    }
}
