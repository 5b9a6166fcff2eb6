using System.Numerics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Bools in memory, a byte each, as masks of vectors, for generated code: one method a width and size of lanes. Lanes of a
/// mask of the access that are off are not touched, and load as false.
/// </summary>
public static unsafe partial class BoolVectors
{
    /// <summary>Load, MaskLoad, Store or MaskStore for a width in bits and a size of lanes in bytes.</summary>
    internal static MethodInfo Method(string name, int bits, int size) =>
        typeof(BoolVectors).GetMethod($"{name}{bits}x{size}")!;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load128x4(nint from) =>
        ~Vector128.Equals(Widen(Vector128.CreateScalarUnsafe(*(uint*)from).AsByte()), Vector128<int>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<long> Load128x8(nint from) =>
        ~Vector128.Equals(
            Vector128.WidenLower(Widen(Vector128.CreateScalarUnsafe(*(ushort*)from).AsByte())),
            Vector128<long>.Zero
        );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load256x4(nint from)
    {
        var bytes = Vector128.CreateScalarUnsafe(*(ulong*)from).AsByte();
        var words = Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(bytes)
            : Vector256.Create(Widen(bytes), Widen(Vector128.CreateScalarUnsafe(*(uint*)(from + 4)).AsByte()));
        return ~Vector256.Equals(words, Vector256<int>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<long> Load256x8(nint from)
    {
        var words = Widen(Vector128.CreateScalarUnsafe(*(uint*)from).AsByte());
        var wide = Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words));
        return ~Vector256.Equals(wide, Vector256<long>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load512x4(nint from) =>
        ~Vector512.Equals(Avx512F.ConvertToVector512Int32(Vector128.Load((byte*)from)), Vector512<int>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> Load512x8(nint from) =>
        ~Vector512.Equals(
            Avx512F.ConvertToVector512Int64(Vector128.CreateScalarUnsafe(*(ulong*)from).AsByte()),
            Vector512<long>.Zero
        );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store128x4(nint to, Vector128<int> mask) =>
        *(uint*)to = Bytes(mask & Vector128<int>.One).AsUInt32().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store128x8(nint to, Vector128<long> mask) =>
        *(ushort*)to = Bytes(Vector128.Narrow(mask, mask) & Vector128<int>.One).AsUInt16().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store256x4(nint to, Vector256<int> mask)
    {
        var words = Vector128.Narrow(mask.GetLower(), mask.GetUpper()) & Vector128<short>.One;
        *(ulong*)to = Vector128.Narrow(words, words).AsUInt64().ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store256x8(nint to, Vector256<long> mask) =>
        *(uint*)to = Bytes(Vector128.Narrow(mask.GetLower(), mask.GetUpper()) & Vector128<int>.One)
            .AsUInt32()
            .ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512x4(nint to, Vector512<int> mask) =>
        Avx512F.ConvertToVector128Byte((mask & Vector512<int>.One).AsUInt32()).Store((byte*)to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512x8(nint to, Vector512<long> mask) =>
        *(ulong*)to = Avx512F.ConvertToVector128Byte((mask & Vector512<long>.One).AsUInt64()).AsUInt64().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load128x1(nint from) =>
        ~Vector128.Equals(Vector128.Load((byte*)from), Vector128<byte>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load256x1(nint from) =>
        ~Vector256.Equals(Vector256.Load((byte*)from), Vector256<byte>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load512x1(nint from) =>
        ~Vector512.Equals(Vector512.Load((byte*)from), Vector512<byte>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store128x1(nint to, Vector128<byte> mask) => (mask & Vector128<byte>.One).Store((byte*)to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store256x1(nint to, Vector256<byte> mask) => (mask & Vector256<byte>.One).Store((byte*)to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512x1(nint to, Vector512<byte> mask) => (mask & Vector512<byte>.One).Store((byte*)to);

    public static Vector128<byte> MaskLoad128x1(nint from, Vector128<byte> mask) =>
        ~Vector128.Equals(MaskedMemory.Load128((byte*)from, mask), Vector128<byte>.Zero);

    public static Vector256<byte> MaskLoad256x1(nint from, Vector256<byte> mask) =>
        ~Vector256.Equals(MaskedMemory.Load256((byte*)from, mask), Vector256<byte>.Zero);

    public static Vector512<byte> MaskLoad512x1(nint from, Vector512<byte> mask) =>
        ~Vector512.Equals(Avx512BW.MaskLoad((byte*)from, mask, default), Vector512<byte>.Zero);

    public static void MaskStore128x1(nint to, Vector128<byte> mask, Vector128<byte> value) =>
        MaskedMemory.Store128((byte*)to, mask, value & Vector128<byte>.One);

    public static void MaskStore256x1(nint to, Vector256<byte> mask, Vector256<byte> value) =>
        MaskedMemory.Store256((byte*)to, mask, value & Vector256<byte>.One);

    public static void MaskStore512x1(nint to, Vector512<byte> mask, Vector512<byte> value) =>
        Avx512BW.MaskStore((byte*)to, mask, value & Vector512<byte>.One);

    public static Vector128<int> MaskLoad128x4(nint from, Vector128<int> mask)
    {
        ulong bytes = Gather(from, mask.ExtractMostSignificantBits());
        return Load128x4((nint)(&bytes));
    }

    public static Vector128<long> MaskLoad128x8(nint from, Vector128<long> mask)
    {
        ulong bytes = Gather(from, mask.ExtractMostSignificantBits());
        return Load128x8((nint)(&bytes));
    }

    public static Vector256<int> MaskLoad256x4(nint from, Vector256<int> mask)
    {
        ulong bytes = Gather(from, mask.ExtractMostSignificantBits());
        return Load256x4((nint)(&bytes));
    }

    public static Vector256<long> MaskLoad256x8(nint from, Vector256<long> mask)
    {
        ulong bytes = Gather(from, mask.ExtractMostSignificantBits());
        return Load256x8((nint)(&bytes));
    }

    public static Vector512<int> MaskLoad512x4(nint from, Vector512<int> mask)
    {
        uint bits = (uint)mask.ExtractMostSignificantBits();
        var bytes = Vector128.Create(Gather(from, bits & 255), Gather(from + 8, bits >> 8));
        return Load512x4((nint)(&bytes));
    }

    public static Vector512<long> MaskLoad512x8(nint from, Vector512<long> mask)
    {
        ulong bytes = Gather(from, (uint)mask.ExtractMostSignificantBits());
        return Load512x8((nint)(&bytes));
    }

    public static void MaskStore128x4(nint to, Vector128<int> mask, Vector128<int> value) =>
        Scatter(to, mask.ExtractMostSignificantBits(), value.ExtractMostSignificantBits());

    public static void MaskStore128x8(nint to, Vector128<long> mask, Vector128<long> value) =>
        Scatter(to, mask.ExtractMostSignificantBits(), value.ExtractMostSignificantBits());

    public static void MaskStore256x4(nint to, Vector256<int> mask, Vector256<int> value) =>
        Scatter(to, mask.ExtractMostSignificantBits(), value.ExtractMostSignificantBits());

    public static void MaskStore256x8(nint to, Vector256<long> mask, Vector256<long> value) =>
        Scatter(to, mask.ExtractMostSignificantBits(), value.ExtractMostSignificantBits());

    public static void MaskStore512x4(nint to, Vector512<int> mask, Vector512<int> value) =>
        Scatter(to, (uint)mask.ExtractMostSignificantBits(), (uint)value.ExtractMostSignificantBits());

    public static void MaskStore512x8(nint to, Vector512<long> mask, Vector512<long> value) =>
        Scatter(to, (uint)mask.ExtractMostSignificantBits(), (uint)value.ExtractMostSignificantBits());

    // The first four bytes, a lane each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Widen(Vector128<byte> bytes) =>
        Vector128.WidenLower(Vector128.WidenLower(bytes)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Bytes(Vector128<int> words)
    {
        var halves = Vector128.Narrow(words, words);
        return Vector128.Narrow(halves, halves);
    }

    // Up to eight bytes that are on; the others are zero.
    private static ulong Gather(nint from, uint on)
    {
        ulong bytes = 0;
        for (; on != 0; on &= on - 1)
        {
            int i = BitOperations.TrailingZeroCount(on);
            bytes |= (ulong)((byte*)from)[i] << (8 * i);
        }
        return bytes;
    }

    private static void Scatter(nint to, uint on, uint values)
    {
        for (; on != 0; on &= on - 1)
        {
            int i = BitOperations.TrailingZeroCount(on);
            ((byte*)to)[i] = (byte)((values >> i) & 1);
        }
    }
}
