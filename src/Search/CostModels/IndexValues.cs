using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Search.CostModels;

/// <summary>
/// Values of index expressions and conditions where every variable has one value: for the addresses of the lanes of a warp,
/// and for what conditions and extents are on average, at a fixed set of points.
/// </summary>
internal sealed class IndexValues
{
    private const int Samples = 32;

    // A symbolic extent's, and that of any variable that was not set.
    private const long Unknown = 1024;

    private static readonly int[] Primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29];

    private readonly Dictionary<Var, long> _values = [];

    public void Set(Var variable, long value) => _values[variable] = value;

    public void Remove(Var variable) => _values.Remove(variable);

    /// <summary>What is loaded from memory is a number that depends on the place and on nothing else.</summary>
    public long Of(Expr e) =>
        e switch
        {
            IntImm i => i.Value,
            Var v => _values.GetValueOrDefault(v, Unknown),
            Binary b => Of(b),
            Unary { Kind: UnaryOp.Not } u => Of(u.A) == 0 ? 1 : 0,
            Unary { Kind: UnaryOp.Neg } u => -Of(u.A),
            Select s => Of(Of(s.Cond) != 0 ? s.Then : s.Else),
            Cast c => Of(c.A),
            Load l => Scattered(l),
            _ => 0,
        };

    /// <summary>The mean of an expression over the iterations of loops; conditions count as 0 and 1.</summary>
    /// <param name="e">Over the variables of the loops.</param>
    /// <param name="loops">Outermost first; an extent may depend on the loops before it.</param>
    public double Mean(Expr e, IReadOnlyList<For> loops)
    {
        if (e is IntImm constant)
            return constant.Value;
        double sum = 0;
        for (int sample = 0; sample < Samples; sample++)
        {
            // Multiples of irrational numbers, one a loop, spread evenly (a Kronecker sequence; here of square roots).
            for (int i = 0; i < loops.Count; i++)
            {
                double along = (sample + 0.5) * Math.Sqrt(Primes[i % Primes.Length]);
                Set(loops[i].Var, (long)((along - Math.Floor(along)) * Math.Max(1, Of(loops[i].Extent))));
            }
            sum += Of(e);
        }
        foreach (var loop in loops)
            Set(loop.Var, 0);
        return sum / Samples;
    }

    private long Of(Binary b)
    {
        long x = Of(b.A);
        switch (b.Kind)
        {
            case BinaryOp.And when x == 0:
                return 0;
            case BinaryOp.Or when x != 0:
                return 1;
            default:
                break;
        }
        long y = Of(b.B);
        return b.Kind switch
        {
            BinaryOp.Add => x + y,
            BinaryOp.Sub => x - y,
            BinaryOp.Mul => x * y,
            BinaryOp.FloorDiv => y > 0 ? Op.FloorDiv(x, y) : 0,
            BinaryOp.Mod => y > 0 ? x - Op.FloorDiv(x, y) * y : 0,
            BinaryOp.Min => Math.Min(x, y),
            BinaryOp.Max => Math.Max(x, y),
            BinaryOp.Eq => x == y ? 1 : 0,
            BinaryOp.Ne => x != y ? 1 : 0,
            BinaryOp.Lt => x < y ? 1 : 0,
            BinaryOp.Le => x <= y ? 1 : 0,
            BinaryOp.And or BinaryOp.Or => y != 0 ? 1 : 0,
            BinaryOp.BitAnd => x & y,
            BinaryOp.BitOr => x | y,
            BinaryOp.BitXor => x ^ y,
            BinaryOp.Shl => x << (int)(y & 63),
            BinaryOp.Shr => x >> (int)(y & 63),
            _ => 0,
        };
    }

    private long Scattered(Load load)
    {
        ulong place = load.Indices.Aggregate(0UL, (sum, index) => sum * 31 + (ulong)Of(index));
        return (long)(place * 0x9E3779B97F4A7C15UL >> 48);
    }
}
