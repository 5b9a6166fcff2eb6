using System.Reflection;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Lower.Cpu;

/// <summary>How scalars of a dtype lie on the evaluation stack: the half types as float, small integers as int.</summary>
internal static class ScalarTypes
{
    public static Type Clr(DType type) =>
        type switch
        {
            DType.Float32 or DType.Float16 or DType.BFloat16 => typeof(float),
            DType.Float64 => typeof(double),
            DType.Int64 => typeof(long),
            DType.UInt32 => typeof(uint),
            _ => typeof(int),
        };
}

/// <summary>Conversions between stored half floats and float, for generated code.</summary>
public static class HalfFloats
{
    private static readonly MethodInfo Float16FromBits = Method(nameof(FromFloat16));
    private static readonly MethodInfo Float16ToBits = Method(nameof(ToFloat16));
    private static readonly MethodInfo BFloat16FromBits = Method(nameof(FromBFloat16));
    private static readonly MethodInfo BFloat16ToBits = Method(nameof(ToBFloat16));

    public static float FromFloat16(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);

    public static ushort ToFloat16(float value) => BitConverter.HalfToUInt16Bits((Half)value);

    public static float FromBFloat16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Nearest, ties to even; NaN stays NaN.</summary>
    public static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The nearest value that the type holds; Float32 holds all.</summary>
    internal static float Round(DType type, double value) =>
        type switch
        {
            DType.Float16 => FromFloat16(ToFloat16(FloatFunctions.ToOdd(value))),
            DType.BFloat16 => FromBFloat16(ToBFloat16(FloatFunctions.ToOdd(value))),
            _ => (float)value,
        };

    /// <summary>Float64 or Int64 to the Float32 that rounds to a half type as the value itself does.</summary>
    internal static MethodInfo ToOdd(Type from) =>
        typeof(FloatFunctions).GetMethod(nameof(FloatFunctions.ToOdd), [from])!;

    internal static MethodInfo FromBits(DType type) => type == DType.Float16 ? Float16FromBits : BFloat16FromBits;

    internal static MethodInfo ToBits(DType type) => type == DType.Float16 ? Float16ToBits : BFloat16ToBits;

    private static MethodInfo Method(string name) => typeof(HalfFloats).GetMethod(name)!;
}
