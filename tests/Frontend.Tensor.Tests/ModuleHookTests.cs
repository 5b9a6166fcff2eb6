using Xunit;

namespace Picograd.Tests;

public class ModuleHookTests
{
    private sealed class Twice : Module
    {
        public override Tensor Forward(Tensor x) => x * 2;
    }

    [Fact]
    public void Hooks_around_forward_and_backward()
    {
        var (first, second) = (new Twice(), new Twice());
        var model = new Sequential(first, second);
        var seen = new List<string>();
        using var pre = first.RegisterForwardPreHook((m, x) => x + 1);
        first.RegisterForwardHook((m, x, y) => seen.Add($"forward {x.Item()} {y.Item()}"));
        second.RegisterFullBackwardHook((m, input, output) => seen.Add($"second {input!.Item()} {output.Item()}"));
        var scaled = first.RegisterFullBackwardHook((m, input, output) => input! * 10);
        var leaf = Tensor.From(3.0).RequiresGrad_();
        (model.Call(leaf) + leaf).Backward();
        Assert.Equal(["forward 4 8", "second 2 1"], seen);
        Assert.Equal(41, leaf.Grad!.Item());
        scaled.Remove();
        pre.Remove();
        seen.Clear();
        leaf.ZeroGrad_();
        second.RegisterFullBackwardPreHook((m, g) => g * 3);
        model.Call(leaf).Backward();
        Assert.Equal(["forward 3 6", "second 6 3"], seen);
        Assert.Equal(12, leaf.Grad!.Item());
        // An input that needs no gradient; nothing to differentiate at all.
        var linear = new Linear(1, 1);
        linear.RegisterFullBackwardHook((m, input, output) => seen.Add(input is null ? "null" : "there"));
        linear.Call(Tensor.Ones(1, 1)).Sum().Backward();
        Assert.Equal("null", seen[^1]);
        using (Tensor.NoGrad())
            Assert.False(model.Call(leaf).RequiresGrad);
    }
}
