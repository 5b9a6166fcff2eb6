using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests.Traces;

public class NearReplayTests
{
    private const string Tiled = """
        picograd-trace 1
        inputs A, B
        stage C(m, n, k)
        C.m.o, C.m.i = split C.m 6 tail=none
        C.n.o, C.n.i = split C.n 16 tail=none
        reorder C.m.o C.n.o C.k C.m.i C.n.i
        unroll C.m.i
        vectorize C.n.i
        parallel C.m.o
        """;

    [Fact]
    public void Same_shape_changes_nothing()
    {
        var trace = Trace.Parse(Tiled);
        var near = trace.ReplayNear(MatMul(12, 32, 5));
        Assert.Null(near.Failure);
        Assert.Empty(near.Changes);
        Assert.Equal(trace, Trace.Of(near.Nest!));
    }

    [Theory]
    [InlineData(13, 37, 7, "split C.m 6 tail=peel", "split C.n 16 tail=peel")]
    [InlineData(4, 10, 7, "split C.m 4 tail=none", "split C.n 16")]
    [InlineData(1, 3, 1, "split C.m 1 tail=none", "split C.n 3 tail=none")]
    [InlineData(6, 7, 1, "split C.m 6 tail=none", "split C.n 8")]
    public void Factors_are_inferred_again(int m, int n, int k, string first, string second)
    {
        var near = Trace.Parse(Tiled).ReplayNear(MatMul(m, n, k));
        Assert.Null(near.Failure);
        Assert.EndsWith(first, near.Nest!.Trace[0].ToString());
        Assert.EndsWith(second, near.Nest.Trace[1].ToString());
        Assert.Equal(LoopKind.Vector, near.Nest.Loop("C.n.i").Kind);
        Assert.False(near.AddsTests);
        // What was inferred replays exactly.
        var again = Trace.Of(near.Nest).Replay(MatMul(m, n, k));
        Assert.Equal(near.Nest.ToString(), again.ToString());
    }

    [Fact]
    public void Tests_in_loops_that_had_none_are_told()
    {
        string[] tails = ["none", "peel", "guard"];
        var added = tails.Select(tail =>
        {
            var trace = Trace.Parse(
                $"picograd-trace 1\ninputs A, B\nstage C(m, n, k)\no, i = split C.m 4 tail={tail}\nbo, bi = split o 2 tail=guard"
            );
            var near = trace.ReplayNear(MatMul(13, 32, 5));
            Assert.Null(near.Failure);
            return near.AddsTests;
        });
        // What the record's own shape was given is its own affair.
        Assert.All(added, Assert.False);
    }

    [Fact]
    public void Tiles_are_inferred_again()
    {
        var trace = Trace.Parse(
            "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\nmo, no, mi, ni = tile C.m C.n 6 16 tail=none\nvectorize ni"
        );
        var near = trace.ReplayNear(MatMul(5, 40, 3));
        Assert.Null(near.Failure);
        Assert.Equal("mo, no, mi, ni = tile C.m C.n 5 16 tail=peel", near.Nest!.Trace[0].ToString());
    }

    [Fact]
    public void A_shift_that_no_longer_fits_becomes_another_tail()
    {
        var g = new AlgorithmBuilder("map");
        var a = g.Input("A", DType.Float32, 3);
        var x = new Axis("x", 3);
        var small = g.Build(g.Stage("C", [x], a[x] + 1f));
        var near = Trace
            .Parse("picograd-trace 1\ninputs A\nstage C(x)\no, i = split C.x 8 tail=shift\nvectorize i")
            .ReplayNear(small);
        Assert.Null(near.Failure);
        Assert.Equal("o, i = split C.x 3 tail=shift", near.Nest!.Trace[0].ToString());
    }

    [Fact]
    public void Hints_are_left_out_where_they_have_lost_their_ground()
    {
        var trace = Trace.Parse(
            "picograd-trace 1\nparameters N\ninputs A\nstage C(i, j)\nvectorize C.i\nparallel C.j\nunroll C.j"
        );
        var near = trace.ReplayNear(SampleAlgorithms.Rows());
        Assert.Null(near.Failure);
        Assert.Equal(["unroll C.j"], near.Nest!.Trace.Select(s => s.ToString()));
        Assert.Equal(2, near.Changes.Length);
        Assert.Contains("'vectorize C.i' left out: C.i cannot be vector: its extent N", near.Changes[0]);
    }

    [Fact]
    public void Says_why_it_cannot_be_made_to_fit()
    {
        var trace = Trace.Parse(Tiled.Replace("reorder C.m.o", "reorder C.x"));
        var near = trace.ReplayNear(MatMul(12, 32, 5));
        Assert.Null(near.Nest);
        Assert.Contains(
            "step 3 'reorder C.x C.n.o C.k C.m.i C.n.i' does not fit mm: there is no loop 'C.x'",
            near.Failure
        );
        Assert.Contains("2 inputs", Trace.Parse(Tiled).ReplayNear(SampleAlgorithms.Maps()).Failure);
    }

    private static Algorithm MatMul(int m, int n, int k)
    {
        var g = new AlgorithmBuilder("mm");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (i, j, r) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(r, a[i, r] * b[r, j])));
    }
}
