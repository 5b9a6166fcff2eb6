using Picograd.Algorithms;

namespace Picograd;

// PyTorch's second names, and comparisons and arithmetic by name.
public sealed partial class Tensor
{
    /// <inheritdoc cref="Abs"/>
    public Tensor Absolute() => Abs();

    /// <inheritdoc cref="Neg"/>
    public Tensor Negative() => Neg();

    /// <summary>Itself.</summary>
    /// <exception cref="ArgumentException">Of bools.</exception>
    public Tensor Positive()
    {
        RequireNumbers("positive", DType);
        return this;
    }

    /// <inheritdoc cref="Acos"/>
    public Tensor Arccos() => Acos();

    /// <inheritdoc cref="Acosh"/>
    public Tensor Arccosh() => Acosh();

    /// <inheritdoc cref="Asin"/>
    public Tensor Arcsin() => Asin();

    /// <inheritdoc cref="Asinh"/>
    public Tensor Arcsinh() => Asinh();

    /// <inheritdoc cref="Atan"/>
    public Tensor Arctan() => Atan();

    /// <inheritdoc cref="Atanh"/>
    public Tensor Arctanh() => Atanh();

    /// <inheritdoc cref="Atan2"/>
    public Tensor Arctan2(Tensor other) => Atan2(Given(other));

    /// <inheritdoc cref="Trunc"/>
    public Tensor Fix() => Trunc();

    /// <inheritdoc cref="Clamp(Scalar?, Scalar?)"/>
    public Tensor Clip(Scalar? min = null, Scalar? max = null) => Clamp(min, max);

    /// <inheritdoc cref="Clamp(Tensor?, Tensor?)"/>
    public Tensor Clip(Tensor? min, Tensor? max = null) => Clamp(min, max);

    /// <summary>At least a number.</summary>
    public Tensor ClampMin(Scalar min) => Clamp(min: min);

    /// <summary>At most a number.</summary>
    public Tensor ClampMax(Scalar max) => Clamp(max: max);

    /// <inheritdoc cref="Mul(Tensor)"/>
    public Tensor Multiply(Tensor other) => this * Given(other);

    /// <inheritdoc cref="Mul(Tensor)"/>
    public Tensor Multiply(Scalar other) => this * other;

    /// <inheritdoc cref="Sub(Tensor, Scalar?)"/>
    public Tensor Subtract(Tensor other, Scalar? alpha = null) => Sub(Given(other), alpha);

    /// <inheritdoc cref="Sub(Tensor, Scalar?)"/>
    public Tensor Subtract(Scalar other) => this - other;

    /// <summary>alpha · this taken from another.</summary>
    public Tensor Rsub(Tensor other, Scalar? alpha = null) => Given(other).Sub(this, alpha);

    /// <summary>This taken from a number.</summary>
    public Tensor Rsub(Scalar other) => other - this;

    /// <inheritdoc cref="Div(Tensor, string?)"/>
    public Tensor Divide(Tensor other, string? roundingMode = null) => Div(Given(other), roundingMode);

    /// <inheritdoc cref="Div(Tensor, string?)"/>
    public Tensor Divide(Scalar other) => this / other;

    /// <summary>See the operator /.</summary>
    public Tensor TrueDivide(Tensor other) => this / Given(other);

    /// <inheritdoc cref="TrueDivide(Tensor)"/>
    public Tensor TrueDivide(Scalar other) => this / other;

    /// <summary>Powers in float64, as PyTorch has it.</summary>
    public Tensor FloatPower(Tensor exponent) => To(DType.Float64).Pow(Given(exponent).To(DType.Float64));

    /// <inheritdoc cref="FloatPower(Tensor)"/>
    public Tensor FloatPower(double exponent) => To(DType.Float64).Pow(exponent);

    /// <summary>Element-wise this &lt; other.</summary>
    public Tensor Lt(Tensor other) => this < Given(other);

    /// <inheritdoc cref="Lt(Tensor)"/>
    public Tensor Lt(Scalar other) => this < other;

    /// <summary>Element-wise this ≤ other.</summary>
    public Tensor Le(Tensor other) => this <= Given(other);

    /// <inheritdoc cref="Le(Tensor)"/>
    public Tensor Le(Scalar other) => this <= other;

    /// <summary>Element-wise this > other.</summary>
    public Tensor Gt(Tensor other) => this > Given(other);

    /// <inheritdoc cref="Gt(Tensor)"/>
    public Tensor Gt(Scalar other) => this > other;

    /// <summary>Element-wise this ≥ other.</summary>
    public Tensor Ge(Tensor other) => this >= Given(other);

    /// <inheritdoc cref="Ge(Tensor)"/>
    public Tensor Ge(Scalar other) => this >= other;

    /// <inheritdoc cref="Lt(Tensor)"/>
    public Tensor Less(Tensor other) => this < Given(other);

    /// <inheritdoc cref="Lt(Tensor)"/>
    public Tensor Less(Scalar other) => this < other;

    /// <inheritdoc cref="Le(Tensor)"/>
    public Tensor LessEqual(Tensor other) => this <= Given(other);

    /// <inheritdoc cref="Le(Tensor)"/>
    public Tensor LessEqual(Scalar other) => this <= other;

    /// <inheritdoc cref="Gt(Tensor)"/>
    public Tensor Greater(Tensor other) => this > Given(other);

    /// <inheritdoc cref="Gt(Tensor)"/>
    public Tensor Greater(Scalar other) => this > other;

    /// <inheritdoc cref="Ge(Tensor)"/>
    public Tensor GreaterEqual(Tensor other) => this >= Given(other);

    /// <inheritdoc cref="Ge(Tensor)"/>
    public Tensor GreaterEqual(Scalar other) => this >= other;

    /// <inheritdoc cref="Ne(Tensor)"/>
    public Tensor NotEqual(Tensor other) => Ne(Given(other));

    /// <inheritdoc cref="Ne(Tensor)"/>
    public Tensor NotEqual(Scalar other) => Ne(other);

    /// <summary>Which elements are +∞.</summary>
    public Tensor IsPosInf() => DType.IsFloat() ? Eq(double.PositiveInfinity) : Zeros(Shape, DType.Bool, Device);

    /// <summary>Which elements are −∞.</summary>
    public Tensor IsNegInf() => DType.IsFloat() ? Eq(double.NegativeInfinity) : Zeros(Shape, DType.Bool, Device);

    /// <summary>Which elements are real: all.</summary>
    public Tensor IsReal() => Ones(Shape, DType.Bool, Device);

    /// <summary>Whether the dtype is one of floats.</summary>
    public bool IsFloatingPoint => DType.IsFloat();

    /// <summary>Whether the only element is not 0.</summary>
    /// <exception cref="InvalidOperationException">There is not exactly one.</exception>
    public bool IsNonzero() => Item() != 0;

    /// <inheritdoc cref="Transpose"/>
    public Tensor Swapaxes(int axis0, int axis1) => Transpose(axis0, axis1);

    /// <inheritdoc cref="Transpose"/>
    public Tensor Swapdims(int dim0, int dim1) => Transpose(dim0, dim1);

    /// <inheritdoc cref="MoveDim(int, int)"/>
    public Tensor Moveaxis(int source, int destination) => MoveDim(source, destination);

    /// <inheritdoc cref="MoveDim(int, int)"/>
    public Tensor Moveaxis(ReadOnlySpan<int> source, ReadOnlySpan<int> destination) => MoveDim(source, destination);

    /// <inheritdoc cref="Cat"/>
    public static Tensor Concat(ReadOnlySpan<Tensor> tensors, int dim = 0) => Cat(tensors, dim);

    /// <inheritdoc cref="Cat"/>
    public static Tensor Concatenate(ReadOnlySpan<Tensor> tensors, int dim = 0) => Cat(tensors, dim);

    /// <inheritdoc cref="VStack"/>
    public static Tensor RowStack(params ReadOnlySpan<Tensor> tensors) => VStack(tensors);

    /// <inheritdoc cref="Outer"/>
    public Tensor Ger(Tensor other) => Outer(Given(other));

    /// <summary>Number of elements.</summary>
    public long Numel() => NumElements;

    /// <summary>Number of dimensions.</summary>
    public int Dim() => Rank;
}
