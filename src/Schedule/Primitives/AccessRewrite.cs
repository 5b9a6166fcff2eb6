using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>Moves the elements of a buffer to other places: every index that blocks and prefetches use is rewritten.</summary>
internal static class AccessRewrite
{
    /// <summary>Index of an element before → after; the simplifier knows the ranges of the variables around.</summary>
    public delegate ImmutableArray<Expr> Placement(ImmutableArray<Expr> index, Simplifier simplifier);

    public static LoopNest MoveElements(this LoopNest nest, Buffer old, Buffer replacement, Placement place)
    {
        Stmt Rewritten(Stmt s) =>
            s switch
            {
                Block b when b.Outputs.Contains(old) || b.Reads.Contains(old) => Moved(
                    b,
                    old,
                    replacement,
                    place,
                    new Simplifier(nest.AxisRanges(b))
                ),
                Prefetch p when p.Buffer == old => new Prefetch(
                    replacement,
                    place(p.Indices, new Simplifier(nest.Ranges(nest.LoopsAround(p))))
                ),
                _ => s,
            };

        return nest with
        {
            Body = nest.Body.MapUp(Rewritten),
            Intermediates = nest.Intermediates.Replace(old, replacement),
        };
    }

    /// <summary>Refuses where the accesses of a buffer cannot be rewritten one by one.</summary>
    public static void CheckElementsCanMove(this LoopNest nest, Buffer buffer, string primitive)
    {
        if (nest.Blocks.FirstOrDefault(b => b.Outputs.Length > 1 && b.Outputs.Contains(buffer)) is { } tuple)
            throw new ScheduleException(
                nest,
                tuple,
                $"block {tuple.Name} writes {tuple.Outputs.Length} outputs at shared indices, {buffer.Name} among them",
                "buffers written by blocks with one output"
            );
        if (nest.OtherUsesOf(buffer).FirstOrDefault(s => s is not Prefetch) is { } use)
            throw new ScheduleException(
                nest,
                use,
                $"{buffer.Name} is used by a statement that is not a block",
                $"{primitive} before tensorize"
            );
    }

    private static Block Moved(Block b, Buffer old, Buffer replacement, Placement place, Simplifier simplifier)
    {
        Expr Move(Expr e) =>
            e.Map(node =>
                node is Load load && load.Buffer == old
                    ? replacement.At(place([.. load.Indices.Select(Move)], simplifier))
                    : null
            );
        ImmutableArray<Expr> indices = [.. b.Indices.Select(Move)];
        return b with
        {
            Outputs = [.. b.Outputs.Select(o => o == old ? replacement : o)],
            Indices = b.Outputs.Contains(old) ? place(indices, simplifier) : indices,
            Values = [.. b.Values.Select(Move)],
        };
    }
}
