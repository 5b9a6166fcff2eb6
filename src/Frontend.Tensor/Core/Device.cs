using System.Globalization;

namespace Picograd;

/// <summary>Where a tensor's elements lie: main memory, or the memory of an NVIDIA GPU.</summary>
public readonly record struct Device
{
    // 0 is the CPU, i + 1 is GPU number i.
    private readonly int _ordinal;

    private Device(int ordinal) => _ordinal = ordinal;

    /// <summary>Main memory.</summary>
    public static readonly Device Cpu;

    /// <summary>An NVIDIA GPU by number. Whether there is one shows when a tensor is made there.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public static Device Cuda(int index = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new Device(index + 1);
    }

    /// <summary>Reads <c>cpu</c>, <c>cuda</c> (the first GPU) and <c>cuda:1</c>.</summary>
    /// <exception cref="ArgumentException">Anything else.</exception>
    public static Device Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == "cpu")
            return Cpu;
        if (text == "cuda")
            return Cuda();
        if (
            text.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int index)
        )
            return Cuda(index);
        throw new ArgumentException($"There is no device '{text}'; allowed are cpu, cuda and cuda:N.");
    }

    /// <summary><c>cpu</c> or <c>cuda</c>.</summary>
    public string Type => IsCpu ? "cpu" : "cuda";

    /// <summary>Number of the GPU; 0 for the CPU.</summary>
    public int Index => IsCpu ? 0 : _ordinal - 1;

    public bool IsCpu => _ordinal == 0;

    public bool IsCuda => _ordinal != 0;

    /// <summary><c>cpu</c>, <c>cuda:0</c>, ….</summary>
    public override string ToString() => IsCpu ? "cpu" : $"cuda:{Index}";
}
