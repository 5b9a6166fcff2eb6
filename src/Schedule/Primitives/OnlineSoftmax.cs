using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>old, shift, scale, rescales… = online_softmax max loop sums…</c>: sums of weights exp(s − N), where N is the
/// maximum of all scores s of the row, move into the loop that computes the maximum block by block. Each iteration
/// takes the maximum so far, multiplies the sums so far by exp(maximum before − maximum now), and adds the weights of its
/// scores relative to the maximum now. What is left at the end is relative to the maximum of all. The recurrence of
/// flash attention (Milakov and Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135). The sums get other
/// roundings, which the trace says: reassociates=true.
/// <para>
/// With <c>skip=1</c> the loop ends after the last keys that the mask of the scores lets any row of the tile see: what
/// comes later has score −∞ and weight 0. That leaves 0 · x out, which is 0 for all x but infinities and NaN; the trace
/// says so: finite=true. One iteration always runs, so that rows that see no key get their initial values.
/// </para>
/// </summary>
public sealed partial class OnlineSoftmax : Primitive
{
    public override string Name => "online_softmax";

    public override string Usage =>
        "old, shift, scale, rescale of each sum = online_softmax max loop sum [more sums] [skip=1]";

    public override string Requirements =>
        """
            The first block is a maximum of floats over one axis with its implicit initial value; the loop is serial, the
            outermost that drives that axis, and each iteration takes so many keys in a row. The sums come after the loop,
            below the same loops as it, reduce over the same keys at the same rows, and still have their implicit
            initial value. What they add is linear in weights exp(s - N), where s is the score of which the
            maximum is taken and N = select(max == -Infinity, 0, max), so that a row of nothing but -Infinity adds 0; weights
            may be in maps of their own, which only the sums read. What else they read is written before the loop.
            With skip=1 the loop ends after the last keys that any row of an iteration sees; one iteration always runs. The
            scores are select(keys at most so far, score, -Infinity), where how far is linear in the axes of the row, and
            what else the loop computes is used only in it. A factor of a weight is taken as finite: 0 * Infinity is left out.
            """;

    public override PrimitiveExample Example =>
        new(
            "mixture",
            ["split M.j 4", "reorder M.j.o M.i M.j.i"],
            "old, shift, scale, L.scale, O.scale = online_softmax M M.j.o L O",
            """
            buffer M: f32[4] heap
            buffer E: f32[4, 10] heap
            buffer L: f32[4] heap
            buffer O: f32[4, 3] heap
            buffer old: f32[4] heap
            buffer shift: f32[4] heap
            buffer scale: f32[4] heap
            for M.j.o in 0..3:
              for old.i in 0..4:
                block old(i = old.i):
                  old[i] = select(M.j.o == 0, -Infinity, M[i])
              for M.i in 0..4:
                for M.j.i in 0..4:
                  block M(i = M.i, j:reduce = M.j.o * 4 + M.j.i) where M.j.o * 4 + M.j.i < 10:
                    M[i] max= A[i, j]
              for shift.i in 0..4:
                block shift(i = shift.i):
                  shift[i] = select(M[i] == -Infinity, 0.0, M[i])
              for scale.i in 0..4:
                block scale(i = scale.i):
                  scale[i] = exp(old[i] - shift[i])
              for E.i in 0..4:
                for E.j in 0..4:
                  block E(i = E.i, j = M.j.o * 4 + E.j) where M.j.o * 4 + E.j < 10:
                    E[i, j] = exp(A[i, j] - shift[i])
              for L.scale.i in 0..4:
                block L.scale(i = L.scale.i, step:ordered = M.j.o):
                  L[i] = select(M.j.o == 0, 0.0, L[i] * scale[i])
              for L.i in 0..4:
                for L.j in 0..4:
                  block L(i = L.i, j:reduce = M.j.o * 4 + L.j) where M.j.o * 4 + L.j < 10:
                    L[i] sum= E[i, j] (no init)
              for O.scale.i in 0..4:
                for O.scale.c in 0..3:
                  block O.scale(i = O.scale.i, c = O.scale.c, step:ordered = M.j.o):
                    O[i, c] = select(M.j.o == 0, 0.0, O[i, c] * scale[i])
              for O.i in 0..4:
                for O.c in 0..3:
                  for O.j in 0..4:
                    block O(i = O.i, c = O.c, j:reduce = M.j.o * 4 + O.j) where M.j.o * 4 + O.j < 10:
                      O[i, c] sum= E[i, j] * V[j, c] (no init)
            for Y.i in 0..4:
              for Y.c in 0..3:
                block Y(i = Y.i, c = Y.c):
                  Y[i, c] = O[i, c] / L[i]
            """
        );

    protected override Step Record(Step step) =>
        step.With("reassociates", "true").With("finite", step.Option("skip") == "1" ? "true" : null);

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "reassociates", "skip", "finite");
        if (step.Option("skip") is not (null or "0" or "1"))
            throw Refuse(nest, null, $"skip is '{step.Option("skip")}'", "skip=0, skip=1");
        ArgCount(nest, step, 3, int.MaxValue);
        var max = nest.Block(Arg(nest, step, 0));
        var loop = nest.Loop(Arg(nest, step, 1));
        ImmutableArray<Block> sums = [.. step.Args.Skip(2).Select(name => nest.Block(name))];
        if (sums.Distinct().Count() < sums.Length || sums.Contains(max))
            throw Refuse(nest, null, "a block is named twice", Usage);
        var outer = nest.LoopsAround(loop);
        CheckMaximum(nest, max, loop);
        foreach (var sum in sums)
            CheckSum(nest, sum);
        var use = RunningMaximum.Of(nest, max, sums);
        ImmutableArray<Block> weights = [.. use.Weights.OrderBy(nest.OrderOf)];
        CheckReaders(nest, weights, sums);
        ImmutableArray<For> inner = [.. outer, loop];
        var rows = Rows(nest, max, loop, inner);
        foreach (var block in weights.Concat(sums))
            CheckPlace(nest, block, loop, outer, rows, use, sums);

        var keys = Keys(nest, max, loop);
        var extent = step.Option("skip") == "1" ? Seen(nest, max, loop, rows, keys, use, sums) : loop.Extent;
        var build = new Builder(nest, step, max, loop, inner, rows, keys, extent);
        var result = build.Apply(use, weights, sums);
        return (Schedules.Primitives.StoreAt.Kept(result), build.Results);
    }

    private void CheckMaximum(LoopNest nest, Block max, For loop)
    {
        bool isMaximum =
            max is { Reducer: not null, Outputs.Length: 1 }
            && max.Output.Type.IsFloat()
            && max.Reducer.Result.SequenceEqual(Reducer.Max(max.Output.Type).Result)
            && max.ReduceAxes.Count() == 1;
        if (!isMaximum)
            throw Refuse(nest, max, $"block {max.Name} is not a maximum of floats over one axis");
        if (!max.Init)
            throw Refuse(
                nest,
                max,
                $"block {max.Name} does not initialise its output (any more)",
                "online_softmax first, then decompose_reduction"
            );
        if (!max.ArePlainAxes(max.Indices))
            throw Refuse(nest, max, $"block {max.Name} does not write at its own axes");
        var key = max.ReduceAxes.Single();
        var driving = nest.LoopsAround(max).Where(l => key.Binding.Uses(l.Var)).ToList();
        string legal =
            $"the outermost loop of axis {key.Name}, {driving.FirstOrDefault()?.Name ?? "of which there is none"}";
        if (driving.FirstOrDefault() != loop)
            throw Refuse(
                nest,
                loop,
                $"loop {loop.Name} is not the outermost loop of the keys of block {max.Name}",
                legal
            );
        if (max.SpatialAxes.Any(a => a.Binding.Uses(loop.Var)))
            throw Refuse(nest, loop, $"loop {loop.Name} drives rows and keys of block {max.Name} at once");
        if (loop.Kind != LoopKind.Serial)
            throw Refuse(
                nest,
                loop,
                $"loop {loop.Name} is {loop.Kind.Text()}, but its iterations go on from each other",
                "a serial loop"
            );
        if (nest.WritersOf(max.Output).Length > 1)
            throw Refuse(nest, max, $"{max.Output.Name} is written by other blocks too");
    }

    private void CheckSum(LoopNest nest, Block sum)
    {
        bool isSum =
            sum is { Reducer: not null, Outputs.Length: 1 }
            && sum.Output.Type.IsFloat()
            && sum.Reducer.Result.SequenceEqual(Reducer.Sum(sum.Output.Type).Result);
        if (!isSum)
            throw Refuse(nest, sum, $"block {sum.Name} is not a sum of floats");
        if (!sum.Init)
            throw Refuse(
                nest,
                sum,
                $"block {sum.Name} does not initialise its output (any more)",
                "online_softmax first, then decompose_reduction"
            );
        if (nest.WritersOf(sum.Output).Length > 1)
            throw Refuse(nest, sum, $"{sum.Output.Name} is written by other blocks too");
    }

    // Weights are relative to the maximum so far: nobody else may see them.
    private void CheckReaders(LoopNest nest, ImmutableArray<Block> weights, ImmutableArray<Block> sums)
    {
        foreach (var weight in weights)
        {
            if (!nest.Intermediates.Contains(weight.Output))
                throw Refuse(
                    nest,
                    weight,
                    $"block {weight.Name} writes {weight.Output.Name}, an output of the algorithm"
                );
            if (nest.OtherUsesOf(weight.Output).FirstOrDefault() is { } use)
                throw Refuse(nest, use, $"{weight.Output.Name} is used other than by blocks");
            if (
                nest.ReadersOf(weight.Output).FirstOrDefault(r => !weights.Contains(r) && !sums.Contains(r)) is
                { } reader
            )
                throw Refuse(
                    nest,
                    reader,
                    $"block {reader.Name} reads {weight.Output.Name} too, whose weights would be relative to the maximum so far",
                    reader.IsReduction ? $"{reader.Name} among the sums" : $"{reader.Name} computing its weights itself"
                );
        }
    }

    // The rows that one iteration of the loop takes the maximum of.
    private Region Rows(LoopNest nest, Block max, For loop, ImmutableArray<For> inner)
    {
        var writes = BufferAccess.Below(nest.Body).Where(a => a.IsWrite && ReferenceEquals(a.Statement, max));
        var rows = new RegionAnalysis(nest, inner).Hull(writes)!;
        if (!rows.Exact || !rows.Guards.IsEmpty)
            throw Refuse(
                nest,
                max,
                $"the rows of block {max.Name} below loop {loop.Name} are not a box known exactly",
                "plain loops over rows"
            );
        return rows;
    }

    // The keys of one iteration: so many from a multiple of as many on. The maximum visits each key once, so an iteration
    // takes all of its range.
    private AxisRange Keys(LoopNest nest, Block max, For loop)
    {
        var key = max.ReduceAxes.Single();
        if (loop.Extent.IsConst(1))
            return AxisRange.Full(key);
        var around = nest.LoopsAround(max);
        var ranges = nest.Ranges(around);
        var inside = around.Where(l => l != loop && key.Binding.Uses(l.Var)).ToDictionary(l => l.Var, _ => (Expr)0);
        var start = Simplifier.Simplify(key.Binding.Substitute(inside), ranges);
        long width = LinearForm.Of(start).CoefficientOf(loop.Var);
        var reach = Interval.Of(Simplifier.Simplify(key.Binding - start, ranges), ranges);
        if (start != Simplifier.Simplify(loop.Var * width, ranges) || reach.Min != 0 || reach.Max >= width)
            throw Refuse(
                nest,
                loop,
                $"an iteration of loop {loop.Name} takes keys {key.Binding} of block {max.Name}, not so many in a row",
                "split the loop of the keys, and take its outer loop"
            );
        return new AxisRange(start, width, width > 1);
    }

    // Iterations up to the last that has a key which some row of the tile sees; at least one.
    private Expr Seen(
        LoopNest nest,
        Block max,
        For loop,
        Region rows,
        AxisRange keys,
        RunningMaximum use,
        ImmutableArray<Block> sums
    )
    {
        var masks = SeenKeys.Of(
            max.Values[0],
            max.ReduceAxes.Single().Var,
            max.SpatialAxes.Select(a => a.Var).Concat(nest.Algorithm.Parameters.Select(p => p.Var)),
            load => use.MapAt(load)
        );
        if (masks.IsEmpty)
            throw Refuse(
                nest,
                max,
                $"no mask of the scores of block {max.Name} says up to which key a row sees any",
                "scores select(key <= linear in the row, score, -Infinity), or skip=0"
            );
        var written = loop
            .Body.Nodes()
            .OfType<Block>()
            .SelectMany(b => b.Outputs)
            .Where(b => b != max.Output)
            .ToHashSet();
        foreach (var buffer in written)
        {
            bool inside = nest.ReadersOf(buffer)
                .All(r => sums.Contains(r) || use.Weights.Contains(r) || loop.Body.Nodes().Contains(r));
            if (!inside || !nest.Intermediates.Contains(buffer) || nest.OtherUsesOf(buffer).Any())
                throw Refuse(
                    nest,
                    loop,
                    $"{buffer.Name}, which loop {loop.Name} computes, is used outside of it, for keys that no row sees too",
                    "skip=0"
                );
        }
        if (loop.Extent.IsConst(1))
            return loop.Extent;
        Expr extent = loop.Extent;
        foreach (var mask in masks)
        {
            // A symbolic extent (a causal mask ends at the last key) is the same for all rows.
            var most = mask.Most(v =>
                max.Indices.IndexOf(v) is >= 0 and var d ? rows.Dims[d] : new Span(v, v, true, false)
            );
            extent = Op.Min(extent, Op.FloorDiv(Op.Max(most, 0), mask.Step * keys.Extent) + 1);
        }
        return Simplifier.Simplify(extent, nest.Ranges(nest.LoopsAround(loop)));
    }

    private void CheckPlace(
        LoopNest nest,
        Block block,
        For loop,
        ImmutableArray<For> outer,
        Region rows,
        RunningMaximum use,
        ImmutableArray<Block> sums
    )
    {
        RequireOwnAxes(nest, block);
        var around = nest.LoopsAround(block);
        string places = outer.IsEmpty ? "the root" : $"loop {outer[^1].Name}";
        if (!around.Take(outer.Length).SequenceEqual(outer) || around.Contains(loop))
            throw Refuse(
                nest,
                block,
                $"block {block.Name} is not below the loops around {loop.Name}, at {places}, and beside it",
                outer.IsEmpty
                    ? "reorder the loop outwards, before compute_at"
                    : $"compute_at or reverse_compute_at {block.Name} {outer[^1].Name} first"
            );
        if (
            block.Axes.FirstOrDefault(a => a.Kind != AxisKind.Spatial && outer.Any(l => a.Binding.Uses(l.Var))) is
            { } open
        )
            throw Refuse(
                nest,
                block,
                $"axis {open.Name} of block {block.Name} goes on across the loops around {loop.Name}"
            );
        if (nest.Body.PathTo(block)!.Value.OfType<If>().Any() || nest.Body.PathTo(loop)!.Value.OfType<If>().Any())
            throw Refuse(nest, block, $"block {block.Name} or loop {loop.Name} is in a branch", "before specialize");
        if (around.Skip(outer.Length).FirstOrDefault(l => l.Kind != LoopKind.Serial) is { } other)
            throw Refuse(
                nest,
                other,
                $"loop {other.Name} of block {block.Name} is {other.Kind.Text()} and would be lost",
                "online_softmax first, then the kinds of the new loops"
            );

        // What it read before at these loops it must find below the loop now.
        var made = new RegionAnalysis(nest, outer).Hull(
            BufferAccess.Below(nest.Body).Where(a => a.IsWrite && ReferenceEquals(a.Statement, block))
        )!;
        var ranges = nest.Ranges(outer);
        var own = use.Axes[block].Rows;
        for (int d = 0; d < own.Length; d++)
        {
            var (has, wants) = (rows.Dims[d], made.Dims[block.Indices.IndexOf(own[d])]);
            if (
                !Simplifier.Proves(Op.Le(has.Min, wants.Min), ranges)
                || !Simplifier.Proves(Op.Le(wants.Max, has.Max), ranges)
            )
                throw Refuse(
                    nest,
                    block,
                    $"block {block.Name} takes rows {wants.Min} to {wants.Max} of dimension {d}, but below loop {loop.Name} there are {has.Min} to {has.Max}"
                );
        }

        int start = Order(nest, loop);
        foreach (var buffer in block.Reads)
        {
            if (sums.FirstOrDefault(s => s.Output == buffer) is { } sum)
                throw Refuse(
                    nest,
                    block,
                    $"block {block.Name} reads {buffer.Name}, which block {sum.Name} has only complete after the loop"
                );
            foreach (var writer in nest.WritersOf(buffer))
            {
                bool ours = writer.Output == buffer && (use.Weights.Contains(writer) || use.Shifts.Contains(writer));
                if (!ours && !loop.Body.Nodes().Contains(writer) && Order(nest, writer) > start)
                    throw Refuse(
                        nest,
                        writer,
                        $"block {writer.Name} writes {buffer.Name}, which block {block.Name} reads, only after loop {loop.Name}",
                        $"{writer.Name} before the loop"
                    );
            }
        }
        if (Order(nest, block) < start)
            throw Refuse(nest, block, $"block {block.Name} comes before loop {loop.Name}");
    }

    private static int Order(LoopNest nest, Stmt stmt) =>
        nest.Body.Nodes().TakeWhile(s => !ReferenceEquals(s, stmt)).Count();
}
