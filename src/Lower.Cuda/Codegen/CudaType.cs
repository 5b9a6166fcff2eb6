using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// How CUDA text handles a dtype; follows from the dtype's row. A 16-bit float NAME is its bits, and the prelude has NAME_to_f32 and
/// f32_to_NAME.
/// </summary>
/// <param name="Type">The dtype.</param>
/// <param name="Stored">C's type of a stored element; the half types are stored as their bits.</param>
/// <param name="Value">C's type of a value in arithmetic.</param>
/// <param name="ToValue">The device function that makes a value of a stored element; null where both are the same.</param>
/// <param name="ToStored">The device function that rounds a value to a stored element; null where both are the same.</param>
internal sealed record CudaType(
    DType Type,
    string Stored,
    string Value,
    string? ToValue = null,
    string? ToStored = null
)
{
    private static readonly ImmutableArray<CudaType> Table =
    [
        .. Enumerable.Range(0, DTypes.All.Length).Select(type => Make(((DType)type).Info())),
    ];

    /// <summary>CUtensorMapDataType: what tiles are copied as, and what is beyond them is zero of.</summary>
    public int TensorMap =>
        Type switch
        {
            DType.Float16 => 6,
            DType.Float32 => 7,
            DType.Float64 => 8,
            DType.BFloat16 => 9,
            DType.Int32 => 3,
            DType.Int64 => 5,
            // Whole numbers without a sign, whose zeros are all types'.
            _ => Type.Size() switch
            {
                1 => 0,
                2 => 1,
                4 => 2,
                _ => 4,
            },
        };

    /// <summary>Whether values are numbers without a sign.</summary>
    public bool IsUnsigned => !Type.IsFloat() && !Type.Info().Signed;

    public static CudaType Of(DType type) => Table[(int)type];

    private static CudaType Make(DTypeInfo row) =>
        row.Kind switch
        {
            DTypeKind.Bool => new(row.Type, "unsigned char", "bool"),
            DTypeKind.Float when row.Bytes == 2 => new(
                row.Type,
                "unsigned short",
                "float",
                $"{row.Name}_to_f32",
                $"f32_to_{row.Name}"
            ),
            DTypeKind.Float => Same(row, row.Bytes == 4 ? "float" : "double"),
            _ => Same(
                row,
                (row.Bytes, row.Signed) switch
                {
                    (1, true) => "signed char",
                    (1, _) => "unsigned char",
                    (2, true) => "short",
                    (2, _) => "unsigned short",
                    (4, true) => "int",
                    (4, _) => "unsigned int",
                    (_, true) => "long long",
                    _ => "unsigned long long",
                }
            ),
        };

    private static CudaType Same(DTypeInfo row, string c) => new(row.Type, c, c);
}
