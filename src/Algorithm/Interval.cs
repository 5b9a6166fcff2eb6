namespace Picograd.Algorithms;

/// <summary>Integers Min ≤ x ≤ Max. <see cref="Everything"/> stands for no knowledge; empty never occurs.</summary>
public readonly record struct Interval(long Min, long Max)
{
    // Far enough from the ends of long that sums and products of a few of them can be clamped instead of overflowing.
    private const long Limit = 1L << 60;

    public static readonly Interval Everything = new(-Limit, Limit);

    public static Interval Point(long value) => new(value, value);

    public bool IsPoint => Min == Max;

    public static Interval operator +(Interval a, Interval b) => Clamp((Int128)a.Min + b.Min, (Int128)a.Max + b.Max);

    public static Interval operator -(Interval a, Interval b) => Clamp((Int128)a.Min - b.Max, (Int128)a.Max - b.Min);

    public static Interval operator *(Interval a, Interval b)
    {
        Int128 p = (Int128)a.Min * b.Min;
        Int128 q = (Int128)a.Min * b.Max;
        Int128 r = (Int128)a.Max * b.Min;
        Int128 s = (Int128)a.Max * b.Max;
        return Clamp(Int128.Min(Int128.Min(p, q), Int128.Min(r, s)), Int128.Max(Int128.Max(p, q), Int128.Max(r, s)));
    }

    public Interval FloorDiv(Interval by)
    {
        if (by.Min <= 0)
            return Everything;
        long a = Op.FloorDiv(Min, by.Min);
        long b = Op.FloorDiv(Min, by.Max);
        long c = Op.FloorDiv(Max, by.Min);
        long d = Op.FloorDiv(Max, by.Max);
        return new(Math.Min(Math.Min(a, b), Math.Min(c, d)), Math.Max(Math.Max(a, b), Math.Max(c, d)));
    }

    public Interval Mod(Interval by) =>
        by.Min <= 0 ? Everything
        : Min >= 0 && Max < by.Min ? this
        : new(0, by.Max - 1);

    public Interval Union(Interval other) => new(Math.Min(Min, other.Min), Math.Max(Max, other.Max));

    /// <summary>The range of an integer expression, given those of its variables (others: everything).</summary>
    public static Interval Of(Expr e, IReadOnlyDictionary<Var, Interval> ranges)
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
                    _ => Everything,
                };
            case Select s:
                return Of(s.Then, ranges).Union(Of(s.Else, ranges));
            case Cast { To: DType.Int64, A.Type: DType.UInt8 }:
                return new(0, 255);
            case Cast { To: DType.Int64, A.Type: DType.Int64 or DType.Int32 } c:
                return Of(c.A, ranges);
            default:
                return Everything;
        }
    }

    private static Interval Clamp(Int128 min, Int128 max) =>
        new((long)Int128.Clamp(min, -Limit, Limit), (long)Int128.Clamp(max, -Limit, Limit));
}
