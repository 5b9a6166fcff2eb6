using Xunit;

namespace Picograd.Tests;

/// <summary>Passes of chosen inputs, hooks, anomalies: what PyTorch's <c>torch.autograd</c> and tensors have of them.</summary>
public class AutogradPassTests
{
    private static Tensor Leaf(params double[] values) => Tensor.From(values).RequiresGrad_();

    [Fact]
    public void Grad_returns_what_is_asked_and_adds_nothing()
    {
        var (a, b, c) = (Leaf(2, 3), Leaf(5, 7), Leaf(1, 1));
        var m = a * b;
        var y = (m * m + c).Sum();
        var grads = Autograd.Grad([y], [a, m, c], retainGraph: true);
        Assert.Equal([100, 294], grads[0]!.ToDoubles());
        Assert.Equal([20, 42], grads[1]!.ToDoubles());
        Assert.Equal([1, 1], grads[2]!.ToDoubles());
        Assert.Null(a.Grad);
        Assert.Null(c.Grad);
        Assert.Equal([40, 126], Autograd.Grad(y, b).ToDoubles());
        // The graph is gone by now.
        var error = Assert.Throws<InvalidOperationException>(() => Autograd.Grad(y, b));
        Assert.Contains("already used and freed", error.Message);
    }

    [Fact]
    public void Grad_of_several_outputs_weighs_and_sums()
    {
        var x = Leaf(1, 2, 3);
        var (y, z) = (x * x, x.Sum());
        var grad = Autograd.Grad([y, z], [x], [Tensor.From([1.0, 0.5, 2.0]), null])[0]!;
        Assert.Equal([3, 3, 13], grad.ToDoubles());
        // Gradients of other floats are converted.
        Assert.Equal([2, 4, 6], Autograd.Grad(x * x, x, Tensor.Ones(3)).ToDoubles());
        // Of the same input twice, and of an output that is an input.
        var w = Leaf(4);
        var both = Autograd.Grad([w], [w, w]);
        Assert.Equal([1], both[0]!.ToDoubles());
        Assert.Equal([1], both[1]!.ToDoubles());
    }

    [Fact]
    public void What_Grad_refuses()
    {
        var (x, unused) = (Leaf(1, 2), Leaf(3));
        var y = (x * 2).Sum();
        var plain = Tensor.From([1.0]);
        string Message(Action act) => Assert.ThrowsAny<Exception>(act).Message;
        Assert.Contains("not have been used in the graph", Message(() => Autograd.Grad([y], [x, unused])));
        Assert.Contains("does not require grad", Message(() => Autograd.Grad([y], [plain])));
        Assert.Contains("element 0 of tensors", Message(() => Autograd.Grad([plain], [x])));
        Assert.Contains("only for scalar outputs", Message(() => Autograd.Grad([x * 2], [x])));
        Assert.Contains("non-empty inputs", Message(() => Autograd.Grad([y], [])));
        Assert.Contains("Mismatch in shape", Message(() => Autograd.Grad([y], [x], [Tensor.From([1.0, 2.0])])));
        Assert.Contains("cannot be empty", Message(() => y.Backward(inputs: [])));
        var grads = Autograd.Grad([y], [x, unused], allowUnused: true);
        Assert.Null(grads[1]);
        var zeros = Autograd.Grad([(x * 2).Sum()], [x, unused], materializeGrads: true);
        Assert.Equal([0], zeros[1]!.ToDoubles());
    }

    [Fact]
    public void Grad_can_be_differentiated()
    {
        var x = Leaf(2);
        var y = x * x * x;
        var first = Autograd.Grad(y, x, createGraph: true);
        var second = Autograd.Grad(first, x, createGraph: true);
        var third = Autograd.Grad(second, x);
        Assert.Equal([12, 12, 6], new[] { first, second, third }.Select(t => t.Item()));
    }

    [Fact]
    public void Backward_adds_to_the_inputs_given()
    {
        var (a, b) = (Leaf(2), Leaf(3));
        var m = a * b;
        var y = m * b;
        y.Backward(inputs: [b, m], retainGraph: true);
        Assert.Null(a.Grad);
        Assert.Equal(12, b.Grad!.Item());
        Assert.Equal(3, m.Grad!.Item());
        y.Backward(inputs: [b]);
        Assert.Equal(24, b.Grad!.Item());
        Autograd.Backward([a * 2, a * 5]);
        Assert.Equal(7, a.Grad!.Item());
    }

    [Fact]
    public void A_hook_sees_the_whole_gradient_before_it_is_used()
    {
        var seen = new List<(string, double)>();
        var x = Leaf(3);
        var y = x * 2;
        y.RetainGrad();
        x.RegisterHook(g => seen.Add(("x", g.Item())));
        y.RegisterHook(g => seen.Add(("y", g.Item())));
        var replaced = y.RegisterHook(g => g * 10);
        y.RegisterHook(g => seen.Add(("y again", g.Item())));
        (y * y + y).Backward();
        // dy = 2·6 + 1, seen once though it comes from three places; then ten times as much.
        Assert.Equal([("y", 13), ("y again", 130), ("x", 260)], seen);
        Assert.Equal(260, x.Grad!.Item());
        Assert.Equal(130, y.Grad!.Item());
        replaced.Remove();
        replaced.Remove();
        seen.Clear();
        var z = x * 2;
        (z + x * 5).Backward();
        Assert.Equal([("x", 7)], seen);
        Assert.Equal(267, x.Grad!.Item());
    }

    [Fact]
    public void A_gradient_that_a_hook_kept_stays()
    {
        Tensor? kept = null;
        var x = Leaf(1, 2, 3);
        var y = x * 2;
        y.RegisterHook(g => kept = g);
        (y * y).Sum().Backward();
        for (int i = 0; i < 5; i++)
            (x * i).Sum().Backward();
        Assert.Equal([4, 8, 12], kept!.ToDoubles());
    }

    [Fact]
    public void A_leafs_hook_changes_what_is_added_and_Grad_returns()
    {
        var x = Leaf(1, 2);
        var hook = x.RegisterHook(g => g.Clamp(max: 1.5));
        (x * x).Sum().Backward();
        Assert.Equal([1.5, 1.5], x.Grad!.ToDoubles());
        Assert.Equal([1.5, 1.5], Autograd.Grad((x * x).Sum(), x).ToDoubles());
        using (hook) { }
        Assert.Equal([2, 4], Autograd.Grad((x * x).Sum(), x).ToDoubles());
    }

    [Fact]
    public void Hooks_after_accumulation_see_the_gradient_of_all_passes()
    {
        var (x, w) = (Leaf(2), Leaf(5));
        var seen = new List<double>();
        using var hook = x.RegisterPostAccumulateGradHook(t =>
        {
            seen.Add(t.Grad!.Item());
            // As an optimizer's step within the pass.
            using (Tensor.NoGrad())
                t.Sub_(t.Grad!);
            t.Grad = null;
        });
        (x * w + x * 3).Backward();
        Assert.Equal([8], seen);
        Assert.Null(x.Grad);
        Assert.Equal(-6, x.Item());
        Assert.Equal(2, w.Grad!.Item());
    }

    [Fact]
    public void Hooks_are_refused_where_no_gradient_comes()
    {
        var plain = Tensor.From([1.0]);
        Assert.Throws<InvalidOperationException>(() => plain.RegisterHook(g => g));
        Assert.Throws<InvalidOperationException>(() => plain.RegisterPostAccumulateGradHook(g => { }));
        var y = Leaf(1) * 2;
        Assert.Throws<InvalidOperationException>(() => y.RegisterPostAccumulateGradHook(g => { }));
        y.RegisterHook(g => Tensor.From([1.0, 2.0]));
        Assert.Contains("hook", Assert.Throws<InvalidOperationException>(() => y.Backward()).Message);
    }

    [Fact]
    public void Anomalies_name_the_operator_and_the_place()
    {
        using (Autograd.DetectAnomaly())
        {
            var x = Leaf(0, 1);
            var y = Root(x) * 0;
            var error = Assert.Throws<AnomalyException>(() => y.Sum().Backward());
            Assert.Contains("SqrtBackward0", error.Message);
            Assert.Contains("nan values in its 0th output", error.Message);
            Assert.Contains(nameof(Root), error.Message);
        }
        Assert.False(Autograd.IsAnomalyEnabled);
        // Without it there is NaN, and nobody says so.
        var z = Leaf(0);
        (z.Sqrt() * 0).Backward();
        Assert.True(double.IsNaN(z.Grad!.Item()));
    }

    private static Tensor Root(Tensor x) => x.Sqrt();

    [Fact]
    public void Anomalies_tell_where_a_failing_operator_was_called()
    {
        using var scope = Autograd.DetectAnomaly(checkNan: false);
        var x = Leaf(1, 2);
        var y = x * 1;
        var z = Root(y * 2);
        var saved = z * z;
        z.Add_(1);
        var error = Assert.Throws<AnomalyException>(() => saved.Sum().Backward());
        Assert.Contains("MulBackward0", error.Message);
        Assert.Contains("changed in place", error.Message);
    }

    [Fact]
    public void Records_have_PyTorchs_names()
    {
        var x = Leaf(1, 2).Reshape(1, 2);
        Assert.Null(Leaf(1).GradFn);
        Assert.Equal("ViewBackward0", x.GradFn!.Name);
        var sum = (x * x + 1).Sum();
        Assert.Equal("<SumBackward0>", sum.GradFn!.ToString());
        Assert.Equal("AddBackward0", sum.GradFn.NextFunctions[0]!.Name);
        Assert.Equal("MulBackward0", sum.GradFn.NextFunctions[0]!.NextFunctions[0]!.Name);
        Assert.Equal("AccumulateGrad", x.GradFn.NextFunctions[0]!.Name);
        Assert.Equal(sum.GradFn, sum.GradFn);
        Assert.Equal("MmBackward0", x.MatMul(x.T).GradFn!.Name);
        Assert.True(sum.RetainGrad().RetainsGrad);
    }

    [Fact]
    public void Modes_of_recording()
    {
        var x = Leaf(1);
        using (Tensor.SetGradEnabled(false))
        {
            Assert.False(Tensor.IsGradEnabled);
            Assert.False((x * 2).RequiresGrad);
            using (Tensor.SetGradEnabled(true))
                Assert.True((x * 2).RequiresGrad);
        }
        using (Tensor.InferenceMode())
            Assert.False((x * 2).RequiresGrad);
        using (Tensor.InferenceMode(false))
            Assert.True((x * 2).RequiresGrad);
        Assert.True(Tensor.IsGradEnabled);
    }
}
