using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Xunit;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Tests.Codegen;

/// <summary>What is launched and with which arguments; what is refused.</summary>
public class EmitterTests
{
    [Fact]
    public void AProgramSaysWhatToLaunch()
    {
        var program = CudaEmitter.Emit(HandBuilt.Matmul(128, 192, 64), GpuInfo.A100);
        var launch = Assert.Single(program.Launches);
        Assert.Equal("matmul_f32_64x64x16_t64", launch.Kernel);
        Assert.Equal(program.Name, launch.Kernel);
        Assert.Equal((3, 2, 1), (Value(launch.GridX), Value(launch.GridY), Value(launch.GridZ)));
        Assert.Equal(64, launch.Threads);
        Assert.Equal(16 * 68 * 4 - 16 + 16 * 64 * 4, launch.SharedBytes);
        Assert.Equal(["A", "B", "C"], launch.Arguments.Cast<BufferArgument>().Select(a => a.Buffer.Name));
        Assert.Equal<int>([16, 16, 16], program.Alignments);
        Assert.Contains("__launch_bounds__(64, 4)", program.Source, StringComparison.Ordinal);
    }

    [Fact]
    public void SymbolicExtentsAreArgumentsAndGridsOverThem()
    {
        var nest = Symbolic(1 << 20, LoopKind.BlockX);
        var program = CudaEmitter.Emit(nest, GpuInfo.A100);
        var launch = Assert.Single(program.Launches);
        var n = Assert.Single(program.Parameters);
        Assert.Equal(3, Value(launch.GridX.Substitute(n, 300)));
        Assert.Equal(n, Assert.IsType<ParameterArgument>(launch.Arguments[^1]).Parameter);
        Assert.Contains("const long long n_value", program.Source, StringComparison.Ordinal);
        Assert.Equal<int>([4, 4], program.Alignments);
    }

    [Fact]
    public void LargeIndicesAreWide()
    {
        var program = CudaEmitter.Emit(Symbolic(1L << 33, LoopKind.BlockX), GpuInfo.A100);
        Assert.Contains("(long long)block", program.Source, StringComparison.Ordinal);
        Assert.Contains("const long long n)", program.Source, StringComparison.Ordinal);
    }

    [Fact]
    public void AGridTooLargeIsRefused()
    {
        var e = Assert.Throws<LoweringException>(() =>
            CudaEmitter.Emit(Symbolic(1L << 30, LoopKind.BlockY), GpuInfo.A100)
        );
        Assert.Equal("grid-too-large", e.Reason);
        Assert.Contains("block.y", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TooManyThreadsAreRefused() =>
        Assert.Equal("too-many-threads", Refused(Copy(LoopKind.ThreadX, 2048, Scope.Global)));

    [Fact]
    public void OtherLoopsOfThreadsAreRefused() =>
        Assert.Equal("kernel-form", Refused(Copy(LoopKind.Lane, 32, Scope.Global)));

    [Fact]
    public void TooMuchSharedMemoryIsRefused() =>
        Assert.Equal("shared-too-large", Refused(Copy(LoopKind.ThreadX, 128, Scope.Shared, 60_000)));

    [Fact]
    public void SharedBuffersOnBothSidesOfABarrierTakeTheSameSpace()
    {
        Assert.Equal(4096, Shared(withBarrier: true));
        Assert.Equal(8192, Shared(withBarrier: false));
    }

    [Fact]
    public void OnlyElementwiseArgumentsMayBeOneMemory()
    {
        string scale = CudaEmitter.Emit(HandBuilt.Scale(4096), GpuInfo.A100).Source;
        Assert.Contains("(const float* x, float* y)", scale, StringComparison.Ordinal);
        string matmul = CudaEmitter.Emit(HandBuilt.Matmul(64, 64, 64), GpuInfo.A100).Source;
        Assert.Contains(
            "(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C)",
            matmul,
            StringComparison.Ordinal
        );
    }

    private static long Shared(bool withBarrier)
    {
        var g = new AlgorithmBuilder("copy");
        var x = g.Input("x", DType.Float32, 1024);
        var i = new Axis("i", 1024);
        var y = g.Stage("y", [i], x[i]);
        var algorithm = g.Build(y);
        var (first, second) = (
            new Algorithms.Buffer("first", DType.Float32, [1024], Scope.Shared),
            new Algorithms.Buffer("second", DType.Float32, [1024], Scope.Shared)
        );
        var t = new Var("t");
        var part = new Algorithms.Buffer("part", DType.Float32, [1], Scope.Register);
        Stmt body = Seq.Of(
            new Store(first, [t], x[t]),
            new Store(part, [0], first[t]),
            withBarrier ? new Barrier(BarrierScope.Block) : new Seq([]),
            new Store(second, [t], part[0]),
            new Store(y, [t], second[t])
        );
        body = new For(t, 1024, LoopKind.ThreadX, new Allocate(part, body));
        var nest = HandBuilt.Nest(algorithm, new Allocate(first, new Allocate(second, body)));
        nest = nest with { Body = new For(new Var("b"), 1, LoopKind.BlockX, nest.Body) };
        return CudaEmitter.Emit(nest, GpuInfo.A100).Launches[0].SharedBytes;
    }

    private static LoopNest Symbolic(long max, LoopKind blocks)
    {
        var g = new AlgorithmBuilder("copy");
        var n = g.Parameter("n", max);
        var x = g.Input("x", DType.Float32, n);
        var i = new Axis("i", n);
        var y = g.Stage("y", [i], x[i]);
        var algorithm = g.Build(y);
        var (b, t) = (new Var("block"), new Var("t"));
        Expr at = b * 128 + t;
        Stmt body = new If(at < n.Var, new Store(y, [at], x[at]));
        body = new For(b, Op.CeilDiv(n.Var, 128), blocks, new For(t, 128, LoopKind.ThreadX, body));
        return HandBuilt.Nest(algorithm, body);
    }

    private static LoopNest Copy(LoopKind kind, long threads, Scope scope, long size = 4096)
    {
        var g = new AlgorithmBuilder("copy");
        var x = g.Input("x", DType.Float32, threads);
        var i = new Axis("i", threads);
        var y = g.Stage("y", [i], x[i]);
        var t = new Var("t");
        Stmt body = new For(t, threads, kind, new Store(y, [t], x[t]));
        if (scope == Scope.Shared)
            body = new Allocate(new Algorithms.Buffer("tile", DType.Float32, [size], Scope.Shared), body);
        return HandBuilt.Nest(g.Build(y), new For(new Var("b"), 1, LoopKind.BlockX, body));
    }

    private static string Refused(LoopNest nest) =>
        Assert.Throws<LoweringException>(() => CudaEmitter.Emit(nest, GpuInfo.A100)).Reason;

    private static long Value(Expr e) =>
        Assert.IsType<IntImm>(Simplifier.Simplify(e, new Dictionary<Var, Interval>())).Value;
}
