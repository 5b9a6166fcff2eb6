using Xunit;

namespace Picograd.Tests;

/// <summary>Parameters computed from others, modules computed with others, layers made one, and a softmax of many classes.</summary>
public class ParametrizationTests
{
    private static Tensor X(params ReadOnlySpan<long> shape) => Tensor.Randn(shape, new Generator(1), DType.Float64);

    private static void Near(Tensor expected, Tensor actual, double within = 1e-9)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        Assert.All(
            expected.ToDoubles().Zip(actual.ToDoubles()),
            p => Assert.InRange(p.First - p.Second, -within, within)
        );
    }

    [Fact]
    public void Weights_as_length_and_direction()
    {
        var plain = new Linear(4, 3, generator: new Generator(2), dtype: DType.Float64);
        var layer = Parametrizations.WeightNorm((Linear)plain.DeepCopy());
        Assert.Equal(
            ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"],
            layer.StateDict().Keys
        );
        Assert.Equal([3, 1], layer.GetParameter("parametrizations.weight.original0").Shape.ToArray());
        Assert.True(Parametrize.IsParametrized(layer) && Parametrize.IsParametrized(layer, "weight"));
        Assert.False(Parametrize.IsParametrized(layer, "bias"));
        var x = X(5, 4);
        Near(plain.Forward(x), layer.Forward(x));
        // Lengths alone change the rows' lengths.
        using (Tensor.NoGrad())
            layer.GetParameter("parametrizations.weight.original0").Mul_(2);
        Near(plain.Weight * 2, layer.Weight);
        Tensor[] originals =
        [
            layer.GetParameter("parametrizations.weight.original0"),
            layer.GetParameter("parametrizations.weight.original1"),
        ];
        layer.Forward(x).Square().Sum().Backward();
        double before = originals[1][1, 2].Item();
        double Loss(double by)
        {
            using var off = Tensor.NoGrad();
            originals[1].Detach()[1, 2].Fill_(before + by);
            return layer.Forward(x).Square().Sum().Item();
        }
        double slope = (Loss(1e-6) - Loss(-1e-6)) / 2e-6;
        Assert.Equal(slope, originals[1].Grad![1, 2].Item(), 5);
        Loss(0);
        Parametrize.RemoveParametrizations(layer, "weight");
        Assert.Equal(["bias", "weight"], layer.StateDict().Keys);
        Near(plain.Weight * 2, layer.Weight);
        Assert.True(layer.Weight.RequiresGrad && layer.Weight.IsLeaf);
        foreach (int? dim in new int?[] { 1, -1, null })
        {
            var conv = new Conv2d(2, 3, 2, generator: new Generator(3), dtype: DType.Float64);
            var y = conv.Forward(X(1, 2, 4, 4));
            Near(y, Parametrizations.WeightNorm(conv, dim: dim).Forward(X(1, 2, 4, 4)));
        }
    }

    [Fact]
    public void Weights_over_their_largest_singular_value()
    {
        var layer = Parametrizations.SpectralNorm(
            new Linear(6, 4, generator: new Generator(2), dtype: DType.Float64),
            generator: new Generator(3)
        );
        Assert.Equal(
            [
                "bias",
                "parametrizations.weight.original",
                "parametrizations.weight.0._u",
                "parametrizations.weight.0._v",
            ],
            layer.StateDict().Keys
        );
        for (int i = 0; i < 60; i++)
            layer.Forward(X(2, 6));
        Assert.Equal(1, Linalg.SvdVals(layer.Weight.Detach()).Max().Item(), 6);
        // To print it changes nothing.
        string seen = string.Join(' ', layer.GetBuffer("parametrizations.weight.0._u").ToDoubles());
        Assert.Contains("in_features=6", layer.ToString());
        Assert.Equal(seen, string.Join(' ', layer.GetBuffer("parametrizations.weight.0._u").ToDoubles()));
        layer.Eval();
        double[] u = layer.GetBuffer("parametrizations.weight.0._u").ToDoubles();
        double[] first = layer.Forward(X(2, 6)).ToDoubles();
        Assert.Equal(first, layer.Forward(X(2, 6)).ToDoubles());
        Assert.Equal(u, layer.GetBuffer("parametrizations.weight.0._u").ToDoubles());
        layer.Forward(X(2, 6)).Sum().Backward();
        Assert.NotNull(layer.GetParameter("parametrizations.weight.original").Grad);
        // State goes to another of the same make.
        var other = Parametrizations.SpectralNorm(new Linear(6, 4, dtype: DType.Float64));
        other.LoadStateDict(layer.StateDict());
        other.Eval();
        Assert.Equal(first, other.Forward(X(2, 6)).ToDoubles());
        var copy = (Linear)layer.DeepCopy();
        Assert.Equal(first, copy.Forward(X(2, 6)).ToDoubles());
        using (Tensor.NoGrad())
            copy.GetParameter("parametrizations.weight.original").Zero_().Add_(1);
        Assert.Equal(first, layer.Forward(X(2, 6)).ToDoubles());
        var transposed = Parametrizations.SpectralNorm(new ConvTranspose1d(2, 3, 2));
        Assert.Equal([3], transposed.GetBuffer("parametrizations.weight.0._u").Shape.ToArray());
    }

    private sealed class Symmetric : Parametrization
    {
        public override Tensor Compute(params Tensor[] originals) =>
            originals[0].Triu() + originals[0].Triu(1).Transpose(0, 1);

        public override Tensor[] RightInverse(Tensor value) => [value.Triu()];
    }

    private sealed class Doubled : Parametrization
    {
        public override Tensor Compute(params Tensor[] originals) => originals[0] * 2;

        public override Tensor[] RightInverse(Tensor value) => [value / 2];
    }

    [Fact]
    public void Parametrizations_of_ones_own_one_after_the_other()
    {
        var layer = new Linear(3, 3, generator: new Generator(5), dtype: DType.Float64);
        Parametrize.RegisterParametrization(layer, "weight", new Symmetric());
        var weight = layer.Weight.Detach();
        Near(weight, weight.T);
        Parametrize.RegisterParametrization(layer, "weight", new Doubled());
        Near(weight, layer.Weight);
        var lstm = new LSTM(2, 3, generator: new Generator(6));
        var x = Tensor.Randn([4, 1, 2], new Generator(7));
        var y = lstm.Forward(x).Output;
        Parametrizations.WeightNorm(lstm, "weight_hh_l0");
        Near(y, lstm.Forward(x).Output, 1e-5);
        Assert.Contains("parametrizations.weight_hh_l0.original1", lstm.StateDict().Keys);
        Assert.Throws<ArgumentException>(() => Parametrizations.WeightNorm(layer, "bias", 3));
        Assert.Throws<ArgumentException>(() => Parametrizations.WeightNorm(new LayerNorm(3)));
        Assert.Throws<ArgumentException>(() => Parametrizations.WeightNorm(new Linear(2, 2), "w"));
        Assert.Throws<ArgumentException>(() => Parametrize.RemoveParametrizations(new Linear(2, 2), "weight"));
    }

    [Fact]
    public void A_module_is_computed_with_other_parameters_and_stays_as_it_is()
    {
        var model = new Sequential(new Linear(3, 4), new Tanh(), new BatchNorm1d(4), new Linear(4, 2));
        var x = Tensor.Randn([5, 3], new Generator(1));
        var own = model.Call(x).ToDoubles();
        var others = model.NamedParameters.ToDictionary(p => p.Name, p => (p.Parameter.Detach() * 0.5).RequiresGrad_());
        model.FunctionalCall(others, x).Sum().Backward();
        Assert.All(others.Values, t => Assert.NotNull(t.Grad));
        Assert.All(model.Parameters, p => Assert.Null(p.Grad));
        using (Tensor.NoGrad())
        {
            foreach (var (name, parameter) in model.NamedParameters)
                parameter.Copy_(others[name]);
        }
        double[] expected = model.Call(x).ToDoubles();
        Assert.Equal(expected, model.FunctionalCall(others, x).ToDoubles());
        Assert.NotEqual(own, expected);
        // Buffers too, and what is changed in place is the given one's.
        double[] mean = model.GetBuffer("2.running_mean").ToDoubles();
        var given = Tensor.Ones(4);
        model.FunctionalCall(new Dictionary<string, Tensor> { ["2.running_mean"] = given }, x);
        Assert.Equal(mean, model.GetBuffer("2.running_mean").ToDoubles());
        Assert.NotEqual([1.0, 1, 1, 1], given.ToDoubles());
        var lstm = new LSTM(3, 2);
        var zero = lstm.NamedParameters.ToDictionary(p => p.Name, p => Tensor.ZerosLike(p.Parameter));
        var (y, _) = lstm.FunctionalCall(zero, m => ((LSTM)m).Forward(x.Unsqueeze(1)));
        Assert.All(y.ToDoubles(), v => Assert.Equal(0, v));
        Assert.Contains(
            "0.weight",
            Assert
                .Throws<ArgumentException>(() =>
                    model.FunctionalCall(new Dictionary<string, Tensor> { ["nothing"] = x }, x)
                )
                .Message
        );
        // Several models at once.
        var jacobian = Func.Grad(
            (Tensor w) => model.FunctionalCall(new Dictionary<string, Tensor> { ["3.weight"] = w }, x).Sum()
        )(model.GetParameter("3.weight").Detach());
        Assert.Equal([2, 4], jacobian.Shape.ToArray());
    }

    [Fact]
    public void Layers_and_norms_behind_them_are_one()
    {
        T Trained<T>(T norm)
            where T : BatchNormNd
        {
            norm.To(DType.Float64);
            using var off = Tensor.NoGrad();
            norm.RunningMean!.Uniform_(-1, 1, new Generator(4));
            norm.RunningVar!.Uniform_(0.5, 2, new Generator(5));
            norm.Weight!.Uniform_(0.5, 2, new Generator(6));
            norm.Eval();
            return norm;
        }
        var conv = new Conv2d(3, 4, 3, bias: false, dtype: DType.Float64);
        conv.Eval();
        var norm = Trained(new BatchNorm2d(4));
        var x = X(2, 3, 5, 5);
        Near(norm.Forward(conv.Forward(x)), Fusion.FuseConvBnEval(conv, norm).Forward(x));
        var transposed = new ConvTranspose1d(3, 4, 2, dtype: DType.Float64);
        transposed.Eval();
        var norm1 = Trained(new BatchNorm1d(4));
        Near(
            norm1.Forward(transposed.Forward(X(2, 3, 5))),
            Fusion.FuseConvBnEval(transposed, norm1).Forward(X(2, 3, 5))
        );
        var linear = new Linear(3, 4, dtype: DType.Float64);
        linear.Eval();
        Near(norm1.Forward(linear.Forward(X(2, 3))), Fusion.FuseLinearBnEval(linear, norm1).Forward(X(2, 3)));
        Assert.Throws<ArgumentException>(() => Fusion.FuseConvBnEval(new Conv2d(3, 4, 3), norm));
        Assert.Throws<ArgumentException>(() => Fusion.FuseLinearBnEval((Linear)new Linear(3, 5).Eval(), norm1));
    }

    [Fact]
    public void A_softmax_of_many_classes_adds_up_to_one_and_agrees_with_itself()
    {
        var layer = new AdaptiveLogSoftmaxWithLoss(16, 20, [4, 10], divValue: 2, headBias: true);
        Assert.Equal(
            ["head.weight", "head.bias", "tail.0.0.weight", "tail.0.1.weight", "tail.1.0.weight", "tail.1.1.weight"],
            layer.StateDict().Keys
        );
        Assert.Equal([4, 16], layer.GetParameter("tail.1.0.weight").Shape.ToArray());
        var x = Tensor.Randn([7, 16], new Generator(2));
        var target = Tensor.From([0L, 3, 4, 9, 10, 19, 5]);
        var (output, loss) = layer.Forward(x, target);
        var all = layer.LogProb(x);
        Assert.Equal([7, 20], all.Shape.ToArray());
        Near(Tensor.Ones(7), all.Exp().Sum(1), 1e-5);
        Near(all.Gather(1, target.Unsqueeze(1)).Squeeze(1), output, 1e-5);
        Assert.Equal(-output.Mean().Item(), loss.Item(), 5);
        Assert.Equal(all.ArgMax(1).ToDoubles(), layer.Predict(x).ToDoubles());
        loss.Backward();
        Assert.All(layer.Parameters, p => Assert.NotNull(p.Grad));
        var (one, single) = layer.Forward(x[2], target[2]);
        Assert.Equal((0, output[2].Item()), (one.Rank, one.Item()));
        Assert.Equal(-one.Item(), single.Item(), 6);
        Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(16, 20, [10, 4]));
        Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(16, 20, [20]));
        Assert.Throws<IndexOutOfRangeException>(() => layer.Forward(x, target + 1));
    }
}
