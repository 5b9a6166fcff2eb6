using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Search.CostModels;

/// <summary>What the predicate of a block (the tails of its splits) does to its work.</summary>
internal static class GuardedShare
{
    private const int Samples = 64;

    /// <summary>Share of the points of the loops at which the predicate holds, estimated at a fixed set of points.</summary>
    public static double Of(Block block, IReadOnlyList<For> loops, long[] extents)
    {
        if (block.Predicate.IsTrue())
            return 1;
        var conditions = block.Predicate.Conjuncts().ToList();
        var point = new Dictionary<Var, Interval>();
        int inside = 0;
        for (int sample = 0; sample < Samples; sample++)
        {
            // Multiples of irrational numbers, one a loop, spread evenly (a Kronecker sequence; here of square roots).
            for (int i = 0; i < loops.Count; i++)
            {
                double along = (sample + 0.5) * Math.Sqrt(Primes[i % Primes.Length]);
                point[loops[i].Var] = Interval.Point((long)((along - Math.Floor(along)) * extents[i]));
            }
            if (conditions.All(c => Holds(c, point)))
                inside++;
        }
        return Math.Max(1, inside) / (double)Samples;
    }

    /// <summary>
    /// Share of the register tiles in which statements are tested one by one: a condition depends on an unrolled loop,
    /// and no code of its own was made for where it always holds. A lane of a vector is masked, which costs little.
    /// </summary>
    public static double StatementTests(Block block, IReadOnlyList<For> loops, long[] extents, int tile, int vector)
    {
        double share = 0;
        foreach (var condition in block.Predicate.Conjuncts())
        {
            bool tested = false;
            for (int i = tile; i < loops.Count; i++)
                tested |= i != vector && extents[i] > 1 && condition.Uses(loops[i].Var);
            if (!tested)
                continue;
            // Peeling leaves the tests to the last iteration of the loop that is cut; there its variable is a constant,
            // and with it a condition on it and on unrolled loops only.
            double left = 1;
            bool varies = false;
            for (int i = 0; i < tile; i++)
            {
                if (!condition.Uses(loops[i].Var))
                    continue;
                if (loops[i].Peel)
                    left = Math.Min(left, 1.0 / extents[i]);
                else
                    varies |= extents[i] > 1;
            }
            if (varies)
                share = Math.Max(share, left);
        }
        return share;
    }

    private static readonly int[] Primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29];

    private static bool Holds(Expr condition, Dictionary<Var, Interval> point) =>
        condition switch
        {
            Binary { Kind: BinaryOp.Lt } lt => Interval.Of(lt.A, point).Min < Interval.Of(lt.B, point).Max,
            Binary { Kind: BinaryOp.Le } le => Interval.Of(le.A, point).Min <= Interval.Of(le.B, point).Max,
            // Conditions of other forms are rare and say nothing about tails.
            _ => true,
        };
}
