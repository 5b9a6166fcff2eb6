using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

// Functions of elements beyond arithmetic. Integers and bools give float32, unless a function says otherwise.
public sealed partial class Tensor
{
    private static readonly Operator s_isNan = new("isnan");
    private static readonly Operator s_isInf = new("isinf");
    private static readonly Operator s_isFinite = new("isfinite");

    /// <summary>eˣ − 1, also where that is small.</summary>
    public Tensor Expm1() => Apply(UnaryFunction.Expm1, this);

    /// <summary>log(1 + x), also where x is small.</summary>
    public Tensor Log1p() => Apply(UnaryFunction.Log1p, this);

    /// <summary>2ˣ.</summary>
    public Tensor Exp2() => Apply(UnaryFunction.Exp2, this);

    public Tensor Log2() => Apply(UnaryFunction.Log2, this);

    public Tensor Log10() => Apply(UnaryFunction.Log10, this);

    public Tensor Tan() => Apply(UnaryFunction.Tan, this);

    public Tensor Asin() => Apply(UnaryFunction.Asin, this);

    public Tensor Acos() => Apply(UnaryFunction.Acos, this);

    public Tensor Atan() => Apply(UnaryFunction.Atan, this);

    /// <summary>The angle of the point (other, this), −π to π.</summary>
    public Tensor Atan2(Tensor other) => Apply(BinaryFunction.Atan2, this, Given(other));

    public Tensor Sinh() => Apply(UnaryFunction.Sinh, this);

    public Tensor Cosh() => Apply(UnaryFunction.Cosh, this);

    public Tensor Asinh() => Apply(UnaryFunction.Asinh, this);

    public Tensor Acosh() => Apply(UnaryFunction.Acosh, this);

    public Tensor Atanh() => Apply(UnaryFunction.Atanh, this);

    /// <summary>1 − erf x, also where that is small.</summary>
    public Tensor Erfc() => Apply(UnaryFunction.Erfc, this);

    /// <summary>1, 0 or −1, in the same dtype; 0 at NaN. Bools stay.</summary>
    public Tensor Sign() => DType == DType.Bool ? Clone() : Apply(UnaryFunction.Sign, this);

    /// <summary>Towards zero, in the same dtype.</summary>
    public Tensor Trunc() => ToWhole(UnaryFunction.Trunc);

    /// <summary>Which elements are no numbers.</summary>
    public Tensor IsNan() => DType.IsFloat() ? s_isNan.Run(this) : Ne(this);

    /// <summary>Which elements are infinite.</summary>
    public Tensor IsInf() => DType.IsFloat() ? s_isInf.Run(this) : Ne(this);

    /// <summary>Which elements are neither infinite nor NaN.</summary>
    public Tensor IsFinite() => DType.IsFloat() ? s_isFinite.Run(this) : Eq(this);
}
