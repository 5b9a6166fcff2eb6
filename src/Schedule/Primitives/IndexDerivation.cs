using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>What an element's index tells of the variables that it was computed from.</summary>
internal sealed class IndexDerivation(
    IndexFunctions functions,
    IReadOnlyDictionary<Var, Interval> ranges,
    IReadOnlySet<Var> same
)
{
    // A derivation step makes a smaller expression of one known; real nests need a few dozen.
    private const int MaxKnown = 256;

    private sealed record Known(LinearForm Value, IndexFunction Function)
    {
        /// <summary>The quotient or remainder that the value is.</summary>
        public Binary? Atom =>
            Value
                is {
                    Constant: 0,
                    Terms: [{ Atom: Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod } b, Coefficient: 1 }]
                }
                ? b
                : null;
    }

    // The dimension that a digit is the index of.
    private sealed record Place(Digit Digit, int Dimension);

    private readonly HashSet<Derived> _found = [];
    private readonly List<Known> _known = [];
    private readonly Simplifier _simplifier = new(ranges);
    private readonly Dictionary<Binary, Expr> _simplified = [];

    /// <summary>Pairs of a variable and a function of the index that gives it.</summary>
    public HashSet<Derived> Run(ImmutableArray<Expr> indices)
    {
        for (int d = 0; d < indices.Length; d++)
            Learn(LinearForm.Of(_simplifier.Visit(indices[d])), IndexFunctions.Dimension(d));
        JoinDigits(indices);
        for (int at = 0; at < _known.Count && _known.Count < MaxKnown; at++)
        {
            var known = _known[at];
            if (known.Atom is { } atom)
                Join(atom, known.Function, at);
            else
                Divide(known.Value, known.Function);
        }
        return _found;
    }

    // Moves what does not vary to the function, and notes the rest.
    private void Learn(LinearForm value, IndexFunction function)
    {
        var (moving, still) = value.Partition(Varies);
        if (moving.Terms.IsEmpty)
            return;
        if (!still.Terms.IsEmpty)
            function = functions.Minus(function, still.WithConstant(0).ToExpr());
        if (moving.Terms is [(var atom, 1 or -1)])
        {
            function += -still.Constant;
            if (moving.Terms[0].Coefficient < 0)
                function = functions.Negative(function);
            if (atom is Var v)
                _found.Add(new(v, function));
            else
                Note(LinearForm.Of(atom), function);
            return;
        }
        Note(moving.WithConstant(still.Constant), function);
    }

    private void Note(LinearForm value, IndexFunction function)
    {
        foreach (var known in _known)
        {
            if (known.Function == function && known.Value.HasSameTerms(value))
                return;
        }
        _known.Add(new(value, function));
    }

    // g·a + b with b within g values in a row gives a and b.
    private void Divide(LinearForm form, IndexFunction function)
    {
        for (int i = 0; i < form.Terms.Length; i++)
        {
            long g = Math.Abs(form.Terms[i].Coefficient);
            if (g == 1 || Before(form, i, g))
                continue;
            var (multiple, small) = form.SplitBy(g);
            var rest = small.Range(ranges);
            if (rest.Max - rest.Min >= g)
                continue;
            // Within one multiple of g the division itself is the function, wherever b begins; else it depends on b.
            long low = Op.FloorDiv(rest.Min, g);
            long from = low == Op.FloorDiv(rest.Max, g) ? low * g : rest.Min;
            Learn(multiple, functions.Quotient(function, from, g));
            Learn(small, functions.Rest(function, from, g));
        }
    }

    // Whether a term before the i-th has the coefficient g or -g.
    private static bool Before(LinearForm form, int i, long g)
    {
        while (--i >= 0)
        {
            if (Math.Abs(form.Terms[i].Coefficient) == g)
                return true;
        }
        return false;
    }

    // x // n and x % n together give x.
    private void Join(Binary one, IndexFunction function, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (_known[i].Atom is not { } two || two.Kind == one.Kind)
                continue;
            var (quotient, remainder) = one.Kind == BinaryOp.FloorDiv ? (one, two) : (two, one);
            var (q, r) =
                one.Kind == BinaryOp.FloorDiv ? (function, _known[i].Function) : (_known[i].Function, function);
            if (quotient.B is not IntImm { Value: > 0 and var n } || remainder.B is not IntImm { Value: > 0 and var c })
            {
                if (quotient.B == remainder.B && IsRest(quotient.A, remainder))
                    Learn(LinearForm.Of(quotient.A), functions.Joined(q, quotient.B, r));
                continue;
            }
            if (n % c != 0 || !SharesVariable(quotient.A, remainder.A))
                continue;
            // x // (a·c) and (x // a) % c give x // a.
            var whole = n == c ? quotient.A : Simplified(Op.FloorDiv(quotient.A, n / c));
            if (IsRest(whole, remainder))
                Learn(LinearForm.Of(whole), functions.Joined(q, c, r));
        }
    }

    // Indices that are all the digits of one number, before the simplifier takes common factors out of them.
    private void JoinDigits(ImmutableArray<Expr> indices)
    {
        List<Place>? all = null;
        for (int d = 0; d < indices.Length; d++)
        {
            if (Digit.Of(indices[d], ranges) is { Unit: not Var } digit)
                (all ??= []).Add(new(digit, d));
        }
        if (all is null)
            return;
        foreach (var digits in all.GroupBy(p => p.Digit.Unit))
        {
            IndexFunction? joined = null;
            long reached = LinearForm.Of(digits.Key).Range(ranges).Max + 1;
            foreach (var (digit, dimension) in digits.OrderByDescending(p => p.Digit.Low))
            {
                var function = IndexFunctions.Dimension(dimension);
                bool follows = joined is null
                    ? digit.High >= reached
                    : digit.High == reached && reached % digit.Low == 0;
                if (!follows)
                    break;
                joined = joined is { } higher ? functions.Joined(higher, digit.Extent, function) : function;
                reached = digit.Low;
            }
            if (reached == 1 && joined is { } whole)
                Learn(LinearForm.Of(digits.Key), whole);
        }
    }

    // Whether a remainder is that of x, in whichever of its forms.
    private bool IsRest(Expr x, Binary remainder) =>
        x == remainder.A || Simplified(Op.Mod(x, remainder.B)) == remainder;

    private Expr Simplified(Expr e)
    {
        if (e is not Binary b)
            return _simplifier.Visit(e);
        if (!_simplified.TryGetValue(b, out var simple))
            _simplified[b] = simple = _simplifier.Visit(b);
        return simple;
    }

    private static bool SharesVariable(Expr a, Expr b) => b.Any(e => e is Var v && a.Uses(v));

    private bool Varies(Expr atom) => atom.Any(e => e is Load || (e is Var v && !same.Contains(v)));
}
