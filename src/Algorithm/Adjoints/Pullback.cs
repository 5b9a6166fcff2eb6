using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Adjoints;

/// <summary>What a load of a value contributes: where Guard holds, Value is added to the gradient of the element.</summary>
internal sealed record LoadGradient(Load Load, Expr? Guard, Expr Value);

/// <summary>
/// Reverse accumulation over one expression. A gradient is kept as terms under conditions: those of the Selects around it, under
/// which alone its loads may be performed, and those of slopes that are 0 elsewhere.
/// </summary>
internal sealed class Pullback
{
    // Beyond so many nodes only what is shared by reference counts as equal.
    private const int Small = 400;

    private readonly Expr _root;
    private readonly Expr? _result;
    private readonly Func<Buffer, bool> _active;
    private readonly Dictionary<Expr, bool> _known;
    private readonly Dictionary<Expr, List<(Expr? Guard, Expr Value)>> _terms;
    private readonly List<Expr> _order = [];

    private Pullback(Expr root, Expr? result, Func<Buffer, bool> active)
    {
        (_root, _result, _active) = (root, result, active);
        IEqualityComparer<Expr>? comparer = root.Nodes().Count > Small ? ReferenceEqualityComparer.Instance : null;
        _known = new(comparer);
        _terms = new(comparer);
    }

    /// <summary>The type in which gradients of a type are computed: 16 bits are for storage.</summary>
    public static DType TypeOf(DType type) => type.Compute();

    /// <summary>Contributions to every load of an active buffer.</summary>
    /// <param name="value">The expression.</param>
    /// <param name="gradient">Its gradient, of the type in which such are computed.</param>
    /// <param name="active">Whose loads matter.</param>
    /// <param name="result">Where the value of the expression is stored, to be used instead of computing it again.</param>
    public static IEnumerable<LoadGradient> Of(
        Expr value,
        Expr gradient,
        Func<Buffer, bool> active,
        Expr? result = null
    )
    {
        var pullback = new Pullback(value, result, active);
        return pullback.Run(gradient);
    }

    private IEnumerable<LoadGradient> Run(Expr gradient)
    {
        if (!IsActive(_root))
            return [];
        _terms[_root] = [(null, gradient)];
        var found = new List<LoadGradient>();
        for (int i = _order.Count - 1; i >= 0; i--)
        {
            if (!_terms.TryGetValue(_order[i], out var terms))
                continue;
            foreach (var (guard, g) in terms)
            {
                if (_order[i] is Load load)
                    found.Add(new(load, guard, g));
                else
                    Step(_order[i], guard, g);
            }
        }
        return found;
    }

    // Marks what depends on active buffers by arithmetic; children come before parents in the order.
    private bool IsActive(Expr e)
    {
        if (!e.Type.IsFloat())
            return false;
        if (_known.TryGetValue(e, out bool known))
            return known;
        bool active = e switch
        {
            Load l => _active(l.Buffer),
            Unary u => IsActive(u.A),
            Binary b => IsActive(b.A) | IsActive(b.B),
            Fma f => IsActive(f.A) | IsActive(f.B) | IsActive(f.C),
            Select s => IsActive(s.Then) | IsActive(s.Else),
            Cast c => IsActive(c.A),
            Apply { Meaning: { } meaning, Function.Derivatives.IsDefault: true } => IsActive(meaning),
            Apply a => a.Arguments.Aggregate(false, (any, x) => any | IsActive(x)),
            Bitcast c => c.A is Binary { Kind: BinaryOp.BitAnd, A: Bitcast inner } && IsActive(inner.A),
            _ => false,
        };
        _known[e] = active;
        if (active)
            _order.Add(e);
        return active;
    }

    private void Step(Expr e, Expr? guard, Expr g)
    {
        switch (e)
        {
            case Unary u:
                Scale(u.A, guard, g, ScalarSlopes.Of(ScalarFunctions.Of(u.Kind), [u.A], Self(u), 0));
                break;
            case Apply { Meaning: { } meaning, Function.Derivatives.IsDefault: true }:
                Send(meaning, guard, () => g);
                break;
            case Apply a when a.Function == ScalarFunctions.Pow:
                Power(a, guard, g);
                break;
            case Apply a:
                for (int i = 0; i < a.Arguments.Length; i++)
                    Scale(a.Arguments[i], guard, g, ScalarSlopes.Of(a.Function, a.Arguments, Self(a), i));
                break;
            case Binary b:
                Step(b, guard, g);
                break;
            case Fma f:
                Send(f.A, guard, () => Algebra.Mul(g, f.B));
                Send(f.B, guard, () => Algebra.Mul(g, f.A));
                Send(f.C, guard, () => g);
                break;
            case Select s:
                Send(s.Then, Algebra.And(guard, s.Cond), () => g);
                Send(s.Else, Algebra.And(guard, Op.Not(s.Cond)), () => g);
                break;
            case Cast c:
                Send(c.A, guard, () => Op.Cast(TypeOf(c.A.Type), g));
                break;
            // Cut-off mantissas (tf32) are a rounding.
            case Bitcast { A: Binary { A: Bitcast inner } }:
                Send(inner.A, guard, () => g);
                break;
            default:
                throw new AdjointException($"{e} has no derivative");
        }
    }

    private void Step(Binary b, Expr? guard, Expr g)
    {
        switch (b.Kind)
        {
            case BinaryOp.Add:
                Send(b.A, guard, () => g);
                Send(b.B, guard, () => g);
                break;
            case BinaryOp.Sub:
                Send(b.A, guard, () => g);
                Send(b.B, guard, () => Algebra.Neg(g));
                break;
            case BinaryOp.Mul when b.A == b.B:
                Send(b.A, guard, () => Algebra.Mul(g, Algebra.Mul(b.A, Op.Const(2, b.Type))));
                break;
            case BinaryOp.Mul:
                Send(b.A, guard, () => Algebra.Mul(g, b.B));
                Send(b.B, guard, () => Algebra.Mul(g, b.A));
                break;
            case BinaryOp.Div:
                Send(b.A, guard, () => Algebra.Div(g, b.B));
                // Not by the stored quotient, so that it may be changed.
                Send(b.B, guard, () => Algebra.Neg(Algebra.Mul(g, Algebra.Div(b, b.B))));
                break;
            case BinaryOp.Max:
            case BinaryOp.Min:
                Extreme(b, b.A, b.B, guard, g);
                Extreme(b, b.B, b.A, guard, g);
                break;
            default:
                throw new AdjointException($"{b.Kind} has no derivative");
        }
    }

    // PyTorch's rules. Against the constant 0 (relu): nothing at 0, all at NaN. Against another constant (clamp): all at the bound,
    // nothing at NaN. Of two values: equal ones get half each, at NaN both get all.
    private void Extreme(Binary b, Expr own, Expr other, Expr? guard, Expr g)
    {
        bool max = b.Kind == BinaryOp.Max;
        switch (other)
        {
            case FloatImm { Value: 0 } zero:
                var self = Self(b);
                Send(own, Algebra.And(guard, Op.Not(max ? Op.Le(self, zero) : Op.Le(zero, self))), () => g);
                break;
            case FloatImm bound:
                Send(own, Algebra.And(guard, max ? Op.Le(bound, own) : Op.Le(own, bound)), () => g);
                break;
            default:
                var loses = max ? Op.Lt(own, other) : Op.Lt(other, own);
                var half = Algebra.Mul(g, Op.Const(0.5, g.Type));
                Send(own, Algebra.And(guard, Op.Not(loses)), () => Op.Select(Op.Eq(own, other), half, g));
                break;
        }
    }

    private void Power(Apply power, Expr? guard, Expr g)
    {
        var (x, n) = (power.Arguments[0], power.Arguments[1]);
        var zero = Op.Const(0, power.Type);
        if (n is FloatImm { Value: var value } exponent)
        {
            Expr? slope = value switch
            {
                0 => null,
                1 => Op.Const(1, power.Type),
                2 => Algebra.Mul(x, exponent),
                _ => Algebra.Mul(Op.Pow(x, Op.Const(value - 1, power.Type)), exponent),
            };
            if (slope is not null)
                Send(x, guard, () => value == 1 ? g : Algebra.Mul(g, slope));
            return;
        }
        // To the power 0 everything is 1.
        Send(
            x,
            Algebra.And(guard, Op.Ne(n, zero)),
            () => Algebra.Mul(g, Algebra.Mul(n, Op.Pow(x, n - Op.Const(1, power.Type))))
        );
        // 0 to a power that is not negative does not depend on the power (to the power 0 as PyTorch has it).
        Send(
            n,
            Algebra.And(guard, Op.Not(Op.And(Op.Eq(x, zero), Op.Le(zero, n)))),
            () => Algebra.Mul(g, Algebra.Mul(Self(power), Op.Log(x)))
        );
    }

    private void Scale(Expr to, Expr? guard, Expr g, Expr slope)
    {
        if (!IsActive(to))
            return;
        foreach (var (where, value) in Algebra.Times(guard, g, slope))
            Append(to, where, value);
    }

    private void Send(Expr to, Expr? guard, Func<Expr> value)
    {
        if (IsActive(to))
            Append(to, guard, value());
    }

    private void Append(Expr to, Expr? guard, Expr value)
    {
        if (!_terms.TryGetValue(to, out var terms))
            _terms[to] = terms = [];
        int same = terms.FindIndex(t => t.Guard == guard);
        if (same < 0)
            terms.Add((guard, value));
        else
            terms[same] = (guard, Algebra.Add(terms[same].Value, value));
    }

    // The value of a node, which may be stored.
    private Expr Self(Expr node)
    {
        if (_result is null)
            return node;
        if (ReferenceEquals(node, _root))
            return _result;
        return _root is Cast cast && ReferenceEquals(node, cast.A) && TypeOf(_root.Type) == node.Type
            ? Op.Cast(node.Type, _result)
            : node;
    }
}
