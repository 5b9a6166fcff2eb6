using Picograd.Algorithms;
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
        byte* given = (byte*)here.Address;
        long length = here.NumElements;
        long count = 0;
        for (long i = Next(given, 0, length); i < length; i = Next(given, i + 1, length))
            count++;
        long[] sizes = here.Layout.Sizes;
        var result = Tensor.Allocate(coordinates ? [count, sizes.Length] : [count], DType.Int64, CpuRuntime.Instance);
        long* to = (long*)result.Address;
        for (long i = Next(given, 0, length); i < length; i = Next(given, i + 1, length))
        {
            if (!coordinates)
            {
                *to++ = i;
                continue;
            }
            long rest = i;
            for (int d = sizes.Length - 1; d >= 0; d--)
                (to[d], rest) = (rest % sizes[d], rest / sizes[d]);
            to += sizes.Length;
        }
        GC.KeepAlive(here);
        return result.ToDevice(mask.Device);
    }

    // The first place from one on that is true; eight at a time where none is.
    private static long Next(byte* mask, long from, long length)
    {
        while (from + 8 <= length && *(long*)(mask + from) == 0)
            from += 8;
        while (from < length && mask[from] == 0)
            from++;
        return from;
    }
}
