using Picograd.Algorithms;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Complex numbers of their real and imaginary parts, which broadcast; both float32 or both float64.</summary>
    public static ComplexTensor Complex(Tensor real, Tensor imag) => ComplexTensor.Of(real, imag, "complex");

    /// <summary>Complex numbers of their magnitudes and angles.</summary>
    public static ComplexTensor Polar(Tensor abs, Tensor angle)
    {
        ArgumentNullException.ThrowIfNull(abs);
        ArgumentNullException.ThrowIfNull(angle);
        return ComplexTensor.Of(abs * angle.Cos(), abs * angle.Sin(), "polar");
    }

    /// <summary>Complex numbers of pairs along the last dimension; views of this tensor.</summary>
    /// <exception cref="ArgumentException">The last dimension is not of size 2, or the elements are no float32 or float64.</exception>
    public ComplexTensor ViewAsComplex()
    {
        if (Rank == 0 || Layout.Sizes[^1] != 2)
            throw new ArgumentException(
                $"view_as_complex: the last dimension must have size 2, but the shape is {Layout}."
            );
        return ComplexTensor.Of(Select(-1, 0), Select(-1, 1), "view_as_complex");
    }

    /// <summary>The angle of numbers in the complex plane: π of negative ones, else 0; NaN stays.</summary>
    public Tensor Angle()
    {
        var x = To(Promotion.Float(DType));
        using var off = NoGrad();
        return Where(x.IsNan(), x, (x < 0).To(x.DType) * Math.PI);
    }
}
