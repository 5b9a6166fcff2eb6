using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules;

// Placement, caching and reduction primitives by method; each adds one step to the trace.
public sealed partial class Schedule
{
    /// <returns>The new loops, in the order of the block's axes.</returns>
    public IReadOnlyList<LoopRef> ComputeAt(BlockRef block, LoopRef loop) =>
        Loops(Apply(Step.Of("compute_at", block.Name, loop.Name)));

    /// <returns>The new loops, in the order of the block's axes.</returns>
    public IReadOnlyList<LoopRef> ReverseComputeAt(BlockRef block, LoopRef loop) =>
        Loops(Apply(Step.Of("reverse_compute_at", block.Name, loop.Name)));

    public void StoreAt(BufferRef buffer, LoopRef loop) => Apply(Step.Of("store_at", buffer.Name, loop.Name));

    /// <returns>The buffer made, and the block that fills it.</returns>
    public (BufferRef Cache, BlockRef Copy) CacheRead(
        BufferRef buffer,
        BlockRef block,
        Scope scope,
        IReadOnlyCollection<BlockRef>? also = null,
        DType? type = null
    )
    {
        string? others = also is { Count: > 0 } ? string.Join(',', also) : null;
        var made = Apply(
            Step.Of("cache_read", buffer.Name, block.Name, scope.Text()).With("also", others).With("as", type?.Name())
        );
        return (made[0], made[1]);
    }

    /// <returns>The buffer made (of a tuple-valued block, the first), and the block that copies it out.</returns>
    public (BufferRef Cache, BlockRef Copy) CacheWrite(BufferRef buffer, Scope scope)
    {
        var made = Apply(Step.Of("cache_write", buffer.Name, scope.Text()));
        return (made[0], made[^1]);
    }

    public void SetScope(BufferRef buffer, Scope scope) => Apply(Step.Of("set_scope", buffer.Name, scope.Text()));

    /// <returns>The block of partial results.</returns>
    /// <param name="at">Where partial results are taken together; null: as far out as possible.</param>
    public BlockRef Rfactor(BlockRef block, LoopRef loop, LoopRef? at = null) =>
        Apply(Step.Of("rfactor", block.Name, loop.Name).With("at", at?.Name))[0];

    /// <returns>The block that sets the initial value.</returns>
    public BlockRef DecomposeReduction(BlockRef block, LoopRef loop) =>
        Apply(Step.Of("decompose_reduction", block.Name, loop.Name))[0];

    /// <returns>The blocks of the maximum before, of what is subtracted, of the factor, and of each sum's rescaling.</returns>
    public IReadOnlyList<BlockRef> OnlineSoftmax(BlockRef max, LoopRef loop, params BlockRef[] sums) =>
        OnlineSoftmax(max, loop, skip: false, sums);

    /// <param name="skip">Whether the loop ends after the last keys that the mask of the scores lets a row see.</param>
    /// <inheritdoc cref="OnlineSoftmax(BlockRef, LoopRef, BlockRef[])"/>
    public IReadOnlyList<BlockRef> OnlineSoftmax(BlockRef max, LoopRef loop, bool skip, params BlockRef[] sums) =>
        [
            .. Apply(
                    Step.Of("online_softmax", [max.Name, loop.Name, .. sums.Select(b => b.Name)])
                        .With("skip", skip ? "1" : null)
                )
                .Select(name => new BlockRef(name)),
        ];

    private static IReadOnlyList<LoopRef> Loops(IReadOnlyList<string> names) =>
        [.. names.Select(name => new LoopRef(name))];
}
