using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    private static readonly Operator WhereOperator = new("where", derives: true);

    public static Tensor operator +(Tensor a, Tensor b) => Apply(ScalarFunctions.Add, a, b);

    public static Tensor operator +(Tensor a, Scalar b) => Apply(ScalarFunctions.Add, a, b);

    public static Tensor operator +(Scalar a, Tensor b) => Apply(ScalarFunctions.Add, Given(b), a);

    public static Tensor operator -(Tensor a, Tensor b) => Apply(ScalarFunctions.Sub, a, b);

    public static Tensor operator -(Tensor a, Scalar b) => Apply(ScalarFunctions.Sub, a, b);

    public static Tensor operator -(Scalar a, Tensor b) => Apply(ScalarFunctions.Sub, Given(b), a, numberFirst: true);

    public static Tensor operator *(Tensor a, Tensor b) => Apply(ScalarFunctions.Mul, a, b);

    public static Tensor operator *(Tensor a, Scalar b) => Apply(ScalarFunctions.Mul, a, b);

    public static Tensor operator *(Scalar a, Tensor b) => Apply(ScalarFunctions.Mul, Given(b), a);

    /// <summary>True division: integers give float32.</summary>
    public static Tensor operator /(Tensor a, Tensor b) => Apply(ScalarFunctions.Div, a, b);

    public static Tensor operator /(Tensor a, Scalar b) => Apply(ScalarFunctions.Div, a, b);

    public static Tensor operator /(Scalar a, Tensor b) => Apply(ScalarFunctions.Div, Given(b), a, numberFirst: true);

    public static Tensor operator -(Tensor a) => Apply(ScalarFunctions.Neg, Given(a));

    public static Tensor operator <(Tensor a, Tensor b) => Apply(ScalarFunctions.Lt, a, b);

    public static Tensor operator <(Tensor a, Scalar b) => Apply(ScalarFunctions.Lt, a, b);

    public static Tensor operator <=(Tensor a, Tensor b) => Apply(ScalarFunctions.Le, a, b);

    public static Tensor operator <=(Tensor a, Scalar b) => Apply(ScalarFunctions.Le, a, b);

    public static Tensor operator >(Tensor a, Tensor b) => Apply(ScalarFunctions.Gt, a, b);

    public static Tensor operator >(Tensor a, Scalar b) => Apply(ScalarFunctions.Gt, a, b);

    public static Tensor operator >=(Tensor a, Tensor b) => Apply(ScalarFunctions.Ge, a, b);

    public static Tensor operator >=(Tensor a, Scalar b) => Apply(ScalarFunctions.Ge, a, b);

    /// <summary>Element-wise a = b.</summary>
    public Tensor Eq(Tensor b) => Apply(ScalarFunctions.Eq, this, b);

    /// <inheritdoc cref="Eq(Tensor)"/>
    public Tensor Eq(Scalar b) => Apply(ScalarFunctions.Eq, this, b);

    /// <summary>Element-wise a ≠ b.</summary>
    public Tensor Ne(Tensor b) => Apply(ScalarFunctions.Ne, this, b);

    /// <inheritdoc cref="Ne(Tensor)"/>
    public Tensor Ne(Scalar b) => Apply(ScalarFunctions.Ne, this, b);

    /// <summary>The larger of two, element by element; NaN where either is NaN.</summary>
    public Tensor Maximum(Tensor b) => Apply(ScalarFunctions.Maximum, this, b);

    /// <summary>The smaller of two, element by element; NaN where either is NaN.</summary>
    public Tensor Minimum(Tensor b) => Apply(ScalarFunctions.Minimum, this, b);

    /// <summary>Cut to a range; null leaves an end open.</summary>
    public Tensor Clamp(Scalar? min = null, Scalar? max = null)
    {
        if (min is null && max is null)
            throw new ArgumentException("clamp: neither min nor max is given; give at least one of them.");
        var type = DType;
        if (min is { } least)
            type = Promotion.Of(type, Promotion.RankOf(this), least.Type, Promotion.Rank.Number);
        if (max is { } most)
            type = Promotion.Of(type, Promotion.RankOf(this), most.Type, Promotion.Rank.Number);
        RequireNumbers("clamp", type);
        min?.Require(type, "clamp", wraps: false);
        max?.Require(type, "clamp", wraps: false);
        return Clamped(
            To(type),
            min is { } low ? Number(low, type, Device) : null,
            max is { } high ? Number(high, type, Device) : null
        );
    }

    /// <summary>Cut to a range that tensors give, element by element, with broadcasting; null leaves an end open.</summary>
    public Tensor Clamp(Tensor? min, Tensor? max = null)
    {
        if (min is null && max is null)
            throw new ArgumentException("clamp: neither min nor max is given; give at least one of them.");
        var type = Promotion.Of(this, min, max);
        RequireNumbers("clamp", type);
        return Clamped(To(type), min?.To(type), max?.To(type));
    }

    // Of one dtype; at least one bound is given.
    private static Tensor Clamped(Tensor x, Tensor? low, Tensor? high)
    {
        if (x.DType == DType.UInt8)
            return Operator.Cast(Clamped(x.To(DType.Int32), low?.To(DType.Int32), high?.To(DType.Int32)), DType.UInt8);
        ElementFunction function =
            high is null ? ScalarFunctions.ClampMin
            : low is null ? ScalarFunctions.ClampMax
            : ScalarFunctions.Clamp;
        return function.Recorded(x, low ?? high, low is null ? null : high);
    }

    public Tensor Neg() => Apply(ScalarFunctions.Neg, this);

    public Tensor Abs() => Apply(ScalarFunctions.Abs, this);

    /// <summary>max(x, 0).</summary>
    public Tensor Relu() => Apply(ScalarFunctions.Relu, this);

    public Tensor Square() => DType == DType.Bool ? To(DType.Int64) : Apply(ScalarFunctions.Square, this);

    public Tensor Tanh() => Apply(ScalarFunctions.Tanh, this);

    public Tensor Exp() => Apply(ScalarFunctions.Exp, this);

    /// <summary>Natural logarithm.</summary>
    public Tensor Log() => Apply(ScalarFunctions.Log, this);

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public Tensor Sigmoid() => Apply(ScalarFunctions.Sigmoid, this);

    public Tensor Sqrt() => Apply(ScalarFunctions.Sqrt, this);

    /// <summary>1 / √x.</summary>
    public Tensor Rsqrt() => Apply(ScalarFunctions.Rsqrt, this);

    /// <summary>1 / x.</summary>
    public Tensor Reciprocal() => Apply(ScalarFunctions.Reciprocal, this);

    /// <summary>The error function.</summary>
    public Tensor Erf() => Apply(ScalarFunctions.Erf, this);

    public Tensor Sin() => Apply(ScalarFunctions.Sin, this);

    public Tensor Cos() => Apply(ScalarFunctions.Cos, this);

    /// <summary>x · sigmoid(x).</summary>
    public Tensor Silu() => Apply(ScalarFunctions.Silu, this);

    /// <summary>x · Φ(x), with the distribution function of the normal distribution.</summary>
    /// <param name="approximate">"none", or "tanh" for x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).</param>
    /// <exception cref="ArgumentException">Another word.</exception>
    public Tensor Gelu(string approximate = "none") =>
        approximate switch
        {
            "none" => Apply(ScalarFunctions.Gelu, this),
            "tanh" => Apply(ScalarFunctions.GeluTanh, this),
            null => throw new ArgumentNullException(nameof(approximate)),
            _ => throw new ArgumentException(
                $"gelu: approximate is \"{approximate}\", but must be \"none\" or \"tanh\".",
                nameof(approximate)
            ),
        };

    public Tensor Floor() => ToWhole(ScalarFunctions.Floor);

    public Tensor Ceil() => ToWhole(ScalarFunctions.Ceil);

    /// <summary>To the nearest whole number, halves to even.</summary>
    public Tensor Round() => ToWhole(ScalarFunctions.Round);

    /// <summary>condition ? a : b, element by element, with broadcasting.</summary>
    /// <exception cref="ArgumentException">The condition is not of bools; the shapes do not broadcast.</exception>
    public static Tensor Where(Tensor condition, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(condition);
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (condition.DType != DType.Bool)
            throw new ArgumentException(
                $"where: the condition must be bool, but it is {condition.DType.Name()}; compare it with something."
            );
        var type = Promotion.Of(a.DType, Promotion.RankOf(a), b.DType, Promotion.RankOf(b));
        return WhereOperator.Recorded(condition, a.To(type), b.To(type));
    }

    /// <inheritdoc cref="Where(Tensor, Tensor, Tensor)"/>
    public static Tensor Where(Tensor condition, Tensor a, Scalar b)
    {
        ArgumentNullException.ThrowIfNull(a);
        return Where(condition, a, Beside(a, b));
    }

    /// <inheritdoc cref="Where(Tensor, Tensor, Tensor)"/>
    public static Tensor Where(Tensor condition, Scalar a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(b);
        return Where(condition, Beside(b, a), b);
    }

    /// <inheritdoc cref="Where(Tensor, Tensor, Tensor)"/>
    public static Tensor Where(Tensor condition, Scalar a, Scalar b)
    {
        var type = Promotion.Of(a.Type, Promotion.Rank.Number, b.Type, Promotion.Rank.Number);
        var device = Given(condition).Device;
        return Where(condition, Full([], a, type, device), Full([], b, type, device));
    }

    /// <summary>The same elements in another dtype; this tensor itself where it has that dtype.</summary>
    public Tensor To(DType dtype)
    {
        if (dtype == DType)
            return this;
        RequireDType(dtype, "To");
        if (dtype == DType.Bool)
            return Ne(0);
        var result = Operator.Cast(this, dtype);
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

    internal static Tensor Apply(ElementFunction function, Tensor x)
    {
        if (Picograd.Autocast.Of(function.Name, x) is { } cast)
            x = cast.Of(x)!;
        var type = function.Kind == FunctionKind.Float ? Promotion.Float(x.DType) : x.DType;
        if (type is DType.UInt8 or DType.Bool)
        {
            RequireNumbers(function.Name, type);
            return Operator.Cast(Apply(function, Operator.Cast(x, DType.Int32)), type);
        }
        return function.Kind == FunctionKind.Comparison ? function.Run(x) : function.Recorded(x.To(type));
    }

    internal static Tensor Apply(ElementFunction function, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        var type =
            a.DType == b.DType ? a.DType : Promotion.Of(a.DType, Promotion.RankOf(a), b.DType, Promotion.RankOf(b));
        if (function.Kind == FunctionKind.Float)
            type = Promotion.Float(type);
        else if (a.DType == DType.Bool || b.DType == DType.Bool)
            RefuseBools(function, type);
        if (function.Kind is FunctionKind.Arithmetic or FunctionKind.Bits && type is DType.UInt8 or DType.Bool)
            return Narrow(function, a.To(type), b.To(type), type);
        if (function.Kind == FunctionKind.Bits && type.IsFloat())
            throw NoBits(function.Name, type);
        if (b.DType != type && type.IsStorage() && b.Rank == 0 && b.Device.IsCpu && function.TakesNumber)
            return Scaled(function, a.To(type), b);
        return function.Recorded(a.To(type), b.To(type));
    }

    // As precise as a plain number is, of which PyTorch makes none of its own; gradients are those beside the rounded one.
    private static Tensor Scaled(ElementFunction function, Tensor a, Tensor number)
    {
        Tensor result;
        using (NoGrad())
            result = function.RunPrecise(a, number.To(a.DType.Compute()));
        if (function.Rule is { } rule && Records(a, number))
        {
            var rounded = number.To(a.DType);
            CommonDevice.Align(function.Title, ref a, ref rounded);
            result.Record(rule, a, rounded);
        }
        return result;
    }

    internal static Tensor Apply(ElementFunction function, Tensor a, Scalar b, bool numberFirst = false)
    {
        ArgumentNullException.ThrowIfNull(a);
        var type =
            a.DType == b.Type ? a.DType : Promotion.Of(a.DType, Promotion.RankOf(a), b.Type, Promotion.Rank.Number);
        if (function.Kind == FunctionKind.Float)
            type = Promotion.Float(type);
        else if (a.DType == DType.Bool || b.Type == DType.Bool)
            RefuseBools(function, type);
        // Comparisons are about values, the others about bits.
        if (!type.IsFloat())
            b.Require(type, function.Name, wraps: function.Kind != FunctionKind.Comparison);
        if (function.Kind is FunctionKind.Arithmetic or FunctionKind.Bits && type is DType.UInt8 or DType.Bool)
        {
            var number = Number(b, type, a.Device);
            return numberFirst ? Apply(function, number, a) : Apply(function, a, number);
        }
        if (function.Kind == FunctionKind.Bits && type.IsFloat())
            throw NoBits(function.Name, type);
        var x = a.To(type);
        var result = function.Run(x, b, numberFirst);
        if (function.NumberRule is { } rule && Records(x))
        {
            var node = result.Record(rule, x);
            node.X = b.AsDouble;
            node.I = numberFirst ? 1 : 0;
        }
        return result;
    }

    // Bytes are computed in int32 and wrapped back; for bools + is or, * is and.
    private static Tensor Narrow(ElementFunction function, Tensor a, Tensor b, DType type)
    {
        if (type == DType.UInt8)
            return Operator.Cast(Apply(function, Operator.Cast(a, DType.Int32), Operator.Cast(b, DType.Int32)), type);
        return function.Name switch
        {
            "add" or "maximum" or "bitwise_or" => Logical(ScalarFunctions.LogicalOr, a, b),
            "mul" or "minimum" or "bitwise_and" => Logical(ScalarFunctions.LogicalAnd, a, b),
            "bitwise_xor" => Logical(ScalarFunctions.LogicalXor, a, b),
            _ => throw new ArgumentException($"{function.Name}: not defined for two bools; convert one with To()."),
        };
    }

    // What does not depend on this tensor, but was computed from it.
    private Tensor Constant(Tensor result)
    {
        if (Records(this))
            result.Record(Derivatives.Flat, this);
        return result;
    }

    // A bool next to other types is a number for every function but the difference, as in PyTorch.
    private static void RefuseBools(ElementFunction function, DType type)
    {
        if (function.Name == "sub")
            throw new ArgumentException(
                "sub: bools cannot be subtracted; use ^, or ! of a mask, or convert with To()."
            );
        if (type == DType.Bool && function.Name is "left_shift" or "right_shift")
            throw new ArgumentException($"{function.Name}: bools have no bits to shift; convert them with To().");
    }

    // A 0-d tensor; a number beyond the floats of the dtype becomes infinite.
    private static Tensor Number(Scalar value, DType type, Device device)
    {
        var tensor = Empty([], type, device);
        Operator.Fill(tensor, value);
        return tensor;
    }

    // A number as an operand beside a tensor: a 0-d tensor of the dtype that both have together.
    private static Tensor Beside(Tensor tensor, Scalar number)
    {
        var type = Promotion.Of(tensor.DType, Promotion.RankOf(tensor), number.Type, Promotion.Rank.Number);
        number.Require(type, "where");
        return Full([], number, type, tensor.Device);
    }

    // Whole numbers are whole already.
    private Tensor ToWhole(ElementFunction function)
    {
        RequireNumbers(function.Name, DType);
        return DType.IsFloat() ? Apply(function, this) : Clone();
    }

    private static void RequireNumbers(string what, DType type)
    {
        if (type == DType.Bool)
            throw new ArgumentException($"{what}: not defined for bools; convert them with To().");
    }
}
