using System.Linq.Expressions;
using Picograd.Algorithms;
using Xunit;
using Expr = Picograd.Algorithms.Expr;
using Node = System.Linq.Expressions.Expression;

namespace Picograd.Tests.MathFunctions;

/// <summary>Scalar expressions of one placeholder or two, compiled, with the roundings that their semantics state.</summary>
internal static class CompiledExpr
{
    /// <summary>A leaf of any type to build expressions over.</summary>
    public static Load Placeholder(DType type, string name = "x") => new(new Buffer(name, type, [1]), [0]);

    public static Func<T, T> Compile<T>(Expr e, Expr placeholder) => Compile<Func<T, T>>(e, typeof(T), placeholder);

    public static Func<T, T, T> Compile<T>(Expr e, Expr a, Expr b) => Compile<Func<T, T, T>>(e, typeof(T), a, b);

    private static TFunction Compile<TFunction>(Expr e, Type type, params Expr[] placeholders)
    {
        ParameterExpression[] arguments = [.. placeholders.Select(_ => Node.Parameter(type))];
        var locals = new Dictionary<Expr, ParameterExpression>(ReferenceEqualityComparer.Instance);
        var statements = new List<Node>();
        var result = Visit(e);
        statements.Add(result);
        return Node.Lambda<TFunction>(Node.Block(locals.Values, statements), arguments).Compile();

        Node Visit(Expr node)
        {
            if (Array.IndexOf(placeholders, node) is >= 0 and var at)
                return arguments[at];
            if (locals.TryGetValue(node, out var known))
                return known;
            switch (node)
            {
                case FloatImm { ImmType: DType.Float32 } f:
                    Assert.Equal((double)(float)f.Value, f.Value);
                    return Node.Constant((float)f.Value);
                case FloatImm { ImmType: DType.Float64 } f:
                    return Node.Constant(f.Value);
                case IntImm { ImmType: DType.Int32 } i:
                    return Node.Constant((int)i.Value);
                case IntImm { ImmType: DType.Int64 } i:
                    return Node.Constant(i.Value);
            }
            var value = Build(node);
            var local = Node.Variable(value.Type);
            statements.Add(Node.Assign(local, value));
            locals.Add(node, local);
            return local;
        }

        Node Build(Expr node) =>
            node switch
            {
                Unary { Kind: UnaryOp.Neg } u => Node.Negate(Visit(u.A)),
                Unary { Kind: UnaryOp.Ceil } u => MathCall("Ceiling", Visit(u.A)),
                Unary u => MathCall(u.Kind.ToString(), Visit(u.A)),
                // What has no expansion is called.
                Apply { Function.Reference: { Target: null } reference, Type: DType.Float64 } a => Node.Call(
                    reference.Method,
                    a.Arguments.Select(Visit)
                ),
                Binary { Kind: BinaryOp.Add } b => Node.Add(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Sub } b => Node.Subtract(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Mul } b => Node.Multiply(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Div } b => Node.Divide(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Min or BinaryOp.Max } b => MathCall(b.Kind.ToString(), Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Lt } b => Node.LessThan(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Le } b => Node.LessThanOrEqual(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Eq } b => Node.Equal(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.BitAnd } b => Node.And(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.BitOr } b => Node.Or(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.BitXor } b => Node.ExclusiveOr(Visit(b.A), Visit(b.B)),
                Binary { Kind: BinaryOp.Shl } b => Node.LeftShift(Visit(b.A), Amount(b)),
                Binary { Kind: BinaryOp.Shr } b => Node.RightShift(Visit(b.A), Amount(b)),
                Fma f => MathCall("FusedMultiplyAdd", Visit(f.A), Visit(f.B), Visit(f.C)),
                Select s => Node.Condition(Visit(s.Cond), Visit(s.Then), Visit(s.Else)),
                Cast { To: DType.Float32, A.Type: DType.Int32 or DType.Float64 } c => Node.Convert(
                    Visit(c.A),
                    typeof(float)
                ),
                Cast { To: DType.Float64, A.Type: DType.Float32 } c => Node.Convert(Visit(c.A), typeof(double)),
                Bitcast { To: DType.Int32, A.Type: DType.Float32 } c => BitsCall("SingleToInt32Bits", Visit(c.A)),
                Bitcast { To: DType.Float32, A.Type: DType.Int32 } c => BitsCall("Int32BitsToSingle", Visit(c.A)),
                Bitcast { To: DType.Int64, A.Type: DType.Float64 } c => BitsCall("DoubleToInt64Bits", Visit(c.A)),
                Bitcast { To: DType.Float64, A.Type: DType.Int64 } c => BitsCall("Int64BitsToDouble", Visit(c.A)),
                _ => throw new InvalidOperationException($"not an operation that vector units have: {node}"),
            };
    }

    private static Node MathCall(string name, params Node[] arguments)
    {
        var host = arguments[0].Type == typeof(float) ? typeof(MathF) : typeof(Math);
        return Node.Call(host.GetMethod(name, [.. arguments.Select(a => a.Type)])!, arguments);
    }

    private static Node Amount(Binary shift) => Node.Constant((int)((IntImm)shift.B).Value);

    private static Node BitsCall(string name, Node argument) =>
        Node.Call(typeof(BitConverter).GetMethod(name, [argument.Type])!, argument);
}
