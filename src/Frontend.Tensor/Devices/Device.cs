using System.Globalization;

namespace Picograd;

/// <summary>Where a tensor's elements lie: main memory, the memory of an NVIDIA GPU, or nowhere.</summary>
public readonly record struct Device
{
    // 0 is the CPU, i + 1 is GPU number i, −1 is none.
    private readonly int _ordinal;

    private Device(int ordinal) => _ordinal = ordinal;

    /// <summary>Main memory.</summary>
    public static readonly Device Cpu;

    /// <summary>
    /// No memory: a tensor there has a shape and a dtype, but no elements. Operators infer the shapes and dtypes of their results
    /// and compute nothing, so that a model of any size can be built and gone through. Reading elements is an error.
    /// </summary>
    public static readonly Device Meta = new(-1);

    /// <summary>An NVIDIA GPU by number. Whether there is one shows when a tensor is made there.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public static Device Cuda(int index = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new Device(index + 1);
    }

    /// <summary>Reads <c>cpu</c>, <c>meta</c>, <c>cuda</c> (the first GPU) and <c>cuda:1</c>.</summary>
    /// <exception cref="ArgumentException">Anything else.</exception>
    public static Device Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == "cpu")
            return Cpu;
        if (text == "meta")
            return Meta;
        if (text == "cuda")
            return Cuda();
        if (
            text.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int index)
        )
            return Cuda(index);
        throw new ArgumentException($"There is no device '{text}'; allowed are cpu, meta, cuda and cuda:N.");
    }

    /// <summary>
    /// Makes this the device on which this thread makes tensors where none is named, until the result is disposed:
    /// <c>using (Device.Meta.Scope()) model = new Linear(4096, 4096);</c>
    /// </summary>
    public DeviceScope Scope() => new(this);

    /// <summary><c>cpu</c>, <c>cuda</c> or <c>meta</c>.</summary>
    public string Type =>
        IsCpu ? "cpu"
        : IsMeta ? "meta"
        : "cuda";

    /// <summary>Number of the GPU; 0 for other devices.</summary>
    public int Index => IsCuda ? _ordinal - 1 : 0;

    public bool IsCpu => _ordinal == 0;

    public bool IsCuda => _ordinal > 0;

    /// <summary>Whether tensors have no elements there.</summary>
    public bool IsMeta => _ordinal < 0;

    /// <summary><c>cpu</c>, <c>meta</c>, <c>cuda:0</c>, ….</summary>
    public override string ToString() => IsCuda ? $"cuda:{Index}" : Type;
}
