using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules;

// Storage primitives by method; each adds one step to the trace.
public sealed partial class Schedule
{
    public void ComputeInline(BlockRef block) => Apply(Step.Of("compute_inline", block.Name));

    /// <param name="buffer">An intermediate.</param>
    /// <param name="map">For instance "m,k->m/14,k,m%14".</param>
    /// <param name="pad">Grow dimensions that a divisor does not divide.</param>
    /// <returns>The loops of the producing block over the physical dimensions; empty where it keeps its own.</returns>
    public IReadOnlyList<LoopRef> TransformLayout(BufferRef buffer, string map, bool pad = false) =>
        Loops(Apply(Step.Of("transform_layout", buffer.Name, map).With("pad", pad ? "zero" : null)));

    /// <summary>Makes one dimension of an intermediate the last, so that its elements lie side by side; the others keep their order.</summary>
    /// <inheritdoc cref="TransformLayout"/>
    public IReadOnlyList<LoopRef> MoveDimensionLast(BufferRef buffer, int dimension)
    {
        string[] all = [.. Enumerable.Range(0, Nest.Buffer(buffer).Rank).Select(d => $"d{d}")];
        var order = all.Where((_, d) => d != dimension).Append(all[dimension]);
        return TransformLayout(buffer, $"{string.Join(',', all)}->{string.Join(',', order)}");
    }

    /// <summary>Makes one dimension of an intermediate the first; the others keep their order.</summary>
    /// <inheritdoc cref="TransformLayout"/>
    public IReadOnlyList<LoopRef> MoveDimensionFirst(BufferRef buffer, int dimension)
    {
        string[] all = [.. Enumerable.Range(0, Nest.Buffer(buffer).Rank).Select(d => $"d{d}")];
        var order = all.Where((_, d) => d != dimension).Prepend(all[dimension]);
        return TransformLayout(buffer, $"{string.Join(',', all)}->{string.Join(',', order)}");
    }

    /// <param name="block">Folded into its producer.</param>
    /// <param name="producer">Needed where several blocks would do.</param>
    public void ReverseComputeInline(BlockRef block, BlockRef? producer = null) =>
        Apply(
            producer is null
                ? Step.Of("reverse_compute_inline", block.Name)
                : Step.Of("reverse_compute_inline", block.Name, producer.Name)
        );

    /// <summary>Makes the stride of a dimension offset modulo factor, in elements.</summary>
    public void StorageAlign(BufferRef buffer, int dim, long factor, long offset = 0) =>
        Apply(Step.Of("storage_align", buffer.Name, $"{dim}", $"{factor}", $"{offset}"));

    /// <summary>Exclusive-or of the chunk number within a row with the row number modulo 2^bits.</summary>
    public void Swizzle(BufferRef buffer, long chunk, int bits, int? row = null) =>
        Apply(Step.Of("swizzle", buffer.Name, $"{chunk}", $"{bits}").With("row", row?.ToString()));

    /// <summary>Permutes the addresses of a buffer in shared memory; indices stay as they are.</summary>
    public void Swizzle(BufferRef buffer, ByteSwizzle swizzle) =>
        Apply(
            swizzle.RowBytes > 0
                ? Step.Of("swizzle", buffer.Name, $"{swizzle.RowBytes}b")
                : Step.Of("swizzle", buffer.Name)
                    .With("bits", $"{swizzle.Bits}")
                    .With("base", $"{swizzle.Base}")
                    .With("shift", $"{swizzle.Shift}")
        );

    /// <param name="block">A sum of products.</param>
    /// <param name="factors">One for each axis of the block, in order.</param>
    /// <returns>The blocks that copy operands, in the order of the value, then the one that crops the output.</returns>
    public IReadOnlyList<BlockRef> PadEinsum(BlockRef block, params ReadOnlySpan<long> factors) =>
        [
            .. Apply(Step.Of("pad_einsum", block.Name, string.Join(',', factors.ToArray())))
                .Select(name => new BlockRef(name)),
        ];

    /// <returns>The block that fills with the padding's value.</returns>
    public BlockRef DecomposePadding(BlockRef block, LoopRef loop) =>
        Apply(Step.Of("decompose_padding", block.Name, loop.Name))[0];

    /// <param name="loop">Outermost loop of the tile.</param>
    /// <param name="intrinsic">A name of <see cref="IntrinsicLibrary"/>.</param>
    public void Tensorize(LoopRef loop, string intrinsic) => Apply(Step.Of("tensorize", loop.Name, intrinsic));
}
