using Picograd.Algorithms;

namespace Picograd.Formats;

/// <summary>The elements behind tensors of a PyTorch file: of one dtype, under a key.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Type">The dtype of its elements; null where tensors say which (untyped).</param>
/// <param name="StoredAs">The dtype in PyTorch's words.</param>
/// <param name="IsComplex">Whether an element is two numbers.</param>
/// <param name="Count">Elements; bytes where untyped.</param>
internal sealed record TorchStorage(string Key, DType? Type, string StoredAs, bool IsComplex, long Count)
{
    public long Bytes => Type is { } type ? Count * type.Size() * (IsComplex ? 2 : 1) : Count;
}

/// <summary>A tensor of a PyTorch file, not read yet: how it lies in its storage.</summary>
internal sealed record TorchTensor(
    TorchStorage Storage,
    DType Type,
    string StoredAs,
    bool IsComplex,
    long Offset,
    long[] Shape,
    long[] Strides
)
{
    // A complex number is a pair in a last dimension of two.
    public long[] Sizes => IsComplex ? [.. Shape, 2] : Shape;

    public Layout Layout =>
        IsComplex
            ? new Layout(Sizes, [.. Strides.Select(s => 2 * s), 1], 2 * Offset)
            : new Layout(Shape, Strides, Offset);

    /// <summary>All elements of the storage that tensors may view, in numbers of their dtype.</summary>
    public long Numbers => Storage.Bytes / Type.Size();

    /// <summary>The tensor as a view of its storage's elements, a tensor of one dimension.</summary>
    public Tensor Of(Tensor elements)
    {
        var layout = Layout;
        return layout.IsPlain && layout.Count == elements.NumElements
            ? elements.Reshape(Sizes)
            : elements.Alias(layout);
    }
}

/// <summary>What PyTorch calls its dtypes and storages.</summary>
internal static class TorchTypes
{
    private static readonly (string Name, string Storage, DType Type, bool IsComplex)[] All =
    [
        ("float32", "FloatStorage", DType.Float32, false),
        ("float64", "DoubleStorage", DType.Float64, false),
        ("float16", "HalfStorage", DType.Float16, false),
        ("bfloat16", "BFloat16Storage", DType.BFloat16, false),
        ("int64", "LongStorage", DType.Int64, false),
        ("int32", "IntStorage", DType.Int32, false),
        ("int16", "ShortStorage", DType.Int16, false),
        ("int8", "CharStorage", DType.Int8, false),
        ("uint8", "ByteStorage", DType.UInt8, false),
        ("bool", "BoolStorage", DType.Bool, false),
        ("complex64", "ComplexFloatStorage", DType.Float32, true),
        ("complex128", "ComplexDoubleStorage", DType.Float64, true),
    ];

    public static (string Name, DType Type, bool IsComplex)? OfStorage(string storage) =>
        Find(t => t.Storage == storage);

    public static (string Name, DType Type, bool IsComplex)? OfDtype(string dtype) => Find(t => t.Name == dtype);

    public static string? StorageOf(DType type) => Array.Find(All, t => t.Type == type && !t.IsComplex).Storage;

    public static string Storages => string.Join(", ", All.Select(t => t.Storage));

    private static (string, DType, bool)? Find(
        Predicate<(string Name, string Storage, DType Type, bool IsComplex)> which
    )
    {
        int at = Array.FindIndex(All, which);
        return at < 0 ? null : (All[at].Name, All[at].Type, All[at].IsComplex);
    }
}
