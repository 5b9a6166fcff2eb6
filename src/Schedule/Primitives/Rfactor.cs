using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>rf[, buffers] = rfactor block loop</c>: one partial result for each iteration of a reduction loop. A new block,
/// block.rf, computes the partial results into a new intermediate with one more, last, dimension; the block itself then
/// reduces that dimension. Changes the order of a floating-point reduction, which the trace says: reassociates=true.
/// </summary>
public sealed class Rfactor : Primitive
{
    public override string Name => "rfactor";

    public override string Usage => "rf[, buffers of a tuple-valued block] = rfactor block loop [at=loop]";

    public override string Requirements =>
        """
            The block is a reduction. The loop is around it and drives reduce axes only, as do the other loops of those
            axes. Predicates on those loops depend on nothing else but loops that each are a spatial axis; where they do
            not hold, the identity is combined.
            With its implicit initial value, other users of the outputs are not below the loop. Without it, the
            block writes at its own axes, all loops of the reduction are at or below the loop, and each iteration adds
            its partial result to what is there.
            at: partial results are taken together right below this loop around the block, not after all loops of its
            own; the loops of the reduction are below it, but for the first where there is no initial value.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            ["split C.k 4"],
            "C.rf = rfactor C C.k.i",
            """
            buffer C.rf: f32[6, 8, 4] heap
            for C.m in 0..6:
              for C.n in 0..8:
                for C.k.o in 0..3:
                  for C.k.i in 0..4:
                    block C.rf(m = C.m, n = C.n, k.i = C.k.i, k.o:reduce = C.k.o) where C.k.o * 4 + C.k.i < 10:
                      C.rf[m, n, k.i] sum= select(k.o * 4 + k.i < 10, A[m, k.o * 4 + k.i] * B[k.o * 4 + k.i, n], 0.0)
            for C.m1 in 0..6:
              for C.n1 in 0..8:
                for C.k.i1 in 0..4:
                  block C(m = C.m1, n = C.n1, k.i:reduce = C.k.i1):
                    C[m, n] sum= C.rf[m, n, k.i]
            """
        );

    protected override Step Record(Step step) => step.With("reassociates", "true");

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "reassociates", "at");
        var block = nest.Block(Arg(nest, step, 0));
        var loop = nest.Loop(Arg(nest, step, 1));
        var around = nest.LoopsAround(block);
        var touched = Check(nest, block, loop, around);
        var at = step.Option("at") is { } name ? nest.Loop(name) : null;
        if (at is not null && !around.Contains(at))
            throw Refuse(nest, at, $"loop {at.Name} is not around block {block.Name}");
        var whole = block;
        if (!block.Init)
        {
            // Partial results exist for every iteration, so conditions on the loops of the reduction limit no result.
            whole = block with
            {
                Predicate = block
                    .Predicate.Conjuncts()
                    .Where(c => !touched.Loops.Any(l => c.Uses(l.Var)))
                    .Aggregate(Op.True, Op.And),
            };
            nest = nest with { Body = nest.Body.Replace(block, whole) };
        }
        var site = WriteSite.Find(nest, [whole], block.Outputs, across: block.Init ? null : loop, at);
        bool shared = site.Outer.Any(l => l.Var == loop.Var);
        if (shared && block.Init)
            throw Refuse(nest, loop, $"users of {block.Output.Name} are below loop {loop.Name}");
        if (site.Written is not null && BlockLoops.HasLayout(block))
            throw Refuse(
                nest,
                block,
                $"{block.Output.Name} has a layout of its own, and block {block.Name} shares loops with its readers",
                "rfactor before compute_at or reverse_compute_at"
            );

        string partialName = ResultName(nest, step, 0, block.Name + ".rf");
        // Where a mask ends the loop early, as many parts as there may be.
        Expr parts = loop.Extent.FreeVars().Any(v => around.Any(l => l.Var == v))
            ? Interval.Of(loop.Extent, nest.Ranges(around)).Max
            : loop.Extent;
        var buffers = new Buffer[block.Outputs.Length];
        for (int i = 0; i < buffers.Length; i++)
        {
            string bufferName = buffers.Length == 1 ? partialName : ResultName(nest, step, i + 1, $"{partialName}.{i}");
            var output = block.Outputs[i];
            buffers[i] = new Buffer(bufferName, output.Type, output.Shape.Add(parts), Scope.Heap);
        }
        var partial = Partial(nest, block, loop, around, touched, partialName, [.. buffers], parts);
        var merge = Merge(block, loop, [.. buffers], parts);

        var names = nest with
        {
            Body = nest.Body.Replace(whole, partial),
            Intermediates = nest.Intermediates.AddRange(buffers),
        };
        var ranges = site.Ranges(merge).ToDictionary();
        if (shared)
            ranges[merge.Axes[^1].Var] = new AxisRange(loop.Var, 1, false);
        var (loops, _) = BlockLoops.Make(names, merge, ranges, site.Outer, (_, wish) => names.FreshName(wish));
        // Insert at the same place of the nest in which the partial block has replaced the block.
        var result = nest.Replace(site.At, Seq.Of(site.At.Replace(whole, partial), loops));
        result = result with
        {
            Body = result.Body.MapUp(s => s is Seq q && q.Items.Any(i => i is Seq) ? Seq.Of(q.Items) : s),
            Intermediates = names.Intermediates,
        };
        return (
            StoreAt.Kept(result),
            buffers.Length == 1 ? [partialName] : [partialName, .. buffers.Select(b => b.Name)]
        );
    }

    /// <summary>The reduce axes that the loop drives, and all loops that drive them.</summary>
    private (ImmutableArray<BlockAxis> Axes, ImmutableArray<For> Loops) Check(
        LoopNest nest,
        Block block,
        For loop,
        ImmutableArray<For> around
    )
    {
        if (!block.IsReduction)
            throw Refuse(nest, block, $"block {block.Name} is not a reduction", "a reduction");
        var reduceLoops = around.Where(l => block.ReduceAxes.Any(a => a.Binding.Uses(l.Var))).ToList();
        string legal = $"reduction loops: {string.Join(", ", reduceLoops.Select(l => l.Name))}";
        if (!around.Contains(loop))
            throw Refuse(nest, loop, $"loop {loop.Name} is not around block {block.Name}", legal);
        if (!reduceLoops.Contains(loop))
            throw Refuse(nest, loop, $"loop {loop.Name} drives no reduce axis of block {block.Name}", legal);
        var axes = block.ReduceAxes.Where(a => a.Binding.Uses(loop.Var)).ToHashSet();
        ImmutableArray<For> loops = [];
        for (int before = -1; before != axes.Count; )
        {
            before = axes.Count;
            loops = [.. around.Where(l => axes.Any(a => a.Binding.Uses(l.Var)))];
            axes.UnionWith(block.ReduceAxes.Where(a => loops.Any(l => a.Binding.Uses(l.Var))));
        }
        if (loops.FirstOrDefault(l => block.SpatialAxes.Any(a => a.Binding.Uses(l.Var))) is { } both)
            throw Refuse(nest, both, $"loop {both.Name} drives spatial and reduce axes of block {block.Name} at once");
        // A part that a condition leaves out would be taken together unwritten.
        if (
            nest.Body.PathTo(block)!.Value.OfType<If>().FirstOrDefault(i => loops.Any(l => i.Cond.Uses(l.Var))) is
            { } branch
        )
            throw Refuse(
                nest,
                branch,
                $"block {block.Name} is under a condition on loops of its reduction",
                "rfactor before skip_zeros"
            );
        if (block.Init && loop.Extent.FreeVars().Any(v => around.Any(l => l.Var == v)))
            throw Refuse(nest, loop, $"the extent of loop {loop.Name} depends on other loops");
        if (!block.Init && !block.ArePlainAxes(block.Indices))
            throw Refuse(
                nest,
                block,
                $"block {block.Name} does not initialise its output (any more), nor write at its own axes",
                "rfactor first, then decompose_reduction"
            );
        if (!block.Init && reduceLoops[0] != loop)
            throw Refuse(
                nest,
                loop,
                $"block {block.Name}, which does not initialise its output, goes on reducing across loop {reduceLoops[0].Name} around {loop.Name}",
                reduceLoops[0].Name
            );
        return ([.. block.ReduceAxes.Where(axes.Contains)], loops);
    }

    private Block Partial(
        LoopNest nest,
        Block block,
        For loop,
        ImmutableArray<For> around,
        (ImmutableArray<BlockAxis> Axes, ImmutableArray<For> Loops) touched,
        string name,
        ImmutableArray<Buffer> buffers,
        Expr parts
    )
    {
        // Axes of its own for what stays; for the axes that go, one axis a loop that drove them.
        var values = new Dictionary<Var, Expr>();
        var axes = new List<BlockAxis>();
        void Keep(BlockAxis axis)
        {
            var own = axis with { Var = new Var(axis.Name) };
            values[axis.Var] = own.Var;
            axes.Add(own);
        }
        foreach (var axis in block.SpatialAxes)
            Keep(axis);
        var byLoop = new Dictionary<Var, Expr>();
        foreach (var l in touched.Loops.Where(l => l == loop).Concat(touched.Loops.Where(l => l != loop)))
        {
            var var = new Var(AxisName(block, l));
            byLoop[l.Var] = var;
            axes.Add(
                new BlockAxis(var, l == loop ? parts : l.Extent, l == loop ? AxisKind.Spatial : AxisKind.Reduce, l.Var)
            );
        }
        foreach (var axis in block.ReduceAxes.Except(touched.Axes))
            Keep(axis);
        foreach (var axis in touched.Axes)
            values[axis.Var] = axis.Binding.Substitute(byLoop);

        // The identity takes the place of values beyond the extent. The predicate stays as well where it lets the first
        // point of the reduce axes pass, which initialises; then it saves the test of each value.
        var inside = Op.True;
        var predicate = Op.True;
        var ranges = nest.Ranges(around);
        var first = touched.Loops.Where(l => l != loop).ToDictionary(l => l.Var, _ => (Expr)0);
        foreach (var test in block.Predicate.Conjuncts())
        {
            var used = test.FreeVars();
            if (!touched.Loops.Any(l => used.Contains(l.Var)))
            {
                predicate = Op.And(predicate, test);
                continue;
            }
            foreach (var other in around.Where(l => used.Contains(l.Var) && !touched.Loops.Contains(l)))
            {
                if (block.SpatialAxes.FirstOrDefault(a => ReferenceEquals(a.Binding, other.Var)) is not { } axis)
                    throw Refuse(
                        nest,
                        block,
                        $"the condition {test} of block {block.Name} also depends on loop {other.Name}"
                    );
                byLoop[other.Var] = values[axis.Var];
            }
            inside = Op.And(inside, test.Substitute(byLoop));
            if (Simplifier.Proves(test.Substitute(first), ranges))
                predicate = Op.And(predicate, test);
        }
        return new Block(
            name,
            [.. axes],
            predicate,
            buffers,
            [.. block.Indices.Select(i => i.Substitute(values)), byLoop[loop.Var]],
            [.. block.Values.Select((v, i) => Op.Select(inside, v.Substitute(values), block.Reducer!.Identity[i]))],
            block.Reducer,
            true
        );
    }

    private static Block Merge(Block block, For loop, ImmutableArray<Buffer> buffers, Expr parts)
    {
        var copy = BlockLoops.Copy(
            block.Name,
            block.Outputs,
            block.Outputs,
            BlockLoops.DimensionNames(block, block.Indices),
            block
        );
        var partial = new Var(AxisName(block, loop));
        return copy with
        {
            Axes = copy.Axes.Add(new BlockAxis(partial, parts, AxisKind.Reduce, 0)),
            Values = [.. buffers.Select(b => (Expr)b.At(copy.Indices.Add(partial)))],
            Reducer = block.Reducer,
            Init = block.Init,
        };
    }

    private static string AxisName(Block block, For loop) =>
        loop.Name.StartsWith(block.Name + ".", StringComparison.Ordinal)
            ? loop.Name[(block.Name.Length + 1)..]
            : loop.Name;
}
