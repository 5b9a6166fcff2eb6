using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// A loop all of whose stores are under v &lt; c, c constant, runs only to c: what guards leave of the last block of a
/// cut loop; one that stores nothing is gone. Expects plain statements.
/// </summary>
public static class TrimLoops
{
    public static LoopNest Run(LoopNest nest)
    {
        var trimmed = nest.Body.MapUp(Trim);
        return ReferenceEquals(trimmed, nest.Body) ? nest : SimplifyConditions.Run(nest with { Body = trimmed });
    }

    private static Stmt Trim(Stmt stmt)
    {
        if (stmt is not For { ConstantExtent: { } extent, Kind: LoopKind.Serial or LoopKind.Unrolled } loop)
            return stmt;
        long needed = Needed(loop.Body, loop.Var, extent);
        return needed == 0 ? new Seq([])
            : needed < extent ? loop with { Extent = needed }
            : loop;
    }

    /// <summary>One more than the last value of the variable at which anything below is stored.</summary>
    private static long Needed(Stmt stmt, Var var, long extent)
    {
        switch (stmt)
        {
            case If { Else: null } i:
                long bound = extent;
                foreach (var cond in i.Cond.Conjuncts())
                    bound = Math.Min(bound, Bound(cond, var));
                return Math.Min(bound, Needed(i.Then, var, extent));
            case For f:
                return Needed(f.Body, var, extent);
            case Allocate a:
                return Needed(a.Body, var, extent);
            case Seq q:
                long most = 0;
                foreach (var item in q.Items)
                    most = Math.Max(most, Needed(item, var, extent));
                return most;
            default:
                return extent;
        }
    }

    private static long Bound(Expr cond, Var var)
    {
        if (cond is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } b || b.A.Type != DTypes.Index)
            return long.MaxValue;
        var form = LinearForm.Of(b.A) - LinearForm.Of(b.B);
        if (form.Terms is not [var only] || !ReferenceEquals(only.Atom, var) || only.Coefficient <= 0)
            return long.MaxValue;
        // coefficient·v + constant < 0
        long slack = b.Kind == BinaryOp.Lt ? -form.Constant - 1 : -form.Constant;
        return Math.Max(0, Op.FloorDiv(slack, only.Coefficient) + 1);
    }
}
