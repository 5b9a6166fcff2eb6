using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Schedules.Primitives;

/// <summary>What every primitive checks that lets iterations of a loop run at once.</summary>
internal static class Concurrency
{
    /// <summary>Throws unless the iterations of a loop may run at once as a kind.</summary>
    public static void Require(LoopNest nest, For loop, LoopKind kind)
    {
        var around = nest.LoopsAround(loop);
        var ranges = nest.Ranges(nest.Loops);
        foreach (var stmt in loop.Body.Nodes())
        {
            if (stmt is Barrier && !kind.IsGpu())
                throw new ScheduleException(
                    nest,
                    stmt,
                    $"{loop.Name} cannot be {kind.Text()}: there is a barrier below it",
                    "GPU kinds"
                );
            if (stmt is Block block)
                RequireAxes(nest, loop, block, kind, ranges);
        }
        var same = nest.Parameters.Concat(around.Select(l => l.Var)).ToHashSet();
        var bounded = new Dictionary<Var, Interval>();
        foreach (var (variable, range) in ranges)
            bounded.Add(variable, range);
        foreach (
            var group in Dependence
                .Accesses(loop.Body)
                .Select(a => WholeOfGuards(a, loop, bounded))
                .GroupBy(a => a.Buffer)
        )
        {
            if (
                !group.Any(a => a.IsWrite)
                || ThreadReductions.Combine(group, loop, kind, ranges)
                || Dependence.Determined(group, bounded, same).Contains(loop.Var)
                || Dependence.IsPrivate(nest, loop, group.Key, kind)
            )
                continue;
            var writes = group.Where(a => a.IsWrite).ToList();
            int shared = writes.FindIndex(a => !Dependence.Determined([a], bounded, same).Contains(loop.Var));
            var culprit = writes[Math.Max(shared, 0)];
            throw new ScheduleException(
                nest,
                culprit.Statement,
                $"{loop.Name} cannot be {kind.Text()}: it is not certain that its iterations touch different elements of {group.Key.Name}",
                $"a loop that alone decides which elements of {group.Key.Name} are written"
            );
        }
    }

    // Where a guard bounds a sum of loops below (8·a + b < 13: the rest of a tile), the sum is one value of known range.
    private static BufferAccess WholeOfGuards(BufferAccess access, For loop, Dictionary<Var, Interval> ranges)
    {
        var indices = access.Indices;
        foreach (var guard in access.Guards)
        {
            if (guard is not Binary { Kind: BinaryOp.Lt } test || test.Uses(loop.Var))
                continue;
            var sum = LinearForm.Of(test.A) - LinearForm.Of(test.B);
            if (sum.Terms.Length < 2 || !sum.IsAffine || sum.Terms.Any(t => !ranges.ContainsKey((Var)t.Atom)))
                continue;
            var terms = sum.WithConstant(0);
            var range = new Interval(terms.Range(ranges).Min, -sum.Constant - 1);
            if (range.Max < range.Min)
                continue;
            for (int d = 0; d < indices.Length; d++)
            {
                var index = LinearForm.Of(indices[d]);
                if (!sum.Terms.All(t => index.CoefficientOf(t.Atom) == t.Coefficient))
                    continue;
                var whole = new Var("whole");
                ranges[whole] = range;
                indices = indices.SetItem(d, (index - terms).ToExpr() + whole);
            }
        }
        return access with { Indices = indices };
    }

    /// <summary>
    /// Throws if a loop that was concurrent already may not be after a rewrite of what it contains: a buffer that its
    /// iterations now share, a producer that they all compute.
    /// </summary>
    public static void RequireStill(LoopNest before, LoopNest after)
    {
        foreach (var loop in after.Loops.Where(l => l.Kind.IsConcurrent()))
        {
            bool untouched = before.Loops.Any(l => ReferenceEquals(l, loop)) && before.StoreAt == after.StoreAt;
            if (!untouched)
                Require(after, loop, loop.Kind);
            if (loop.Kind.IsGpu() && !loop.Kind.IsThread())
                RequireWholeGrid(after, loop);
        }
    }

    // The blocks of a grid wait for one another only at its end, so there is nothing before or after a loop over them.
    private static void RequireWholeGrid(LoopNest nest, For loop)
    {
        var path = nest.Body.PathTo(loop)!.Value;
        var grid = path.SkipWhile(s => s is not For f || !f.Kind.IsGpu());
        if (grid.FirstOrDefault(s => s is Seq or If) is { } between)
            throw new ScheduleException(
                nest,
                between,
                $"{loop.Name} is {loop.Kind.Text()} and lies with other statements inside a GPU loop, but blocks run in no order",
                "block loops directly inside one another"
            );
    }

    /// <summary>No loop of a kind for which the test holds may lie around or below.</summary>
    public static void RequireNoNesting(LoopNest nest, For loop, LoopKind kind, Func<LoopKind, bool> excluded)
    {
        var other =
            nest.LoopsAround(loop).FirstOrDefault(l => excluded(l.Kind))
            ?? loop.Body.Nodes().OfType<For>().FirstOrDefault(l => excluded(l.Kind));
        if (other is not null)
            throw new ScheduleException(
                nest,
                other,
                $"{loop.Name} cannot be {kind.Text()}: {other.Name}, in the same chain of loops, is {other.Kind.Text()}",
                $"serial and unrolled loops around and below {loop.Name}, and kinds that go with {kind.Text()}"
            );
    }

    /// <summary>The loop must be serial still, since a kind is given once.</summary>
    public static void RequireSerial(LoopNest nest, For loop, string why)
    {
        if (loop.Kind != LoopKind.Serial)
            throw new ScheduleException(
                nest,
                loop,
                $"loop {loop.Name} is {loop.Kind.Text()}; {why}",
                $"serial loops: {Serial(nest)}"
            );
    }

    /// <summary>The constant extent of a loop; throws where it is symbolic.</summary>
    public static long RequireConstant(LoopNest nest, For loop, string what) =>
        loop.ConstantExtent
        ?? throw new ScheduleException(
            nest,
            loop,
            $"{loop.Name} cannot be {what}: its extent {loop.Extent} is not a constant",
            $"split {loop.Name} by a constant first and take the inner loop"
        );

    private static void RequireAxes(
        LoopNest nest,
        For loop,
        Block block,
        LoopKind kind,
        IReadOnlyDictionary<Var, Interval> ranges
    )
    {
        foreach (var axis in block.Axes)
        {
            if (axis.Kind == AxisKind.Spatial || !axis.Binding.Uses(loop.Var))
                continue;
            if (!Simplifier.Simplify(axis.Binding, ranges).Uses(loop.Var))
                continue;
            if (axis.Kind == AxisKind.Reduce && kind.IsThread())
            {
                ThreadReductions.Require(nest, loop, block, kind, ranges);
                continue;
            }
            throw axis.Kind == AxisKind.Reduce
                ? new ScheduleException(
                    nest,
                    block,
                    $"{loop.Name} cannot be {kind.Text()}: its iterations combine into the same elements, it is bound to the reduce axis {axis.Name} of block {block.Name}",
                    $"rfactor over {loop.Name} first (then the partial results are elements of their own), or a loop of a spatial axis"
                )
                : new ScheduleException(
                    nest,
                    block,
                    $"{loop.Name} cannot be {kind.Text()}: its iterations must run in order, it is bound to the ordered axis {axis.Name} of block {block.Name}",
                    "a loop of a spatial axis"
                );
        }
    }

    private static string Serial(LoopNest nest) =>
        string.Join(", ", nest.Loops.Where(l => l.Kind == LoopKind.Serial).Select(l => l.Name));
}
