using System.Collections.Immutable;

namespace Picograd;

/// <summary>What is asked of dtypes, of their rows in <see cref="DTypeInfo"/>; lists of them.</summary>
public static class DTypes
{
    /// <summary>The type of index expressions, loop variables and extents.</summary>
    public const DType Index = DType.Int64;

    /// <summary>All dtypes, float32 first, which is what operators take where none is given.</summary>
    public static ImmutableArray<DType> All { get; } = DTypeInfo.Where(_ => true);

    /// <summary>The float types, float32 first.</summary>
    public static ImmutableArray<DType> Floats { get; } = DTypeInfo.Where(row => row.Kind == DTypeKind.Float);

    /// <summary>The float types and the signed integers: what arithmetic is done in.</summary>
    public static ImmutableArray<DType> Numbers { get; } =
        DTypeInfo.Where(row => row.Kind == DTypeKind.Float || row is { Kind: DTypeKind.Integer, Signed: true });

    /// <summary>The signed integers that tensors have elements of: what bits are worked on in.</summary>
    public static ImmutableArray<DType> SignedIntegers { get; } =
        DTypeInfo.Where(row => row is { Kind: DTypeKind.Integer, Signed: true, OfTensors: true });

    /// <summary>What tensors have elements of.</summary>
    public static ImmutableArray<DType> OfTensors { get; } = DTypeInfo.Where(row => row.OfTensors);

    /// <summary>The row of a dtype.</summary>
    public static DTypeInfo Info(this DType type) => DTypeInfo.Of(type);

    /// <summary>Bytes of one stored element.</summary>
    public static int Size(this DType type) => DTypeInfo.Of(type).Bytes;

    public static bool IsFloat(this DType type) => DTypeInfo.Of(type).Kind == DTypeKind.Float;

    public static bool IsInteger(this DType type) => DTypeInfo.Of(type).Kind == DTypeKind.Integer;

    /// <summary>Whether elements may be places: int64, int32 and uint8, as in PyTorch.</summary>
    public static bool IsPlaces(this DType type) => type is DType.Int64 or DType.Int32 or DType.UInt8;

    /// <summary>The type that expressions of elements are computed in; another one for the half types only.</summary>
    public static DType Compute(this DType type) => DTypeInfo.Of(type).Compute;

    /// <summary>Whether elements are converted after loads and before stores: those of the half types are.</summary>
    public static bool IsStorage(this DType type) => DTypeInfo.Of(type).Compute != type;

    /// <summary>Name as printed and parsed: f32, f64, f16, bf16, i32, i64, u32, u8, bool, i8, i16.</summary>
    public static string Name(this DType type) => DTypeInfo.Of(type).Name;

    /// <summary>
    /// The type of a name as <see cref="Name"/> gives it or as PyTorch, NumPy and C# have it (float32, half, bfloat16, long,
    /// …), in any case; null for another word.
    /// </summary>
    public static DType? Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return DTypeInfo.Parse(name);
    }
}
