using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cpu.Passes;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>What each pass makes of a small nest.</summary>
public class PassTests
{
    private static Algorithm AddOne(long n, DType type = DType.Float32)
    {
        var g = new AlgorithmBuilder("add_one");
        var i = new Axis("i", n);
        var x = g.Input("X", type, n);
        return g.Build(g.Stage("Y", [i], x[i] + Op.Const(1, type)));
    }

    private static Algorithm Sum(long rows, long terms)
    {
        var g = new AlgorithmBuilder("sum");
        var (i, k) = (new Axis("i", rows), new Axis("k", terms));
        var x = g.Input("X", DType.Float32, rows, terms);
        return g.Build(g.Stage("Y", [i], AlgorithmBuilder.Sum(k, x[i, k])));
    }

    private static Stmt Lowered(LoopNest nest) => LowerBlocks.Run(StoragePlacement.Run(nest)).Body;

    private static string Text(Stmt stmt) => stmt.ToString().Trim();

    [Fact]
    public void A_reduction_starts_from_the_identity_where_all_its_axes_are_zero()
    {
        Assert.Equal(
            """
            for Y.i in 0..2:
              for Y.k in 0..3:
                Y[Y.i] = select(Y.k == 0, 0.0, Y[Y.i]) + X[Y.i, Y.k]
            """,
            Text(Lowered(InitialNest.Of(Sum(2, 3))))
        );
    }

    [Fact]
    public void Where_the_only_term_is_the_first_there_is_no_test()
    {
        Assert.Equal(
            """
            for Y.i in 0..2:
              Y[Y.i] = 0.0 + X[Y.i, 0]
            """,
            Text(Lowered(InitialNest.Of(Sum(2, 1))))
        );
    }

    [Fact]
    public void Decomposed_the_start_is_a_store_of_its_own()
    {
        var s = new Schedule(Sum(2, 3));
        s.DecomposeReduction("Y", "Y.k");
        Assert.Equal(
            """
            for Y.i in 0..2:
              Y[Y.i] = 0.0
              for Y.k in 0..3:
                Y[Y.i] = Y[Y.i] + X[Y.i, Y.k]
            """,
            Text(Lowered(s.Nest))
        );
    }

    [Fact]
    public void A_peeled_loop_has_a_main_part_without_tests_and_a_tail()
    {
        var s = new Schedule(AddOne(10));
        s.Split("Y.i", 4, Tail.Peel);
        var nest = LoopPartition.Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest)));
        var parts = Assert.IsType<Seq>(nest.Body).Items;
        var main = Assert.IsType<For>(parts[0]);
        Assert.Equal(2, main.ConstantExtent);
        Assert.DoesNotContain(main.Nodes(), n => n is If);
        // The tail is one iteration of the outer loop: only the inner loop is left, which stops at the end.
        var tail = Assert.IsType<For>(Assert.IsType<Seq>(TrimLoops.Run(nest).Body).Items.Skip(1).Single());
        Assert.Equal("Y.i.i", tail.Name);
        Assert.Equal(2, tail.ConstantExtent);
        Assert.DoesNotContain(tail.Nodes(), n => n is If);
    }

    [Fact]
    public void A_guarded_tail_keeps_its_test_and_its_loop()
    {
        var s = new Schedule(AddOne(10));
        s.Split("Y.i", 4, Tail.Guard);
        var nest = LoopPartition.Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest)));
        var outer = Assert.IsType<For>(nest.Body);
        Assert.Equal(3, outer.ConstantExtent);
        Assert.Single(outer.Nodes().OfType<If>());
    }

    [Fact]
    public void Conditions_that_the_loops_decide_are_folded()
    {
        var nest = InitialNest.Of(AddOne(8));
        var loop = (For)nest.Body;
        var store = Lowered(nest).Nodes().OfType<Store>().Single();
        var always = new If(Op.Lt(loop.Var, 8), store with { Value = Op.Select(Op.Le(0, loop.Var), store.Value, 0f) });
        var never = new If(Op.Lt(loop.Var, 0), store);
        var body = loop with { Body = Seq.Of(always, never) };
        var folded = SimplifyConditions.Run(nest with { Body = body });
        Assert.Equal(Text(Lowered(nest)), Text(folded.Body));
    }

    [Fact]
    public void Unrolled_loops_and_those_that_index_registers_are_replicated()
    {
        var s = new Schedule(Sum(3, 4));
        var (_, write) = s.CacheWrite("Y", Scope.Register);
        s.Unroll("Y.k");
        var nest = new UnrollLoops(1000).Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest)));
        // The partial results of all rows are registers, so both loops over rows are gone.
        Assert.Empty(nest.Loops);
        Assert.Equal(3 * 4 + 3, nest.Body.Nodes().OfType<Store>().Count());
    }

    [Fact]
    public void Loops_over_memory_stay_loops()
    {
        var nest = new UnrollLoops(1000).Run(LowerBlocks.Run(StoragePlacement.Run(InitialNest.Of(Sum(3, 4)))));
        Assert.Equal(2, nest.Loops.Count());
    }

    [Fact]
    public void Unrolling_stops_at_the_limit()
    {
        var s = new Schedule(AddOne(100));
        s.Unroll("Y.i");
        var nest = LowerBlocks.Run(StoragePlacement.Run(s.Nest));
        Assert.Equal(100, new UnrollLoops(100).Run(nest).Body.Nodes().OfType<Store>().Count());
        var refusal = Assert.Throws<LoweringException>(() => new UnrollLoops(99).Run(nest));
        Assert.Equal("unroll-too-large", refusal.Reason);
        Assert.Contains("99", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_symbolic_loop_can_be_neither_unrolled_nor_a_vector()
    {
        var g = new AlgorithmBuilder("symbolic");
        var p = g.Parameter("P", 20);
        var i = new Axis("i", p);
        var x = g.Input("X", DType.Float32, p);
        var nest = InitialNest.Of(g.Build(g.Stage("Y", [i], x[i] + 1f)));
        LoopNest With(LoopKind kind) =>
            LowerBlocks.Run(StoragePlacement.Run(nest with { Body = (For)nest.Body with { Kind = kind } }));
        Assert.Equal(
            "unroll-symbolic",
            Assert.Throws<LoweringException>(() => new UnrollLoops(100).Run(With(LoopKind.Unrolled))).Reason
        );
        Assert.Equal(
            "vector-symbolic",
            Assert.Throws<LoweringException>(() => new LegalizeVectors(128).Run(With(LoopKind.Vector))).Reason
        );
    }

    [Theory]
    [InlineData(128, DType.Float32, new long[] { 4, 4, 4, 4, 4, 4, 4, 4, 4, 4 })]
    [InlineData(256, DType.Float32, new long[] { 8, 8, 8, 8, 8 })]
    [InlineData(512, DType.Float32, new long[] { 16, 16, 8 })]
    [InlineData(512, DType.Float64, new long[] { 8, 8, 8, 8, 8 })]
    [InlineData(256, DType.UInt8, new long[] { 32, 8 })]
    public void Vector_loops_are_cut_to_the_width_of_the_machine(int bits, DType type, long[] extents)
    {
        var vectors = Legal(bits, type).Nodes().OfType<For>().ToList();
        Assert.Equal(extents, vectors.Select(v => v.ConstantExtent!.Value));
        Assert.All(vectors, v => Assert.Equal(LoopKind.Vector, v.Kind));
    }

    [Fact]
    public void What_vectors_cannot_hold_runs_lane_by_lane()
    {
        var g = new AlgorithmBuilder("gather");
        var i = new Axis("i", 40);
        var x = g.Input("X", DType.Float32, 100);
        var at = g.Input("I", DType.Int64, 40);
        var s = new Schedule(g.Build(g.Stage("Y", [i], x[at[i]])));
        s.Vectorize("Y.i");
        var loop = Assert.IsType<For>(new LegalizeVectors(256).Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest))).Body);
        Assert.Equal(LoopKind.Serial, loop.Kind);
        Assert.Equal(40, loop.ConstantExtent);
    }

    // As many lanes as a vector holds of the widest; what sets a register buffer of bools has as many as what goes on from it.
    [Fact]
    public void Loops_of_values_of_several_sizes_have_the_lanes_of_the_widest()
    {
        var g = new AlgorithmBuilder("any");
        var k = new Axis("k", 64);
        var x = g.Input("X", DType.Float32, 64);
        var s = new Schedule(g.Build(g.Stage("Y", [], AlgorithmBuilder.Any([k], Op.Lt(0f, x[k])))));
        var (_, inner) = s.Split("Y.k", 8, Tail.None);
        var part = s.Rfactor("Y", inner);
        s.SetScope(s.Nest.Block(part).Output.Name, Scope.Register);
        s.Vectorize(inner);
        s.DecomposeReduction(part, s.Nest.LoopsAround(s.Nest.Block(part))[0].Name);
        var nest = new LegalizeVectors(256).Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest)));
        var vectors = nest.Loops.Where(l => l.Kind == LoopKind.Vector).ToList();
        Assert.Equal(2, vectors.Count);
        Assert.All(vectors, v => Assert.Equal(4, v.LaneBytes));
    }

    // Quotients that join to a plain index from 0 on must still do so from the second vector on.
    [Fact]
    public void Later_parts_of_a_vector_loop_over_quotients_are_vectors_too()
    {
        var g = new AlgorithmBuilder("flatten");
        var i = new Axis("i", 10);
        var x = g.Input("X", DType.Float32, 5, 2);
        var s = new Schedule(g.Build(g.Stage("Y", [i], x[Op.FloorDiv(i, 2), Op.Mod(i, 2)])));
        s.Vectorize("Y.i");
        var nest = new LegalizeVectors(128).Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest)));
        Assert.Equal([LoopKind.Vector, LoopKind.Vector, LoopKind.Vector], nest.Loops.Select(l => l.Kind));
    }

    private static Stmt Legal(int bits, DType type)
    {
        var s = new Schedule(AddOne(40, type));
        s.Vectorize("Y.i");
        return new LegalizeVectors(bits).Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest))).Body;
    }
}
