using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// A scan along a serial loop carries its last value in a variable instead of reading it back from the output, which costs
/// the time from a store to its load each step (1000 × 1000: 2.6 ms, carried 0.8). A running sum of Float32 is carried in
/// Float64, as PyTorch does, or, where vectors run across it, whose lanes have one width, as a pair: the sum, and the sum of
/// what its additions rounded off (Ogita, Rump and Oishi 2005, Sum2). Either way the error is that of one rounding, however long
/// the axis. Expects plain statements (after LowerBlocks).
/// </summary>
/// <remarks>
/// for j: Y[i, j] = select(j == 0, x, Y[i, j - 1] + x) becomes s = 0; for j: s = s + f64(x); Y[i, j] = f32(s).
/// Scans whose axis more than one loop runs along are left alone.
/// </remarks>
public static class CarryScans
{
    public static LoopNest Run(LoopNest nest)
    {
        var body = nest.Body.MapUp(s => s is For { Kind: LoopKind.Serial } f ? Carried(f) : s);
        return ReferenceEquals(body, nest.Body) ? nest : nest with { Body = body };
    }

    private sealed record Step(Store Store, Expr Value, Expr Combined, Load Before, ImmutableArray<For> Loops);

    private static Stmt Carried(For f)
    {
        var steps = new List<Step>();
        Walk(f.Body, []);
        if (steps.Count == 0 || steps.Any(s => IsUsedElsewhere(f, s, steps)))
            return f;
        var made = steps.Select((s, i) => Make(s, i == 0 ? "" : $"{i}")).ToList();
        var body = f.Body.Map(s =>
            steps.FindIndex(x => ReferenceEquals(x.Store, s)) is >= 0 and var i ? made[i].Step : null
        );
        Stmt result = Seq.Of([.. made.SelectMany(m => m.Start), f with { Body = body }]);
        foreach (var buffer in made.SelectMany(m => m.Buffers))
            result = new Allocate(buffer, result);
        return result;

        void Walk(Stmt stmt, ImmutableArray<For> loops)
        {
            switch (stmt)
            {
                case For l when l.Extent is IntImm && !l.Kind.IsGpu() && l.Kind != LoopKind.Parallel:
                    Walk(l.Body, loops.Add(l));
                    break;
                case Seq or Allocate:
                case If { Else: null } i when !i.Cond.Uses(f.Var) && !i.Cond.Loads().Any():
                    foreach (var child in stmt.Children())
                        Walk(child, loops);
                    break;
                case Store s when Of(f, s, loops) is { } step:
                    steps.Add(step);
                    break;
                default:
                    break;
            }
        }
    }

    // Y[…, j, …] = select(j == 0, value, combined with Y[…, j - 1, …]), j the loop's variable.
    private static Step? Of(For f, Store s, ImmutableArray<For> loops)
    {
        if (s.Value is not Select { Cond: Binary { Kind: BinaryOp.Eq } first } select)
            return null;
        if (!ReferenceEquals(first.A, f.Var) || !first.B.IsConst(0))
            return null;
        var along = Enumerable.Range(0, s.Indices.Length).Where(d => s.Indices[d].Uses(f.Var)).ToList();
        if (along is not [var at] || !ReferenceEquals(s.Indices[at], f.Var))
            return null;
        ImmutableArray<Expr> place = s.Indices.SetItem(at, f.Var - 1);
        var reads = select.Else.Loads().Where(l => l.Buffer == s.Buffer).ToList();
        if (reads is not [var before] || !before.Indices.SequenceEqual(place) || ReadsOf(select.Then, s.Buffer))
            return null;
        // One element of the carry for each of the output's but for those along the axis.
        var used = loops.Where(l => s.Indices.Any(i => i.Uses(l.Var))).ToImmutableArray();
        return used.Length == loops.Length ? new Step(s, select.Then, select.Else, before, used) : null;
    }

    private static bool ReadsOf(Expr e, Buffer buffer) => e.Loads().Any(l => l.Buffer == buffer);

    private static bool IsUsedElsewhere(For f, Step step, List<Step> steps) =>
        BufferAccess
            .Below(f.Body)
            .Any(a => a.Buffer == step.Store.Buffer && !steps.Any(s => ReferenceEquals(s.Store, a.Statement)));

    private static (ImmutableArray<Buffer> Buffers, ImmutableArray<Stmt> Start, Stmt Step) Make(
        Step step,
        string number
    )
    {
        var type = step.Store.Buffer.Type;
        var order = step.Loops.OrderBy(l => l.Kind == LoopKind.Vector).ToList();
        ImmutableArray<Expr> shape = order.Count == 0 ? [1] : [.. order.Select(l => l.Extent)];
        ImmutableArray<Expr> index = order.Count == 0 ? [0] : [.. order.Select(l => (Expr)l.Var)];
        bool small = order.All(l => l.Kind is LoopKind.Vector or LoopKind.Unrolled);
        var scope = small ? Scope.Register : Scope.Heap;
        var carry = new Buffer(step.Store.Buffer.Name + ".carry" + number, type, shape, scope);
        Expr old = carry.At(index);
        Expr next = step.Combined.Map(e => e == step.Before ? old : null);
        Expr? identity = (type.IsFloat(), step.Combined) switch
        {
            (true, Binary { Kind: BinaryOp.Add }) => Op.Const(-0.0, type),
            (false, Binary { Kind: BinaryOp.Add }) => Op.Const(0, type),
            (_, Binary { Kind: BinaryOp.Mul }) => Op.Const(1, type),
            _ => null,
        };
        if (identity is null)
        {
            var select = (Select)step.Store.Value;
            var store = new Store(carry, index, Op.Select(select.Cond, step.Value, next));
            return ([carry], [], Seq.Of(store, step.Store with { Value = old }));
        }
        bool sum32 = type == DType.Float32 && step.Combined is Binary { Kind: BinaryOp.Add };
        Expr? term = step.Combined is Binary both ? (both.A == step.Before ? both.B : both.A) : null;
        if (sum32 && !order.Any(l => l.Kind == LoopKind.Vector))
        {
            var wide = new Buffer(carry.Name, DType.Float64, shape, scope);
            Expr total = wide.At(index) + Op.Cast(DType.Float64, term!);
            return (
                [wide],
                [Over(step, wide, index, Op.Const(-0.0, DType.Float64))],
                Seq.Of(new Store(wide, index, total), step.Store with { Value = Op.Cast(type, wide.At(index)) })
            );
        }
        var start = Over(step, carry, index, identity);
        var put = new Store(carry, index, next);
        if (!sum32)
            return ([carry], [start], Seq.Of(put, step.Store with { Value = old }));

        var rest = new Buffer(step.Store.Buffer.Name + ".rest" + number, type, shape, scope);
        // Knuth's two-sum: exact, whichever of the two is larger.
        Expr back = next - old;
        Expr lost = (old - (next - back)) + (term! - back);
        // Where the sum is infinite or NaN, what it lost is NaN from then on; the sum alone is right.
        Expr kept = rest.At(index);
        Expr value = Op.Select(Op.Eq(kept, kept), old + kept, old);
        return (
            [carry, rest],
            [start, Over(step, rest, index, Op.Const(-0.0, type))],
            Seq.Of(new Store(rest, index, kept + lost), put, step.Store with { Value = value })
        );
    }

    private static Stmt Over(Step step, Buffer carry, ImmutableArray<Expr> index, Expr value)
    {
        var fresh = step.Loops.ToDictionary(l => l.Var, l => (Expr)new Var(l.Name));
        Stmt stmt = new Store(carry, [.. index.Select(i => i.Substitute(fresh))], value);
        foreach (var l in step.Loops.Reverse())
            stmt = l with { Var = (Var)fresh[l.Var], Body = stmt };
        return stmt;
    }
}
