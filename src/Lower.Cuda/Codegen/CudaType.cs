using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>How CUDA text handles a dtype: this back end's row for it.</summary>
/// <param name="Type">The dtype.</param>
/// <param name="Stored">C's type of a stored element; the half types are stored as their bits.</param>
/// <param name="Value">C's type of a value in arithmetic.</param>
/// <param name="TensorMap">CUtensorMapDataType.</param>
/// <param name="ToValue">The device function that makes a value of a stored element; null where both are the same.</param>
/// <param name="ToStored">The device function that rounds a value to a stored element; null where both are the same.</param>
internal sealed record CudaType(
    DType Type,
    string Stored,
    string Value,
    int TensorMap,
    string? ToValue = null,
    string? ToStored = null
)
{
    private static readonly ImmutableArray<CudaType> Table =
    [
        .. new CudaType[]
        {
            new(DType.Float32, "float", "float", 7),
            new(DType.Float64, "double", "double", 8),
            new(DType.Float16, "unsigned short", "float", 6, "f16_to_f32", "f32_to_f16"),
            new(DType.BFloat16, "unsigned short", "float", 9, "bf16_to_f32", "f32_to_bf16"),
            new(DType.Int32, "int", "int", 3),
            new(DType.Int64, "long long", "long long", 5),
            new(DType.UInt32, "unsigned int", "unsigned int", 2),
            new(DType.UInt8, "unsigned char", "unsigned char", 0),
            new(DType.Bool, "unsigned char", "bool", 0),
        }.OrderBy(row => row.Type),
    ];

    public static CudaType Of(DType type) => Table[(int)type];
}
