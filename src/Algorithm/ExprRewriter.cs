using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Picograd.Algorithms;

/// <summary>Walks over expressions. Rewriting goes through <see cref="Op"/>, so constants fold again.</summary>
public static class ExprRewriter
{
    // Steps that a walk takes before it remembers where it was.
    private const int ShortWalk = 256;

    /// <summary>Direct operands, left to right.</summary>
    public static IEnumerable<Expr> Children(this Expr e) =>
        e switch
        {
            Unary u => [u.A],
            Binary b => [b.A, b.B],
            Fma f => [f.A, f.B, f.C],
            Select s => [s.Cond, s.Then, s.Else],
            Cast c => [c.A],
            Bitcast c => [c.A],
            Load l => l.Indices,
            Apply a => a.Arguments,
            _ => [],
        };

    /// <summary>Same node over other operands (in the order of <see cref="Children"/>), folded.</summary>
    public static Expr WithChildren(this Expr e, Func<Expr, Expr> map)
    {
        switch (e)
        {
            case Unary u:
                var ua = map(u.A);
                return ReferenceEquals(ua, u.A) ? e
                    : u.Kind == UnaryOp.Not ? Op.Not(ua)
                    : u.Kind == UnaryOp.Neg ? Op.Neg(ua)
                    : new Unary(u.Kind, ua);
            case Binary b:
                var (ba, bb) = (map(b.A), map(b.B));
                return ReferenceEquals(ba, b.A) && ReferenceEquals(bb, b.B) ? e : Rebuild(b.Kind, ba, bb);
            case Fma f:
                var (fa, fb, fc) = (map(f.A), map(f.B), map(f.C));
                return ReferenceEquals(fa, f.A) && ReferenceEquals(fb, f.B) && ReferenceEquals(fc, f.C)
                    ? e
                    : new Fma(fa, fb, fc);
            case Select s:
                var (cond, then, otherwise) = (map(s.Cond), map(s.Then), map(s.Else));
                return
                    ReferenceEquals(cond, s.Cond) && ReferenceEquals(then, s.Then) && ReferenceEquals(otherwise, s.Else)
                    ? e
                    : Op.Select(cond, then, otherwise);
            case Cast c:
                var ca = map(c.A);
                return ReferenceEquals(ca, c.A) ? e : Op.Cast(c.To, ca);
            case Bitcast c:
                var bits = map(c.A);
                return ReferenceEquals(bits, c.A) ? e : Op.Bitcast(c.To, bits);
            case Load l:
                return MapAll(l.Indices, map) is { } indices ? new Load(l.Buffer, indices) : e;
            case Apply a:
                return MapAll(a.Arguments, map) is { } arguments ? new Apply(a.Function, arguments) : e;
            default:
                return e;
        }
    }

    private static ImmutableArray<Expr>? MapAll(ImmutableArray<Expr> operands, Func<Expr, Expr> map)
    {
        var mapped = new Expr[operands.Length];
        bool changed = false;
        for (int i = 0; i < mapped.Length; i++)
        {
            mapped[i] = map(operands[i]);
            changed |= !ReferenceEquals(mapped[i], operands[i]);
        }
        return changed ? ImmutableCollectionsMarshal.AsImmutableArray(mapped) : null;
    }

    /// <summary>Binary node of a kind, folded.</summary>
    public static Expr Rebuild(BinaryOp kind, Expr a, Expr b) =>
        kind switch
        {
            BinaryOp.Add => Op.Add(a, b),
            BinaryOp.Sub => Op.Sub(a, b),
            BinaryOp.Mul => Op.Mul(a, b),
            BinaryOp.Div => Op.Div(a, b),
            BinaryOp.FloorDiv => Op.FloorDiv(a, b),
            BinaryOp.Mod => Op.Mod(a, b),
            BinaryOp.Min => Op.Min(a, b),
            BinaryOp.Max => Op.Max(a, b),
            BinaryOp.Eq => Op.Eq(a, b),
            BinaryOp.Ne => Op.Ne(a, b),
            BinaryOp.Lt => Op.Lt(a, b),
            BinaryOp.Le => Op.Le(a, b),
            BinaryOp.And => Op.And(a, b),
            BinaryOp.Or => Op.Or(a, b),
            _ => Op.Bit(kind, a, b),
        };

    /// <summary>
    /// Replaces each node for which <paramref name="replace"/> gives a result (asked top down; the result is not
    /// visited again); other nodes keep their place over rewritten operands.
    /// </summary>
    public static Expr Map(this Expr e, Func<Expr, Expr?> replace)
    {
        if (replace(e) is { } whole)
            return whole;
        Dictionary<Expr, Expr>? made = null;
        int steps = 0;
        Func<Expr, Expr> visit = null!;
        visit = node =>
        {
            // What is shared stays shared, and is rewritten once: see Loads.
            if (++steps > ShortWalk)
            {
                made ??= new(ReferenceEqualityComparer.Instance);
                if (made.TryGetValue(node, out var before))
                    return before;
            }
            var result = replace(node) ?? node.WithChildren(visit);
            made?.TryAdd(node, result);
            return result;
        };
        return e.WithChildren(visit);
    }

    public static Expr Substitute(this Expr e, IReadOnlyDictionary<Var, Expr> values) =>
        values.Count == 0 ? e : e.Map(node => node is Var v && values.TryGetValue(v, out var value) ? value : null);

    public static Expr Substitute(this Expr e, Var var, Expr value) =>
        e.Map(node => ReferenceEquals(node, var) ? value : null);

    /// <summary>
    /// The node and everything below it, parents first: all, though a part that is used several times may be listed once only.
    /// </summary>
    public static IReadOnlyList<Expr> Nodes(this Expr e)
    {
        var found = new List<Expr>();
        e.Any(node =>
        {
            found.Add(node);
            return false;
        });
        return found;
    }

    // Asked for every access of unrolled code: a direct walk is some ten times as fast as an enumeration.
    public static bool Uses(this Expr e, Var var)
    {
        switch (e)
        {
            case Var v:
                return ReferenceEquals(v, var);
            case Unary u:
                return u.A.Uses(var);
            case Binary b:
                return b.A.Uses(var) || b.B.Uses(var);
            case Fma f:
                return f.A.Uses(var) || f.B.Uses(var) || f.C.Uses(var);
            case Select s:
                return s.Cond.Uses(var) || s.Then.Uses(var) || s.Else.Uses(var);
            case Cast c:
                return c.A.Uses(var);
            case Bitcast c:
                return c.A.Uses(var);
            case Load l:
                foreach (var index in l.Indices)
                {
                    if (index.Uses(var))
                        return true;
                }
                return false;
            case Apply a:
                foreach (var argument in a.Arguments)
                {
                    if (argument.Uses(var))
                        return true;
                }
                return false;
            default:
                return false;
        }
    }

    /// <summary>
    /// Whether the test holds for the node or any below it; asked parents first, until it does. A part that is used several
    /// times may be asked once only.
    /// </summary>
    public static bool Any(this Expr e, Func<Expr, bool> test)
    {
        HashSet<Expr>? seen = null;
        int steps = 0;
        return Visit(e, test, ref seen, ref steps);

        static bool Visit(Expr e, Func<Expr, bool> test, ref HashSet<Expr>? seen, ref int steps)
        {
            if (++steps > ShortWalk && !(seen ??= new(ReferenceEqualityComparer.Instance)).Add(e))
                return false;
            if (test(e))
                return true;
            switch (e)
            {
                case Unary u:
                    return Visit(u.A, test, ref seen, ref steps);
                case Binary b:
                    return Visit(b.A, test, ref seen, ref steps) || Visit(b.B, test, ref seen, ref steps);
                case Fma f:
                    return Visit(f.A, test, ref seen, ref steps)
                        || Visit(f.B, test, ref seen, ref steps)
                        || Visit(f.C, test, ref seen, ref steps);
                case Select s:
                    return Visit(s.Cond, test, ref seen, ref steps)
                        || Visit(s.Then, test, ref seen, ref steps)
                        || Visit(s.Else, test, ref seen, ref steps);
                case Cast c:
                    return Visit(c.A, test, ref seen, ref steps);
                case Bitcast c:
                    return Visit(c.A, test, ref seen, ref steps);
                case Load l:
                    foreach (var index in l.Indices)
                    {
                        if (Visit(index, test, ref seen, ref steps))
                            return true;
                    }
                    return false;
                case Apply a:
                    foreach (var argument in a.Arguments)
                    {
                        if (Visit(argument, test, ref seen, ref steps))
                            return true;
                    }
                    return false;
                default:
                    return false;
            }
        }
    }

    public static ISet<Var> FreeVars(this Expr e)
    {
        var found = new HashSet<Var>();
        e.Any(node =>
        {
            if (node is Var v)
                found.Add(v);
            return false;
        });
        return found;
    }

    /// <summary>
    /// The loads of an expression in the order of <see cref="Nodes"/>: all, though one in a part that is used several times
    /// may be listed once only.
    /// </summary>
    public static IReadOnlyList<Load> Loads(this Expr e)
    {
        List<Load>? found = null;
        HashSet<Expr>? seen = null;
        int steps = 0;
        Collect(e, ref found, ref seen, ref steps);
        return found ?? (IReadOnlyList<Load>)[];

        static void Collect(Expr e, ref List<Load>? found, ref HashSet<Expr>? seen, ref int steps)
        {
            // Expressions share parts: a normal random number is 333 nodes as a graph and 140,889 as a tree. Short
            // walks, which are nearly all, do not pay for remembering.
            if (++steps > ShortWalk && !(seen ??= new(ReferenceEqualityComparer.Instance)).Add(e))
                return;
            switch (e)
            {
                case Unary u:
                    Collect(u.A, ref found, ref seen, ref steps);
                    break;
                case Binary b:
                    Collect(b.A, ref found, ref seen, ref steps);
                    Collect(b.B, ref found, ref seen, ref steps);
                    break;
                case Fma f:
                    Collect(f.A, ref found, ref seen, ref steps);
                    Collect(f.B, ref found, ref seen, ref steps);
                    Collect(f.C, ref found, ref seen, ref steps);
                    break;
                case Select s:
                    Collect(s.Cond, ref found, ref seen, ref steps);
                    Collect(s.Then, ref found, ref seen, ref steps);
                    Collect(s.Else, ref found, ref seen, ref steps);
                    break;
                case Cast c:
                    Collect(c.A, ref found, ref seen, ref steps);
                    break;
                case Bitcast c:
                    Collect(c.A, ref found, ref seen, ref steps);
                    break;
                case Load l:
                    (found ??= []).Add(l);
                    foreach (var index in l.Indices)
                        Collect(index, ref found, ref seen, ref steps);
                    break;
                case Apply a:
                    foreach (var argument in a.Arguments)
                        Collect(argument, ref found, ref seen, ref steps);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>The operands of a chain of And.</summary>
    public static IEnumerable<Expr> Conjuncts(this Expr e) =>
        e is Binary { Kind: BinaryOp.And } b ? b.A.Conjuncts().Concat(b.B.Conjuncts())
        : e.IsTrue() ? []
        : [e];
}
