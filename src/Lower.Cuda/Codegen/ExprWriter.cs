using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Expressions as C with the fewest parentheses. Index arithmetic is done in int where its range proves that enough,
/// else in long long; other arithmetic in the width of its type, with the meaning that <see cref="Expr"/> states.
/// </summary>
internal sealed class ExprWriter(KernelContext kernel, MemoryAccess access)
{
    // Levels of C's grammar, loosest first.
    private const int Ternary = 1;
    private const int LogicalOr = 2;
    private const int LogicalAnd = 3;
    private const int BitOr = 4;
    private const int BitXor = 5;
    private const int BitAnd = 6;
    private const int Equality = 7;
    private const int Relation = 8;
    private const int Shift = 9;
    private const int Sum = 10;
    private const int Product = 11;
    private const int Prefix = 12;
    private const int Primary = 13;

    private readonly Dictionary<Expr, bool> _narrow = new(ReferenceEqualityComparer.Instance);

    /// <summary>Text of a value; float16 and bfloat16 as float, boolean as bool.</summary>
    public string Write(Expr e) => Write(e, 0);

    /// <summary>Text of a value that is stored as the type; conversions of the stored form included.</summary>
    public string WriteStored(DType type, Expr value)
    {
        if (!type.IsHalf())
            return Write(value);
        // What was loaded as it is stored needs no conversion.
        if (value is Load load && load.Type == type)
            return access.Element(load.Buffer, load.Indices);
        if (value is Named { Bits: { } bits } && value.Type == type)
            return bits;
        var source = value is Cast c && c.To == type ? c.A : value;
        return $"{kernel.Use(CudaType.Of(type).ToStored!)}({AsFloat(source)})";
    }

    /// <summary>The C type of a value's text.</summary>
    public string TypeOf(Expr e) => e.Type == DType.Int64 && IsNarrow(e) ? "int" : CText.Value(e.Type);

    /// <summary>Whether the text of an Int64 expression has type int.</summary>
    public bool IsNarrow(Expr e)
    {
        if (e.Type != DType.Int64)
            return IsInt(e.Type);
        if (_narrow.TryGetValue(e, out bool known))
            return known;
        bool narrow = e switch
        {
            IntImm i => CText.FitsInt(i.Value),
            Var => CText.FitsInt(kernel.RangeOf(e)),
            Binary b => CText.FitsInt(kernel.RangeOf(e)) && IsNarrow(b.A) && IsNarrow(b.B),
            Unary u => CText.FitsInt(kernel.RangeOf(e)) && IsNarrow(u.A),
            Select s => IsNarrow(s.Then) && IsNarrow(s.Else),
            Cast c => IsInt(c.A.Type),
            _ => false,
        };
        return _narrow[e] = narrow;
    }

    // What C computes in int.
    private static bool IsInt(DType type) => type is DType.Int32 or DType.Bool || type.Info().IsNarrow;

    private string Write(Expr e, int outer)
    {
        var (text, level) = Node(e);
        return level < outer ? $"({text})" : text;
    }

    private (string Text, int Level) Node(Expr e)
    {
        switch (e)
        {
            case IntImm i:
                return (CText.Literal(i), i.Value < 0 ? Prefix : Primary);
            case FloatImm f:
                string literal = CText.Literal(f);
                return (literal, literal[0] == '-' ? Prefix : Primary);
            case Var v:
                return (kernel.NameOf(v), Primary);
            case Named n:
                return (n.Text, Primary);
            case Load l:
                return (
                    FromStored(l.Type, access.Element(l.Buffer, l.Indices)),
                    l.Type == DType.Bool ? Equality : Primary
                );
            case Unary u:
                return UnaryNode(u);
            case Apply { Meaning: { } meaning }:
                return Node(meaning);
            case Apply a:
                return FunctionNode(a);
            case Binary b:
                return BinaryNode(b);
            case Fma f:
                return f.Type.IsFloat()
                    ? (
                        $"{(f.Type == DType.Float64 ? "fma" : "fmaf")}({Write(f.A)}, {Write(f.B)}, {Write(f.C)})",
                        Primary
                    )
                    : Node(Op.Add(Op.Mul(f.A, f.B), f.C));
            case Select s:
                return ($"{Write(s.Cond, LogicalOr)} ? {Write(s.Then, LogicalOr)} : {Write(s.Else, Ternary)}", Ternary);
            case Cast c:
                return CastNode(c);
            case Bitcast c:
                return BitcastNode(c);
            default:
                throw new LoweringException("unsupported", $"no CUDA text for {e.GetType().Name}: {e}");
        }
    }

    /// <summary>A stored element as a value.</summary>
    public string FromStored(DType type, string element) =>
        type == DType.Bool ? $"{element} != 0"
        : CudaType.Of(type).ToValue is { } convert ? $"{kernel.Use(convert)}({element})"
        : element;

    private (string, int) UnaryNode(Unary u)
    {
        var type = u.Type;
        bool wide = type == DType.Float64;
        switch (u.Kind)
        {
            case UnaryOp.Not:
                return ("!" + Write(u.A, Prefix), Prefix);
            case UnaryOp.Neg when type.IsFloat():
                // -(-x) must not become --x.
                string operand = Write(u.A, Prefix);
                return (operand[0] == '-' ? $"-({operand})" : "-" + operand, Prefix);
            case UnaryOp.Neg:
                return Node(Op.Sub(new IntImm(0, type), u.A));
            case UnaryOp.Abs when !type.IsFloat():
                if (CudaType.Of(type).IsUnsigned)
                    return Node(u.A);
                string absolute = Call(kernel.Use("abs_wrap"), u.A);
                return type.Info().IsNarrow ? ($"({CText.Value(type)}){absolute}", Prefix) : (absolute, Primary);
            default:
                string function = u.Kind switch
                {
                    UnaryOp.Abs => "fabs",
                    UnaryOp.Round => "rint",
                    _ => u.Kind.ToString().ToLowerInvariant(),
                };
                return (Call(wide ? function : function + "f", u.A), Primary);
        }
    }

    private (string, int) FunctionNode(Apply call)
    {
        var function = call.Function;
        if (function.CudaName is not { } name)
        {
            // Values of the half types are floats.
            var compute = call.Type == DType.Float64 ? DType.Float64 : DType.Float32;
            return Node(
                function.Expand([.. call.Arguments.Select(a => Op.Cast(compute, a))])
                    ?? throw new LoweringException("unsupported", $"no CUDA text for {call.Type.Name()} {call}")
            );
        }
        string text =
            Arithmetic.Has(name) ? kernel.Use(name)
            : call.Type == DType.Float64 ? name
            : name + "f";
        return ($"{text}({string.Join(", ", call.Arguments.Select(Write))})", Primary);
    }

    private string Call(string function, Expr a) => $"{function}({Write(a)})";

    private (string, int) BinaryNode(Binary b)
    {
        var type = b.A.Type;
        switch (b.Kind)
        {
            case BinaryOp.And:
                return Infix(b, "&&", LogicalAnd);
            case BinaryOp.Or:
                return Infix(b, "||", LogicalOr);
            case BinaryOp.Eq:
                return Infix(b, "==", Equality);
            case BinaryOp.Ne:
                return Infix(b, "!=", Equality);
            case BinaryOp.Lt:
                return Infix(b, "<", Relation);
            case BinaryOp.Le:
                return Infix(b, "<=", Relation);
            case BinaryOp.Mul when b.B is Apply s && s.Function == ScalarFunctions.Sigmoid && s.A == b.A:
                return (Call(kernel.Use("silu"), b.A), Primary);
            case BinaryOp.Min or BinaryOp.Max when type.IsFloat():
                return (
                    $"{kernel.Use(b.Kind == BinaryOp.Min ? "min_nan" : "max_nan")}({Write(b.A)}, {Write(b.B)})",
                    Primary
                );
            case BinaryOp.Min or BinaryOp.Max when type == DType.Bool:
                return b.Kind == BinaryOp.Min ? Infix(b, "&&", LogicalAnd) : Infix(b, "||", LogicalOr);
            case BinaryOp.Min or BinaryOp.Max:
                // Arithmetic on integers of one and two bytes is done in int.
                string choice = kernel.Use(b.Kind == BinaryOp.Min ? "lesser" : "greater");
                choice += type.Info().IsNarrow ? "<int>" : "";
                return ($"{choice}({SameWidth(b.A, b.B)}, {SameWidth(b.B, b.A)})", Primary);
            case BinaryOp.FloorDiv or BinaryOp.Mod:
                return Division(b);
        }
        if (type.IsFloat())
        {
            return b.Kind switch
            {
                BinaryOp.Add => Infix(b, "+", Sum),
                BinaryOp.Sub => Infix(b, "-", Sum),
                BinaryOp.Mul => Infix(b, "*", Product),
                BinaryOp.Div => Infix(b, "/", Product),
                _ => throw new LoweringException("unsupported", $"{b.Kind} of {type.Name()}: {b}"),
            };
        }
        if (type == DType.Bool)
            return ($"({Write(b.A, Sum)} {Symbol(b.Kind).Text} {Write(b.B, Product)}) != 0", Equality);
        return IntegerNode(b);
    }

    private (string, int) Infix(Binary b, string symbol, int level) =>
        ($"{Write(b.A, level)} {symbol} {Write(b.B, level + 1)}", level);

    private static (string Text, int Level) Symbol(BinaryOp kind) =>
        kind switch
        {
            BinaryOp.Add => ("+", Sum),
            BinaryOp.Sub => ("-", Sum),
            BinaryOp.Mul => ("*", Product),
            BinaryOp.BitAnd => ("&", BitAnd),
            BinaryOp.BitOr => ("|", BitOr),
            BinaryOp.BitXor => ("^", BitXor),
            BinaryOp.Shl => ("<<", Shift),
            BinaryOp.Shr => (">>", Shift),
            _ => throw new LoweringException("unsupported", $"{kind} of integers"),
        };

    private (string, int) IntegerNode(Binary b)
    {
        var type = b.Type;
        var (symbol, level) = Symbol(b.Kind);
        bool grows = b.Kind is BinaryOp.Add or BinaryOp.Sub or BinaryOp.Mul or BinaryOp.Shl;
        // Both operands at their own tightness; shifts inside of sums are parenthesised for people.
        string Left(int at) => Write(b.A, at);
        string Right() => Write(b.B, level + 1);
        if (type.Info().IsNarrow)
            return grows
                ? ($"({CText.Value(type)})({Left(level)} {symbol} {Right()})", Prefix)
                : ($"{Left(level)} {symbol} {Right()}", level);
        if (type == DType.UInt32 || !grows)
            return ($"{Left(level)} {symbol} {Right()}", level);
        if (type == DType.Int64)
        {
            if (MayOverflow(b))
                return (
                    $"(long long)((unsigned long long){Write(b.A, Prefix)} {symbol} (unsigned long long){Write(b.B, Prefix)})",
                    Prefix
                );
            bool widen = !IsNarrow(b) && IsNarrow(b.A) && (IsNarrow(b.B) || b.Kind == BinaryOp.Shl);
            return widen
                ? ($"(long long){Write(b.A, Prefix)} {symbol} {Right()}", level)
                : ($"{Left(level)} {symbol} {Right()}", level);
        }
        // Signed overflow is undefined in C, and wraps in the unsigned type.
        return MayOverflow(b)
            ? ($"(int)((unsigned int){Write(b.A, Prefix)} {symbol} (unsigned int){Write(b.B, Prefix)})", Prefix)
            : ($"{Left(level)} {symbol} {Right()}", level);
    }

    private bool MayOverflow(Binary b)
    {
        var (x, y) = (kernel.RangeOf(b.A), kernel.RangeOf(b.B));
        var range = b.Kind switch
        {
            BinaryOp.Add => x + y,
            BinaryOp.Sub => x - y,
            BinaryOp.Mul => x * y,
            _ => Interval.Everything,
        };
        if (b.Type == DType.Int32)
            return !CText.FitsInt(range);
        // Arithmetic of indices does not overflow; that of data may.
        return !range.IsBounded && b.Nodes().Any(n => n is Load or Named);
    }

    // Text of a, converted where the other is wide and it is not.
    private string SameWidth(Expr a, Expr other) =>
        a.Type == DType.Int64 && IsNarrow(a) && !IsNarrow(other) ? $"(long long){Write(a, Prefix)}" : Write(a);

    private (string, int) Division(Binary b)
    {
        bool mod = b.Kind == BinaryOp.Mod;
        bool natural = CudaType.Of(b.Type).IsUnsigned || (kernel.RangeOf(b.A).Min >= 0 && kernel.RangeOf(b.B).Min > 0);
        if (natural)
            return Infix(b, mod ? "%" : "/", Product);
        if (b.B is IntImm { Value: > 0 } divisor && long.IsPow2(divisor.Value) && CText.FitsInt(divisor.Value))
        {
            return mod
                ? ($"{Write(b.A, BitAnd)} & {divisor.Value - 1}", BitAnd)
                : ($"{Write(b.A, Shift)} >> {long.Log2(divisor.Value)}", Shift);
        }
        string function = kernel.Use(mod ? "floor_mod" : "floor_div");
        if (b.Type.Info().IsNarrow)
            return ($"({CText.Value(b.Type)}){function}((int){Write(b.A, Prefix)}, (int){Write(b.B, Prefix)})", Prefix);
        return ($"{function}({SameWidth(b.A, b.B)}, {SameWidth(b.B, b.A)})", Primary);
    }

    private (string, int) CastNode(Cast c)
    {
        var (from, to) = (c.A.Type, c.To);
        if (from == to)
            return Node(c.A);
        switch (to)
        {
            case DType.Bool:
                return (
                    $"{Write(c.A, Relation)} != {(from == DType.Float64 ? "0.0" : from.IsFloat() ? "0.0f" : "0")}",
                    Equality
                );
            case var _ when to.IsStorage():
                var half = CudaType.Of(to);
                return ($"{kernel.Use(half.ToValue!)}({kernel.Use(half.ToStored!)}({AsFloat(c.A)}))", Primary);
            case DType.Float32:
                return from.IsHalf() ? Node(c.A) : ($"(float){Write(c.A, Prefix)}", Prefix);
            case DType.Float64:
                return ($"(double){Write(c.A, Prefix)}", Prefix);
            case var _ when from.IsFloat():
                return ($"{kernel.Use($"to_{to.Name()}")}({Write(c.A)})", Primary);
            // An int is a long long wherever it meets one.
            case DType.Int64 when IsNarrow(c):
                return Node(c.A);
            default:
                return ($"({CText.Value(to)}){Write(c.A, Prefix)}", Prefix);
        }
    }

    // The float that rounds to float16 or bfloat16 as the value itself does.
    private string AsFloat(Expr e) =>
        e.Type switch
        {
            var type when type.Compute() == DType.Float32 => Write(e),
            DType.Float64 => Call(kernel.Use("f64_to_odd"), e),
            DType.Int64 or DType.Int32 or DType.UInt32 => Call(kernel.Use("i64_to_odd"), e),
            _ => $"(float){Write(e, Prefix)}",
        };

    private (string, int) BitcastNode(Bitcast c)
    {
        string? function = (c.A.Type, c.To) switch
        {
            (DType.Float32, DType.Int32) => "__float_as_int",
            (DType.Float32, DType.UInt32) => "__float_as_uint",
            (DType.Int32, DType.Float32) => "__int_as_float",
            (DType.UInt32, DType.Float32) => "__uint_as_float",
            (DType.Float64, DType.Int64) => "__double_as_longlong",
            (DType.Int64, DType.Float64) => "__longlong_as_double",
            (DType.Int32, DType.UInt32) => "(unsigned int)",
            (DType.UInt32, DType.Int32) => "(int)",
            _ => null,
        };
        if (function is not null)
            return function[0] == '(' ? (function + Write(c.A, Prefix), Prefix) : (Call(function, c.A), Primary);
        if (c.A.Type == c.To || c is { A.Type: DType.UInt8 or DType.Bool, To: DType.UInt8 })
            return Node(c.A);
        if (c.A.Type.IsHalf() && c.To.IsHalf())
            return (
                $"{kernel.Use($"{c.To.Name()}_to_f32")}({kernel.Use($"f32_to_{c.A.Type.Name()}")}({Write(c.A)}))",
                Primary
            );
        throw new LoweringException("unsupported", $"bitcast from {c.A.Type.Name()} to {c.To.Name()}");
    }
}
