using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Xunit;

namespace Picograd.Tests;

/// <summary>What modules hold where they are not looked for, twice, or under names that clash.</summary>
public class ModulePartsTests
{
    private abstract class Plain : Module
    {
        public override Tensor Forward(Tensor x) => x;
    }

    private static string[] Names(Module module) => [.. module.NamedParameters.Select(p => p.Name)];

    private sealed record Holder(Linear Inner);

    private sealed record Heads(Dictionary<string, Linear> ByName);

    private sealed record Pair((Linear Up, Linear Down) Layers);

    private sealed class Held(object what) : Plain
    {
        public object What { get; } = what;
    }

    private static IEnumerable<Module> Lazily()
    {
        yield return new Linear(1, 1);
    }

    public static TheoryData<string, object> OutOfReach()
    {
        var captured = new Linear(1, 1);
        Func<Tensor, Tensor> closure = x => captured.Forward(x);
        Func<Tensor, Tensor> method = new Linear(1, 1).Forward;
        return new()
        {
            { "What.Inner, a Linear", new Holder(new Linear(1, 1)) },
            { "What, which is not made yet", new Lazy<Linear>(() => new Linear(1, 1)) },
            {
                "What[…], a Linear",
                new HashSet<Module> { new Linear(1, 1) }
            },
            { "What, modules that are made when they are asked for", Lazily() },
            { "What (what it captures), a Linear", method },
            { "What (what it captures).captured, a Linear", closure },
            {
                "What[0].Inner, a Linear",
                new List<Holder> { new(new Linear(1, 1)) }
            },
            { "What.ByName[…].value, a Linear", new Heads(new() { ["key"] = new(1, 1) }) },
            { "What.Layers.Item1, a Linear", new Pair((new(1, 1), new(1, 1))) },
            { "What.value, a Linear", KeyValuePair.Create("key", new Linear(1, 1)) },
            {
                "What[…].Item2, a Linear",
                new HashSet<(string, Linear)> { ("key", new(1, 1)) }
            },
            { "What.UnorderedItems[…].Item1, a Linear", new PriorityQueue<Linear, int>([(new Linear(1, 1), 1)]) },
            { "What.Value, a Linear", new StrongBox<Linear>(new Linear(1, 1)) },
        };
    }

    [Theory]
    [MemberData(nameof(OutOfReach), DisableDiscoveryEnumeration = true)]
    public void WhatCannotBeFoundIsAnError(string hidden, object what)
    {
        var error = Assert.Throws<InvalidOperationException>(() => new Adam(new Held(what).Parameters));
        Assert.StartsWith("Held: the field What", error.Message);
        Assert.Contains($" holds {hidden}, where it is not found, so it would never be trained", error.Message);
        Assert.Contains("[Unregistered]", error.Message);
    }

    private sealed class Growing : Plain
    {
        public Linear First { get; } = new(1, 1);

        public Bag Bag { get; } = new();

        public override Tensor Forward(Tensor x) => First.Forward(x);
    }

    private sealed class Bag
    {
        public Linear? Later { get; set; }

        public Tensor? Kept { get; set; }
    }

    [Fact]
    public void WhatIsPutIntoAHelperLaterIsAnErrorAtTheNextLook()
    {
        var module = new Growing();
        Assert.Equal(2, module.Parameters.Count());
        // What Forward leaves there is none.
        module.Bag.Kept = Tensor.Ones([3]).RequiresGrad_();
        Assert.Equal(2, module.Parameters.Count());
        module.Bag.Later = new Linear(1, 1);
        var error = Assert.Throws<InvalidOperationException>(() => module.Parameters.Count());
        Assert.Contains("a Linear, where it is not found", error.Message);
        module.Bag.Later = module.First;
        Assert.Equal(2, module.Parameters.Count());
    }

    private sealed class Elsewhere : Plain
    {
        private readonly Linear _layer = new(1, 1);
        private readonly Func<Tensor, Tensor> _forward;
        private readonly Holder _holder;
        private readonly Func<Tensor, Tensor> _lambda;
        private readonly Adam _optimizer;

        public Elsewhere()
        {
            _forward = _layer.Forward;
            _holder = new Holder(_layer);
            _lambda = x => _layer.Forward(x);
            _optimizer = new Adam(_layer.Parameters);
        }

        public override Tensor Forward(Tensor x) => _lambda(_forward(_holder.Inner.Forward(x * _optimizer.Lr)));
    }

    [Fact]
    public void WhatIsHeldElsewhereTooIsNoError() => Assert.Equal(2, new Elsewhere().Parameters.Count());

    private sealed class Child(Module parent) : Plain
    {
        private readonly Linear _own = new(1, 1);

        public Module Around { get; } = parent;

        public Linear Own => _own;
    }

    private sealed class Parent : Plain
    {
        public Parent() => Inner = new Child(this);

        public Child Inner { get; }
    }

    [Fact]
    public void AModuleThatContainsItselfIsAnError()
    {
        var error = Assert.Throws<InvalidOperationException>(() => new Parent().ParameterCount);
        Assert.Contains("'inner.around' is also one that contains it", error.Message);
        Assert.Contains("Parent(…)", new Parent().ToString());
    }

    private sealed class Clash : Plain
    {
        public Clash() => Layer = Register("layer", new Linear(1, 1));

        public Linear Layer { get; set; }
    }

    [Fact]
    public void AFieldThatNoLongerHoldsWhatIsRegisteredIsAnError()
    {
        var model = new Clash();
        Assert.Equal(2, model.Parameters.Count());
        model.Layer = new Linear(2, 2);
        var error = Assert.Throws<InvalidOperationException>(() => model.Parameters.Count());
        Assert.Contains(
            "Clash: the field Layer holds another module than the one that is called 'layer'",
            error.Message
        );
    }

    private sealed class Named : Plain
    {
        public Named() => RegisterBuffer("mask", Tensor.Ones(2));

        public Tensor? Mask { get; set; }
    }

    [Fact]
    public void AParameterWithTheNameOfABufferIsAnError()
    {
        var model = new Named();
        Assert.Equal(["mask"], model.StateDict().Keys);
        model.Mask = Tensor.Ones(2).RequiresGrad_();
        var error = Assert.Throws<InvalidOperationException>(model.StateDict);
        Assert.Contains("Named: the field Mask holds another tensor than the one that is called 'mask'", error.Message);
    }

    private sealed class Settings : Plain
    {
        public Dictionary<string, object?> Values { get; } = [];

        public List<object> Items { get; } = [];
    }

    [Fact]
    public void CollectionsMayHoldThemselvesAndKeysOfWhatIsNoPartMayHaveDots()
    {
        var model = new Settings();
        model.Items.AddRange([model.Items, model.Values, new Linear(1, 1, bias: false)]);
        model.Values["self"] = model.Values;
        model.Values["items"] = model.Items;
        model.Values["layer.0"] = 1.5;
        model.Values["layer.1"] = Tensor.Arange(2);
        Assert.Single(model.Parameters);
        model.Values["layer.2"] = new Linear(1, 1);
        Assert.Contains("'layer.2'", Assert.Throws<ArgumentException>(() => model.Parameters.Count()).Message);
    }

    private sealed record Box(ImmutableArray<Linear> Layers);

    private sealed class Unset : Plain
    {
        public ImmutableArray<Linear> Layers { get; set; }

        public Box Box { get; } = new(default(ImmutableArray<Linear>));
    }

    [Fact]
    public void AnImmutableArrayThatWasNeverSetHoldsNothing()
    {
        var model = new Unset();
        Assert.Empty(model.Parameters);
        model.Layers = [new(1, 1)];
        Assert.Equal(["layers.0.weight", "layers.0.bias"], Names(model));
    }

    private sealed class Registers : Plain
    {
        public Tensor Parameter(string name, Tensor tensor) => Register(name, tensor);

        public Tensor Buffer(string name, Tensor tensor) => RegisterBuffer(name, tensor);

        public Module Part(string name, Module module) => Register(name, module);
    }

    [Fact]
    public void RegisteringChecksItsArguments()
    {
        var model = new Registers();
        var one = Tensor.Ones(1);
        model.Parameter("a", one);
        Assert.Throws<ArgumentException>(() => model.Parameter("", one));
        Assert.Throws<ArgumentException>(() => model.Parameter("a.b", one));
        Assert.Throws<ArgumentNullException>(() => model.Parameter("b", null!));
        Assert.Throws<ArgumentNullException>(() => model.Part("b", null!));
        Assert.Throws<ArgumentException>(() => model.Part("a", new Tanh()));
        Assert.Throws<ArgumentException>(() => model.Buffer("a", one));
        Assert.Throws<ArgumentException>(() => model.Parameter("c", one * 2));
        Assert.Throws<ArgumentException>(() => model.Parameter("c", Tensor.Arange(2)));
        // A second one of the name takes the first one's place.
        var two = model.Parameter("a", Tensor.Ones(2));
        Assert.Same(two, Assert.Single(model.Parameters));
        Assert.Throws<ArgumentException>(() => new Linear(2, 2).Weight = Tensor.Ones(2));
    }
}
