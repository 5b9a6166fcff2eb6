using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// A condition that is the same in all iterations of a loop is tested once, before it:
/// <c>for v: if c &amp;&amp; d(v): S</c> becomes <c>if c: for v: if d(v): S</c>. Conditions that read memory stay where they are, and so
/// do those below parallel loops. Expects plain statements.
/// </summary>
public static class HoistTests
{
    public static LoopNest Run(LoopNest nest)
    {
        var body = nest.Body.MapUp(Hoist);
        return ReferenceEquals(body, nest.Body) ? nest : nest with { Body = body };
    }

    private static Stmt Hoist(Stmt stmt)
    {
        if (
            stmt
            is not For
            {
                Kind: LoopKind.Serial or LoopKind.Unrolled or LoopKind.Vector,
                Body: If { Else: null } inner
            } loop
        )
            return stmt;
        // Of a test within a test, too: it may be the outer one alone that differs between the lanes of a vector.
        var (both, then) = (inner.Cond, inner.Then);
        while (then is If { Else: null } further && !further.Cond.Loads().Any())
            (both, then) = (Op.And(both, further.Cond), further.Then);
        var (stay, go) = (Op.True, Op.True);
        foreach (var condition in both.Conjuncts())
        {
            if (condition.Uses(loop.Var) || condition.Loads().Any())
                stay = Op.And(stay, condition);
            else
                go = Op.And(go, condition);
        }
        return go.IsTrue() ? stmt : new If(go, loop with { Body = stay.IsTrue() ? then : new If(stay, then) });
    }
}
