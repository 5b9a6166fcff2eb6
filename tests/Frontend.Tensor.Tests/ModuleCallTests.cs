using Xunit;

namespace Picograd.Tests;

/// <summary>Modules of the library call their parts as a program does, so that hooks run; and copies are as deep as they say.</summary>
public class ModuleCallTests
{
    private static List<string> Recorded(Module model)
    {
        var seen = new List<string>();
        foreach (var (name, module) in model.NamedModules)
            module.RegisterForwardHook((m, x, y) => seen.Add(name));
        return seen;
    }

    [Fact]
    public void Hooks_of_all_parts_of_library_modules_run()
    {
        var x = Tensor.Randn([3, 2, 8], new Generator(1));
        var encoder = new TransformerEncoder(new TransformerEncoderLayer(8, 2, 16, dropout: 0), 2, new LayerNorm(8));
        var seen = Recorded(encoder);
        encoder.Call(x);
        Assert.Equal(encoder.NamedModules.Select(m => m.Name).Where(n => n is not ("layers")).Order(), seen.Order());
        var whole = new Transformer(8, 2, 1, 2, 16, dropout: 0);
        seen = Recorded(whole);
        whole.Call(x, x);
        Assert.Equal(
            whole.NamedModules.Select(m => m.Name).Where(n => !n.EndsWith("layers", StringComparison.Ordinal)).Order(),
            seen.Order()
        );
        var averaged = new AveragedModel(new Sequential(new Linear(8, 2), new Tanh()));
        seen = Recorded(averaged);
        averaged.Call(x);
        Assert.Equal(["", "module", "module.0", "module.1"], seen.Order());
    }

    [Fact]
    public void Modules_of_several_inputs_have_hooks_forward_and_backward()
    {
        var generator = new Generator(2);
        var lstm = new LSTM(3, 4, generator: generator);
        var x = Tensor.Randn([5, 2, 3], generator).RequiresGrad_();
        var shapes = new List<string>();
        lstm.RegisterForwardHook((m, input, output) => shapes.Add($"{input.Shape} {output.Shape}"));
        lstm.RegisterFullBackwardHook((m, input, output) => shapes.Add($"{input!.Shape} {output.Shape}"));
        var (y, (h, c)) = lstm.Call(x, null);
        (y.Sum() + h.Sum() + c.Sum()).Backward();
        Assert.Equal(["[5, 2, 3] [5, 2, 4]", "[5, 2, 3] [5, 2, 4]"], shapes);
        var attention = new MultiheadAttention(4, 2, generator: generator);
        attention.RegisterForwardPreHook((m, q) => q * 2);
        var t = Tensor.Randn([3, 1, 4], generator);
        // The same sequence stays the same.
        var expected = attention.Forward(t * 2, t * 2, t * 2).Output;
        Assert.Equal(
            expected.ToDoubles(),
            attention.Call(t, t, t).Output.ToDoubles(),
            (a, b) => Math.Abs(a - b) < 1e-6
        );
        var loss = new MSELoss();
        loss.RegisterForwardHook((m, input, output) => output * 10);
        Assert.Equal(10 * loss.Forward(t, t + 1).Item(), loss.Call(t, t + 1).Item(), 5);
        var bilinear = new Bilinear(3, 2, 2);
        bilinear.RegisterForwardHook((m, input, output) => output * 0);
        Assert.Equal(0, bilinear.Call(Tensor.Ones(1, 3), Tensor.Ones(1, 2)).Abs().Sum().Item());
    }

    private sealed class Holder : Module
    {
        private readonly Tensor _scale = Tensor.Ones(2).RequiresGrad_();
        private readonly HashSet<Module> _set;
        private readonly Dictionary<Module, int> _numbers;

        public Holder()
        {
            Part = new Linear(2, 2);
            _set = [Part];
            _numbers = new() { [Part] = 7 };
        }

        public Linear Part { get; }

        public bool HasPart => _set.Contains(Part) && _numbers.GetValueOrDefault(Part) == 7;

        public override Tensor Forward(Tensor x) => Part.Call(x * _scale);
    }

    [Fact]
    public void A_copy_keeps_what_is_frozen_and_looks_its_parts_up()
    {
        var model = new Holder();
        Assert.Equal(3, model.Parameters.Count());
        model.RequiresGrad_(false);
        var copy = (Holder)model.DeepCopy();
        Assert.Equal(model.NamedParameters.Select(p => p.Name), copy.NamedParameters.Select(p => p.Name));
        Assert.All(copy.Parameters, p => Assert.False(p.RequiresGrad));
        Assert.True(copy.HasPart);
        copy.Parameters.First().Fill_(5);
        Assert.Equal(1, model.Parameters.First()[0].Item());
    }

    [Fact]
    public void A_copy_of_a_recurrent_network_computes_with_its_own_weights()
    {
        var lstm = new LSTM(2, 3, generator: new Generator(4));
        var copy = (LSTM)lstm.DeepCopy();
        var x = Tensor.Randn([4, 1, 2], new Generator(5));
        double[] before = lstm.Forward(x).Output.ToDoubles();
        using (Tensor.NoGrad())
        {
            foreach (var parameter in copy.Parameters)
                parameter.Zero_();
        }
        Assert.All(copy.Forward(x).Output.ToDoubles(), v => Assert.Equal(0, v));
        Assert.Equal(before, lstm.Forward(x).Output.ToDoubles());
    }

    [Fact]
    public void Hooks_of_a_copy_are_its_own()
    {
        var first = new Linear(1, 1);
        int calls = 0;
        first.RegisterForwardHook((m, x, y) => calls++);
        var second = first.DeepCopy();
        second.RegisterForwardHook((m, x, y) => calls += 100);
        first.Call(Tensor.Ones(1, 1));
        Assert.Equal(1, calls);
        second.Call(Tensor.Ones(1, 1));
        Assert.Equal(102, calls);
    }

    [Fact]
    public void Layers_of_an_encoder_are_copies_with_dtype_frozen_parameters_and_values()
    {
        var layer = new TransformerEncoderLayer(4, 2, 8, activation: "gelu", generator: new Generator(6));
        layer.To(DType.Float64);
        layer.GetParameter("linear1.weight").RequiresGrad_(false);
        layer.Eval();
        var encoder = new TransformerEncoder(layer, 2);
        Assert.All(encoder.Parameters, p => Assert.Equal(DType.Float64, p.DType));
        foreach (int i in new[] { 0, 1 })
        {
            Assert.False(encoder.GetParameter($"layers.{i}.linear1.weight").RequiresGrad);
            Assert.True(encoder.GetParameter($"layers.{i}.linear2.weight").RequiresGrad);
            Assert.Equal(
                layer.GetParameter("linear2.weight").ToDoubles(),
                encoder.GetParameter($"layers.{i}.linear2.weight").ToDoubles()
            );
        }
        Assert.False(encoder.GetSubmodule("layers.1").Training);
        var x = Tensor.Randn([3, 1, 4], new Generator(7), DType.Float64);
        Assert.Equal(layer.Forward(layer.Forward(x)).ToDoubles(), encoder.Forward(x).ToDoubles());
        // PyTorch's names, in its order.
        Assert.Equal(
            [
                "self_attn.in_proj_weight",
                "self_attn.in_proj_bias",
                "self_attn.out_proj.weight",
                "self_attn.out_proj.bias",
                "linear1.weight",
                "linear1.bias",
                "linear2.weight",
                "linear2.bias",
                "norm1.weight",
                "norm1.bias",
                "norm2.weight",
                "norm2.bias",
            ],
            layer.StateDict().Keys
        );
    }

    [Fact]
    public void An_activation_may_be_a_function()
    {
        var named = new TransformerEncoderLayer(4, 2, 8, 0, "gelu", generator: new Generator(8));
        var own = new TransformerEncoderLayer(4, 2, 8, 0, x => x.Gelu(), generator: new Generator(8));
        var t = Tensor.Randn([2, 1, 4], new Generator(9));
        Assert.Equal(named.Forward(t).ToDoubles(), own.Forward(t).ToDoubles());
        Assert.Contains(
            "relu",
            Assert.Throws<ArgumentException>(() => new TransformerEncoderLayer(4, 2, activation: "tanh")).Message
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_dropped_follows_from_the_modules_generator(bool recurrent)
    {
        double[] Run()
        {
            var generator = new Generator(11);
            var x = Tensor.Ones([4, 1, 8]);
            if (recurrent)
                return new GRU(8, 4, numLayers: 2, dropout: 0.5, generator: generator).Forward(x).Output.ToDoubles();
            var attention = new MultiheadAttention(8, 2, dropout: 0.5, generator: generator);
            return attention.Forward(x, x, x, needWeights: false).Output.ToDoubles();
        }
        Tensor.ManualSeed(1);
        double[] first = Run();
        Tensor.ManualSeed(2);
        long before = Generator.Default.Position;
        Assert.Equal(first, Run());
        Assert.Equal(before, Generator.Default.Position);
    }
}
