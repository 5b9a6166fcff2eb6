namespace Picograd.Algorithms;

/// <summary>
/// Rewrites integer and boolean expressions to a canonical, smaller form, given the ranges of variables. Exact: the
/// value is the same for all values of the variables within their ranges. Float arithmetic is left as it is.
/// </summary>
public sealed class Simplifier(IReadOnlyDictionary<Var, Interval> ranges)
{
    // Steps that a walk takes before it remembers where it was; see ExprRewriter.
    private const int ShortWalk = 256;

    private Dictionary<Expr, Expr>? _made;
    private int _steps;

    public static Expr Simplify(Expr e, IReadOnlyDictionary<Var, Interval> ranges) => new Simplifier(ranges).Visit(e);

    /// <summary>Whether a predicate holds for all values in range.</summary>
    public static bool Proves(Expr predicate, IReadOnlyDictionary<Var, Interval> ranges) =>
        Simplify(predicate, ranges).IsTrue();

    public Interval RangeOf(Expr e) => LinearForm.Of(e).Range(ranges);

    public Expr Visit(Expr e)
    {
        _steps = 0;
        _made = null;
        return Walk(e);
    }

    private Expr Walk(Expr e)
    {
        if (e is IntImm or FloatImm)
            return e;
        if (e is Var v)
            return ranges.TryGetValue(v, out var range) && range.IsPoint ? range.Min : e;
        // What is shared stays shared: a random integer is 378 nodes, and was 31,400 after a walk that took it for a tree.
        if (++_steps > ShortWalk)
        {
            if (_made is null)
                _made = new(ReferenceEqualityComparer.Instance);
            else if (_made.TryGetValue(e, out var before))
                return before;
        }
        var result = Simplified(e);
        _made?.TryAdd(e, result);
        return result;
    }

    private Expr Simplified(Expr e)
    {
        var node = e.WithChildren(Walk);
        if (node is not Binary b)
            return node is Unary { Kind: UnaryOp.Neg, Type: DType.Int64 } ? LinearForm.Of(node).ToExpr() : node;
        if (b.A.Type.IsFloat() || b.A.Type != DTypes.Index)
            return node;
        return b.Kind switch
        {
            BinaryOp.Add or BinaryOp.Sub or BinaryOp.Mul => LinearForm.Of(b).ToExpr(),
            BinaryOp.FloorDiv => FloorDiv(b),
            BinaryOp.Mod => Mod(b),
            BinaryOp.Min => MinMax(b, min: true),
            BinaryOp.Max => MinMax(b, min: false),
            BinaryOp.Lt or BinaryOp.Le or BinaryOp.Eq or BinaryOp.Ne => Compare(b),
            _ => node,
        };
    }

    private Expr FloorDiv(Binary b)
    {
        if (b.B is not IntImm { Value: > 0 } divisor)
            return b;
        long c = divisor.Value;
        // (c·q + r) / c = q + r / c, where r keeps the terms that c does not divide.
        var (quotient, rest) = SplitByDivisor(LinearForm.Of(b.A), c);
        var range = rest.Range(ranges);
        if (range.IsBounded && Op.FloorDiv(range.Min, c) == Op.FloorDiv(range.Max, c))
            return LinearForm.Of(quotient + Op.FloorDiv(range.Min, c)).ToExpr();
        // (g·x + r) / (g·d) = x / d with r in 0..g
        if (Coarse(rest, c) is var (coarse, g, _))
            return LinearForm.Of(quotient + Walk(Op.FloorDiv(coarse, c / g))).ToExpr();
        // (x / a) / c = x / (a·c)
        var inner = rest.ToExpr() is Binary { Kind: BinaryOp.FloorDiv, B: IntImm { Value: > 0 } a } nested
            ? Op.FloorDiv(nested.A, a.Value * c)
            : Op.FloorDiv(rest.ToExpr(), c);
        return LinearForm.Of(quotient + inner).ToExpr();
    }

    private Expr Mod(Binary b)
    {
        if (b.B is not IntImm { Value: > 0 } divisor)
            return b;
        long c = divisor.Value;
        var (_, rest) = SplitByDivisor(LinearForm.Of(b.A), c);
        var range = rest.Range(ranges);
        if (range.IsBounded && Op.FloorDiv(range.Min, c) == Op.FloorDiv(range.Max, c))
            return rest.WithConstant(rest.Constant - Op.FloorDiv(range.Min, c) * c).ToExpr();
        // (g·x + r) % (g·d) = g·(x % d) + r with r in 0..g
        if (Coarse(rest, c) is var (coarse, g, fine))
            return LinearForm.Of(Walk(Op.Mod(coarse, c / g)) * g + fine).ToExpr();
        return Op.Mod(rest.ToExpr(), c);
    }

    // A form as g·coarse + fine with fine in 0..g and g > 1 a divisor of c, the largest that there is; null where there is none.
    private (Expr Coarse, long G, Expr Fine)? Coarse(LinearForm form, long c)
    {
        for (long g = Next(form, c, long.MaxValue); g > 1; g = Next(form, c, g))
        {
            var (quotient, fine) = SplitByDivisor(form, g);
            var range = fine.Range(ranges);
            if (range.Min >= 0 && range.Max < g)
                return (quotient, g, fine.ToExpr());
        }
        return null;
    }

    // The largest common divisor of c and a coefficient that is below a bound; 0 where there is none.
    private static long Next(LinearForm form, long c, long below)
    {
        long most = 0;
        foreach (var term in form.Terms)
        {
            long g = Gcd(Math.Abs(term.Coefficient), c);
            if (g < below && g > most)
                most = g;
        }
        return most;
    }

    private static (Expr Quotient, LinearForm Remainder) SplitByDivisor(LinearForm form, long c)
    {
        Expr quotient = 0;
        Expr rest = 0;
        foreach (var (atom, coefficient) in form.Terms)
        {
            if (coefficient % c == 0)
                quotient += Op.Mul(atom, coefficient / c);
            else
                rest += Op.Mul(atom, coefficient);
        }
        long whole = Op.FloorDiv(form.Constant, c);
        return (quotient + whole, LinearForm.Of(rest + (form.Constant - whole * c)));
    }

    private Expr MinMax(Binary b, bool min)
    {
        var (left, right) = (LinearForm.Of(b.A), LinearForm.Of(b.B));
        if (IsHuge(left.Constant) || IsHuge(right.Constant))
            return b;
        var difference = (left - right).Range(ranges);
        if (difference.Max <= 0 || MostOf(left - right) <= 0)
            return min ? b.A : b.B;
        if (difference.Min >= 0 || MostOf(right - left) <= 0)
            return min ? b.B : b.A;
        return b;
    }

    // The largest value by what loops to symbolic extents say.
    private long MostOf(LinearForm form) =>
        ranges is LoopRanges loops && loops.Above(form) is { } above ? above.Range(ranges).Max : long.MaxValue;

    private Expr Compare(Binary b)
    {
        var (x, y) = (LinearForm.Of(b.A), LinearForm.Of(b.B));
        if (IsHuge(x.Constant) || IsHuge(y.Constant))
            return b;
        var form = x - y;
        var d = form.Range(ranges);
        switch (b.Kind)
        {
            case BinaryOp.Lt:
                if (d.Max < 0 || MostOf(form) < 0)
                    return Op.True;
                if (d.Min >= 0 || MostOf(y - x) <= 0)
                    return Op.False;
                break;
            case BinaryOp.Le:
                if (d.Max <= 0 || MostOf(form) <= 0)
                    return Op.True;
                if (d.Min > 0 || MostOf(y - x) < 0)
                    return Op.False;
                break;
            default:
                bool equal = b.Kind == BinaryOp.Eq;
                if (d is { Min: 0, Max: 0 })
                    return equal ? Op.True : Op.False;
                if (d.Min > 0 || d.Max < 0)
                    return equal ? Op.False : Op.True;
                return b;
        }
        // Index arithmetic does not overflow, but data may: a[i] < b[i] must not become a[i] - b[i] < 0.
        if (!d.IsBounded && form.Terms.Any(t => !t.Atom.Nodes().All(IsIndexArithmetic)))
            return b;
        // Canonical: terms on the left, the constant on the right; x ≤ c as x < c + 1; common factors divided out.
        long bound = -form.Constant + (b.Kind == BinaryOp.Le ? 1 : 0);
        long gcd = 0;
        foreach (var (_, coefficient) in form.Terms)
            gcd = Gcd(gcd, Math.Abs(coefficient));
        Expr left = 0;
        foreach (var (atom, coefficient) in form.Terms)
            left += Op.Mul(atom, coefficient / gcd);
        // g·x < bound  ⇔  x < ceil(bound / g)
        return new Binary(
            BinaryOp.Lt,
            LinearForm.Of(left).ToExpr(),
            new IntImm(-Op.FloorDiv(-bound, gcd), DTypes.Index)
        );
    }

    private static bool IsIndexArithmetic(Expr e) => e is IntImm or Var or Unary or Binary or Select or Cast;

    // Beyond the reach of index arithmetic: the identity of a min or max over int64.
    private static bool IsHuge(long constant) => constant is <= -(1L << 60) or >= 1L << 60;

    private static long Gcd(long a, long b) => b == 0 ? a : Gcd(b, a % b);
}
