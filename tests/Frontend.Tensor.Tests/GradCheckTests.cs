using Xunit;

namespace Picograd.Tests;

public class GradCheckTests
{
    private sealed class WrongSquare(double slope) : Function
    {
        public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
        {
            context.SaveForBackward(inputs[0]);
            return inputs[0] * inputs[0];
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor gradient) =>
            [gradient * context.SavedTensors[0] * slope];
    }

    [Fact]
    public void Agreeing_and_disagreeing_gradients()
    {
        var x = Tensor.From([1.0, 2.0, 3.0, 4.0], [2, 2]).RequiresGrad_();
        var w = Tensor.Randn([2, 3], new Generator(1), DType.Float64).RequiresGrad_();
        Assert.True(Autograd.GradCheck(i => i[0].MatMul(i[1]).Tanh(), [x, w]));
        Assert.True(Autograd.GradGradCheck(i => i[0].MatMul(i[1]).Tanh(), [x, w]));
        Assert.True(Autograd.GradCheck(t => new WrongSquare(2).Apply(t), x));
        var error = Assert.Throws<GradCheckException>(() => Autograd.GradCheck(t => new WrongSquare(3).Apply(t), x));
        Assert.Contains("Jacobian mismatch for output 0 with respect to input 0", error.Message);
        Assert.Contains("output 0[0, 0] with respect to input 0[0, 0]", error.Message);
        Assert.False(Autograd.GradCheck(t => new WrongSquare(3).Apply(t), x, raiseException: false));
        Assert.True(Autograd.GradCheck(t => new WrongSquare(2.001).Apply(t), x, rtol: 1e-2));
        Assert.False(
            Autograd.GradCheck(t => new WrongSquare(2.001).Apply(t), x, rtol: 0, atol: 1e-9, raiseException: false)
        );
        Assert.Equal([1, 2, 3, 4], x.ToDoubles());
        Assert.Null(x.Grad);
        // A transposed input, one that is not differentiated, a result that does not depend on anything.
        Assert.True(Autograd.GradCheck(i => [i[0] * i[1], i[1] * 2], [x.Detach().T.RequiresGrad_(), Tensor.From(2.0)]));
        Assert.Contains(
            "at least one input",
            Assert.Throws<ArgumentException>(() => Autograd.GradCheck(t => t * 2, Tensor.From(1.0))).Message
        );
        Assert.Throws<ArgumentException>(() =>
            Autograd.GradCheck(t => t * 2, Tensor.From([1.0]).Expand(3).RequiresGrad_())
        );
        // What is cut off has differences, and no gradient.
        Assert.Throws<GradCheckException>(() => Autograd.GradCheck(t => t.Detach() * t.Detach() + t * 0, x));
    }
}
