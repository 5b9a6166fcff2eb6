using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Tests.RefusalTests;
using Xunit;

namespace Picograd.Tests.Primitives;

/// <summary>Nests that share loops, and iterations that a mask leaves out, against the evaluator, sanitizers on.</summary>
public class SiblingTests
{
    [Fact]
    public void What_siblings_read_is_computed_below_the_loop_they_share()
    {
        var nest = Equivalence.Check("moments", "fuse_siblings S.i Q.i", "compute_at B S.i");
        Assert.True(StoragePlacement.Run(nest).Body.Nodes().OfType<Allocate>().Single().Buffer.ConstantSize() <= 10);
        Equivalence.Check(
            "moments",
            "split S.j 4",
            "split Q.j 4 tail=peel",
            "reorder S.j.o S.i S.j.i",
            "reorder Q.j.o Q.i Q.j.i",
            "fuse_siblings S.j.o Q.j.o",
            "compute_at B S.j.o",
            "decompose_reduction S S.j.o",
            "decompose_reduction Q S.j.o",
            "rfactor S S.j.o at=S.j.o",
            "rfactor Q S.j.o at=S.j.o",
            "fuse_siblings S.i Q.i"
        );
    }

    [Fact]
    public void What_is_no_sibling()
    {
        Refusals.Of("moments", "loop B.i writes B, which loop S.i uses", "fuse_siblings B.i S.i");
        Refusals.Of("moments", "S.i has 4 iterations, Q.i.o 2", "split Q.i 2", "fuse_siblings S.i Q.i.o");
        Refusals.Of("moments", "loop S.i comes before loop Q.i", "fuse_siblings Q.i S.i");
        Refusals.Of("moments", "loop Q.j is not in one sequence with loop S.i", "fuse_siblings S.i Q.j");
        Refusals.Of("moments", "nothing stands beside loop S.j", "fuse_siblings S.j Q.j");
        Refusals.Of("moments", "named twice", "fuse_siblings S.i S.i");
        Refusals.Of("moments", "fuse_siblings takes serial loops", "unroll Q.i", "fuse_siblings S.i Q.i");
        // Q reads what stands between.
        Refusals.Of("mixture", "what stands between the loops writes", "fuse_siblings M.i O.i");
    }

    [Theory]
    [InlineData(4, 4)]
    [InlineData(3, 5)]
    [InlineData(8, 2)]
    public void Tiles_above_the_diagonal_are_left_out(int rows, int columns)
    {
        string[] tiled =
        [
            $"split C.i {rows}",
            $"split C.j {columns}",
            "reorder C.j.o C.i.i C.c C.j.i",
            "compute_at T C.j.o",
            "decompose_reduction C C.j.o",
        ];
        var nest = Equivalence.Check("masked", [.. tiled, "skip_zeros C.j.o"]);
        Assert.Equal("true", nest.Trace[^1].Option("finite"));
        Assert.Single(nest.Body.Nodes().OfType<If>());
        // By way of sums of a part, whose initial value is set in between.
        Equivalence.Check(
            "masked",
            [.. tiled, "C.rf = rfactor C C.j.o at=C.i.i", "decompose_reduction C.rf C.j.i", "skip_zeros C.j.o"]
        );
    }

    [Fact]
    public void What_is_not_left_out()
    {
        string[] tiled = ["split C.i 4", "split C.j 4", "reorder C.j.o C.i.i C.c C.j.i"];
        Refusals.Of(
            "masked",
            "block C sets its initial value below loop C.j.o",
            [.. tiled, "compute_at T C.j.o", "skip_zeros C.j.o"]
        );
        Refusals.Of(
            "masked",
            "no comparison of axes is known",
            [.. tiled, "decompose_reduction C C.j.o", "skip_zeros C.j.o"]
        );
        Refusals.Of("masked", "block T is no sum", "skip_zeros T.i");
        Refusals.Of(
            "masked",
            "block C is under a condition on loops of its reduction",
            [
                .. tiled,
                "compute_at T C.j.o",
                "decompose_reduction C C.j.o",
                "skip_zeros C.j.o",
                "rfactor C C.j.o at=C.c",
            ]
        );
        // Every tile of rows adds something.
        var nest = Equivalence.Check(
            "masked",
            [.. tiled, "compute_at T C.j.o", "decompose_reduction C C.i.o", "skip_zeros C.i.o"]
        );
        Assert.Empty(nest.Body.Nodes().OfType<If>());
        Refusals.Of("moments", "no comparison of axes is known", "decompose_reduction Q Q.i", "skip_zeros Q.i");
    }
}
