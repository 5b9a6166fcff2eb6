using System.Globalization;

namespace Picograd;

/// <summary>What modules that put elements around their input have in common; see <see cref="F.Pad"/>.</summary>
public abstract class PadNd : Module
{
    private readonly int _rank;
    private readonly string _mode;
    private readonly double? _value;
    private readonly long[] _padding;

    private protected PadNd(int rank, string mode, ReadOnlySpan<long> padding, double? value = null)
    {
        if (padding.Length != 1 && padding.Length != 2 * rank)
            throw new ArgumentException(
                $"{GetType().Name}: padding has {padding.Length} numbers, but must have one for all sides, or {2 * rank}: in front and behind, from the last dimension on.",
                nameof(padding)
            );
        long all = padding[0];
        _padding = padding.Length == 1 ? [.. Enumerable.Repeat(all, 2 * rank)] : padding.ToArray();
        (_rank, _mode, _value) = (rank, mode, value);
    }

    public override Tensor Forward(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (_mode != "constant" && x.Rank != _rank + 1 && x.Rank != _rank + 2)
            throw new ArgumentException(
                $"{GetType().Name}: the input has the shape {x.Shape}, but must have {_rank + 1} or {_rank + 2} dimensions."
            );
        return _value is { } value ? F.Pad(x, _padding, _mode, value) : F.Pad(x, _padding, _mode);
    }

    protected override string ExtraRepr() =>
        (_value is { } value && this is not (ZeroPad1d or ZeroPad2d or ZeroPad3d) ? "padding=" : "")
        + $"({string.Join(", ", _padding)})"
        + (
            _value is { } number && this is not (ZeroPad1d or ZeroPad2d or ZeroPad3d)
                ? string.Create(CultureInfo.InvariantCulture, $", value={number}")
                : ""
        );
}

/// <summary>Around sequences 0.</summary>
public sealed class ZeroPad1d(ReadOnlySpan<long> padding) : PadNd(1, "constant", padding, 0)
{
    /// <summary>As much on all sides.</summary>
    public ZeroPad1d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ZeroPad1d((long, long) padding)
        : this([padding.Item1, padding.Item2]) { }
}

/// <summary>Around images 0.</summary>
public sealed class ZeroPad2d(ReadOnlySpan<long> padding) : PadNd(2, "constant", padding, 0)
{
    /// <summary>As much on all sides.</summary>
    public ZeroPad2d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ZeroPad2d((long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4]) { }
}

/// <summary>Around volumes 0.</summary>
public sealed class ZeroPad3d(ReadOnlySpan<long> padding) : PadNd(3, "constant", padding, 0)
{
    /// <summary>As much on all sides.</summary>
    public ZeroPad3d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ZeroPad3d((long, long, long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4, padding.Item5, padding.Item6]) { }
}

/// <summary>Around sequences a value.</summary>
public sealed class ConstantPad1d(ReadOnlySpan<long> padding, double value) : PadNd(1, "constant", padding, value)
{
    /// <summary>As much on all sides.</summary>
    public ConstantPad1d(long padding, double value)
        : this([padding], value) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ConstantPad1d((long, long) padding, double value)
        : this([padding.Item1, padding.Item2], value) { }
}

/// <summary>Around images a value.</summary>
public sealed class ConstantPad2d(ReadOnlySpan<long> padding, double value) : PadNd(2, "constant", padding, value)
{
    /// <summary>As much on all sides.</summary>
    public ConstantPad2d(long padding, double value)
        : this([padding], value) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ConstantPad2d((long, long, long, long) padding, double value)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4], value) { }
}

/// <summary>Around volumes a value.</summary>
public sealed class ConstantPad3d(ReadOnlySpan<long> padding, double value) : PadNd(3, "constant", padding, value)
{
    /// <summary>As much on all sides.</summary>
    public ConstantPad3d(long padding, double value)
        : this([padding], value) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ConstantPad3d((long, long, long, long, long, long) padding, double value)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4, padding.Item5, padding.Item6], value) { }
}

/// <summary>Around sequences the mirror image.</summary>
public sealed class ReflectionPad1d(ReadOnlySpan<long> padding) : PadNd(1, "reflect", padding)
{
    /// <summary>As much on all sides.</summary>
    public ReflectionPad1d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ReflectionPad1d((long, long) padding)
        : this([padding.Item1, padding.Item2]) { }
}

/// <summary>Around images the mirror image.</summary>
public sealed class ReflectionPad2d(ReadOnlySpan<long> padding) : PadNd(2, "reflect", padding)
{
    /// <summary>As much on all sides.</summary>
    public ReflectionPad2d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ReflectionPad2d((long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4]) { }
}

/// <summary>Around volumes the mirror image.</summary>
public sealed class ReflectionPad3d(ReadOnlySpan<long> padding) : PadNd(3, "reflect", padding)
{
    /// <summary>As much on all sides.</summary>
    public ReflectionPad3d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ReflectionPad3d((long, long, long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4, padding.Item5, padding.Item6]) { }
}

/// <summary>Around sequences the elements at the ends.</summary>
public sealed class ReplicationPad1d(ReadOnlySpan<long> padding) : PadNd(1, "replicate", padding)
{
    /// <summary>As much on all sides.</summary>
    public ReplicationPad1d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ReplicationPad1d((long, long) padding)
        : this([padding.Item1, padding.Item2]) { }
}

/// <summary>Around images the elements at the ends.</summary>
public sealed class ReplicationPad2d(ReadOnlySpan<long> padding) : PadNd(2, "replicate", padding)
{
    /// <summary>As much on all sides.</summary>
    public ReplicationPad2d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ReplicationPad2d((long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4]) { }
}

/// <summary>Around volumes the elements at the ends.</summary>
public sealed class ReplicationPad3d(ReadOnlySpan<long> padding) : PadNd(3, "replicate", padding)
{
    /// <summary>As much on all sides.</summary>
    public ReplicationPad3d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public ReplicationPad3d((long, long, long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4, padding.Item5, padding.Item6]) { }
}

/// <summary>Around sequences what is at the other end.</summary>
public sealed class CircularPad1d(ReadOnlySpan<long> padding) : PadNd(1, "circular", padding)
{
    /// <summary>As much on all sides.</summary>
    public CircularPad1d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public CircularPad1d((long, long) padding)
        : this([padding.Item1, padding.Item2]) { }
}

/// <summary>Around images what is at the other end.</summary>
public sealed class CircularPad2d(ReadOnlySpan<long> padding) : PadNd(2, "circular", padding)
{
    /// <summary>As much on all sides.</summary>
    public CircularPad2d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public CircularPad2d((long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4]) { }
}

/// <summary>Around volumes what is at the other end.</summary>
public sealed class CircularPad3d(ReadOnlySpan<long> padding) : PadNd(3, "circular", padding)
{
    /// <summary>As much on all sides.</summary>
    public CircularPad3d(long padding)
        : this([padding]) { }

    /// <summary>In front and behind, from the last dimension on.</summary>
    public CircularPad3d((long, long, long, long, long, long) padding)
        : this([padding.Item1, padding.Item2, padding.Item3, padding.Item4, padding.Item5, padding.Item6]) { }
}
