using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// The keys of which a score may be above −∞: those with Step · key ≤ Slack, where the slack is linear in the axes of a
/// row. What a causal mask, a select against −∞, says about scores.
/// </summary>
internal sealed record SeenKeys(LinearForm Slack, long Step)
{
    /// <summary>What the masks of a score say.</summary>
    /// <param name="rows">Axes that the slack may use.</param>
    /// <param name="map">The value of what computes a load, at the load's indices; null where no map does.</param>
    public static ImmutableArray<SeenKeys> Of(Expr score, Var key, IEnumerable<Var> rows, Func<Load, Expr?> map)
    {
        var known = rows.ToHashSet();
        return
        [
            .. Conditions(score, map)
                .Select(c => Bound(c, key))
                .OfType<SeenKeys>()
                .Where(b => b.Slack.Terms.All(t => t.Atom is Var v && known.Contains(v))),
        ];
    }

    /// <summary>The largest slack of the rows in a box.</summary>
    public Expr Most(Func<Var, Span> box)
    {
        Expr most = Slack.Constant;
        foreach (var (atom, coefficient) in Slack.Terms)
        {
            var span = box((Var)atom);
            most += coefficient * (coefficient > 0 ? span.Max : span.Min);
        }
        return LinearForm.Of(most).ToExpr();
    }

    // Conditions without which the score is −∞.
    private static IEnumerable<Expr> Conditions(Expr score, Func<Load, Expr?> map) =>
        score switch
        {
            Load load when map(load) is { } value => Conditions(value, map),
            Cast { To: var to } cast when to.IsFloat() && cast.A.Type.IsFloat() => Conditions(cast.A, map),
            Select { Else: FloatImm { Value: double.NegativeInfinity } } s => s
                .Cond.Conjuncts()
                .Concat(Conditions(s.Then, map)),
            Select { Then: FloatImm { Value: double.NegativeInfinity } } s => Op.Not(s.Cond)
                .Conjuncts()
                .Concat(Conditions(s.Else, map)),
            _ => [],
        };

    private static SeenKeys? Bound(Expr condition, Var key)
    {
        if (condition is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } test || test.A.Type != DTypes.Index)
            return null;
        // step·key + rest < 0, or ≤ 0
        var form = LinearForm.Of(test.A) - LinearForm.Of(test.B);
        long step = form.CoefficientOf(key);
        if (step <= 0)
            return null;
        var slack = LinearForm.Of(key * step) - form;
        return new SeenKeys(test.Kind == BinaryOp.Lt ? slack.WithConstant(slack.Constant - 1) : slack, step);
    }
}
