using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>loops = reverse_compute_at block loop</c>: a consumer moves below a loop of its producers, right after the last of
/// them, with new loops over just the region that they make there. A reduction over an axis along which the loops
/// around make the producer slice by slice (a merge made by rfactor) accumulates slice by slice in place.
/// </summary>
public sealed class ReverseComputeAt : Primitive
{
    public override string Name => "reverse_compute_at";

    public override string Usage => "loops = reverse_compute_at block loop";

    public override string Requirements =>
        """
            The block reads something written below the loop; what else it reads is written before the loop. What is
            written below the loop is complete there (no reduction goes on across loops around it), a box known exactly,
            and the block reads it at its own axes, one a dimension; dimensions that are written whole may be read in
            any way. A reduction still has its implicit initial value. Where one of its reduce axes follows loops around
            (accumulation in place), those loops are serial, they do not visit a point twice, and no reader of its
            outputs is below them. No loop at or around the target is a vector loop.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul-relu",
            ["split P.m 3"],
            "reverse_compute_at R P.m.o",
            """
            buffer P: f32[6, 8] heap
            for P.m.o in 0..2:
              for P.m.i in 0..3:
                for P.n in 0..8:
                  for P.k in 0..10:
                    block P(m = P.m.o * 3 + P.m.i, n = P.n, k:reduce = P.k):
                      P[m, n] sum= A[m, k] * B[k, n]
              for R.m in 0..3:
                for R.n in 0..8:
                  block R(m = P.m.o * 3 + R.m, n = R.n):
                    R[m, n] = max(P[m, n], 0.0)
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        var block = nest.Block(Arg(nest, step, 0));
        RequireOwnAxes(nest, block);
        var target = nest.Loop(Arg(nest, step, 1));
        CheckBlock(nest, block, target);
        var without = nest with { Body = nest.Body.Remove(block) };
        if (without.Loops.FirstOrDefault(l => l.Name == target.Name) is not { } loop)
            throw Refuse(nest, target, $"below loop {target.Name} there is only block {block.Name} itself");
        ImmutableArray<For> outer = [.. without.LoopsAround(loop), loop];
        var reads = block.Reads.Except(block.Outputs).ToHashSet();
        var writes = BufferAccess.Below(without.Body).Where(a => a.IsWrite && reads.Contains(a.Buffer)).ToList();
        bool Below(BufferAccess a) => a.Path.Any(s => ReferenceEquals(s, loop));
        CheckOrder(
            nest,
            block,
            target,
            without,
            loop,
            writes.Where(a => !Below(a)),
            [.. writes.Where(Below).Select(a => a.Buffer)]
        );
        if (!writes.Any(Below))
            throw Refuse(
                nest,
                target,
                $"nothing that block {block.Name} reads is written below loop {target.Name}",
                $"a loop around a writer of {string.Join(", ", reads.Where(nest.Intermediates.Contains).Select(b => b.Name))}"
            );

        var ranges = new Dictionary<Var, AxisRange>();
        var conditions = new List<Func<IReadOnlyDictionary<Var, Expr>, Expr>>();
        var analysis = new RegionAnalysis(without, outer);
        foreach (var group in writes.GroupBy(a => a.Buffer))
        {
            // Loops around both the writers and the target: what there is of the buffer is what one iteration makes.
            ImmutableArray<For> shared = [.. outer.Where(o => group.All(a => a.Path.Any(s => ReferenceEquals(s, o))))];
            if (shared.IsEmpty)
                continue;
            CheckComplete(nest, target, shared, group);
            var made = new RegionAnalysis(without, shared).Hull(group)!;
            Constrain(nest, block, target, group.Key, made, shared, outer, ranges, conditions);
        }
        if (!analysis.Independent([.. ranges.Values.Select(r => r.Base)]))
            throw Refuse(
                nest,
                target,
                $"block {block.Name} needs combinations of what different iterations of the loops at and around {target.Name} make",
                "a loop further out"
            );
        CheckRepeats(nest, block, target, outer, analysis, ranges);

        var (moved, loops) = BlockLoops.Make(
            without,
            block,
            ranges,
            outer,
            (i, wish) => ResultName(without, step, i, wish),
            bindings => conditions.Select(c => c(bindings)),
            BlockLoops.Peeled(nest, block)
        );
        var items = loop.Body is Seq seq ? seq.Items : [loop.Body];
        int last = items.Length - 1;
        while (!BufferAccess.Below(items[last]).Any(a => a.IsWrite && reads.Contains(a.Buffer)))
            last--;
        var early = items
            .Take(last + 1)
            .SelectMany(BufferAccess.Below)
            .FirstOrDefault(a => a.IsRead && block.Outputs.Contains(a.Buffer));
        if (early is not null)
            throw Refuse(
                nest,
                early.Statement,
                $"{early.Buffer.Name}, which block {block.Name} writes, is read below loop {target.Name} before all that block {block.Name} reads is written there",
                "a loop further in"
            );
        var result = without.Replace(loop, loop with { Body = Seq.Of(items.Insert(last + 1, moved)) });
        return (StoreAt.Kept(result), loops);
    }

    private void CheckBlock(LoopNest nest, Block block, For target)
    {
        if (block.IsReduction && !block.Init)
            throw Refuse(
                nest,
                block,
                $"block {block.Name} only updates its output; the initial value is set elsewhere",
                "reverse_compute_at first, then decompose_reduction"
            );
        if (nest.WritersOf(block.Output).Length > 1)
            throw Refuse(
                nest,
                block,
                $"{block.Output.Name} is written by {string.Join(", ", nest.WritersOf(block.Output).Select(w => w.Name))}, so block {block.Name} cannot move alone"
            );
        if (nest.LoopsAround(target).Add(target).FirstOrDefault(l => l.Kind == LoopKind.Vector) is { } vector)
            throw Refuse(nest, vector, $"loop {vector.Name} is a vector loop", "a loop around it");
        var to = nest.Body.PathTo(target)!.Value;
        var from = nest.Body.PathTo(block)!.Value;
        var branch = to.OfType<If>().FirstOrDefault(i => !from.Any(s => ReferenceEquals(s, i)));
        branch ??= from.OfType<If>().FirstOrDefault(i => !to.Any(s => ReferenceEquals(s, i)));
        if (branch is not null)
            throw Refuse(nest, branch, $"of block {block.Name} and loop {target.Name} only one is in this branch");
    }

    // Everything else that the block reads must be there before the loop starts.
    private void CheckOrder(
        LoopNest nest,
        Block block,
        For target,
        LoopNest without,
        For loop,
        IEnumerable<BufferAccess> elsewhere,
        HashSet<Buffer> below
    )
    {
        foreach (var write in elsewhere)
        {
            string writer = write.Statement is Block b ? $"block {b.Name}" : "a statement";
            if (below.Contains(write.Buffer))
                throw Refuse(
                    nest,
                    write.Statement,
                    $"{writer} writes part of {write.Buffer.Name}, which block {block.Name} reads, outside loop {target.Name}"
                );
            bool before =
                without.Body.Nodes().First(s => ReferenceEquals(s, loop) || ReferenceEquals(s, write.Statement))
                is not For;
            if (!before)
                throw Refuse(
                    nest,
                    write.Statement,
                    $"{writer} writes {write.Buffer.Name}, which block {block.Name} reads, after loop {target.Name}"
                );
        }
    }

    private void CheckComplete(LoopNest nest, For target, ImmutableArray<For> outer, IEnumerable<BufferAccess> writes)
    {
        foreach (var write in writes)
        {
            if (write.Statement is not Block writer)
                continue;
            var going = outer.FirstOrDefault(l =>
                !l.Extent.IsConst(1) && writer.Axes.Any(a => a.Kind != AxisKind.Spatial && a.Binding.Uses(l.Var))
            );
            if (going is not null)
                throw Refuse(
                    nest,
                    going,
                    $"block {writer.Name} reduces across loop {going.Name}, so {write.Buffer.Name} is not complete below loop {target.Name}",
                    outer.IndexOf(going) is > 0 and var i
                        ? $"loops outside {going.Name}: {string.Join(", ", outer.Take(i).Select(l => l.Name))}; or rfactor {writer.Name} {going.Name} first"
                        : $"rfactor {writer.Name} {going.Name} first"
                );
        }
    }

    private void Constrain(
        LoopNest nest,
        Block block,
        For target,
        Buffer buffer,
        Region made,
        ImmutableArray<For> shared,
        ImmutableArray<For> outer,
        Dictionary<Var, AxisRange> ranges,
        List<Func<IReadOnlyDictionary<Var, Expr>, Expr>> conditions
    )
    {
        var known = nest.Ranges(outer);
        string place = $"below loop {shared[^1].Name}";
        if (!made.Exact || made.Guards.Any(g => g.FreeVars().Any(v => !known.ContainsKey(v))))
            throw Refuse(
                nest,
                target,
                $"what is written to {buffer.Name} {place} is not a box known exactly",
                "a loop further out"
            );
        foreach (var guard in made.Guards)
            conditions.Add(_ => guard);
        foreach (var load in block.Loads.Where(l => l.Buffer == buffer))
        {
            // A loop that decides an axis already cannot decide another one by another read: their points would meet
            // in one iteration only by chance.
            for (int d = 0; d < buffer.Rank; d++)
            {
                var span = made.Dims[d];
                var limits = made.Limits.Where(l => l.Dim == d).ToList();
                bool whole =
                    limits.Count == 0
                    && Simplifier.Proves(Op.Le(span.Min, 0), known)
                    && Simplifier.Proves(Op.Le(buffer.Shape[d], span.Max + 1), known);
                if (whole)
                    continue;
                var axis = block.Axes.FirstOrDefault(a => a.Var == load.Indices[d]);
                if (axis is null)
                    throw Refuse(
                        nest,
                        target,
                        $"block {block.Name} reads {load}, but {place} only {span.Min} to {span.Max} of dimension {d} of {buffer.Name} is written",
                        "a loop further out, which writes all of that dimension"
                    );
                if (axis.Kind == AxisKind.Ordered)
                    throw Refuse(
                        nest,
                        target,
                        $"axis {axis.Name} of block {block.Name} runs in order and must be whole {place}"
                    );
                if (!Simplifier.Proves(Op.Le(axis.Extent, buffer.Shape[d]), known))
                    throw Refuse(
                        nest,
                        target,
                        $"axis {axis.Name} of block {block.Name} goes to {axis.Extent}, beyond the {buffer.Shape[d]} of dimension {d} of {buffer.Name}, so no iteration of {shared[^1].Name} stands for its last points",
                        "a loop further out, which writes all of that dimension"
                    );
                var range = AxisRange.Of(span);
                if (ranges.TryGetValue(axis.Var, out var other) && other != range)
                {
                    // Of two parts the smaller one, if it is part of the other.
                    if (Within(other, range, known))
                        range = other;
                    else if (!Within(range, other, known))
                        throw Refuse(
                            nest,
                            target,
                            $"the producers of block {block.Name} {place} write different parts along its axis {axis.Name}"
                        );
                }
                ranges[axis.Var] = range;
                foreach (var limit in limits)
                    conditions.Add(bindings => Op.Lt(bindings[axis.Var], limit.Below));
            }
        }
    }

    private static bool Within(AxisRange part, AxisRange all, Dictionary<Var, Interval> ranges) =>
        Simplifier.Proves(Op.Le(all.Base, part.Base), ranges)
        && Simplifier.Proves(Op.Le(part.Base + part.Extent, all.Base + all.Extent), ranges);

    // A map may compute a point twice, and so may a reduction that does all of it each time. One that accumulates over
    // the loops around must see each point once, the first one first.
    private void CheckRepeats(
        LoopNest nest,
        Block block,
        For target,
        ImmutableArray<For> outer,
        RegionAnalysis analysis,
        Dictionary<Var, AxisRange> ranges
    )
    {
        var carried = outer
            .Where(l =>
                !l.Extent.IsConst(1)
                && block.ReduceAxes.Any(a => ranges.TryGetValue(a.Var, out var r) && r.Base.Uses(l.Var))
            )
            .ToList();
        if (carried.Count == 0)
            return;
        if (carried.FirstOrDefault(l => l.Kind.IsConcurrent()) is { } concurrent)
            throw Refuse(
                nest,
                concurrent,
                $"block {block.Name} would accumulate over loop {concurrent.Name}, which is {concurrent.Kind.Text()}",
                "reverse_compute_at before the loop is bound"
            );
        var box = new Region(
            [
                .. block.Axes.Select(a =>
                    ranges.TryGetValue(a.Var, out var r)
                        ? new Span(r.Base, r.Base + r.Extent - 1, true, r.Loop)
                        : new Span(0, a.Extent - 1, true, true)
                ),
            ],
            true,
            [],
            []
        );
        if (!analysis.Disjoint(box, outer))
            throw Refuse(
                nest,
                target,
                $"block {block.Name} would accumulate some points more than once over the loops {string.Join(", ", outer.Select(l => l.Name))}",
                "loops that split the axes without tail=shift, each of them used by an axis"
            );
        foreach (var axis in block.ReduceAxes.Where(a => ranges.ContainsKey(a.Var)))
        {
            var start = LinearForm.Of(ranges[axis.Var].Base);
            if (start.Constant != 0 || start.Terms.Any(t => t.Coefficient < 0))
                throw Refuse(
                    nest,
                    target,
                    $"reduce axis {axis.Name} of block {block.Name} would not start with its first point"
                );
        }
        foreach (var reader in BufferAccess.Below(nest.Body))
        {
            if (!reader.IsRead || ReferenceEquals(reader.Statement, block) || !block.Outputs.Contains(reader.Buffer))
                continue;
            if (reader.Loops.FirstOrDefault(l => carried.Any(c => c.Var == l.Var)) is { } early)
                throw Refuse(
                    nest,
                    reader.Statement,
                    $"{reader.Buffer.Name} is read below loop {early.Name}, across which block {block.Name} would accumulate it"
                );
        }
    }
}
