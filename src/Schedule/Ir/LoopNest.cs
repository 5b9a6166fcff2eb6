using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;

namespace Picograd.Schedules.Ir;

/// <summary>
/// A program: the algorithm it computes, its loops, and the trace of primitives that made it. Immutable and always
/// valid. Buffers other than the algorithm's arguments are in <see cref="Intermediates"/>: each lives at the innermost
/// place that encloses all its uses (or at the loop named by <see cref="StoreAt"/>) and is there cut down to the region
/// used, when the nest is lowered (see StoragePlacement). Until then they have the full shape.
/// </summary>
public sealed record LoopNest(
    Algorithm Algorithm,
    Stmt Body,
    ImmutableArray<Buffer> Intermediates,
    ImmutableDictionary<string, string> StoreAt,
    ImmutableArray<Step> Trace
)
{
    /// <summary>Ranges of the symbolic extents.</summary>
    public IReadOnlyDictionary<Var, Interval> ParameterRanges => Algorithm.ParameterRanges;

    /// <summary>The variables of symbolic extents.</summary>
    internal IEnumerable<Var> Parameters => Algorithm.Parameters.Select(p => p.Var);

    public IEnumerable<For> Loops => Body.Nodes().OfType<For>();

    public IEnumerable<Block> Blocks => Body.Nodes().OfType<Block>();

    public IEnumerable<Buffer> Buffers => Algorithm.Arguments.Concat(Intermediates);

    /// <summary>The loop with a name; throws <see cref="ScheduleException"/> listing the loops there are.</summary>
    public For Loop(LoopRef loop) =>
        Loops.FirstOrDefault(l => l.Name == loop.Name)
        ?? throw new ScheduleException(
            this,
            null,
            $"there is no loop '{loop}'",
            $"loops: {Join(Loops.Select(l => l.Name))}"
        );

    public Block Block(BlockRef block) =>
        Blocks.FirstOrDefault(b => b.Name == block.Name)
        ?? throw new ScheduleException(
            this,
            null,
            $"there is no block '{block}'",
            $"blocks: {Join(Blocks.Select(b => b.Name))}"
        );

    public Buffer Buffer(BufferRef buffer) =>
        Buffers.FirstOrDefault(b => b.Name == buffer.Name)
        ?? throw new ScheduleException(
            this,
            null,
            $"there is no buffer '{buffer}'",
            $"buffers: {Join(Buffers.Select(b => b.Name))}"
        );

    /// <summary>Loops around a statement of the nest (by reference), outermost first.</summary>
    public ImmutableArray<For> LoopsAround(Stmt stmt) =>
        Body.PathTo(stmt) is { } path
            ? [.. path.OfType<For>().Where(l => !ReferenceEquals(l, stmt))]
            : throw new ArgumentException("the statement is not part of this nest");

    /// <summary>Ranges of parameters and of the variables of loops, [0, extent).</summary>
    public LoopRanges Ranges(IEnumerable<For> loops)
    {
        var ranges = new LoopRanges(ParameterRanges);
        foreach (var loop in loops)
            ranges.Enter(loop.Var, loop.Extent);
        return ranges;
    }

    /// <summary>A loop, block or buffer name that is not taken: the wish itself or wish with a number behind it.</summary>
    public string FreshName(string wish)
    {
        var taken = Loops
            .Select(l => l.Name)
            .Concat(Blocks.Select(b => b.Name))
            .Concat(Buffers.Select(b => b.Name))
            .ToHashSet();
        if (!taken.Contains(wish))
            return wish;
        int i = 1;
        while (taken.Contains($"{wish}{i}"))
            i++;
        return $"{wish}{i}";
    }

    /// <summary>Same nest with one statement (by reference) put in the place of another.</summary>
    public LoopNest Replace(Stmt old, Stmt replacement) => this with { Body = Body.Replace(old, replacement) };

    public override string ToString() => NestPrinter.Print(this);

    private static string Join(IEnumerable<string> names) => string.Join(", ", names);
}
