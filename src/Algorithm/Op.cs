using System.Runtime.InteropServices;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms;

/// <summary>
/// Constructors of expressions: check types, fold constants and identities. Everything that builds expressions goes
/// through here, so that trees stay small.
/// </summary>
public static class Op
{
    public static readonly Expr True = new IntImm(1, DType.Bool);
    public static readonly Expr False = new IntImm(0, DType.Bool);

    public static Expr Const(double value, DType type) =>
        type == DType.Bool || type.IsInteger() ? new IntImm((long)value, type) : new FloatImm(value, type);

    public static bool IsConst(this Expr e, long value) =>
        e switch
        {
            IntImm i => i.Value == value,
            FloatImm f => f.Value == value && !(value == 0 && double.IsNegative(f.Value)),
            _ => false,
        };

    public static bool IsTrue(this Expr e) => e is IntImm { ImmType: DType.Bool, Value: not 0 };

    public static bool IsFalse(this Expr e) => e is IntImm { ImmType: DType.Bool, Value: 0 };

    public static Expr Add(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "+");
        if (a is IntImm x && b is IntImm y)
            return new IntImm(Wrap(x.Value + y.Value, a.Type), a.Type);
        if (b is IntImm { Value: 0 })
            return a;
        if (a is IntImm { Value: 0 })
            return b;
        if (b is IntImm bi && a is Binary { Kind: BinaryOp.Add, B: IntImm ai } ab)
            return Add(ab.A, new IntImm(Wrap(ai.Value + bi.Value, b.Type), b.Type));
        return Fold(BinaryOp.Add, a, b) ?? new Binary(BinaryOp.Add, a, b);
    }

    public static Expr Sub(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "-");
        if (a is IntImm x && b is IntImm y)
            return new IntImm(Wrap(x.Value - y.Value, a.Type), a.Type);
        if (b is IntImm { Value: 0 })
            return a;
        return Fold(BinaryOp.Sub, a, b) ?? new Binary(BinaryOp.Sub, a, b);
    }

    public static Expr Mul(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "*");
        if (a is IntImm x && b is IntImm y)
            return new IntImm(Wrap(x.Value * y.Value, a.Type), a.Type);
        if (b is IntImm { Value: 1 } or FloatImm { Value: 1 })
            return a;
        if (a is IntImm { Value: 1 } or FloatImm { Value: 1 })
            return b;
        if (a is IntImm { Value: 0 } || b is IntImm { Value: 0 })
            return new IntImm(0, a.Type);
        return Fold(BinaryOp.Mul, a, b) ?? new Binary(BinaryOp.Mul, a, b);
    }

    public static Expr Div(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "/");
        return a.Type.IsFloat() ? Fold(BinaryOp.Div, a, b) ?? new Binary(BinaryOp.Div, a, b) : FloorDiv(a, b);
    }

    public static Expr FloorDiv(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "floordiv");
        if (b is IntImm { Value: 0 })
            throw new ArgumentException($"division by zero: {a} / 0");
        if (a is IntImm x && b is IntImm y)
            return new IntImm(FloorDiv(x.Value, y.Value), a.Type);
        if (b is IntImm { Value: 1 } || a is IntImm { Value: 0 })
            return a;
        return new Binary(BinaryOp.FloorDiv, a, b);
    }

    public static Expr Mod(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "%");
        if (b is IntImm { Value: 0 })
            throw new ArgumentException($"division by zero: {a} % 0");
        if (a is IntImm x && b is IntImm y)
            return new IntImm(x.Value - FloorDiv(x.Value, y.Value) * y.Value, a.Type);
        if (b is IntImm { Value: 1 })
            return new IntImm(0, a.Type);
        return new Binary(BinaryOp.Mod, a, b);
    }

    public static Expr CeilDiv(Expr a, Expr b) => FloorDiv(a + b - 1, b);

    public static Expr Min(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "min");
        if (a is IntImm x && b is IntImm y)
            return new IntImm(Math.Min(x.Value, y.Value), a.Type);
        return a == b ? a : Fold(BinaryOp.Min, a, b) ?? new Binary(BinaryOp.Min, a, b);
    }

    public static Expr Max(Expr a, Expr b)
    {
        (a, b) = Match(a, b, "max");
        if (a is IntImm x && b is IntImm y)
            return new IntImm(Math.Max(x.Value, y.Value), a.Type);
        return a == b ? a : Fold(BinaryOp.Max, a, b) ?? new Binary(BinaryOp.Max, a, b);
    }

    /// <summary>a^b of floats.</summary>
    public static Expr Pow(Expr a, Expr b) => Call(ScalarFunctions.Pow, a, b);

    public static Expr Eq(Expr a, Expr b) => Compare(BinaryOp.Eq, a, b);

    public static Expr Ne(Expr a, Expr b) => Compare(BinaryOp.Ne, a, b);

    public static Expr Lt(Expr a, Expr b) => Compare(BinaryOp.Lt, a, b);

    public static Expr Le(Expr a, Expr b) => Compare(BinaryOp.Le, a, b);

    public static Expr And(Expr a, Expr b)
    {
        RequireBool(a, "and");
        RequireBool(b, "and");
        if (a.IsFalse() || b.IsTrue())
            return a;
        if (a.IsTrue() || b.IsFalse())
            return b;
        return a == b ? a : new Binary(BinaryOp.And, a, b);
    }

    public static Expr Or(Expr a, Expr b)
    {
        RequireBool(a, "or");
        RequireBool(b, "or");
        if (a.IsTrue() || b.IsFalse())
            return a;
        if (a.IsFalse() || b.IsTrue())
            return b;
        return a == b ? a : new Binary(BinaryOp.Or, a, b);
    }

    public static Expr Not(Expr a)
    {
        RequireBool(a, "not");
        return a switch
        {
            IntImm i => i.Value == 0 ? True : False,
            Unary { Kind: UnaryOp.Not } n => n.A,
            Binary { Kind: BinaryOp.Lt } b when !b.A.Type.IsFloat() => Le(b.B, b.A),
            Binary { Kind: BinaryOp.Le } b when !b.A.Type.IsFloat() => Lt(b.B, b.A),
            Binary { Kind: BinaryOp.Eq } b => Ne(b.A, b.B),
            Binary { Kind: BinaryOp.Ne } b => Eq(b.A, b.B),
            _ => new Unary(UnaryOp.Not, a),
        };
    }

    public static Expr Neg(Expr a) =>
        a switch
        {
            IntImm i => new IntImm(Wrap(-i.Value, i.Type), i.Type),
            FloatImm f => new FloatImm(-f.Value, f.Type),
            _ => new Unary(UnaryOp.Neg, a),
        };

    public static Expr Bit(BinaryOp kind, Expr a, Expr b)
    {
        (a, b) = Match(a, b, kind.ToString());
        if (!a.Type.IsInteger())
            throw new ArgumentException($"{kind} needs integers, got {a.Type.Name()}: {a}");
        if (b is IntImm { Value: 0 } && kind != BinaryOp.BitAnd)
            return a;
        if (a is IntImm { Value: 0 } && kind is (BinaryOp.BitOr or BinaryOp.BitXor))
            return b;
        if (a is not IntImm x || b is not IntImm y)
            return new Binary(kind, a, b);
        long value = kind switch
        {
            BinaryOp.BitAnd => x.Value & y.Value,
            BinaryOp.BitOr => x.Value | y.Value,
            BinaryOp.BitXor => x.Value ^ y.Value,
            BinaryOp.Shl => x.Value << (int)y.Value,
            BinaryOp.Shr => x.Value >> (int)y.Value,
            _ => throw new ArgumentException($"{kind} is not an operation on bits"),
        };
        return new IntImm(Wrap(value, a.Type), a.Type);
    }

    public static Expr Call(UnaryOp kind, Expr a)
    {
        if (!a.Type.IsFloat() && kind is not (UnaryOp.Abs or UnaryOp.Neg))
            throw new ArgumentException($"{kind} needs a float, got {a.Type.Name()}: {a}");
        return new Unary(kind, a);
    }

    /// <summary>A function of the table (or of your own) at its arguments, which have one type; immediates take it.</summary>
    /// <exception cref="ArgumentException">There are more or fewer arguments than the function has, or they are of types that it lacks.</exception>
    public static Expr Call(ScalarFunction function, params ReadOnlySpan<Expr> arguments)
    {
        if (arguments.Length != function.Arity)
            throw new ArgumentException(
                $"{function.Name} has {function.Arity} argument{(function.Arity == 1 ? "" : "s")}, got {arguments.Length}"
            );
        if (function.UnaryNode is { } unary)
            return unary == UnaryOp.Neg ? Neg(arguments[0]) : Call(unary, arguments[0]);
        if (function.BinaryNode is { } binary)
            return ExprRewriter.Rebuild(binary, arguments[0], arguments[1]);
        Expr[] matched = [.. arguments];
        for (int i = 1; i < matched.Length; i++)
            (matched[0], matched[i]) = Match(matched[0], matched[i], function.Name);
        for (int i = 1; i < matched.Length - 1; i++)
            (matched[0], matched[i]) = Match(matched[0], matched[i], function.Name);
        if (function.IsElementary && !matched[0].Type.IsFloat())
            throw new ArgumentException(
                $"{function.Name} needs {(function.Arity == 1 ? "a float" : "floats")}, got {matched[0].Type.Name()}: {matched[0]}"
            );
        return new Apply(function, ImmutableCollectionsMarshal.AsImmutableArray(matched));
    }

    public static Expr Abs(Expr a) => Call(UnaryOp.Abs, a);

    public static Expr Exp(Expr a) => Call(ScalarFunctions.Exp, a);

    public static Expr Log(Expr a) => Call(ScalarFunctions.Log, a);

    public static Expr Tanh(Expr a) => Call(ScalarFunctions.Tanh, a);

    public static Expr Sigmoid(Expr a) => Call(ScalarFunctions.Sigmoid, a);

    public static Expr Erf(Expr a) => Call(ScalarFunctions.Erf, a);

    public static Expr Sin(Expr a) => Call(ScalarFunctions.Sin, a);

    public static Expr Cos(Expr a) => Call(ScalarFunctions.Cos, a);

    public static Expr Expm1(Expr a) => Call(ScalarFunctions.Expm1, a);

    public static Expr Log1p(Expr a) => Call(ScalarFunctions.Log1p, a);

    public static Expr Exp2(Expr a) => Call(ScalarFunctions.Exp2, a);

    public static Expr Log2(Expr a) => Call(ScalarFunctions.Log2, a);

    public static Expr Log10(Expr a) => Call(ScalarFunctions.Log10, a);

    public static Expr Sinh(Expr a) => Call(ScalarFunctions.Sinh, a);

    public static Expr Cosh(Expr a) => Call(ScalarFunctions.Cosh, a);

    public static Expr Asinh(Expr a) => Call(ScalarFunctions.Asinh, a);

    public static Expr Acosh(Expr a) => Call(ScalarFunctions.Acosh, a);

    public static Expr Atanh(Expr a) => Call(ScalarFunctions.Atanh, a);

    public static Expr Tan(Expr a) => Call(ScalarFunctions.Tan, a);

    public static Expr Asin(Expr a) => Call(ScalarFunctions.Asin, a);

    public static Expr Acos(Expr a) => Call(ScalarFunctions.Acos, a);

    public static Expr Atan(Expr a) => Call(ScalarFunctions.Atan, a);

    public static Expr Erfc(Expr a) => Call(ScalarFunctions.Erfc, a);

    public static Expr Sign(Expr a) => Call(ScalarFunctions.Sign, a);

    public static Expr Trunc(Expr a) => Call(ScalarFunctions.Trunc, a);

    public static Expr Softplus(Expr a) => Call(ScalarFunctions.Softplus, a);

    public static Expr IsNan(Expr a) => Call(ScalarFunctions.IsNan, a);

    public static Expr IsInf(Expr a) => Call(ScalarFunctions.IsInf, a);

    public static Expr IsFinite(Expr a) => Call(ScalarFunctions.IsFinite, a);

    public static Expr Atan2(Expr y, Expr x) => Call(ScalarFunctions.Atan2, y, x);

    public static Expr Sqrt(Expr a) => Call(UnaryOp.Sqrt, a);

    public static Expr Rsqrt(Expr a) => Call(ScalarFunctions.Rsqrt, a);

    public static Expr Reciprocal(Expr a) => Call(ScalarFunctions.Reciprocal, a);

    public static Expr Floor(Expr a) => Call(UnaryOp.Floor, a);

    public static Expr Ceil(Expr a) => Call(UnaryOp.Ceil, a);

    public static Expr Round(Expr a) => Call(UnaryOp.Round, a);

    public static Expr Select(Expr cond, Expr then, Expr otherwise)
    {
        RequireBool(cond, "select");
        (then, otherwise) = Match(then, otherwise, "select");
        if (cond is IntImm c)
            return c.Value != 0 ? then : otherwise;
        return then == otherwise ? then : new Select(cond, then, otherwise);
    }

    public static Expr Cast(DType type, Expr a) =>
        a.Type == type ? a
        : a is IntImm i && (type.IsInteger() || type == DType.Bool || type.IsFloat())
            ? type.IsFloat() ? new FloatImm(i.Value, type)
                : new IntImm(type == DType.Bool ? (i.Value != 0 ? 1 : 0) : Wrap(i.Value, type), type)
        : new Cast(type, a);

    public static Expr Bitcast(DType type, Expr a) => a.Type == type ? a : new Bitcast(type, a);

    public static Expr Fma(Expr a, Expr b, Expr c) => new Fma(a, b, c);

    /// <summary>
    /// A float32 with the last 13 bits of its mantissa cut off: what tensor cores read of it in the format tf32 (8 bits of
    /// exponent, 10 of mantissa). The result is at most 2⁻¹⁰ of the value nearer to zero.
    /// </summary>
    public static Expr Tf32(Expr a) =>
        a.Type == DType.Float32
            ? Bitcast(
                DType.Float32,
                Bit(BinaryOp.BitAnd, Bitcast(DType.UInt32, a), new IntImm(0xFFFFE000, DType.UInt32))
            )
            : throw new ArgumentException($"tf32 is a cut-off float32, got {a.Type.Name()}: {a}");

    public static long FloorDiv(long a, long b)
    {
        long q = a / b;
        return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
    }

    private static Expr Compare(BinaryOp kind, Expr a, Expr b)
    {
        (a, b) = Match(a, b, kind.ToString());
        if (a is IntImm x && b is IntImm y)
        {
            bool result = kind switch
            {
                BinaryOp.Eq => x.Value == y.Value,
                BinaryOp.Ne => x.Value != y.Value,
                BinaryOp.Lt => x.Value < y.Value,
                _ => x.Value <= y.Value,
            };
            return result ? True : False;
        }
        if (a == b && !a.Type.IsFloat())
            return kind is BinaryOp.Eq or BinaryOp.Le ? True : False;
        return new Binary(kind, a, b);
    }

    private static Expr? Fold(BinaryOp kind, Expr a, Expr b)
    {
        if (a is not FloatImm x || b is not FloatImm y)
            return null;
        double value = kind switch
        {
            BinaryOp.Add => x.Value + y.Value,
            BinaryOp.Sub => x.Value - y.Value,
            BinaryOp.Mul => x.Value * y.Value,
            BinaryOp.Div => x.Value / y.Value,
            BinaryOp.Min => Math.Min(x.Value, y.Value),
            _ => Math.Max(x.Value, y.Value),
        };
        return new FloatImm(a.Type == DType.Float32 ? (float)value : value, a.Type);
    }

    private static void RequireBool(Expr e, string what)
    {
        if (e.Type != DType.Bool)
            throw new ArgumentException($"{what} needs a bool, got {e.Type.Name()}: {e}");
    }

    private static long Wrap(long value, DType type) => type.IsInteger() ? type.Info().Wrap(value) : value;

    // An immediate takes the type of the other operand; otherwise types must agree.
    private static (Expr, Expr) Match(Expr a, Expr b, string what)
    {
        if (a.Type == b.Type)
            return (a, b);
        if (Adopt(b, a.Type) is { } b2)
            return (a, b2);
        if (Adopt(a, b.Type) is { } a2)
            return (a2, b);
        throw new ArgumentException(
            $"{what}: types differ, {a.Type.Name()} ({a}) and {b.Type.Name()} ({b}); use Cast to convert one of them"
        );
    }

    private static Expr? Adopt(Expr e, DType type) =>
        (e, type.IsFloat()) switch
        {
            (IntImm i, true) => new FloatImm(i.Value, type),
            (IntImm i, false) when type != DType.Bool && i.ImmType != DType.Bool => new IntImm(
                Wrap(i.Value, type),
                type
            ),
            (FloatImm f, true) => new FloatImm(f.Value, type),
            _ => null,
        };
}
