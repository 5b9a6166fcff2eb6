using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Primitives;
using Xunit;
using static Picograd.Tests.Placement.Harness;

namespace Picograd.Tests.Placement;

/// <summary>What the placement primitives refuse, and what they say then.</summary>
public class RefusalTests
{
    [Theory]
    [InlineData("compute_at y x", "there is no loop 'x'", "y.m")]
    [InlineData("compute_at y e.m", "block y writes y, an output of the algorithm", "cache_write")]
    [InlineData("compute_at e y.m", "block sum reads e outside loop y.m", "no loop is around all readers")]
    [InlineData("compute_at max y.m", "block e reads max outside loop y.m", "e.m")]
    [InlineData("reverse_compute_at y max.m", "block e writes e, which block y reads, after loop max.m")]
    [InlineData("reverse_compute_at e max.n", "block max reduces across loop max.n", "max.m")]
    [InlineData("reverse_compute_at max e.m", "nothing that block max reads is written below loop e.m")]
    [InlineData("cache_read x y heap", "block y does not read x", "e, sum")]
    [InlineData("cache_write x heap", "buffer x is an input")]
    [InlineData("cache_write y global", "unknown scope 'global'", "heap, stack, register")]
    [InlineData("set_scope y stack", "buffer y is an argument of the algorithm")]
    [InlineData("store_at e y.m", "e is also used outside loop y.m", "no loop")]
    [InlineData("rfactor y y.m", "block y is not a reduction")]
    [InlineData("rfactor sum sum.m", "loop sum.m drives no reduce axis of block sum", "sum.n")]
    [InlineData("decompose_reduction e e.m", "block e is not a reduction")]
    [InlineData("decompose_reduction sum e.m", "loop e.m is not around block sum", "sum.m, sum.n")]
    [InlineData("cache_write y heap what=1", "unknown option 'what'", "no options")]
    public void OnSoftmax(string step, string reason, string? legal = null) =>
        Refused(new Schedule(Softmax(4, 6)), step, reason, legal);

    [Fact]
    public void DecomposeOutsideOfAReductionLoop()
    {
        var s = new Schedule(Matmul(4, 4, 8));
        s.Split("C.k", 4);
        s.Apply(Step.Of("reorder", "C.k.o", "C.m"));
        Refused(s, "decompose_reduction C C.m", "block C reduces over loop C.k.o, outside C.m", "C.k.o");
        s.DecomposeReduction("C", "C.k.o");
        Refused(s, "rfactor C C.k.i", "goes on reducing across loop C.k.o around C.k.i", "C.k.o");
    }

    [Fact]
    public void DecomposeWhereALoopRepeatsTheReduction()
    {
        var s = new Schedule(Softmax(4, 6));
        s.ComputeAt("sum", "y.n");
        Refused(s, "decompose_reduction sum y.n", "loop y.n repeats block sum");
    }

    [Fact]
    public void AccumulatingTwiceOverShiftedTiles()
    {
        var g = new AlgorithmBuilder("shifted");
        var a = g.Input("a", DType.Float32, 7, 4);
        var (i, k) = (new Axis("i", 7), new Axis("k", 4));
        var b = g.Stage("b", [i, k], a[i, k] * 2f);
        var (j, r) = (new Axis("i", 7), new Axis("k", 4));
        var s = new Schedule(g.Build(g.Stage("c", [j], AlgorithmBuilder.Sum(r, b[j, r]))));
        s.Split("b.i", 4, Tail.ShiftInwards);
        Refused(s, "reverse_compute_at c b.k", "block c would accumulate some points more than once");
    }

    [Fact]
    public void AxesThatGoBeyondWhatIsProduced()
    {
        var g = new AlgorithmBuilder("padding");
        var a = g.Input("a", DType.Float32, 5);
        var i = new Axis("i", 5);
        var b = g.Stage("b", [i], a[i] * 2f);
        var j = new Axis("i", 8);
        var s = new Schedule(g.Build(g.Stage("c", [j], Op.Select(Op.Lt(j, 5), b[j], 0f))));
        Refused(s, "reverse_compute_at c b.i", "axis i of block c goes to 8, beyond the 5 of dimension 0 of b");
    }

    [Fact]
    public void CombinationsOfDifferentIterations()
    {
        var g = new AlgorithmBuilder("outer");
        var a = g.Input("a", DType.Float32, 5);
        var i = new Axis("i", 5);
        var b = g.Stage("b", [i], a[i] * 2f);
        var (x, y) = (new Axis("x", 5), new Axis("y", 5));
        var s = new Schedule(g.Build(g.Stage("c", [x, y], b[x] + b[y])));
        Refused(s, "reverse_compute_at c b.i", "block c needs combinations of what different iterations");
    }

    [Fact]
    public void RegistersWithoutAConstantShape()
    {
        var g = new AlgorithmBuilder("copy");
        var n = g.Parameter("N", 64);
        var a = g.Input("a", DType.Float32, n);
        var i = new Axis("i", n);
        var s = new Schedule(g.Build(g.Stage("b", [i], a[i] * 2f)));
        s.CacheWrite("b", Scope.Register);
        var refusal = Assert.Throws<ScheduleException>(() => StoragePlacement.Run(s.Nest));
        Assert.Contains("b.reg is in registers, but the part used here, [N]", refusal.Reason, StringComparison.Ordinal);
    }
}
