using System.Numerics;
using Picograd.Algorithms;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class ComplexTensor
{
    public static ComplexTensor operator +(ComplexTensor a, ComplexTensor b) => new(a.Real + b.Real, a.Imag + b.Imag);

    public static ComplexTensor operator -(ComplexTensor a, ComplexTensor b) => new(a.Real - b.Real, a.Imag - b.Imag);

    public static ComplexTensor operator *(ComplexTensor a, ComplexTensor b) =>
        new(a.Real * b.Real - a.Imag * b.Imag, a.Real * b.Imag + a.Imag * b.Real);

    public static ComplexTensor operator /(ComplexTensor a, ComplexTensor b)
    {
        // Scaled, so that no square overflows; the scale is nothing that the quotient depends on.
        Tensor scale;
        using (Tensor.NoGrad())
            scale = b.Real.Abs().Maximum(b.Imag.Abs());
        var divisor = new ComplexTensor(b.Real / scale, b.Imag / scale);
        var square = divisor.Real * divisor.Real + divisor.Imag * divisor.Imag;
        var quotient = new ComplexTensor(a.Real / scale, a.Imag / scale) * divisor.Conj();
        return new ComplexTensor(quotient.Real / square, quotient.Imag / square);
    }

    public static ComplexTensor operator -(ComplexTensor a) => new(-a.Real, -a.Imag);

    public static ComplexTensor operator +(ComplexTensor a, Tensor b) =>
        Beside(a, b, (x, t) => new(x.Real + t, x.Imag.ExpandWith(t).Clone()));

    public static ComplexTensor operator +(Tensor a, ComplexTensor b) => b + a;

    public static ComplexTensor operator -(ComplexTensor a, Tensor b) =>
        Beside(a, b, (x, t) => new(x.Real - t, x.Imag.ExpandWith(t).Clone()));

    public static ComplexTensor operator -(Tensor a, ComplexTensor b) =>
        Beside(b, a, (x, t) => new(t - x.Real, (-x.Imag).ExpandWith(t).Clone()));

    public static ComplexTensor operator *(ComplexTensor a, Tensor b) =>
        Beside(a, b, (x, t) => new(x.Real * t, x.Imag * t));

    public static ComplexTensor operator *(Tensor a, ComplexTensor b) => b * a;

    public static ComplexTensor operator /(ComplexTensor a, Tensor b) =>
        Beside(a, b, (x, t) => new(x.Real / t, x.Imag / t));

    public static ComplexTensor operator /(Tensor a, ComplexTensor b) => (ComplexTensor)a / b;

    public static ComplexTensor operator +(ComplexTensor a, double b) => new(a.Real + b, a.Imag.Clone());

    public static ComplexTensor operator +(double a, ComplexTensor b) => b + a;

    public static ComplexTensor operator -(ComplexTensor a, double b) => new(a.Real - b, a.Imag.Clone());

    public static ComplexTensor operator -(double a, ComplexTensor b) => new(a - b.Real, -b.Imag);

    public static ComplexTensor operator *(ComplexTensor a, double b) => new(a.Real * b, a.Imag * b);

    public static ComplexTensor operator *(double a, ComplexTensor b) => b * a;

    public static ComplexTensor operator /(ComplexTensor a, double b) => new(a.Real / b, a.Imag / b);

    public static ComplexTensor operator /(double a, ComplexTensor b) => Number(a, b) / b;

    public static ComplexTensor operator +(ComplexTensor a, Complex b) => new(a.Real + b.Real, a.Imag + b.Imaginary);

    public static ComplexTensor operator +(Complex a, ComplexTensor b) => b + a;

    public static ComplexTensor operator -(ComplexTensor a, Complex b) => new(a.Real - b.Real, a.Imag - b.Imaginary);

    public static ComplexTensor operator -(Complex a, ComplexTensor b) => new(a.Real - b.Real, a.Imaginary - b.Imag);

    public static ComplexTensor operator *(ComplexTensor a, Complex b) =>
        new(a.Real * b.Real - a.Imag * b.Imaginary, a.Real * b.Imaginary + a.Imag * b.Real);

    public static ComplexTensor operator *(Complex a, ComplexTensor b) => b * a;

    public static ComplexTensor operator /(ComplexTensor a, Complex b) => a / Number(b, a);

    public static ComplexTensor operator /(Complex a, ComplexTensor b) => Number(a, b) / b;

    private static ComplexTensor Number(Complex value, ComplexTensor like) =>
        new(
            Tensor.Full([], value.Real, like.RealDType, like.Device),
            Tensor.Full([], value.Imaginary, like.RealDType, like.Device)
        );

    private static ComplexTensor Beside(ComplexTensor a, Tensor b, Func<ComplexTensor, Tensor, ComplexTensor> run)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (b.DType is DType.Float16 or DType.BFloat16)
            b = b.To(a.RealDType);
        var result = run(a, b);
        // float64 with dimensions makes both parts wider.
        return result.Real.DType == result.Imag.DType ? result : result.To(result.Real.DType);
    }

    /// <summary>The other sign of the imaginary parts.</summary>
    public ComplexTensor Conj() => new(Real.Clone(), -Imag);

    // Of real and imaginary part; at 0 the slopes are 0, as in PyTorch.
    private static readonly Rule AbsRule = new(
        "abs",
        Saves.A | Saves.B | Saves.Output,
        static (n, g) =>
        {
            var zero = Tensor.Zeros([], g.DType, g.Device);
            var isZero = n.Output.Eq(0);
            if (n.Needs(0))
                n.Send(0, Tensor.Where(isZero, zero, g * n.A / n.Output));
            if (n.Needs(1))
                n.Send(1, Tensor.Where(isZero, zero, g * n.B / n.Output));
        }
    );

    private static readonly Rule AngleRule = new(
        "angle",
        Saves.A | Saves.B,
        static (n, g) =>
        {
            var zero = Tensor.Zeros([], g.DType, g.Device);
            var square = n.A * n.A + n.B * n.B;
            var isZero = square.Eq(0);
            if (n.Needs(0))
                n.Send(0, Tensor.Where(isZero, zero, -(g * n.B / square)));
            if (n.Needs(1))
                n.Send(1, Tensor.Where(isZero, zero, g * n.A / square));
        }
    );

    /// <summary>Magnitudes, √(re² + im²).</summary>
    public Tensor Abs() => OfParts(AbsRule, (real, imag) => real.Hypot(imag));

    /// <summary>Angles, −π to π.</summary>
    public Tensor Angle() => OfParts(AngleRule, (real, imag) => imag.Atan2(real));

    private Tensor OfParts(Rule rule, Func<Tensor, Tensor, Tensor> run)
    {
        Tensor result;
        using (Tensor.NoGrad())
            result = run(Real, Imag);
        if (Tensor.Records(Real, Imag))
            result.Record(rule, Real, Imag);
        return result;
    }

    /// <summary>z / |z|, 0 at 0.</summary>
    public ComplexTensor Sgn()
    {
        var size = Abs();
        var divisor = Tensor.Where(size.Eq(0), Tensor.Ones([], RealDType, Device), size);
        return new ComplexTensor(Real / divisor, Imag / divisor);
    }

    /// <summary>z².</summary>
    public ComplexTensor Square() => this * this;

    /// <summary>1 / z.</summary>
    public ComplexTensor Reciprocal() => 1.0 / this;

    /// <summary>eᶻ.</summary>
    public ComplexTensor Exp()
    {
        var size = Real.Exp();
        return new ComplexTensor(size * Imag.Cos(), size * Imag.Sin());
    }

    /// <summary>The principal logarithm.</summary>
    public ComplexTensor Log() => new(Abs().Log(), Angle());

    /// <summary>The root whose real part is not negative.</summary>
    public ComplexTensor Sqrt()
    {
        var (size, half) = (Abs().Sqrt(), Angle() * 0.5);
        return new ComplexTensor(size * half.Cos(), size * half.Sin());
    }

    /// <summary>e to the power of exponent · log z; of whole numbers to 16 products. 0 to a positive power is 0.</summary>
    public ComplexTensor Pow(double exponent)
    {
        if (exponent == 0)
            return new ComplexTensor(Tensor.OnesLike(Real), Tensor.ZerosLike(Imag));
        if (exponent == Math.Round(exponent) && Math.Abs(exponent) <= 16)
        {
            var power = this;
            ComplexTensor? result = null;
            for (int n = (int)Math.Abs(exponent); ; power *= power)
            {
                if ((n & 1) != 0)
                    result = result is null ? power : result * power;
                if ((n >>= 1) == 0)
                    break;
            }
            return exponent < 0 ? result!.Reciprocal() : result!;
        }
        var (size, angle) = (Abs().Pow(exponent), Angle() * exponent);
        return new ComplexTensor(size * angle.Cos(), size * angle.Sin());
    }

    /// <summary>e to the power of exponent · log z.</summary>
    public ComplexTensor Pow(ComplexTensor exponent) => (exponent * Log()).Exp();

    /// <summary>sin z.</summary>
    public ComplexTensor Sin() => new(Real.Sin() * Imag.Cosh(), Real.Cos() * Imag.Sinh());

    /// <summary>cos z.</summary>
    public ComplexTensor Cos() => new(Real.Cos() * Imag.Cosh(), -(Real.Sin() * Imag.Sinh()));

    /// <summary>sinh z.</summary>
    public ComplexTensor Sinh() => new(Real.Sinh() * Imag.Cos(), Real.Cosh() * Imag.Sin());

    /// <summary>cosh z.</summary>
    public ComplexTensor Cosh() => new(Real.Cosh() * Imag.Cos(), Real.Sinh() * Imag.Sin());

    /// <summary>tanh z.</summary>
    public ComplexTensor Tanh() => Sinh() / Cosh();

    /// <summary>The matrix product; see <see cref="Tensor.MatMul"/>.</summary>
    public ComplexTensor MatMul(ComplexTensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var type = RealDType;
        if (other.RealDType != type)
            throw new ArgumentException(
                $"matmul: the dtypes {DTypeName} and {other.DTypeName} differ; convert one with To()."
            );
        return new ComplexTensor(
            Real.MatMul(other.Real) - Imag.MatMul(other.Imag),
            Real.MatMul(other.Imag) + Imag.MatMul(other.Real)
        );
    }

    /// <inheritdoc cref="MatMul(ComplexTensor)"/>
    public ComplexTensor MatMul(Tensor other) => new(Real.MatMul(other), Imag.MatMul(other));

    /// <summary>Σ a · b of vectors, without a conjugate.</summary>
    public ComplexTensor Dot(ComplexTensor other) =>
        new(Real.Dot(other.Real) - Imag.Dot(other.Imag), Real.Dot(other.Imag) + Imag.Dot(other.Real));

    /// <summary>Σ conj(a) · b of vectors.</summary>
    public ComplexTensor Vdot(ComplexTensor other) => Conj().Dot(other);

    /// <summary>All products of two vectors.</summary>
    public ComplexTensor Outer(ComplexTensor other) => Unsqueeze(-1) * other.Unsqueeze(0);

    /// <summary>Sums over some dimensions (none named: all).</summary>
    public ComplexTensor Sum(ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        new(Real.Sum(dims, keepdim), Imag.Sum(dims, keepdim));

    /// <summary>Sums over a dimension.</summary>
    public ComplexTensor Sum(int dim, bool keepdim = false) => Sum([dim], keepdim);

    /// <summary>Means over some dimensions (none named: all).</summary>
    public ComplexTensor Mean(ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        new(Real.Mean(dims, keepdim), Imag.Mean(dims, keepdim));

    /// <summary>Means over a dimension.</summary>
    public ComplexTensor Mean(int dim, bool keepdim = false) => Mean([dim], keepdim);

    /// <summary>Running sums along a dimension.</summary>
    public ComplexTensor Cumsum(int dim) => new(Real.Cumsum(dim), Imag.Cumsum(dim));

    /// <summary>The p-norm of magnitudes over some dimensions (none named: all).</summary>
    public Tensor Norm(double p = 2, ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        Abs().Norm(p, dims, keepdim);

    /// <summary>Element-wise a = b.</summary>
    public Tensor Eq(ComplexTensor other) => Real.Eq(other.Real) & Imag.Eq(other.Imag);

    /// <summary>Element-wise a ≠ b.</summary>
    public Tensor Ne(ComplexTensor other) => Real.Ne(other.Real) | Imag.Ne(other.Imag);

    /// <summary>Which elements have a part that is NaN.</summary>
    public Tensor IsNan() => Real.IsNan() | Imag.IsNan();

    /// <summary>Which elements have an infinite part.</summary>
    public Tensor IsInf() => Real.IsInf() | Imag.IsInf();

    /// <summary>Which elements have finite parts.</summary>
    public Tensor IsFinite() => Real.IsFinite() & Imag.IsFinite();

    /// <summary>Whether shape and all elements are equal.</summary>
    public bool Equal(ComplexTensor other) => Real.Equal(other.Real) && Imag.Equal(other.Imag);

    /// <summary>Whether |a − b| is at most atol + rtol · |b| everywhere.</summary>
    public bool AllClose(ComplexTensor other, double rtol = 1e-5, double atol = 1e-8)
    {
        using var off = Tensor.NoGrad();
        return (Eq(other) | ((this - other).Abs() <= other.Abs() * rtol + atol)).All().Item() != 0;
    }
}
