using Picograd.Algorithms;
using Picograd.Schedules;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class DecomposePaddingTests
{
    /// <summary>P = A with a border of zero, of 1 before and 2 after; C = P · 2.</summary>
    private static Algorithm Border(long m, long n)
    {
        var g = new AlgorithmBuilder("border");
        var a = g.Input("A", DType.Float32, m, n);
        var (pm, pn) = (new Axis("m", m + 3), new Axis("n", n + 3));
        Expr inside = Op.And(Op.And(Op.Le(1, pm), Op.Lt(pm, m + 1)), Op.And(Op.Le(1, pn), Op.Lt(pn, n + 1)));
        var p = g.Stage("P", [pm, pn], Op.Select(inside, a[pm.Var - 1, pn.Var - 1], 0f));
        var (cm, cn) = (new Axis("m", m + 3), new Axis("n", n + 3));
        return g.Build(g.Stage("C", [cm, cn], p[cm, cn] * 2f));
    }

    [Fact]
    public void InteriorHasNoTest()
    {
        var s = new Schedule(Border(5, 4));
        Assert.Equal("P.fill", s.DecomposePadding("P", "P.m"));
        Shows(
            s.Nest,
            """
            buffer P: f32[8, 7] heap
            for P.fill.m in 0..8:
              for P.fill.n in 0..7:
                block P.fill(m = P.fill.m, n = P.fill.n):
                  P[m, n] = 0.0
            for P.m in 0..5:
              for P.n in 0..4:
                block P(m = P.m, n = P.n):
                  P[m + 1, n + 1] = A[m + 1 - 1, n + 1 - 1]
            for C.m in 0..8:
              for C.n in 0..7:
                block C(m = C.m, n = C.n):
                  C[m, n] = P[m, n] * 2.0
            """
        );
        Agrees(s.Nest);
    }

    [Fact]
    public void BoundsOfOuterLoopsBecomeThePredicate()
    {
        var s = new Schedule(Border(5, 4));
        s.DecomposePadding("P", "P.n");
        Assert.Equal(["P.m", "P.fill.n", "P.n", "C.m", "C.n"], s.Nest.Loops.Select(l => l.Name));
        Assert.Equal("1 <= P.m && P.m < 6", s.Nest.Block("P").Predicate.ToString());
        Agrees(s.Nest);
    }

    [Fact]
    public void SplitLoopsKeepTheBoundsAsPredicate()
    {
        var s = new Schedule(Border(5, 4));
        s.Split("P.m", 3);
        s.DecomposePadding("P", "P.m.o");
        Assert.Equal("P.fill.m.o * 3 + P.fill.m.i < 8", s.Nest.Block("P.fill").Predicate.ToString());
        Assert.Contains("P.m.o * 3 + P.m.i < 6", s.Nest.Block("P").Predicate.ToString(), StringComparison.Ordinal);
        Agrees(s.Nest);
    }

    [Fact]
    public void PackedPanelsWithTail()
    {
        var s = new Schedule(CopyThenMatmul(31, 5, 7));
        s.TransformLayout("A.c", "m,k->m/14,k,m%14", pad: true);
        s.DecomposePadding("A.c", "A.c.m0");
        var block = s.Nest.Block("A.c");
        Assert.Equal("A.c.m0 * 14 + A.c.m1 < 31", block.Predicate.ToString());
        Assert.Equal("A[m0 * 14 + m1, k]", block.Values[0].ToString());
        Agrees(s.Nest);
    }

    [Fact]
    public void PaddingOfAnEinsum()
    {
        var s = new Schedule(CopyThenMatmul(5, 6, 7));
        s.PadEinsum("C", 4, 4, 2);
        s.DecomposePadding("A.c.pad", "A.c.pad.m");
        s.DecomposePadding("B.pad", "B.pad.n");
        Assert.True(s.Nest.Block("A.c.pad").Predicate.IsTrue());
        Assert.Equal("B.pad.k < 7", s.Nest.Block("B.pad").Predicate.ToString());
        Agrees(s.Nest);
    }

    [Fact]
    public void RefusalsSayWhy()
    {
        var s = new Schedule(Border(5, 4));
        Refused(
            s,
            "decompose_padding C C.m",
            "the value of block C is not select(bounds, value, constant)",
            "pad_einsum"
        );
        Refused(s, "decompose_padding P C.m", "loop C.m does not contain block P alone", "P.m, P.n");
        Refused(s, "decompose_padding P", "1 arguments given", "decompose_padding block loop");
        s.DecomposePadding("P", "P.m");
        Refused(s, "decompose_padding P P.m", "is not select");
        Refused(s, "compute_inline P", "P is written by several blocks: P.fill, P");
    }
}
