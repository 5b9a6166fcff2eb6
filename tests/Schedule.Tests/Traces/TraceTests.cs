using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests.Traces;

public class TraceTests
{
    private const string Text = """
        picograd-trace 1
        inputs A, B
        stage C(m, n, k)
        C.m.o, C.m.i = split C.m 4 tail=peel
        C.n.o, C.n.i = split C.n 4
        reorder C.m.o C.n.o C.k C.m.i C.n.i
        unroll C.m.i
        vectorize C.n.i
        parallel C.m.o threads=2

        """;

    [Fact]
    public void Prints_what_it_parsed()
    {
        var trace = Trace.Parse(Text);
        Assert.Equal(Text.ReplaceLineEndings("\n"), trace.ToString());
        Assert.Equal(trace, Trace.Parse(trace.ToString()));
        Assert.Equal(6, trace.Steps.Length);
    }

    [Fact]
    public void Is_the_same_text_for_the_same_schedule()
    {
        var s = new Schedule(SampleAlgorithms.MatMul());
        s.Split("C.m", 4, Tail.Peel);
        s.Split("C.n", 4);
        s.Reorder("C.m.o", "C.n.o", "C.k", "C.m.i", "C.n.i").Unroll("C.m.i").Vectorize("C.n.i");
        s.Parallel("C.m.o", threads: 2);
        Assert.Equal(Text.ReplaceLineEndings("\n"), Trace.Of(s.Nest).ToString());
    }

    [Fact]
    public void Skips_comments_and_empty_lines() =>
        Assert.Equal(Trace.Parse(Text), Trace.Parse(Text.Replace("unroll", "\n# registers\nunroll")));

    [Fact]
    public void Replays_on_an_algorithm_with_other_names()
    {
        var g = new AlgorithmBuilder("other");
        var x = g.Input("X", DType.Float32, 6, 10);
        var w = g.Input("W", DType.Float32, 10, 8);
        var (i, j, r) = (new Axis("i", 6), new Axis("j", 8), new Axis("r", 10));
        var other = g.Build(g.Stage("Y", [i, j], AlgorithmBuilder.Sum(r, x[i, r] * w[r, j])));
        var nest = Trace.Parse(Text).Replay(other);
        var same = Trace.Parse(Text).Replay(SampleAlgorithms.MatMul());
        Assert.Equal(same.ToString(), nest.ToString());
        Assert.Equal(NestHash.Of(same), NestHash.Of(nest));
        Assert.Equal(["A", "B", "C"], nest.Algorithm.Arguments.Select(b => b.Name));
        Assert.Equal(Trace.Parse(Text), Trace.Of(nest));
    }

    [Fact]
    public void Renames_parameters_tuples_and_later_stages()
    {
        var algorithm = Ragged("N", "A", "best", "C");
        var nest = new Trace(
            ["Rows"],
            ["X"],
            [new TraceStage("top", ["r", "c"]), new TraceStage("out", ["r"])],
            [Step.Of("specialize", "Rows", "4")]
        ).Adopt(algorithm);
        Assert.Equal(
            Ragged("Rows", "X", "top", "out").ToString(),
            nest.ToString()
                .Replace("r<", "i<")
                .Replace("c<", "j<")
                .Replace("r]", "i]")
                .Replace("[r, c", "[i, j")
                .Replace(", c)", ", j)")
        );
    }

    [Theory]
    [InlineData("", "this is not a trace: the first line is ''")]
    [InlineData("SQLite format 3", "this is not a trace: the first line is 'SQLite format 3'")]
    [InlineData("picograd-trace x\n", "this is not a trace")]
    [InlineData("picograd-trace 7\nbeam me up\n", "the trace has version 7, newer than version 1")]
    [InlineData("picograd-trace 0\n", "versions begin at 1")]
    [InlineData("picograd-trace 1\n", "the trace has no 'inputs' line")]
    [InlineData("picograd-trace 1\ninputs A\n", "the trace has no 'stage' line")]
    [InlineData("picograd-trace 1\ninputs A, \n", "line 2 of the trace, 'inputs A,': '' is not a name")]
    [InlineData(
        "picograd-trace 1\ninputs A\nstage C m\n",
        "line 3 of the trace, 'stage C m': expected 'stage name(axis, axis)'"
    )]
    [InlineData("picograd-trace 1\ninputs A\nstage C(m, m)\n", "axis m appears twice")]
    [InlineData("picograd-trace 1\ninputs A\nstage A(m)\n", "gives the name A twice")]
    [InlineData(
        "picograd-trace 1\ninputs A\nstage C(m)\nfold C.m\n",
        "line 4 of the trace, 'fold C.m': unknown primitive 'fold'; known: annotate"
    )]
    [InlineData(
        "picograd-trace 1\ninputs A\nstage C(m)\na b = split C.m 2\n",
        "line 4 of the trace: malformed results"
    )]
    [InlineData(
        "picograd-trace 1\ninputs A\nstage C(m)\nsplit C.m 2 tail=peel tail=pad\n",
        "line 4 of the trace: malformed or repeated option 'tail=pad'"
    )]
    public void Says_what_is_wrong_with_a_text(string text, string reason) =>
        Assert.Contains(reason, Assert.Throws<TraceException>(() => Trace.Parse(text)).Message);

    [Theory]
    [InlineData("maps", "the trace has 2 inputs (A, B), the algorithm 1 (A)")]
    [InlineData("matmul-relu", "the trace has 1 stages (C), the algorithm 2 (P, R)")]
    [InlineData("scatter", "the trace has 3 axes in stage 1 (m, n, k), the algorithm 2 (r, j)")]
    [InlineData("rows", "the trace has 0 parameters (), the algorithm 1 (N)")]
    public void Says_why_it_does_not_fit_another_structure(string sample, string reason)
    {
        var e = Assert.Throws<TraceException>(() => Trace.Parse(Text).Replay(SampleAlgorithms.All[sample]()));
        Assert.Contains("the trace does not fit the algorithm", e.Message);
        Assert.Contains(reason, e.Message);
    }

    [Fact]
    public void Says_which_step_does_not_fit()
    {
        var trace = Trace.Parse(Text.Replace("unroll C.m.i", "unroll C.q"));
        var e = Assert.Throws<TraceException>(() => trace.Replay(SampleAlgorithms.MatMul()));
        Assert.Contains("does not fit the algorithm matmul: step 4 'unroll C.q' is refused", e.Message);
        Assert.Contains("there is no loop 'C.q'", e.Message);
    }

    private static Algorithm Ragged(string parameter, string input, string tuple, string output)
    {
        var g = new AlgorithmBuilder("ragged");
        var rows = g.Parameter(parameter, 64);
        var a = g.Input(input, DType.Float32, rows, 10);
        var (i, j) = (new Axis("i", rows), new Axis("j", 10));
        var best = g.TupleStage(tuple, [i], AlgorithmBuilder.ArgMax(j, a[i, j]));
        return g.Build(g.Stage(output, [i], best[0][i] + Op.Cast(DType.Float32, best[1][i])));
    }
}
