using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Conversions between a 16-bit float and float32, of scalars and of vectors whose lanes of 32 bits hold the 16 bits and zeros
/// above. To 16 bits: nearest, ties to even, beyond the largest infinity; NaN stays NaN with its sign. From 16 bits: exact.
/// In integer arithmetic, since .NET 10 has no intrinsics for the processor's own conversions.
/// </summary>
public interface IHalf
{
    static abstract float FromBits(ushort bits);

    static abstract ushort ToBits(float value);

    static abstract Vector128<float> Widen(Vector128<int> bits);

    static abstract Vector256<float> Widen(Vector256<int> bits);

    static abstract Vector512<float> Widen(Vector512<int> bits);

    static abstract Vector128<int> Narrow(Vector128<float> value);

    static abstract Vector256<int> Narrow(Vector256<float> value);

    static abstract Vector512<int> Narrow(Vector512<float> value);
}

/// <summary>The conversions of each 16-bit float.</summary>
internal static class HalfConversions
{
    /// <summary>A type that implements <see cref="IHalf"/>.</summary>
    public static Type Of(DType type) =>
        type switch
        {
            DType.Float16 => typeof(IeeeHalf),
            DType.BFloat16 => typeof(BrainHalf),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no conversions of this type"),
        };
}

/// <summary>bfloat16: the upper half of a float32.</summary>
public readonly struct BrainHalf : IHalf
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FromBits(ushort bits) => BFloat16.FromBits(bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort ToBits(float value) => ((BFloat16)value).Bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Widen(Vector128<int> bits) => (bits << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Widen(Vector256<int> bits) => (bits << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector512<int> bits) => (bits << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Narrow(Vector128<float> value)
    {
        var bits = value.AsInt32();
        var upper = bits >>> 16;
        var rounded = (bits + (upper & Vector128<int>.One) + Vector128.Create(0x7FFF)) >>> 16;
        return Vector128.ConditionalSelect(
            Vector128.Equals(value, value).AsInt32(),
            rounded,
            upper | Vector128.Create(0x40)
        );
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Narrow(Vector256<float> value)
    {
        var bits = value.AsInt32();
        var upper = bits >>> 16;
        var rounded = (bits + (upper & Vector256<int>.One) + Vector256.Create(0x7FFF)) >>> 16;
        return Vector256.ConditionalSelect(
            Vector256.Equals(value, value).AsInt32(),
            rounded,
            upper | Vector256.Create(0x40)
        );
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Narrow(Vector512<float> value)
    {
        var bits = value.AsInt32();
        var upper = bits >>> 16;
        var rounded = (bits + (upper & Vector512<int>.One) + Vector512.Create(0x7FFF)) >>> 16;
        return Vector512.ConditionalSelect(
            Vector512.Equals(value, value).AsInt32(),
            rounded,
            upper | Vector512.Create(0x40)
        );
    }
}

/// <summary>float16 of IEEE 754.</summary>
public readonly struct IeeeHalf : IHalf
{
    private const int Magnitude = 0x7FFF;
    private const int LargestFinite = 0x7BFF;
    private const int FloatExponent = 0x7F800000;

    // 2^112: the exponent's bias of float32 less that of float16. A product with it makes denormals normal, exactly.
    private const float Bias = 5.192296858534828e33f;

    // To 16 bits: |x| · 2^112 · 2^-110 overflows to infinity where the half does, and added to a power of 2 that is 2^13 times
    // the half's last digit it is rounded there by the addition itself (Maratyszcza, FP16, fp16_ieee_from_fp32_value).
    private const float ToZero = 7.703719777548943e-34f;
    private const int LeastExponent = 0x38800000;
    private const int ToLastDigit = 0x07800000;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FromBits(ushort bits)
    {
        int magnitude = bits & Magnitude;
        int value = BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle(magnitude << 13) * Bias);
        if (magnitude > LargestFinite)
            value |= FloatExponent;
        return BitConverter.Int32BitsToSingle(value | ((bits & 0x8000) << 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort ToBits(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        int magnitude = bits & int.MaxValue;
        float scaled = MathF.Abs(value) * Bias * ToZero;
        int power = Math.Max(magnitude & FloatExponent, LeastExponent) + ToLastDigit;
        int sum = BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle(power) + scaled);
        int half = ((sum >> 13) & 0x7C00) + (sum & 0x0FFF);
        return (ushort)(((bits >>> 16) & 0x8000) | (magnitude > FloatExponent ? 0x7E00 : half));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Widen(Vector128<int> bits)
    {
        var magnitude = bits & Vector128.Create(Magnitude);
        var value = ((magnitude << 13).AsSingle() * Vector128.Create(Bias)).AsInt32();
        var special = Vector128.GreaterThan(magnitude, Vector128.Create(LargestFinite));
        return (value | (special & Vector128.Create(FloatExponent)) | ((bits ^ magnitude) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Widen(Vector256<int> bits)
    {
        var magnitude = bits & Vector256.Create(Magnitude);
        var value = ((magnitude << 13).AsSingle() * Vector256.Create(Bias)).AsInt32();
        var special = Vector256.GreaterThan(magnitude, Vector256.Create(LargestFinite));
        return (value | (special & Vector256.Create(FloatExponent)) | ((bits ^ magnitude) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector512<int> bits)
    {
        var magnitude = bits & Vector512.Create(Magnitude);
        var value = ((magnitude << 13).AsSingle() * Vector512.Create(Bias)).AsInt32();
        var special = Vector512.GreaterThan(magnitude, Vector512.Create(LargestFinite));
        return (value | (special & Vector512.Create(FloatExponent)) | ((bits ^ magnitude) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Narrow(Vector128<float> value)
    {
        var bits = value.AsInt32();
        var magnitude = bits & Vector128.Create(int.MaxValue);
        var exponent = Vector128.Create(FloatExponent);
        var scaled = magnitude.AsSingle() * Vector128.Create(Bias) * Vector128.Create(ToZero);
        var power = Vector128.Max(magnitude & exponent, Vector128.Create(LeastExponent));
        var sum = ((power + Vector128.Create(ToLastDigit)).AsSingle() + scaled).AsInt32();
        var half = ((sum >>> 13) & Vector128.Create(0x7C00)) + (sum & Vector128.Create(0x0FFF));
        var isNaN = Vector128.GreaterThan(magnitude, exponent);
        return ((bits ^ magnitude) >>> 16) | Vector128.ConditionalSelect(isNaN, Vector128.Create(0x7E00), half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Narrow(Vector256<float> value)
    {
        var bits = value.AsInt32();
        var magnitude = bits & Vector256.Create(int.MaxValue);
        var exponent = Vector256.Create(FloatExponent);
        var scaled = magnitude.AsSingle() * Vector256.Create(Bias) * Vector256.Create(ToZero);
        var power = Vector256.Max(magnitude & exponent, Vector256.Create(LeastExponent));
        var sum = ((power + Vector256.Create(ToLastDigit)).AsSingle() + scaled).AsInt32();
        var half = ((sum >>> 13) & Vector256.Create(0x7C00)) + (sum & Vector256.Create(0x0FFF));
        var isNaN = Vector256.GreaterThan(magnitude, exponent);
        return ((bits ^ magnitude) >>> 16) | Vector256.ConditionalSelect(isNaN, Vector256.Create(0x7E00), half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Narrow(Vector512<float> value)
    {
        var bits = value.AsInt32();
        var magnitude = bits & Vector512.Create(int.MaxValue);
        var exponent = Vector512.Create(FloatExponent);
        var scaled = magnitude.AsSingle() * Vector512.Create(Bias) * Vector512.Create(ToZero);
        var power = Vector512.Max(magnitude & exponent, Vector512.Create(LeastExponent));
        var sum = ((power + Vector512.Create(ToLastDigit)).AsSingle() + scaled).AsInt32();
        var half = ((sum >>> 13) & Vector512.Create(0x7C00)) + (sum & Vector512.Create(0x0FFF));
        var isNaN = Vector512.GreaterThan(magnitude, exponent);
        return ((bits ^ magnitude) >>> 16) | Vector512.ConditionalSelect(isNaN, Vector512.Create(0x7E00), half);
    }
}
