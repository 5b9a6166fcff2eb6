using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class TransformLayoutTests
{
    [Fact]
    public void PackingRunsTheProducerOverPanelsAndZeroesThePadding()
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        var loops = s.TransformLayout("A.c", "m,k->m/14,k,m%14", pad: true);
        Assert.Equal(["A.c.m0", "A.c.k", "A.c.m1"], loops);
        Shows(
            s.Nest,
            """
            buffer A.c: f32[3, 10, 14] heap
            for A.c.m0 in 0..3 peel:
              for A.c.k in 0..10:
                for A.c.m1 in 0..14:
                  block A.c(m0 = A.c.m0, k = A.c.k, m1 = A.c.m1):
                    A.c[m0, k, m1] = select(m0 * 14 + m1 < 30, A[m0 * 14 + m1, k], 0.0)
            for C.m in 0..30:
              for C.n in 0..20:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A.c[m // 14, k, m % 14] * B[k, n]
            """
        );
    }

    [Fact]
    public void ExactDivisionHasNoSelect()
    {
        var s = new Schedule(CopyThenMatmul(28, 20, 10));
        s.TransformLayout("A.c", "m,k->m/14,k,m%14");
        Assert.Equal("A[m0 * 14 + m1, k]", s.Nest.Block("A.c").Values[0].ToString());
    }

    [Theory]
    [InlineData(14)]
    [InlineData(28)]
    public void TiledConsumerLosesDivisionWhenLowered(int tile)
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        s.TransformLayout("A.c", "m,k->m/14,k,m%14", pad: true);
        var (_, inner) = s.Split("C.m", tile);
        if (tile == 28)
            s.Split(inner, 14);
        Assert.Contains("< 30", s.Nest.Block("C").Predicate.ToString(), StringComparison.Ordinal);
        string expected =
            tile == 14
                ? "A.c[C.m.o, C.k, C.m.i] * B[C.k, C.n]"
                : "A.c[C.m.o * 2 + C.m.i.o, C.k, C.m.i.i] * B[C.k, C.n]";
        Assert.Equal(expected, Lowered(s.Nest, "C").Values[0].ToString());
    }

    [Fact]
    public void PermutationReordersTheLoops()
    {
        var s = new Schedule(CopyThenMatmul(5, 3, 7));
        s.TransformLayout("A.c", "m,k->k,m");
        Assert.Equal("A[m, k]", s.Nest.Block("A.c").Values[0].ToString());
        Assert.Equal(["A.c.k", "A.c.m"], s.Nest.Loops.Take(2).Select(l => l.Name));
        Assert.Equal("A.c[k, m] * B[k, n]", s.Nest.Block("C").Values[0].ToString());
        Assert.Equal("7, 5", string.Join(", ", s.Nest.Buffer("A.c").Shape));
    }

    [Fact]
    public void LayoutsCompose()
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        s.TransformLayout("A.c", "m,k->m/14,k,m%14", pad: true);
        s.TransformLayout("A.c", "p,k,r->k,p,r");
        Assert.Equal("select(p * 14 + r < 30, A[p * 14 + r, k], 0.0)", s.Nest.Block("A.c").Values[0].ToString());
        Assert.Equal("A.c[k, m // 14, m % 14] * B[k, n]", s.Nest.Block("C").Values[0].ToString());
    }

    [Fact]
    public void ThreeDigitsOfOneDimension()
    {
        var s = new Schedule(CopyThenMatmul(48, 4, 6));
        s.TransformLayout("A.c", "m,k->m/16,k,m/4%4,m%4");
        Assert.Equal("A[m0 * 16 + m1 * 4 + m2, k]", s.Nest.Block("A.c").Values[0].ToString());
        s.Split("C.m", 16);
        s.Split("C.m.i", 4);
        Assert.Equal("A.c[C.m.o, C.k, C.m.i.o, C.m.i.i] * B[C.k, C.n]", Lowered(s.Nest, "C").Values[0].ToString());
    }

    [Fact]
    public void ReductionKeepsItsLoopsAndOnlyItsIndicesMove()
    {
        var s = new Schedule(MatmulBiasTanh(30, 20, 10));
        Assert.Empty(s.TransformLayout("S", "m,n->m/15,n,m%15"));
        var block = s.Nest.Block("S");
        Assert.Equal("m // 15, n, m % 15", string.Join(", ", block.Indices));
        Assert.Equal(["S.m", "S.n", "S.k"], s.Nest.LoopsAround(block).Select(l => l.Name));
        Assert.Equal("tanh(S[m // 15, n, m % 15] + bias[n])", s.Nest.Block("C").Values[0].ToString());
    }

    [Fact]
    public void SplitProducerKeepsItsLoops()
    {
        var s = new Schedule(CopyThenMatmul(28, 20, 10));
        s.Split("A.c.m", 14);
        Assert.Empty(s.TransformLayout("A.c", "m,k->m/14,k,m%14", pad: true));
        Assert.Equal("A.c.m.o, A.c.k, A.c.m.i", string.Join(", ", Lowered(s.Nest, "A.c").Indices));
        Agrees(s.Nest);
    }

    [Fact]
    public void PaddingThatNobodyWritesIsRefused()
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        s.Split("A.c.m", 14);
        Refused(
            s,
            "transform_layout A.c m,k->m/14,k,m%14 pad=zero",
            "no map over its initial loops makes A.c, so the padding would stay unwritten",
            "before split and compute_at"
        );
        var sum = new Schedule(MatmulBiasTanh(30, 20, 10));
        Refused(sum, "transform_layout S m,n->m/14,n,m%14 pad=zero", "14 does not divide the extent 30", "pad_einsum");
    }

    [Fact]
    public void SymbolicExtentRoundsUp()
    {
        var g = new AlgorithmBuilder("symbolic");
        var rows = g.Parameter("M", 100);
        var a = g.Input("A", DType.Float32, rows, 8);
        var (m, k) = (new Axis("m", rows), new Axis("k", 8));
        var copy = g.Stage("P", [m, k], a[m, k]);
        var (m2, k2) = (new Axis("m", rows), new Axis("k", 8));
        var s = new Schedule(g.Build(g.Stage("C", [m2, k2], copy[m2, k2] * 2f)));
        s.TransformLayout("P", "m,k->m/4,k,m%4", pad: true);
        Assert.Equal("(M + 3) // 4, 8, 4", string.Join(", ", s.Nest.Buffer("P").Shape));
        Assert.Equal("select(m0 * 4 + m1 - M < 0, A[m0 * 4 + m1, k], 0.0)", s.Nest.Block("P").Values[0].ToString());
    }

    [Fact]
    public void RefusalsSayWhy()
    {
        var s = new Schedule(CopyThenMatmul(30, 20, 10));
        Refused(s, "transform_layout A m,k->k,m", "A is an argument", "A.c");
        Refused(
            s,
            "transform_layout A.c m,k->m/14,k,m%14",
            "14 does not divide the extent 30 of dimension m",
            "pad=zero"
        );
        Refused(s, "transform_layout A.c m,k->m/14,k,m%14 pad=one", "unknown padding 'one'", "pad=zero");
        Refused(s, "transform_layout A.c m,k->m/14,k,m%7", "the pieces of m");
        Refused(s, "transform_layout A.c m,k->m/14,m%14", "dimension k has no place");
        Refused(s, "transform_layout A.c m,k,n->m,k,n", "names 3 dimensions");
        Refused(s, "transform_layout A.c m,m->m,m", "named twice");
        Refused(s, "transform_layout A.c m,k->k,x", "'x' is not a dimension");
        Refused(s, "transform_layout A.c m,k->k,m/0", "not a positive whole number");
        Refused(s, "transform_layout A.c mk", "no '->'");
        Refused(s, "transform_layout A.c", "1 arguments given", "transform_layout");
        Refused(s, "transform_layout Z m->m", "there is no buffer 'Z'", "A.c");
    }

    [Fact]
    public void TupleOutputIsRefused()
    {
        var g = new AlgorithmBuilder("argmax_twice");
        var a = g.Input("A", DType.Float32, 4, 6);
        var (r, c) = (new Axis("r", 4), new Axis("c", 6));
        var best = g.TupleStage("best", [r], AlgorithmBuilder.ArgMax(c, a[r, c]));
        var r2 = new Axis("r", 4);
        var s = new Schedule(g.Build(g.Stage("C", [r2], best[0][r2] + Op.Cast(DType.Float32, best[1][r2]))));
        Refused(s, "transform_layout best.0 r->r/2,r%2", "best writes 2 outputs at shared indices");
    }

    [Theory]
    [InlineData("m,k->m/14,k,m%14", true)]
    [InlineData("m,k->k,m", false)]
    [InlineData("m,k->k/4,m/6%3,m/18,k%4,m%6", true)]
    public void InterpreterAgreesOnOddSizes(string map, bool pad)
    {
        var packed = new Schedule(CopyThenMatmul(31, 5, 7));
        packed.TransformLayout("A.c", map, pad);
        packed.Split("C.m", 14);
        Agrees(packed.Nest);

        var exact = new Schedule(CopyThenMatmul(36, 5, 8));
        exact.Split("A.c.m", 3);
        exact.TransformLayout("A.c", map.Replace("14", "12", StringComparison.Ordinal), pad);
        Agrees(exact.Nest);

        var reduction = new Schedule(MatmulBiasTanh(36, 8, 5));
        reduction.TransformLayout("S", map.Replace("14", "12", StringComparison.Ordinal), pad);
        Agrees(reduction.Nest);
    }

    [Fact]
    public void SymbolicExtentAgrees()
    {
        var g = new AlgorithmBuilder("symbolic");
        var rows = g.Parameter("M", 100);
        var a = g.Input("A", DType.Float32, rows, 8);
        var (m, k) = (new Axis("m", rows), new Axis("k", 8));
        var copy = g.Stage("P", [m, k], a[m, k]);
        var (m2, k2) = (new Axis("m", rows), new Axis("k", 8));
        var s = new Schedule(g.Build(g.Stage("C", [m2, k2], copy[m2, k2] * 2f)));
        s.TransformLayout("P", "m,k->m/4,k,m%4", pad: true);
        foreach (long size in new long[] { 1, 4, 7 })
            Agrees(s.Nest, new Dictionary<string, long> { ["M"] = size });
    }
}
