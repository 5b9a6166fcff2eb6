using Picograd.Algorithms;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// <c>R = R + select(c, x, 0)</c> becomes <c>if c: R = R + x</c> for totals in registers, and the like for maxima and minima of
/// select(c, x, identity): where c is decided (a window that lies inside of its image), nothing is left of it, and elsewhere
/// nothing is added. Conditions that read memory stay. Totals begin as +0, so that adding +0 never changes one. Expects plain
/// statements.
/// </summary>
public static class GuardSums
{
    public static LoopNest Run(LoopNest nest) => nest with { Body = nest.Body.MapUp(Guard) };

    private static Stmt Guard(Stmt stmt)
    {
        // One condition, of which parts can be tested earlier.
        if (stmt is If { Else: null, Then: If { Else: null } both } outer)
            return new If(Op.And(outer.Cond, both.Cond), both.Then);
        if (stmt is not Store { Buffer.Scope: Scope.Register, Value: Binary value } store)
            return stmt;
        double? identity = value.Kind switch
        {
            BinaryOp.Add => 0,
            BinaryOp.Max => double.NegativeInfinity,
            BinaryOp.Min => double.PositiveInfinity,
            _ => null,
        };
        if (identity is not { } nothing || !value.Type.IsFloat())
            return stmt;
        foreach (var (total, term) in new[] { (value.A, value.B), (value.B, value.A) })
        {
            bool accumulates = total is Load l && l.Buffer == store.Buffer && l.Indices.SequenceEqual(store.Indices);
            if (
                accumulates
                && term is Select { Else: FloatImm zero } select
                && BitConverter.DoubleToInt64Bits(zero.Value) == BitConverter.DoubleToInt64Bits(nothing)
                && !select.Cond.Loads().Any()
            )
            {
                return new If(select.Cond, Guard(store with { Value = value with { A = total, B = select.Then } }));
            }
        }
        return stmt;
    }
}
