namespace Picograd;

/// <summary>
/// Element and expression types. Index arithmetic is <see cref="Int64"/>; predicates are <see cref="Bool"/>.
/// Float16 and BFloat16 are storage types: expressions convert them to Float32 on load and round on store.
/// </summary>
public enum DType
{
    Float32,
    Float64,
    Float16,
    BFloat16,
    Int32,
    Int64,
    UInt32,
    UInt8,
    Bool,
}

public static class DTypes
{
    /// <summary>The type of index expressions, loop variables and extents.</summary>
    public const DType Index = DType.Int64;

    /// <summary>Bytes of one stored element.</summary>
    public static int Size(this DType type) =>
        type switch
        {
            DType.Float64 or DType.Int64 => 8,
            DType.Float32 or DType.Int32 or DType.UInt32 => 4,
            DType.Float16 or DType.BFloat16 => 2,
            DType.UInt8 or DType.Bool => 1,
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown dtype"),
        };

    public static bool IsFloat(this DType type) =>
        type is DType.Float32 or DType.Float64 or DType.Float16 or DType.BFloat16;

    public static bool IsInteger(this DType type) => type is DType.Int32 or DType.Int64 or DType.UInt32 or DType.UInt8;

    /// <summary>Name as printed and parsed: f32, f64, f16, bf16, i32, i64, u32, u8, bool.</summary>
    public static string Name(this DType type) =>
        type switch
        {
            DType.Float32 => "f32",
            DType.Float64 => "f64",
            DType.Float16 => "f16",
            DType.BFloat16 => "bf16",
            DType.Int32 => "i32",
            DType.Int64 => "i64",
            DType.UInt32 => "u32",
            DType.UInt8 => "u8",
            DType.Bool => "bool",
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown dtype"),
        };

    /// <summary>
    /// The type of a name as <see cref="Name"/> gives it or as PyTorch, NumPy and C# have it (float32, half, bfloat16, long,
    /// …), in any case; null for another word.
    /// </summary>
    public static DType? Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.ToLowerInvariant() switch
        {
            "f32" or "float32" or "float" or "single" or "fp32" => DType.Float32,
            "f64" or "float64" or "double" or "fp64" => DType.Float64,
            "f16" or "float16" or "half" or "fp16" => DType.Float16,
            "bf16" or "bfloat16" or "bfloat" => DType.BFloat16,
            "i32" or "int32" or "int" => DType.Int32,
            "i64" or "int64" or "long" => DType.Int64,
            "u32" or "uint32" or "uint" => DType.UInt32,
            "u8" or "uint8" or "byte" => DType.UInt8,
            "bool" or "boolean" => DType.Bool,
            _ => null,
        };
    }
}
