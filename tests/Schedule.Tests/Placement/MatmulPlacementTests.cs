using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Passes;
using Xunit;
using static Picograd.Tests.Placement.Harness;

namespace Picograd.Tests.Placement;

/// <summary>The schedules of matrix products that the placement primitives exist for.</summary>
public class MatmulPlacementTests
{
    // m, n tiled by 3 × 4; the tile is accumulated in registers and written out after k.
    private static Schedule RegisterTile(long m, long n, long k)
    {
        var s = new Schedule(Matmul(m, n, k));
        var (reg, copy) = s.CacheWrite("C", Scope.Register);
        Assert.Equal(("C.reg", "C.copy"), (reg, copy));
        var (mo, mi) = s.Split("C.m", 3);
        var (no, ni) = s.Split("C.n", 4);
        s = Reordered(s, mo, no, "C.k", mi, ni);
        s.ReverseComputeAt(copy, no);
        s.DecomposeReduction("C", "C.k");
        return s;
    }

    [Theory]
    [InlineData(6, 8, 5)]
    [InlineData(7, 11, 5)]
    [InlineData(1, 1, 1)]
    [InlineData(2, 3, 1)]
    [InlineData(13, 17, 7)]
    public void RegisterTileIsPlacedInItsLoops(long m, long n, long k)
    {
        var placed = Correct(RegisterTile(m, n, k).Nest);
        Assert.Equal($"[{Math.Min(3, m)}, {Math.Min(4, n)}] register in C.m.o C.n.o", Allocated(placed, "C.reg"));
    }

    [Fact]
    public void RegisterTileNest()
    {
        var s = RegisterTile(6, 10, 5);
        Shows(
            s.Nest,
            """
            buffer C.reg: f32[6, 10] register
            for C.m.o in 0..2:
              for C.n.o in 0..3:
                for C.init.m.i in 0..3:
                  for C.init.n.i in 0..4:
                    block C.init(m = C.m.o * 3 + C.init.m.i, n = C.n.o * 4 + C.init.n.i) where C.n.o * 4 + C.init.n.i < 10:
                      C.reg[m, n] = 0.0
                for C.k in 0..5:
                  for C.m.i in 0..3:
                    for C.n.i in 0..4:
                      block C(m = C.m.o * 3 + C.m.i, n = C.n.o * 4 + C.n.i, k:reduce = C.k) where C.n.o * 4 + C.n.i < 10:
                        C.reg[m, n] sum= A[m, k] * B[k, n] (no init)
                for C.copy.m in 0..3:
                  for C.copy.n in 0..4:
                    block C.copy(m = C.m.o * 3 + C.copy.m, n = C.n.o * 4 + C.copy.n) where C.n.o * 4 + C.copy.n < 10:
                      C[m, n] = C.reg[m, n]
            """
        );
        Shows(
            StoragePlacement.Run(s.Nest),
            """
            for C.m.o in 0..2:
              for C.n.o in 0..3:
                allocate C.reg: f32[3, 4] register
                for C.init.m.i in 0..3:
                  for C.init.n.i in 0..4:
                    block C.init(m = C.m.o * 3 + C.init.m.i, n = C.n.o * 4 + C.init.n.i) where C.n.o * 4 + C.init.n.i < 10:
                      C.reg[C.init.m.i, C.init.n.i] = 0.0
                for C.k in 0..5:
                  for C.m.i in 0..3:
                    for C.n.i in 0..4:
                      block C(m = C.m.o * 3 + C.m.i, n = C.n.o * 4 + C.n.i, k:reduce = C.k) where C.n.o * 4 + C.n.i < 10:
                        C.reg[C.m.i, C.n.i] sum= A[m, k] * B[k, n] (no init)
                for C.copy.m in 0..3:
                  for C.copy.n in 0..4:
                    block C.copy(m = C.m.o * 3 + C.copy.m, n = C.n.o * 4 + C.copy.n) where C.n.o * 4 + C.copy.n < 10:
                      C[m, n] = C.reg[C.copy.m, C.copy.n]
            """
        );
    }

    // k cut into blocks outside of the tiles; each block's partial tile in registers, added to C in place.
    private static Schedule KBlocked(long m, long n, long k)
    {
        var s = new Schedule(Matmul(m, n, k));
        var (mo, mi) = s.Split("C.m", 3);
        var (no, ni) = s.Split("C.n", 4);
        var (ko, ki) = s.Split("C.k", 5);
        s = Reordered(s, ko, mo, no, ki, mi, ni);
        var rf = s.Rfactor("C", ko);
        Assert.Equal("C.rf", rf.Name);
        s.ReverseComputeAt("C", no);
        s.SetScope("C.rf", Scope.Register);
        s.DecomposeReduction("C.rf", ki);
        return s;
    }

    [Theory]
    [InlineData(6, 8, 10)]
    [InlineData(7, 11, 13)]
    [InlineData(5, 3, 4)]
    [InlineData(13, 17, 23)]
    public void KBlockedAccumulatesInPlace(long m, long n, long k)
    {
        var placed = Correct(KBlocked(m, n, k).Nest);
        Assert.Equal(
            $"[{Math.Min(3, m)}, {Math.Min(4, n)}, 1] register in C.k.o C.m.o C.n.o",
            Allocated(placed, "C.rf")
        );
    }

    [Fact]
    public void KBlockedNest() =>
        Shows(
            StoragePlacement.Run(KBlocked(6, 8, 12).Nest),
            """
            for C.k.o in 0..3:
              for C.m.o in 0..2:
                for C.n.o in 0..2:
                  allocate C.rf: f32[3, 4, 1] register
                  for C.rf.init.C.m.i in 0..3:
                    for C.rf.init.C.n.i in 0..4:
                      block C.rf.init(m = C.m.o * 3 + C.rf.init.C.m.i, n = C.n.o * 4 + C.rf.init.C.n.i, k.o = C.k.o):
                        C.rf[C.rf.init.C.m.i, C.rf.init.C.n.i, 0] = 0.0
                  for C.k.i in 0..5:
                    for C.m.i in 0..3:
                      for C.n.i in 0..4:
                        block C.rf(m = C.m.o * 3 + C.m.i, n = C.n.o * 4 + C.n.i, k.o = C.k.o, k.i:reduce = C.k.i) where C.k.o * 5 + C.k.i < 12:
                          C.rf[C.m.i, C.n.i, 0] sum= select(k.o * 5 + k.i < 12, A[m, k.o * 5 + k.i] * B[k.o * 5 + k.i, n], 0.0) (no init)
                  for C.m in 0..3:
                    for C.n in 0..4:
                      block C(m = C.m.o * 3 + C.m, n = C.n.o * 4 + C.n, k.o:reduce = C.k.o):
                        C[m, n] sum= C.rf[C.m, C.n, 0]
            """
        );

    [Fact]
    public void PanelsOfInputs()
    {
        var s = new Schedule(Matmul(7, 11, 13));
        var (mo, mi) = s.Split("C.m", 3);
        var (no, ni) = s.Split("C.n", 4);
        s = Reordered(s, mo, no, "C.k", mi, ni);
        var a = s.CacheRead("A", "C", Scope.Stack);
        var b = s.CacheRead("B", "C", Scope.Stack);
        Assert.Equal(("A.stack", "A.stack.copy"), a);
        s.ComputeAt(a.Copy, mo);
        s.ComputeAt(b.Copy, no);
        var placed = Correct(s.Nest);
        Assert.Equal("[3, 13] stack in C.m.o", Allocated(placed, "A.stack"));
        Assert.Equal("[13, 4] stack in C.m.o C.n.o", Allocated(placed, "B.stack"));
    }

    [Fact]
    public void EpilogueInTheTile()
    {
        var s = new Schedule(MatmulBiasTanh(7, 11, 5));
        var (mo, mi) = s.Split("S.m", 3);
        var (no, ni) = s.Split("S.n", 4);
        s = Reordered(s, mo, no, "S.k", mi, ni);
        s.SetScope("S", Scope.Register);
        Refused(s, "reverse_compute_at C S.m.i", "block S reduces across loop S.k", "loops outside S.k: S.m.o, S.n.o");
        Assert.Equal(["C.m", "C.n"], s.ReverseComputeAt("C", no));
        s.DecomposeReduction("S", "S.k");
        Assert.Equal("[3, 4] register in S.m.o S.n.o", Allocated(Correct(s.Nest), "S"));
    }

    [Fact]
    public void SymbolicRows()
    {
        var g = new AlgorithmBuilder("matmul");
        var m = g.Parameter("M", 40);
        var a = g.Input("A", DType.Float32, m, 6);
        var b = g.Input("B", DType.Float32, 6, 10);
        var (i, j, r) = (new Axis("m", m), new Axis("n", 10), new Axis("k", 6));
        var s = new Schedule(g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(r, a[i, r] * b[r, j]))));
        var (_, copy) = s.CacheWrite("C", Scope.Register);
        var (mo, mi) = s.Split("C.m", 4);
        var (no, ni) = s.Split("C.n", 8);
        s = Reordered(s, mo, no, "C.k", mi, ni);
        s.ReverseComputeAt(copy, no);
        s.DecomposeReduction("C", "C.k");
        foreach (long rows in new long[] { 1, 4, 7, 40 })
        {
            var placed = Correct(s.Nest, new Dictionary<string, long> { ["M"] = rows });
            Assert.Equal("[4, 8] register in C.m.o C.n.o", Allocated(placed, "C.reg"));
        }
    }
}
