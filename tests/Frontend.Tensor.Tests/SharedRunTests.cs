using Picograd.Algorithms;
using Picograd.Gradients;
using Xunit;

namespace Picograd.Tests;

/// <summary>Calls that run together although they share memory, and what a failed pass leaves.</summary>
public class SharedRunTests
{
    private const int Long = 300_001;

    [Fact]
    public void A_gradient_that_is_listed_twice_is_clipped_twice()
    {
        var weight = Tensor.Ones(Long).RequiresGrad_();
        weight.Grad = Tensor.Full([Long], 3.0, DType.Float32);
        double norm = 3 * Math.Sqrt(2.0 * Long);
        Clipping.ClipGradNorm_([weight, weight], norm / 2);
        Assert.All(weight.Grad!.ToDoubles(), g => Assert.Equal(0.75, g, 4));
    }

    [Fact]
    public void Steps_of_parameters_over_one_memory_come_one_after_another()
    {
        var memory = Tensor.Ones(Long);
        var (a, b) = (memory.Detach().RequiresGrad_(), memory.Detach().RequiresGrad_());
        (a.Grad, b.Grad) = (Tensor.Ones(Long), Tensor.Ones(Long));
        new SGD([a, b], lr: 0.25).Step();
        Assert.All(memory.ToDoubles(), v => Assert.Equal(0.5, v));
        // The gradient of the second is the first parameter.
        var c = Tensor.Ones(Long).RequiresGrad_();
        a.Grad = Tensor.Ones(Long);
        c.Grad = memory;
        new SGD([a, c], lr: 0.25).Step();
        Assert.All(c.ToDoubles(), v => Assert.Equal(1 - 0.25 * 0.25, v));
    }

    [Fact]
    public void Halves_of_one_memory_are_stepped_together()
    {
        var memory = Tensor.Ones(2 * Long);
        var (a, b) = (
            memory.Narrow(0, 0, Long).Detach().RequiresGrad_(),
            memory.Narrow(0, Long, Long).Detach().RequiresGrad_()
        );
        (a.Grad, b.Grad) = (Tensor.Ones(Long), Tensor.Full([Long], 2.0, DType.Float32));
        new SGD([a, b], lr: 0.25).Step();
        double[] found = memory.ToDoubles();
        Assert.All(found[..Long], v => Assert.Equal(0.75, v));
        Assert.All(found[Long..], v => Assert.Equal(0.5, v));
    }

    [Fact]
    public void Tied_weights_have_one_value()
    {
        var shared = new Linear(3, 3);
        var model = new Sequential(shared, shared);
        var x = Tensor.Ones(1, 3);
        var names = model.StateDict().Keys.Where(k => k.EndsWith("weight", StringComparison.Ordinal)).ToArray();
        Assert.Equal(2, names.Length);
        var error = Assert.Throws<ArgumentException>(() =>
            model.FunctionalCall(
                new Dictionary<string, Tensor> { [names[0]] = Tensor.Ones(3, 3), [names[1]] = Tensor.Zeros(3, 3) },
                x
            )
        );
        Assert.Contains(names[0], error.Message, StringComparison.Ordinal);
        Assert.Contains(names[1], error.Message, StringComparison.Ordinal);
        var same = Tensor.Ones(3, 3);
        _ = model.FunctionalCall(new Dictionary<string, Tensor> { [names[0]] = same, [names[1]] = same }, x);
    }

    [Fact]
    public void Widths_of_an_adaptive_softmax_of_a_fraction()
    {
        var layer = new AdaptiveLogSoftmaxWithLoss(20, 30, [5, 10], divValue: 1.5);
        long[] widths =
        [
            .. layer
                .StateDict()
                .Where(p => p.Key.EndsWith(".0.weight", StringComparison.Ordinal))
                .Select(p => p.Value.Size(0)),
        ];
        Assert.Equal([13, 8], widths);
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdaptiveLogSoftmaxWithLoss(20, 30, [5], divValue: 0));
    }

    [Fact]
    public void Values_of_complex_matrices_have_slopes_where_they_are_equal()
    {
        var (real, imag) = (
            Tensor.Eye(3, dtype: DType.Float64).RequiresGrad_(),
            Tensor.Zeros([3, 3], DType.Float64).RequiresGrad_()
        );
        Linalg.EigvalsH(new ComplexTensor(real, imag)).Sum().Backward();
        Assert.True(real.Grad!.AllClose(Tensor.Eye(3, dtype: DType.Float64)));
        Assert.True(imag.Grad!.AllClose(Tensor.Zeros([3, 3], DType.Float64)));
        real.Grad = null;
        imag.Grad = null;
        Linalg.SvdVals(new ComplexTensor(real, imag)).Sum().Backward();
        Assert.True(real.Grad!.AllClose(Tensor.Eye(3, dtype: DType.Float64)));
        var a = new ComplexTensor(
            Tensor.From([1.0, 2, 3, 5, 4, 1]).Reshape(2, 3).RequiresGrad_(),
            Tensor.From([0.5, -1, 0.25, 2, 1, 3]).Reshape(2, 3).RequiresGrad_()
        );
        Autograd.GradCheck(p => [Linalg.SVD(new ComplexTensor(p[0], p[1]), false).U.Abs()], [a.Real, a.Imag]);
        Autograd.GradCheck(p => [Linalg.SVD(new ComplexTensor(p[0], p[1]), false).Vh.Abs()], [a.Real, a.Imag]);
        Autograd.GradCheck(
            p =>
                [
                    Linalg.SlogDet(new ComplexTensor(p[0], p[1])).Sign.Real,
                    Linalg.SlogDet(new ComplexTensor(p[0], p[1])).LogAbsDet,
                ],
            [
                a.Real.Narrow(1, 0, 2).Clone().Detach().RequiresGrad_(),
                a.Imag.Narrow(1, 0, 2).Clone().Detach().RequiresGrad_(),
            ]
        );
    }
}
