using Picograd.Algorithms;
using Picograd.Algorithms.Functions;

namespace Picograd;

// Functions of elements beyond arithmetic. Integers and bools give float32, unless a function says otherwise.
public sealed partial class Tensor
{
    /// <summary>eˣ − 1, also where that is small.</summary>
    public Tensor Expm1() => Apply(ScalarFunctions.Expm1, this);

    /// <summary>log(1 + x), also where x is small.</summary>
    public Tensor Log1p() => Apply(ScalarFunctions.Log1p, this);

    /// <summary>2ˣ.</summary>
    public Tensor Exp2() => Apply(ScalarFunctions.Exp2, this);

    public Tensor Log2() => Apply(ScalarFunctions.Log2, this);

    public Tensor Log10() => Apply(ScalarFunctions.Log10, this);

    public Tensor Tan() => Apply(ScalarFunctions.Tan, this);

    public Tensor Asin() => Apply(ScalarFunctions.Asin, this);

    public Tensor Acos() => Apply(ScalarFunctions.Acos, this);

    public Tensor Atan() => Apply(ScalarFunctions.Atan, this);

    /// <summary>The angle of the point (other, this), −π to π.</summary>
    public Tensor Atan2(Tensor other) => Apply(ScalarFunctions.Atan2, this, Given(other));

    public Tensor Sinh() => Apply(ScalarFunctions.Sinh, this);

    public Tensor Cosh() => Apply(ScalarFunctions.Cosh, this);

    public Tensor Asinh() => Apply(ScalarFunctions.Asinh, this);

    public Tensor Acosh() => Apply(ScalarFunctions.Acosh, this);

    public Tensor Atanh() => Apply(ScalarFunctions.Atanh, this);

    /// <summary>1 − erf x, also where that is small.</summary>
    public Tensor Erfc() => Apply(ScalarFunctions.Erfc, this);

    /// <summary>1, 0 or −1, in the same dtype; 0 at NaN. Bools stay.</summary>
    public Tensor Sign() => DType == DType.Bool ? Clone() : Apply(ScalarFunctions.Sign, this);

    /// <summary>Towards zero, in the same dtype.</summary>
    public Tensor Trunc() => ToWhole(ScalarFunctions.Trunc);

    /// <summary>Which elements are no numbers.</summary>
    public Tensor IsNan() => DType.IsFloat() ? Apply(ScalarFunctions.IsNan, this) : Ne(this);

    /// <summary>Which elements are infinite.</summary>
    public Tensor IsInf() => DType.IsFloat() ? Apply(ScalarFunctions.IsInf, this) : Ne(this);

    /// <summary>Which elements are neither infinite nor NaN.</summary>
    public Tensor IsFinite() => DType.IsFloat() ? Apply(ScalarFunctions.IsFinite, this) : Eq(this);
}
