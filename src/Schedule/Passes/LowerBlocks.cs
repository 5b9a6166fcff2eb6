using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Blocks become plain stores: axes replaced by their bindings, predicates become If, reductions become
/// read-combine-write, where an implicit init reads the identity when "all reduce axes are 0". Everything is simplified over the
/// ranges of the loops around it; conditions that always hold are gone.
/// </summary>
public static class LowerBlocks
{
    public static LoopNest Run(LoopNest nest) => nest with { Body = Visit(nest.Body, new(nest.ParameterRanges)) };

    private static Stmt Visit(Stmt stmt, LoopRanges ranges)
    {
        switch (stmt)
        {
            case For f:
                long max = Interval.Of(f.Extent, ranges).Max;
                if (max == 1 && f.Extent is IntImm && f.Kind is LoopKind.Serial or LoopKind.Unrolled or LoopKind.Vector)
                    return Visit(f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = 0 }), ranges);
                ranges.Enter(f.Var, f.Extent);
                var body = Visit(f.Body, ranges);
                ranges.Leave(f.Var);
                return f with { Body = body };
            case If i:
                var cond = Simplifier.Simplify(i.Cond, ranges);
                if (cond.IsTrue())
                    return Visit(i.Then, ranges);
                if (cond.IsFalse())
                    return i.Else is null ? new Seq([]) : Visit(i.Else, ranges);
                return new If(cond, Visit(i.Then, ranges), i.Else is null ? null : Visit(i.Else, ranges));
            case Block b:
                return Lower(b, ranges);
            case Call c:
                return c.MapOperands(e => Simplifier.Simplify(e, ranges));
            case Store s:
                return Simplified(s, ranges);
            case StoreAll a:
                return new StoreAll([.. a.Stores.Select(s => Simplified(s, ranges))]);
            case DeviceOp:
                return stmt.MapExprs(e => Simplifier.Simplify(e, ranges));
            case LaneReduce r:
                return r with { Indices = [.. r.Indices.Select(e => Simplifier.Simplify(e, ranges))] };
            case Prefetch p:
                return p with { Indices = [.. p.Indices.Select(e => Simplifier.Simplify(e, ranges))] };
            default:
                return stmt.WithChildren(child => Visit(child, ranges));
        }
    }

    private static Store Simplified(Store s, LoopRanges ranges) =>
        s with
        {
            Indices = [.. s.Indices.Select(e => Simplifier.Simplify(e, ranges))],
            Value = Simplifier.Simplify(s.Value, ranges),
        };

    private static Stmt Lower(Block b, LoopRanges ranges)
    {
        var bindings = b.Bindings;
        Expr Bind(Expr e) => Simplifier.Simplify(e.Substitute(bindings), ranges);
        ImmutableArray<Expr> indices = [.. b.Indices.Select(Bind)];
        ImmutableArray<Expr> values = [.. b.Values.Select(Bind)];
        if (b.Reducer is { } reducer)
        {
            Expr first = Op.False;
            if (b.Init)
            {
                first = b.ReduceAxes.Aggregate(Op.True, (c, a) => Op.And(c, Op.Eq(a.Binding, 0)));
                first = Simplifier.Simplify(first, ranges);
            }
            ImmutableArray<Expr> old =
            [
                .. b.Outputs.Select((o, i) => Op.Select(first, reducer.Identity[i], new Load(o, indices))),
            ];
            values = reducer.Combine(old, values);
        }
        var body = Stores(b, indices, values);
        var predicate = Simplifier.Simplify(b.Predicate, ranges);
        return predicate.IsTrue() ? body
            : predicate.IsFalse() ? new Seq([])
            : new If(predicate, body);
    }

    private static Stmt Stores(Block b, ImmutableArray<Expr> indices, ImmutableArray<Expr> values)
    {
        var stores = b.Outputs.Select((o, i) => new Store(o, indices, Op.Cast(o.Type, values[i]))).ToImmutableArray();
        return stores.Length == 1 ? stores[0] : new StoreAll(stores);
    }
}
