using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>How generated code handles a dtype: this back end's row for it.</summary>
/// <param name="Type">The dtype.</param>
/// <param name="Scalar">What a scalar is on the evaluation stack: the half types as float, small integers as int.</param>
/// <param name="Load">The instruction that loads an element; of the half types its bits.</param>
/// <param name="Store">The instruction that stores an element; of the half types its bits.</param>
/// <param name="Lane">What a lane of a vector is, of the half types float; null: lanes run one by one.</param>
/// <param name="Half">The conversions of a half type, a type that implements <see cref="IHalf"/>; null for others.</param>
internal sealed record CpuType(DType Type, Type Scalar, OpCode Load, OpCode Store, Type? Lane, Type? Half = null)
{
    private static readonly ImmutableArray<CpuType> Table =
    [
        new(DType.Float32, typeof(float), OpCodes.Ldind_R4, OpCodes.Stind_R4, typeof(float)),
        new(DType.Float64, typeof(double), OpCodes.Ldind_R8, OpCodes.Stind_R8, typeof(double)),
        new(DType.Float16, typeof(float), OpCodes.Ldind_U2, OpCodes.Stind_I2, typeof(float), typeof(IeeeHalf)),
        new(DType.BFloat16, typeof(float), OpCodes.Ldind_U2, OpCodes.Stind_I2, typeof(float), typeof(BrainHalf)),
        new(DType.Int32, typeof(int), OpCodes.Ldind_I4, OpCodes.Stind_I4, typeof(int)),
        new(DType.Int64, typeof(long), OpCodes.Ldind_I8, OpCodes.Stind_I8, typeof(long)),
        new(DType.UInt32, typeof(uint), OpCodes.Ldind_U4, OpCodes.Stind_I4, typeof(uint)),
        new(DType.UInt8, typeof(int), OpCodes.Ldind_U1, OpCodes.Stind_I1, typeof(byte)),
        new(DType.Bool, typeof(int), OpCodes.Ldind_U1, OpCodes.Stind_I1, null),
    ];

    /// <summary>Bytes of a lane: those of the type that values are computed in.</summary>
    public int LaneSize => Type.Compute().Size();

    public static CpuType Of(DType type) => Table[(int)type];

    /// <summary>The nearest value that the type holds, as a float.</summary>
    public static float Round(DType type, double value) => (float)type.Info().Round(value);

    /// <summary>Float from the bits of a half, or the bits of a float rounded to a half.</summary>
    public MethodInfo Convert(string name) => Half!.GetMethod(name)!;

    /// <summary>A conversion of vectors of a width: one of the methods of <see cref="HalfVectors{THalf}"/>.</summary>
    public MethodInfo Vectors(string name, int bits) =>
        typeof(HalfVectors<>).MakeGenericType(Half!).GetMethod(name + bits)!;
}
