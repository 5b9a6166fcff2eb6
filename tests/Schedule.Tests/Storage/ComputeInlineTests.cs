using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class ComputeInlineTests
{
    [Fact]
    public void ValueReplacesEachRead()
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        s.ComputeInline("A.c");
        Shows(
            s.Nest,
            """
            for C.m in 0..30:
              for C.n in 0..20:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n]
            """
        );
        Assert.Empty(s.Nest.Intermediates);
    }

    [Fact]
    public void ChainWithShiftedIndexInlinesInEitherOrder()
    {
        var forward = new Schedule(ScaleShiftSum(5, 7));
        forward.ComputeInline("S");
        forward.ComputeInline("T");
        var backward = new Schedule(ScaleShiftSum(5, 7));
        backward.ComputeInline("T");
        backward.ComputeInline("S");
        Assert.Contains("exp(A[m - 1, n] * 2.0), 0.0)", forward.Nest.Block("C").Values[0].ToString());
        Assert.Empty(forward.Nest.Intermediates);
        Assert.Equal(Text(forward.Nest), Text(backward.Nest));
    }

    [Fact]
    public void ConsumersMayBeSplitAlready()
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        s.Split("C.m", 7);
        s.ComputeInline("A.c");
        Assert.Equal("A[m, k] * B[k, n]", s.Nest.Block("C").Values[0].ToString());
        Assert.Equal("A[C.m.o * 7 + C.m.i, C.k] * B[C.k, C.n]", Lowered(s.Nest, "C").Values[0].ToString());
    }

    [Fact]
    public void RefusalsSayWhy()
    {
        var s = new Schedule(MatmulBiasTanh(30, 20, 10));
        Refused(s, "compute_inline S", "block S is not a map: it reduces with sum", "compute_at");
        Refused(s, "compute_inline C", "writes C, an output", "reverse_compute_inline");
        Refused(s, "compute_inline Z", "there is no block 'Z'", "S, C");
        Refused(s, "compute_inline S deep=1", "unknown option 'deep'");

        var split = new Schedule(CopyThenMatmul(30, 20, 10));
        split.Split("A.c.m", 7);
        Refused(split, "compute_inline A.c", "runs only where a predicate holds", "before its loops are split");

        var packed = new Schedule(MatmulBiasTanh(30, 20, 10));
        packed.TransformLayout("S", "m,n->m/15,n,m%15");
        var refusal = Refused(packed, "compute_inline S", "not a map");
        Assert.Contains("<-- here", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("compute_inline S", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PackedCopyIsRefusedOnceItsIndicesAreNoAxes()
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        s.Split("A.c.m", 15);
        s.TransformLayout("A.c", "m,k->m/15,k,m%15");
        Refused(s, "compute_inline A.c", "writes A.c[m // 15, k, m % 15]", "before transform_layout");
    }

    [Fact]
    public void ScanIsRefused()
    {
        var g = new AlgorithmBuilder("scan");
        var a = g.Input("A", DType.Float32, 9);
        var t = new Axis("t", 9);
        var sum = g.Scan("P", [t], t, a[t], Reducer.Sum(DType.Float32));
        var u = new Axis("u", 9);
        var s = new Schedule(g.Build(g.Stage("C", [u], sum[u] * 2f)));
        Refused(s, "compute_inline P", "its axis t is ordered");
    }

    [Fact]
    public void InterpreterAgreesOnOddSizes()
    {
        var s = new Schedule(ScaleShiftSum(7, 5));
        s.ComputeInline("S");
        Agrees(s.Nest);
        s.ComputeInline("T");
        s.Split("C.n", 3);
        Agrees(s.Nest);
    }

    [Fact]
    public void RoundingOfTheBufferIsKept()
    {
        var g = new AlgorithmBuilder("half");
        var a = g.Input("A", DType.Float32, 9);
        var (i, j) = (new Axis("i", 9), new Axis("j", 9));
        var half = g.Stage("H", [i], a[i] * 3f, DType.Float16);
        var s = new Schedule(g.Build(g.Stage("C", [j], Op.Cast(DType.Float32, half[j]))));
        s.ComputeInline("H");
        Assert.Equal("f32(f16(A[j] * 3.0))", s.Nest.Block("C").Values[0].ToString());
    }

    [Fact]
    public void TupleCopyIsRefused()
    {
        var g = new AlgorithmBuilder("argmax");
        var a = g.Input("A", DType.Float32, 4, 6);
        var (r, c, r2) = (new Axis("r", 4), new Axis("c", 6), new Axis("r", 4));
        var best = g.TupleStage("best", [r], AlgorithmBuilder.ArgMax(c, a[r, c]));
        var s = new Schedule(g.Build(g.Stage("C", [r2], best[0][r2] + Op.Cast(DType.Float32, best[1][r2]))));
        s.Apply(Step.Of("cache_write", "best.0", "stack"));
        var copy = s.Nest.Blocks.Single(b => b.Outputs.Length == 2 && b.Reducer is null);
        Refused(s, $"compute_inline {copy.Name}", "writes several buffers: best.0, best.1", "one output");
    }
}
