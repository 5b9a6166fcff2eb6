using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Gives names to the parts that the values of one statement have in common, so that they are written, and computed, once.
/// </summary>
internal sealed class SharedValues(StmtWriter statements)
{
    private readonly Dictionary<Expr, int> _uses = [];
    private readonly Dictionary<Expr, Named> _named = [];

    /// <summary>The same values over names that are declared before the statement.</summary>
    public ImmutableArray<Expr> Split(ImmutableArray<Expr> values)
    {
        foreach (var value in values)
            Count(value);
        return _uses.Values.All(n => n < 2) ? values : [.. values.Select(v => Rewrite(v, always: true))];
    }

    private void Count(Expr e)
    {
        if (IsSimple(e))
            return;
        _uses[e] = _uses.GetValueOrDefault(e) + 1;
        if (_uses[e] > 1)
            return;
        foreach (var child in e.Children())
            Count(child);
    }

    // What is only evaluated on one side of a choice may not be evaluated before it.
    private Expr Rewrite(Expr e, bool always)
    {
        if (_named.TryGetValue(e, out var known))
            return known;
        if (IsSimple(e))
            return e;
        var rewritten = e switch
        {
            Select s => Op.Select(Rewrite(s.Cond, always), Rewrite(s.Then, false), Rewrite(s.Else, false)),
            Binary { Kind: BinaryOp.And } b => Op.And(Rewrite(b.A, always), Rewrite(b.B, false)),
            Binary { Kind: BinaryOp.Or } b => Op.Or(Rewrite(b.A, always), Rewrite(b.B, false)),
            Load => e,
            _ => e.WithChildren(child => Rewrite(child, always)),
        };
        if (!always || _uses.GetValueOrDefault(e) < 2)
            return rewritten;
        return _named[e] = statements.Temporary(rewritten, e is Load l ? l.Buffer.Name + "_v" : "t");
    }

    // Not worth a name: constants, variables, arithmetic of indices (which has names of its own).
    private static bool IsSimple(Expr e) =>
        e is IntImm or FloatImm or Var or Named || (e.Type == DTypes.Index && !e.Nodes().Any(n => n is Load or Named));
}
