using System.Collections.Immutable;

namespace Picograd.Algorithms.Evaluation;

/// <summary>
/// A dense array on the host, row-major contiguous over its logical shape: what the evaluator reads and writes. Floats
/// of any width are held as double, integers as sign- or zero-extended long, booleans as 0 and 1.
/// </summary>
public sealed class NDArray
{
    private readonly double[]? _doubles;
    private readonly long[]? _longs;

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
    }

    public DType Type { get; }

    public ImmutableArray<long> Shape { get; }

    public int Length => _doubles?.Length ?? _longs!.Length;

    /// <summary>The elements themselves (not a copy) of a float array.</summary>
    public double[] Doubles =>
        _doubles ?? throw new InvalidOperationException($"an array of {Type.Name()} holds integers, not floats");

    /// <summary>The elements themselves (not a copy) of an integer or boolean array.</summary>
    public long[] Longs =>
        _longs ?? throw new InvalidOperationException($"an array of {Type.Name()} holds floats, not integers");

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
    public double At(int position) => _doubles is not null ? _doubles[position] : _longs![position];

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
            return At((int)position);
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
        Int128 length = 1;
        foreach (long extent in shape)
        {
            if (extent < 0)
                throw new ArgumentException($"shape has a negative extent {extent}");
            length *= extent;
            if (length > Array.MaxLength)
                throw new ArgumentException(
                    $"shape [{string.Join(", ", shape.ToArray())}] has more than {Array.MaxLength} elements"
                );
        }
        return (int)length;
    }
}
