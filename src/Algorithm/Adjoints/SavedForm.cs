using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Adjoints;

/// <summary>What a saved result is made of, so that it is recognised in products: Factors / Divisors = Value.</summary>
internal sealed record SavedForm(
    ImmutableArray<Axis> Axes,
    ImmutableList<Expr> Factors,
    ImmutableList<Expr> Divisors,
    Expr Value
)
{
    /// <summary>The form of a stage that is a product, or the difference of something and a logarithm; else null.</summary>
    public static SavedForm? Of(Stage stage)
    {
        var value = stage.Values[0] is Cast cast && Pullback.TypeOf(cast.To) == cast.A.Type ? cast.A : stage.Values[0];
        var result = Op.Cast(value.Type, stage.Output.At(stage.Indices));
        if (value is Binary { Kind: BinaryOp.Sub, B: Apply log } difference && log.Function == ScalarFunctions.Log)
            return new(stage.Axes, [Op.Exp(difference.A)], [log.A], Op.Exp(result));
        var product = Products.Factors(value);
        return product.Coefficient == 1 && product.Factors.Count + product.Divisors.Count > 1
            ? new(stage.Axes, product.Factors, product.Divisors, result)
            : null;
    }

    /// <summary>The product with the result in the place of what it is made of; null where that is not all there.</summary>
    public Product? In(Product product)
    {
        var bound = new Dictionary<Var, Expr>();
        if (Taken(Factors, product.Factors, bound) is not { } factors)
            return null;
        return Taken(Divisors, product.Divisors, bound) is { } divisors && Axes.All(a => bound.ContainsKey(a.Var))
            ? product with
            {
                Factors = factors.Add(Value.Substitute(bound)),
                Divisors = divisors,
            }
            : null;
    }

    private ImmutableList<Expr>? Taken(ImmutableList<Expr> parts, ImmutableList<Expr> all, Dictionary<Var, Expr> bound)
    {
        foreach (var part in parts)
        {
            bool found = false;
            foreach (var e in all)
            {
                var attempt = new Dictionary<Var, Expr>(bound);
                if (!Matches(part, e, attempt))
                    continue;
                foreach (var (v, place) in attempt)
                    bound[v] = place;
                all = all.Remove(e);
                found = true;
                break;
            }
            if (!found)
                return null;
        }
        return all;
    }

    private bool Matches(Expr pattern, Expr e, Dictionary<Var, Expr> bound)
    {
        if (pattern is Var v && Axes.Any(a => a.Var == v))
        {
            if (bound.TryGetValue(v, out var known))
                return known == e;
            bound[v] = e;
            return true;
        }
        return (pattern, e) switch
        {
            (Load p, Load l) => p.Buffer == l.Buffer && AllMatch(p.Indices, l.Indices, bound),
            (Apply p, Apply a) => p.Function == a.Function && AllMatch(p.Arguments, a.Arguments, bound),
            (Unary p, Unary u) => p.Kind == u.Kind && Matches(p.A, u.A, bound),
            (Binary p, Binary b) => p.Kind == b.Kind && Matches(p.A, b.A, bound) && Matches(p.B, b.B, bound),
            (Select p, Select s) => AllMatch([p.Cond, p.Then, p.Else], [s.Cond, s.Then, s.Else], bound),
            (Cast p, Cast c) => p.To == c.To && Matches(p.A, c.A, bound),
            _ => pattern == e,
        };
    }

    private bool AllMatch(ImmutableArray<Expr> patterns, ImmutableArray<Expr> all, Dictionary<Var, Expr> bound)
    {
        for (int i = 0; i < patterns.Length; i++)
        {
            if (!Matches(patterns[i], all[i], bound))
                return false;
        }
        return patterns.Length == all.Length;
    }
}
