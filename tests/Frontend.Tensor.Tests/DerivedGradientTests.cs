using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Xunit;

namespace Picograd.Tests;

/// <summary>Gradients that follow from the operators' algorithms, without a rule by hand.</summary>
public sealed class DerivedGradientTests : IDisposable
{
    public DerivedGradientTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    [Fact]
    public void Derivatives_go_up_to_the_fourth()
    {
        var x = Tensor.From([0.3, -1.2, 0.7]).RequiresGrad_();
        var y = x.Tanh().Sum();
        double[][] expected =
        [
            .. new Func<double, double>[]
            {
                t => 1 - t * t,
                t => -2 * t * (1 - t * t),
                t => (1 - t * t) * (6 * t * t - 2),
                t => (1 - t * t) * (16 * t - 24 * t * t * t),
            }.Select(f => x.ToDoubles().Select(v => f(Math.Tanh(v))).ToArray()),
        ];
        for (int order = 0; order < 4; order++)
        {
            x.Grad = null;
            y.Backward(createGraph: order < 3);
            Assert.All(x.Grad!.ToDoubles().Zip(expected[order]), v => Assert.Equal(v.Second, v.First, 1e-11));
            y = x.Grad.Sum();
        }
    }

    [Fact]
    public void Beyond_the_fourth_the_error_says_so()
    {
        var x = Tensor.From([0.3]).RequiresGrad_();
        var y = x.Tanh().Sum();
        var error = Assert.Throws<InvalidOperationException>(() =>
        {
            for (int order = 0; order < 8; order++)
            {
                x.Grad = null;
                y.Backward(createGraph: true);
                y = x.Grad!.Sum();
            }
        });
        Assert.Contains("derivatives of operators go up to number 4", error.Message);
    }

    [Theory]
    [InlineData("3x5 3x5")]
    [InlineData("3x5 5")]
    [InlineData("3x1 2x1x5")]
    [InlineData("- 5")]
    public void Operands_of_two_that_broadcast_get_their_sums(string shapes)
    {
        var row = new GradientCase("atan2", t => t[0].Atan2(t[1]), shapes);
        var inputs = row.Inputs();
        var output = row.Run(inputs);
        var weights = Make.Values(output.Shape.ToArray(), DType.Float64, 99);
        output.Backward(weights);
        double[][] gradients = [.. inputs.Select(x => x.Grad!.ToDoubles())];
        GradientCase.Compare(inputs, gradients, t => (row.Run(t) * weights).Sum().Item(), 1e-5);
    }

    [Fact]
    public void Only_what_is_wanted_is_computed_and_kept()
    {
        Assert.Equal(Gradients.Saves.Output, new Operator("softmax", derives: true).Rule!.Saves);
        Assert.Equal(Gradients.Saves.Output, ((ElementFunction)ScalarFunctions.Tanh).Rule!.Saves);
        Assert.Equal(Gradients.Saves.A, ((ElementFunction)ScalarFunctions.Gelu).Rule!.Saves);
        Assert.Equal(Gradients.Saves.Nothing, ((ElementFunction)ScalarFunctions.Neg).Rule!.Saves);
        Assert.Equal(Gradients.Saves.B, new Operator("embedding", derives: true).Rule!.Saves);
        using var recorder = new Recorder();
        var a = Make.Values([2, 3]);
        var b = Make.Values([2, 3], seed: 2).RequiresGrad_();
        using (recorder.Enter())
            a.Atan2(b).Sum().Backward();
        Assert.Contains("atan2.adjoint n=6 dtype=f32 wrt=B", recorder.Calls.Select(c => c.Spec));
    }

    [Fact]
    public void A_slope_that_is_0_everywhere_reads_nothing()
    {
        var x = Tensor.From([1.0, 3, 2, 5, 4, 0.5]).Reshape(2, 3).Detach().RequiresGrad_();
        foreach (var y in new[] { x.Amax([1]).Sum(), x.Amin([0]).Sum(), x.Max() })
        {
            x.Grad = null;
            y.Backward(createGraph: true);
            var first = x.Grad!;
            x.Grad = null;
            // d/dx of sin of a constant is 0, and there is a graph to say so.
            first.Sin().Sum().Backward();
            Assert.Equal(new double[6], x.Grad!.Flatten().ToArray<double>());
        }
    }

    [Fact]
    public void What_no_result_depends_on_at_some_sizes_has_the_slope_0()
    {
        // The only result lies between what the images spread to.
        var x = Make.Values([1, 1, 2, 2]).RequiresGrad_();
        var w = Make.Values([1, 1, 1, 1]).RequiresGrad_();
        var y = F.ConvTranspose2d(x, w, stride: 2, padding: 1);
        Assert.Equal([1, 1, 1, 1], y.Shape);
        y.Sum().Backward(createGraph: true);
        Assert.Equal([0.0, 0, 0, 0], x.Grad!.Double().Flatten().ToArray<double>());
        Assert.Equal([0.0], w.Grad!.Double().Flatten().ToArray<double>());
        var windows = Make.Values([1, 1, 3, 4]).RequiresGrad_();
        F.Unfold(windows, 1, padding: 3, stride: 7).Square().Sum().Backward(createGraph: true);
        windows.Grad!.Square().Sum().Backward();
        Assert.All(windows.Grad!.Double().Flatten().ToArray<double>(), d => Assert.Equal(0, d));
    }

    [Fact]
    public void What_reads_nothing_gives_zeros()
    {
        var table = Make.Values([4, 3]).RequiresGrad_();
        F.Embedding(table, Tensor.Zeros([0], DType.Int64)).Sum().Backward();
        Assert.Equal(new double[12], table.Grad!.ToDoubles());
        var x = Tensor.Zeros(0, 3).RequiresGrad_();
        x.Softmax().Sum().Backward();
        Assert.Equal([0, 3], x.Grad!.Shape);
    }
}
