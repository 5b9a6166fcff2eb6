using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>Folds If and Select conditions that the ranges of the loops decide.</summary>
public static class SimplifyConditions
{
    public static LoopNest Run(LoopNest nest) =>
        nest with
        {
            Body = Run(nest.Body, new LoopRanges(nest.ParameterRanges)),
        };

    public static Stmt Run(Stmt stmt, LoopRanges ranges)
    {
        switch (stmt)
        {
            case For f:
                ranges.Enter(f.Var, f.Extent);
                var body = Run(f.Body, ranges);
                ranges.Leave(f.Var);
                return ReferenceEquals(body, f.Body) ? f : f with { Body = body };
            case If i:
                var cond = Simplifier.Simplify(i.Cond, ranges);
                if (cond.IsTrue())
                    return Run(i.Then, ranges);
                if (cond.IsFalse())
                    return i.Else is null ? new Seq([]) : Run(i.Else, ranges);
                return new If(cond, Run(i.Then, ranges), i.Else is null ? null : Run(i.Else, ranges));
            case Store s:
                return s with { Value = Fold(s.Value, ranges) };
            case StoreAll a:
                return new StoreAll([.. a.Stores.Select(s => s with { Value = Fold(s.Value, ranges) })]);
            default:
                return stmt.WithChildren(child => Run(child, ranges));
        }
    }

    private static Expr Fold(Expr e, LoopRanges ranges) =>
        e.Map(node =>
        {
            if (node is not Select s)
                return null;
            var cond = Simplifier.Simplify(s.Cond, ranges);
            return cond.IsTrue() ? Fold(s.Then, ranges)
                : cond.IsFalse() ? Fold(s.Else, ranges)
                : new Select(cond, Fold(s.Then, ranges), Fold(s.Else, ranges));
        });
}
