using Picograd.Algorithms;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// A function of an element's index: ((base − Offset) mod High) div Low + Add. A base is a dimension of the index, or
/// made of other functions by <see cref="IndexFunctions"/>. However the digits of a number are derived from one another,
/// they come out as the same function.
/// </summary>
/// <param name="Base">Number of the base.</param>
/// <param name="Offset">In [0, Low) without a High, else in [0, High).</param>
/// <param name="High"><see cref="Unlimited"/> where nothing is cut off.</param>
/// <param name="Low">1 where nothing is divided.</param>
internal sealed record IndexFunction(int Base, long Offset, long High, long Low, long Add)
{
    public const long Unlimited = long.MaxValue;

    public static IndexFunction Whole(int number) => new(number, 0, Unlimited, 1, 0);

    public bool IsUnlimited => High == Unlimited;

    /// <summary>x mod n, in [0, n).</summary>
    public static long Remainder(long x, long n) => x - Op.FloorDiv(x, n) * n;

    public static IndexFunction operator +(IndexFunction f, long constant) => f with { Add = f.Add + constant };

    /// <summary>With the offset in its range.</summary>
    public static IndexFunction Normal(int number, long offset, long high, long low, long add)
    {
        if (high != Unlimited)
            return new(number, Remainder(offset, high), high, low, add);
        return new(number, Remainder(offset, low), high, low, add - Op.FloorDiv(offset, low));
    }
}

/// <summary>A variable, and a function of the index that gives it.</summary>
internal sealed record Derived(Var Variable, IndexFunction Function);

/// <summary>Makes functions of an index; equal ones are equal values. For accesses that are compared with one another.</summary>
internal sealed class IndexFunctions
{
    // What a base that is no dimension is made of: A − With, −A, A itself, A · Factor + B or A · With + B.
    private sealed record Origin(IndexFunction A, IndexFunction? B, long Factor, Expr? With);

    private readonly Dictionary<Origin, int> _bases = [];

    public static IndexFunction Dimension(int dimension) => IndexFunction.Whole(-1 - dimension);

    /// <summary>f − e, where e has one value in all accesses.</summary>
    public IndexFunction Minus(IndexFunction f, Expr e) => Made(new(f with { Add = 0 }, null, 0, e)) + f.Add;

    public IndexFunction Negative(IndexFunction f) => Made(new(f with { Add = 0 }, null, -1, null)) + -f.Add;

    /// <summary>(f − from) div g.</summary>
    public IndexFunction Quotient(IndexFunction f, long from, long g)
    {
        long more = f.Add - from;
        if (f.IsUnlimited)
            return IndexFunction.Normal(f.Base, f.Offset - more * f.Low, f.High, f.Low * g, 0);
        return IndexFunction.Remainder(more, g) == 0
            ? f with
            {
                Low = f.Low * g,
                Add = Op.FloorDiv(more, g),
            }
            : IndexFunction.Normal(Alone(f), -more, IndexFunction.Unlimited, g, 0);
    }

    /// <summary>(f − from) mod g + from.</summary>
    public IndexFunction Rest(IndexFunction f, long from, long g)
    {
        long more = f.Add - from;
        if (f.IsUnlimited)
            return IndexFunction.Normal(f.Base, f.Offset - more * f.Low, f.Low * g, f.Low, from);
        if (IndexFunction.Remainder(more, g) == 0 && f.High % (f.Low * g) == 0)
            return IndexFunction.Normal(f.Base, f.Offset, f.Low * g, f.Low, from);
        return IndexFunction.Normal(Alone(f), -more, g, 1, from);
    }

    /// <summary>quotient · n + rest.</summary>
    public IndexFunction Joined(IndexFunction quotient, long n, IndexFunction rest)
    {
        long period = rest.Low * n;
        if (
            quotient.Base == rest.Base
            && quotient.Low == period
            && rest.High == period
            && (quotient.IsUnlimited || quotient.High % period == 0)
            && IndexFunction.Remainder(quotient.Offset - rest.Offset, period) == 0
        )
            return IndexFunction.Normal(
                quotient.Base,
                quotient.Offset,
                quotient.High,
                rest.Low,
                quotient.Add * n + rest.Add
            );
        return Made(new(quotient with { Add = 0 }, rest with { Add = 0 }, n, null)) + (quotient.Add * n + rest.Add);
    }

    /// <summary>quotient · n + rest for an n that is no constant.</summary>
    public IndexFunction Joined(IndexFunction quotient, Expr n, IndexFunction rest) => Made(new(quotient, rest, 0, n));

    private int Alone(IndexFunction f) => Number(new(f with { Add = 0 }, null, 1, null));

    private IndexFunction Made(Origin origin) => IndexFunction.Whole(Number(origin));

    private int Number(Origin origin)
    {
        if (!_bases.TryGetValue(origin, out int number))
            _bases[origin] = number = _bases.Count;
        return number;
    }
}
