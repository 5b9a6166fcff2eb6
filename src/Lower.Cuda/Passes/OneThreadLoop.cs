using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// All thread loops of a kernel become one loop thread.x around everything in the block loops. The variable of a thread
/// loop becomes a digit of the thread's number, with a condition where the loop is shorter than the block is wide. What
/// lay outside of the loops of some kind is run by all threads along it: registers are each thread's own, so all write
/// them; memory is written by the first of those threads. Intrinsics and lane reductions stay as they are, since whole
/// warps execute them. Shared memory is allocated around the loop. Expects plain statements (after LowerBlocks).
/// </summary>
internal static class OneThreadLoop
{
    public static LoopNest Run(LoopNest nest)
    {
        var body = Kernels.Map(nest.Body, (kernel, index) => Lower(kernel, index));
        // Coordinates in indices and conditions fold now that the number of threads is known.
        return LowerBlocks.Run(nest with { Body = body });
    }

    private static Stmt Lower(For kernel, int index)
    {
        var space = ThreadSpace.Of(kernel);
        var thread = new Var(index == 0 ? "thread" : $"thread{index}");
        var blocks = new List<For>();
        var shared = new List<Buffer>();
        Stmt body = kernel;
        for (; ; )
        {
            if (body is For { Kind: >= LoopKind.BlockX and <= LoopKind.Cluster } block)
            {
                blocks.Add(block);
                body = block.Body;
            }
            else if (body is Allocate { Buffer.Scope: Scope.Shared, Body: For { Kind: < LoopKind.Warpgroup } } a)
            {
                shared.Add(a.Buffer);
                body = a.Body;
            }
            else
            {
                break;
            }
        }
        var lowering = new Lowering(space, thread, shared);
        Stmt result = new For(thread, space.Threads, LoopKind.ThreadX, lowering.Visit(body, []));
        foreach (var buffer in Enumerable.Reverse(shared))
            result = new Allocate(buffer, result);
        foreach (var block in Enumerable.Reverse(blocks))
            result = block with
            {
                Body = result,
                Annotations = block.Annotations.Remove(LowerThreadReductions.Aligned),
            };
        return result;
    }

    private sealed class Lowering(ThreadSpace space, Var thread, List<Buffer> shared)
    {
        /// <param name="stmt">Thread variables of loops around it are substituted already.</param>
        /// <param name="bound">Kinds of the thread loops around.</param>
        public Stmt Visit(Stmt stmt, ImmutableArray<LoopKind> bound)
        {
            switch (stmt)
            {
                case For f when f.Kind.IsThread():
                    var coordinate = space.Coordinate(f.Kind, thread);
                    var body = f.Body.Substitute(new Dictionary<Var, Expr> { [f.Var] = coordinate });
                    body = Visit(body, bound.Add(f.Kind));
                    if (f.ConstantExtent == space.Count(f.Kind))
                        return body;
                    var condition = Op.Lt(coordinate, f.Extent);
                    // A condition that whole warps share parts none of them.
                    var (low, high) = space.Digit(f.Kind);
                    bool whole =
                        low % GpuInfo.WarpSize == 0
                        || (high == space.Threads && low * f.ConstantExtent!.Value % GpuInfo.WarpSize == 0);
                    return whole ? new If(condition, body) : Guard(condition, body);
                case For { Kind: LoopKind.Cluster } f:
                    throw new LoweringException(
                        "thread-kinds",
                        $"loop {f.Name} is cluster, which is possible directly inside the loops over blocks and there alone"
                    );
                case For f when f.Kind.IsGpu() || f.Kind == LoopKind.Parallel:
                    throw new LoweringException(
                        "thread-kinds",
                        $"loop {f.Name} is {f.Kind.Text()}, which is not possible inside of a kernel"
                    );
                case Allocate { Buffer.Scope: Scope.Shared } a:
                    // A loop that was cut has the buffer in each of its parts.
                    if (!shared.Contains(a.Buffer))
                        shared.Add(a.Buffer);
                    return Visit(a.Body, bound);
                case Allocate { Buffer.Scope: Scope.Stack } a:
                    var own = a.Buffer.With(scope: Scope.Register);
                    return Visit(new Allocate(own, a.Body.ReplaceBuffer(a.Buffer, own)), bound);
                case Allocate { Buffer.Scope: Scope.Register } a:
                    return a with { Body = Visit(a.Body, bound), Apart = [.. bound.Select(space.Digit)] };
                case Store s when !IsPrivate(s.Buffer):
                    return First(s, bound);
                case StoreAll all when !all.Stores.All(s => IsPrivate(s.Buffer)):
                    return First(all, bound);
                case DeviceOp d when d.Step == QueueStep.Begin:
                    return First(d, bound);
                // One thread copies whole tiles, whichever it will be.
                case Async { Kind: AsyncKind.Bulk }:
                    return stmt;
                default:
                    return stmt.WithChildren(child => Visit(child, bound));
            }
        }

        // Only the first of the threads along the kinds that no loop around names.
        private Stmt First(Stmt stmt, ImmutableArray<LoopKind> bound)
        {
            LoopKind[] system =
                bound.IsEmpty || bound.Any(ThreadSpace.IsPlain)
                    ? [LoopKind.ThreadX, LoopKind.ThreadY, LoopKind.ThreadZ]
                    : [LoopKind.Lane, LoopKind.Warp, LoopKind.Warpgroup];
            if (bound.IsEmpty)
                return space.Threads == 1 ? stmt : new If(Op.Eq(thread, 0), stmt);
            var condition = system
                .Where(k => !bound.Contains(k) && Exists(k))
                .Select(k => Op.Eq(space.Coordinate(k, thread), 0))
                .Aggregate(Op.True, Op.And);
            return condition.IsTrue() ? stmt : new If(condition, stmt);
        }

        // Without loops over warpgroups, warps number all of the block. Blocks that are widened to whole warps have several
        // threads along their last kind, even where its loops have one.
        private bool Exists(LoopKind kind) =>
            (kind != LoopKind.Warpgroup || space.HasWarpgroups) && space.Count(kind) > 1;

        // Whole warps come to lane reductions and intrinsics; constants in registers that only those use do no harm in
        // threads that are left out.
        private static Stmt Guard(Expr condition, Stmt stmt)
        {
            if (!stmt.Nodes().Any(s => s is LaneReduce or Call or Barrier))
                return new If(condition, stmt);
            return stmt switch
            {
                Seq q => Seq.Of(q.Items.Select(i => IsHarmless(i) ? i : Guard(condition, i))),
                For or Allocate => stmt.WithChildren(c => Guard(condition, c)),
                If { Else: null } i => i with { Then = Guard(condition, i.Then) },
                _ => stmt,
            };
        }
    }

    // Nothing but constants to registers.
    private static bool IsHarmless(Stmt stmt) =>
        stmt.Nodes()
            .All(s =>
                s switch
                {
                    Store t => IsPrivate(t.Buffer) && t.Value is (FloatImm or IntImm),
                    StoreAll a => a.Stores.All(t => IsPrivate(t.Buffer) && t.Value is (FloatImm or IntImm)),
                    For { Extent: IntImm } or Seq => true,
                    _ => false,
                }
            );

    /// <summary>Whether each thread has its own.</summary>
    internal static bool IsPrivate(Buffer buffer) => buffer.Scope is Scope.Register or Scope.Stack or Scope.Fragment;
}
