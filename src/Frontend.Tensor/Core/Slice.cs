using System.Globalization;

namespace Picograd;

/// <summary>
/// Part of a dimension as an index, Python's <c>start:stop:step</c>: every step-th element from start up to stop, exclusive.
/// Negative ends count from the end of the dimension, those that are left out (null) are its ends, and those beyond are cut.
/// </summary>
public readonly record struct Slice
{
    private readonly long _stepBeyondOne;

    /// <param name="start">First element; null is the first of the dimension.</param>
    /// <param name="stop">End, exclusive; null is the end of the dimension.</param>
    /// <param name="step">Distance between neighbours, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A step of 0 or less, which PyTorch refuses as well.</exception>
    public Slice(long? start = null, long? stop = null, long step = 1)
    {
        if (step < 1)
            throw new ArgumentOutOfRangeException(nameof(step), $"Slice: step is {step}, but must be at least 1.");
        Start = start;
        Stop = stop;
        _stepBeyondOne = step - 1;
    }

    /// <summary>First element; null is the first of the dimension.</summary>
    public long? Start { get; }

    /// <summary>End, exclusive; null is the end of the dimension.</summary>
    public long? Stop { get; }

    /// <summary>Distance between neighbours.</summary>
    public long Step => _stepBeyondOne + 1;

    /// <summary>The same part as C# writes it, without a step.</summary>
    public static implicit operator Slice(Range range)
    {
        var (start, end) = (range.Start, range.End);
        return new(
            !start.IsFromEnd ? start.Value
                : start.Value == 0 ? long.MaxValue
                : -start.Value,
            !end.IsFromEnd ? end.Value
                : end.Value == 0 ? null
                : -end.Value
        );
    }

    /// <summary>The first element and the number of elements in a dimension of a size.</summary>
    internal (long First, long Count) In(long size)
    {
        long first = Cut(Start ?? 0, 0, size);
        long stop = Cut(Stop ?? size, first, size);
        long span = stop - first;
        return (first, span / Step + (span % Step == 0 ? 0 : 1));
    }

    public override string ToString()
    {
        var culture = CultureInfo.InvariantCulture;
        return $"{Start?.ToString(culture)}:{Stop?.ToString(culture)}"
            + (Step == 1 ? "" : ":" + Step.ToString(culture));
    }

    private static long Cut(long end, long least, long size) => Math.Clamp(end < 0 ? end + size : end, least, size);
}
