using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>How generated code handles a dtype; follows from the dtype's row, and for the half types from their conversions.</summary>
/// <param name="Type">The dtype.</param>
/// <param name="Scalar">What a scalar is on the evaluation stack: the half types as float, small integers as int.</param>
/// <param name="Load">The instruction that loads an element; of the half types its bits.</param>
/// <param name="Store">The instruction that stores an element; of the half types its bits.</param>
/// <param name="Lane">What a lane of a vector is, of the half types float; null: lanes run one by one.</param>
internal sealed record CpuType(DType Type, Type Scalar, OpCode Load, OpCode Store, Type? Lane)
{
    private static readonly ImmutableArray<CpuType> Table = MakeTable();

    /// <summary>The instruction that cuts a result to the element's bytes; null where arithmetic does.</summary>
    public OpCode? Wrap { get; init; }

    /// <summary>The conversions of a half type, a type that implements <see cref="IHalf"/>; null for others.</summary>
    public Type? Half { get; init; }

    /// <summary>Whether values are compared, divided, shifted and widened as numbers without a sign.</summary>
    public bool IsUnsigned => !Type.IsFloat() && !Type.Info().Signed;

    /// <summary>Bytes of a lane: those of the type that values are computed in.</summary>
    public int LaneSize => Type.Compute().Size();

    public static CpuType Of(DType type) => Table[(int)type];

    // A loop: .NET has no code for queries over these types before the program runs.
    private static ImmutableArray<CpuType> MakeTable()
    {
        var table = new CpuType[DTypes.All.Length];
        for (int i = 0; i < table.Length; i++)
            table[i] = Make(((DType)i).Info());
        return ImmutableArray.Create(table);
    }

    private static CpuType Make(DTypeInfo row)
    {
        var type = row.Type;
        if (row.Kind == DTypeKind.Bool)
            return new(type, typeof(int), OpCodes.Ldind_U1, OpCodes.Stind_I1, null);
        if (row.Kind == DTypeKind.Float)
            return row.Bytes switch
            {
                8 => new(type, typeof(double), OpCodes.Ldind_R8, OpCodes.Stind_R8, typeof(double)),
                4 => new(type, typeof(float), OpCodes.Ldind_R4, OpCodes.Stind_R4, typeof(float)),
                _ => new(type, typeof(float), OpCodes.Ldind_U2, OpCodes.Stind_I2, typeof(float))
                {
                    Half = HalfConversions.Of(type),
                },
            };
        return (row.Bytes, row.Signed) switch
        {
            (8, _) => new(type, typeof(long), OpCodes.Ldind_I8, OpCodes.Stind_I8, row.Clr),
            (4, true) => new(type, typeof(int), OpCodes.Ldind_I4, OpCodes.Stind_I4, row.Clr),
            (4, _) => new(type, typeof(uint), OpCodes.Ldind_U4, OpCodes.Stind_I4, row.Clr),
            (2, true) => Narrow(OpCodes.Ldind_I2, OpCodes.Stind_I2, OpCodes.Conv_I2),
            (2, _) => Narrow(OpCodes.Ldind_U2, OpCodes.Stind_I2, OpCodes.Conv_U2),
            (_, true) => Narrow(OpCodes.Ldind_I1, OpCodes.Stind_I1, OpCodes.Conv_I1),
            _ => Narrow(OpCodes.Ldind_U1, OpCodes.Stind_I1, OpCodes.Conv_U1),
        };

        CpuType Narrow(OpCode load, OpCode store, OpCode wrap) =>
            new(type, typeof(int), load, store, row.Clr) { Wrap = wrap };
    }

    /// <summary>The nearest value that the type holds, as a float.</summary>
    public static float Round(DType type, double value) => (float)type.Info().Round(value);

    /// <summary>Float from the bits of a half, or the bits of a float rounded to a half.</summary>
    public MethodInfo Convert(string name) => Half!.GetMethod(name)!;

    /// <summary>A conversion of vectors of a width: one of the methods of <see cref="HalfVectors{THalf}"/>.</summary>
    public MethodInfo Vectors(string name, int bits) =>
        typeof(HalfVectors<>).MakeGenericType(Half!).GetMethod(name + bits)!;
}
