using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Passes;

/// <summary>
/// A loop marked Peel is cut where the conditions below it stop being always true: [0, t) without tests, [t, extent)
/// with them. One marked PeelBegin too is also cut where others begin to be: [0, b) with tests, [b, t) without, and the rest. A
/// part of one iteration loses its loop. Where the extent is symbolic, so is the cut: the whole tiles, then
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
        if (f.PeelBegin && f.ConstantExtent is { } all)
        {
            long end = Threshold(f, range, ranges) ?? all;
            long begin = Math.Min(Begin(f, range, ranges), all);
            // Without a part in the middle the loop is in two, of which conditions on its variable decide more than on all of it.
            long[] cuts = [.. new[] { 0, begin, Math.Min(end, all), all }.Where(c => c >= 0).Distinct().Order()];
            return Seq.Of(cuts.Zip(cuts.Skip(1)).Select(c => Part(f, c.First, c.Second - c.First, ranges)));
        }
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
        return f with { Body = body, Peel = false, PeelBegin = false };
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
            if (start > 0 && !f.PeelBegin)
                once = PeelInner(once);
            return Visit(SimplifyConditions.Run(once, ranges), ranges);
        }
        // The tail keeps the variable's name for people; it is another variable.
        var var = start == 0 ? f.Var : new Var(f.Var.Name);
        var body = start == 0 ? f.Body : f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = var + start });
        if (start > 0 && !f.PeelBegin)
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
        long? cut = null;
        Conditions(
            f,
            range,
            outer,
            (coefficient, worst) =>
            {
                // Always true while coefficient·v + worst < 0.
                if (coefficient > 0)
                    cut = Math.Min(cut ?? long.MaxValue, Math.Max(0, Op.FloorDiv(-worst - 1, coefficient) + 1));
            }
        );
        return cut;
    }

    /// <summary>First iteration from which all conditions hold that do so from some iteration on.</summary>
    private static long Begin(For f, Interval range, LoopRanges outer)
    {
        long begin = 0;
        Conditions(
            f,
            range,
            outer,
            (coefficient, worst) =>
            {
                if (coefficient < 0 && Op.FloorDiv(worst, -coefficient) + 1 is var first && first <= range.Max)
                    begin = Math.Max(begin, first);
            }
        );
        return begin;
    }

    /// <summary>The comparisons of indices below a loop that depend on its variable v: coefficient·v + others &lt; 0, others at most worst.</summary>
    private static void Conditions(For f, Interval range, LoopRanges outer, Action<long, long> found)
    {
        var ranges = new LoopRanges(outer) { [f.Var] = range };
        Collect(f.Body);

        void Collect(Stmt stmt)
        {
            switch (stmt)
            {
                case For inner:
                    ranges[inner.Var] = new Interval(0, Math.Max(0, Interval.Of(inner.Extent, ranges).Max - 1));
                    Collect(inner.Body);
                    return;
                case If i:
                    Test(i.Cond);
                    break;
                case Store s:
                    foreach (var node in s.Value.Nodes())
                    {
                        if (node is Select select)
                            Test(select.Cond);
                    }
                    break;
                default:
                    break;
            }
            foreach (var child in stmt.Children())
                Collect(child);
        }

        void Test(Expr condition)
        {
            foreach (var part in condition.Conjuncts())
            {
                if (part is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } compare || compare.A.Type != DTypes.Index)
                    continue;
                var form = LinearForm.Of(compare.A) - LinearForm.Of(compare.B);
                long coefficient = form.CoefficientOf(f.Var);
                if (coefficient == 0)
                    continue;
                var others = form.Partition(a => ReferenceEquals(a, f.Var)).Others;
                if (others.Terms.Any(t => t.Atom.Uses(f.Var)))
                    continue;
                long worst = others.Range(ranges).Max;
                found(coefficient, compare.Kind == BinaryOp.Lt ? worst : worst - 1);
            }
        }
    }
}
