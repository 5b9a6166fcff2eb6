using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Modules as trees, dropouts, attention, first values, distributions.</summary>
public sealed class LayerModuleTests : IDisposable
{
    public LayerModuleTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    private sealed class Masked : Module
    {
        private readonly Tensor _mask;

        public Masked()
        {
            _mask = RegisterBuffer("mask", Tensor.Ones([2]), persistent: false);
            Register("fc", new Linear(2, 2));
        }

        public override Tensor Forward(Tensor x) => x * _mask;
    }

    [Fact]
    public void Trees_have_paths()
    {
        var net = new Sequential(new Linear(2, 3), new ModuleList<Module>(new ReLU(), new Masked()));
        Assert.Equal(["", "0", "1", "1.0", "1.1", "1.1.fc"], net.NamedModules.Select(m => m.Name));
        var met = new List<string>();
        net.Apply(m => met.Add(m.GetType().Name));
        Assert.Equal(["Linear", "ReLU", "Linear", "Masked", "ModuleList`1", "Sequential"], met);
        Assert.Equal(["1.1.mask"], net.NamedBuffers.Select(b => b.Name));
        Assert.DoesNotContain("1.1.mask", net.StateDict().Keys);
        net.LoadStateDict(net.StateDict());
        Assert.Same(net[0], net.GetSubmodule("0"));
        Assert.Contains("there are 0, 1", Assert.Throws<ArgumentException>(() => net.GetSubmodule("2")).Message);
        net.RequiresGrad_(false);
        Assert.DoesNotContain(net.Parameters, p => p.RequiresGrad);
        Assert.Contains("elements of parameters: 15, of those trained 0", net.Summary());
        Assert.Throws<NotSupportedException>(() => new L1Loss().Forward(Tensor.Ones(2)));
    }

    [Fact]
    public void Lists_print_as_PyTorchs()
    {
        var list = new ModuleList(new ReLU(), new ReLU(inplace: true), new ReLU(inplace: true));
        Assert.Equal("ModuleList(\n  (0): ReLU()\n  (1-2): 2 x ReLU(inplace=True)\n)", list.ToString());
        var dict = new ModuleDict { ["a"] = new Tanh() };
        Assert.Equal("ModuleDict(\n  (a): Tanh()\n)", dict.ToString());
        Assert.Equal(["0", "1"], new ParameterList(Tensor.Ones(2), Tensor.Ones(3)).StateDict().Keys);
    }

    [Fact]
    public void Dropouts_keep_means_and_follow_the_mode()
    {
        var x = Tensor.Ones(200, 500);
        var dropout = new Dropout(0.3, generator: new Generator(1));
        var y = dropout.Forward(x);
        Assert.InRange(y.Eq(0).To(DType.Float32).Mean().Item(), 0.29, 0.31);
        Assert.InRange(y.Mean().Item(), 0.98, 1.02);
        Assert.Same(x, dropout.Eval().Forward(x));
        var channels = F.Dropout2d(Tensor.Ones(50, 40, 3, 3), 0.5, generator: new Generator(2));
        var sums = channels.Sum([2, 3]);
        Assert.True(((sums.Eq(0)) | sums.Eq(18)).All().Item() != 0);
        var normal = Tensor.Randn([100_000], new Generator(3));
        var alpha = F.AlphaDropout(normal, 0.4, training: true, generator: new Generator(4));
        Assert.InRange(alpha.Mean().Item(), -0.02, 0.02);
        Assert.InRange(alpha.Std().Item(), 0.98, 1.02);
        var leaf = Tensor.Ones(1000).RequiresGrad_();
        var dropped = F.Dropout(leaf, 0.5, generator: new Generator(5));
        dropped.Sum().Backward();
        Assert.True(leaf.Grad!.Equal(dropped.Detach()));
        Assert.Throws<ArgumentException>(() => F.Dropout(x, 1.5));
    }

    [Fact]
    public void Attention_with_and_without_weights_is_the_same()
    {
        var generator = new Generator(7);
        var attention = new MultiheadAttention(6, 2, batchFirst: true, generator: generator, dtype: DType.Float64);
        var x = Tensor.Randn([2, 4, 6], generator, DType.Float64);
        var padding = Tensor.From([false, false, false, true, false, false, true, true], [2, 4]);
        var (a, weights) = attention.Forward(x, x, x, padding);
        var (b, none) = attention.Forward(x, x, x, padding, needWeights: false);
        Assert.Null(none);
        Assert.True(a.AllClose(b, 0, 1e-12));
        Assert.Equal([2, 4, 4], weights!.Shape.ToArray());
        Assert.Equal(0, weights[0, .., 3].Abs().Sum().Item());
        var (causal, _) = attention.Forward(x, x, x, needWeights: false, isCausal: true);
        var mask = Transformer.GenerateSquareSubsequentMask(4, DType.Float64);
        Assert.True(causal.AllClose(attention.Forward(x, x, x, attnMask: mask).Output, 0, 1e-12));
        var q = Tensor.Randn([1, 2, 3, 4], generator);
        var dropped = Enumerable
            .Range(0, 400)
            .Select(_ => F.ScaledDotProductAttention(q, q, q, dropoutP: 0.2))
            .Aggregate((u, v) => u + v);
        Assert.True((dropped / 400).AllClose(F.ScaledDotProductAttention(q, q, q), 0, 0.2));
    }

    [Fact]
    public void Rotations_keep_lengths_and_see_distances()
    {
        var rotary = new RotaryEmbedding(8, 32, dtype: DType.Float64);
        var x = Tensor.Randn([1, 8], new Generator(1), DType.Float64);
        double At(long a, long b) => (rotary.Forward(x, a) * rotary.Forward(x, b)).Sum().Item();
        Assert.Equal(At(0, 0), At(9, 9), 10);
        Assert.Equal(At(0, 3), At(7, 10), 10);
        Assert.Empty(rotary.StateDict());
        Assert.Equal([0.25, 0.0625, 0.015625, 0.00390625], F.AlibiSlopes(4).ToDoubles());
    }

    [Fact]
    public void First_values_have_their_statistics()
    {
        var generator = new Generator(11);
        var w = Tensor.Empty(200, 300);
        Init.KaimingUniform_(w, a: Math.Sqrt(5), generator: generator);
        Assert.InRange(w.Abs().Max().Item(), 0.99 / Math.Sqrt(300), 1.0001 / Math.Sqrt(300));
        Init.KaimingNormal_(w, mode: "fan_out", nonlinearity: "relu", generator: generator);
        Assert.InRange(w.Std().Item(), 0.098, 0.102);
        Init.XavierUniform_(w, 2, generator);
        Assert.InRange(w.Abs().Max().Item(), 0.215, 2 * Math.Sqrt(6.0 / 500) + 1e-6);
        Init.XavierNormal_(w, generator: generator);
        Assert.InRange(w.Std().Item(), 0.98 * Math.Sqrt(2.0 / 500), 1.02 * Math.Sqrt(2.0 / 500));
        Init.TruncNormal_(w, 0, 1, -1, 2, generator);
        // By tables of the normal distribution.
        Assert.InRange(w.Mean().Item(), 0.2297 - 0.015, 0.2297 + 0.015);
        Assert.InRange(w.Min().Item(), -1, -0.99);
        Init.Sparse_(w, 0.1, 0.5, generator);
        Assert.Equal(300 * 20, w.Eq(0).To(DType.Int64).Sum().Item<long>());
        foreach (var (rows, columns) in ((int, int)[])[(5, 9), (9, 5), (7, 7)])
        {
            var q = Init.Orthogonal_(Tensor.Empty([rows, columns], DType.Float64), 2, generator);
            var product = rows <= columns ? q.MatMul(q.T) : q.T.MatMul(q);
            Assert.True(product.AllClose(4 * Tensor.Eye(Math.Min(rows, columns), dtype: DType.Float64), 0, 1e-12));
        }
        var dirac = Init.Dirac_(Tensor.Empty(4, 2, 3), 2);
        var x = Tensor.Randn([1, 4, 6], generator);
        Assert.True(F.Conv1d(x, dirac, padding: 1, groups: 2).AllClose(x));
        var leaf = Tensor.Empty(3, 3).RequiresGrad_();
        Assert.Equal(3, Init.Eye_(leaf).Sum().Item());
        Assert.True(leaf.IsLeaf);
        Assert.Equal(5.0 / 3, Init.CalculateGain("tanh"));
        Assert.Throws<ArgumentException>(() => Init.XavierNormal_(Tensor.Empty(3)));
    }

    [Fact]
    public void Vectors_of_parameters_go_there_and_back()
    {
        var net = new Linear(3, 2);
        var vector = F.ParametersToVector(net.Parameters);
        Assert.Equal([8], vector.Shape.ToArray());
        F.VectorToParameters(Tensor.Arange(8).To(DType.Float32), net.Parameters);
        Assert.Equal([6, 7], net.Bias!.ToDoubles());
        Assert.Throws<ArgumentException>(() => F.VectorToParameters(Tensor.Ones(7), net.Parameters));
    }

    [Fact]
    public void Distributions_draw_what_they_say()
    {
        var generator = new Generator(13);
        Distribution[] all =
        [
            new Distributions.Normal(1, 2),
            new Distributions.Uniform(-1, 3),
            new Distributions.Exponential(2),
            new Distributions.Laplace(1, 0.5),
            new Distributions.Bernoulli(0.3),
        ];
        foreach (var d in all)
        {
            var drawn = d.Sample([200_000], generator);
            double deviation = d.Stddev.Item();
            Assert.InRange(drawn.Mean().Item(), d.Mean.Item() - 0.02 * deviation, d.Mean.Item() + 0.02 * deviation);
            Assert.InRange(drawn.Std().Item(), 0.98 * deviation, 1.02 * deviation);
            // The entropy is what −log p is on average.
            double entropy = d.Entropy().Item();
            Assert.InRange(-d.LogProb(drawn).Mean().Item(), entropy - 0.02, entropy + 0.02);
            Assert.Equal(0, Distributions.KlDivergence(d, d).Item(), 6);
        }
        var a = new Distributions.Normal(0.5, 2);
        var b = new Distributions.Normal(-1, 3);
        var x = a.Sample([200_000], generator);
        double kl = (a.LogProb(x) - b.LogProb(x)).Mean().Item();
        Assert.InRange(Distributions.KlDivergence(a, b).Item(), kl - 0.01, kl + 0.01);
        var c = new Distributions.Categorical(probs: Tensor.From([1.0, 2, 1, 0, 3, 3], [2, 3]));
        var picks = c.Sample([50_000], generator);
        Assert.Equal([50_000, 2], picks.Shape.ToArray());
        Assert.InRange(picks[.., 0].Eq(1).To(DType.Float32).Mean().Item(), 0.49, 0.51);
        Assert.Equal(0, picks[.., 1].Eq(0).To(DType.Int64).Sum().Item<long>());
        Assert.Equal(Math.Log(0.25), c.LogProb(Tensor.From<long>([0, 1]))[0].Item(), 6);
        var loc = Tensor.From([1.0]).RequiresGrad_();
        new Distributions.Normal(loc, Tensor.From([2.0])).RSample([10], generator).Sum().Backward();
        Assert.Equal([10], loc.Grad!.ToDoubles());
        Assert.Throws<NotSupportedException>(() => c.RSample());
        Assert.Throws<ArgumentException>(() => new Distributions.Normal(0, -1));
    }

    [Fact]
    public void Embeddings_know_padding_lengths_and_bags()
    {
        var table = new Embedding(5, 3, paddingIdx: -5, maxNorm: 1);
        var picked = table.Forward(Tensor.From<long>([0, 1, 4, 1]));
        Assert.Equal(0, picked[0].Abs().Sum().Item());
        Assert.True(picked.Norm(2, 1).Max().Item() <= 1.0001);
        (picked * 2).Sum().Backward();
        Assert.Equal([0, 12, 0, 0, 6], table.Weight.Grad!.Sum(1).ToDoubles());
        var weight = Tensor.From([1.0, 2, 3, 4, 5, 6], [3, 2]);
        var ids = Tensor.From<long>([0, 2, 1]);
        var offsets = Tensor.From<long>([0, 2, 2]);
        Assert.Equal([3, 4, 0, 0, 3, 4], F.EmbeddingBag(ids, weight, offsets).ToDoubles());
        Assert.Equal([5, 6, 0, 0, 3, 4], F.EmbeddingBag(ids, weight, offsets, mode: "max").ToDoubles());
        Assert.Equal([1, 2, 0, 0, 3, 4], F.EmbeddingBag(ids, weight, offsets, mode: "sum", paddingIdx: 2).ToDoubles());
    }

    [Fact]
    public void Halves_and_empties_go_through_layers()
    {
        foreach (var type in new[] { DType.Float16, DType.BFloat16 })
        {
            var x = Tensor.Randn([3, 2, 4], new Generator(1)).To(type);
            Assert.Equal(type, new LSTM(4, 5, dtype: type).Forward(x, null).Output.DType);
            Assert.Equal(type, F.Elu(x, 0.5).DType);
            Assert.Equal(type, F.HuberLoss(x, x, LossReduction.Mean, 0.5).DType);
            Assert.Equal(type, new MultiheadAttention(4, 2, dtype: type).Forward(x, x, x).Output.DType);
        }
        var none = Tensor.Empty(0, 4);
        Assert.Equal([0, 4], F.Mish(none).Shape.ToArray());
        Assert.True(double.IsNaN(F.L1Loss(none, none).Item()));
        Assert.Equal(0, F.SmoothL1Loss(none, none, LossReduction.Sum).Item());
        Assert.Equal([3, 0, 5], new GRU(4, 5).Forward(Tensor.Empty(3, 0, 4), null).Output.Shape.ToArray());
    }

    [Fact]
    public void Pads_and_upsampling_have_shapes_and_text()
    {
        var x = Tensor.Randn([1, 2, 4, 4], new Generator(1));
        Assert.Equal([1, 2, 6, 6], new ReflectionPad2d((1, 1, 2, 0)).Forward(x).Shape.ToArray());
        Assert.Equal("ConstantPad1d(padding=(2, 2), value=3.5)", new ConstantPad1d(2, 3.5).ToString());
        Assert.Equal("ZeroPad2d((1, 1, 1, 1))", new ZeroPad2d(1).ToString());
        Assert.Equal([1, 2, 8, 8], new Upsample(scaleFactor: 2.0).Forward(x).Shape.ToArray());
        Assert.Equal([1, 2, 8, 8], F.Interpolate(x, scaleFactor: 2).Shape.ToArray());
        Assert.Equal([1, 2, 3, 3], F.Upsample(x, 3).Shape.ToArray());
        var (values, places) = F.MaxPool2dWithIndices(x, 2);
        Assert.Equal(values.Sum().Item(), new MaxUnpool2d(2).Forward(values, places).Sum().Item(), 4);
    }
}
