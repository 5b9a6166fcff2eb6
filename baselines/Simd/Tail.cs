using System.Runtime.CompilerServices;

namespace Picograd.Baselines;

/// <summary>Vectors that are only partly inside an array, at the end of a row: by way of a full vector on the stack.</summary>
internal static unsafe class Tail
{
    /// <summary>The first <paramref name="count"/> elements from memory, the others <paramref name="fill"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static TV Load<TV, TS>(float* p, long count, float fill)
        where TV : struct
        where TS : ISimd<TV>
    {
        float* buffer = stackalloc float[16];
        for (int i = 0; i < TS.Count; i++)
        {
            buffer[i] = i < count ? p[i] : fill;
        }
        return TS.Load(buffer);
    }

    /// <summary>Stores the first <paramref name="count"/> elements.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Store<TV, TS>(TV v, float* p, long count)
        where TV : struct
        where TS : ISimd<TV>
    {
        float* buffer = stackalloc float[16];
        TS.Store(v, buffer);
        for (int i = 0; i < count; i++)
        {
            p[i] = buffer[i];
        }
    }
}
