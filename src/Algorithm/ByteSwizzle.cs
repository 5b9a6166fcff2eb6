namespace Picograd.Algorithms;

/// <summary>
/// A permutation of addresses within a buffer in shared memory: bits [Shift + Base, Shift + Base + Bits) of the byte offset from
/// the buffer's start are added (exclusive or) to bits [Base, Base + Bits). (3, 4, 3) is the 128-byte swizzle of tensor
/// cores and bulk copies, (2, 4, 3) the 64-byte one, (1, 4, 3) the 32-byte one. The buffer starts at a multiple of
/// 2^(Bits + Base + Shift) bytes, and runs of 2^Base bytes stay together.
/// </summary>
public readonly record struct ByteSwizzle(int Bits, int Base, int Shift)
{
    /// <summary>Alignment of a buffer's start, in bytes; its size is rounded up to a multiple of it.</summary>
    public long Alignment => 1L << (Bits + Base + Shift);

    /// <summary>Where the byte at an offset lies.</summary>
    public long Apply(long offset) => offset ^ ((offset >> Shift) & (((1L << Bits) - 1) << Base));
}
