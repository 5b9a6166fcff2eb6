using Picograd.Algorithms;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Xunit;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Tests.Interpret;

/// <summary>Threads of a GPU block: barriers, who they cover, and who must reach them.</summary>
public class ThreadSanitizerTests
{
    private const int N = 128;
    private static readonly Algorithm Twice = Nests.Double(N);
    private static readonly Buffer A = Twice.Inputs[0];
    private static readonly Buffer B = Twice.Outputs[0];
    private static readonly Buffer S = new("S", DType.Float32, [64], Scope.Shared);
    private readonly Var _b = new("b");
    private readonly Var _t = new("t");
    private readonly Var _u = new("u");
    private readonly Var _k = new("k");
    private static readonly Stmt BlockBarrier = new Barrier(BarrierScope.Block);

    // Two blocks of 64 threads; each thread passes an element through shared memory.
    private Stmt Exchange(Expr from, Stmt? between) =>
        Nests.Loop(
            _b,
            2,
            new Allocate(
                S,
                Nests.Loop(
                    _t,
                    64,
                    Seq.Of(
                        new Stmt?[]
                        {
                            Nests.Store(S, _t, A[_b * 64 + _t]),
                            between,
                            Nests.Store(B, _b * 64 + _t, S[from]),
                        }.OfType<Stmt>()
                    ),
                    LoopKind.ThreadX
                )
            ),
            LoopKind.BlockX
        );

    [Fact]
    public void Threads_exchange_through_shared_memory_with_a_barrier()
    {
        double[] b = Run(Exchange(63 - _t, BlockBarrier));
        Assert.Equal(64, b[0]);
        Assert.Equal(65, b[127]);
    }

    [Fact]
    public void Without_the_barrier_it_is_a_race_in_every_order()
    {
        Stops(SanitizerKind.Race, Exchange(63 - _t, null));
        for (int seed = 0; seed < 5; seed++)
            Stops(SanitizerKind.Race, Exchange(63 - _t, null), seed);
    }

    [Fact]
    public void A_thread_may_read_its_own_element_without_a_barrier() => Assert.Equal(1, Run(Exchange(_t, null))[0]);

    [Fact]
    public void A_warp_barrier_covers_its_warp_only()
    {
        var warp = new Barrier(BarrierScope.Warp);
        // Threads t and t ^ 1 are in one warp, t and t ^ 32 are not.
        Assert.Equal(2, Run(Exchange(_t ^ 1, warp))[0]);
        Stops(SanitizerKind.Race, Exchange(_t ^ 32, warp));
        // Both warps are in one warpgroup.
        Assert.Equal(33, Run(Exchange(_t ^ 32, new Barrier(BarrierScope.Warpgroup)))[0]);
    }

    [Fact]
    public void Lanes_and_warps_as_loops_are_the_same_threads()
    {
        Stmt Nest(Expr from, BarrierScope scope) =>
            new Allocate(
                S,
                Nests.Loop(
                    _b,
                    2,
                    Nests.Loop(
                        _t,
                        32,
                        Seq.Of(
                            Nests.Store(S, _b * 32 + _t, A[_b * 32 + _t]),
                            new Barrier(scope),
                            Nests.Store(B, _b * 32 + _t, S[from]),
                            Nests.Store(B, 64 + _b * 32 + _t, 0f)
                        ),
                        LoopKind.Lane
                    ),
                    LoopKind.Warp
                )
            );
        Assert.Equal(32, Run(Nest(_b * 32 + 31 - _t, BarrierScope.Warp))[0]);
        Stops(SanitizerKind.Race, Nest((1 - _b) * 32 + _t, BarrierScope.Warp));
        Assert.Equal(33, Run(Nest((1 - _b) * 32 + _t, BarrierScope.Block))[0]);
    }

    [Fact]
    public void A_barrier_does_not_join_blocks()
    {
        var heap = new Buffer("H", DType.Float32, [N], Scope.Heap);
        var body = new Allocate(
            heap,
            Nests.Loop(
                _b,
                2,
                Nests.Loop(
                    _t,
                    64,
                    Seq.Of(
                        Nests.Store(heap, _b * 64 + _t, A[_b * 64 + _t]),
                        BlockBarrier,
                        Nests.Store(B, _b * 64 + _t, Op.Select(Op.Eq(_b, 1), heap[_t], 0f))
                    ),
                    LoopKind.ThreadX
                ),
                LoopKind.BlockX
            )
        );
        var error = Stops(SanitizerKind.Race, body);
        Assert.Contains("block.x b=0", error.Message);
    }

    [Fact]
    public void Thread_loops_one_after_the_other_are_the_same_threads_and_need_a_barrier_to_exchange()
    {
        Stmt Nest(Expr from, bool barrier) =>
            Nests.Loop(
                _b,
                2,
                new Allocate(
                    S,
                    Seq.Of(
                        new Stmt?[]
                        {
                            Nests.Loop(_t, 64, Nests.Store(S, _t, A[_b * 64 + _t]), LoopKind.ThreadX),
                            barrier ? BlockBarrier : null,
                            Nests.Loop(_u, 64, Nests.Store(B, _b * 64 + _u, S[from]), LoopKind.ThreadX),
                        }.OfType<Stmt>()
                    )
                ),
                LoopKind.BlockX
            );
        Run(Nest(_u, false));
        Run(Nest(63 - _u, true));
        Stops(SanitizerKind.Race, Nest(63 - _u, false));
        // In a schedule the loops are in order, as all statements of a sequence; what is within one loop is not.
        var joins = new InterpreterOptions(ThreadLoopsJoin: true);
        Nests.Run(Nests.With(Twice, Nest(63 - _u, false)), joins);
        var within = Nests.With(Twice, Exchange(63 - _t, null));
        Assert.Equal(SanitizerKind.Race, Assert.Throws<SanitizerException>(() => Nests.Run(within, joins)).Kind);
    }

    [Fact]
    public void Shared_memory_that_is_used_again_needs_a_second_barrier()
    {
        Stmt Nest(bool second) =>
            new Allocate(
                S,
                Nests.Loop(
                    _t,
                    64,
                    Nests.Loop(
                        _k,
                        2,
                        Seq.Of(
                            new Stmt?[]
                            {
                                Nests.Store(S, _t, A[_k * 64 + _t]),
                                BlockBarrier,
                                Nests.Store(B, _k * 64 + _t, S[63 - _t]),
                                second ? BlockBarrier : null,
                            }.OfType<Stmt>()
                        )
                    ),
                    LoopKind.ThreadX
                )
            );
        Assert.Equal(64, Run(Nest(true))[0]);
        var error = Stops(SanitizerKind.Race, Nest(false));
        Assert.Contains(("k", 1L), error.Loops);
    }

    [Fact]
    public void Registers_allocated_by_a_thread_are_its_own()
    {
        var r = new Buffer("R", DType.Float32, [1], Scope.Register);
        var each = new Allocate(
            r,
            Seq.Of(Nests.Store(r, 0, A[_b * 64 + _t]), BlockBarrier, Nests.Store(B, _b * 64 + _t, r[0]))
        );
        Stmt Nest(Stmt inner) => Nests.Loop(_b, 2, Nests.Loop(_t, 64, inner, LoopKind.ThreadX), LoopKind.BlockX);
        Assert.Equal(Enumerable.Range(1, N).Select(i => (double)i), Run(Nest(each)));
        // One register for all of them is not.
        Stops(SanitizerKind.Race, new Allocate(r, Nest(each.Body)));
    }

    [Fact]
    public void A_barrier_under_a_condition_on_the_thread_diverges()
    {
        var error = Stops(SanitizerKind.DivergentBarrier, Exchange(_t, new If(Op.Lt(_t, 63), BlockBarrier)));
        Assert.Contains("1 threads of the block do not reach the barrier", error.Message);
        Assert.Contains("barrier block    <-- here", error.Message);
        // A condition on the block is the same for all its threads, and a full warp may meet by itself.
        Run(Exchange(63 - _t, new If(Op.Lt(_b, 2), BlockBarrier)));
        Run(Exchange(_t, new If(Op.Lt(_t, 32), new Barrier(BarrierScope.Warp))));
        Stops(SanitizerKind.DivergentBarrier, Exchange(_t, new If(Op.Lt(_t, 33), new Barrier(BarrierScope.Warp))));
    }

    [Fact]
    public void A_barrier_in_a_loop_that_threads_leave_at_different_times_diverges()
    {
        Run(Exchange(63 - _t, new For(_k, _b + 1, LoopKind.Serial, BlockBarrier)));
        Stops(SanitizerKind.DivergentBarrier, Exchange(_t, new For(_k, _t + 1, LoopKind.Serial, BlockBarrier)));
    }

    [Fact]
    public void A_barrier_in_the_shorter_of_two_thread_loops_diverges()
    {
        Stmt Nest(long few) =>
            Seq.Of(
                Nests.Loop(_t, few, Seq.Of(BlockBarrier, Nests.Store(B, _t, 0f)), LoopKind.ThreadX),
                Nests.Loop(_u, N, Nests.Store(B, _u, A[_u]), LoopKind.ThreadX)
            );
        Stmt Launch(long few) => Nests.Loop(_b, 1, Nest(few), LoopKind.BlockX);
        Run(Launch(N));
        Stops(SanitizerKind.DivergentBarrier, Launch(N / 2));
    }

    [Fact]
    public void Inner_thread_loops_of_a_part_of_the_threads_diverge_at_a_barrier()
    {
        Stmt Nest(long rows) =>
            Nests.Loop(
                _t,
                2,
                new If(
                    Op.Lt(_t, rows),
                    Nests.Loop(
                        _u,
                        64,
                        Seq.Of(
                            BlockBarrier,
                            Nests.Store(B, _t * 64 + _u, 0f),
                            Nests.Store(B, Op.Min(_t * 64 + _u + 64 * (2 - rows), N - 1), 0f)
                        ),
                        LoopKind.ThreadX
                    )
                ),
                LoopKind.ThreadY
            );
        Run(Nest(2));
        Stops(SanitizerKind.DivergentBarrier, Nest(1));
    }

    private static double[] Run(Stmt body, int? seed = null) =>
        Nests.Run(Nests.With(Twice, body), new InterpreterOptions(Seed: seed));

    private static SanitizerException Stops(SanitizerKind kind, Stmt body, int? seed = null)
    {
        var error = Assert.Throws<SanitizerException>(() => Run(body, seed));
        Assert.Equal(kind, error.Kind);
        return error;
    }
}
