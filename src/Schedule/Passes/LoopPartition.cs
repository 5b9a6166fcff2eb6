using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Passes;

/// <summary>
/// A loop marked Peel is cut where the conditions below it stop being always true: [0, t) without tests, [t, extent)
/// with them. One marked PeelBegin too is also cut where others begin to be: [0, b) with tests, [b, t) without, and the rest. A
/// part of one iteration loses its loop; both parts of a parallel loop are branches in one loop. Where the extent is symbolic, so is the cut: the whole tiles, then
/// under a condition what is left. Expects plain statements (after LowerBlocks). Throws
/// <see cref="LoweringException"/> (partition-too-large) where loops inside loops would be cut into very many parts.
/// </summary>
public sealed class LoopPartition
{
    // Statements copied in all: parts of parts double with every loop that is cut inside another. Real programs copy a
    // few hundred.
    private const int Most = 20_000;

    // Points of a tile of symbolic extent whose rest is written out for each number that may be left.
    private const int MostRests = 16;

    // Iterations from which on tests of a loop's every iteration count.
    private const long LongLoop = 4;

    private int _copied;

    // Rests of rests are few points, and their code would be as many times that of one.
    private bool _inRest;

    // Of one shape: the extents, which say what is left.
    private readonly Dictionary<Var, Expr> _values = [];

    private LoopPartition() { }

    public static LoopNest Run(LoopNest nest) => Run(nest, []);

    /// <param name="nest">The nest.</param>
    /// <param name="extents">
    /// Values of the algorithm's parameters, where the nest is for them only: rests of other lengths, which never run, are left out.
    /// </param>
    public static LoopNest Run(LoopNest nest, IReadOnlyList<long> extents)
    {
        var partition = new LoopPartition();
        for (int i = 0; i < extents.Count; i++)
            partition._values[nest.Algorithm.Parameters[i].Var] = extents[i];
        return nest with { Body = partition.Visit(nest.Body, new(nest.ParameterRanges)) };
    }

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
            // Threads share the last part as well: it is a branch of the same loop.
            if (f.Kind == LoopKind.Parallel && cut > 0)
                return Branches(f, cut, extent, ranges);
            var main = Part(f, 0, cut, ranges);
            return Seq.Of(main, Part(f, cut, extent - cut, ranges));
        }
        if (f.Peel && f.ConstantExtent is null && SymbolicCut.Of(f, ranges) is { } symbolic)
            return Parts(f, symbolic, ranges);
        ranges.Enter(f.Var, f.Extent);
        var body = Visit(f.Body, ranges);
        ranges.Leave(f.Var);
        return f with { Body = body, Peel = false, PeelBegin = false };
    }

    private Stmt Branches(For f, long cut, long extent, LoopRanges ranges)
    {
        Count(f);
        ranges.Enter(f.Var, cut);
        var main = Visit(SimplifyConditions.Run(f.Body, ranges), ranges);
        ranges.Leave(f.Var);
        var rest = extent - cut > 1 ? f.Body : f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = cut });
        ranges.Enter(f.Var, extent);
        var tail = Visit(SimplifyConditions.Run(PeelInner(rest), ranges), ranges);
        ranges.Leave(f.Var);
        return f with { Body = new If(Op.Lt(f.Var, cut), main, tail), Peel = false };
    }

    private Stmt Parts(For f, SymbolicCut cut, LoopRanges ranges)
    {
        ranges.Enter(f.Var, cut.Whole);
        var whole = Visit(SimplifyConditions.Run(f.Body.MapExprs(cut.Decide), ranges), ranges);
        ranges.Leave(f.Var);
        Count(f);
        var main = new For(f.Var, cut.Whole, f.Kind, whole) { Annotations = f.Annotations };
        if (_inRest || cut.Tile is 0 or > MostRests || !TestsInLoops(f.Body, cut))
            return Seq.Of(main, new If(cut.HasRest, Tail(f, f.Body, cut, ranges)));
        // One of as many points as are left, each without tests: products of 7 rows in tiles of 8 take 1 / 12 of the time.
        Stmt? rests = null;
        long? known =
            _values.Count == 0 ? null : (Simplifier.Simplify(cut.Rest.Substitute(_values), ranges) as IntImm)?.Value;
        if (known <= 0)
            return main;
        for (long points = cut.Tile - 1; points >= 1; points--)
        {
            if (known is not null && known != points)
                continue;
            Count(f);
            long left = points;
            var tail = Tail(f, f.Body.MapExprs(e => cut.DecideRest(e, left)), cut, ranges);
            rests = rests is null ? tail : new If(Op.Eq(cut.Rest, points), tail, rests);
        }
        return Seq.Of(main, new If(cut.HasRest, rests!));
    }

    private Stmt Tail(For f, Stmt body, SymbolicCut cut, LoopRanges ranges)
    {
        var once = body.Substitute(new Dictionary<Var, Expr> { [f.Var] = cut.Whole });
        bool outer = _inRest;
        _inRest = true;
        var tail = Visit(SimplifyConditions.Run(PeelInner(once), ranges), ranges);
        _inRest = outer;
        return tail;
    }

    // Whether statements that are written out under a loop would be tested one by one in each of its iterations.
    private static bool TestsInLoops(Stmt body, SymbolicCut cut)
    {
        var unrolled = new HashSet<Var>();
        return Find(body, null);

        bool Find(Stmt stmt, Var? loop)
        {
            switch (stmt)
            {
                case For { Kind: LoopKind.Unrolled } f:
                    unrolled.Add(f.Var);
                    break;
                case For { Kind: LoopKind.Serial } f when f.ConstantExtent is not < LongLoop:
                    loop = f.Var;
                    break;
                case If i when loop is not null:
                    foreach (var part in i.Cond.Conjuncts())
                    {
                        if (cut.Decided.TryGetValue(part, out var point) && IsUnrolled(point) && AddsUp(i.Then))
                            return true;
                    }
                    break;
                default:
                    break;
            }
            return stmt.Children().Any(child => Find(child, loop));
        }

        // Totals in registers: what is only moved is not worth so much code.
        static bool AddsUp(Stmt stmt) =>
            stmt.Nodes()
                .OfType<Store>()
                .Any(s => s.Buffer.Scope == Scope.Register && s.Value.Loads().Any(l => l.Buffer == s.Buffer));

        bool IsUnrolled(Expr point) =>
            LinearForm.Of(point) is { Terms: [var only] } && only.Atom is Var v && unrolled.Contains(v);
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

    /// <summary>First iteration but 0 at which some condition on the variable may fail; null where there is none.</summary>
    private static long? Threshold(For f, Interval range, LoopRanges outer)
    {
        long? cut = null;
        Conditions(
            f,
            range,
            outer,
            (coefficient, worst) =>
            {
                // Always true while coefficient·v + worst < 0. What may fail at once (a causal mask), no cut decides.
                if (coefficient > 0 && Op.FloorDiv(-worst - 1, coefficient) + 1 is > 0 and var first)
                    cut = Math.Min(cut ?? long.MaxValue, first);
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
                // What is asked once for loops within costs nothing, and holds for most iterations or few (skip_zeros).
                case If i when !i.Then.Nodes().Any(s => s is For { Kind: LoopKind.Serial }):
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
