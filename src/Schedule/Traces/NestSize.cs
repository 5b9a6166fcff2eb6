using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Traces;

/// <summary>How large a nest is and how much it computes.</summary>
/// <param name="Statements">Statements, loops included.</param>
/// <param name="Depth">Most statements inside one another.</param>
/// <param name="Expressions">Nodes of all expressions.</param>
/// <param name="Work">Executions of statements other than loops, guarded ones included, at the largest extents.</param>
internal readonly record struct NestSize(int Statements, int Depth, int Expressions, double Work)
{
    // Statements never change, and most stay from one step to the next.
    private static readonly ConditionalWeakTable<Stmt, StrongBox<int>> Counted = [];

    /// <summary>Measures a nest; once a count is beyond its limit the others may stay short.</summary>
    public static NestSize Of(LoopNest nest, int statements, int depth, int expressions)
    {
        var counter = new Counter(nest, statements, depth, expressions);
        counter.Visit(nest.Body, 1, 1);
        return new(counter.Statements, counter.Depth, counter.Expressions, counter.Work);
    }

    /// <summary>Bytes of the arguments, and of the intermediates between its stages.</summary>
    public static double DataBytes(LoopNest initial) => Bytes(initial.Buffers, initial);

    /// <summary>Bytes spanned by buffers at their largest extents.</summary>
    public static double Bytes(IEnumerable<Algorithms.Buffer> buffers, LoopNest nest)
    {
        double bytes = 0;
        foreach (var buffer in buffers)
        {
            double elements = 1;
            for (int d = 0; d < buffer.Rank; d++)
            {
                double extent = Largest(buffer.Shape[d], nest.ParameterRanges);
                elements = buffer.Strides.IsDefault
                    ? elements * extent
                    : elements + Math.Max(0, extent - 1) * Math.Abs((double)buffer.Strides[d]);
            }
            bytes += elements * buffer.Type.Size();
        }
        return bytes;
    }

    private static double Largest(Expr extent, IReadOnlyDictionary<Var, Interval> ranges) =>
        extent is IntImm constant ? constant.Value : Interval.Of(extent, ranges).Max;

    private sealed class Counter(LoopNest nest, int mostStatements, int mostDepth, int mostExpressions)
    {
        private readonly Dictionary<Var, Interval> _ranges = new(nest.ParameterRanges);

        public int Statements { get; private set; }

        public int Depth { get; private set; }

        public int Expressions { get; private set; }

        public double Work { get; private set; }

        public void Visit(Stmt stmt, int depth, double times)
        {
            Statements++;
            Depth = Math.Max(Depth, depth);
            if (Statements > mostStatements || Depth > mostDepth || Expressions > mostExpressions)
                return;
            Expressions += Own(stmt);
            switch (stmt)
            {
                case For f:
                    double extent = Math.Max(0, Largest(f.Extent, _ranges));
                    _ranges[f.Var] = new Interval(0, Math.Max(0, (long)Math.Min(extent, long.MaxValue / 2) - 1));
                    Visit(f.Body, depth + 1, times * extent);
                    _ranges.Remove(f.Var);
                    return;
                case Seq:
                    break;
                default:
                    Work += times;
                    break;
            }
            foreach (var child in stmt.Children())
                Visit(child, depth + 1, times);
        }

        // Nodes of the expressions of one statement, without those below it.
        private int Own(Stmt stmt)
        {
            if (stmt is For { Extent: IntImm })
                return 1;
            if (stmt is Seq or Allocate or Async)
                return 0;
            if (Counted.TryGetValue(stmt, out var known))
                return known.Value;
            int count = 0;
            foreach (var e in stmt.Exprs())
                Count(e, ref count);
            if (count <= mostExpressions)
                Counted.AddOrUpdate(stmt, new StrongBox<int>(count));
            return count;
        }

        // Trees that share parts can be exponentially larger than they are in memory: counting stops at the limit.
        private void Count(Expr e, ref int count)
        {
            if (++count > mostExpressions)
                return;
            foreach (var child in e.Children())
                Count(child, ref count);
        }
    }
}
