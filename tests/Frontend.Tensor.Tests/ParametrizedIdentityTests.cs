using Picograd.Algorithms;
using Picograd.Gradients;
using Xunit;

namespace Picograd.Tests;

/// <summary>Parameters that are computed stay the tensors that optimizers know, and states that do not fit change nothing.</summary>
public class ParametrizedIdentityTests
{
    [Fact]
    public void An_optimizer_that_was_made_before_trains_what_a_weight_is_computed_of()
    {
        var layer = new Linear(3, 2);
        var weight = layer.Weight;
        var optimizer = new SGD(layer.Parameters, lr: 0.1);
        Parametrizations.SpectralNorm(layer);
        Assert.Contains(layer.Parameters, p => ReferenceEquals(p, weight));
        double[] before = weight.ToDoubles();
        layer.Call(Tensor.Ones(1, 3)).Square().Sum().Backward();
        optimizer.Step();
        Assert.NotEqual(before, weight.ToDoubles());
        Parametrize.RemoveParametrizations(layer, "weight");
        Assert.Same(weight, layer.Weight);
        // Last, as in PyTorch.
        Assert.Equal(["bias", "weight"], layer.StateDict().Keys);
    }

    private sealed class Doubled : Parametrization
    {
        public override Tensor Compute(params Tensor[] originals) => originals[0] * 2;

        public override Tensor[] RightInverse(Tensor value) => [value / 2];
    }

    [Fact]
    public void A_weight_that_is_set_stays_computed()
    {
        var layer = Parametrize.RegisterParametrization(new Linear(3, 2), "weight", new Doubled());
        layer.Weight = Tensor.Full([2, 3], 6.0, DType.Float32);
        Assert.True(Parametrize.IsParametrized(layer, "weight"));
        Assert.All(layer.Weight.ToDoubles(), w => Assert.Equal(6, w));
        Assert.All(layer.StateDict()["parametrizations.weight.original"].ToDoubles(), w => Assert.Equal(3, w));
        Assert.Throws<ArgumentException>(() => layer.Weight = Tensor.Ones(3, 3));
        var table = Parametrize.RegisterParametrization(new Embedding(4, 2), "weight", new Doubled());
        table.Weight = Tensor.Full([4, 2], 1.0, DType.Float32);
        Assert.All(table.StateDict()["parametrizations.weight.original"].ToDoubles(), w => Assert.Equal(0.5, w));
        // A copy that is called with another original.
        var found = layer.FunctionalCall(
            new Dictionary<string, Tensor>
            {
                ["parametrizations.weight.original"] = Tensor.Ones(2, 3),
                ["bias"] = Tensor.Zeros(2),
            },
            Tensor.Ones(1, 3)
        );
        Assert.All(found.ToDoubles(), v => Assert.Equal(6, v));
    }

    [Fact]
    public void States_of_other_words_or_counts_change_nothing()
    {
        var optimizer = new SGD([Tensor.Ones(2).RequiresGrad_()], lr: 0.1);
        void Refused(LRScheduler scheduler, string name, object? value)
        {
            var state = new OrderedDictionary<string, object?>(scheduler.StateDict());
            Assert.True(state.ContainsKey(name), name);
            state[name] = value;
            if (state.ContainsKey("gamma"))
                state["gamma"] = 0.123;
            var error = Assert.Throws<ArgumentException>(() => scheduler.LoadStateDict(state));
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
            if (state.ContainsKey("gamma"))
                Assert.NotEqual(0.123, scheduler.StateDict()["gamma"]);
        }
        var milestones = new OrderedDictionary<string, object?> { ["1"] = 2_000_000_000L };
        Refused(new MultiStepLR(optimizer, [3, 5]), "milestones", milestones);
        Refused(new CyclicLR(optimizer, 0.1, 1, cycleMomentum: false), "scale_mode", "seasons");
    }

    [Fact]
    public void Incomplete_gamma_functions_of_large_and_of_small_arguments()
    {
        double P(double a, double x) => Tensor.From([a]).Igamma(Tensor.From([x])).Item();
        double Q(double a, double x) => Tensor.From([a]).Igammac(Tensor.From([x])).Item();
        // P(a, a) is 1/2 + 1 / (3 √(2π a)) + ….
        foreach (double a in new[] { 1e6, 1e9, 1e11 })
            Assert.Equal(0.5 + 1 / (3 * Math.Sqrt(2 * Math.PI * a)), P(a, a), 11);
        // On both sides of where another series begins.
        foreach (double z in new[] { -3.0, -0.5, 0.2, 4 })
        {
            var (below, above) = (99_999.0, 100_001.0);
            double difference = P(above, above + z * Math.Sqrt(above)) - P(below, below + z * Math.Sqrt(below));
            Assert.InRange(difference, -1e-6, 1e-6);
            double p = P(above, above + z * Math.Sqrt(above));
            Assert.Equal(1, p + Q(above, above + z * Math.Sqrt(above)), 12);
        }
        // a · E₁(x) for a near 0.
        Assert.Equal(0.2193839343955203, Q(1e-12, 1) / 1e-12, 9);
        Assert.Equal(4.037929576538114, Q(1e-12, 0.01) / 1e-12, 9);
        Assert.Equal(1, P(0.29, 0.4) + Q(0.29, 0.4), 14);
    }
}
