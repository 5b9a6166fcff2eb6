using Picograd.Algorithms;
using Picograd.Autograd;
using Picograd.Dispatch;

namespace Picograd;

public sealed partial class Tensor
{
    public static Tensor operator +(Tensor a, Tensor b) => Apply(BinaryFunction.Add, a, b);

    public static Tensor operator +(Tensor a, Scalar b) => Apply(BinaryFunction.Add, a, b);

    public static Tensor operator +(Scalar a, Tensor b) => Apply(BinaryFunction.Add, b, a);

    public static Tensor operator -(Tensor a, Tensor b) => Apply(BinaryFunction.Sub, a, b);

    public static Tensor operator -(Tensor a, Scalar b) => Apply(BinaryFunction.Sub, a, b);

    public static Tensor operator -(Scalar a, Tensor b) => Apply(BinaryFunction.Sub, b, a, numberFirst: true);

    public static Tensor operator *(Tensor a, Tensor b) => Apply(BinaryFunction.Mul, a, b);

    public static Tensor operator *(Tensor a, Scalar b) => Apply(BinaryFunction.Mul, a, b);

    public static Tensor operator *(Scalar a, Tensor b) => Apply(BinaryFunction.Mul, b, a);

    /// <summary>True division: integers give float32.</summary>
    public static Tensor operator /(Tensor a, Tensor b) => Apply(BinaryFunction.Div, a, b);

    public static Tensor operator /(Tensor a, Scalar b) => Apply(BinaryFunction.Div, a, b);

    public static Tensor operator /(Scalar a, Tensor b) => Apply(BinaryFunction.Div, b, a, numberFirst: true);

    public static Tensor operator -(Tensor a) => Apply(UnaryFunction.Neg, a);

    public static Tensor operator <(Tensor a, Tensor b) => Apply(BinaryFunction.Lt, a, b);

    public static Tensor operator <(Tensor a, Scalar b) => Apply(BinaryFunction.Lt, a, b);

    public static Tensor operator <=(Tensor a, Tensor b) => Apply(BinaryFunction.Le, a, b);

    public static Tensor operator <=(Tensor a, Scalar b) => Apply(BinaryFunction.Le, a, b);

    public static Tensor operator >(Tensor a, Tensor b) => Apply(BinaryFunction.Gt, a, b);

    public static Tensor operator >(Tensor a, Scalar b) => Apply(BinaryFunction.Gt, a, b);

    public static Tensor operator >=(Tensor a, Tensor b) => Apply(BinaryFunction.Ge, a, b);

    public static Tensor operator >=(Tensor a, Scalar b) => Apply(BinaryFunction.Ge, a, b);

    /// <summary>Logical and, of what is not zero.</summary>
    public static Tensor operator &(Tensor a, Tensor b) => Logical(BinaryFunction.And, a, b);

    /// <summary>Logical or, of what is not zero.</summary>
    public static Tensor operator |(Tensor a, Tensor b) => Logical(BinaryFunction.Or, a, b);

    /// <summary>Logical exclusive or, of what is not zero.</summary>
    public static Tensor operator ^(Tensor a, Tensor b) => Logical(BinaryFunction.Xor, a, b);

    /// <summary>Logical not, of what is not zero.</summary>
    public static Tensor operator !(Tensor a) => Elementwise.Unary(NotFamily, a.ToBool());

    /// <summary>Element-wise a = b.</summary>
    public Tensor Eq(Tensor b) => Apply(BinaryFunction.Eq, this, b);

    /// <inheritdoc cref="Eq(Tensor)"/>
    public Tensor Eq(Scalar b) => Apply(BinaryFunction.Eq, this, b);

    /// <summary>Element-wise a ≠ b.</summary>
    public Tensor Ne(Tensor b) => Apply(BinaryFunction.Ne, this, b);

    /// <inheritdoc cref="Ne(Tensor)"/>
    public Tensor Ne(Scalar b) => Apply(BinaryFunction.Ne, this, b);

    /// <summary>The larger of two, element by element; NaN where either is NaN.</summary>
    public Tensor Maximum(Tensor b) => Apply(BinaryFunction.Maximum, this, b);

    /// <summary>The smaller of two, element by element; NaN where either is NaN.</summary>
    public Tensor Minimum(Tensor b) => Apply(BinaryFunction.Minimum, this, b);

    /// <summary>Cut to a range; null leaves an end open.</summary>
    public Tensor Clamp(Scalar? min = null, Scalar? max = null)
    {
        var result = this;
        using (NoGrad())
        {
            if (min is { } low)
                result = result.Maximum(Full([], low, DType));
            if (max is { } high)
                result = result.Minimum(Full([], high, DType));
        }
        if (result != this && Records(this))
            result.Record(Derivatives.Clamp, this).Data = (min, max);
        return result;
    }

    /// <summary>Elements to the power of those of another tensor; float.</summary>
    public Tensor Pow(Tensor exponent) => Apply(BinaryFunction.Pow, this, exponent);

    /// <summary>Elements to a power. Integers stay integers under whole powers of at least 0.</summary>
    public Tensor Pow(Scalar exponent)
    {
        double power = exponent.AsDouble;
        bool whole = !exponent.Type.IsFloat();
        if (!DType.IsFloat() && whole && power < 0)
            throw new ArgumentException(
                $"Pow: integers have no power {exponent} in the integers; convert to float first."
            );
        return power switch
        {
            0 => Constant(OnesLike(this, whole || DType.IsFloat() ? DType : DType.Float32)),
            1 when whole || DType.IsFloat() => this + 0,
            2 when whole || DType.IsFloat() => Apply(UnaryFunction.Square, this),
            3 when whole || DType.IsFloat() => Apply(UnaryFunction.Square, this) * this,
            0.5 => Sqrt(),
            -0.5 => Rsqrt(),
            -1 => Reciprocal(),
            _ when !DType.IsFloat() && whole => WholePower((long)power),
            _ => Pow(Full([], exponent, Promotion.Float(DType))),
        };
    }

    public Tensor Neg() => Apply(UnaryFunction.Neg, this);

    public Tensor Abs() => Apply(UnaryFunction.Abs, this);

    /// <summary>max(x, 0).</summary>
    public Tensor Relu() => Apply(UnaryFunction.Relu, this);

    public Tensor Square() => Apply(UnaryFunction.Square, this);

    public Tensor Tanh() => Apply(UnaryFunction.Tanh, this);

    public Tensor Exp() => Apply(UnaryFunction.Exp, this);

    /// <summary>Natural logarithm.</summary>
    public Tensor Log() => Apply(UnaryFunction.Log, this);

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public Tensor Sigmoid() => Apply(UnaryFunction.Sigmoid, this);

    public Tensor Sqrt() => Apply(UnaryFunction.Sqrt, this);

    /// <summary>1 / √x.</summary>
    public Tensor Rsqrt() => Apply(UnaryFunction.Rsqrt, this);

    /// <summary>1 / x.</summary>
    public Tensor Reciprocal() => Apply(UnaryFunction.Reciprocal, this);

    /// <summary>The error function.</summary>
    public Tensor Erf() => Apply(UnaryFunction.Erf, this);

    public Tensor Sin() => Apply(UnaryFunction.Sin, this);

    public Tensor Cos() => Apply(UnaryFunction.Cos, this);

    /// <summary>x · sigmoid(x).</summary>
    public Tensor Silu() => Apply(UnaryFunction.Silu, this);

    /// <summary>x · Φ(x), with the distribution function of the normal distribution.</summary>
    public Tensor Gelu() => Apply(UnaryFunction.Gelu, this);

    public Tensor Floor() => DType.IsFloat() ? Apply(UnaryFunction.Floor, this) : this + 0;

    public Tensor Ceil() => DType.IsFloat() ? Apply(UnaryFunction.Ceil, this) : this + 0;

    /// <summary>To the nearest whole number, halves to even.</summary>
    public Tensor Round() => DType.IsFloat() ? Apply(UnaryFunction.Round, this) : this + 0;

    /// <summary>condition ? a : b, element by element, with broadcasting.</summary>
    /// <exception cref="ArgumentException">The condition is not of bools; the shapes do not broadcast.</exception>
    public static Tensor Where(Tensor condition, Tensor a, Tensor b)
    {
        if (condition.DType != DType.Bool)
            throw new ArgumentException(
                $"where: the condition must be bool, but it is {condition.DType.Name()}; compare it with something."
            );
        var type = Promotion.Of(a.DType, Promotion.RankOf(a), b.DType, Promotion.RankOf(b));
        var x = a.To(type);
        var y = b.To(type);
        var result = Elementwise.Where(condition, x, y);
        if (Records(x, y))
            result.Record(Derivatives.Where, condition, x, y);
        return result;
    }

    /// <summary>The same elements in another dtype; this tensor itself where it has that dtype.</summary>
    public Tensor To(DType dtype)
    {
        if (dtype == DType)
            return this;
        RequireDType(dtype, "To");
        if (dtype == DType.Bool)
            return Ne(0);
        var result = Elementwise.Cast(this, dtype);
        if (dtype.IsFloat() && Records(this))
            result.Record(Derivatives.Cast, this).I = (long)DType;
        return result;
    }

    /// <summary>A copy in new memory; gradients flow through it.</summary>
    public Tensor Clone()
    {
        var result = Copying.Dense(this);
        if (Records(this))
            result.Record(Derivatives.Clone, this);
        return result;
    }

    internal static Tensor Apply(UnaryFunction function, Tensor x)
    {
        var type = function.Kind == FunctionKind.Float ? Promotion.Float(x.DType) : x.DType;
        if (type is DType.UInt8 or DType.Bool)
        {
            RequireNumbers(function.Name, type);
            return Elementwise.Cast(Apply(function, Elementwise.Cast(x, DType.Int32)), type);
        }
        var input = x.To(type);
        var result = Elementwise.Unary(function.Family, input);
        if (Records(input))
            result.Record(function.Rule, input);
        return result;
    }

    internal static Tensor Apply(BinaryFunction function, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        var type =
            a.DType == b.DType ? a.DType : Promotion.Of(a.DType, Promotion.RankOf(a), b.DType, Promotion.RankOf(b));
        if (function.Kind == FunctionKind.Float)
            type = Promotion.Float(type);
        if (function.Kind == FunctionKind.Arithmetic && type is DType.UInt8 or DType.Bool)
            return Narrow(function, a.To(type), b.To(type), type);
        var x = a.To(type);
        var y = b.To(type);
        var result = Elementwise.Binary(
            function.Family,
            x,
            y,
            function.Kind == FunctionKind.Comparison ? DType.Bool : type
        );
        if (function.Rule is { } rule && Records(x, y))
            result.Record(rule, x, y);
        return result;
    }

    internal static Tensor Apply(BinaryFunction function, Tensor a, Scalar b, bool numberFirst = false)
    {
        ArgumentNullException.ThrowIfNull(a);
        var type =
            a.DType == b.Type ? a.DType : Promotion.Of(a.DType, Promotion.RankOf(a), b.Type, Promotion.Rank.Number);
        if (function.Kind == FunctionKind.Float)
            type = Promotion.Float(type);
        if (function.Kind == FunctionKind.Arithmetic && type is DType.UInt8 or DType.Bool)
        {
            var number = Full([], b, type);
            return numberFirst ? Apply(function, number, a) : Apply(function, a, number);
        }
        var x = a.To(type);
        var result = Elementwise.WithNumber(
            function.Family,
            x,
            b,
            numberFirst,
            function.Kind == FunctionKind.Comparison ? DType.Bool : type
        );
        if (function.NumberRule is { } rule && Records(x))
        {
            var node = result.Record(rule, x);
            node.X = b.AsDouble;
            node.I = numberFirst ? 1 : 0;
        }
        return result;
    }

    // Bytes are computed in int32 and wrapped back; for bools + is or, * is and.
    private static Tensor Narrow(BinaryFunction function, Tensor a, Tensor b, DType type)
    {
        if (type == DType.UInt8)
            return Elementwise.Cast(
                Apply(function, Elementwise.Cast(a, DType.Int32), Elementwise.Cast(b, DType.Int32)),
                type
            );
        return function.Name switch
        {
            "add" or "maximum" => Logical(BinaryFunction.Or, a, b),
            "mul" or "minimum" => Logical(BinaryFunction.And, a, b),
            _ => throw new ArgumentException($"{function.Name}: bools cannot be subtracted; use ^ or convert them."),
        };
    }

    private static Tensor Logical(BinaryFunction function, Tensor a, Tensor b) =>
        Elementwise.Binary(function.Family, a.ToBool(), b.ToBool(), DType.Bool);

    private Tensor ToBool() => DType == DType.Bool ? this : Ne(0);

    // What does not depend on this tensor, but was computed from it.
    private Tensor Constant(Tensor result)
    {
        if (Records(this))
            result.Record(Derivatives.Flat, this);
        return result;
    }

    private Tensor WholePower(long exponent)
    {
        var result = OnesLike(this);
        var power = this;
        for (; exponent > 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0)
                result = result * power;
            if (exponent > 1)
                power = power.Square();
        }
        return result;
    }

    private static void RequireNumbers(string what, DType type)
    {
        if (type == DType.Bool)
            throw new ArgumentException($"{what}: not defined for bools; convert them with To().");
    }

    private static readonly Family NotFamily = Family.OfVectorOfBools("logical_not");
}
