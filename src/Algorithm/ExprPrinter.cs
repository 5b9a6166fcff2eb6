using System.Globalization;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms;

/// <summary>
/// Expressions as infix text with the fewest parentheses; stable, so that it can be compared and hashed, and read again by
/// <see cref="Text.AlgorithmText"/>.
/// </summary>
public static class ExprPrinter
{
    private const int Prefix = 9;

    public static string Print(Expr e) => Print(e, Names.Own);

    /// <summary>What variables, buffers and parts of an expression are called.</summary>
    internal class Names
    {
        public static readonly Names Own = new();

        public virtual string Of(Var v) => v.Name;

        public virtual string Of(Buffer b) => b.Name;

        /// <summary>The name of an expression that is defined elsewhere; null for one that is written out.</summary>
        public virtual string? Of(Expr e) => null;
    }

    internal static string Print(Expr e, Names names) => new Printer(names).Print(e, 0);

    /// <summary>The node itself, though it has a name: its definition.</summary>
    internal static string PrintDefinition(Expr e, Names names) => new Printer(names).PrintNode(e, 0);

    /// <summary>Sign between the operands and how tightly it binds; null for what is written as a call.</summary>
    internal static (string Symbol, int Level)? Symbol(BinaryOp op) =>
        op switch
        {
            BinaryOp.Or => ("||", 1),
            BinaryOp.And => ("&&", 2),
            BinaryOp.Eq => ("==", 3),
            BinaryOp.Ne => ("!=", 3),
            BinaryOp.Lt => ("<", 4),
            BinaryOp.Le => ("<=", 4),
            BinaryOp.BitOr => ("|", 5),
            BinaryOp.BitXor => ("^", 5),
            BinaryOp.BitAnd => ("&", 5),
            BinaryOp.Shl => ("<<", 6),
            BinaryOp.Shr => (">>", 6),
            BinaryOp.Add => ("+", 7),
            BinaryOp.Sub => ("-", 7),
            BinaryOp.Mul => ("*", 8),
            BinaryOp.Div => ("/", 8),
            BinaryOp.FloorDiv => ("//", 8),
            BinaryOp.Mod => ("%", 8),
            _ => null,
        };

    internal static string NameOf(BinaryOp op) => op.ToString().ToLowerInvariant();

    internal static string NameOf(UnaryOp op) => op.ToString().ToLowerInvariant();

    private static string Literal(IntImm i)
    {
        if (i.ImmType == DType.Bool)
            return i.Value != 0 ? "true" : "false";
        return i.Value.ToString(CultureInfo.InvariantCulture) + (i.ImmType == DTypes.Index ? "" : i.ImmType.Name());
    }

    // Constants of float32 are the nearest float32: every evaluator and back end rounds them.
    private static string Literal(FloatImm f)
    {
        bool single = f.ImmType == DType.Float32;
        string type = single ? "" : "." + f.ImmType.Name();
        if (double.IsNaN(f.Value))
        {
            long bits = BitConverter.DoubleToInt64Bits(f.Value);
            return bits == BitConverter.DoubleToInt64Bits(double.NaN)
                ? "NaN" + type
                : string.Create(CultureInfo.InvariantCulture, $"NaN.{f.ImmType.Name()}.{bits:x16}");
        }
        if (double.IsInfinity(single ? (float)f.Value : f.Value))
            return (f.Value < 0 ? "-Infinity" : "Infinity") + type;
        string text = single
            ? ((float)f.Value).ToString("R", CultureInfo.InvariantCulture)
            : f.Value.ToString("R", CultureInfo.InvariantCulture);
        if (text.IndexOfAny(['.', 'E']) < 0)
            text += ".0";
        return single ? text : text + f.ImmType.Name();
    }

    private sealed class Printer(Names names)
    {
        public string Print(Expr e, int outer) => names.Of(e) ?? PrintNode(e, outer);

        public string PrintNode(Expr e, int outer)
        {
            switch (e)
            {
                case IntImm i:
                    return Literal(i);
                case FloatImm f:
                    return Literal(f);
                case Var v:
                    return names.Of(v);
                // A sign in front of digits is the number's own.
                case Unary { Kind: UnaryOp.Neg, A: IntImm or FloatImm } u:
                    return $"-({Print(u.A, 0)})";
                case Unary { Kind: UnaryOp.Neg } u:
                    return "-" + Print(u.A, Prefix);
                case Unary { Kind: UnaryOp.Not } u:
                    return "!" + Print(u.A, Prefix);
                case Unary u:
                    return $"{NameOf(u.Kind)}({Print(u.A, 0)})";
                case Binary b when Symbol(b.Kind) is var (symbol, level):
                    string body = $"{Print(b.A, level)} {symbol} {Print(b.B, level + 1)}";
                    return level < outer ? $"({body})" : body;
                case Binary b:
                    return $"{NameOf(b.Kind)}({Print(b.A, 0)}, {Print(b.B, 0)})";
                case Fma f:
                    return $"fma({Print(f.A, 0)}, {Print(f.B, 0)}, {Print(f.C, 0)})";
                case Select s:
                    return $"select({Print(s.Cond, 0)}, {Print(s.Then, 0)}, {Print(s.Else, 0)})";
                case Cast c:
                    return $"{c.To.Name()}({Print(c.A, 0)})";
                case Bitcast c:
                    return $"bitcast.{c.To.Name()}({Print(c.A, 0)})";
                case Load l:
                    return $"{names.Of(l.Buffer)}[{string.Join(", ", l.Indices.Select(i => Print(i, 0)))}]";
                // What no table knows could not be read again.
                case Apply { Meaning: { } meaning } a when ScalarFunctions.Find(a.Function.Name) != a.Function:
                    return PrintNode(meaning, outer);
                case Apply a:
                    return $"{a.Function.Name}({string.Join(", ", a.Arguments.Select(x => Print(x, 0)))})";
                case ReducerArg a:
                    return $"{(a.IsNew ? "new" : "acc")}.{a.Index}";
                default:
                    return e.Printed ?? throw new InvalidOperationException($"no printed form for {e.GetType().Name}");
            }
        }
    }
}
