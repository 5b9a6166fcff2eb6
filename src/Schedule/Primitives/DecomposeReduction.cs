using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>init = decompose_reduction block loop</c>: setting the outputs to the reducer's identity becomes a block of its
/// own, right before the loop; the block then only updates.
/// </summary>
public sealed class DecomposeReduction : Primitive
{
    public override string Name => "decompose_reduction";

    public override string Usage => "init = decompose_reduction block loop";

    public override string Requirements =>
        """
            The block is a reduction that still initialises its outputs itself. The loop is one of the loops around it,
            with all loops of its reduce axes at or below it. No loop below it drives spatial and reduce axes at once,
            and the loops from it inwards visit each point once.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "C.init = decompose_reduction C C.k",
            """
            for C.m in 0..6:
              for C.n in 0..8:
                block C.init(m = C.m, n = C.n):
                  C[m, n] = 0.0
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n] (no init)
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        var block = nest.Block(Arg(nest, step, 0));
        var loop = nest.Loop(Arg(nest, step, 1));
        if (!block.IsReduction || !block.Init)
            throw Refuse(
                nest,
                block,
                block.IsReduction
                    ? $"block {block.Name} does not initialise its output (any more)"
                    : $"block {block.Name} is not a reduction",
                "a reduction that still has its implicit initial value"
            );
        var around = nest.LoopsAround(block);
        int at = around.IndexOf(loop);
        if (at < 0)
            throw Refuse(
                nest,
                loop,
                $"loop {loop.Name} is not around block {block.Name}",
                string.Join(", ", around.Select(l => l.Name))
            );
        var reduce = block.ReduceAxes.ToList();
        var outermost = around.FirstOrDefault(l => reduce.Any(a => a.Binding.Uses(l.Var)));
        if (outermost is not null && around.IndexOf(outermost) < at)
            throw Refuse(
                nest,
                loop,
                $"block {block.Name} reduces over loop {outermost.Name}, outside {loop.Name}",
                $"{outermost.Name} or a loop around it: {string.Join(", ", around.Take(around.IndexOf(outermost) + 1).Select(l => l.Name))}"
            );

        var spatial = block.SpatialAxes.ToImmutableArray();
        var below = around.Skip(at).ToList();
        var kept = below.Where(l => spatial.Any(a => a.Binding.Uses(l.Var))).ToList();
        if (kept.FirstOrDefault(l => reduce.Any(a => a.Binding.Uses(l.Var))) is { } both)
            throw Refuse(nest, both, $"loop {both.Name} drives spatial and reduce axes of block {block.Name} at once");
        CheckOnce(nest, block, spatial, around, below, kept);
        string name = ResultName(nest, step, 0, block.Name + ".init");
        string prefix = block.Name + ".";
        var fresh = kept.ToDictionary(
            l => l.Var,
            l => new Var(
                nest.FreshName(
                    name
                        + "."
                        + (l.Name.StartsWith(prefix, StringComparison.Ordinal) ? l.Name[prefix.Length..] : l.Name)
                )
            )
        );
        var renamed = fresh.ToDictionary(x => x.Key, x => (Expr)x.Value);
        var init = new Block(
            name,
            [.. spatial.Select(a => a with { Binding = a.Binding.Substitute(renamed) })],
            Predicate(nest, block, spatial, around, [.. below.Except(kept).Select(l => l.Var)]).Substitute(renamed),
            block.Outputs,
            block.Indices,
            block.Reducer!.Identity
        );
        Stmt stmt = OwnAxes(init);
        // Loops keep their kind: iterations that touch elements of their own when updating do so when initialising.
        foreach (var l in Enumerable.Reverse(kept))
            stmt = l with { Var = fresh[l.Var], Extent = l.Extent.Substitute(renamed), Body = stmt };
        var updating = nest.Replace(block, block with { Init = false });
        var result = BlockLoops.Insert(updating, updating.Loop(loop.Name), stmt, after: false);
        return (StoreAt.Kept(result), [name]);
    }

    // As long as it initialises itself, a block may do all of a reduction again and again. Initialised only once, it must
    // do so once.
    private void CheckOnce(
        LoopNest nest,
        Block block,
        ImmutableArray<BlockAxis> spatial,
        ImmutableArray<For> around,
        List<For> below,
        List<For> kept
    )
    {
        var repeating = below.FirstOrDefault(l => !l.Extent.IsConst(1) && !block.Axes.Any(a => a.Binding.Uses(l.Var)));
        if (repeating is not null)
            throw Refuse(
                nest,
                repeating,
                $"loop {repeating.Name} repeats block {block.Name}, which would reduce on from its last result",
                below.SkipWhile(l => l != repeating).Skip(1).FirstOrDefault() is { } next
                    ? $"{next.Name}, or a loop below it"
                    : null
            );
        var analysis = new RegionAnalysis(nest, around);
        var points = new Region([.. spatial.Select(a => new Span(a.Binding, a.Binding, true, true))], true, [], []);
        if (!analysis.Disjoint(points, kept))
            throw Refuse(
                nest,
                kept[0],
                $"the loops {string.Join(", ", kept.Select(l => l.Name))} may visit a point of block {block.Name} more than once",
                "a loop below them"
            );
    }

    // Conditions on loops that stay are kept; if one also depends on a loop that goes, the extents of the axes are
    // tested instead.
    private static Expr Predicate(
        LoopNest nest,
        Block block,
        ImmutableArray<BlockAxis> spatial,
        ImmutableArray<For> around,
        HashSet<Var> gone
    )
    {
        var predicate = Op.True;
        bool mixed = false;
        foreach (var test in block.Predicate.Conjuncts())
        {
            var used = test.FreeVars();
            if (!used.Any(gone.Contains))
                predicate = Op.And(predicate, test);
            else
                mixed |= spatial.Any(a => a.Binding.FreeVars().Any(used.Contains));
        }
        foreach (var axis in mixed ? spatial : [])
        {
            foreach (var test in new[] { Op.Le(0, axis.Binding), Op.Lt(axis.Binding, axis.Extent) })
            {
                var simple = Simplify(nest, test, around);
                if (!simple.IsTrue() && !predicate.Conjuncts().Contains(simple))
                    predicate = Op.And(predicate, simple);
            }
        }
        return predicate;
    }

    private static Block OwnAxes(Block block)
    {
        var own = block.Axes.ToDictionary(a => a.Var, a => new Var(a.Name));
        var values = own.ToDictionary(x => x.Key, x => (Expr)x.Value);
        return block with
        {
            Axes = [.. block.Axes.Select(a => a with { Var = own[a.Var] })],
            Indices = [.. block.Indices.Select(i => i.Substitute(values))],
        };
    }
}
