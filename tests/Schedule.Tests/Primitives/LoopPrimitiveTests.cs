using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.Primitives;

/// <summary>Each loop primitive, in the interpreter with all sanitizers, against the evaluator.</summary>
public class LoopPrimitiveTests
{
    public static TheoryData<string> Examples => [.. PrimitiveRegistry.All.Keys.Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Examples))]
    public void Examples_compute_the_same(string name)
    {
        var example = PrimitiveRegistry.Get(name).Example;
        Assert.True(example is not null, $"primitive {name} has no example");
        Equivalence.Check(example.Sample, [.. example.Setup, example.Step]);
    }

    [Theory]
    [InlineData("none", 5)]
    [InlineData("guard", 4)]
    [InlineData("guard", 16)]
    [InlineData("peel", 3)]
    [InlineData("predicate", 7)]
    public void Split_reductions_scans_and_scatters(string tail, int factor)
    {
        Equivalence.Check("matmul", $"split C.k {factor} tail={tail}", $"split C.k.o 2");
        Equivalence.Check("softmax", $"split Y.j {factor} tail={tail}", $"split S.j {factor} tail={tail}");
        Equivalence.Check("scan", $"split C.t {factor} tail={tail}");
        if (tail != "none")
            Equivalence.Check("scatter", $"split C.r {factor} tail={tail}", $"split C.init.d0 {factor} tail={tail}");
    }

    [Theory]
    [InlineData("guard")]
    [InlineData("peel")]
    [InlineData("predicate")]
    public void Split_symbolic_loops(string tail) =>
        Equivalence.Check("rows", $"split C.i 6 tail={tail}", "split C.i.o 3", "unroll C.i.i");

    [Fact]
    public void Split_with_shifted_tiles() =>
        Equivalence.Check(
            "maps",
            "split C.i 3 tail=shift",
            "split B.j 5 tail=shift",
            "vectorize B.j.i",
            "unroll C.i.i"
        );

    [Fact]
    public void Split_with_padding_of_maps()
    {
        var nest = Equivalence.Check("maps", "split B.i 3 tail=pad", "split B.j 5 tail=pad", "parallel B.i.o");
        Assert.Equal("B: f32[9, 15]", nest.Buffer("B").ToString());
        Assert.All(nest.Blocks, b => Assert.True(b.Predicate.IsTrue()));
    }

    [Fact]
    public void Split_with_padding_of_reductions()
    {
        var nest = Equivalence.Check(
            "matmul-relu",
            "split P.m 4 tail=pad",
            "split P.k 3 tail=pad",
            "split P.n 3 tail=pad",
            "reorder P.k.o P.m.i"
        );
        Assert.Equal("P: f32[8, 9]", nest.Buffer("P").ToString());
        Equivalence.Check("softmax", "split M.i 3 tail=pad", "split M.j 4 tail=pad", "split S.j 4 tail=pad");
    }

    [Fact]
    public void Padding_needs_no_test_where_only_padding_is_read()
    {
        var schedule = new Schedule(TwoCopies());
        schedule.Apply(Step.Parse("split X.k 4 tail=pad"));
        schedule.Apply(Step.Parse("split W.k 4 tail=pad"));
        schedule.Apply(Step.Parse("split C.k 4 tail=pad"));
        Equivalence.Check(schedule.Nest);
        Assert.Equal("X[m, k] * W[k, n]", schedule.Nest.Block("C").Values[0].ToString());
    }

    [Theory]
    [InlineData("scan", "axis t of block C is ordered", "split C.t 4 tail=pad")]
    [InlineData("maps", "block C writes C, which is not an intermediate", "split C.i 3 tail=pad")]
    [InlineData("scatter", "block C.init writes C, which is not an intermediate", "split C.init.d0 4 tail=pad")]
    [InlineData("scatter", "where block C writes depends on its reduce axis r", "split C.r 4 tail=pad")]
    public void Padding_is_refused(string sample, string reason, string step) =>
        RefusalTests.Refusals.Of(sample, reason, step);

    [Fact]
    public void Padding_is_refused_below_another_split() =>
        RefusalTests.Refusals.Of(
            "maps",
            "no axis of block B is bound to B.j.o itself",
            "split B.j 2",
            "split B.j.o 4 tail=pad"
        );

    [Fact]
    public void Fuse_and_split_again()
    {
        var nest = Equivalence.Check(
            "matmul",
            "mn = fuse C.m C.n",
            "split mn 7",
            "parallel mn.o",
            "vectorize mn.i",
            "unroll C.k"
        );
        Assert.Equal(LoopKind.Parallel, nest.Loop("mn.o").Kind);
        Equivalence.Check("matmul", "nk = fuse C.n C.k", "all = fuse C.m nk", "split all 9");
        Equivalence.Check("maps", "f = fuse B.i B.j", "g = fuse C.i C.j", "parallel f", "bind g block.x");
    }

    [Fact]
    public void Fuse_undoes_split()
    {
        var nest = Equivalence.Check("matmul", "o, i = split C.m 3", "m = fuse o i");
        Assert.Equal("m", nest.Block("C").Axes[0].Binding.ToString());
    }

    [Fact]
    public void Fuse_symbolic_loops() => Equivalence.Check("rows", "f = fuse C.i C.j", "split f 8");

    [Fact]
    public void Tile_outer_loops_in_parallel()
    {
        var nest = Equivalence.Check(
            "matmul",
            "mo, no, mi, ni = tile C.m C.n 4 3 tail=peel",
            "tiles = fuse mo no",
            "reorder C.k mi ni",
            "unroll mi",
            "vectorize ni",
            "parallel tiles threads=2"
        );
        Assert.Equal(["tiles", "C.k", "mi", "ni"], nest.Loops.Select(l => l.Name));
    }

    [Fact]
    public void Reorder_reductions() =>
        Equivalence.Check(
            "matmul",
            "split C.k 3",
            "reorder C.k.i C.k.o",
            "reorder C.k.i C.n C.m",
            "reorder C.m C.k.o C.k.i"
        );

    [Fact]
    public void Bind_blocks_and_threads() =>
        Equivalence.Check(
            "matmul",
            "tile C.m C.n 2 4",
            "bind C.m.o block.y",
            "bind C.n.o block.x",
            "bind C.m.i thread.y",
            "bind C.n.i thread.x"
        );

    [Fact]
    public void Specialize_program_and_loop()
    {
        var nest = Equivalence.Check("rows", "split C.i 8", "specialize N 16", "vectorize C.i.i.16", "parallel C.i.o");
        Assert.Equal(2, nest.Loop("C.i.o.16").ConstantExtent);
        var two = Equivalence.Check("rows", "a, b, c = specialize C.i 13", "unroll a", "specialize C.i 1");
        Assert.Equal(["a", "b", "C.i.1", "C.j.1"], two.Loops.Take(4).Select(l => l.Name));
        Assert.Equal("c", two.Block("c").Name);
    }

    [Fact]
    public void Specialize_copies_what_only_the_program_uses()
    {
        var schedule = new Schedule(Symbolic());
        schedule.Specialize("N", 4);
        Assert.Equal(["B", "B.4.1"], schedule.Nest.Intermediates.Select(b => b.Name));
        Equivalence.Check(schedule.Nest, ("N", 4));
        Equivalence.Check(schedule.Nest, ("N", 5));
    }

    [Theory]
    [InlineData("rows", "argument 2 is 65", "specialize N 65")]
    [InlineData("rows", "there is no parameter or loop 'M'", "specialize M 4")]
    [InlineData("rows", "the extent 10 of C.j is not a parameter", "specialize C.j 10")]
    [InlineData("matmul", "there is no parameter or loop 'N'", "specialize N 4")]
    public void Specialize_is_refused(string sample, string reason, string step) =>
        RefusalTests.Refusals.Of(sample, reason, step);

    [Fact]
    public void Prefetch_stays_within_the_buffer()
    {
        Equivalence.Check("matmul", "prefetch A C.k 16", "prefetch B C.n 1");
        Equivalence.Check("rows", "prefetch A C.i 3");
        var nest = Equivalence.Check("stencil", "prefetch B C.i 4");
        Assert.Equal(
            ["B[min(C.i + 4, 17)]", "B[min(C.i + 5, 17)]", "B[min(C.i + 6, 17)]"],
            nest.Body.Nodes().OfType<Prefetch>().Select(p => p.ToString().Trim()["prefetch ".Length..])
        );
    }

    [Theory]
    [InlineData("matmul", "what is read of A does not move with C.n", "prefetch A C.n 4")]
    [InlineData("matmul", "nothing below C.m reads C", "prefetch C C.m 4")]
    [InlineData("matmul", "argument 3 is 0", "prefetch A C.k 0")]
    [InlineData("matmul", "there is no buffer 'D'", "prefetch D C.k 4")]
    public void Prefetch_is_refused(string sample, string reason, string step) =>
        RefusalTests.Refusals.Of(sample, reason, step);

    [Theory]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    [InlineData(8, 5)]
    public void Pipeline_copies_ahead(int stages, int factor) =>
        Equivalence.Check(
            "matmul",
            $"split C.k {factor}",
            "reorder C.k.o C.m C.n C.k.i",
            "cache_read B C stack",
            "compute_at B.stack.copy C.k.o",
            "cache_read A C stack",
            "compute_at A.stack.copy C.k.o",
            $"pipeline C.k.o stages={stages}"
        );

    [Fact]
    public void Pipeline_below_a_parallel_loop() =>
        Equivalence.Check(
            "matmul",
            "split C.m 4",
            "split C.k 3",
            "reorder C.m.o C.k.o C.m.i C.n C.k.i",
            "T, copy = cache_read A C stack",
            "compute_at copy C.k.o",
            "double_buffer C.k.o",
            "parallel C.m.o",
            "vectorize C.n"
        );

    [Theory]
    [InlineData("the body of C.k is not a sequence of copies", "pipeline C.k stages=2")]
    [InlineData("stages is 'not given'", "pipeline C.k")]
    [InlineData("stages is '9'", "pipeline C.k stages=9")]
    [InlineData("mode=cp.async needs the asynchronous copies of a GPU", "pipeline C.k stages=2 mode=cp.async")]
    [InlineData("unknown mode 'fast'", "pipeline C.k stages=2 mode=fast")]
    [InlineData("the body of C.m is not a sequence", "double_buffer C.m")]
    public void Pipeline_is_refused(string reason, string step) => RefusalTests.Refusals.Of("matmul", reason, step);

    [Fact]
    public void Pipeline_names_what_is_no_copy()
    {
        var refusal = RefusalTests.Refusals.Of(
            "stencil",
            "B lives in registers",
            "split C.i 8",
            "compute_at B C.i.o",
            "set_scope B register",
            "double_buffer C.i.o"
        );
        Assert.Contains("compute_at C.i.o", refusal.Legal);
    }

    private static Algorithm TwoCopies()
    {
        var g = new AlgorithmBuilder("packed");
        var a = g.Input("A", DType.Float32, 5, 7);
        var b = g.Input("B", DType.Float32, 7, 6);
        var (m, n, k) = (new Axis("m", 5), new Axis("n", 6), new Axis("k", 7));
        var x = g.Stage("X", [m, k], a[m, k]);
        var w = g.Stage("W", [k, n], b[k, n]);
        return g.Build(g.Stage("C", [m, n], AlgorithmBuilder.Sum(k, x[m, k] * w[k, n])));
    }

    private static Algorithm Symbolic()
    {
        var g = new AlgorithmBuilder("two");
        var rows = g.Parameter("N", 64);
        var a = g.Input("A", DType.Float32, rows);
        var i = new Axis("i", rows);
        var b = g.Stage("B", [i], a[i] * 2f);
        return g.Build(g.Stage("C", [i], b[i] + 1f));
    }
}
