using System.Runtime.Intrinsics;

namespace Picograd.Search.Measurement;

/// <summary>
/// What tells one content of memory from another without keeping it: equal bytes have equal digests, others but for a chance of
/// about 2⁻⁶⁴; memory that differs in one aligned word of eight bytes always does. By all threads of the processor.
/// </summary>
internal static unsafe class MemoryDigest
{
    private const long Stretch = 4 << 20;

    // Odd, so that multiplying loses nothing: Knuth's multiplier of a linear generator with 64 bits.
    private const ulong Multiplier = 6364136223846793005;

    public static ulong Of(nint memory, long bytes)
    {
        var parts = new ulong[(bytes + Stretch - 1) / Stretch];
        ParallelStretches.Each(
            bytes,
            Stretch,
            (from, to) => parts[from / Stretch] = OfStretch((byte*)memory + from, to - from)
        );
        ulong digest = (ulong)bytes;
        foreach (ulong part in parts)
            digest = Mix(digest, part);
        return digest;
    }

    private static ulong OfStretch(byte* memory, long bytes)
    {
        // Lanes begin differently, so that words that change places are noticed.
        var lanes = Vector512.Create(1UL, 3, 5, 7, 11, 13, 17, 19);
        var multiplier = Vector512.Create(Multiplier);
        long at = 0;
        for (; at + 64 <= bytes; at += 64)
        {
            lanes = (lanes ^ Vector512.Load((ulong*)(memory + at))) * multiplier;
            // The product carries upwards only.
            lanes ^= lanes >>> 32;
        }
        ulong digest = 0;
        for (int lane = 0; lane < 8; lane++)
            digest = Mix(digest, lanes[lane]);
        for (; at < bytes; at++)
            digest = Mix(digest, memory[at]);
        return digest;
    }

    internal static ulong Mix(ulong digest, ulong word)
    {
        digest = (digest ^ word) * Multiplier;
        return digest ^ (digest >> 32);
    }
}
