namespace Picograd.Algorithms;

/// <summary>
/// Ranges of variables, and for loops to a symbolic extent that extent: v &lt; N says more than the largest N. The
/// <see cref="Simplifier"/> uses both.
/// </summary>
public sealed class LoopRanges : Dictionary<Var, Interval>
{
    private readonly Dictionary<Var, Expr> _extents = [];

    public LoopRanges(IEnumerable<KeyValuePair<Var, Interval>> ranges)
        : base(ranges)
    {
        if (ranges is LoopRanges loops)
            _extents = new(loops._extents);
    }

    /// <summary>Adds a loop over [0, extent).</summary>
    public void Enter(Var loop, Expr extent)
    {
        long max = Interval.Of(extent, this).Max;
        this[loop] = new Interval(0, Math.Max(0, max - 1));
        if (extent is not IntImm)
            _extents[loop] = extent;
    }

    /// <summary>Forgets a loop.</summary>
    public void Leave(Var loop)
    {
        Remove(loop);
        _extents.Remove(loop);
    }

    /// <summary>
    /// A form that is at least as large, in which loops have given way to their symbolic extents and quotients to what they
    /// divide; null where there is none of either.
    /// </summary>
    public LinearForm? Above(LinearForm form)
    {
        LinearForm? above = null;
        // An extent may itself hold a quotient, and that another extent.
        for (int round = 0; round < 4 && Raised(above ?? form) is { } next; round++)
            above = next;
        return above;
    }

    private LinearForm? Raised(LinearForm form)
    {
        Expr sum = form.Constant;
        bool changed = false;
        foreach (var (atom, coefficient) in form.Terms)
        {
            var (bound, scale, rest) = Bound(atom, coefficient) ?? (atom, coefficient, 0);
            changed |= !ReferenceEquals(bound, atom);
            sum += bound * scale + rest;
        }
        return changed ? LinearForm.Of(sum) : null;
    }

    private (Expr, long, long)? Bound(Expr atom, long coefficient)
    {
        switch (atom)
        {
            // k·c·(x // c) ≤ k·x, and −k·c·(x // c) ≤ −k·x + k·(c − 1)
            case Binary { Kind: BinaryOp.FloorDiv, B: IntImm { Value: > 0 and var c } } quotient
                when coefficient % c == 0:
                long k = coefficient / c;
                return (quotient.A, k, k < 0 ? -k * (c - 1) : 0);
            // v ≤ N − 1, alone or in a product of what is not negative.
            case Var v when coefficient > 0 && _extents.TryGetValue(v, out var extent):
                return (extent - 1, coefficient, 0);
            case Binary { Kind: BinaryOp.Mul } when coefficient > 0:
                foreach (var factor in LinearForm.Factors(atom))
                {
                    if (factor is not Var v || !_extents.TryGetValue(v, out var end))
                        continue;
                    if (LinearForm.Factors(atom).All(f => Interval.Of(f, this).Min >= 0))
                        return (atom.Substitute(new Dictionary<Var, Expr> { [v] = end - 1 }), coefficient, 0);
                }
                return null;
            default:
                return null;
        }
    }
}
