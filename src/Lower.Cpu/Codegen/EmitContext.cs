using Picograd.Algorithms;

namespace Picograd.Lower.Cpu;

/// <summary>
/// The vector loop that statements are in: Lanes of which the first Count exist, and the lanes switched off by
/// conditions (Mask, null where all are on).
/// </summary>
internal sealed record VectorContext(Var Lane, int Lanes, int Count, int ElementSize, Node? Mask)
{
    public DType IndexType => ElementSize == 4 ? DType.Int32 : DType.Int64;
}
