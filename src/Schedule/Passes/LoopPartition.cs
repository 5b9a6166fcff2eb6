using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// A loop marked Peel is cut where the conditions below it stop being always true: [0, t) without tests, [t, extent)
/// with them. A last part of one iteration loses its loop. Where the extent is symbolic, so is the cut: the whole tiles, then
/// under a condition what is left. Expects plain statements (after LowerBlocks). Throws
/// <see cref="LoweringException"/> (partition-too-large) where loops inside loops would be cut into very many parts.
/// </summary>
public sealed class LoopPartition
{
    // Statements copied in all: parts of parts double with every loop that is cut inside another. Real programs copy a
    // few hundred.
    private const int Most = 20_000;

    private int _copied;

    private LoopPartition() { }

    public static LoopNest Run(LoopNest nest) =>
        nest with
        {
            Body = new LoopPartition().Visit(nest.Body, new(nest.ParameterRanges)),
        };

    private Stmt Visit(Stmt stmt, LoopRanges ranges)
    {
        if (stmt is not For f)
            return stmt.WithChildren(child => Visit(child, ranges));
        long max = Interval.Of(f.Extent, ranges).Max;
        var range = new Interval(0, Math.Max(0, max - 1));
        if (f.Peel && f.ConstantExtent is { } extent && Threshold(f, range, ranges) is { } cut && cut < extent)
        {
            Stmt? main = cut > 0 ? Part(f, 0, cut, ranges) : null;
            var tail = Part(f, cut, extent - cut, ranges);
            return main is null ? tail : Seq.Of(main, tail);
        }
        if (f.Peel && f.ConstantExtent is null && SymbolicCut.Of(f, ranges) is { } symbolic)
            return Parts(f, symbolic, ranges);
        ranges.Enter(f.Var, f.Extent);
        var body = Visit(f.Body, ranges);
        ranges.Leave(f.Var);
        return f with { Body = body, Peel = false };
    }

    private Stmt Parts(For f, SymbolicCut cut, LoopRanges ranges)
    {
        ranges.Enter(f.Var, cut.Whole);
        var whole = Visit(SimplifyConditions.Run(f.Body.MapExprs(cut.Decide), ranges), ranges);
        ranges.Leave(f.Var);
        Count(f);
        var main = new For(f.Var, cut.Whole, f.Kind, whole) { Annotations = f.Annotations };
        var once = f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = cut.Whole });
        var tail = Visit(SimplifyConditions.Run(PeelInner(once), ranges), ranges);
        return Seq.Of(main, new If(cut.HasRest, tail));
    }

    private Stmt Part(For f, long start, long count, LoopRanges ranges)
    {
        Count(f);
        if (count == 1)
        {
            var once = f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = start });
            if (start > 0)
                once = PeelInner(once);
            return Visit(SimplifyConditions.Run(once, ranges), ranges);
        }
        // The tail keeps the variable's name for people; it is another variable.
        var var = start == 0 ? f.Var : new Var(f.Var.Name);
        var body = start == 0 ? f.Body : f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = var + start });
        if (start > 0)
            body = PeelInner(body);
        ranges.Enter(var, count);
        body = Visit(SimplifyConditions.Run(body, ranges), ranges);
        ranges.Leave(var);
        return new For(var, count, f.Kind, body) { Annotations = f.Annotations };
    }

    private void Count(For f)
    {
        _copied += f.Body.Nodes().Count;
        if (_copied > Most)
            throw new LoweringException(
                "partition-too-large",
                $"loop {f.Name}: more than {Most} statements in parts of parts of loops"
            );
    }

    // What the last part still tests may be decided by most iterations of a loop inside (the last block of k, unrolled).
    private static Stmt PeelInner(Stmt stmt) =>
        stmt.MapUp(s => s is For { Kind: LoopKind.Serial, Peel: false } loop ? loop with { Peel = true } : s);

    /// <summary>First iteration at which some condition on the variable may fail; null where there is none.</summary>
    private static long? Threshold(For f, Interval range, LoopRanges outer)
    {
        var ranges = new LoopRanges(outer) { [f.Var] = range };
        long? cut = null;
        Collect(f.Body);
        return cut;

        void Collect(Stmt stmt)
        {
            switch (stmt)
            {
                case For inner:
                    ranges[inner.Var] = new Interval(0, Math.Max(0, Interval.Of(inner.Extent, ranges).Max - 1));
                    Collect(inner.Body);
                    return;
                case If i:
                    Conditions(i.Cond);
                    break;
                case Store s:
                    foreach (var node in s.Value.Nodes())
                    {
                        if (node is Select select)
                            Conditions(select.Cond);
                    }
                    break;
                default:
                    break;
            }
            foreach (var child in stmt.Children())
                Collect(child);
        }

        void Conditions(Expr condition)
        {
            foreach (var part in condition.Conjuncts())
            {
                if (part is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } compare || compare.A.Type != DTypes.Index)
                    continue;
                var form = LinearForm.Of(compare.A) - LinearForm.Of(compare.B);
                long coefficient = form.CoefficientOf(f.Var);
                if (coefficient <= 0)
                    continue;
                // Always true while coefficient·v + max(others) < 0 (or ≤ 0).
                var others = form.Partition(a => ReferenceEquals(a, f.Var)).Others;
                if (others.Terms.Any(t => t.Atom.Uses(f.Var)))
                    continue;
                long worst = others.Range(ranges).Max;
                long slack = compare.Kind == BinaryOp.Lt ? -worst - 1 : -worst;
                long last = Op.FloorDiv(slack, coefficient);
                long first = Math.Max(0, last + 1);
                cut = Math.Min(cut ?? long.MaxValue, first);
            }
        }
    }
}
