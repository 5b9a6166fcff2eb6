using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>Coefficient · Π Factors / Π Divisors.</summary>
internal sealed record Product(double Coefficient, ImmutableList<Expr> Factors, ImmutableList<Expr> Divisors)
{
    public static readonly Product One = new(1, [], []);

    public static Product operator *(Product a, Product b) =>
        new(a.Coefficient * b.Coefficient, a.Factors.AddRange(b.Factors), a.Divisors.AddRange(b.Divisors));

    public Expr ToExpr(DType type)
    {
        Expr? value = null;
        foreach (var factor in Factors)
            value = value is null ? factor : Algebra.Mul(value, factor);
        if (Math.Abs(Coefficient) != 1)
            value = value is null
                ? Op.Const(Math.Abs(Coefficient), type)
                : Algebra.Mul(value, Op.Const(Math.Abs(Coefficient), type));
        value ??= Op.Const(1, type);
        foreach (var divisor in Divisors)
            value = Algebra.Div(value, divisor);
        return Coefficient < 0 ? Algebra.Neg(value) : value;
    }
}

/// <summary>Float expressions as sums of products.</summary>
internal static class Products
{
    // Products that multiplying out may make.
    private const int Most = 16;

    /// <summary>The terms of a sum, each with its factors, as they are written: nothing is multiplied out.</summary>
    public static List<Product> Terms(Expr e)
    {
        var terms = new List<Product>();
        Collect(e, 1, terms);
        return terms;

        static void Collect(Expr e, double sign, List<Product> terms)
        {
            switch (e)
            {
                case Binary { Kind: BinaryOp.Add } b:
                    Collect(b.A, sign, terms);
                    Collect(b.B, sign, terms);
                    break;
                case Binary { Kind: BinaryOp.Sub } b:
                    Collect(b.A, sign, terms);
                    Collect(b.B, -sign, terms);
                    break;
                case Unary { Kind: UnaryOp.Neg } u:
                    Collect(u.A, -sign, terms);
                    break;
                default:
                    var product = Factors(e);
                    terms.Add(product with { Coefficient = sign * product.Coefficient });
                    break;
            }
        }
    }

    /// <summary>The factors and divisors of an expression as they are written.</summary>
    public static Product Factors(Expr e) =>
        e switch
        {
            FloatImm c when double.IsFinite(c.Value) => Product.One with { Coefficient = c.Value },
            Unary { Kind: UnaryOp.Neg } u => Factors(u.A) is var p ? p with { Coefficient = -p.Coefficient } : p,
            Binary { Kind: BinaryOp.Mul } b => Factors(b.A) * Factors(b.B),
            Binary { Kind: BinaryOp.Div, B: not FloatImm } b => Quotient(Factors(b.A), Factors(b.B)),
            _ => Product.One with { Factors = [e] },
        };

    /// <summary>The sum multiplied out; null where that has too many terms.</summary>
    public static List<Product>? Expand(Expr e)
    {
        switch (e)
        {
            case Binary { Kind: BinaryOp.Add or BinaryOp.Sub } b:
                if (Expand(b.A) is not { } left || Expand(b.B) is not { } right || left.Count + right.Count > Most)
                    return null;
                double sign = b.Kind == BinaryOp.Sub ? -1 : 1;
                return [.. left, .. right.Select(p => p with { Coefficient = sign * p.Coefficient })];
            case Unary { Kind: UnaryOp.Neg } u:
                return Expand(u.A)?.ConvertAll(p => p with { Coefficient = -p.Coefficient });
            case Binary { Kind: BinaryOp.Mul } b:
                if (Expand(b.A) is not { } first || Expand(b.B) is not { } second || first.Count * second.Count > Most)
                    return null;
                return [.. first.SelectMany(p => second.Select(q => p * q))];
            case Binary { Kind: BinaryOp.Div, B: not FloatImm } b:
                var by = Factors(b.B);
                return Expand(b.A)?.ConvertAll(p => Quotient(p, by));
            default:
                return [Factors(e)];
        }
    }

    /// <summary>The sum of products, with what all have in common written once.</summary>
    public static Expr Sum(IReadOnlyList<Product> terms, DType type)
    {
        if (terms.Count == 0)
            return Algebra.Zero(type);
        if (terms.Count == 1)
            return terms[0].ToExpr(type);
        var (common, rest) = Common(terms);
        Expr? sum = null;
        // What is taken away comes last.
        foreach (var term in rest.OrderBy(t => t.Coefficient < 0))
            sum = sum is null ? term.ToExpr(type) : Algebra.Add(sum, term.ToExpr(type));
        if (common.Factors.Count == 0 && common.Divisors.Count == 0)
            return sum!;
        Expr value = common.Factors.Count == 0 ? sum! : Algebra.Mul((common with { Divisors = [] }).ToExpr(type), sum!);
        return common.Divisors.Aggregate(value, Algebra.Div);
    }

    /// <summary>What all terms have in common, and the terms without it.</summary>
    public static (Product Common, List<Product> Others) Common(IReadOnlyList<Product> terms)
    {
        var factors = Shared(terms.Select(t => t.Factors));
        var divisors = Shared(terms.Select(t => t.Divisors));
        return (
            new(1, factors, divisors),
            [
                .. terms.Select(t =>
                    t with
                    {
                        Factors = t.Factors.RemoveRange(factors),
                        Divisors = t.Divisors.RemoveRange(divisors),
                    }
                ),
            ]
        );
    }

    /// <summary>Sums in an expression with what their terms have in common written once.</summary>
    public static Expr Factored(Expr e)
    {
        if (e is Load || !e.Type.IsFloat())
            return e;
        var node = e is Select s
            ? Op.Select(
                s.Cond,
                Factored(Algebra.Given(s.Then, s.Cond, true)),
                Factored(Algebra.Given(s.Else, s.Cond, false))
            )
            : e.WithChildren(Factored);
        if (node is not Binary { Kind: BinaryOp.Add or BinaryOp.Sub } || Terms(node) is not { Count: > 1 } terms)
            return node;
        var (common, _) = Common(terms);
        return common.Factors.Count == 0 && common.Divisors.Count == 0 ? node : Sum(terms, node.Type);
    }

    private static ImmutableList<Expr> Shared(IEnumerable<ImmutableList<Expr>> lists)
    {
        ImmutableList<Expr>? shared = null;
        foreach (var list in lists)
        {
            if (shared is null)
            {
                shared = list;
                continue;
            }
            var left = list;
            var both = ImmutableList.CreateBuilder<Expr>();
            foreach (var e in shared)
            {
                if (!left.Contains(e))
                    continue;
                both.Add(e);
                left = left.Remove(e);
            }
            shared = both.ToImmutable();
        }
        return shared ?? [];
    }

    private static Product Quotient(Product a, Product b) =>
        new(a.Coefficient / b.Coefficient, a.Factors.AddRange(b.Divisors), a.Divisors.AddRange(b.Factors));
}
