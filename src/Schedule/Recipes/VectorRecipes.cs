using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Recipes;

/// <summary>Vectors and threads for the blocks of a tile: what schedules of online reductions and of their gradients share.</summary>
/// <param name="s">The schedule.</param>
/// <param name="lanes">Elements of a vector.</param>
internal sealed class VectorRecipes(Schedule s, int lanes)
{
    /// <summary>
    /// Copies what a block reads of an operand below a loop, one dimension of it last, so that vectors run along that; in the type it is
    /// computed in.
    /// </summary>
    /// <returns>The block that copies.</returns>
    public BlockRef CopyAlong(Load load, BlockRef reader, Axis axis, LoopRef at)
    {
        var wide = load.Type.IsStorage() ? load.Type.Compute() : (DType?)null;
        var (cache, copy) = s.CacheRead(load.Buffer, reader, Scope.Heap, type: wide);
        int dimension = Contraction.Dimension(load, axis);
        if (dimension != load.Buffer.Rank - 1)
            s.MoveDimensionLast(cache, dimension);
        s.ComputeAt(copy, at);
        Transposed(copy, load);
        return copy;
    }

    /// <summary>A copy whose vectors lie across memory: as many loads as a vector has lanes, which are transposed in registers.</summary>
    private void Transposed(BlockRef copy, Load load)
    {
        var lane = LaneLoop(copy)!;
        var block = s.Nest.Block(copy);
        var source = block.Loads.Single();
        var own = s.Nest.OwnLoops(block);
        LoopRef? along = own.LastOrDefault(l =>
            l.Ref != lane
            && LinearForm
                .Of(source.Buffer.Offset([.. source.Indices.Select(i => i.Substitute(block.Bindings))]))
                .CoefficientOf(l.Var) == 1
        )?.Ref;
        if (along is null || s.Nest.Loop(along).ConstantExtent < lanes)
        {
            Lanes(copy);
            return;
        }
        var (far, near) = Split(along, lanes);
        var order = own.Refs().Where(n => n != lane && n != along).Append(far).ToList();
        if (s.Nest.Loop(lane).ConstantExtent > lanes)
        {
            (var outer, lane) = Split(lane, lanes);
            order.Add(outer);
        }
        s.Reorder([.. order, near, lane]);
        s.Unroll(near);
        s.Vectorize(lane);
    }

    /// <summary>Vectors along the last dimension of what a block writes; the loop around them unrolled.</summary>
    public void Lanes(BlockRef name, bool unroll = false)
    {
        if (LaneLoop(name) is not { } lane)
            return;
        var own = s.OwnLoops(name);
        if (own[^1] != lane)
            s.Reorder([.. own.Where(l => l != lane), lane]);
        if (s.Nest.Loop(lane) is not { Kind: LoopKind.Serial, ConstantExtent: > 1 and var extent })
            return;
        if (extent > 8 * lanes)
            (_, lane) = Split(lane, 4 * lanes);
        s.Vectorize(lane);
        if (unroll && own.LastOrDefault(l => l != lane) is { } around && s.Nest.Loop(around).ConstantExtent > 1)
            s.Unroll(around);
    }

    /// <summary>The innermost own loop that drives the last dimension of what a block writes.</summary>
    public LoopRef? LaneLoop(BlockRef name)
    {
        var block = s.Nest.Block(name);
        var last = block.Indices[^1].Substitute(block.Bindings);
        return s.Nest.OwnLoops(block).LastOrDefault(l => last.Uses(l.Var))?.Ref;
    }

    /// <summary>Threads share the outermost loop that has enough for all, else all of them together.</summary>
    public void Share(LoopRef[] loops, int threads)
    {
        bool Enough(LoopRef loop)
        {
            long extent = s.Nest.Loop(loop).ConstantExtent ?? 1;
            return extent % threads == 0 || extent >= 4 * threads;
        }
        var shared = loops.FirstOrDefault(Enough) ?? s.Fuse(loops);
        if (s.Nest.Loop(shared).ConstantExtent > 1)
            s.Parallel(shared, partition: "dynamic");
    }

    /// <summary>Cuts a loop of known extent; what does not divide is a loop of its own.</summary>
    public (LoopRef Outer, LoopRef Inner) Split(LoopRef loop, long factor) =>
        LoopRecipes.SplitTile(s, loop, factor, s.Nest.Loop(loop).ConstantExtent!.Value);
}
