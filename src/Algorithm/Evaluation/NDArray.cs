using System.Collections.Immutable;

namespace Picograd.Algorithms.Evaluation;

/// <summary>
/// A dense array on the host, row-major contiguous over its logical shape: what the evaluator reads and writes. Floats
/// of any width are held as double, integers as sign- or zero-extended long, booleans as 0 and 1. Inputs of more elements than
/// can be held are patterns: each element is one of a few that are held, by a function of its place.
/// </summary>
public sealed class NDArray
{
    private readonly double[]? _doubles;
    private readonly long[]? _longs;
    private readonly ImmutableArray<long> _strides;
    private readonly int _patternBits;

    /// <summary>All zero (false).</summary>
    public NDArray(DType type, params ReadOnlySpan<long> shape)
    {
        Type = type;
        Shape = [.. shape];
        int length = CheckedLength(shape);
        if (type.IsFloat())
            _doubles = new double[length];
        else
            _longs = new long[length];
        Count = length;
    }

    private NDArray(DType type, ReadOnlySpan<long> shape, double[]? doubles, long[]? longs)
    {
        Type = type;
        Shape = [.. shape];
        _doubles = doubles;
        _longs = longs;
        int given = doubles?.Length ?? longs!.Length;
        if (CheckedLength(shape) != given)
            throw new ArgumentException($"shape [{string.Join(", ", Shape)}] does not hold {given} elements");
        Count = given;
    }

    private NDArray(DType type, ReadOnlySpan<long> shape, Array pattern, ImmutableArray<long> strides)
    {
        Type = type;
        Shape = [.. shape];
        _doubles = pattern as double[];
        _longs = pattern as long[];
        _strides = strides;
        _patternBits = int.Log2(pattern.Length);
        if (pattern.Length < 4 || pattern.Length != 1 << _patternBits)
            throw new ArgumentException($"a pattern has 2^n elements, at least 4, but {pattern.Length} are given");
        Count = CheckedCount(shape);
    }

    public DType Type { get; }

    public ImmutableArray<long> Shape { get; }

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>Number of elements of an array that holds them all.</summary>
    /// <exception cref="OverflowException">It is a pattern of more than 2³¹ − 1.</exception>
    public int Length => checked((int)Count);

    /// <summary>Whether only some elements are held, which <see cref="PlaceOf"/> picks from.</summary>
    public bool IsPattern => _patternBits > 0;

    /// <summary>The elements themselves (not a copy) of a float array.</summary>
    public double[] Doubles =>
        (IsPattern ? null : _doubles)
        ?? throw new InvalidOperationException($"{this} {(IsPattern ? "is a pattern" : "holds integers, not floats")}");

    /// <summary>The elements themselves (not a copy) of an integer or boolean array.</summary>
    public long[] Longs =>
        (IsPattern ? null : _longs)
        ?? throw new InvalidOperationException($"{this} {(IsPattern ? "is a pattern" : "holds floats, not integers")}");

    /// <summary>What is held: all elements, or those of a pattern; of doubles or longs.</summary>
    internal Array Held => (Array?)_doubles ?? _longs!;

    /// <summary>
    /// An array of any size whose elements are picked from 2ⁿ given ones: neighbours at an even place and the odd one behind it
    /// are neighbours among the given ones too. Elements at one place in memory, where strides are given, are the same.
    /// </summary>
    /// <param name="type">Of floats for double[], of integers or bools for long[].</param>
    /// <param name="shape">Extents.</param>
    /// <param name="pattern">The elements to pick from.</param>
    /// <param name="strides">How the elements lie; default for row-major.</param>
    public static NDArray Pattern(
        DType type,
        ReadOnlySpan<long> shape,
        Array pattern,
        ImmutableArray<long> strides = default
    ) => new(type, shape, pattern, strides);

    /// <summary>Which of the elements that are held a flat row-major position has.</summary>
    public int PlaceOf(long position)
    {
        if (!IsPattern)
            return (int)position;
        if (!_strides.IsDefault)
        {
            long rest = position;
            position = 0;
            for (int d = Shape.Length - 1; d >= 0; d--)
            {
                position += rest % Shape[d] * _strides[d];
                rest /= Shape[d];
            }
        }
        return (int)(PairOf(position >> 1, _patternBits) << 1) | (int)(position & 1);
    }

    /// <summary>
    /// Which pair of the elements that are held the two have that lie at twice a place in memory and behind it; for writing a
    /// pattern to memory.
    /// </summary>
    /// <param name="pair">The place of the first of them, halved.</param>
    /// <param name="bits">The pattern has so many elements as a power of two.</param>
    public static long PairOf(long pair, int bits)
    {
        // The upper bits of a product with 2^64 over the golden ratio are spread well.
        ulong spread = ((ulong)pair ^ ((ulong)pair >> 17)) * 0x9E3779B97F4A7C15;
        return (long)(spread >> (65 - bits));
    }

    /// <summary>The elements that are held, as an array of their own; of a pattern those that it picks from.</summary>
    public NDArray Drawn =>
        _doubles is not null ? new(Type, [_doubles.Length], _doubles, null) : new(Type, [_longs!.Length], null, _longs);

    /// <summary>An array over the given elements, not copied.</summary>
    public static NDArray Of(DType type, ReadOnlySpan<long> shape, double[] elements) =>
        type.IsFloat()
            ? new(type, shape, elements, null)
            : throw new ArgumentException($"{type.Name()} is not a float type");

    /// <summary>An array over the given elements, not copied.</summary>
    public static NDArray Of(DType type, ReadOnlySpan<long> shape, long[] elements) =>
        type.IsFloat()
            ? throw new ArgumentException($"{type.Name()} is not an integer or boolean type")
            : new(type, shape, null, elements);

    public static NDArray Of(ReadOnlySpan<long> shape, ReadOnlySpan<float> elements)
    {
        var doubles = new double[elements.Length];
        for (int i = 0; i < doubles.Length; i++)
            doubles[i] = elements[i];
        return Of(DType.Float32, shape, doubles);
    }

    public static NDArray Scalar(double value, DType type = DType.Float32) =>
        type.IsFloat() ? Of(type, [], [value]) : Of(type, [], [(long)value]);

    /// <summary>The element at a flat row-major position, as a double.</summary>
    public double At(long position) => _doubles is not null ? _doubles[PlaceOf(position)] : _longs![PlaceOf(position)];

    /// <summary>The element of an array of integers or bools at a flat row-major position.</summary>
    public long IntegerAt(long position) => _longs![PlaceOf(position)];

    /// <summary>The element at an index, one number a dimension.</summary>
    public double this[params ReadOnlySpan<long> index]
    {
        get
        {
            if (index.Length != Shape.Length)
                throw new ArgumentException($"{Shape.Length} dimensions were indexed with {index.Length} numbers");
            long position = 0;
            for (int d = 0; d < index.Length; d++)
            {
                if ((ulong)index[d] >= (ulong)Shape[d])
                    throw new ArgumentOutOfRangeException(
                        nameof(index),
                        $"index {index[d]} is outside [0, {Shape[d]}) of dimension {d}"
                    );
                position = position * Shape[d] + index[d];
            }
            return At(position);
        }
    }

    /// <summary>The elements rounded to float.</summary>
    public float[] ToFloats()
    {
        var floats = new float[Length];
        for (int i = 0; i < floats.Length; i++)
            floats[i] = (float)At(i);
        return floats;
    }

    public override string ToString() => $"{Type.Name()}[{string.Join(", ", Shape)}]";

    private static int CheckedLength(ReadOnlySpan<long> shape)
    {
        long length = CheckedCount(shape);
        return length <= Array.MaxLength
            ? (int)length
            : throw new ArgumentException(
                $"shape [{string.Join(", ", shape.ToArray())}] has more than {Array.MaxLength} elements"
            );
    }

    private static long CheckedCount(ReadOnlySpan<long> shape)
    {
        Int128 length = 1;
        foreach (long extent in shape)
        {
            if (extent < 0)
                throw new ArgumentException($"shape has a negative extent {extent}");
            length *= extent;
            if (length > long.MaxValue)
                throw new ArgumentException(
                    $"shape [{string.Join(", ", shape.ToArray())}] has more elements than can be counted"
                );
        }
        return (long)length;
    }
}
