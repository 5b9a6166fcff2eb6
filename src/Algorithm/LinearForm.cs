using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Picograd.Algorithms;

/// <summary>One product of a <see cref="LinearForm"/>.</summary>
/// <remarks>No struct: .NET has code for collections of objects, that of structs takes each program's start 0.1 ms a method.</remarks>
public sealed record LinearTerm(Expr Atom, long Coefficient);

/// <summary>
/// constant + Σ coefficient · atom, the canonical form of index arithmetic. An atom is a Var or any expression that is
/// not linear itself (a floor division, a load, a product of variables). Products are multiplied out, as long as they read
/// no data: (4·i + j)·N has the atoms i·N and j·N. Coefficients are not zero; atoms keep the order in which they first appeared.
/// </summary>
public sealed class LinearForm
{
    private LinearForm(long constant, ImmutableArray<LinearTerm> terms)
    {
        Constant = constant;
        Terms = terms;
    }

    public long Constant { get; }

    public ImmutableArray<LinearTerm> Terms { get; }

    public bool IsConstant => Terms.IsEmpty;

    /// <summary>Whether every atom is a variable.</summary>
    public bool IsAffine => Terms.All(t => t.Atom is Var);

    public static LinearForm Of(Expr e)
    {
        var terms = new List<LinearTerm>();
        long constant = 0;
        Collect(e, 1, terms, ref constant);
        return Normal(constant, terms);
    }

    public long CoefficientOf(Expr atom)
    {
        foreach (var (a, c) in Terms)
        {
            if (a == atom)
                return c;
        }
        return 0;
    }

    public static LinearForm operator -(LinearForm a, LinearForm b) =>
        Normal(a.Constant - b.Constant, [.. a.Terms, .. b.Terms.Select(t => t with { Coefficient = -t.Coefficient })]);

    public static LinearForm operator +(LinearForm a, LinearForm b) =>
        Normal(a.Constant + b.Constant, [.. a.Terms, .. b.Terms]);

    /// <summary>
    /// What the value changes by when a variable grows by one: a constant and products of <paramref name="known"/> variables
    /// (symbolic extents). Null where that depends on anything else.
    /// </summary>
    public LinearForm? StepOf(Var variable, Func<Var, bool> known)
    {
        long constant = 0;
        List<LinearTerm>? terms = null;
        foreach (var (atom, coefficient) in Terms)
        {
            if (ReferenceEquals(atom, variable))
            {
                constant = coefficient;
                continue;
            }
            if (!atom.Uses(variable))
                continue;
            Expr? rest = null;
            int times = 0;
            foreach (var factor in Factors(atom))
            {
                if (ReferenceEquals(factor, variable))
                    times++;
                else if (factor is Var v && known(v))
                    rest = rest is null ? v : new Binary(BinaryOp.Mul, rest, v);
                else
                    return null;
            }
            if (times != 1)
                return null;
            (terms ??= []).Add(new(rest!, coefficient));
        }
        return terms is null ? new(constant, []) : Normal(constant, terms);
    }

    /// <summary>The factors of a product as atoms hold it; of anything else, itself.</summary>
    public static IEnumerable<Expr> Factors(Expr atom) =>
        atom is Binary { Kind: BinaryOp.Mul } product ? Factors(product.A).Concat(Factors(product.B)) : [atom];

    /// <summary>The terms whose atoms satisfy a predicate, and the rest (with the constant).</summary>
    public (LinearForm Matching, LinearForm Others) Partition(Func<Expr, bool> predicate)
    {
        var matching = ImmutableArray.CreateBuilder<LinearTerm>(Terms.Length);
        var others = ImmutableArray.CreateBuilder<LinearTerm>(Terms.Length);
        foreach (var term in Terms)
            (predicate(term.Atom) ? matching : others).Add(term);
        return (new(0, matching.DrainToImmutable()), new(Constant, others.DrainToImmutable()));
    }

    /// <summary>The form as g · Multiple + Others: terms that g divides, and the rest with the constant.</summary>
    public (LinearForm Multiple, LinearForm Others) SplitBy(long g)
    {
        var multiple = ImmutableArray.CreateBuilder<LinearTerm>(Terms.Length);
        var rest = ImmutableArray.CreateBuilder<LinearTerm>(Terms.Length);
        foreach (var (atom, coefficient) in Terms)
        {
            if (coefficient % g == 0)
                multiple.Add(new(atom, coefficient / g));
            else
                rest.Add(new(atom, coefficient));
        }
        return (new(0, multiple.DrainToImmutable()), new(Constant, rest.DrainToImmutable()));
    }

    /// <summary>The terms by the size of their coefficients, smallest first; equal ones in their order.</summary>
    public LinearTerm[] BySize()
    {
        LinearTerm[] sorted = [.. Terms];
        for (int i = 1; i < sorted.Length; i++)
        {
            var term = sorted[i];
            int at = i;
            for (; at > 0 && Math.Abs(sorted[at - 1].Coefficient) > Math.Abs(term.Coefficient); at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = term;
        }
        return sorted;
    }

    /// <summary>Whether the forms are written alike, term by term.</summary>
    public bool HasSameTerms(LinearForm other) =>
        Constant == other.Constant && Terms.AsSpan().SequenceEqual(other.Terms.AsSpan());

    public LinearForm WithConstant(long constant) => new(constant, Terms);

    public Interval Range(IReadOnlyDictionary<Var, Interval> ranges)
    {
        var range = Interval.Point(Constant);
        foreach (var (atom, coefficient) in Terms)
            range += Interval.Of(atom, ranges) * Interval.Point(coefficient);
        return range;
    }

    public Expr ToExpr()
    {
        Expr? sum = null;
        foreach (var (atom, coefficient) in Terms)
        {
            if (coefficient < 0 && sum is not null)
                sum = Op.Sub(sum, Op.Mul(atom, -coefficient));
            else
                sum = sum is null ? Op.Mul(atom, coefficient) : Op.Add(sum, Op.Mul(atom, coefficient));
        }
        if (sum is null)
            return Constant;
        return Constant < 0 ? Op.Sub(sum, -Constant) : Op.Add(sum, Constant);
    }

    private static LinearForm Normal(long constant, List<LinearTerm> terms)
    {
        var merged = new List<LinearTerm>(terms.Count);
        foreach (var (atom, coefficient) in terms)
        {
            int at = merged.Count - 1;
            while (at >= 0 && merged[at].Atom != atom)
                at--;
            if (at < 0)
                merged.Add(new(atom, coefficient));
            else
                merged[at] = new(atom, merged[at].Coefficient + coefficient);
        }
        merged.RemoveAll(t => t.Coefficient == 0);
        JoinQuotients(merged, ref constant);
        return new(constant, [.. merged]);
    }

    // a·c·(x // c) + a·(x % c) = a·x: what a fused loop's index comes back to over contiguous memory.
    private static void JoinQuotients(List<LinearTerm> terms, ref long constant)
    {
        for (int i = 0; i < terms.Count; i++)
        {
            if (terms[i].Atom is not Binary { Kind: BinaryOp.Mod } mod)
                continue;
            long a = terms[i].Coefficient;
            int at;
            if (mod.B is IntImm { Value: var c })
            {
                at = terms.FindIndex(t =>
                    t.Atom is Binary { Kind: BinaryOp.FloorDiv, B: IntImm divisor } div
                    && divisor.Value == c
                    && t.Coefficient == a * c
                    && div.A == mod.A
                );
            }
            else if (Of(mod.B) is { Constant: 0, Terms: [var divisor] })
            {
                // The same with a symbolic divisor, which may have a constant factor.
                var whole = Product([.. Factors(divisor.Atom), new Binary(BinaryOp.FloorDiv, mod.A, mod.B)]);
                at = terms.FindIndex(t => t.Coefficient == a * divisor.Coefficient && t.Atom == whole);
            }
            else
            {
                continue;
            }
            if (at < 0)
                continue;
            var joined = Of(mod.A);
            terms.RemoveAt(Math.Max(i, at));
            terms.RemoveAt(Math.Min(i, at));
            constant += a * joined.Constant;
            foreach (var (atom, coefficient) in joined.Terms)
            {
                int same = terms.FindIndex(t => t.Atom == atom);
                if (same < 0)
                    terms.Add(new(atom, a * coefficient));
                else
                    terms[same] = new(atom, terms[same].Coefficient + a * coefficient);
            }
            terms.RemoveAll(t => t.Coefficient == 0);
            i = -1;
        }
    }

    private static void Collect(Expr e, long scale, List<LinearTerm> terms, ref long constant)
    {
        switch (e)
        {
            case IntImm i:
                constant += scale * i.Value;
                break;
            case Unary { Kind: UnaryOp.Neg } u:
                Collect(u.A, -scale, terms, ref constant);
                break;
            case Binary { Kind: BinaryOp.Add } b:
                Collect(b.A, scale, terms, ref constant);
                Collect(b.B, scale, terms, ref constant);
                break;
            case Binary { Kind: BinaryOp.Sub } b:
                Collect(b.A, scale, terms, ref constant);
                Collect(b.B, -scale, terms, ref constant);
                break;
            case Binary { Kind: BinaryOp.Mul, B: IntImm factor } b:
                Collect(b.A, scale * factor.Value, terms, ref constant);
                break;
            case Binary { Kind: BinaryOp.Mul, A: IntImm factor } b:
                Collect(b.B, scale * factor.Value, terms, ref constant);
                break;
            case Binary { Kind: BinaryOp.Mul, Type: DType.Int64 } b when IsMultipliedOut(b.A) && IsMultipliedOut(b.B):
                var (x, y) = (Of(b.A), Of(b.B));
                constant += scale * x.Constant * y.Constant;
                foreach (var (atom, coefficient) in x.Terms)
                {
                    if (y.Constant != 0)
                        terms.Add(new(atom, scale * coefficient * y.Constant));
                    foreach (var (other, by) in y.Terms)
                        terms.Add(new(Product([.. Factors(atom), .. Factors(other)]), scale * coefficient * by));
                }
                if (x.Constant != 0)
                {
                    foreach (var (atom, coefficient) in y.Terms)
                        terms.Add(new(atom, scale * x.Constant * coefficient));
                }
                break;
            case Binary { Kind: BinaryOp.Mul, Type: DType.Int64 } b when IsShort(b):
                // Of data, each factor by itself.
                var (left, right) = (Of(b.A).ToExpr(), Of(b.B).ToExpr());
                terms.Add(new(Product([.. Factors(left), .. Factors(right)]), scale));
                break;
            default:
                terms.Add(new(e, scale));
                break;
        }
    }

    // An index times a stride, no arithmetic of random numbers: ordering the factors prints them (10 MB for a random integer).
    private static bool IsShort(Expr e)
    {
        int nodes = 0;
        return !e.Any(_ => ++nodes > 64);
    }

    // Sums of a few variables and quotients: what extents and loops give. Data stays as it is.
    private static bool IsMultipliedOut(Expr e) =>
        e switch
        {
            IntImm or Var => true,
            Unary { Kind: UnaryOp.Neg } u => IsMultipliedOut(u.A),
            Binary { Type: DType.Int64 } b
                when b.Kind
                    is BinaryOp.Add
                        or BinaryOp.Sub
                        or BinaryOp.Mul
                        or BinaryOp.FloorDiv
                        or BinaryOp.Mod
                        or BinaryOp.Min
                        or BinaryOp.Max => IsMultipliedOut(b.A) && IsMultipliedOut(b.B),
            _ => false,
        };

    // One order of factors for every way to write a product: what came last first (loops before extents), then the rest.
    private static Expr Product(List<Expr> factors)
    {
        factors.Sort(
            (a, b) =>
                (a, b) switch
                {
                    (Var x, Var y) => y.Number.CompareTo(x.Number),
                    (Var, _) => -1,
                    (_, Var) => 1,
                    _ => string.CompareOrdinal(a.ToString(), b.ToString()),
                }
        );
        return factors.Aggregate((a, b) => new Binary(BinaryOp.Mul, a, b));
    }
}
