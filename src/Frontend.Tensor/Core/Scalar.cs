using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>A plain number as an operand: <c>t * 2</c>, <c>1.5 - t</c>. It never widens a tensor within its category.</summary>
public readonly struct Scalar
{
    private readonly double _float;
    private readonly long _integer;

    private Scalar(DType type, double value, long integer)
    {
        Type = type;
        _float = value;
        _integer = integer;
    }

    /// <summary>The type it would have as a tensor: bool, int64 or float32.</summary>
    public DType Type { get; }

    public static implicit operator Scalar(int value) => new(DType.Int64, value, value);

    public static implicit operator Scalar(long value) => new(DType.Int64, value, value);

    public static implicit operator Scalar(float value) => new(DType.Float32, value, 0);

    public static implicit operator Scalar(double value) => new(DType.Float32, value, 0);

    public static implicit operator Scalar(Half value) => new(DType.Float32, (double)value, 0);

    public static implicit operator Scalar(BFloat16 value) => new(DType.Float32, (double)value, 0);

    public static implicit operator Scalar(bool value) => new(DType.Bool, value ? 1 : 0, value ? 1 : 0);

    /// <summary>Its value as a float.</summary>
    public double AsDouble => _float;

    /// <summary>Its value as an integer; a float is cut towards zero.</summary>
    public long AsLong => Type.IsFloat() ? (long)_float : _integer;

    public override string ToString() =>
        Type switch
        {
            DType.Bool => _integer != 0 ? "true" : "false",
            DType.Int64 => _integer.ToString(CultureInfo.InvariantCulture),
            _ => _float.ToString(CultureInfo.InvariantCulture),
        };

    /// <summary>
    /// Whether an element of a type can stand for the value. Floats are cut towards zero, any value makes a bool. With
    /// <paramref name="wraps"/> a uint8 also stands for −1 to −255, by its bits, as in PyTorch.
    /// </summary>
    internal bool Fits(DType type, bool wraps)
    {
        if (type is DType.Bool or DType.Float64)
            return true;
        var info = type.Info();
        if (info.Kind == DTypeKind.Float)
            return !double.IsFinite(_float) || Math.Abs(_float) <= info.Highest;
        // Of int64 the largest as a float64 is 2^63, as an integer one less.
        long least = type == DType.UInt8 && wraps ? -255 : (long)info.Lowest;
        long most = (long)info.Highest;
        if (!Type.IsFloat())
            return _integer >= least && _integer <= most;
        // Only whole numbers below 0 stand for their bits.
        if (type == DType.UInt8 && _float < 0)
            return false;
        // 2^63 itself is a float64, and no int64.
        double cut = Math.Truncate(_float);
        return cut >= least && (type == DType.Int64 ? cut < most : cut <= most);
    }

    /// <summary>Refuses a value that elements of a type cannot stand for.</summary>
    /// <exception cref="ArgumentException">It does not fit; names the value and what would.</exception>
    internal void Require(DType type, string what, bool wraps = true)
    {
        if (!Fits(type, wraps))
            throw new ArgumentException(
                $"{what}: the number {this} does not fit {type.Name()}"
                    + (
                        type.IsFloat()
                            ? $", whose largest is {Highest(type)}"
                            : $", which goes from {(long)type.Info().Lowest} to {(long)type.Info().Highest}"
                    )
                    + "; convert the tensor with To() to a wider dtype first."
            );
    }

    /// <summary>The value as one element of a type, in the first bytes.</summary>
    internal unsafe long Bits(DType type)
    {
        long bits = 0;
        Store(type, &bits);
        return bits;
    }

    /// <summary>Writes the value as one element of a type.</summary>
    internal unsafe void Store(DType type, void* to)
    {
        switch (type)
        {
            case DType.Float32:
                *(float*)to = (float)_float;
                break;
            case DType.Float64:
                *(double*)to = _float;
                break;
            case DType.Bool:
                *(byte*)to = (byte)(_float != 0 ? 1 : 0);
                break;
            default:
                var info = type.Info();
                info.WriteBits(to, 0, info.Kind == DTypeKind.Float ? info.ToBits(_float) : AsLong);
                break;
        }
    }

    private static string Highest(DType type) =>
        type == DType.Float32
            ? float.MaxValue.ToString(CultureInfo.InvariantCulture)
            : type.Info().Highest.ToString(CultureInfo.InvariantCulture);
}
