using System.Numerics;

namespace Picograd.Algorithms.Adjoints;

/// <summary>
/// The other way to see reads x ↦ f(x): for a place b of the buffer, all x with f(x) = b. Axes that the equations determine become
/// expressions of b; the others are left to sum over, where Condition holds.
/// </summary>
/// <param name="Open">Axes that are not determined: some of the readers', or parts of them.</param>
/// <param name="Values">Each axis of the reader as an expression of the places and the open axes.</param>
/// <param name="Condition">Which of those are within the reader's axes and meet all equations; null: all.</param>
internal sealed record Inverse(IReadOnlyList<Axis> Open, IReadOnlyDictionary<Var, Expr> Values, Expr? Condition);

/// <summary>Solves f(x) = b for affine indices, quotients and remainders by constants, and what is known of data.</summary>
internal sealed class IndexInversion
{
    private readonly List<Axis> _open;
    private readonly Dictionary<Var, Expr> _solved = [];
    private readonly List<(Expr Left, Expr Right)> _equations = [];
    private readonly List<Expr> _conditions = [];
    private readonly LoopRanges _ranges;
    private readonly HashSet<Var> _spatial;
    private bool _never;

    private IndexInversion(IReadOnlyList<Axis> axes, LoopRanges ranges)
    {
        _open = [.. axes];
        _ranges = ranges;
        _spatial = [.. axes.Where(a => a.Kind == AxisKind.Spatial).Select(a => a.Var)];
        foreach (var axis in axes)
            _ranges.Enter(axis.Var, axis.Extent);
    }

    /// <summary>
    /// Null where the places cannot be told from the indices: those come from data that open axes choose, or from arithmetic that is
    /// not understood.
    /// </summary>
    /// <param name="axes">Axes of the reader.</param>
    /// <param name="indices">Where it reads.</param>
    /// <param name="places">An axis for each dimension of what is read.</param>
    /// <param name="parameters">Ranges of symbolic extents.</param>
    /// <param name="never">Nothing is ever read.</param>
    public static Inverse? Of(
        IReadOnlyList<Axis> axes,
        IReadOnlyList<Expr> indices,
        IReadOnlyList<Axis> places,
        IReadOnlyDictionary<Var, Interval> parameters,
        out bool never
    )
    {
        var ranges = new LoopRanges(parameters);
        foreach (var place in places)
            ranges.Enter(place.Var, place.Extent);
        var inversion = new IndexInversion(axes, ranges);
        for (int d = 0; d < indices.Count; d++)
            inversion._equations.Add((indices[d], places[d].Var));
        bool solved = inversion.Solve();
        foreach (var one in inversion._open.FindAll(a => a.Extent.IsConst(1)))
            inversion.Replace(one, [], 0);
        never = inversion._never;
        if (!solved)
            return null;
        Expr? condition = null;
        foreach (var part in inversion._conditions)
            condition = Algebra.And(condition, part);
        return new(inversion._open, inversion._solved, condition);
    }

    private bool Solve()
    {
        while (_equations.Count > 0)
        {
            if (_never)
                return true;
            if (!(Plain() || Digits() || Pairs() || Quotients() || Eliminate() || Rounded()))
                return false;
        }
        return true;
    }

    private Expr Now(Expr e) => Short(e.Substitute(_solved));

    // An axis stays one, also where it has one element only.
    private Expr Short(Expr e) => e is Var ? e : Simplifier.Simplify(e, _ranges);

    private bool IsOpen(Expr e) => _open.Exists(a => e.Uses(a.Var));

    private Axis? OpenAxis(Expr e) => e is Var v ? _open.Find(a => ReferenceEquals(a.Var, v)) : null;

    // Equations without unknowns are conditions; an axis by itself is known.
    private bool Plain()
    {
        for (int i = 0; i < _equations.Count; i++)
        {
            // What an open axis chooses from data is not known, also where the axis has one element.
            if (_equations[i].Left.Loads().Count > 0 && IsOpen(_equations[i].Left.Substitute(_solved)))
                continue;
            var (left, right) = (Now(_equations[i].Left), Now(_equations[i].Right));
            _equations[i] = (left, right);
            if (!IsOpen(left) && !IsOpen(right))
                Require(Op.Eq(right, left));
            else if (OpenAxis(left) is { } axis && !right.Uses(axis.Var))
                Determine(axis, right);
            else
                continue;
            _equations.RemoveAt(i);
            return true;
        }
        return false;
    }

    // Σ cᵢ·vᵢ = t where each vᵢ is a digit of t: lower terms together stay below the coefficient.
    private bool Digits()
    {
        for (int i = 0; i < _equations.Count; i++)
        {
            if (Linear(_equations[i]) is not { } form)
                continue;
            var digits = form.Terms.OrderBy(t => Math.Abs(t.Coefficient)).ToList();
            var target = form.Target;
            long below = 0;
            bool unique = true;
            foreach (var (axis, coefficient) in digits)
            {
                unique &= axis.Extent is IntImm && below < Math.Abs(coefficient);
                if (!unique)
                    break;
                long last = ((IntImm)axis.Extent).Value - 1;
                below += last * Math.Abs(coefficient);
                // −c·v = c·(last − v) − c·last
                if (coefficient < 0)
                    target += last * -coefficient;
            }
            // One term alone needs no extent.
            if (!unique && digits.Count > 1)
                continue;
            if (digits is [var (single, factor)])
            {
                _equations.RemoveAt(i);
                Divide(single, factor, form.Target);
                return true;
            }
            _equations.RemoveAt(i);
            Expr rest = Now(target);
            var values = new List<(Axis, Expr)>();
            for (int d = digits.Count - 1; d >= 0; d--)
            {
                var (axis, coefficient) = digits[d];
                long c = Math.Abs(coefficient);
                Expr digit = Now(Op.FloorDiv(rest, c));
                rest = Now(Op.Mod(rest, c));
                values.Add((axis, coefficient < 0 ? Now(axis.Extent - 1 - digit) : digit));
            }
            Require(Op.Eq(rest, 0));
            foreach (var (axis, value) in values)
                Determine(axis, value);
            return true;
        }
        return false;
    }

    // L / c = a and L % c = b say L = a·c + b with b < c.
    private bool Pairs()
    {
        for (int i = 0; i < _equations.Count; i++)
        {
            if (_equations[i].Left is not Binary { Kind: BinaryOp.FloorDiv } quotient)
                continue;
            int other = _equations.FindIndex(e =>
                e.Left is Binary { Kind: BinaryOp.Mod } mod && mod.A == quotient.A && mod.B == quotient.B
            );
            if (other < 0)
                continue;
            var (high, low) = (_equations[i].Right, _equations[other].Right);
            Require(Op.Lt(low, quotient.B));
            Require(Op.Le(0, low));
            _equations.RemoveAt(Math.Max(i, other));
            _equations.RemoveAt(Math.Min(i, other));
            _equations.Add((quotient.A, high * quotient.B + low));
            return true;
        }
        return false;
    }

    // An axis of which quotients or remainders are read is two axes.
    private bool Quotients()
    {
        foreach (var (left, right) in _equations)
        {
            foreach (var node in left.Nodes().Concat(right.Nodes()))
            {
                if (
                    node is not Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod, B: IntImm { Value: > 1 and var c } } b
                    || OpenAxis(b.A) is not { } axis
                )
                    continue;
                if (axis.Extent is IntImm { Value: var known } && known <= c)
                    return false;
                var high = new Axis(axis.Name + "_o", Op.CeilDiv(axis.Extent, c), axis.Kind);
                var low = new Axis(axis.Name + "_i", c, axis.Kind);
                Replace(axis, [high, low], high.Var * c + low.Var);
                return true;
            }
        }
        return false;
    }

    // Of several unknowns one is expressed by the others, which stay open: of the reader's own axes the longest.
    private bool Eliminate()
    {
        for (int i = 0; i < _equations.Count; i++)
        {
            if (Linear(_equations[i]) is not { } form)
                continue;
            _equations.RemoveAt(i);
            var (axis, coefficient) = form
                .Terms.OrderByDescending(t => _spatial.Contains(t.Axis.Var))
                .ThenByDescending(t => t.Axis.Extent is IntImm e ? e.Value : long.MaxValue)
                .First();
            long c = Math.Abs(coefficient);
            var others = form.Terms.Where(t => t.Axis != axis).ToList();
            // u·k ≡ t (mod c) leaves every c-th u only, and nothing over.
            if (c > 1 && others is [var (one, k)] && BigInteger.GreatestCommonDivisor(Math.Abs(k), c) == 1)
            {
                long inverse = Enumerable
                    .Range(0, (int)Math.Min(c, int.MaxValue))
                    .First(x => Mod(Mod(k, c) * x, c) == 1);
                var target = Now(form.Target);
                var steps = new Axis(one.Name + "_o", Op.CeilDiv(one.Extent, c), one.Kind);
                var start = Now(Op.Mod(target * inverse, c));
                Replace(one, [steps], steps.Var * c + start);
                // For k = 1 what start takes off is what rounding down does.
                var quotient = k == 1 ? Op.FloorDiv(target, c) : Op.FloorDiv(target - start * k, c);
                var value = quotient - steps.Var * k;
                Determine(axis, Now(coefficient < 0 ? 0 - value : value));
                return true;
            }
            Expr rest = form.Target;
            foreach (var (other, by) in others)
                rest -= other.Var * by;
            Divide(axis, coefficient, rest);
            return true;
        }
        return false;
    }

    // L / c = a says L = a·c + r for some r < c; L % c = b says L = q·c + b for some q.
    private bool Rounded()
    {
        for (int i = 0; i < _equations.Count; i++)
        {
            var (left, right) = _equations[i];
            if (
                left is not Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod, B: IntImm { Value: > 1 and var c } } b
                || !IsOpen(b.A)
                || b.A.Loads().Count > 0
            )
                continue;
            if (b.Kind == BinaryOp.FloorDiv)
            {
                var rest = New("r", c);
                _equations[i] = (b.A, right * c + rest.Var);
                return true;
            }
            var range = Interval.Of(b.A, _ranges);
            if (!range.IsBounded || range.Min < 0)
                continue;
            var whole = New("q", Op.FloorDiv(range.Max, c) + 1);
            Require(Op.And(Op.Le(0, right), Op.Lt(right, c)));
            _equations[i] = (b.A, whole.Var * c + right);
            return true;
        }
        return false;
    }

    private Axis New(string name, Expr extent)
    {
        var axis = new Axis($"{name}{_open.Count}_{_solved.Count}", extent, AxisKind.Reduce);
        _open.Add(axis);
        _ranges.Enter(axis.Var, axis.Extent);
        return axis;
    }

    // left − right as Σ coefficient · open axis = target; null where it is not of that form.
    private (List<(Axis Axis, long Coefficient)> Terms, Expr Target)? Linear((Expr Left, Expr Right) equation)
    {
        var form = LinearForm.Of(equation.Left) - LinearForm.Of(equation.Right);
        var terms = new List<(Axis, long)>();
        Expr target = -form.Constant;
        foreach (var (atom, coefficient) in form.Terms)
        {
            if (OpenAxis(atom) is { } axis)
                terms.Add((axis, coefficient));
            else if (IsOpen(atom))
                return null;
            else
                target -= atom * coefficient;
        }
        return terms.Count == 0 ? null : (terms, target);
    }

    // coefficient · axis = target
    private void Divide(Axis axis, long coefficient, Expr target)
    {
        if (coefficient < 0)
            (coefficient, target) = (-coefficient, 0 - target);
        target = Now(target);
        if (coefficient > 1)
            Require(Op.Eq(Now(Op.Mod(target, coefficient)), 0));
        Determine(axis, Now(Op.FloorDiv(target, coefficient)));
    }

    private void Determine(Axis axis, Expr value)
    {
        Replace(axis, [], value);
        Require(Op.Le(0, value));
        Require(Op.Lt(value, axis.Extent));
    }

    private void Replace(Axis axis, Axis[] by, Expr value)
    {
        int at = _open.IndexOf(axis);
        _open.RemoveAt(at);
        _open.InsertRange(at, by);
        foreach (var part in by)
        {
            _ranges.Enter(part.Var, part.Extent);
            if (_spatial.Contains(axis.Var))
                _spatial.Add(part.Var);
        }
        var one = new Dictionary<Var, Expr> { [axis.Var] = value };
        foreach (var v in _solved.Keys.ToList())
            _solved[v] = Short(_solved[v].Substitute(one));
        for (int i = 0; i < _conditions.Count; i++)
            _conditions[i] = Simplifier.Simplify(_conditions[i].Substitute(one), _ranges);
        _solved[axis.Var] = value;
        if (by.Length > 0)
            Require(Op.Lt(value, axis.Extent));
    }

    private void Require(Expr condition)
    {
        condition = Simplifier.Simplify(condition, _ranges);
        _never |= condition.IsFalse();
        if (!condition.IsTrue() && !_conditions.Contains(condition))
            _conditions.Add(condition);
    }

    private static long Mod(long a, long b) => ((a % b) + b) % b;
}
