using System.Globalization;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules;

// Wrappers of the loop primitives; see the classes of the same names for what they require.
public sealed partial class Schedule
{
    public (LoopRef Outer, LoopRef Inner) Split(LoopRef loop, long factor, Tail? tail = null)
    {
        var made = Apply(Step.Of("split", loop.Name, Text(factor)).With("tail", Text(tail)));
        return (made[0], made[1]);
    }

    /// <summary>Splits under names that say what the loops are for; a name that is taken gets a number behind it.</summary>
    public (LoopRef Outer, LoopRef Inner) Split(LoopRef loop, long factor, string outer, string inner)
    {
        var made = Apply(
            Step.Of("split", loop.Name, Text(factor)).Yielding(Nest.FreshName(outer), Nest.FreshName(inner))
        );
        return (made[0], made[1]);
    }

    public (LoopRef OuterA, LoopRef OuterB, LoopRef InnerA, LoopRef InnerB) Tile(
        LoopRef a,
        LoopRef b,
        long factorA,
        long factorB,
        Tail? tail = null
    )
    {
        var made = Apply(Step.Of("tile", a.Name, b.Name, Text(factorA), Text(factorB)).With("tail", Text(tail)));
        return (made[0], made[1], made[2], made[3]);
    }

    /// <param name="outer">Directly around the other.</param>
    /// <param name="inner">Directly inside of the other.</param>
    /// <param name="name">What the loop is for; a name that is taken gets a number behind it. Null: both names.</param>
    public LoopRef Fuse(LoopRef outer, LoopRef inner, string? name = null)
    {
        var step = Step.Of("fuse", outer.Name, inner.Name);
        return Apply(name is null ? step : step.Yielding(Nest.FreshName(name)))[0];
    }

    /// <summary>One loop out of several that lie directly inside one another, outermost first; of one that loop itself.</summary>
    /// <inheritdoc cref="Fuse(LoopRef, LoopRef, string?)"/>
    public LoopRef Fuse(IReadOnlyList<LoopRef> loops, string? name = null)
    {
        var fused = loops[0];
        for (int i = 1; i < loops.Count; i++)
            fused = Fuse(fused, loops[i], i == loops.Count - 1 ? name : null);
        return fused;
    }

    public Schedule FuseSiblings(LoopRef first, LoopRef second) =>
        Do(Step.Of("fuse_siblings", first.Name, second.Name));

    public Schedule SkipZeros(LoopRef loop) => Do(Step.Of("skip_zeros", loop.Name));

    /// <returns>A loop of one iteration, right around the block.</returns>
    public LoopRef UnitLoop(BlockRef block) => Apply(Step.Of("unit_loop", block.Name))[0];

    /// <returns>A loop of one iteration, right around the loop.</returns>
    public LoopRef UnitLoop(LoopRef loop) => Apply(Step.Of("unit_loop", loop.Name))[0];

    /// <returns>A loop of one iteration, right around the block or loop of the name.</returns>
    public LoopRef UnitLoop(string blockOrLoop) => UnitLoop((LoopRef)blockOrLoop);

    public Schedule Reorder(params IReadOnlyList<LoopRef> loops) =>
        Do(Step.Of("reorder", [.. loops.Select(l => l.Name)]));

    public Schedule Unroll(LoopRef loop) => Do(Step.Of("unroll", loop.Name));

    public Schedule Peel(LoopRef loop) => Do(Step.Of("peel", loop.Name));

    public Schedule Vectorize(LoopRef loop) => Do(Step.Of("vectorize", loop.Name));

    /// <param name="loop">A serial loop.</param>
    /// <param name="threads">Use no more than so many workers; null: all.</param>
    /// <param name="partition">static or dynamic; null leaves it to the back end.</param>
    public Schedule Parallel(LoopRef loop, int? threads = null, string? partition = null) =>
        Do(
            Step.Of("parallel", loop.Name)
                .With("threads", threads?.ToString(CultureInfo.InvariantCulture))
                .With("partition", partition)
        );

    public Schedule Bind(LoopRef loop, LoopKind kind) => Do(Step.Of("bind", loop.Name, kind.Text()));

    public Schedule Annotate(LoopRef loop, string key, string value) =>
        Do(Step.Of("annotate", loop.Name).With(key, value));

    /// <returns>Names of the loops, blocks and buffers of the copy.</returns>
    public IReadOnlyList<string> Specialize(string parameterOrLoop, long value) =>
        Apply(Step.Of("specialize", parameterOrLoop, Text(value)));

    public Schedule Prefetch(BufferRef buffer, LoopRef loop, int distance) =>
        Do(Step.Of("prefetch", buffer.Name, loop.Name, Text(distance)));

    /// <param name="loop">Serial, over copies and what reads them.</param>
    /// <param name="stages">Iterations under way at once.</param>
    /// <param name="mode">sync, cp.async or bulk; null: sync.</param>
    /// <returns>Names of the loop before and of what it copies with.</returns>
    public IReadOnlyList<string> Pipeline(LoopRef loop, int stages, string? mode = null) =>
        Apply(Step.Of("pipeline", loop.Name).With("stages", Text(stages)).With("mode", mode));

    /// <returns>Names of the loop before and of what it copies with.</returns>
    public IReadOnlyList<string> DoubleBuffer(LoopRef loop) => Apply(Step.Of("double_buffer", loop.Name));

    private Schedule Do(Step step)
    {
        Apply(step);
        return this;
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string? Text(Tail? tail) =>
        tail == Tail.ShiftInwards ? "shift" : tail?.ToString().ToLowerInvariant();
}
