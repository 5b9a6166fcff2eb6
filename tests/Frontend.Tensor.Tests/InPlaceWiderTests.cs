using Xunit;

namespace Picograd.Tests;

/// <summary>Changes in place by an operand of a wider dtype: its slope is one of that dtype.</summary>
public sealed class InPlaceWiderTests
{
    [Fact]
    public void The_slope_of_a_wider_divisor_does_not_overflow()
    {
        var a = Tensor.From([1f, -2f]).RequiresGrad_();
        var b = Tensor.From([1e-30, 4e-25]).RequiresGrad_();
        var x = a.Clone();
        x.Div_(b);
        Assert.Equal(DType.Float32, x.DType);
        Assert.Equal([1f / 1e-30f, -2f / 4e-25f], x.ToArray<float>());
        x.Backward(Tensor.From([3f, 5f]));
        Assert.Equal(DType.Float64, b.Grad!.DType);
        double[] slopes = b.Grad!.ToDoubles();
        Assert.Equal(-3e60, slopes[0], 1e54);
        Assert.Equal(5 * 2 / 16e-50, slopes[1], 1e44);
        Assert.Equal(DType.Float32, a.Grad!.DType);
        Assert.Equal(3e30, a.Grad!.ToDoubles()[0], 1e24);
    }

    [Fact]
    public void The_slopes_of_wider_factors_are_those_out_of_place()
    {
        foreach (var type in (DType[])[DType.Float16, DType.BFloat16, DType.Float32])
        {
            var a = Tensor.From([1.5f, -2f, 0.25f, 3f], [2, 2]).To(type).RequiresGrad_();
            var b = Tensor.From([1.0625, -3.5]).RequiresGrad_();
            var (c, d) = (a.Detach().RequiresGrad_(), b.Detach().RequiresGrad_());
            var x = a.Clone();
            x.Mul_(b);
            x.Sub_(b);
            (x * x).Sum().Backward();
            var y = (((c * d).To(type) - d).To(type));
            (y * y).Sum().Backward();
            Assert.Equal(y.ToDoubles(), x.ToDoubles());
            Assert.Equal(c.Grad!.ToDoubles(), a.Grad!.ToDoubles());
            Assert.Equal(d.Grad!.ToDoubles(), b.Grad!.ToDoubles());
            Assert.Equal([type, DType.Float64], [a.Grad!.DType, b.Grad!.DType]);
        }
    }

    [Fact]
    public void Integers_take_no_floats_whose_slopes_are_wanted()
    {
        var a = Tensor.From([1L, 2]);
        var b = Tensor.From([0.5, 2]).RequiresGrad_();
        foreach (var change in (Func<Tensor, Tensor>[])[a.Add_, a.Sub_, a.Mul_, a.Div_])
            Assert.ThrowsAny<Exception>(() => change(b));
        Assert.Equal([1L, 2], a.ToArray<long>());
        Assert.False(a.RequiresGrad);
    }
}
