using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// Bounds of index expressions while the inner loops run and the others stand still, as expressions over those others.
/// </summary>
internal sealed class IndexBounds(IReadOnlyDictionary<Var, For> inner, IReadOnlyDictionary<Var, Interval> ranges)
{
    /// <summary>Null where nothing is known.</summary>
    public (Expr Min, Expr Max)? Of(Expr e)
    {
        if (!UsesInner(e))
            return e.Type == DTypes.Index ? (e, e) : null;
        var form = LinearForm.Of(e);
        if (form.Terms.Length == 1 && form.Terms[0].Atom == e)
            return Atom(e);
        Expr min = form.Constant;
        Expr max = form.Constant;
        foreach (var (atom, coefficient) in form.Terms)
        {
            if (Of(atom) is not { } bound)
                return Known(e);
            var (low, high) = coefficient > 0 ? bound : (bound.Max, bound.Min);
            min += Op.Mul(low, coefficient);
            max += Op.Mul(high, coefficient);
        }
        return (LinearForm.Of(min).ToExpr(), LinearForm.Of(max).ToExpr());
    }

    /// <summary>Whether a linear index takes every value between its bounds (extended by a tile of its own).</summary>
    public bool Contiguous(LinearForm form, long tile)
    {
        long reach = tile;
        foreach (var (atom, coefficient) in form.BySize())
        {
            if (!UsesInner(atom))
                continue;
            if (Math.Abs(coefficient) > reach)
                return false;
            if (atom is Var v && inner[v].Extent is not IntImm)
            {
                Grow(Math.Abs(coefficient), Math.Max(0, Interval.Of(inner[v].Extent, ranges).Min - 1));
                continue;
            }
            if (Digit.Of(atom, ranges) is not { } digit || !Complete(digit))
                return false;
            Grow(Math.Abs(coefficient), digit.Extent - 1);
        }
        return true;

        void Grow(long by, long times) => reach = Saturating.Add(reach, Saturating.Multiply(by, times));
    }

    /// <summary>Whether the dimensions vary independently: together they touch every combination.</summary>
    public bool Independent(IReadOnlyList<LinearForm> forms)
    {
        var atoms = forms.SelectMany(f => f.Terms.Select(t => t.Atom).Where(UsesInner)).ToList();
        var digits = new List<Digit>();
        foreach (var atom in atoms)
        {
            if (Digit.Of(atom, ranges) is { } digit)
                digits.Add(digit);
            else if (atom is not Var)
                return false;
        }
        // Units must not share variables, and digits of one unit must not overlap.
        var units = digits.Select(d => d.Unit).Distinct().ToList();
        var variables = units.SelectMany(u => u.FreeVars()).Concat(atoms.OfType<Var>().Where(v => !units.Contains(v)));
        return variables.GroupBy(v => v).All(g => g.Count() == 1)
            && digits.GroupBy(d => d.Unit).All(g => Digit.Disjoint(g));
    }

    // All values of the digit occur: the unit runs over a whole number of its periods.
    private bool Complete(Digit digit)
    {
        if (digit.Unit is not Var v || !inner.ContainsKey(v))
            return false;
        long extent = ranges[v].Max + 1;
        return digit.High >= extent ? digit.Low == 1 || extent % digit.Low == 0 : extent % digit.High == 0;
    }

    private bool UsesInner(Expr e) => e.Nodes().Any(n => n is Var v && inner.ContainsKey(v));

    private (Expr, Expr)? Atom(Expr e)
    {
        switch (e)
        {
            case Var v:
                var extent = inner[v].Extent;
                return UsesInner(extent) ? Known(e) : (0, LinearForm.Of(extent - 1).ToExpr());
            case Binary { Kind: BinaryOp.FloorDiv, B: IntImm { Value: > 0 } c } b when Of(b.A) is { } a:
                var width = LinearForm.Of(a.Max - a.Min);
                var low = Simplifier.Simplify(Op.FloorDiv(a.Min, c), ranges);
                var high = Simplifier.Simplify(Op.FloorDiv(a.Max, c), ranges);
                if (!width.IsConstant || LinearForm.Of(high - low).IsConstant)
                    return (low, high);
                return (low, low + -Op.FloorDiv(-width.Constant, c.Value));
            case Binary { Kind: BinaryOp.Mod, B: IntImm { Value: > 0 } c } b when Of(b.A) is { } a:
                var span = LinearForm.Of(a.Max - a.Min);
                var start = Simplifier.Simplify(Op.Mod(a.Min, c), ranges);
                return span.IsConstant && start is IntImm first && first.Value + span.Constant < c.Value
                    ? (first, first.Value + span.Constant)
                    : (0, c.Value - 1);
            case Binary { Kind: BinaryOp.Mul } m when !UsesInner(m.B) && Of(m.A) is { } a && NotNegative(m.B):
                return (a.Min * m.B, a.Max * m.B);
            case Binary { Kind: BinaryOp.Mul } m when !UsesInner(m.A) && Of(m.B) is { } b && NotNegative(m.A):
                return (b.Min * m.A, b.Max * m.A);
            case Binary { Kind: BinaryOp.Min } m when Of(m.A) is { } a && Of(m.B) is { } b:
                return (Op.Min(a.Min, b.Min), Op.Min(a.Max, b.Max));
            case Binary { Kind: BinaryOp.Max } m when Of(m.A) is { } a && Of(m.B) is { } b:
                return (Op.Max(a.Min, b.Min), Op.Max(a.Max, b.Max));
            case Select s when Of(s.Then) is { } a && Of(s.Else) is { } b:
                return (Op.Min(a.Min, b.Min), Op.Max(a.Max, b.Max));
            default:
                return Known(e);
        }
    }

    private bool NotNegative(Expr e) => Interval.Of(e, ranges).Min >= 0;

    private (Expr, Expr)? Known(Expr e)
    {
        var range = Interval.Of(e, ranges);
        return range.Min > Interval.Everything.Min && range.Max < Interval.Everything.Max
            ? (range.Min, range.Max)
            : null;
    }
}
