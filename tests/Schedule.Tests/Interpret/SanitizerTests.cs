using Picograd.Algorithms;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Interpret;

/// <summary>For each sanitizer nests that it must stop, beside the nearest nests that it must not.</summary>
public class SanitizerTests
{
    private static readonly Algorithm Twice = Nests.Double();
    private static readonly Buffer A = Twice.Inputs[0];
    private static readonly Buffer B = Twice.Outputs[0];
    private readonly Var _i = new("i");
    private readonly Var _j = new("j");

    [Fact]
    public void A_load_outside_of_its_buffer_stops_and_shows_where()
    {
        var bad = Nests.Store(B, _i, A[_i + 1]);
        var error = Stops(SanitizerKind.OutOfBounds, Nests.Loop(_i, 8, bad));
        Assert.Same(A, error.Buffer);
        Assert.Equal([8L], error.Index);
        Assert.Equal([("i", 7L)], error.Loops);
        Assert.Same(bad, error.At);
        string[] lines = error.Message.Split('\n', StringSplitOptions.TrimEntries);
        Assert.Equal("OutOfBounds: A[8] is outside of [8] where i=7", lines[0]);
        Assert.Contains(lines, l => l == "B[i] = A[i + 1]    <-- here");
    }

    [Fact]
    public void A_negative_index_is_outside() =>
        Stops(SanitizerKind.OutOfBounds, Nests.Loop(_i, 8, Nests.Store(B, _i, A[_i - 1])));

    [Fact]
    public void A_store_outside_of_its_buffer_stops()
    {
        var error = Stops(SanitizerKind.OutOfBounds, Nests.Loop(_i, 9, Nests.Store(B, _i, 0f)));
        Assert.Same(B, error.Buffer);
        Assert.Equal([8L], error.Index);
    }

    [Fact]
    public void Each_dimension_is_checked_by_itself()
    {
        var g = new AlgorithmBuilder("g");
        var a = g.Input("A", DType.Float32, 2, 3);
        var (i, j) = (new Axis("i", 2), new Axis("j", 3));
        var algorithm = g.Build(g.Stage("B", [i, j], a[i, j]));
        // Element [0, 3] would be element [1, 0] of the memory.
        var body = Nests.Loop(
            _i,
            2,
            Nests.Loop(
                _j,
                3,
                new Store(algorithm.Outputs[0], [_i, _j], Op.Select(Op.Lt(_i, 1), a[_i, _j + 1], a[_i, _j]))
            )
        );
        var error = Stops(SanitizerKind.OutOfBounds, body, algorithm);
        Assert.Equal([0L, 3L], error.Index);
    }

    [Fact]
    public void A_block_axis_outside_of_its_extent_stops()
    {
        var nest = InitialNest.Of(Twice);
        var block = nest.Block("B");
        var wide = nest.Body.Replace(
            block,
            block with
            {
                Axes = [block.Axes[0] with { Binding = block.Axes[0].Binding + 1 }],
            }
        );
        var error = Stops(SanitizerKind.AxisOutOfRange, wide);
        Assert.Contains("axis i of block B is 8", error.Message);
    }

    [Fact]
    public void A_read_of_an_unwritten_intermediate_stops()
    {
        var t = new Buffer("T", DType.Float32, [8], Scope.Heap);
        var use = Nests.Loop(_j, 8, Nests.Store(B, _j, t[_j]));
        var full = Seq.Of(Nests.Loop(_i, 8, Nests.Store(t, _i, A[_i])), use);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], Nests.Run(Nests.With(Twice, full, t)));
        var odd = Seq.Of(Nests.Loop(_i, 4, Nests.Store(t, _i * 2, A[_i])), use);
        var error = Stops(SanitizerKind.UnwrittenRead, odd, Twice, t);
        Assert.Same(t, error.Buffer);
        Assert.Equal([1L], error.Index);
    }

    [Fact]
    public void An_output_is_unwritten_at_the_start_and_must_be_whole_at_the_end()
    {
        Stops(SanitizerKind.UnwrittenRead, Nests.Loop(_i, 8, Nests.Store(B, _i, B[_i] + A[_i])));
        var error = Stops(SanitizerKind.UnwrittenOutput, Nests.Loop(_i, 7, Nests.Store(B, _i, A[_i])));
        Assert.Equal([7L], error.Index);
        Assert.Null(error.At);
    }

    [Fact]
    public void A_reduction_without_its_initialisation_stops()
    {
        var matmul = Nests.Matmul();
        var nest = InitialNest.Of(matmul);
        var block = nest.Block("C");
        Stops(SanitizerKind.UnwrittenRead, nest.Replace(block, block with { Init = false }).Body, matmul);
    }

    [Fact]
    public void An_allocation_lives_for_one_iteration_of_the_loop_around_it()
    {
        var t = new Buffer("T", DType.Float32, [1], Scope.Stack);
        var carry = Nests.Store(B, _i, t[0]);
        var first = new If(Op.Eq(_i, 0), Nests.Store(t, 0, A[0]));
        var outside = new Allocate(t, Nests.Loop(_i, 8, Seq.Of(first, carry)));
        Assert.Equal([1, 1, 1, 1, 1, 1, 1, 1], Nests.Run(Nests.With(Twice, outside)));
        var inside = Nests.Loop(_i, 8, new Allocate(t, Seq.Of(first, carry)));
        var error = Stops(SanitizerKind.UnwrittenRead, inside);
        Assert.Equal([("i", 1L)], error.Loops);
    }

    [Theory]
    [InlineData(LoopKind.Parallel)]
    [InlineData(LoopKind.Vector)]
    [InlineData(LoopKind.BlockX)]
    [InlineData(LoopKind.BlockZ)]
    [InlineData(LoopKind.Cluster)]
    [InlineData(LoopKind.Warp)]
    [InlineData(LoopKind.ThreadX)]
    [InlineData(LoopKind.ThreadY)]
    [InlineData(LoopKind.Lane)]
    public void Two_iterations_of_a_concurrent_loop_must_not_write_one_element(LoopKind kind)
    {
        Assert.Equal(
            [1, 2, 3, 4, 5, 6, 7, 8],
            Nests.Run(Nests.With(Twice, Nests.Loop(_i, 8, Nests.Store(B, _i, A[_i]), kind)))
        );
        var body = Seq.Of(
            Nests.Loop(_j, 8, Nests.Store(B, _j, 0f)),
            Nests.Loop(_i, 8, Nests.Store(B, Op.FloorDiv(_i, 2), A[_i]), kind)
        );
        var error = Stops(SanitizerKind.Race, body);
        Assert.Same(B, error.Buffer);
        Assert.Equal([0L], error.Index);
        Assert.Contains($"{kind.Text()} i=0", error.Message);
        Assert.Contains($"{kind.Text()} i=1", error.Message);
        // The same in sequence is no race.
        Nests.Run(Nests.With(Twice, body.MapUp(s => s is For f ? f with { Kind = LoopKind.Unrolled } : s)));
    }

    [Theory]
    [InlineData(LoopKind.Parallel)]
    [InlineData(LoopKind.Vector)]
    [InlineData(LoopKind.ThreadX)]
    public void An_iteration_must_not_read_what_another_writes_in_either_order(LoopKind kind)
    {
        // Ascending order reads before the write (7, 6, …) or after it.
        foreach (var from in new Expr[] { 7 - _i, Op.Max(_i - 1, 0) })
        {
            var body = Seq.Of(
                Nests.Loop(_j, 8, Nests.Store(B, _j, 0f)),
                Nests.Loop(_i, 8, Nests.Store(B, _i, B[from]), kind)
            );
            foreach (int seed in new[] { 1, 2, 3 })
                Stops(SanitizerKind.Race, body, options: new InterpreterOptions(Seed: seed));
            Stops(SanitizerKind.Race, body);
        }
    }

    [Fact]
    public void A_reduction_over_a_vector_loop_is_a_race()
    {
        var matmul = Nests.Matmul();
        var nest = InitialNest.Of(matmul);
        var k = nest.Loop("C.k");
        Stops(SanitizerKind.Race, nest.Replace(k, k with { Kind = LoopKind.Vector }).Body, matmul);
        var m = nest.Loop("C.m");
        Nests.Run(nest.Replace(m, m with { Kind = LoopKind.Parallel }));
    }

    [Fact]
    public void A_write_conflicts_with_any_of_many_readers()
    {
        // Iteration 5 alone reads B[0] last; iteration 3 read it before; iteration 5 then writes it.
        var body = Seq.Of(
            Nests.Loop(_j, 8, Nests.Store(B, _j, 0f)),
            Nests.Loop(
                _i,
                8,
                Seq.Of(new If(Op.Lt(_i, 6), Nests.Store(B, _i + 1, B[0])), new If(Op.Eq(_i, 5), Nests.Store(B, 0, 1f))),
                LoopKind.Parallel
            )
        );
        var error = Stops(SanitizerKind.Race, body);
        Assert.Equal([0L], error.Index);
    }

    [Fact]
    public void Parallel_loops_one_after_the_other_are_ordered()
    {
        var t = new Buffer("T", DType.Float32, [8], Scope.Heap);
        var body = Seq.Of(
            Nests.Loop(_i, 8, Nests.Store(t, _i, A[_i]), LoopKind.Parallel),
            Nests.Loop(_j, 8, Nests.Store(B, _j, t[7 - _j]), LoopKind.Parallel)
        );
        Assert.Equal([8, 7, 6, 5, 4, 3, 2, 1], Nests.Run(Nests.With(Twice, body, t), new InterpreterOptions(Seed: 5)));
    }

    [Fact]
    public void Order_of_concurrent_iterations_follows_the_seed()
    {
        // Without the race sanitizer the last writer shows.
        var body = Seq.Of(
            Nests.Loop(_j, 8, Nests.Store(B, _j, 0f)),
            Nests.Loop(_i, 8, Nests.Store(B, 0, A[_i]), LoopKind.Parallel)
        );
        var nest = Nests.With(Twice, body);
        double Last(int? seed) => Nests.Run(nest, new InterpreterOptions(Sanitizers.None, seed))[0];
        Assert.Equal(8, Last(null));
        Assert.Equal(Last(11), Last(11));
        Assert.True(Enumerable.Range(0, 20).Select(s => Last(s)).Distinct().Count() > 3);
    }

    [Fact]
    public void Sanitizers_that_are_off_let_the_program_run()
    {
        var body = Seq.Of(
            Nests.Loop(_i, 9, Nests.Store(B, _i, A[_i])),
            Nests.Store(B, 0, B[20]),
            Nests.Loop(_j, 2, Nests.Store(B, 1, 5f), LoopKind.Parallel)
        );
        double[] b = Nests.Run(Nests.With(Twice, body), new InterpreterOptions(Sanitizers.None));
        Assert.Equal([0, 5, 3, 4, 5, 6, 7, 8], b);
    }

    private static SanitizerException Stops(
        SanitizerKind kind,
        Stmt body,
        Algorithm? algorithm = null,
        Buffer? intermediate = null,
        InterpreterOptions? options = null
    )
    {
        Buffer[] intermediates = intermediate is null ? [] : [intermediate];
        var error = Assert.Throws<SanitizerException>(() =>
            Nests.Run(Nests.With(algorithm ?? Twice, body, intermediates), options)
        );
        Assert.Equal(kind, error.Kind);
        return error;
    }
}
