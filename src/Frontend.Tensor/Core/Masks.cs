using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd;

/// <summary>
/// Where bools are true. How many there are is the size of a result, so they are looked at here and not by an operator.
/// </summary>
internal static unsafe class Masks
{
    /// <summary>Row-major places of what is true, int64 [count], on the mask's device.</summary>
    public static Tensor Places(Tensor mask) => Places(mask, coordinates: false);

    /// <summary>Indices of what is true, int64 [count, rank], on the mask's device.</summary>
    public static Tensor Coordinates(Tensor mask) => Places(mask, coordinates: true);

    private static Tensor Places(Tensor mask, bool coordinates)
    {
        var here = Copying.DenseOf(mask).OnCpu();
        Executor.Listening?.HostReads(here);
        byte* given = (byte*)here.Address;
        long count = Count(given, here.NumElements);
        long[] sizes = here.Layout.Sizes;
        var result = Tensor.Allocate(coordinates ? [count, sizes.Length] : [count], DType.Int64, CpuRuntime.Instance);
        Executor.Listening?.HostWrites(result);
        long* to = (long*)result.Address;
        if (!coordinates || sizes.Length == 1)
            Fill(given, count, to);
        else if (sizes.Length > 1)
        {
            // Backwards from the front part of the result, which holds the places, over all of it.
            Fill(given, count, to);
            for (long i = count - 1; i >= 0; i--)
            {
                long rest = to[i];
                for (int d = sizes.Length - 1; d >= 0; d--)
                    (to[i * sizes.Length + d], rest) = (rest % sizes[d], rest / sizes[d]);
            }
        }
        GC.KeepAlive(here);
        return result.ToDevice(mask.Device);
    }

    private static long Count(byte* mask, long length)
    {
        long count = 0;
        long i = 0;
        for (; i + 8 <= length; i += 8)
        {
            // Each byte's lowest bit becomes whether the byte is not 0.
            ulong word = *(ulong*)(mask + i);
            word |= (word & 0xF0F0F0F0F0F0F0F0) >> 4;
            word |= (word & 0x0C0C0C0C0C0C0C0C) >> 2;
            word |= (word & 0x0202020202020202) >> 1;
            count += System.Numerics.BitOperations.PopCount(word & 0x0101010101010101);
        }
        for (; i < length; i++)
            count += mask[i] == 0 ? 0 : 1;
        return count;
    }

    // Without a branch that depends on the mask, whose misses cost most (1 in 6 true: 20 ns an element with it, 1 without).
    private static void Fill(byte* mask, long count, long* to)
    {
        long found = 0;
        for (long i = 0; found < count; i++)
        {
            int here = mask[i];
            to[found] = i;
            found += (int)((uint)(here | -here) >> 31);
        }
    }
}
