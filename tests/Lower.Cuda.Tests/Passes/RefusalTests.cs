using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Passes;

/// <summary>What the passes refuse, by the stable name of the reason, and what the interpreter says of lanes.</summary>
public class RefusalTests
{
    private static readonly Algorithm Twice = MakeTwice();
    private static readonly Algorithms.Buffer A = Twice.Inputs[0];
    private static readonly Algorithms.Buffer B = Twice.Outputs[0];
    private readonly Var _t = new("t");

    [Fact]
    public void Loops_that_are_not_on_the_gpu()
    {
        var error = Refused("no-gpu-loop", InitialNest.Of(SimtSchedules.Matmul(4, 4, 4)));
        Assert.Contains("loop C.m (serial)", error.Message);
    }

    [Fact]
    public void Registers_that_several_threads_would_share()
    {
        var nest = SimtSchedules.Apply(
            SimtSchedules.Matmul(32, 32, 8),
            """
            C.reg, C.copy = cache_write C register
            mo, mi = split C.m 16
            no, ni = split C.n 16
            reorder mo no C.k mi ni
            cm, cn = reverse_compute_at C.copy no
            init = decompose_reduction C C.k
            bind mo block.y
            bind no block.x
            bind mi thread.y
            bind ni thread.x
            bind cm thread.y
            bind cn thread.x
            """
        );
        var error = Refused("register-index", nest);
        Assert.Contains("C.reg[init.mi, init.ni] and C.reg[thread // 16, thread % 16]", error.Message);
    }

    [Fact]
    public void More_shared_memory_than_there_is()
    {
        var nest = SimtSchedules.Apply(
            SimtSchedules.TransposeOf(300, 300),
            """
            S, copy = cache_read A T shared
            unit = unit_loop T.i
            compute_at copy unit
            bind unit block.x
            bind T.j thread.x
            """
        );
        Refused("shared-too-large", nest);
    }

    [Fact]
    public void Threads_that_meet_where_not_all_of_them_come()
    {
        var s = new Algorithms.Buffer("S", DType.Float32, [64], Scope.Shared);
        // Whether a thread exchanges depends on data.
        Stmt exchange = Seq.Of(
            new Store(s, [_t], A[_t]),
            new For(
                new Var("k"),
                2,
                LoopKind.Serial,
                new If(Op.Lt(0f, A[_t]), Seq.Of(new Store(s, [_t], A[_t]), new Store(B, [_t], s[63 - (Expr)_t])))
            )
        );
        var body = new Allocate(s, new For(_t, 64, LoopKind.ThreadX, exchange));
        Refused("divergent-barrier", Nest(new For(new Var("b"), 1, LoopKind.BlockX, body)));
    }

    [Fact]
    public void More_threads_than_a_block_has()
    {
        var u = new Var("u");
        var body = new For(
            new Var("b"),
            1,
            LoopKind.BlockX,
            Seq.Of(
                new For(_t, 1024, LoopKind.ThreadX, new If(Op.Lt(_t, 32), new Store(B, [_t], A[_t]))),
                new For(u, 2, LoopKind.ThreadY, new Store(B, [u + 32], A[u]))
            )
        );
        Refused("too-many-threads", Nest(body));
    }

    [Theory]
    [InlineData(8, 1, 0, 28)]
    [InlineData(8, 1, 13, 92)]
    [InlineData(4, 8, 3, 60)]
    [InlineData(32, 1, 31, 496)]
    public void Lanes_combine_with_their_neighbours(int width, int stride, int lane, double sum)
    {
        Assert.Equal(sum, Lanes(width, stride, null)[lane]);
        Assert.Equal(sum, Lanes(width, stride, null)[lane & ~((width - 1) * stride)]);
    }

    [Fact]
    public void Lanes_that_stay_away_are_a_fault()
    {
        var error = Assert.Throws<SanitizerException>(() => Lanes(8, 1, Op.Lt(_t, 16)));
        Assert.Equal(SanitizerKind.DivergentBarrier, error.Kind);
        Assert.Contains("16 lanes of a warp do not come", error.Message);
    }

    [Fact]
    public void Nests_that_are_not_kernel_form()
    {
        var inner = new For(new Var("l"), 32, LoopKind.Lane, new Store(B, [_t], A[_t]));
        var error = Assert.Throws<LoweringException>(() =>
            KernelForm.Checked(Nest(new For(_t, 64, LoopKind.ThreadX, inner)), GpuInfo.H100)
        );
        Assert.Equal("kernel-form", error.Reason);
        Assert.Contains("loop l is lane inside the thread loop", error.Message);
    }

    // Each lane starts with its number.
    private double[] Lanes(int width, int stride, Expr? only)
    {
        var r = new Algorithms.Buffer("R", DType.Float32, [1], Scope.Register);
        Stmt reduce = new LaneReduce([r], [0], Reducer.Sum(DType.Float32), width, stride);
        var body = new Allocate(
            r,
            Seq.Of(
                new Store(r, [0], Op.Cast(DType.Float32, _t)),
                only is null ? reduce : new If(only, reduce),
                new Store(B, [_t], r[0]),
                new Store(B, [_t + 32], r[0])
            )
        );
        var nest = Nest(new For(_t, 32, LoopKind.ThreadX, body));
        var inputs = new Dictionary<string, HostArray> { ["A"] = HostArray.For(A) };
        return Interpreter.Run(nest, inputs)[0].ToDoubles();
    }

    private static LoweringException Refused(string reason, LoopNest nest)
    {
        var error = Assert.Throws<LoweringException>(() => CudaLowering.Run(nest, GpuInfo.H100));
        Assert.Equal(reason, error.Reason);
        return error;
    }

    private static LoopNest Nest(Stmt body) => new(Twice, body, [], ImmutableDictionary<string, string>.Empty, []);

    private static Algorithm MakeTwice()
    {
        var g = new AlgorithmBuilder("twice");
        var a = g.Input("A", DType.Float32, 64);
        var i = new Axis("i", 64);
        return g.Build(g.Stage("B", [i], a[i] * 2));
    }
}
