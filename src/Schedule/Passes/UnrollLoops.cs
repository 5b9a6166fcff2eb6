using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// Replicates unrolled loops, and serial ones whose variable indexes a register buffer (registers have no addresses).
/// Throws <see cref="LoweringException"/> (unroll-too-large) beyond <paramref name="limit"/> statements.
/// </summary>
public sealed class UnrollLoops(int limit)
{
    private int _statements;

    public LoopNest Run(LoopNest nest) =>
        nest with
        {
            Body = Visit(nest.Body, new Dictionary<Var, Interval>(nest.ParameterRanges)),
        };

    private Stmt Visit(Stmt stmt, Dictionary<Var, Interval> ranges)
    {
        if (stmt is For { ConstantExtent: { } extent } f && (f.Kind == LoopKind.Unrolled || IndexesRegisters(f)))
        {
            var copies = new List<Stmt>();
            for (long i = 0; i < extent; i++)
            {
                var copy = f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = i });
                copies.Add(Visit(copy, ranges));
            }
            return Seq.Of(copies);
        }
        switch (stmt)
        {
            case For { Kind: LoopKind.Unrolled } symbolic:
                throw new LoweringException(
                    "unroll-symbolic",
                    $"loop {symbolic.Name} has the extent {symbolic.Extent}"
                );
            case For loop:
                ranges[loop.Var] = new Interval(0, Math.Max(0, Interval.Of(loop.Extent, ranges).Max - 1));
                var body = Visit(loop.Body, ranges);
                ranges.Remove(loop.Var);
                if (body is Seq { IsEmpty: true })
                    return body;
                return ReferenceEquals(body, loop.Body) ? loop : loop with { Body = body };
            case If i:
                var cond = Simplifier.Simplify(i.Cond, ranges);
                if (cond.IsTrue())
                    return Visit(i.Then, ranges);
                if (cond.IsFalse())
                    return i.Else is null ? new Seq([]) : Visit(i.Else, ranges);
                var then = Visit(i.Then, ranges);
                var otherwise = i.Else is null ? null : Visit(i.Else, ranges);
                return then is Seq { IsEmpty: true } && otherwise is null ? then : new If(cond, then, otherwise);
            case Store or StoreAll or Call or Prefetch:
                if (++_statements > limit)
                    throw new LoweringException("unroll-too-large", $"more than {limit} statements after unrolling");
                return stmt;
            default:
                return stmt.WithChildren(child => Visit(child, ranges));
        }
    }

    private static bool IndexesRegisters(For f)
    {
        if (f.Kind != LoopKind.Serial)
            return false;
        foreach (var node in f.Body.Nodes())
        {
            switch (node)
            {
                case Store s when Registers(f.Var, s.Buffer, s.Indices) || InLoads(s.Value):
                    return true;
                case StoreAll a when a.Stores.Any(s => Registers(f.Var, s.Buffer, s.Indices) || InLoads(s.Value)):
                    return true;
                default:
                    break;
            }
        }
        return false;

        bool InLoads(Expr e) => e.Loads().Any(l => Registers(f.Var, l.Buffer, l.Indices));
    }

    private static bool Registers(Var var, Buffer buffer, IEnumerable<Expr> indices) =>
        buffer.Scope == Scope.Register && indices.Any(i => i.Uses(var));
}
