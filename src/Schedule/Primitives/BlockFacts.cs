using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>Questions about blocks and buffers that the legality checks of the storage primitives share.</summary>
internal static class BlockFacts
{
    public static ImmutableArray<Block> WritersOf(this LoopNest nest, Buffer buffer) =>
        [.. nest.Blocks.Where(b => b.Outputs.Contains(buffer))];

    public static ImmutableArray<Block> ReadersOf(this LoopNest nest, Buffer buffer) =>
        [.. nest.Blocks.Where(b => b.Reads.Contains(buffer))];

    /// <summary>Statements that touch the buffer other than by a block's outputs, indices and values.</summary>
    public static IEnumerable<Stmt> OtherUsesOf(this LoopNest nest, Buffer buffer)
    {
        bool Reads(Expr e) => e.Loads().Any(l => l.Buffer == buffer);
        return nest
            .Body.Nodes()
            .Where(s =>
                s is Block b
                    ? Reads(b.Predicate) || b.Axes.Any(a => Reads(a.Binding))
                    : BufferAccess.Own(s).Any(a => a.Buffer == buffer)
            );
    }

    /// <summary>Whether one value goes to each point: no reduction, no order between iterations, no read of itself.</summary>
    public static bool IsMap(this Block block) =>
        block.Reducer is null
        && block.Axes.All(a => a.Kind == AxisKind.Spatial)
        && !block.Reads.Any(block.Outputs.Contains);

    /// <summary>Whether the indices are axes of the block, each once, and nothing else.</summary>
    public static bool ArePlainAxes(this Block block, ImmutableArray<Expr> indices) =>
        indices.All(i => i is Var v && block.Axes.Any(a => a.Var == v)) && indices.Distinct().Count() == indices.Length;

    public static BlockAxis Axis(this Block block, Expr var) => block.Axes.First(a => a.Var == var);

    /// <summary>Ranges of the parameters and of the block's axes.</summary>
    public static Dictionary<Var, Interval> AxisRanges(this LoopNest nest, Block block)
    {
        var ranges = new Dictionary<Var, Interval>(nest.ParameterRanges);
        foreach (var axis in block.Axes)
            ranges[axis.Var] = new Interval(0, Math.Max(0, Interval.Of(axis.Extent, ranges).Max - 1));
        return ranges;
    }

    /// <summary>The loops that contain nothing but this block, outermost first.</summary>
    public static ImmutableArray<For> OwnLoops(this LoopNest nest, Block block)
    {
        var path = nest.Body.PathTo(block)!.Value;
        var own = ImmutableArray.CreateBuilder<For>();
        for (int i = path.Length - 2; i >= 0 && path[i] is For loop; i--)
            own.Insert(0, loop);
        return own.ToImmutable();
    }

    /// <summary>
    /// The own loops of a block where they are exactly its iteration domain: each axis bound to a serial loop of its
    /// own with the axis's extent, no other loop, no predicate. Null otherwise.
    /// </summary>
    public static ImmutableArray<For>? DomainLoops(this LoopNest nest, Block block)
    {
        var own = nest.OwnLoops(block);
        bool exact =
            own.Length == block.Axes.Length
            && block.Predicate.IsTrue()
            && block.Axes.All(a =>
                own.Any(l => l.Var == a.Binding && l.Extent == a.Extent && l.Kind == LoopKind.Serial)
            )
            && block.Axes.Select(a => a.Binding).Distinct().Count() == own.Length;
        return exact ? own : null;
    }

    /// <summary>Whether a predicate of a block holds in every iteration of the loops around it.</summary>
    public static bool HoldsAlways(this LoopNest nest, Block block) =>
        Simplifier.Proves(block.Predicate, nest.Ranges(nest.LoopsAround(block)));

    /// <summary>Position of a block in program order.</summary>
    public static int OrderOf(this LoopNest nest, Block block) =>
        nest.Blocks.TakeWhile(b => !ReferenceEquals(b, block)).Count();

    /// <summary>Whether a block or an intrinsic reads or writes the buffer.</summary>
    public static bool Touches(this Stmt stmt, Buffer buffer) =>
        stmt switch
        {
            Block b => b.Outputs.Contains(buffer) || b.Reads.Contains(buffer),
            Call c => c.Buffers.Contains(buffer),
            _ => false,
        };

    /// <summary>Without the entries of StoreAt whose buffer or loop is gone, or whose loop misses a use.</summary>
    public static LoopNest WithoutStaleStoreAt(this LoopNest nest)
    {
        bool IsStale(string bufferName, string loopName) =>
            nest.Intermediates.FirstOrDefault(b => b.Name == bufferName) is not { } buffer
            || nest.Loops.FirstOrDefault(l => l.Name == loopName) is not { } loop
            || nest.Body.Nodes().Count(s => s.Touches(buffer)) != loop.Body.Nodes().Count(s => s.Touches(buffer));

        var stale = nest.StoreAt.Where(e => IsStale(e.Key, e.Value)).Select(e => e.Key);
        return nest with { StoreAt = nest.StoreAt.RemoveRange(stale) };
    }

    /// <summary>The intermediate with a name; refuses arguments of the algorithm, whose layout the caller owns.</summary>
    public static Buffer IntermediateNamed(this LoopNest nest, string name)
    {
        var buffer = nest.Buffer(name);
        if (nest.Intermediates.Contains(buffer))
            return buffer;
        string legal =
            nest.Intermediates.Length == 0
                ? "cache_read or cache_write first, and use the buffer that it makes"
                : $"intermediates: {string.Join(", ", nest.Intermediates.Select(b => b.Name))}";
        throw new ScheduleException(
            nest,
            null,
            $"buffer {name} is an argument of the algorithm, so its layout is the caller's",
            legal
        );
    }

    /// <summary>Another intermediate in the place of one, in the list as well as in the statements.</summary>
    public static LoopNest SwapIntermediate(this LoopNest nest, Buffer old, Buffer replacement) =>
        nest with
        {
            Body = nest.Body.ReplaceBuffer(old, replacement),
            Intermediates = nest.Intermediates.Replace(old, replacement),
        };
}
