using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Memory of 16-bit floats as vectors of float32, for generated code: one method a width. Lanes of a mask that are off are not
/// touched, and load as 0.
/// </summary>
public static unsafe class HalfVectors<THalf>
    where THalf : struct, IHalf
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load128(nint from) => THalf.Widen(Extend(*(long*)from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(nint from) => THalf.Widen(Extend(Vector128.Load((ushort*)from)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load512(nint from) => THalf.Widen(Extend(Vector256.Load((ushort*)from)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store128(nint to, Vector128<float> value) => *(long*)to = Pack(THalf.Narrow(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store256(nint to, Vector256<float> value) => Pack(THalf.Narrow(value)).Store((ushort*)to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store512(nint to, Vector512<float> value) => Pack(THalf.Narrow(value)).Store((ushort*)to);

    public static Vector128<float> MaskLoad128(nint from, Vector128<int> mask)
    {
        if (Avx512BW.VL.IsSupported)
        {
            var lanes = Vector128.Narrow(mask, Vector128<int>.Zero).AsUInt16();
            return THalf.Widen(Vector128.WidenLower(Avx512BW.VL.MaskLoad((ushort*)from, lanes, default)).AsInt32());
        }
        var bits = Vector128<int>.Zero;
        for (int i = 0; i < Vector128<int>.Count; i++)
        {
            if (mask.GetElement(i) != 0)
                bits = bits.WithElement(i, ((ushort*)from)[i]);
        }
        return THalf.Widen(bits);
    }

    public static Vector256<float> MaskLoad256(nint from, Vector256<int> mask)
    {
        if (Avx512BW.VL.IsSupported)
            return THalf.Widen(Extend(Avx512BW.VL.MaskLoad((ushort*)from, Pack(mask), default)));
        return Vector256.Create(
            MaskLoad128(from, mask.GetLower()),
            MaskLoad128(from + 4 * sizeof(ushort), mask.GetUpper())
        );
    }

    public static Vector512<float> MaskLoad512(nint from, Vector512<int> mask) =>
        THalf.Widen(Extend(Avx512BW.VL.MaskLoad((ushort*)from, Pack(mask), default)));

    public static void MaskStore128(nint to, Vector128<int> mask, Vector128<float> value)
    {
        var bits = THalf.Narrow(value);
        if (Avx512BW.VL.IsSupported)
        {
            var (lanes, halves) = (
                Vector128.Narrow(mask, default).AsUInt16(),
                Vector128.Narrow(bits, default).AsUInt16()
            );
            Avx512BW.VL.MaskStore((ushort*)to, lanes, halves);
            return;
        }
        for (int i = 0; i < Vector128<int>.Count; i++)
        {
            if (mask.GetElement(i) != 0)
                ((ushort*)to)[i] = (ushort)bits.GetElement(i);
        }
    }

    public static void MaskStore256(nint to, Vector256<int> mask, Vector256<float> value)
    {
        if (Avx512BW.VL.IsSupported)
        {
            Avx512BW.VL.MaskStore((ushort*)to, Pack(mask), Pack(THalf.Narrow(value)));
            return;
        }
        MaskStore128(to, mask.GetLower(), value.GetLower());
        MaskStore128(to + 4 * sizeof(ushort), mask.GetUpper(), value.GetUpper());
    }

    public static void MaskStore512(nint to, Vector512<int> mask, Vector512<float> value) =>
        Avx512BW.VL.MaskStore((ushort*)to, Pack(mask), Pack(THalf.Narrow(value)));

    /// <summary>Floats of the bits of halves, one a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Widen128(Vector128<int> bits) => THalf.Widen(bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Widen256(Vector256<int> bits) => THalf.Widen(bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen512(Vector512<int> bits) => THalf.Widen(bits);

    /// <summary>The bits of halves of floats, one a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Narrow128(Vector128<float> value) => THalf.Narrow(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Narrow256(Vector256<float> value) => THalf.Narrow(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Narrow512(Vector512<float> value) => THalf.Narrow(value);

    // Zeros above each of 4, 8 or 16 numbers of 16 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Extend(long halves) =>
        Vector128.WidenLower(Vector128.CreateScalar(halves).AsUInt16()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Extend(Vector128<ushort> halves) =>
        Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(halves)
            : Vector256.Create(Vector128.WidenLower(halves), Vector128.WidenUpper(halves)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Extend(Vector256<ushort> halves) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(halves)
            : Vector512.Create(Extend(halves.GetLower()), Extend(halves.GetUpper()));

    // The lower 16 bits of each lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Pack(Vector128<int> bits) => Vector128.Narrow(bits, bits).AsInt64().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Pack(Vector256<int> bits) =>
        Avx512F.VL.IsSupported
            ? Avx512F.VL.ConvertToVector128UInt16(bits.AsUInt32())
            : Vector128.Narrow(bits.GetLower(), bits.GetUpper()).AsUInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Pack(Vector512<int> bits) =>
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector256UInt16(bits.AsUInt32())
            : Vector256
                .Create(
                    Vector128.Narrow(bits.GetLower().GetLower(), bits.GetLower().GetUpper()),
                    Vector128.Narrow(bits.GetUpper().GetLower(), bits.GetUpper().GetUpper())
                )
                .AsUInt16();
}
