using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Baselines;

/// <summary>Transposition of small tiles in registers, for packing and for the transpose kernel.</summary>
internal static unsafe class TransposeTiles
{
    /// <summary>destination[j][i] = source[i][j] for a 4 × 4 tile; strides in floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile4(float* source, long sourceStride, float* destination, long destinationStride)
    {
        Vector128<float> r0 = Vector128.Load(source);
        Vector128<float> r1 = Vector128.Load(source + sourceStride);
        Vector128<float> r2 = Vector128.Load(source + 2 * sourceStride);
        Vector128<float> r3 = Vector128.Load(source + 3 * sourceStride);
        Vector128<float> low02 = ZipLow(r0, r2);
        Vector128<float> high02 = ZipHigh(r0, r2);
        Vector128<float> low13 = ZipLow(r1, r3);
        Vector128<float> high13 = ZipHigh(r1, r3);
        ZipLow(low02, low13).Store(destination);
        ZipHigh(low02, low13).Store(destination + destinationStride);
        ZipLow(high02, high13).Store(destination + 2 * destinationStride);
        ZipHigh(high02, high13).Store(destination + 3 * destinationStride);
    }

    /// <summary>As <see cref="Tile4"/> for an 8 × 8 tile; only where AVX is supported.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile8(float* source, long sourceStride, float* destination, long destinationStride)
    {
        Vector256<float> r0 = Rows(source, source + 4 * sourceStride);
        Vector256<float> r1 = Rows(source + sourceStride, source + 5 * sourceStride);
        Vector256<float> r2 = Rows(source + 2 * sourceStride, source + 6 * sourceStride);
        Vector256<float> r3 = Rows(source + 3 * sourceStride, source + 7 * sourceStride);
        Columns(r0, r1, r2, r3, destination, destinationStride);
        source += 4;
        r0 = Rows(source, source + 4 * sourceStride);
        r1 = Rows(source + sourceStride, source + 5 * sourceStride);
        r2 = Rows(source + 2 * sourceStride, source + 6 * sourceStride);
        r3 = Rows(source + 3 * sourceStride, source + 7 * sourceStride);
        Columns(r0, r1, r2, r3, destination + 4 * destinationStride, destinationStride);
    }

    /// <summary>Four floats of one row and, above them, four of the row four below.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Rows(float* low, float* high) =>
        Avx.InsertVector128(Vector128.Load(low).ToVector256Unsafe(), Vector128.Load(high), 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Columns(
        Vector256<float> r0,
        Vector256<float> r1,
        Vector256<float> r2,
        Vector256<float> r3,
        float* destination,
        long stride
    )
    {
        Vector256<float> low02 = Avx.UnpackLow(r0, r2);
        Vector256<float> high02 = Avx.UnpackHigh(r0, r2);
        Vector256<float> low13 = Avx.UnpackLow(r1, r3);
        Vector256<float> high13 = Avx.UnpackHigh(r1, r3);
        Avx.UnpackLow(low02, low13).Store(destination);
        Avx.UnpackHigh(low02, low13).Store(destination + stride);
        Avx.UnpackLow(high02, high13).Store(destination + 2 * stride);
        Avx.UnpackHigh(high02, high13).Store(destination + 3 * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipLow(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipHigh(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);
}
