using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Lane i to address + i·Stride bytes for i &lt; Count.</summary>
/// <param name="Alone">Nothing of the stretch of code has read the buffer before.</param>
internal sealed record StridedStore(long Stride, int Count, DType Type, bool Alone);

/// <summary>
/// Vectors whose lanes are a few elements apart in memory, for generated code: whole vectors and permutations of them in place of
/// one access a lane. Nothing is touched before the first lane's element or after the last one's, so the last vector begins where it
/// ends with that.
/// </summary>
public static unsafe class StridedVectors
{
    /// <summary>
    /// Load of a vector of so many bits with lanes of 4 or 8 bytes, a number of elements apart; null where lanes are loaded one by one.
    /// </summary>
    internal static MethodInfo? Load(int bits, int size, long apart) => Find("Load", bits, size, apart);

    /// <summary>
    /// Store of as many vectors as their lanes are apart, the first lanes of which lie side by side; null where there is none.
    /// </summary>
    internal static MethodInfo? Store(int bits, int size, long apart) => Find("Store", bits, size, apart);

    /// <summary>The lanes that the methods for a size have.</summary>
    internal static Type Lane(int size) => size == 4 ? typeof(int) : typeof(long);

    /// <summary>Whether vectors of which some lanes are off load elements of a type so far apart, and nothing for lanes that are off.</summary>
    internal static bool MayMask(DType type, long apart) =>
        Avx2.IsSupported
        && CpuType.Of(type) is { Half: null, Lane: not null, LaneSize: 4 }
        && apart is not 0 and > -Farthest and < Farthest;

    // Lanes times that are no number of elements beyond 32 bits.
    private const long Farthest = 1 << 20;

    /// <summary>
    /// Load of a vector of so many bits with lanes of 4 bytes (first lane, lanes that are on, elements between lanes); others are 0.
    /// </summary>
    internal static MethodInfo MaskLoad(int bits) => typeof(StridedVectors).GetMethod($"MaskLoad{bits}x4")!;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MaskLoad512x4(nint from, Vector512<int> mask, int apart)
    {
        var p = (int*)from;
        if (apart == 2 && Avx512F.IsSupported)
        {
            // Element 2·i of the first vector for lane i, element 2·i + 1 of one that begins 15 further for lane i + 8.
            var off = Vector512<int>.Zero;
            var even = Vector512.Create(0, 16, 1, 16, 2, 16, 3, 16, 4, 16, 5, 16, 6, 16, 7, 16);
            var odd = Vector512.Create(16, 8, 16, 9, 16, 10, 16, 11, 16, 12, 16, 13, 16, 14, 16, 15);
            var first = Avx512F.MaskLoad(p, Avx512F.PermuteVar16x32x2(mask, even, off), off);
            var second = Avx512F.MaskLoad(p + 15, Avx512F.PermuteVar16x32x2(mask, odd, off), off);
            var places = Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
            return Avx512F.PermuteVar16x32x2(first, places, second);
        }
        return Vector512.Create(
            MaskLoad256x4(from, mask.GetLower(), apart),
            MaskLoad256x4((nint)(p + 8 * apart), mask.GetUpper(), apart)
        );
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MaskLoad256x4(nint from, Vector256<int> mask, int apart) =>
        Avx2.GatherMaskVector256(
            Vector256<int>.Zero,
            (int*)from,
            Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7) * apart,
            mask,
            4
        );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MaskLoad128x4(nint from, Vector128<int> mask, int apart) =>
        Avx2.GatherMaskVector128(Vector128<int>.Zero, (int*)from, Vector128.Create(0, 1, 2, 3) * apart, mask, 4);

    private static MethodInfo? Find(string name, int bits, int size, long apart) =>
        (bits == 512 && Avx512F.IsSupported) || (bits == 256 && Avx2.IsSupported)
            ? typeof(StridedVectors).GetMethod($"{name}{bits}x{size}By{apart}")
            : null;

    // ---- 16 lanes of 4 bytes

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load512x4By2(nint from)
    {
        var places = Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
        var p = (int*)from;
        return Avx512F.PermuteVar16x32x2(Vector512.Load(p), places, Vector512.Load(p + 15));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load512x4By3(nint from)
    {
        var begin = Vector512.Create(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
        var end = Vector512.Create(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 19, 22, 25, 28, 31);
        var p = (int*)from;
        var first = Avx512F.PermuteVar16x32x2(Vector512.Load(p), begin, Vector512.Load(p + 16));
        return Avx512F.PermuteVar16x32x2(first, end, Vector512.Load(p + 30));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load512x4By4(nint from)
    {
        var begin = Vector512.Create(0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
        var end = Vector512.Create(0, 4, 8, 12, 19, 23, 27, 31, 0, 0, 0, 0, 0, 0, 0, 0);
        var p = (int*)from;
        var low = Avx512F.PermuteVar16x32x2(Vector512.Load(p), begin, Vector512.Load(p + 16));
        var high = Avx512F.PermuteVar16x32x2(Vector512.Load(p + 32), end, Vector512.Load(p + 45));
        return low.WithUpper(high.GetLower());
    }

    // ---- 8 lanes of 8 bytes

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> Load512x8By2(nint from)
    {
        var places = Vector512.Create(0L, 2, 4, 6, 9, 11, 13, 15);
        var p = (long*)from;
        return Avx512F.PermuteVar8x64x2(Vector512.Load(p), places, Vector512.Load(p + 7));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> Load512x8By3(nint from)
    {
        var begin = Vector512.Create(0L, 3, 6, 9, 12, 15, 0, 0);
        var end = Vector512.Create(0L, 1, 2, 3, 4, 5, 12, 15);
        var p = (long*)from;
        var first = Avx512F.PermuteVar8x64x2(Vector512.Load(p), begin, Vector512.Load(p + 8));
        return Avx512F.PermuteVar8x64x2(first, end, Vector512.Load(p + 14));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> Load512x8By4(nint from)
    {
        var begin = Vector512.Create(0L, 4, 8, 12, 0, 0, 0, 0);
        var end = Vector512.Create(0L, 4, 11, 15, 0, 0, 0, 0);
        var p = (long*)from;
        var low = Avx512F.PermuteVar8x64x2(Vector512.Load(p), begin, Vector512.Load(p + 8));
        var high = Avx512F.PermuteVar8x64x2(Vector512.Load(p + 16), end, Vector512.Load(p + 21));
        return low.WithUpper(high.GetLower());
    }

    // ---- 8 lanes of 4 bytes

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load256x4By2(nint from)
    {
        var p = (float*)from;
        // a0 a2 b1 b3 a4 a6 b5 b7
        var mixed = Avx.Shuffle(Vector256.Load(p), Vector256.Load(p + 7), 0b11_01_10_00);
        return Avx2.Permute4x64(mixed.AsDouble(), 0b11_01_10_00).AsInt32();
    }

    // ---- stores

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512x4By2(nint to, Vector512<int> a, Vector512<int> b)
    {
        var p = (int*)to;
        var low = Vector512.Create(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        var high = Vector512.Create(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        Avx512F.PermuteVar16x32x2(a, low, b).Store(p);
        Avx512F.PermuteVar16x32x2(a, high, b).Store(p + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512x4By3(nint to, Vector512<int> a, Vector512<int> b, Vector512<int> c)
    {
        var p = (int*)to;
        Put(p, a, b, c, Vector512.Create(0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5), 0);
        Put(p + 16, a, b, c, Vector512.Create(21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26), 1);
        Put(p + 32, a, b, c, Vector512.Create(0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0), 2);
    }

    // Of two vectors by places, then every third lane of the third: those of element 3·i + 2 that lie in the part.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(
        int* to,
        Vector512<int> a,
        Vector512<int> b,
        Vector512<int> c,
        Vector512<int> places,
        int part
    )
    {
        var both = Avx512F.PermuteVar16x32x2(a, places, b);
        var third = part switch
        {
            0 => Vector512.Create(0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15),
            1 => Vector512.Create(0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15),
            _ => Vector512.Create(26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31),
        };
        Avx512F.PermuteVar16x32x2(both, third, c).Store(to);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512x4By4(nint to, Vector512<int> a, Vector512<int> b, Vector512<int> c, Vector512<int> d)
    {
        var p = (int*)to;
        // Pairs a0 b0 a1 b1 … and c0 d0 c1 d1 …, which then go by twos.
        var low = Vector512.Create(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        var high = Vector512.Create(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        var twos = Vector512.Create(0L, 8, 1, 9, 2, 10, 3, 11);
        var others = Vector512.Create(4L, 12, 5, 13, 6, 14, 7, 15);
        var (ab, cd) = (Avx512F.PermuteVar16x32x2(a, low, b).AsInt64(), Avx512F.PermuteVar16x32x2(c, low, d).AsInt64());
        Avx512F.PermuteVar8x64x2(ab, twos, cd).Store((long*)p);
        Avx512F.PermuteVar8x64x2(ab, others, cd).Store((long*)(p + 16));
        (ab, cd) = (Avx512F.PermuteVar16x32x2(a, high, b).AsInt64(), Avx512F.PermuteVar16x32x2(c, high, d).AsInt64());
        Avx512F.PermuteVar8x64x2(ab, twos, cd).Store((long*)(p + 32));
        Avx512F.PermuteVar8x64x2(ab, others, cd).Store((long*)(p + 48));
    }
}
