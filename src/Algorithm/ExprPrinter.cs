using System.Globalization;

namespace Picograd.Algorithms;

/// <summary>Expressions as infix text with the fewest parentheses; stable, so that it can be compared and hashed.</summary>
public static class ExprPrinter
{
    public static string Print(Expr e) => Print(e, 0);

    private static string Print(Expr e, int outer)
    {
        switch (e)
        {
            case IntImm { ImmType: DType.Bool } b:
                return b.Value != 0 ? "true" : "false";
            case IntImm i:
                return i.Value.ToString(CultureInfo.InvariantCulture)
                    + (i.ImmType == DTypes.Index ? "" : i.ImmType.Name());
            case FloatImm f:
                string text = f.Value.ToString("R", CultureInfo.InvariantCulture);
                if (f.ImmType == DType.Float32 && double.IsFinite(f.Value))
                    text = ((float)f.Value).ToString("R", CultureInfo.InvariantCulture);
                if (double.IsFinite(f.Value) && text.IndexOfAny(['.', 'E']) < 0)
                    text += ".0";
                return f.ImmType == DType.Float32 ? text : text + f.ImmType.Name();
            case Var v:
                return v.Name;
            case Unary u:
                return u.Kind switch
                {
                    UnaryOp.Neg => "-" + Print(u.A, 9),
                    UnaryOp.Not => "!" + Print(u.A, 9),
                    _ => $"{u.Kind.ToString().ToLowerInvariant()}({Print(u.A)})",
                };
            case Binary { Kind: BinaryOp.Min or BinaryOp.Max or BinaryOp.Pow } m:
                return $"{m.Kind.ToString().ToLowerInvariant()}({Print(m.A)}, {Print(m.B)})";
            case Binary b:
                var (symbol, level) = Symbol(b.Kind);
                string body = $"{Print(b.A, level)} {symbol} {Print(b.B, level + 1)}";
                return level < outer ? $"({body})" : body;
            case Fma f:
                return $"fma({Print(f.A)}, {Print(f.B)}, {Print(f.C)})";
            case Select s:
                return $"select({Print(s.Cond)}, {Print(s.Then)}, {Print(s.Else)})";
            case Cast c:
                return $"{c.To.Name()}({Print(c.A)})";
            case Bitcast c:
                return $"bitcast.{c.To.Name()}({Print(c.A)})";
            case Load l:
                return $"{l.Buffer.Name}[{string.Join(", ", l.Indices.Select(i => Print(i)))}]";
            case ReducerArg a:
                return $"{(a.IsNew ? "new" : "acc")}.{a.Index}";
            default:
                return e.Printed ?? throw new InvalidOperationException($"no printed form for {e.GetType().Name}");
        }
    }

    private static (string Symbol, int Level) Symbol(BinaryOp op) =>
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
            _ => throw new ArgumentOutOfRangeException(nameof(op), op, "printed as a call"),
        };
}
