using Xunit;

namespace Picograd.Tests.Primitives;

/// <summary>Partial results below a loop of one's choice, and of reductions whose initial value is set elsewhere, against the evaluator.</summary>
public class RfactorTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(10)]
    [InlineData(16)]
    public void Partial_results_are_taken_together_within_a_tile(int k)
    {
        var nest = Equivalence.Check(
            "matmul",
            "split C.m 4",
            $"split C.k {k}",
            "reorder C.m.o C.k.o C.k.i C.m.i C.n",
            "rfactor C C.k.o at=C.m.o"
        );
        Assert.Equal("C.m.o", nest.LoopsAround(nest.Block("C"))[0].Name);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(10)]
    public void A_sum_without_initial_value_adds_the_part_of_each_iteration(int k)
    {
        var nest = Equivalence.Check(
            "matmul",
            $"split C.k {k}",
            "reorder C.k.o C.m C.n C.k.i",
            "decompose_reduction C C.k.o",
            "rfactor C C.k.o at=C.m"
        );
        var sum = nest.Block("C");
        Assert.False(sum.Init);
        Assert.Equal(["C.k.o", "C.m"], nest.LoopsAround(sum).Take(2).Select(l => l.Name));
        Assert.True(nest.Block("C.rf").Init);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(7)]
    public void Sums_of_online_softmax_go_through_registers(int keys)
    {
        string[] steps =
        [
            "split Y.i 2",
            "compute_at O Y.i.o",
            "compute_at L Y.i.o",
            "compute_at E Y.i.o",
            "compute_at N Y.i.o",
            "compute_at M Y.i.o",
            $"split M.j {keys}",
            "reorder M.j.o M.i M.j.i",
            "online_softmax M M.j.o O L",
            "decompose_reduction M M.j.o",
            "rfactor M M.j.o",
            "rfactor L M.j.o",
            "rfactor O M.j.o at=O.i",
            "set_scope M.rf register",
            "set_scope L.rf register",
            "set_scope O.rf register",
        ];
        var nest = Equivalence.Check("mixture", steps);
        Assert.Equal(["Y.i.o", "M.j.o", "O.i"], nest.LoopsAround(nest.Block("O")).Take(3).Select(l => l.Name));
    }
}
