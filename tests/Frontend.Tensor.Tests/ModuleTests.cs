using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Xunit;

namespace Picograd.Tests;

public class ModuleTests
{
    private abstract class Plain : Module
    {
        public override Tensor Forward(Tensor x) => x;
    }

    private static string[] Names(Module module) => [.. module.NamedParameters.Select(p => p.Name)];

    private sealed class Everything : Plain
    {
        private readonly Linear _fc1 = new(2, 3);
        private readonly Tensor _scale = Tensor.Ones(3).RequiresGrad_();
        private readonly List<Module> _blocks =
        [
            new Linear(3, 3, bias: false),
            new Tanh(),
            new Linear(3, 3, bias: false),
        ];
        private readonly Dictionary<string, Linear> _heads = new() { ["key"] = new(3, 1), ["value"] = new(3, 1) };
        private readonly Tensor[] _tables = [Tensor.Ones(2).RequiresGrad_(), Tensor.Ones(4).RequiresGrad_()];
        private readonly (Linear Up, Linear Down) _pair = (new(3, 6, bias: false), new(6, 3, bias: false));
        private readonly Linear[][] _grid =
        [
            [new(1, 1, bias: false)],
            [new(1, 1, bias: false)],
        ];
        private readonly int[] _sizes = [1, 2];
        private readonly Func<Tensor, Tensor> _activation = x => x.Tanh();
        private readonly string _text = "text";

        public Linear OutputLayer { get; } = new(3, 2, bias: false);

        public string Uses => $"{_fc1}{_scale}{_blocks}{_heads}{_tables}{_pair}{_grid}{_sizes}{_activation}{_text}";
    }

    [Fact]
    public void FieldsAreFoundAndNamedAsInPyTorch()
    {
        var model = new Everything();
        Assert.Equal(
            [
                "scale",
                "fc1.weight",
                "fc1.bias",
                "blocks.0.weight",
                "blocks.2.weight",
                "heads.key.weight",
                "heads.key.bias",
                "heads.value.weight",
                "heads.value.bias",
                "tables.0",
                "tables.1",
                "pair.0.weight",
                "pair.1.weight",
                "grid.0.0.weight",
                "grid.1.0.weight",
                "output_layer.weight",
            ],
            Names(model)
        );
        Assert.All(model.Parameters, p => Assert.True(p.RequiresGrad && p.IsLeaf));
        Assert.Equal(Names(model), model.StateDict().Keys);
        Assert.Equal(["Linear", "Linear", "Tanh", "Linear"], model.Children.Take(4).Select(c => c.GetType().Name));
    }

    [Theory]
    [InlineData("_fc1", "fc1")]
    [InlineData("LayerNorm", "layer_norm")]
    [InlineData("tokenTable", "token_table")]
    [InlineData("QKV", "qkv")]
    [InlineData("W1", "w1")]
    [InlineData("Conv2D", "conv2d")]
    [InlineData("Fc1Weight", "fc1_weight")]
    [InlineData("MLPBlock", "mlp_block")]
    [InlineData("__x", "x")]
    [InlineData("already_so", "already_so")]
    public void NamesAreThoseOfPython(string name, string expected) =>
        Assert.Equal(expected, ModuleFields.PythonName(name));

    private sealed class TwoLayers : Module
    {
        private readonly Linear _first = new(3, 8, generator: new Generator(1));
        private readonly List<Linear> _rest = [];

        public void Grow(long outputs) => _rest.Add(new Linear(8, outputs, generator: new Generator(2)));

        public override Tensor Forward(Tensor x) => _rest[0].Forward(_first.Forward(x).Tanh());
    }

    [Fact]
    public void WhatIsFoundIsTrained()
    {
        var model = new TwoLayers();
        // Asked for before the list has anything in it, and again afterwards.
        Assert.Equal(["first.weight", "first.bias"], Names(model));
        model.Grow(1);
        Assert.Equal(["first.weight", "first.bias", "rest.0.weight", "rest.0.bias"], Names(model));
        var x = Tensor.Randn([16, 3], new Generator(3));
        var y = x.Sum(1).Unsqueeze(1);
        var optimizer = new Adam(model.Parameters, 0.02);
        double first = 0;
        double loss = 0;
        for (int step = 0; step < 100; step++)
        {
            using var scope = Tensor.Scope();
            var now = F.MseLoss(model.Forward(x), y);
            optimizer.ZeroGrad();
            now.Backward();
            optimizer.Step();
            loss = now.Item();
            if (step == 0)
                first = loss;
        }
        Assert.InRange(loss, 0, first / 10);
    }

    private sealed class Tied : Module
    {
        public Tied(bool twice = false)
        {
            Table = Register("wte", new Embedding(5, 3));
            Head = Register("lm_head", new Linear(3, 5, bias: false));
            Head.Weight = Table.Weight;
            if (twice)
                Register("again", Register("once", Tensor.Ones(2)));
        }

        public Embedding Table { get; }

        public Linear Head { get; }

        public override Tensor Forward(Tensor x) => Head.Forward(Table.Forward(x));
    }

    [Fact]
    public void ATiedWeightIsOneParameterUnderTwoNames()
    {
        var model = new Tied(twice: true);
        Assert.Equal(["once", "wte.weight"], Names(model));
        Assert.Equal(["once", "again", "wte.weight", "lm_head.weight"], model.StateDict().Keys);
        Assert.Equal(2 + 15, model.ParameterCount);
        Assert.Same(model.Table.Weight, model.Head.Weight);
        // Both uses add to one gradient, and an optimizer takes it once.
        model.Forward(Tensor.From<long>([0, 1])).Sum().Backward();
        Assert.NotNull(model.Table.Weight.Grad);
        _ = new SGD(model.Parameters, 0.1);
    }

    private sealed class Shared : Plain
    {
        private readonly Linear _a = new(2, 2);
        private readonly Linear _b;
        private readonly Tensor _v = Tensor.Ones(1).RequiresGrad_();
        private readonly Tensor _w;

        public Shared() => (_b, _w) = (_a, _v);

        public override Tensor Forward(Tensor x) => _b.Forward(x) * _w;
    }

    [Fact]
    public void AModuleInTwoFieldsHasTwoNames()
    {
        var model = new Shared();
        Assert.Equal(["v", "a.weight", "a.bias"], Names(model));
        Assert.Equal(["v", "w", "a.weight", "a.bias", "b.weight", "b.bias"], model.StateDict().Keys);
    }

    private sealed class Forgetful : Plain
    {
        public Tensor Weight = Tensor.Zeros(2, 64);
    }

    private sealed class WithBuffers : Plain
    {
        public WithBuffers() => RegisterBuffer("mask", Mask);

        public Tensor Mask { get; } = Tensor.Ones(3);

        public Tensor Places = Tensor.Arange(3);

        [Unregistered]
        public Tensor Cache = Tensor.Zeros(3);

        [Unregistered]
        public Linear Teacher { get; } = new(2, 2);

        public Tensor Weight = Tensor.Ones(2).RequiresGrad_();
    }

    [Fact]
    public void AFloatTensorMustBeDecidedUpon()
    {
        var error = Assert.Throws<InvalidOperationException>(() => new Forgetful().Parameters.Count());
        Assert.Equal(
            "Forgetful: the field Weight holds a f32 tensor of shape [2, 64] that is neither a parameter nor a buffer, so it would "
                + "never be trained: if it is to be trained, call Register, or RequiresGrad_() on it; if not, RegisterBuffer, or mark "
                + "the field [Unregistered].",
            error.Message
        );
        // Printing does not fail.
        Assert.Equal("Forgetful()", new Forgetful().ToString());
        var model = new WithBuffers();
        Assert.Equal(["weight"], Names(model));
        Assert.Equal(["weight", "mask"], model.StateDict().Keys);
        Assert.False(model.Mask.RequiresGrad);
    }

    private sealed class Caching : Module
    {
        private readonly Linear _layer = new(2, 2);

        public Tensor? Last { get; private set; }

        public Tensor? Plain { get; private set; }

        public override Tensor Forward(Tensor x)
        {
            Last = _layer.Forward(x);
            Plain = Last.Detach().Clone();
            return Last;
        }
    }

    [Fact]
    public void WhatForwardLeavesInFieldsIsNoParameter()
    {
        var model = new Caching();
        Assert.Equal(2, model.Parameters.Count());
        model.Forward(Tensor.Ones(1, 2)).Sum().Backward();
        Assert.Equal(["layer.weight", "layer.bias"], Names(model));
        using (Tensor.Scope())
            model.Forward(Tensor.Ones(1, 2));
        Assert.Equal(["layer.weight", "layer.bias"], Names(model));
    }

    private sealed class Frozen : Plain
    {
        public Tensor Weight = Tensor.Ones(2).RequiresGrad_();
    }

    [Fact]
    public void AFrozenParameterStaysOne()
    {
        var model = new Frozen();
        Assert.Single(model.Parameters);
        model.Weight.RequiresGrad_(false);
        Assert.Equal(["weight"], Names(model));
        model.Weight = Tensor.Zeros(2).RequiresGrad_();
        Assert.Same(model.Weight, Assert.Single(model.Parameters));
    }

    [Fact]
    public void StatesAreCopiedWholeOrNotAtAll()
    {
        var from = new Sequential(new Linear(2, 3, generator: new Generator(1)), new Linear(3, 1));
        var to = new Sequential(new Linear(2, 3, generator: new Generator(2)), new Linear(3, 1, dtype: DType.Float64));
        to.LoadStateDict(from.StateDict());
        foreach (var (a, b) in from.Parameters.Zip(to.Parameters))
            Assert.Equal(a.ToDoubles(), b.ToDoubles());
        Assert.Equal(DType.Float64, to.Parameters.Last().DType);
        var before = to.Parameters.First().ToDoubles();
        var wrong = from.StateDict();
        wrong["0.weight"] = Tensor.Zeros(2, 3);
        wrong.Remove("1.bias");
        wrong["2.bias"] = Tensor.Zeros(1);
        var error = Assert.Throws<ArgumentException>(() => to.LoadStateDict(wrong));
        Assert.Contains("'0.weight' has shape [2, 3], but the module's is [3, 2]", error.Message);
        Assert.Contains("'1.bias' is missing", error.Message);
        Assert.Contains("'2.bias' is not in the module", error.Message);
        Assert.Equal(before, to.Parameters.First().ToDoubles());
        wrong.Remove("0.weight");
        wrong["1.weight"] = Tensor.Zeros(1, 3);
        var (missing, unexpected) = to.LoadStateDict(wrong, strict: false);
        Assert.Equal(["0.weight", "1.bias"], missing);
        Assert.Equal(["2.bias"], unexpected);
        Assert.Equal([0, 0, 0], to.StateDict()["1.weight"].ToDoubles());
        // The state shares the model's memory.
        to.StateDict()["1.bias"].Fill_(7);
        Assert.Equal([7], to.Parameters.Last().ToDoubles());
    }

    [Fact]
    public void ModulesPrintAsInPyTorch()
    {
        Assert.Equal("Linear(in_features=2, out_features=64, bias=True)", new Linear(2, 64).ToString());
        Assert.Equal("Embedding(27, 10)", new Embedding(27, 10).ToString());
        Assert.Equal(
            """
            Sequential(
              (0): Flatten(start_dim=1, end_dim=-1)
              (1): Linear(in_features=2, out_features=64, bias=True)
              (2): Tanh()
              (3): Sequential(
                (0): Linear(in_features=64, out_features=1, bias=False)
              )
            )
            """.ReplaceLineEndings("\n"),
            new Sequential(
                new Flatten(),
                new Linear(2, 64),
                new Tanh(),
                new Sequential(new Linear(64, 1, bias: false))
            ).ToString()
        );
        Assert.Equal("Sequential()", new Sequential().ToString());
    }

    private sealed class Printed : Plain
    {
        private readonly Embedding _wte = new(7, 4);
        private readonly List<Linear> _blocks = [new(4, 4), new(4, 4), new(4, 2)];
        private readonly Dictionary<string, Module> _heads = new() { ["act"] = new ReLU() };
        private readonly Tensor[] _scales = [Tensor.Ones(2, 3).RequiresGrad_()];

        protected override string ExtraRepr() => $"width={_wte.Weight.Size(1)}";

        public override Tensor Forward(Tensor x) => _heads["act"].Forward(_blocks[0].Forward(x)) + _scales[0];
    }

    [Fact]
    public void FoundPartsPrintAsInPyTorch() =>
        Assert.Equal(
            """
            Printed(
              width=4
              (wte): Embedding(7, 4)
              (blocks): ModuleList(
                (0-1): 2 x Linear(in_features=4, out_features=4, bias=True)
                (2): Linear(in_features=4, out_features=2, bias=True)
              )
              (heads): ModuleDict(
                (act): ReLU()
              )
              (scales): ParameterList(
                (0): Parameter [2, 3]
              )
            )
            """.ReplaceLineEndings("\n"),
            new Printed().ToString()
        );
}
