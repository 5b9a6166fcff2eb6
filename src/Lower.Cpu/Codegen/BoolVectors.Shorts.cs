using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Bools beside integers of two bytes.</summary>
public static unsafe partial class BoolVectors
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Load128x2(nint from) =>
        LaneCasts.Mask1To2x8(~Vector128.Equals(Vector128.CreateScalar(*(ulong*)from).AsByte(), Vector128<byte>.Zero));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Load256x2(nint from) => LaneCasts.Mask1To2x16(Load128x1(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Load512x2(nint from) => LaneCasts.Mask1To2x32(Load256x1(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store128x2(nint to, Vector128<short> mask) =>
        *(ulong*)to = (LaneCasts.Mask2To1x8(mask) & Vector128<byte>.One).AsUInt64().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store256x2(nint to, Vector256<short> mask) => Store128x1(to, LaneCasts.Mask2To1x16(mask));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512x2(nint to, Vector512<short> mask) => Store256x1(to, LaneCasts.Mask2To1x32(mask));

    public static Vector128<short> MaskLoad128x2(nint from, Vector128<short> mask) =>
        LaneCasts.Mask1To2x8(MaskLoad128x1(from, LaneCasts.Mask2To1x8(mask)));

    public static Vector256<short> MaskLoad256x2(nint from, Vector256<short> mask) =>
        LaneCasts.Mask1To2x16(MaskLoad128x1(from, LaneCasts.Mask2To1x16(mask)));

    public static Vector512<short> MaskLoad512x2(nint from, Vector512<short> mask)
    {
        var bytes = Avx512BW.VL.MaskLoad((byte*)from, LaneCasts.Mask2To1x32(mask), default);
        return LaneCasts.Mask1To2x32(~Vector256.Equals(bytes, Vector256<byte>.Zero));
    }

    public static void MaskStore128x2(nint to, Vector128<short> mask, Vector128<short> value) =>
        MaskStore128x1(to, LaneCasts.Mask2To1x8(mask), LaneCasts.Mask2To1x8(value));

    public static void MaskStore256x2(nint to, Vector256<short> mask, Vector256<short> value) =>
        MaskStore128x1(to, LaneCasts.Mask2To1x16(mask), LaneCasts.Mask2To1x16(value));

    public static void MaskStore512x2(nint to, Vector512<short> mask, Vector512<short> value) =>
        Avx512BW.VL.MaskStore(
            (byte*)to,
            LaneCasts.Mask2To1x32(mask),
            LaneCasts.Mask2To1x32(value) & Vector256<byte>.One
        );
}
