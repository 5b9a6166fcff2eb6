using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Conversions of signed integers of one and two bytes, and of masks over two bytes.</summary>
public static partial class LaneCasts
{
    // ---- signed bytes to integers of four bytes: of 4 (or fewer), 8 and 16

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SByteToInt4(Vector128<sbyte> a) => Vector128.WidenLower(Vector128.WidenLower(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> SByteToInt8(Vector128<sbyte> a)
    {
        if (Avx2.IsSupported)
            return Avx2.ConvertToVector256Int32(a);
        var words = Vector128.WidenLower(a);
        return Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> SByteToInt16(Vector128<sbyte> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(a)
            : Vector512.Create(ShortToInt8(Vector128.WidenLower(a)), ShortToInt8(Vector128.WidenUpper(a)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> IntToSByte4(Vector128<int> a) => IntToByte4(a).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> IntToSByte8(Vector256<int> a) => IntToByte8(a).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> IntToSByte16(Vector512<int> a) => IntToByte16(a).AsSByte();

    // ---- integers of two bytes to four: of 4 (or fewer), 8 and 16

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShortToInt4(Vector128<short> a) => Vector128.WidenLower(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShortToInt8(Vector128<short> a) =>
        Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(a)
            : Vector256.Create(Vector128.WidenLower(a), Vector128.WidenUpper(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShortToInt16(Vector256<short> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(a)
            : Vector512.Create(ShortToInt8(a.GetLower()), ShortToInt8(a.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> IntToShort4(Vector128<int> a) =>
        Vector128.Narrow(a.AsUInt32() & Vector128.Create(0xFFFFu), default(Vector128<uint>)).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> IntToShort8(Vector256<int> a)
    {
        if (Avx512F.VL.IsSupported)
            return Avx512F.VL.ConvertToVector128Int16(a);
        var low = a.AsUInt32() & Vector256.Create(0xFFFFu);
        return Vector128.Narrow(low.GetLower(), low.GetUpper()).AsInt16();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> IntToShort16(Vector512<int> a) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector256Int16(a)
            : Vector256.Create(IntToShort8(a.GetLower()), IntToShort8(a.GetUpper()));

    // ---- masks

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Mask1To2x8(Vector128<byte> a) => Vector128.WidenLower(a.AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Mask1To2x16(Vector128<byte> a) =>
        Avx2.IsSupported
            ? Avx2.ConvertToVector256Int16(a.AsSByte())
            : Vector256.Create(Vector128.WidenLower(a.AsSByte()), Vector128.WidenUpper(a.AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Mask1To2x32(Vector256<byte> a) =>
        Avx512BW.IsSupported
            ? Avx512BW.ConvertToVector512Int16(a.AsSByte())
            : Vector512.Create(Mask1To2x16(a.GetLower()), Mask1To2x16(a.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask2To1x8(Vector128<short> a) => Vector128.Narrow(a, default).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask2To1x16(Vector256<short> a) =>
        Vector128.Narrow(a.GetLower(), a.GetUpper()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Mask2To1x32(Vector512<short> a) =>
        Avx512BW.IsSupported
            ? Avx512BW.ConvertToVector256Byte(a)
            : Vector256.Create(Mask2To1x16(a.GetLower()), Mask2To1x16(a.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Mask2To4x4(Vector128<short> a) => ShortToInt4(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Mask2To4x8(Vector128<short> a) => ShortToInt8(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Mask2To4x16(Vector256<short> a) => ShortToInt16(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Mask4To2x4(Vector128<int> a) => IntToShort4(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Mask4To2x8(Vector256<int> a) => IntToShort8(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Mask4To2x16(Vector512<int> a) => IntToShort16(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<long> Mask2To8x2(Vector128<short> a) => IntToLong2(ShortToInt4(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<long> Mask2To8x4(Vector128<short> a) => IntToLong4(ShortToInt4(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<long> Mask2To8x8(Vector128<short> a) => IntToLong8(ShortToInt8(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Mask8To2x2(Vector128<long> a) => IntToShort4(LongToInt2(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Mask8To2x4(Vector256<long> a) => IntToShort4(LongToInt4(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Mask8To2x8(Vector512<long> a) => IntToShort8(LongToInt8(a));
}
