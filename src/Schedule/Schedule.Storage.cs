using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules;

// Storage primitives by method; each adds one step to the trace.
public sealed partial class Schedule
{
    public void ComputeInline(string block) => Apply(Step.Of("compute_inline", block));

    /// <param name="buffer">An intermediate.</param>
    /// <param name="map">For instance "m,k->m/14,k,m%14".</param>
    /// <param name="pad">Grow dimensions that a divisor does not divide.</param>
    /// <returns>The loops of the producing block over the physical dimensions; empty where it keeps its own.</returns>
    public IReadOnlyList<string> TransformLayout(string buffer, string map, bool pad = false) =>
        Apply(Step.Of("transform_layout", buffer, map).With("pad", pad ? "zero" : null));

    /// <param name="block">Folded into its producer.</param>
    /// <param name="producer">Needed where several blocks would do.</param>
    public void ReverseComputeInline(string block, string? producer = null) =>
        Apply(
            producer is null
                ? Step.Of("reverse_compute_inline", block)
                : Step.Of("reverse_compute_inline", block, producer)
        );

    /// <summary>Makes the stride of a dimension offset modulo factor, in elements.</summary>
    public void StorageAlign(string buffer, int dim, long factor, long offset = 0) =>
        Apply(Step.Of("storage_align", buffer, $"{dim}", $"{factor}", $"{offset}"));

    /// <summary>Exclusive-or of the chunk number within a row with the row number modulo 2^bits.</summary>
    public void Swizzle(string buffer, long chunk, int bits, int? row = null) =>
        Apply(Step.Of("swizzle", buffer, $"{chunk}", $"{bits}").With("row", row?.ToString()));

    /// <summary>Permutes the addresses of a buffer in shared memory; indices stay as they are.</summary>
    public void Swizzle(string buffer, ByteSwizzle swizzle) =>
        Apply(
            swizzle.RowBytes > 0
                ? Step.Of("swizzle", buffer, $"{swizzle.RowBytes}b")
                : Step.Of("swizzle", buffer)
                    .With("bits", $"{swizzle.Bits}")
                    .With("base", $"{swizzle.Base}")
                    .With("shift", $"{swizzle.Shift}")
        );

    /// <param name="block">A sum of products.</param>
    /// <param name="factors">One for each axis of the block, in order.</param>
    /// <returns>The blocks that copy operands, in the order of the value, then the one that crops the output.</returns>
    public IReadOnlyList<string> PadEinsum(string block, params ReadOnlySpan<long> factors) =>
        Apply(Step.Of("pad_einsum", block, string.Join(',', factors.ToArray())));

    /// <returns>The block that fills with the padding's value.</returns>
    public string DecomposePadding(string block, string loop) => Apply(Step.Of("decompose_padding", block, loop))[0];

    /// <param name="loop">Outermost loop of the tile.</param>
    /// <param name="intrinsic">A name of <see cref="IntrinsicLibrary"/>.</param>
    public void Tensorize(string loop, string intrinsic) => Apply(Step.Of("tensorize", loop, intrinsic));
}
