using System.Globalization;
using System.Runtime.CompilerServices;

namespace Picograd;

/// <summary>
/// One whole number for all dimensions of an image, or one for each, from depth to width: <c>stride: 2</c>, <c>padding: (1, 0)</c>,
/// <c>dilation: [1, 2, 2]</c>.
/// </summary>
[CollectionBuilder(typeof(PerDimension), nameof(Of))]
public readonly record struct PerDimension
{
    private const long Most = 1 << 30;

    private const long SameMark = long.MinValue + 1;

    /// <summary>In the size of an adaptive pool: that of the input, PyTorch's <c>None</c>.</summary>
    public const long None = long.MinValue;

    // As many as there are, at most three; of one number it is for all.
    private readonly long _first;
    private readonly long _second;
    private readonly long _third;

    private PerDimension(int count, long first, long second = 0, long third = 0) =>
        (Count, _first, _second, _third) = (count, first, second, third);

    /// <summary>How many numbers there are; 0 where none is given.</summary>
    public int Count { get; }

    /// <summary>The number of a dimension, counted from the first.</summary>
    public long this[int dimension] =>
        Count == 1
            ? _first
            : dimension switch
            {
                0 => _first,
                1 => _second,
                _ => _third,
            };

    /// <exception cref="ArgumentException">Not one, two or three numbers.</exception>
    public static PerDimension Of(ReadOnlySpan<long> numbers) =>
        numbers.Length switch
        {
            1 => new(1, numbers[0]),
            2 => new(2, numbers[0], numbers[1]),
            3 => new(3, numbers[0], numbers[1], numbers[2]),
            var count => throw new ArgumentException(
                $"{count} numbers were given, but an image has one to three dimensions; give one number for all or one for each.",
                nameof(numbers)
            ),
        };

    public static implicit operator PerDimension(long all) => new(1, all);

    public static implicit operator PerDimension((long First, long Second) each) => new(2, each.First, each.Second);

    public static implicit operator PerDimension((long First, long Second, long Third) each) =>
        new(3, each.First, each.Second, each.Third);

    public static implicit operator PerDimension(long[] each) => Of(each);

    /// <summary>A padding: "valid" is 0, "same" as much as makes results of the input's size.</summary>
    /// <exception cref="ArgumentException">Another word.</exception>
    public static implicit operator PerDimension(string padding) =>
        padding switch
        {
            "valid" => new(1, 0),
            "same" => new(1, SameMark),
            _ => throw new ArgumentException(
                $"padding is \"{padding}\", but must be a number, one for each dimension, \"valid\" or \"same\".",
                nameof(padding)
            ),
        };

    /// <summary>Whether it is "same".</summary>
    internal bool IsSame => Count == 1 && _first == SameMark;

    public IEnumerator<long> GetEnumerator() => Each().AsEnumerable().GetEnumerator();

    /// <summary>As PyTorch prints it: <c>2</c>, <c>(1, 0)</c>.</summary>
    public override string ToString() => Count == 1 ? Text(_first) : $"({string.Join(", ", Each().Select(Text))})";

    /// <summary>The same, or a number for all where none is given.</summary>
    internal PerDimension Or(long all) => Count == 0 ? all : this;

    /// <summary>Whether a number differs.</summary>
    internal bool Contains(long number) => Array.IndexOf(Each(), number) >= 0;

    /// <summary>Whether a number differs.</summary>
    internal bool Any(long from) => Array.Exists(Each(), n => n != from);

    /// <summary>As the text of an operator has it.</summary>
    /// <exception cref="ArgumentException">Not a number for each dimension, or one that is too small; names them.</exception>
    internal string Checked(int rank, string function, string name, long least)
    {
        if (Count > 1 && Count != rank)
            throw new ArgumentException(
                $"{function}: {name} has {Count} numbers, {this}, but must have one, or one for each of {rank} dimension{(rank == 1 ? "" : "s")}."
            );
        if (Each().Any(n => n < least || n > Most))
            throw new ArgumentException($"{function}: {name} is {this}, but must be from {least} to {Most}.");
        return Each().Distinct().Count() == 1 ? Text(_first) : string.Join(',', Each().Select(Text));
    }

    /// <summary>The same, one for each of some dimensions, as PyTorch's modules have it.</summary>
    internal PerDimension Spread(int rank, long by) =>
        IsSame ? this
        : rank == 1 || Count > 1 ? (Count == 0 ? by : this)
        : Count == 0 ? Of(Enumerable.Repeat(by, rank).ToArray())
        : Of(Enumerable.Repeat(_first, rank).ToArray());

    private long[] Each() =>
        Count == 0 ? []
        : Count == 1 ? [_first]
        : Count == 2 ? [_first, _second]
        : [_first, _second, _third];

    private static string Text(long number) =>
        number switch
        {
            None => "None",
            SameMark => "same",
            _ => number.ToString(CultureInfo.InvariantCulture),
        };
}
