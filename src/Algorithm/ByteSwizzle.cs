using System.Numerics;

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

    /// <summary>
    /// The swizzle with which eight 16-byte pieces (four 32-byte runs, and so on) at one place of as many successive rows
    /// lie in different banks: those of <see cref="OfRow"/> for rows of 32 to 128 bytes, and for longer rows, which
    /// lie whole, what adds the row's number to that of the piece. Whatever lies within 128 aligned bytes stays within them, so that
    /// threads that copy neighbours meet no bank twice either.
    /// </summary>
    /// <param name="rowBytes">Bytes from row to row.</param>
    /// <param name="runBytes">Bytes of a row that are accessed together: 16 by ldmatrix; a power of two from 4 to 64.</param>
    /// <returns>Null where the row is no power of two, too long, or so short that runs lie apart as they are.</returns>
    public static ByteSwizzle? ForColumns(long rowBytes, long runBytes)
    {
        if (!BitOperations.IsPow2(rowBytes) || !BitOperations.IsPow2(runBytes) || runBytes < 4 || rowBytes <= runBytes)
            return null;
        var (row, run) = (BitOperations.Log2((ulong)rowBytes), BitOperations.Log2((ulong)runBytes));
        // Banks repeat after 128 bytes: shorter rows share these, and only whole lines of them are displaced.
        var (bits, shift) = (Math.Min(row, BankBits) - run, Math.Max(row, BankBits) - run);
        return bits > 0 && shift <= MostShift ? new(bits, run, shift) : null;
    }

    private const int BankBits = 7;
    private const int MostShift = 10;

    /// <summary>Bytes of a row, if this is one of the swizzles of <see cref="OfRow"/>; else 0.</summary>
    public int RowBytes => this == OfRow(16 << Bits) ? 16 << Bits : 0;

    /// <summary>128b, 64b, 32b, or for instance bits=2,base=3,shift=4.</summary>
    public override string ToString() => RowBytes > 0 ? $"{RowBytes}b" : $"bits={Bits},base={Base},shift={Shift}";
}
