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

    /// <summary>The swizzle of tensor cores and bulk copies whose rows are 32, 64 or 128 bytes long; null for other widths.</summary>
    public static ByteSwizzle? OfRow(int bytes) =>
        bytes switch
        {
            128 => new(3, 4, 3),
            64 => new(2, 4, 3),
            32 => new(1, 4, 3),
            _ => null,
        };

    /// <summary>Bytes of a row, if this is one of the swizzles of <see cref="OfRow"/>; else 0.</summary>
    public int RowBytes => this == OfRow(16 << Bits) ? 16 << Bits : 0;

    /// <summary>128b, 64b, 32b, or for instance bits=2,base=3,shift=4.</summary>
    public override string ToString() => RowBytes > 0 ? $"{RowBytes}b" : $"bits={Bits},base={Base},shift={Shift}";
}
