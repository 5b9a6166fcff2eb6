using Picograd.Formats;

namespace Picograd;

/// <summary>A tensor of a <see cref="TensorFile"/>, of which everything but the elements is known before it is read.</summary>
public sealed class StoredTensor
{
    private readonly Func<Tensor> _read;
    private readonly Func<Tensor>? _packed;
    private readonly long[] _shape;

    internal StoredTensor(
        string name,
        DType type,
        long[] shape,
        string storedAs,
        Func<Tensor> read,
        Func<Tensor>? packed = null
    )
    {
        Name = name;
        DType = type;
        _shape = shape;
        StoredAs = storedAs;
        _read = read;
        _packed = packed;
    }

    /// <summary>Its name in the file.</summary>
    public string Name { get; }

    /// <summary>The dtype that it has when it is read.</summary>
    public DType DType { get; }

    /// <summary>Size of each dimension.</summary>
    public Dimensions Shape => new(_shape);

    /// <summary>What the file calls its dtype, such as <c>F32</c>, <c>&gt;i4</c> or <c>q4_k</c>.</summary>
    public string StoredAs { get; }

    /// <summary>Whether it is kept in blocks of few bits, see <see cref="Packed"/>.</summary>
    public bool IsPacked => _packed is not null;

    internal long[] Sizes => _shape;

    /// <summary>Its elements: a view of the mapped file where they lie as tensors have them, else made now.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public Tensor Read(Device? device = null)
    {
        var tensor = _read();
        return device is { } there ? tensor.ToDevice(there) : tensor;
    }

    /// <summary>
    /// The blocks of a quantised tensor as they lie in the file: uint8 of the tensor's shape, but that the last dimension counts bytes.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is not kept in blocks.</exception>
    public Tensor Packed() =>
        _packed?.Invoke()
        ?? throw new InvalidOperationException($"Packed: '{Name}' is kept as {StoredAs}, not in blocks; use Read.");

    public override string ToString() => $"{Name} {StoredAs}{Layout.Text(_shape)}";
}
