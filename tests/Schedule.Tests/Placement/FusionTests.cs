using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;
using static Picograd.Tests.Placement.Harness;

namespace Picograd.Tests.Placement;

/// <summary>Producers and consumers brought together, and reductions cut into partial results.</summary>
public class FusionTests
{
    [Theory]
    [InlineData(3, 7)]
    [InlineData(1, 1)]
    [InlineData(5, 13)]
    public void SoftmaxRowByRow(long rows, long columns)
    {
        var s = new Schedule(Softmax(rows, columns));
        s.ComputeAt("sum", "y.m");
        s.ComputeAt("e", "y.m");
        s.ComputeAt("max", "y.m");
        Assert.Equal(["max", "e", "sum", "y"], s.Nest.Blocks.Select(b => b.Name));
        var placed = Correct(s.Nest);
        Assert.Equal("[1] heap in y.m", Allocated(placed, "sum"));
        Assert.Equal($"[1, {columns}] heap in y.m", Allocated(placed, "e"));
    }

    [Theory]
    [InlineData(16, 4)]
    [InlineData(13, 4)]
    [InlineData(7, 5)]
    [InlineData(2, 3)]
    public void StencilTilesRecomputeTheirHalo(long n, int factor)
    {
        var s = new Schedule(Stencil(n));
        var (outer, _) = s.Split("c.i", factor);
        s.ComputeAt("b", outer);
        var placed = Correct(s.Nest);
        Assert.Equal($"[{Math.Min(factor + 2, n + 2)}] heap in c.i.o", Allocated(placed, "b"));
    }

    [Theory]
    [InlineData(16)]
    [InlineData(13)]
    [InlineData(3)]
    public void HaloBeyondTheEdgesIsGuarded(long n)
    {
        var s = new Schedule(PaddedStencil(n));
        var (outer, _) = s.Split("c.i", 4);
        s.ComputeAt("b", outer);
        Correct(s.Nest);
    }

    [Fact]
    public void HaloNest()
    {
        var s = new Schedule(PaddedStencil(13));
        var (outer, _) = s.Split("c.i", 4);
        s.ComputeAt("b", outer);
        Assert.Equal(
            "block b(i = c.i.o * 4 - 1 + b.i) where c.i.o * -4 - b.i < 0 && c.i.o * 4 + b.i < 14:",
            s.Nest.Block("b").ToString().Split('\n')[0].Trim()
        );
    }

    [Fact]
    public void ShiftedTilesAreCoveredExactly()
    {
        var s = new Schedule(Stencil(13));
        var (outer, _) = s.Split("c.i", 4, Tail.ShiftInwards);
        s.ComputeAt("b", outer);
        Assert.Equal("[6] heap in c.i.o", Allocated(Correct(s.Nest), "b"));
    }

    [Theory]
    [InlineData(4, 32)]
    [InlineData(3, 37)]
    [InlineData(2, 5)]
    public void RowSumInLanes(long rows, long columns)
    {
        var s = new Schedule(RowSum(rows, columns));
        var (ko, ki) = s.Split("C.k", 8);
        s.Reorder(ki, ko);
        var rf = s.Rfactor("C", ki);
        Assert.Contains("reassociates=true", s.Nest.Trace[^1].ToString(), StringComparison.Ordinal);
        s.ReverseComputeAt("C", "C.m");
        s.SetScope(s.Output(rf), Scope.Register);
        s.DecomposeReduction(rf, ki);
        s.Vectorize(ki);
        Assert.Equal("[1, 8] register in C.m", Allocated(Correct(s.Nest), s.Output(rf)));
    }

    [Theory]
    [InlineData(4, 32)]
    [InlineData(3, 37)]
    [InlineData(2, 5)]
    public void ArgMaxInLanes(long rows, long columns)
    {
        var s = new Schedule(RowArgMax(rows, columns));
        var (_, ki) = s.Split("C.k", 8);
        s.Rfactor("C", ki);
        s.ReverseComputeAt("C", "C.m");
        Assert.Equal("[1, 8] heap in C.m", Allocated(Correct(s.Nest), "C.rf.0"));
    }

    [Fact]
    public void TupleOutputsAreCachedTogether()
    {
        var s = new Schedule(RowArgMax(3, 7));
        var made = s.Apply(Step.Parse("cache_write C.0 register"));
        Assert.Equal(["C.0.reg", "C.1.reg", "C.0.copy"], made);
        s.ReverseComputeAt("C.0.copy", "C.m");
        s.DecomposeReduction("C", "C.k");
        Assert.Equal("[1] register in C.m", Allocated(Correct(s.Nest), "C.1.reg"));
    }

    [Fact]
    public void PartialResultsKeptAcrossALoopLiveOutsideOfIt()
    {
        // S accumulates over k.o in place, so it cannot live in an iteration of k.o; its rf can.
        var s = new Schedule(MatmulBiasTanh(5, 7, 11));
        var (ko, ki) = s.Split("S.k", 4);
        s.Reorder(ko, "S.m", "S.n", ki);
        s.Rfactor("S", ko);
        s.ReverseComputeAt("S", "S.n");
        var placed = Correct(s.Nest);
        Assert.Equal("[5, 7] heap in -", Allocated(placed, "S"));
        Assert.Equal("[1, 1, 1] heap in S.k.o S.m S.n", Allocated(placed, "S.rf"));
        Refused(s, "reverse_compute_at C S.k.o", "block S reduces across loop S.k.o");
    }

    [Fact]
    public void WhatAVectorLoopUsesLivesOutsideOfIt()
    {
        var s = new Schedule(MatmulBiasTanh(5, 8, 3));
        s.ComputeAt("S", "C.n");
        s.Apply(Step.Of("vectorize", "C.n"));
        Assert.Equal("[1, 8] heap in C.m", Allocated(Correct(s.Nest), "S"));
    }

    [Fact]
    public void StoreAtPlacesFurtherOut()
    {
        var s = new Schedule(MatmulBiasTanh(5, 7, 3));
        var (outer, inner) = s.Split("C.m", 2);
        s.ComputeAt("S", inner);
        Assert.Equal("[1, 7] heap in C.m.o C.m.i", Allocated(Correct(s.Nest), "S"));
        Refused(s, "store_at S C.n", "S is also used outside loop C.n", "C.m.o, C.m.i");
        s.StoreAt("S", outer);
        Assert.Equal("[2, 7] heap in C.m.o", Allocated(Correct(s.Nest), "S"));
    }
}
