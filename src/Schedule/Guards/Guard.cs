using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;

namespace Picograd.Schedules.Guards;

/// <summary>
/// What a compiled kernel assumes of its arguments beyond what a record's key says (dtypes, layouts). Written, read and understood
/// here only: search stores what <see cref="Of"/> gives, certification holds kernels to it, dispatch tests it at every call, or when
/// it chooses a kernel, and falls back where it does not hold.
/// </summary>
public abstract record Guard
{
    private Guard() { }

    /// <summary><c>align(A,4)</c>: the argument's address is a multiple of so many bytes.</summary>
    public sealed record Align(string Argument, int Bytes) : Guard
    {
        public override string ToString() => FormattableString.Invariant($"align({Argument},{Bytes})");
    }

    /// <summary>
    /// <c>disjoint(C)</c>: this output shares no byte with another argument, since schedules reorder loads and stores. What it
    /// replaces in place is the same memory.
    /// </summary>
    public sealed record Disjoint(string Argument) : Guard
    {
        public override string ToString() => $"disjoint({Argument})";
    }

    /// <summary><c>contiguous(A)</c>: the argument's elements lie as its layout in the key says, without gaps.</summary>
    public sealed record Contiguous(string Argument) : Guard
    {
        public override string ToString() => $"contiguous({Argument})";
    }

    /// <summary><c>range(n,1,256)</c>: bounds of a symbolic extent; within them the kernel was certified.</summary>
    public sealed record Range(string Parameter, long Min, long Max) : Guard
    {
        public override string ToString() => FormattableString.Invariant($"range({Parameter},{Min},{Max})");
    }

    /// <summary>The text; reads back with <see cref="TryParse"/>.</summary>
    public abstract override string ToString();

    /// <summary>What kernels of an algorithm on a target assume.</summary>
    public static IReadOnlyList<Guard> Of(Algorithm algorithm, TargetInfo target)
    {
        ArgumentNullException.ThrowIfNull(algorithm);
        ArgumentNullException.ThrowIfNull(target);
        return
        [
            .. algorithm.Arguments.Select(a => new Align(a.Name, target.AlignmentOf(a.Type))),
            .. algorithm.Outputs.Select(o => new Disjoint(o.Name)),
            .. algorithm.Parameters.Select(p => new Range(p.Name, p.Min, p.Max)),
        ];
    }

    /// <summary>Reads a guard; null for a text that is none, of a newer version say, with which a kernel must not be used.</summary>
    public static Guard? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        int open = trimmed.IndexOf('(', StringComparison.Ordinal);
        if (open <= 0 || !trimmed.EndsWith(')'))
            return null;
        string[] parts = trimmed[(open + 1)..^1].Split(',', StringSplitOptions.TrimEntries);
        if (parts[0].Length == 0)
            return null;
        return (trimmed[..open], parts.Length) switch
        {
            ("align", 2) when Whole(parts[1]) is > 0 and <= int.MaxValue and var bytes => new Align(
                parts[0],
                (int)bytes
            ),
            ("disjoint", 1) => new Disjoint(parts[0]),
            ("contiguous", 1) => new Contiguous(parts[0]),
            ("range", 3) when Whole(parts[1]) is { } min && Whole(parts[2]) is { } max && max >= min => new Range(
                parts[0],
                min,
                max
            ),
            _ => null,
        };
    }

    private static long? Whole(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : null;
}
