using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// What is under a condition does not ask for it again: <c>if c: Y = Y + select(c, x, 0)</c> becomes <c>if c: Y = Y + x</c>, so that
/// the last tile of a sum is contracted as the others are. Conditions that read memory stay. Expects plain statements.
/// </summary>
public static class DropRepeatedTests
{
    public static LoopNest Run(LoopNest nest) => nest with { Body = nest.Body.MapUp(Drop) };

    private static Stmt Drop(Stmt stmt)
    {
        if (stmt is not If guard)
            return stmt;
        var holds = guard.Cond.Conjuncts().Where(c => !c.Loads().Any()).ToHashSet();
        bool IsRepeated(Expr e) => e is Select select && select.Cond.Conjuncts().All(holds.Contains);
        Expr? Decided(Expr e) => IsRepeated(e) ? ((Select)e).Then.Map(Decided) : null;
        Expr Visit(Expr e) => e.Nodes().Any(IsRepeated) ? e.Map(Decided) : e;
        return holds.Count == 0 ? stmt : guard with { Then = guard.Then.MapExprs(Visit) };
    }
}
