using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Search.Measurement;

/// <summary>
/// Patterns (<see cref="NDArray.Pattern"/>) as bytes of main memory: written, and compared with what is there, by all of the
/// processor's threads. 67 million float32 elements take 50 ms a thread (2026-11-30, Zen 5).
/// </summary>
internal static unsafe class PatternMemory
{
    /// <summary>Pairs that a thread writes before it takes the next: some hundred microseconds.</summary>
    private const long Stretch = 1 << 18;

    /// <summary>Writes a pattern to all places of a buffer, those between its elements too.</summary>
    /// <param name="buffer">With constant extents.</param>
    /// <param name="pattern">Of the buffer's type.</param>
    /// <param name="to">Where the buffer begins.</param>
    public static void Write(Buffer buffer, NDArray pattern, nint to) => Walk(buffer, pattern, to, write: true);

    /// <summary>Whether all places of a buffer, those between its elements too, are as <see cref="Write"/> left them.</summary>
    public static bool Equals(Buffer buffer, NDArray pattern, nint at) => Walk(buffer, pattern, at, write: false);

    private static bool Walk(Buffer buffer, NDArray pattern, nint at, bool write)
    {
        var drawn = pattern.Drawn;
        int bits = int.Log2(drawn.Length);
        int size = buffer.Type.Size();
        long elements = TypedMemory.Bytes(buffer) / size;
        var table = (byte*)NativeMemory.Alloc((nuint)(drawn.Length * size));
        try
        {
            TypedMemory.Write(new Buffer(buffer.Name, buffer.Type, [drawn.Length]), drawn, (nint)table);
            long pairs = elements / 2;
            bool equal = ParallelStretches.All(
                pairs,
                Stretch,
                (from, to) =>
                    size switch
                    {
                        1 => Pairs<ushort>((ushort*)table, (ushort*)at, from, to, bits, write),
                        2 => Pairs<uint>((uint*)table, (uint*)at, from, to, bits, write),
                        4 => Pairs<ulong>((ulong*)table, (ulong*)at, from, to, bits, write),
                        _ => Pairs<UInt128>((UInt128*)table, (UInt128*)at, from, to, bits, write),
                    }
            );
            if (elements % 2 == 0)
                return equal;
            // The first of the last pair.
            var source = new Span<byte>(table + NDArray.PairOf(pairs, bits) * 2 * size, size);
            var last = new Span<byte>((byte*)at + (elements - 1) * size, size);
            if (write)
                source.CopyTo(last);
            return equal && source.SequenceEqual(last);
        }
        finally
        {
            NativeMemory.Free(table);
        }
    }

    private static bool Pairs<T>(T* table, T* memory, long from, long to, int bits, bool write)
        where T : unmanaged, IEquatable<T>
    {
        if (write)
        {
            for (long pair = from; pair < to; pair++)
                memory[pair] = table[NDArray.PairOf(pair, bits)];
            return true;
        }
        for (long pair = from; pair < to; pair++)
        {
            if (!memory[pair].Equals(table[NDArray.PairOf(pair, bits)]))
                return false;
        }
        return true;
    }
}
