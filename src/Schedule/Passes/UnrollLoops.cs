using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Replicates unrolled loops, and serial ones whose variable indexes a register buffer (registers have no addresses).
/// Throws <see cref="LoweringException"/> (unroll-too-large) beyond <paramref name="limit"/> statements.
/// </summary>
public sealed class UnrollLoops(int limit)
{
    // Copies of bodies, also of those that turn out empty, for each statement that may remain.
    private const int CopiesAStatement = 8;

    // Nodes of expressions for each statement that may remain: 4,000 statements of 128 nodes take about 0.3 s to write out.
    private const int NodesAStatement = 128;

    // Variables that index a register buffer, found once: loops over them are unrolled wherever they stand.
    private readonly HashSet<Var> _registerIndices = [];
    private readonly Dictionary<Var, Expr> _values = [];
    private readonly Dictionary<Var, Interval> _ranges = [];
    private int _statements;
    private long _copies;
    private long _nodes;
    private readonly Dictionary<Stmt, int> _sizes = new(ReferenceEqualityComparer.Instance);

    public LoopNest Run(LoopNest nest)
    {
        foreach (var (var, range) in nest.ParameterRanges)
            _ranges[var] = range;
        FindRegisterIndices(nest.Body);
        return nest with { Body = Visit(nest.Body) };
    }

    private Stmt Visit(Stmt stmt)
    {
        switch (stmt)
        {
            case For { ConstantExtent: { } extent } f when IsUnrolled(f):
                var copies = new List<Stmt>();
                for (long i = 0; i < extent; i++)
                {
                    if (++_copies > (long)CopiesAStatement * limit)
                        throw new LoweringException(
                            "unroll-too-large",
                            $"more than {CopiesAStatement * limit} copies of loop bodies in unrolling"
                        );
                    _values[f.Var] = i;
                    var copy = Visit(f.Body);
                    if (copy is not Seq { IsEmpty: true })
                        copies.Add(copy);
                }
                _values.Remove(f.Var);
                return Seq.Of(copies);
            case For { Kind: LoopKind.Unrolled } symbolic:
                throw new LoweringException(
                    "unroll-symbolic",
                    $"loop {symbolic.Name} has the extent {symbolic.Extent}"
                );
            case For loop:
                var loopExtent = loop.Extent.Substitute(_values);
                _ranges[loop.Var] = new Interval(0, Math.Max(0, Interval.Of(loopExtent, _ranges).Max - 1));
                var body = Visit(loop.Body);
                _ranges.Remove(loop.Var);
                if (body is Seq { IsEmpty: true })
                    return body;
                return ReferenceEquals(body, loop.Body) && ReferenceEquals(loopExtent, loop.Extent)
                    ? loop
                    : loop with
                    {
                        Extent = loopExtent,
                        Body = body,
                    };
            case If i:
                var cond = Simplifier.Simplify(i.Cond.Substitute(_values), _ranges);
                if (cond.IsTrue())
                    return Visit(i.Then);
                if (cond.IsFalse())
                    return i.Else is null ? new Seq([]) : Visit(i.Else);
                var then = Visit(i.Then);
                var otherwise = i.Else is null ? null : Visit(i.Else);
                return then is Seq { IsEmpty: true } && otherwise is null ? then : new If(cond, then, otherwise);
            case Store or StoreAll or Call or Prefetch:
                if (++_statements > limit)
                    throw new LoweringException("unroll-too-large", $"more than {limit} statements after unrolling");
                _nodes += SizeOf(stmt);
                if (_nodes > (long)NodesAStatement * limit)
                    throw new LoweringException(
                        "unroll-too-large",
                        $"more than {NodesAStatement * limit} nodes of expressions after unrolling"
                    );
                return stmt.Substitute(_values);
            default:
                return stmt.WithChildren(Visit);
        }
    }

    private int SizeOf(Stmt stmt)
    {
        if (!_sizes.TryGetValue(stmt, out int size))
        {
            stmt.MapExprs(e =>
            {
                size += e.Nodes().Count;
                return e;
            });
            _sizes.Add(stmt, size);
        }
        return size;
    }

    private bool IsUnrolled(For f) =>
        f.Kind == LoopKind.Unrolled || (f.Kind == LoopKind.Serial && _registerIndices.Contains(f.Var));

    private void FindRegisterIndices(Stmt stmt)
    {
        foreach (var access in stmt.Nodes().SelectMany(BufferAccess.Own))
        {
            if (access.Buffer.Scope == Scope.Register && access.Kind != AccessKind.Hint)
                _registerIndices.UnionWith(access.Indices.SelectMany(i => i.FreeVars()));
        }
    }
}
