using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Where a loop over ⌈X / c⌉ tiles of c points, X symbolic, stops being whole: iterations below <c>Whole</c> = ⌊X / c⌋ need no test
/// of c·v + point &lt; X, and at most one more is left, which there is where <c>HasRest</c> holds.
/// </summary>
/// <param name="Whole">Iterations without tests.</param>
/// <param name="HasRest">Whether there is one more.</param>
/// <param name="Rest">How many points that one has, less than <paramref name="Tile"/>.</param>
/// <param name="Tile">Points of an iteration; 0 where that differs.</param>
/// <param name="Decided">
/// The conditions, each with what it is in the last iteration: the point within it, which is to be less than <c>Rest</c>.
/// </param>
internal sealed record SymbolicCut(
    Expr Whole,
    Expr HasRest,
    Expr Rest,
    long Tile,
    IReadOnlyDictionary<Expr, Expr> Decided
)
{
    /// <summary>An expression of the whole part: the conditions that hold there are true.</summary>
    public Expr Decide(Expr e) =>
        // Only what may be among them is looked up: hashing an expression walks all of it.
        e.Map(node => IsComparison(node) && Decided.ContainsKey(node) ? Op.True : null);

    /// <summary>An expression of the last iteration where that has so many points.</summary>
    public Expr DecideRest(Expr e, long points) =>
        e.Map(node => IsComparison(node) && Decided.TryGetValue(node, out var point) ? Op.Lt(point, points) : null);

    private static bool IsComparison(Expr e) =>
        e is Binary { Kind: BinaryOp.Lt or BinaryOp.Le } compare && compare.A.Type == DTypes.Index;

    /// <summary>The cut of a loop; null where it has no such conditions, or others too that its variable decides.</summary>
    public static SymbolicCut? Of(For f, LoopRanges outer)
    {
        var ranges = new Dictionary<Var, Interval>(outer);
        var decided = new Dictionary<Expr, Expr>();
        Expr? whole = null;
        Expr? rest = null;
        Expr? left = null;
        long tile = 0;
        return Collect(f.Body) && whole is not null ? new(whole, rest!, left!, tile, decided) : null;

        bool Collect(Stmt stmt)
        {
            switch (stmt)
            {
                case For inner:
                    ranges[inner.Var] = new Interval(0, Math.Max(0, Interval.Of(inner.Extent, ranges).Max - 1));
                    break;
                case If i:
                    if (!i.Cond.Conjuncts().All(Condition))
                        return false;
                    break;
                case Store s:
                    foreach (var node in s.Value.Nodes())
                    {
                        if (node is Select select && !select.Cond.Conjuncts().All(Condition))
                            return false;
                    }
                    break;
                default:
                    break;
            }
            return stmt.Children().All(Collect);
        }

        bool Condition(Expr part)
        {
            if (!IsComparison(part) || part is not Binary compare || part.Loads().Any())
                return true;
            var form = LinearForm.Of(compare.A) - LinearForm.Of(compare.B);
            long c = form.CoefficientOf(f.Var);
            if (c <= 0)
                return true;
            // c·v + points + extents < 0, where the points are loops inside with constant bounds.
            var (points, extents) = form.Partition(a => a is Var v && ranges.ContainsKey(v) && !outer.ContainsKey(v));
            var (_, others) = extents.Partition(a => ReferenceEquals(a, f.Var));
            if (others.Terms.Any(t => t.Atom.Uses(f.Var)) || others.Terms.IsEmpty)
                return true;
            var span = points.Range(ranges);
            if (!span.IsBounded)
                return true;
            // Always true while c·v < X − c + 1, so for v below X / c.
            long worst = span.Max + (compare.Kind == BinaryOp.Le ? 0 : 1);
            var simplifier = new Simplifier(outer);
            var x = simplifier.Visit((LinearForm.Of(0) - others).ToExpr() + (c - worst));
            var cut = simplifier.Visit(Op.FloorDiv(x, c));
            // Of a part that is not there nothing is left.
            if (!simplifier.Visit(Op.Le(0, x)).IsTrue())
                cut = Op.Max(cut, 0);
            // One iteration at most is left, and there are no more conditions like it.
            if (simplifier.Visit(Op.CeilDiv(x, c)) != f.Extent || (whole is not null && whole != cut))
                return false;
            whole = cut;
            rest = Op.Lt(simplifier.Visit(cut * c), x);
            var remaining = simplifier.Visit(x - cut * c);
            // Two tilings that end alike are told apart by their conditions only.
            tile = left is null || (left == remaining && tile == c) ? c : 0;
            left = remaining;
            // At v = Whole: c·Whole + points < x − c + worst.
            decided[part] = simplifier.Visit(points.ToExpr() + (c - worst) - (compare.Kind == BinaryOp.Le ? 1 : 0));
            return true;
        }
    }
}
