using Picograd.Algorithms;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Tests.Codegen;
using Picograd.Tests.Passes;
using Xunit;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Tests.Fragments;

/// <summary>
/// What else fragments can do than multiply: a softmax of a product's rows in registers, rounded and used as operand of the
/// next product, without shared memory.
/// </summary>
[Collection(EmulatorCollection.Name)]
public class FragmentProgramTests
{
    [SkippableFact]
    public void SoftmaxBetweenTwoProductsStaysInRegisters()
    {
        var nest = Attention(32, 32, 16, 24);
        var kernel = Proof.Lowers(nest);
        Assert.DoesNotContain(kernel.Body.Nodes(), s => s is Allocate { Buffer.Scope: Scope.Shared });
        Assert.DoesNotContain(kernel.Body.Nodes(), s => s is Barrier);
        // A maximum and a sum for rows g and g + 8: the four lanes of a row combine twice.
        var reductions = kernel.Body.Nodes().OfType<LaneReduce>().ToList();
        Assert.Equal(["max", "sum"], reductions.Select(r => r.Reducer.Name));
        Assert.All(reductions, r => Assert.Equal((4, 1), (r.Width, r.Stride)));
        EmulatedLaunch.Require();
        EmulatedProgram.Check(kernel, EmulatedTests.RandomInputs(nest.Algorithm, 7));
    }

    [Fact]
    public void FragmentOfTwoLayoutsIsRefused()
    {
        // The accumulator itself, in f32, cannot be A of tf32: columns 2t, 2t+1 are not columns t, t+4.
        var g = new AlgorithmBuilder("chain");
        var (a, b) = (g.Input("A", DType.Float32, 16, 8), g.Input("B", DType.Float32, 8, 8));
        var s = Product(g, "S", (i, k) => Op.Tf32(a[i, k]), (k, j) => Op.Tf32(b[k, j]), 16, 8, 8);
        var o = Product(g, "O", (i, k) => Op.Tf32(s[i, k]), (k, j) => Op.Tf32(b[k, j]), 16, 8, 8);
        var x = new Schedule(g.Build(o));
        x.SetScope("S", Scope.Fragment);
        var block = x.UnitLoop("O.m");
        x.Bind(block, LoopKind.BlockX);
        x.ComputeAt("S", block);
        var (_, copy) = x.CacheWrite("O", Scope.Fragment);
        x.ReverseComputeAt(copy, block);
        foreach (string stage in new[] { "S", "O" })
        {
            foreach (var buffer in x.Nest.Block(stage).Reads.Where(r => r.Scope == Scope.Global).ToList())
                x.ComputeAt(x.CacheRead(buffer.Name, stage, Scope.Fragment).Copy, block);
            string outermost = x.Nest.LoopsAround(x.Nest.Block(stage))[1].Name;
            x.DecomposeReduction(stage, outermost);
            x.Tensorize(outermost, "mma.m16n8k8.tf32");
        }
        var refusal = Assert.Throws<LoweringException>(() => CudaLowering.Run(x.Nest, GpuInfo.H100));
        Assert.Equal("fragment-layout", refusal.Reason);
        Assert.Equal(
            "fragment-layout: S: f32[16, 8] is a fragment of two layouts: mma.m16n8k8.tf32 wants it as mma.a32 (16x8), mma.m16n8k8.tf32 as mma.c (16x8); copy it to one more fragment",
            refusal.Message
        );
    }

    private static Algorithms.Buffer Product(
        AlgorithmBuilder g,
        string name,
        Func<Expr, Expr, Expr> a,
        Func<Expr, Expr, Expr> b,
        long m,
        long n,
        long k
    )
    {
        var (i, j, r) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Stage(name, [i, j], AlgorithmBuilder.Sum(r, a(i, r) * b(r, j)));
    }

    // O = bf16(softmax(A·Bᵀ)) · V, rows of 16 a block of one warp.
    internal static LoopNest Attention(long rows, long keys, long depth, long width)
    {
        var g = new AlgorithmBuilder("attention");
        var a = g.Input("A", DType.BFloat16, rows, depth);
        var b = g.Input("B", DType.BFloat16, keys, depth);
        var v = g.Input("V", DType.BFloat16, keys, width);
        Expr F32(Expr e) => Op.Cast(DType.Float32, e);
        (Axis, Axis) Axes() => (new Axis("m", rows), new Axis("n", keys));
        var s = Product(g, "S", (i, k) => F32(a[i, k]), (k, j) => F32(b[j, k]), rows, keys, depth);
        var (m1, n1) = Axes();
        var max = g.Stage("max", [m1], AlgorithmBuilder.Max([n1], s[m1, n1]));
        var (m2, n2) = Axes();
        var e = g.Stage("E", [m2, n2], Op.Exp(s[m2, n2] - max[m2]));
        var (m3, n3) = Axes();
        var sum = g.Stage("sum", [m3], AlgorithmBuilder.Sum(n3, e[m3, n3]));
        var (m4, n4) = Axes();
        var p = g.Stage("P", [m4, n4], Op.Cast(DType.BFloat16, e[m4, n4] / sum[m4]));
        var o = Product(g, "O", (i, k) => F32(p[i, k]), (k, j) => F32(v[k, j]), rows, width, keys);
        var x = new Schedule(g.Build(o));
        foreach (string buffer in new[] { "S", "max", "E", "sum", "P" })
            x.SetScope(buffer, Scope.Fragment);
        var (_, copy) = x.CacheWrite("O", Scope.Fragment);
        var (block, within) = x.Split("O.m", 16);
        x.Bind(block, LoopKind.BlockX);
        foreach (string stage in new[] { "P", "sum", "E", "max", "S" })
            x.ComputeAt(stage, block);
        x.ReverseComputeAt(copy, block);
        x.DecomposeReduction("max", "max.n");
        x.DecomposeReduction("sum", "sum.n");
        Multiply(x, "S", block, "S.m", "S.n", "S.k", "B");
        Multiply(x, "O", block, within, "O.n", "O.k", "V");
        return x.Nest;
    }

    private static void Multiply(
        Schedule x,
        BlockRef stage,
        LoopRef block,
        LoopRef m,
        LoopRef n,
        LoopRef k,
        string operand
    )
    {
        foreach (var buffer in x.Nest.Block(stage).Reads.Where(r => r.Scope == Scope.Global).ToList())
            x.ComputeAt(x.CacheRead(buffer.Name, stage, Scope.Fragment).Copy, block);
        Assert.Contains(x.Nest.Buffers, b => b.Name.StartsWith(operand + ".", StringComparison.Ordinal));
        var (no, ni) = x.Split(n, 8);
        var (ko, ki) = x.Split(k, 16);
        x.Reorder(no, ko, m, ni, ki);
        x.DecomposeReduction(stage, ko);
        x.Tensorize(m, "mma.m16n8k16.bf16");
    }
}
