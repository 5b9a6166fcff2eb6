using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Interpret;

/// <summary>
/// An argument of the interpreter: elements of one dtype with a shape and strides (in elements; 0 broadcasts). Values
/// are held widened (floats as double, integers and booleans as long) but are always representable in the dtype.
/// </summary>
public sealed class HostArray
{
    private readonly double[] _floats;
    private readonly long[] _integers;

    /// <summary>Zeros. Default strides are row-major contiguous.</summary>
    /// <exception cref="ArgumentException">A negative extent or stride, or as many strides as there are not dimensions.</exception>
    public HostArray(DType type, IReadOnlyList<long> shape, IReadOnlyList<long>? strides = null)
    {
        Type = type;
        Shape = [.. shape];
        Strides = strides is null ? RowMajor(Shape) : [.. strides];
        if (Shape.Any(e => e < 0))
            throw new ArgumentException($"shape [{string.Join(", ", shape)}] has a negative extent");
        if (Strides.Length != Shape.Length)
            throw new ArgumentException($"strides: {Strides.Length} given for {Shape.Length} dimensions");
        if (Strides.Any(s => s < 0))
            throw new ArgumentException($"strides [{string.Join(", ", Strides)}]: none may be negative");
        long span = Shape.Any(e => e == 0) ? 0 : 1;
        for (int d = 0; d < Shape.Length && span > 0; d++)
            span += (Shape[d] - 1) * Strides[d];
        _floats = type.IsFloat() ? new double[span] : [];
        _integers = type.IsFloat() ? [] : new long[span];
    }

    public DType Type { get; }

    public long[] Shape { get; }

    public long[] Strides { get; }

    /// <summary>Number of elements by shape (more than are stored where a stride is 0).</summary>
    public long Count => Shape.Aggregate(1L, (n, e) => n * e);

    internal double[] Floats => _floats;

    internal long[] Integers => _integers;

    /// <summary>
    /// The element at a row-major position (0 … Count−1, whatever the strides), as a double; setting rounds to the
    /// dtype.
    /// </summary>
    public double this[long position]
    {
        get
        {
            long at = OffsetOf(position);
            return Type.IsFloat() ? _floats[at] : _integers[at];
        }
        set
        {
            long at = OffsetOf(position);
            if (Type.IsFloat())
                _floats[at] = Numerics.Round(Type, value);
            else
                _integers[at] = Numerics.Truncate(Type, value);
        }
    }

    /// <summary>A zero array for a buffer, with its shape (parameters replaced by values) and strides.</summary>
    /// <exception cref="ArgumentException">The shape uses a parameter that has no value.</exception>
    public static HostArray For(Buffer buffer, IReadOnlyDictionary<string, long>? parameters = null) =>
        new(
            buffer.Type,
            [.. buffer.Shape.Select(e => Extent(e, buffer, parameters))],
            buffer.Strides.IsDefault ? null : buffer.Strides
        );

    /// <summary>Contiguous elements in row-major order.</summary>
    public static HostArray Of(DType type, IReadOnlyList<long> shape, IReadOnlyList<double> elements)
    {
        var array = new HostArray(type, shape);
        if (array.Count != elements.Count)
            throw new ArgumentException(
                $"elements: {elements.Count} given for shape [{string.Join(", ", shape)}] of {array.Count}"
            );
        for (int i = 0; i < elements.Count; i++)
            array[i] = elements[i];
        return array;
    }

    /// <summary>
    /// The elements of an array of the evaluator, rounded to its dtype, laid out for <paramref name="buffer"/>.
    /// </summary>
    /// <exception cref="ArgumentException">The dtypes differ.</exception>
    public static HostArray From(NDArray elements, Buffer buffer)
    {
        if (elements.Type != buffer.Type)
            throw new ArgumentException($"elements: {elements} given for {buffer}");
        var array = new HostArray(elements.Type, elements.Shape, buffer.Strides.IsDefault ? null : buffer.Strides);
        for (int i = 0; i < elements.Length; i++)
        {
            long at = array.OffsetOf(i);
            if (array.Type.IsFloat())
                array._floats[at] = Numerics.Round(array.Type, elements.Doubles[i]);
            else
                array._integers[at] = Numerics.Wrap(array.Type, elements.Longs[i]);
        }
        return array;
    }

    /// <summary>Takes over the elements of an array of the same dtype, shape and strides.</summary>
    internal void CopyFrom(HostArray other)
    {
        other._floats.CopyTo(_floats, 0);
        other._integers.CopyTo(_integers, 0);
    }

    public NDArray ToNDArray()
    {
        var array = new NDArray(Type, Shape);
        for (int i = 0; i < array.Length; i++)
        {
            if (Type.IsFloat())
                array.Doubles[i] = _floats[OffsetOf(i)];
            else
                array.Longs[i] = _integers[OffsetOf(i)];
        }
        return array;
    }

    /// <summary>Elements in row-major order.</summary>
    public double[] ToDoubles()
    {
        var result = new double[Count];
        for (long i = 0; i < result.Length; i++)
            result[i] = this[i];
        return result;
    }

    public override string ToString() => $"{Type.Name()}[{string.Join(", ", Shape)}]";

    internal static long[] RowMajor(long[] shape)
    {
        var strides = new long[shape.Length];
        long step = 1;
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            strides[d] = step;
            step *= Math.Max(1, shape[d]);
        }
        return strides;
    }

    private static long Extent(Expr extent, Buffer buffer, IReadOnlyDictionary<string, long>? parameters)
    {
        var folded = extent.Map(e =>
            e is Var v && parameters is not null && parameters.TryGetValue(v.Name, out long value) ? value : null
        );
        return folded is IntImm i
            ? i.Value
            : throw new ArgumentException(
                $"parameters: extent {extent} of {buffer.Name} needs a value that is missing"
            );
    }

    private long OffsetOf(long position)
    {
        long at = 0;
        for (int d = Shape.Length - 1; d >= 0; d--)
        {
            at += position % Shape[d] * Strides[d];
            position /= Shape[d];
        }
        return at;
    }
}
