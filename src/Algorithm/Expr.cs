using System.Collections.Immutable;

namespace Picograd.Algorithms;

// Semantics of expressions, for every evaluator, interpreter and back end alike:
// - Integers are two's complement of their width and wrap. Index arithmetic (Int64) is assumed not to overflow.
// - FloorDiv and Mod round towards minus infinity; the divisor is positive, so Mod is in [0, divisor).
//   Shift amounts are in [0, width).
// - Float arithmetic is IEEE 754 of its width, round to nearest even; a back end may contract a*b+c into Fma.
//   Min and Max return NaN if either operand is NaN. Comparisons with NaN are false, except Ne.
// - Select, And and Or are lazy as far as memory goes: a Load in the operand that is not chosen (for And / Or: the
//   second operand once the first decides) is not performed, so it may be out of bounds.
// - Cast float to integer truncates towards zero (out of range is unspecified, never a fault); Bitcast keeps the bits.

/// <summary>One arithmetic expression of scalar type; immutable, compared by structure (Vars and Buffers by identity).</summary>
public abstract record Expr
{
    public abstract DType Type { get; }

    public static implicit operator Expr(int value) => new IntImm(value, DTypes.Index);

    public static implicit operator Expr(long value) => new IntImm(value, DTypes.Index);

    public static implicit operator Expr(float value) => new FloatImm(value, DType.Float32);

    public static implicit operator Expr(Axis axis) => axis.Var;

    public static Expr operator +(Expr a, Expr b) => Op.Add(a, b);

    public static Expr operator -(Expr a, Expr b) => Op.Sub(a, b);

    public static Expr operator *(Expr a, Expr b) => Op.Mul(a, b);

    /// <summary>Float division, or floor division for integers.</summary>
    public static Expr operator /(Expr a, Expr b) => Op.Div(a, b);

    public static Expr operator %(Expr a, Expr b) => Op.Mod(a, b);

    public static Expr operator -(Expr a) => Op.Neg(a);

    public static Expr operator <(Expr a, Expr b) => Op.Lt(a, b);

    public static Expr operator <=(Expr a, Expr b) => Op.Le(a, b);

    public static Expr operator >(Expr a, Expr b) => Op.Lt(b, a);

    public static Expr operator >=(Expr a, Expr b) => Op.Le(b, a);

    public static Expr operator &(Expr a, Expr b) =>
        a.Type == DType.Bool ? Op.And(a, b) : Op.Bit(BinaryOp.BitAnd, a, b);

    public static Expr operator |(Expr a, Expr b) => a.Type == DType.Bool ? Op.Or(a, b) : Op.Bit(BinaryOp.BitOr, a, b);

    public static Expr operator ^(Expr a, Expr b) => Op.Bit(BinaryOp.BitXor, a, b);

    public static Expr operator <<(Expr a, Expr b) => Op.Bit(BinaryOp.Shl, a, b);

    public static Expr operator >>(Expr a, Expr b) => Op.Bit(BinaryOp.Shr, a, b);

    public static Expr operator !(Expr a) => Op.Not(a);

    /// <summary>What an expression of a kind that a back end adds is printed as; null for the kinds of this folder.</summary>
    public virtual string? Printed => null;

    public sealed override string ToString() => ExprPrinter.Print(this);
}

public enum BinaryOp
{
    Add,
    Sub,
    Mul,

    /// <summary>Float division.</summary>
    Div,

    /// <summary>Integer division rounding towards minus infinity.</summary>
    FloorDiv,

    /// <summary>Integer remainder of FloorDiv.</summary>
    Mod,
    Min,
    Max,
    Eq,
    Ne,
    Lt,
    Le,
    And,
    Or,
    BitAnd,
    BitOr,
    BitXor,
    Shl,

    /// <summary>Right shift: arithmetic for signed types, logical for unsigned.</summary>
    Shr,
}

/// <summary>Operations that every processor has; all other functions of one value are <see cref="Apply"/>.</summary>
public enum UnaryOp
{
    Neg,
    Not,
    Abs,
    Sqrt,
    Floor,
    Ceil,

    /// <summary>Round half to even.</summary>
    Round,
}

public sealed record IntImm(long Value, DType ImmType) : Expr
{
    public override DType Type => ImmType;
}

public sealed record FloatImm(double Value, DType ImmType) : Expr
{
    public override DType Type => ImmType;

    /// <summary>Equal bits: 0 and -0 are different constants, a NaN is equal to itself.</summary>
    public bool Equals(FloatImm? other) =>
        other is not null
        && ImmType == other.ImmType
        && BitConverter.DoubleToInt64Bits(Value) == BitConverter.DoubleToInt64Bits(other.Value);

    public override int GetHashCode() => HashCode.Combine(BitConverter.DoubleToInt64Bits(Value), ImmType);
}

/// <summary>
/// An integer variable: a loop or block axis, or a symbolic extent of the algorithm. Identity is the object; the name
/// is for people and traces.
/// </summary>
public sealed record Var(string Name) : Expr
{
    private static long s_made;

    /// <summary>Later variables have larger numbers: the order of factors in canonical products.</summary>
    internal long Number { get; } = Interlocked.Increment(ref s_made);

    public override DType Type => DTypes.Index;

    public bool Equals(Var? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

public sealed record Unary(UnaryOp Kind, Expr A) : Expr
{
    public override DType Type => A.Type;
}

public sealed record Binary(BinaryOp Kind, Expr A, Expr B) : Expr
{
    public override DType Type =>
        Kind is BinaryOp.Eq or BinaryOp.Ne or BinaryOp.Lt or BinaryOp.Le or BinaryOp.And or BinaryOp.Or
            ? DType.Bool
            : A.Type;
}

/// <summary>a*b + c with one rounding.</summary>
public sealed record Fma(Expr A, Expr B, Expr C) : Expr
{
    public override DType Type => C.Type;
}

public sealed record Select(Expr Cond, Expr Then, Expr Else) : Expr
{
    public override DType Type => Then.Type;
}

public sealed record Cast(DType To, Expr A) : Expr
{
    public override DType Type => To;
}

/// <summary>Reinterprets the bits as a type of the same size.</summary>
public sealed record Bitcast(DType To, Expr A) : Expr
{
    public override DType Type => To;
}

/// <summary>The element of a buffer at an index, one expression a dimension, each within [0, extent).</summary>
public sealed record Load(Buffer Buffer, ImmutableArray<Expr> Indices) : Expr
{
    public override DType Type => Buffer.Type;

    public bool Equals(Load? other) =>
        other is not null && Buffer == other.Buffer && Indices.AsSpan().SequenceEqual(other.Indices.AsSpan());

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Buffer);
        foreach (var index in Indices)
            hash.Add(index);
        return hash.ToHashCode();
    }
}
