namespace Picograd.Compare;

/// <summary>Draws the arguments of cases. The same seed draws the same cases.</summary>
/// <param name="seed">Of the numbers drawn.</param>
/// <param name="halves">How many of a hundred floats have 16 bits.</param>
internal sealed class Draw(int seed, int halves = 0)
{
    private static readonly DType[] Types =
    [
        DType.Float32,
        DType.Float64,
        DType.Int32,
        DType.Int64,
        DType.UInt8,
        DType.Bool,
        DType.Int8,
        DType.Int16,
    ];

    private readonly Random _random = new(seed);

    public bool Chance(double of) => _random.NextDouble() < of;

    /// <summary>From low to high, both included.</summary>
    public int Between(int low, int high) => _random.Next(low, high + 1);

    public T Pick<T>(params ReadOnlySpan<T> of) => of[_random.Next(of.Length)];

    /// <summary>Floats in two cases of three.</summary>
    public DType AnyType() => Chance(0.6) ? FloatType() : Pick(Types);

    public DType FloatType() =>
        halves > 0 && _random.Next(100) < halves
            ? Pick(DType.Float16, DType.BFloat16)
            : Pick(DType.Float32, DType.Float32, DType.Float64);

    public DType IndexType() => Pick(DType.Int64, DType.Int64, DType.Int64, DType.Int32);

    public long Size() => Pick<long>(0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 11, 17);

    public long[] Shape(int least = 0, int most = 4)
    {
        var shape = new long[Between(least, most)];
        for (int i = 0; i < shape.Length; i++)
            shape[i] = shape.Length > 2 ? Math.Min(Size(), 7) : Size();
        return shape;
    }

    /// <summary>A shape that broadcasts with another; one in twenty does not.</summary>
    public long[] Beside(long[] shape)
    {
        var other = shape[(Chance(0.3) && shape.Length > 0 ? Between(0, shape.Length) : 0)..].ToArray();
        for (int i = 0; i < other.Length; i++)
            if (Chance(0.2))
                other[i] = 1;
        if (Chance(0.15))
            other = [.. Shape(1, 2).Where(d => d < 5), .. other];
        if (Chance(0.05) && other.Length > 0)
            other[^1] += 1;
        return other;
    }

    /// <summary>A dimension, counted from either end; one in twenty-five is out of range.</summary>
    public int Dim(int rank) =>
        Chance(0.04) ? Pick(rank, rank + 3, -rank - 1, -rank - 2) : Between(-rank, Math.Max(rank - 1, 0));

    /// <summary>Some dimensions; now and then one twice.</summary>
    public int[] Dims(int rank)
    {
        var dims = Enumerable.Range(0, rank).Where(_ => Chance(0.5)).Select(d => Chance(0.3) ? d - rank : d).ToArray();
        return Chance(0.03) && dims.Length > 0 ? [.. dims, dims[0]] : dims;
    }

    public Number Number() =>
        new(
            _random.Next(9) switch
            {
                0 => true,
                1 => false,
                2 or 3 or 4 => (object)(long)Between(-3, 4),
                5 => Pick(double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0.0),
                _ => Math.Round(_random.NextDouble() * 6 - 3, 2),
            }
        );

    public Sample Any(long[] shape) => Of(shape, AnyType());

    public Sample Float(long[] shape) => Of(shape, FloatType());

    public Sample Of(long[] shape, DType type, bool tame = false, Placement? placed = null)
    {
        var placement = placed ?? PlacementOf(shape);
        long count = Sample.CountOf(shape, placement);
        return new Sample(shape, type, placement, Values(count, type, tame));
    }

    /// <summary>Whole numbers from low to high, both included.</summary>
    public Sample Whole(long[] shape, DType type, long low, long high)
    {
        var placement = PlacementOf(shape);
        var values = new long[Sample.CountOf(shape, placement)];
        for (int i = 0; i < values.Length; i++)
            values[i] = low > high ? 0 : _random.NextInt64(low, high + 1);
        return new Sample(shape, type, placement, values);
    }

    private Placement PlacementOf(long[] shape) =>
        Chance(0.6) ? Placement.Contiguous
        : shape.Length >= 2 && Chance(0.5) ? Placement.Transposed
        : shape.Length >= 1 && Chance(0.6) ? Placement.Stepped
        : shape.Length >= 1 && Chance(0.5) ? Placement.Expanded
        : Placement.Contiguous;

    private Array Values(long count, DType type, bool tame)
    {
        if (!type.IsFloat())
        {
            var whole = new long[count];
            bool extreme = !tame && Chance(0.1);
            for (int i = 0; i < whole.Length; i++)
                whole[i] = type switch
                {
                    DType.Bool => _random.Next(2),
                    DType.UInt8 => _random.Next(tame ? 5 : 256),
                    DType.Int8 when extreme => _random.Next(-128, 128),
                    DType.Int16 when extreme && Chance(0.5) => _random.Next(short.MinValue, short.MaxValue + 1),
                    DType.Int32 when extreme && Chance(0.3) => Pick<long>(int.MinValue, int.MaxValue, 1L << 30),
                    DType.Int64 when extreme && Chance(0.3) => Pick<long>(
                        long.MinValue,
                        long.MaxValue,
                        1L << 40,
                        (1L << 53) + 1
                    ),
                    _ => _random.Next(-5, 6),
                };
            return whole;
        }
        var values = new double[count];
        int kind = tame ? 0 : _random.Next(10);
        for (int i = 0; i < values.Length; i++)
        {
            double normal =
                Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
            values[i] = kind switch
            {
                // Ties.
                0 when !tame => _random.Next(-2, 3),
                1 when Chance(0.3) => Pick(
                    double.NaN,
                    double.PositiveInfinity,
                    double.NegativeInfinity,
                    0.0,
                    -0.0,
                    1,
                    -1
                ),
                2 when Chance(0.3) => Pick(1e-40, -1e-40, 1e-30, 1e30, -1e30, 88.5, -88.5, 1e5),
                3 => normal * 10,
                _ => normal,
            };
            values[i] = type.Info().Round(values[i]);
        }
        return values;
    }
}
