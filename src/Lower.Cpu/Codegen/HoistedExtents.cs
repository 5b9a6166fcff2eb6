using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// What a nest computes from symbolic extents alone (how many whole tiles there are, where the rest begins) becomes variables
/// that a method computes once, as it does the extents themselves.
/// </summary>
internal sealed record HoistedExtents(LoopNest Nest, ImmutableArray<(Var Var, Expr Value)> Values)
{
    public static HoistedExtents Of(LoopNest nest)
    {
        if (nest.Algorithm.Parameters.IsEmpty)
            return new(nest, []);
        var parameters = nest.Algorithm.Parameters.Select(p => p.Var).ToHashSet();
        var hoisted = new Dictionary<Expr, Var>();
        var order = ImmutableArray.CreateBuilder<(Var, Expr)>();

        bool IsOfExtents(Expr e) =>
            e is Var v
                ? parameters.Contains(v)
                : e is IntImm || (e is Binary { Type: DType.Int64 } b && IsOfExtents(b.A) && IsOfExtents(b.B));

        Expr? Hoist(Expr e)
        {
            // Not whole sums, so that conditions that differ by a constant still do so visibly.
            if (
                e is not Binary { Type: DType.Int64, Kind: not (BinaryOp.Add or BinaryOp.Sub) } b
                || !IsOfExtents(b)
                || !b.Nodes().Any(IsQuotient)
            )
                return null;
            if (!hoisted.TryGetValue(b, out var var))
            {
                hoisted[b] = var = new Var($"extent.{hoisted.Count}");
                order.Add((var, b));
            }
            return var;
        }

        var body = nest.Body.MapExprs(e => e.Map(Hoist));
        return new(nest with { Body = body }, order.ToImmutable());
    }

    private static bool IsQuotient(Expr e) =>
        e is Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod or BinaryOp.Min or BinaryOp.Max };
}
