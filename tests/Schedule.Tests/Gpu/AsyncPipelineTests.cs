using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Tests.Storage;
using Xunit;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Tests.Gpu;

/// <summary>Pipelines of asynchronous copies: what they do, what the interpreter finds wrong with broken ones, refusals.</summary>
public class AsyncPipelineTests
{
    private const string CopyAsync = "pipeline C.k.o stages=3 mode=cp.async";

    [Theory]
    [InlineData(2, 24)]
    [InlineData(3, 24)]
    [InlineData(4, 40)]
    [InlineData(4, 8)]
    [InlineData(8, 16)]
    public void PipelinesOfAnyDepthAgree(int stages, int k)
    {
        foreach (string mode in (string[])["sync", "cp.async", "bulk"])
        {
            var s = Scheduled(k: k, pipeline: $"pipeline C.k.o stages={stages} mode={mode}");
            GpuRuns.Agrees(s.Nest);
            GpuRuns.Agrees(GpuRuns.Lowered(s.Nest));
        }
    }

    [Fact]
    public void DoubleBufferTakesTheModesToo()
    {
        var s = Scheduled(pipeline: "double_buffer C.k.o mode=cp.async");
        Assert.Contains(s.Nest.Body.Nodes(), n => n.Is(DeviceOps.WaitCopies) && ((DeviceOp)n).Numbers[0] == 0);
        GpuRuns.Agrees(s.Nest);
    }

    [Fact]
    public void LoweredCopiesAreWholeVectorsUnderOneCondition()
    {
        var lowered = GpuRuns.Lowered(Scheduled(pipeline: CopyAsync).Nest);
        var copies = Copies(lowered.Body);
        Assert.Equal(4, copies.Count);
        Assert.All(copies, c => Assert.Equal((4L, true), (c.Operands[0].Elements, c.Values.IsEmpty)));
        var condition = Assert.Single(lowered.Body.Nodes().OfType<If>());
        Assert.Equal(2, Copies(condition).Count);
        Assert.DoesNotContain(lowered.Body.Nodes(), n => n is Async);
    }

    [Fact]
    public void SwizzledStorageIsPrintedHashedAndKept()
    {
        var plain = Scheduled(pipeline: CopyAsync).Nest;
        var s = Scheduled(pipeline: CopyAsync, last: "swizzle A.s 32b");
        Assert.Contains("buffer A.s: f32[3, 16, 24] shared swizzle 32b", s.Nest.ToString(), StringComparison.Ordinal);
        Assert.NotEqual(NestHash.Of(plain), NestHash.Of(s.Nest));
        var other = Scheduled(pipeline: CopyAsync, last: "swizzle A.s bits=1 base=3 shift=3");
        Assert.NotEqual(NestHash.Of(other.Nest), NestHash.Of(s.Nest));
        Assert.Contains("swizzle bits=1,base=3,shift=3", other.Nest.ToString(), StringComparison.Ordinal);
        var lowered = GpuRuns.Lowered(s.Nest);
        var kept = lowered.Body.Nodes().OfType<Allocate>().Single(a => a.Buffer.Name == "A.s").Buffer;
        Assert.Equal(new ByteSwizzle(1, 4, 3), kept.Swizzle);
        GpuRuns.Agrees(s.Nest);
    }

    [Fact]
    public void EdgesThatEndWithinAVectorAreFilledWithZeros()
    {
        // 22 of 24: the last vector of a row has two valid elements; rows of A are 24 long in memory.
        var g = new AlgorithmBuilder("edge");
        var a = g.Input("A", DType.Float32, 16, 24);
        var (pm, pk) = (new Axis("m", 16), new Axis("k", 24));
        var p = g.Stage("P", [pm, pk], Op.Select(Op.Lt(pk, 22), a[pm, pk], 0f));
        var (m, k) = (new Axis("m", 16), new Axis("k", 24));
        var algorithm = g.Build(g.Stage("C", [m], AlgorithmBuilder.Sum(k, p[m, k])));
        var s = GpuRuns.Scheduled(
            algorithm,
            [
                "C.m.o, C.m.i = split C.m 8",
                "C.k.o, C.k.i = split C.k 8",
                "reorder C.m.o C.k.o C.m.i C.k.i",
                "C.acc, C.out = cache_write C register",
                "C.out.m = reverse_compute_at C.out C.m.o",
                "C.init = decompose_reduction C C.k.o",
                "set_scope P shared",
                "P.m, P.k = compute_at P C.k.o",
                "P.o, P.v = split P.k 4",
                "vectorize P.v",
                "bind C.m.o block.x",
                "bind C.m.i thread.x",
                "bind C.init.m.i thread.x",
                "bind C.out.m thread.x",
                "bind P.m thread.x",
                "pipeline C.k.o stages=2 mode=cp.async",
            ]
        );
        var lowered = GpuRuns.Lowered(s.Nest);
        Assert.All(Copies(lowered.Body), c => Assert.Equal(4, c.Operands[0].Elements));
        Assert.Contains(Copies(lowered.Body), c => !c.Values.IsEmpty);
        GpuRuns.Agrees(s.Nest);
        GpuRuns.Agrees(lowered);
    }

    [Fact]
    public void WithoutItsWaitACopyIsNotThere()
    {
        var nest = Scheduled(pipeline: CopyAsync).Nest;
        Assert.Equal(SanitizerKind.PendingCopy, GpuRuns.FaultOf(Without(nest, s => s.Is(DeviceOps.WaitCopies))));
        Assert.Equal(
            SanitizerKind.PendingCopy,
            GpuRuns.FaultOf(Without(GpuRuns.Lowered(nest), s => s.Is(DeviceOps.WaitCopies)))
        );
    }

    [Fact]
    public void OneGroupLessWaitedForIsFound()
    {
        var nest = Scheduled(pipeline: CopyAsync).Nest;
        var late = nest with
        {
            Body = nest.Body.MapUp(s =>
                s.Is(DeviceOps.WaitCopies) ? DeviceOps.WaitCopies.Of(((DeviceOp)s).Numbers[0] + 1) : s
            ),
        };
        Assert.Equal(SanitizerKind.PendingCopy, GpuRuns.FaultOf(late));
    }

    [Fact]
    public void WithoutItsCommitACopyIsInNoGroup()
    {
        var nest = Scheduled(pipeline: CopyAsync).Nest;
        Assert.Equal(SanitizerKind.PendingCopy, GpuRuns.FaultOf(Without(nest, s => s.Is(DeviceOps.CommitCopies))));
    }

    [Fact]
    public void InKernelFormABarrierAfterTheWaitIsNeeded()
    {
        GpuRuns.Agrees(
            Exchange(DeviceOps.CommitCopies.Of(), DeviceOps.WaitCopies.Of(0), new Barrier(BarrierScope.Block)),
            kernelForm: true
        );
        Assert.Equal(
            SanitizerKind.Race,
            GpuRuns.FaultOf(Exchange(DeviceOps.CommitCopies.Of(), DeviceOps.WaitCopies.Of(0)), kernelForm: true)
        );
        Assert.Equal(
            SanitizerKind.Race,
            GpuRuns.FaultOf(
                Exchange(DeviceOps.CommitCopies.Of(), new Barrier(BarrierScope.Block), DeviceOps.WaitCopies.Of(0)),
                kernelForm: true
            )
        );
        Assert.Equal(
            SanitizerKind.PendingCopy,
            GpuRuns.FaultOf(Exchange(DeviceOps.CommitCopies.Of(), new Barrier(BarrierScope.Block)), kernelForm: true)
        );
    }

    [Theory]
    [InlineData(
        "the copy A.copy cannot be asynchronous: it moves 12 bytes",
        3,
        "pipeline C.k.o stages=2 mode=cp.async",
        ""
    )]
    [InlineData("unknown mode 'fast'", 4, "pipeline C.k.o stages=2 mode=fast", "")]
    [InlineData("it writes A.s in stack memory, not in shared memory", 4, CopyAsync, "set_scope A.s stack")]
    public void PipelinesThatCannotBe(string reason, int vector, string pipeline, string before)
    {
        var steps = Steps(vector, before);
        var s = GpuRuns.Scheduled(Product(16, 48, 24), steps.Where(x => x.Length > 0));
        StorageFixtures.Refused(s, pipeline, reason);
    }

    [Fact]
    public void RowsThatDoNotStartOnAVectorAreRefused()
    {
        var s = GpuRuns.Scheduled(Product(16, 18, 24), Steps(4, "").Where(x => x.Length > 0));
        StorageFixtures.Refused(
            s,
            CopyAsync,
            "which is not always a multiple of 4",
            "vectorized to 16, 8 or 4 aligned bytes"
        );
    }

    [Fact]
    public void OutsideOfGpuLoopsThereAreNoAsynchronousCopies()
    {
        var s = GpuRuns.Scheduled(
            Product(16, 16, 24),
            Steps(4, "").Where(x => !x.StartsWith("bind", StringComparison.Ordinal) && x.Length > 0)
        );
        StorageFixtures.Refused(s, CopyAsync, "C.k.o is not inside of a GPU loop", "mode=sync");
    }

    [Theory]
    [InlineData("swizzle A.s 48b", "'48b' is no swizzle", "128b, 64b, 32b")]
    [InlineData("swizzle C.acc 128b", "C.acc is in register memory", "set_scope C.acc shared")]
    [InlineData("swizzle A.s bits=3 base=4 shift=2", "shift is '2'", "shift=3 to shift=10")]
    [InlineData("swizzle A.s bits=3 base=4", "shift is 'not given'", "128b, 64b, 32b")]
    [InlineData("swizzle B.s 128b", "B.s has strides of its own", "either storage_align or swizzle")]
    public void SwizzlesThatCannotBe(string step, string reason, string legal)
    {
        var s = Scheduled(pipeline: CopyAsync, last: "storage_align B.s 1 32 4");
        StorageFixtures.Refused(s, step, reason, legal);
    }

    [Fact]
    public void ASwizzleIsGivenOnceAndStaysInSharedMemory()
    {
        var s = Scheduled(pipeline: CopyAsync, last: "swizzle A.s 128b");
        StorageFixtures.Refused(s, "swizzle A.s 64b", "A.s is swizzled already, by 128b", "one swizzle");
        StorageFixtures.Refused(s, "storage_align A.s 1 32 4", "A.s is swizzled by 128b", "either");
        StorageFixtures.Refused(s, "set_scope A.s heap", "A.s has swizzled addresses", "set_scope before swizzle");
    }

    private static LoopNest Without(LoopNest nest, Func<Stmt, bool> gone) =>
        nest with
        {
            Body = nest.Body.MapUp(s => gone(s) ? new Seq([]) : s),
        };

    /// <summary>64 threads copy A to shared memory, and each stores to B what its neighbour has copied.</summary>
    private static LoopNest Exchange(params Stmt[] between)
    {
        var g = new AlgorithmBuilder("exchange");
        var a = g.Input("A", DType.Float32, 64);
        var i = new Axis("i", 64);
        var algorithm = g.Build(g.Stage("B", [i], a[63 - i.Var]));
        var shared = new Algorithms.Buffer("S", DType.Float32, [64], Scope.Shared);
        var (block, t) = (new Var("b"), new Var("t"));
        Stmt copy = DeviceOps.Copy(shared, [t], algorithm.Inputs[0], [t], 1);
        Stmt store = new Store(algorithm.Outputs[0], [t], shared[63 - t]);
        Stmt body = new For(t, 64, LoopKind.ThreadX, Seq.Of([copy, .. between, store]));
        body = new For(block, 1, LoopKind.BlockX, new Allocate(shared, body));
        return new LoopNest(algorithm, body, [], ImmutableDictionary<string, string>.Empty, []);
    }

    private static Schedule Scheduled(string pipeline, int k = 24, string last = "") =>
        GpuRuns.Scheduled(Product(16, 16, k), Steps(4, pipeline).Append(last).Where(x => x.Length > 0));

    private static Algorithm Product(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (i, j, r) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(r, a[i, r] * b[r, j])));
    }

    /// <summary>Tiles of 8 × 16 × 8 by eight threads, A and B copied to shared memory in vectors.</summary>
    private static IEnumerable<string> Steps(int vector, string last) =>
        [
            "C.m.o, C.m.i = split C.m 8",
            "C.n.o, C.n.i = split C.n 16",
            "C.k.o, C.k.i = split C.k 8",
            "reorder C.m.o C.n.o C.k.o C.m.i C.n.i C.k.i",
            "C.acc, C.out = cache_write C register",
            "C.out.m, C.out.n = reverse_compute_at C.out C.n.o",
            "C.init = decompose_reduction C C.k.o",
            "A.s, A.copy = cache_read A C shared",
            "B.s, B.copy = cache_read B C shared",
            "A.m, A.k = compute_at A.copy C.k.o",
            "B.k, B.n = compute_at B.copy C.k.o",
            "A.f = fuse A.m A.k",
            $"A.f1, A.v = split A.f {vector}",
            "A.r, A.t = split A.f1 8",
            "B.f = fuse B.k B.n",
            $"B.f1, B.v = split B.f {vector}",
            "B.r, B.t = split B.f1 8",
            "vectorize A.v",
            "vectorize B.v",
            "bind C.m.o block.y",
            "bind C.n.o block.x",
            "bind A.t thread.x",
            "bind B.t thread.x",
            "bind C.m.i thread.x",
            "bind C.init.m.i thread.x",
            "bind C.out.m thread.x",
            last,
        ];

    private static List<DeviceOp> Copies(Stmt body) =>
        [.. body.Nodes().OfType<DeviceOp>().Where(d => d.Is(DeviceOps.CopyAsync))];
}
