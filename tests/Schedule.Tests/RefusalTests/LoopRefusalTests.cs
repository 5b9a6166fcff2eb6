using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.RefusalTests;

public class LoopRefusalTests
{
    [Theory]
    [InlineData("there is no loop 'C.x'", "split C.x 2")]
    [InlineData("argument 2 'two' is not a whole number", "split C.m two")]
    [InlineData("argument 2 is 0", "split C.m 0")]
    [InlineData("1 arguments given", "split C.m")]
    [InlineData("unknown option 'tial'", "split C.m 2 tial=none")]
    [InlineData("unknown tail 'round'", "split C.m 2 tail=round")]
    [InlineData("4 does not divide the extent 6 of C.m", "split C.m 4 tail=none")]
    [InlineData("block C twice, and it is not a pure map", "split C.m 4 tail=shift")]
    [InlineData("extent of at least 7, C.m has 6", "split C.m 7 tail=shift")]
    [InlineData("block C writes C, which is not an intermediate", "split C.m 4 tail=pad")]
    [InlineData("the result name 'C.n' is taken", "C.n, b = split C.m 2")]
    [InlineData("the result name 'a' is given twice", "a, a = split C.m 2")]
    [InlineData("the result name 'a?' is not a name", "a?, b = split C.m 2")]
    [InlineData("it makes 2 results, the step names 3", "a, b, c = split C.m 2")]
    [InlineData("C.k is not the whole body of C.m", "tile C.m C.k 2 2")]
    [InlineData("C.k is not the whole body of C.m", "fuse C.m C.k")]
    [InlineData("fewer than two loops", "reorder C.m")]
    [InlineData("loop C.m is named twice", "reorder C.m C.n C.m")]
    [InlineData("C.k cannot be vector: its iterations combine into the same elements", "vectorize C.k")]
    [InlineData("it is bound to the reduce axis k of block C", "parallel C.k")]
    [InlineData("unknown option 'width'", "vectorize C.n width=8")]
    [InlineData("unknown key 'thread'", "parallel C.m thread=2")]
    [InlineData("threads cannot be '0'", "parallel C.m threads=0")]
    [InlineData("partition cannot be 'guided'", "parallel C.m partition=guided")]
    [InlineData("loop C.m is serial, and its hints are for parallel loops", "annotate C.m threads=2")]
    [InlineData("no key=value given", "annotate C.m")]
    [InlineData("'parallel' is not a GPU loop kind", "bind C.m parallel")]
    [InlineData("C.k cannot be lane", "bind C.k lane")]
    public void Refuses_on_a_matmul(string reason, string step) => Refusals.Of("matmul", reason, step);

    [Fact]
    public void Names_rfactor_where_a_reduction_is_made_concurrent() =>
        Assert.Contains("rfactor", Refusals.Of("matmul", "reduce axis k", "vectorize C.k").Legal);

    [Theory]
    [InlineData("loop C.n is vector", "vectorize C.n", "split C.n 2")]
    [InlineData("loop C.n is unrolled", "unroll C.n", "vectorize C.n")]
    [InlineData("C.m, in the same chain of loops, is vector", "vectorize C.m", "vectorize C.n")]
    [InlineData("C.m, in the same chain of loops, is parallel", "parallel C.m", "parallel C.n")]
    [InlineData("C.n, in the same chain of loops, is parallel", "parallel C.n", "parallel C.m")]
    [InlineData("C.m around it is a vector loop", "vectorize C.m", "parallel C.n")]
    [InlineData("C.n below it is parallel", "parallel C.n", "vectorize C.m")]
    [InlineData("C.m, in the same chain of loops, is thread.x", "bind C.m thread.x", "bind C.n thread.x")]
    [InlineData("C.m around it is thread.x", "bind C.m thread.x", "bind C.n block.x")]
    [InlineData("C.n below it is block.y", "bind C.n block.y", "bind C.m warp")]
    [InlineData("C.m, in the same chain of loops, is parallel", "parallel C.m", "bind C.n thread.x")]
    public void Refuses_after_a_step(string reason, string first, string second) =>
        Refusals.Of("matmul", reason, first, second);

    [Fact]
    public void Keeps_vector_loops_inside_parallel_ones() =>
        Refusals.Of(
            "matmul",
            "C.m is parallel and cannot lie inside C.n, which is vector",
            "parallel C.m",
            "vectorize C.n",
            "reorder C.n C.m"
        );

    [Theory]
    [InlineData("bound to the ordered axis t of block C", "vectorize C.t")]
    [InlineData("bound to the ordered axis t of block C", "parallel C.t")]
    public void Refuses_to_run_a_scan_at_once(string reason, string step) => Refusals.Of("scan", reason, step);

    [Fact]
    public void Keeps_the_order_of_a_scan()
    {
        Refusals.Of(
            "scan",
            "iterations of C.t.o, C.t.i depend on each other through C",
            "split C.t 5",
            "reorder C.t.i C.t.o"
        );
        Refusals.Of("scan", "of block C twice", "split C.t 4 tail=shift");
        new Schedule(SampleAlgorithms.Scan()).Reorder("C.t", "C.i").Vectorize("C.i");
    }

    [Fact]
    public void Refuses_to_spread_a_scatter_over_its_rows()
    {
        Refusals.Of("scatter", "bound to the reduce axis r of block C", "parallel C.r");
        new Schedule(SampleAlgorithms.Scatter()).Parallel("C.j");
    }

    [Fact]
    public void Refuses_constant_kinds_on_symbolic_extents()
    {
        Refusals.Of("rows", "its extent N is not a constant", "vectorize C.i");
        Refusals.Of("rows", "its extent N is not a constant", "unroll C.i");
        Refusals.Of("rows", "its extent N is not a constant", "bind C.i thread.x");
        new Schedule(SampleAlgorithms.Rows()).Bind("C.i", LoopKind.BlockX);
        new Schedule(SampleAlgorithms.Rows()).Parallel("C.i");
    }

    [Fact]
    public void Refuses_to_reorder_loops_of_different_nests() =>
        Refusals.Of("maps", "C.i is not in one chain of loops with B.i", "reorder B.i C.i");

    [Fact]
    public void Refuses_shifted_tiles_in_parallel() =>
        Refusals.Of(
            "maps",
            "it is not certain that its iterations touch different elements of C",
            "split C.i 3 tail=shift",
            "parallel C.i.o"
        );

    [Fact]
    public void A_fused_reduction_keeps_its_first_iteration_first() =>
        Refusals.Of(
            "matmul",
            "depend on each other through C",
            "reorder C.m C.k C.n",
            "f = fuse C.k C.n",
            "split f 3 tail=guard",
            "reorder f.i f.o"
        );

    [Fact]
    public void Unknown_primitive_lists_those_there_are()
    {
        var refusal = Assert.Throws<ScheduleException>(() => PrimitiveRegistry.Get("splat"));
        Assert.Contains("unknown primitive 'splat'", refusal.Message);
        Assert.Contains("split", refusal.Legal);
    }
}
