namespace Picograd.Algorithms;

/// <summary>
/// Integers Min ≤ x ≤ Max. A Min of −2^60 or below and a Max of 2^60 or above stand for "no bound on this side", so
/// that arithmetic never claims more than it knows; <see cref="Everything"/> has neither. Empty never occurs.
/// </summary>
public readonly record struct Interval(long Min, long Max)
{
    private const long Limit = 1L << 60;

    // What an unbounded side counts as in sums and products: beyond the reach of any bounded operand, and so that a sum of two fits.
    private const long Infinite = (1L << 62) - 1;

    // What a bound on the wrong side (at least 2^60) counts as at most.
    private const long Huge = 1L << 61;

    public static readonly Interval Everything = new(-Limit, Limit);

    public static Interval Point(long value) => new(value, value);

    /// <summary>Exactly one known value.</summary>
    public bool IsPoint => Min == Max && IsBounded;

    /// <summary>Both ends are known.</summary>
    public bool IsBounded => Min > -Limit && Max < Limit;

    private long Low => Min <= -Limit ? -Infinite : Math.Min(Min, Huge);

    private long High => Max >= Limit ? Infinite : Math.Max(Max, -Huge);

    public static Interval operator +(Interval a, Interval b) => Clamp(a.Low + b.Low, a.High + b.High);

    public static Interval operator -(Interval a, Interval b) => Clamp(a.Low - b.High, a.High - b.Low);

    public static Interval operator *(Interval a, Interval b)
    {
        long p = Saturating.Multiply(a.Low, b.Low);
        long q = Saturating.Multiply(a.Low, b.High);
        long r = Saturating.Multiply(a.High, b.Low);
        long s = Saturating.Multiply(a.High, b.High);
        return Clamp(Math.Min(Math.Min(p, q), Math.Min(r, s)), Math.Max(Math.Max(p, q), Math.Max(r, s)));
    }

    /// <summary>x // y for a positive y; everything where y may not be positive.</summary>
    public Interval FloorDiv(Interval by)
    {
        if (by.Min <= 0)
            return Everything;
        // A large divisor brings the quotient towards 0 (or −1), a small one away from it.
        long least = Min <= -Limit ? -Limit : Op.FloorDiv(Min, Min < 0 ? by.Min : by.Max);
        long most = Max >= Limit ? Limit : Op.FloorDiv(Max, Max < 0 ? by.Max : by.Min);
        if (Min >= 0 && by.Max >= Limit)
            least = 0;
        if (Max < 0 && by.Max >= Limit)
            most = -1;
        return new(least, most);
    }

    /// <summary>x mod y for a positive y; everything where y may not be positive.</summary>
    public Interval Mod(Interval by)
    {
        if (by.Min <= 0)
            return Everything;
        if (Min >= 0 && Max < by.Min)
            return this;
        long most = by.Max >= Limit ? Limit : by.Max - 1;
        return new(0, Min >= 0 ? Math.Min(most, Max) : most);
    }

    public Interval Union(Interval other) => new(Math.Min(Min, other.Min), Math.Max(Max, other.Max));

    /// <summary>The range of an integer expression, given those of its variables (others: everything).</summary>
    public static Interval Of(Expr e, IReadOnlyDictionary<Var, Interval> ranges)
    {
        var range = OfUnwrapped(e, ranges);
        // Narrow integers wrap: a range that leaves the type says nothing but the type.
        if (e.Type is DType.Int64 || e.Type.IsFloat())
            return range;
        var info = e.Type.Info();
        var (least, most) = ((long)info.Lowest, (long)info.Highest);
        return range.Min >= least && range.Max <= most ? range : new(least, most);
    }

    private static Interval OfUnwrapped(Expr e, IReadOnlyDictionary<Var, Interval> ranges)
    {
        switch (e)
        {
            case IntImm i:
                return Point(i.Value);
            case Var v:
                return ranges.TryGetValue(v, out var range) ? range : Everything;
            case Unary { Kind: UnaryOp.Neg } u:
                return Point(0) - Of(u.A, ranges);
            case Binary b:
                if (b.Type == DType.Bool)
                    return new(0, 1);
                var (x, y) = (Of(b.A, ranges), Of(b.B, ranges));
                return b.Kind switch
                {
                    BinaryOp.Add => x + y,
                    BinaryOp.Sub => x - y,
                    BinaryOp.Mul => x * y,
                    BinaryOp.FloorDiv => x.FloorDiv(y),
                    BinaryOp.Mod => x.Mod(y),
                    BinaryOp.Min => new(Math.Min(x.Min, y.Min), Math.Min(x.Max, y.Max)),
                    BinaryOp.Max => new(Math.Max(x.Min, y.Min), Math.Max(x.Max, y.Max)),
                    BinaryOp.BitXor or BinaryOp.BitOr when x.Min >= 0 && y.Min >= 0 => new(0, AllOnes(x.Max | y.Max)),
                    BinaryOp.BitAnd when x.Min >= 0 && y.Min >= 0 => new(0, Math.Min(x.Max, y.Max)),
                    _ => Everything,
                };
            case Select s:
                return Of(s.Then, ranges).Union(Of(s.Else, ranges));
            case Cast { To: not DType.Bool } c when !c.To.IsFloat() && !c.A.Type.IsFloat():
                return Of(c.A, ranges);
            default:
                return Everything;
        }
    }

    // The smallest number of the form 2^k - 1 that is at least x.
    private static long AllOnes(long x) =>
        x == 0 ? 0 : (1L << (64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)x))) - 1;

    private static Interval Clamp(long min, long max) =>
        new(Math.Clamp(min, -Limit, Limit), Math.Clamp(max, -Limit, Limit));
}
