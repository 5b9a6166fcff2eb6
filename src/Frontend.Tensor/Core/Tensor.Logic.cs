using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    private static readonly Operator NotOperator = new("logical_not");

    /// <summary>Bitwise and of integers, logical and of bools.</summary>
    /// <exception cref="ArgumentException">Floats: <see cref="LogicalAnd"/> takes them.</exception>
    public static Tensor operator &(Tensor a, Tensor b) => Apply(ScalarFunctions.BitwiseAnd, a, b);

    /// <inheritdoc cref="op_BitwiseAnd(Tensor, Tensor)"/>
    public static Tensor operator &(Tensor a, Scalar b) => Apply(ScalarFunctions.BitwiseAnd, a, b);

    /// <inheritdoc cref="op_BitwiseAnd(Tensor, Tensor)"/>
    public static Tensor operator &(Scalar a, Tensor b) => Apply(ScalarFunctions.BitwiseAnd, Given(b), a);

    /// <summary>Bitwise or of integers, logical or of bools.</summary>
    /// <exception cref="ArgumentException">Floats: <see cref="LogicalOr"/> takes them.</exception>
    public static Tensor operator |(Tensor a, Tensor b) => Apply(ScalarFunctions.BitwiseOr, a, b);

    /// <inheritdoc cref="op_BitwiseOr(Tensor, Tensor)"/>
    public static Tensor operator |(Tensor a, Scalar b) => Apply(ScalarFunctions.BitwiseOr, a, b);

    /// <inheritdoc cref="op_BitwiseOr(Tensor, Tensor)"/>
    public static Tensor operator |(Scalar a, Tensor b) => Apply(ScalarFunctions.BitwiseOr, Given(b), a);

    /// <summary>Bitwise exclusive or of integers, logical exclusive or of bools.</summary>
    /// <exception cref="ArgumentException">Floats: <see cref="LogicalXor"/> takes them.</exception>
    public static Tensor operator ^(Tensor a, Tensor b) => Apply(ScalarFunctions.BitwiseXor, a, b);

    /// <inheritdoc cref="op_ExclusiveOr(Tensor, Tensor)"/>
    public static Tensor operator ^(Tensor a, Scalar b) => Apply(ScalarFunctions.BitwiseXor, a, b);

    /// <inheritdoc cref="op_ExclusiveOr(Tensor, Tensor)"/>
    public static Tensor operator ^(Scalar a, Tensor b) => Apply(ScalarFunctions.BitwiseXor, Given(b), a);

    /// <summary>
    /// Bits of integers moved up by a number of places. Shifted by the width of the dtype and more, or by a negative
    /// number, nothing is left: 0.
    /// </summary>
    /// <exception cref="ArgumentException">Floats, or two bools.</exception>
    public static Tensor operator <<(Tensor a, Tensor b) => Apply(ScalarFunctions.LeftShift, a, b);

    /// <inheritdoc cref="op_LeftShift(Tensor, Tensor)"/>
    public static Tensor operator <<(Tensor a, Scalar b) => Apply(ScalarFunctions.LeftShift, a, b);

    /// <summary>
    /// Bits of integers moved down by a number of places; the sign stays. Shifted by the width of the dtype and more, or by
    /// a negative number, only the sign is left: 0 or −1.
    /// </summary>
    /// <exception cref="ArgumentException">Floats, or two bools.</exception>
    public static Tensor operator >>(Tensor a, Tensor b) => Apply(ScalarFunctions.RightShift, a, b);

    /// <inheritdoc cref="op_RightShift(Tensor, Tensor)"/>
    public static Tensor operator >>(Tensor a, Scalar b) => Apply(ScalarFunctions.RightShift, a, b);

    /// <summary>Every bit of integers turned over; not, of bools.</summary>
    /// <exception cref="ArgumentException">Floats.</exception>
    public static Tensor operator ~(Tensor a)
    {
        ArgumentNullException.ThrowIfNull(a);
        return a.DType == DType.Bool ? a.LogicalNot()
            : a.DType.IsFloat() ? throw NoBits("bitwise_not", a.DType)
            : Apply(ScalarFunctions.BitwiseXor, a, -1);
    }

    /// <summary>Whether an element is 0.</summary>
    public static Tensor operator !(Tensor a)
    {
        ArgumentNullException.ThrowIfNull(a);
        return a.LogicalNot();
    }

    /// <summary>Bitwise and, or and exclusive or in place (logical of bools), and shifts in place.</summary>
    public void operator &=(Tensor b) => ChangeBits(ScalarFunctions.BitwiseAnd, b);

    public void operator &=(Scalar b) => ChangeBits(ScalarFunctions.BitwiseAnd, b);

    public void operator |=(Tensor b) => ChangeBits(ScalarFunctions.BitwiseOr, b);

    public void operator |=(Scalar b) => ChangeBits(ScalarFunctions.BitwiseOr, b);

    public void operator ^=(Tensor b) => ChangeBits(ScalarFunctions.BitwiseXor, b);

    public void operator ^=(Scalar b) => ChangeBits(ScalarFunctions.BitwiseXor, b);

    public void operator <<=(Tensor b) => ChangeBits(ScalarFunctions.LeftShift, b);

    public void operator <<=(Scalar b) => ChangeBits(ScalarFunctions.LeftShift, b);

    public void operator >>=(Tensor b) => ChangeBits(ScalarFunctions.RightShift, b);

    public void operator >>=(Scalar b) => ChangeBits(ScalarFunctions.RightShift, b);

    /// <summary>Whether both are not 0, element by element.</summary>
    public Tensor LogicalAnd(Tensor b) => Logical(ScalarFunctions.LogicalAnd, this, b);

    /// <summary>Whether one is not 0, element by element.</summary>
    public Tensor LogicalOr(Tensor b) => Logical(ScalarFunctions.LogicalOr, this, b);

    /// <summary>Whether exactly one is not 0, element by element.</summary>
    public Tensor LogicalXor(Tensor b) => Logical(ScalarFunctions.LogicalXor, this, b);

    /// <summary>Whether an element is 0.</summary>
    public Tensor LogicalNot() => NotOperator.Run(ToBool());

    private static Tensor Logical(ElementFunction function, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(b);
        return function.Run(a.ToBool(), b.ToBool());
    }

    private void ChangeBits(ElementFunction function, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(b);
        if (DType.IsFloat() || b.DType.IsFloat())
            throw NoBits(function.Name, DType.IsFloat() ? DType : b.DType);
        ChangeBy(function, b);
    }

    private void ChangeBits(ElementFunction function, Scalar b)
    {
        if (DType.IsFloat() || b.Type.IsFloat())
            throw NoBits(function.Name, DType.IsFloat() ? DType : b.Type);
        ChangeBy(function, b);
    }

    private Tensor ToBool() => DType == DType.Bool ? this : Ne(0);

    private static ArgumentException NoBits(string function, DType type) =>
        new(
            $"{function}: {type.Name()} tensors have no bits to work on; compare them, use LogicalAnd, LogicalOr, LogicalXor or "
                + "LogicalNot, or convert them with To()."
        );
}
