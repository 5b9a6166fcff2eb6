using Xunit;

namespace Picograd.Tests;

/// <summary>Functions with derivatives of their own, and checkpoints.</summary>
public class FunctionApplyTests
{
    private static Tensor Leaf(params double[] values) => Tensor.From(values).RequiresGrad_();

    private sealed class OwnExp : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
        {
            Assert.False(Tensor.IsGradEnabled);
            var y = inputs[0].Exp();
            context.SaveForBackward(y);
            return y;
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) =>
            [gradient * context.SavedTensors[0]];
    }

    private sealed class Scaled(double by) : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs) => inputs[0] * by;

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) => [gradient * by];
    }

    private sealed class SumAndProduct : MultiOutputFunction
    {
        public override Tensor[] Forward(FunctionContext context, params Tensor[] inputs)
        {
            context.SaveForBackward(inputs);
            var rounded = inputs[0].Round();
            context.MarkNonDifferentiable(rounded);
            return [inputs[0] + inputs[1], inputs[0] * inputs[1], rounded];
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor?[] gradients)
        {
            var (a, b) = (context.SavedTensors[0], context.SavedTensors[1]);
            return
            [
                context.NeedsInputGrad[0] ? gradients[0]! + gradients[1]! * b : null,
                context.NeedsInputGrad[1] ? gradients[0]! + gradients[1]! * a : null,
            ];
        }
    }

    [Fact]
    public void A_function_of_ones_own_is_differentiated_twice()
    {
        var x = Leaf(1, 2);
        var y = Function.Apply<OwnExp>(x);
        Assert.Equal("OwnExpBackward", y.GradFn!.Name);
        var first = Autograd.Grad(y.Sum(), x, createGraph: true);
        var second = Autograd.Grad(first.Sum(), x);
        var expected = x.Detach().Exp().ToDoubles();
        Assert.Equal(expected, first.ToDoubles());
        Assert.Equal(expected, second.ToDoubles());
        Assert.True(Autograd.GradCheck(t => Function.Apply<OwnExp>(t), x));
        Assert.True(Autograd.GradGradCheck(t => Function.Apply<OwnExp>(t), x));
        Assert.Equal([3, 3], Autograd.Grad(new Scaled(3).Apply(x).Sum(), x).ToDoubles());
        using (Tensor.NoGrad())
            Assert.False(Function.Apply<OwnExp>(x).RequiresGrad);
    }

    [Fact]
    public void A_function_of_several_results_gets_all_gradients_at_once()
    {
        var (a, b) = (Leaf(2, 3), Leaf(5, 7));
        var results = MultiOutputFunction.Apply<SumAndProduct>(a, b);
        Assert.False(results[2].RequiresGrad);
        (results[0] * 10 + results[1]).Sum().Backward();
        Assert.Equal([15, 17], a.Grad!.ToDoubles());
        Assert.Equal([12, 13], b.Grad!.ToDoubles());
        // One result alone: the gradient of the other is zeros.
        Assert.Equal([2, 3], Autograd.Grad(MultiOutputFunction.Apply<SumAndProduct>(a, b)[1].Sum(), b).ToDoubles());
        Assert.True(Autograd.GradCheck(t => MultiOutputFunction.Apply<SumAndProduct>(t[0], t[1])[..2], [a, b]));
        Assert.True(Autograd.GradGradCheck(t => MultiOutputFunction.Apply<SumAndProduct>(t[0], t[1])[..2], [a, b]));
        // Of an input that needs none nothing is asked.
        var plain = Tensor.From([1.0, 1.0]);
        Assert.Equal([1, 1], Autograd.Grad(MultiOutputFunction.Apply<SumAndProduct>(a, plain)[1].Sum(), a).ToDoubles());
    }

    [Fact]
    public void What_is_saved_is_watched_and_freed()
    {
        var x = Leaf(1, 2);
        var y = Function.Apply<OwnExp>(x);
        var sum = y.Sum();
        sum.Backward();
        Assert.Contains("already used", Assert.Throws<InvalidOperationException>(() => sum.Backward()).Message);
        var z = Function.Apply<OwnExp>(x * 1);
        z.Add_(1);
        Assert.Contains("changed in place", Assert.Throws<InvalidOperationException>(() => z.Sum().Backward()).Message);
    }

    private sealed class Wrong(Func<Tensor, Tensor?[]> backward) : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs) => inputs[0] * 2;

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) => backward(gradient);
    }

    private sealed class Once : Function
    {
        protected override bool OnceDifferentiable => true;

        public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
        {
            context.SaveForBackward(inputs[0]);
            return inputs[0] * inputs[0];
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) =>
            [gradient * 2 * context.SavedTensors[0]];
    }

    private sealed class Doubled : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
        {
            inputs[0].Mul_(2);
            context.MarkDirty(inputs[0]);
            return inputs[0];
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) => [gradient * 2];
    }

    [Fact]
    public void What_backward_returns_is_checked()
    {
        var x = Leaf(1, 2);
        string Message(Func<Tensor, Tensor?[]> backward) =>
            Assert.Throws<InvalidOperationException>(() => new Wrong(backward).Apply(x).Sum().Backward()).Message;
        Assert.Contains("incorrect number of gradients (expected 1, got 2)", Message(g => [g, g]));
        Assert.Contains("got [3] but expected shape compatible with [2]", Message(g => [Tensor.From([1.0, 2.0, 3.0])]));
        // Null is no gradient; trailing nulls may be too many; float32 is converted.
        new Wrong(g => [null, null])
            .Apply(x)
            .Sum()
            .Backward();
        Assert.Null(x.Grad);
        new Wrong(g => [g.To(DType.Float32) * 3]).Apply(x).Sum().Backward();
        Assert.Equal(DType.Float64, x.Grad!.DType);
        Assert.Equal([3, 3], x.Grad.ToDoubles());
    }

    [Fact]
    public void Once_differentiable_and_dirty()
    {
        var x = Leaf(3);
        var grad = Autograd.Grad(new Once().Apply(x), x, createGraph: true);
        Assert.Equal(6, grad.Item());
        Assert.Contains("once differentiable", Assert.Throws<InvalidOperationException>(() => grad.Backward()).Message);
        Assert.Throws<InvalidOperationException>(() => new Doubled().Apply(x));
        x = Leaf(3);
        var y = x * 1;
        var same = new Doubled().Apply(y);
        Assert.Same(y, same);
        (y * y).Backward();
        Assert.Equal(6 * 2 * 2, x.Grad!.Item());
    }

    [Fact]
    public void A_result_that_is_an_input_does_not_change_the_input()
    {
        var x = Leaf(3) * 1;
        var before = x.GradFn;
        var y = new Handed().Apply(x);
        Assert.NotSame(x, y);
        Assert.Equal(before, x.GradFn);
        Assert.Equal(5, Autograd.Grad(y, x).Item());
    }

    private sealed class Handed : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs) => inputs[0];

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) => [gradient * 5];
    }

    private static Tensor Block(Tensor x, Tensor w) => (x.MatMul(w).Tanh() * x.Sigmoid()).Relu() + w.Exp();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_checkpoint_gives_the_same_gradients(bool inScope)
    {
        var x = Tensor.Randn([4, 4], new Generator(1), DType.Float64).RequiresGrad_();
        var w = Tensor.Randn([4, 4], new Generator(2), DType.Float64).RequiresGrad_();
        using var scope = inScope ? Tensor.Scope() : null;
        var plain = Block(Block(x, w), w).Sum();
        var expected = Autograd.Grad(plain, [x, w]);
        int calls = 0;
        // Of w it knows by itself; one is within the other.
        var y = Autograd.Checkpoint(
            t =>
            {
                calls++;
                return Block(Autograd.Checkpoint(u => Block(u, w), t), w);
            },
            x
        );
        Assert.Equal(plain.Item(), y.Sum().Item());
        var found = Autograd.Grad(y.Sum(), [x, w]);
        Assert.Equal(2, calls);
        for (int i = 0; i < 2; i++)
            Assert.Equal(expected[i]!.ToDoubles(), found[i]!.ToDoubles());
    }

    [Fact]
    public void A_checkpoint_draws_the_same_numbers_and_is_differentiated_twice()
    {
        var x = Leaf(1, 2, 3);
        Tensor.ManualSeed(5);
        var factors = new List<double[]>();
        var results = Autograd.Checkpoint(
            t =>
            {
                var drawn = Tensor.Rand(3).To(DType.Float64);
                factors.Add(drawn.ToDoubles());
                var s = t[0] * drawn * t[0];
                return [s.Sum(), s * t[0]];
            },
            [x]
        );
        long position = Generator.Default.Position;
        var y = results[0] + results[1].Sum();
        var first = Autograd.Grad(y, x, createGraph: true);
        Assert.Equal(position, Generator.Default.Position);
        Assert.Equal(factors[0], factors[1]);
        var second = Autograd.Grad(first.Sum(), x);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(factors[0][i] * (2 * (i + 1) + 3 * (i + 1) * (i + 1)), first.ToDoubles()[i], 1e-12);
            Assert.Equal(factors[0][i] * (2 + 6 * (i + 1)), second.ToDoubles()[i], 1e-12);
        }
    }

    [Fact]
    public void A_checkpoint_says_what_is_not_the_same_again()
    {
        var x = Leaf(1, 2);
        int calls = 0;
        var y = Autograd.Checkpoint(t => calls++ == 0 ? t.Exp() * t : t.Sin() * t, x);
        Assert.Contains("ExpBackward0", Assert.Throws<InvalidOperationException>(() => y.Sum().Backward()).Message);
        var m = x * 1;
        var z = Autograd.Checkpoint(t => t.Exp(), m);
        m.Add_(1);
        Assert.Contains("input 0", Assert.Throws<InvalidOperationException>(() => z.Sum().Backward()).Message);
    }

    [Fact]
    public void Checkpoints_in_segments_and_of_functions()
    {
        var x = Leaf(0.1, 0.2);
        Func<Tensor, Tensor>[] layers =
        [
            t => t.Exp(),
            t => t * t,
            t => Function.Apply<OwnExp>(t),
            t => t.Tanh(),
            t => t * t,
        ];
        var expected = x;
        foreach (var layer in layers)
            expected = layer(expected);
        for (int segments = 1; segments <= 5; segments++)
        {
            var y = Autograd.CheckpointSequential(layers, segments, x);
            Assert.Equal(expected.ToDoubles(), y.ToDoubles());
            Assert.Equal(
                Autograd.Grad(expected.Sum(), x, retainGraph: true).ToDoubles(),
                Autograd.Grad(y.Sum(), x).ToDoubles()
            );
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => Autograd.CheckpointSequential(layers, 6, x));
    }
}
