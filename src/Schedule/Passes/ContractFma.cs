using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Contracts products that are added or subtracted into Fma, for Float32 and Float64: a*b + c, c + a*b and, with a sign
/// on an operand, a*b - c and c - a*b. Each result differs from the separate operations by at most one rounding, which
/// the semantics of expressions allow.
/// </summary>
/// <remarks>
/// Deterministic: of two products the left one is contracted. A sign goes to a constant factor where there is one.
/// </remarks>
public static class ContractFma
{
    public static LoopNest Run(LoopNest nest)
    {
        bool found = false;
        var body = nest.Body.MapExprs(e => Contract(e, ref found));
        return found ? nest with { Body = body } : nest;
    }

    /// <summary>Contracts all of an expression; objects that occur several times stay shared.</summary>
    public static Expr Contract(Expr e)
    {
        bool found = false;
        return Contract(e, ref found);
    }

    private static Expr Contract(Expr e, ref bool found)
    {
        var done = new Dictionary<Expr, Expr>(ReferenceEqualityComparer.Instance);
        bool any = false;
        var result = Visit(e);
        found |= any;
        return any ? result : e;

        Expr Visit(Expr node)
        {
            if (done.TryGetValue(node, out var known))
                return known;
            var rebuilt = node.WithChildren(Visit);
            if (Contracted(rebuilt) is { } fma)
            {
                any = true;
                rebuilt = fma;
            }
            done.Add(node, rebuilt);
            return rebuilt;
        }
    }

    private static Expr? Contracted(Expr e) =>
        e switch
        {
            { Type: not (DType.Float32 or DType.Float64) } => null,
            Binary { Kind: BinaryOp.Add } s when Product(s.A) is var (a, b) => Op.Fma(a, b, s.B),
            Binary { Kind: BinaryOp.Add } s when Product(s.B) is var (a, b) => Op.Fma(a, b, s.A),
            Binary { Kind: BinaryOp.Sub } s when Product(s.A) is var (a, b) => Op.Fma(a, b, Negated(s.B)),
            Binary { Kind: BinaryOp.Sub } s when Product(s.B) is var (a, b) => NegatedProduct(a, b, s.A),
            _ => null,
        };

    // A negated product is a product with a negated factor, exactly.
    private static (Expr, Expr)? Product(Expr e) =>
        e switch
        {
            Binary { Kind: BinaryOp.Mul } m => (m.A, m.B),
            Unary { Kind: UnaryOp.Neg, A: Binary { Kind: BinaryOp.Mul } m } => m.B is FloatImm
                ? (m.A, Negated(m.B))
                : (Negated(m.A), m.B),
            _ => null,
        };

    private static Expr NegatedProduct(Expr a, Expr b, Expr c) =>
        b is FloatImm ? Op.Fma(a, Negated(b), c) : Op.Fma(Negated(a), b, c);

    private static Expr Negated(Expr e) => e is Unary { Kind: UnaryOp.Neg } n ? n.A : Op.Neg(e);
}
