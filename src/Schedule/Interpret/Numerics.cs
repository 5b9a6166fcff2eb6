using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Schedules.Interpret;

/// <summary>
/// Scalar arithmetic of each dtype on widened values. One operation on floats, done in double and then rounded, gives
/// the correctly rounded float result (double has more than 2·24+2 bits), so only Fma needs a narrow version.
/// </summary>
internal static class Numerics
{
    /// <summary>Nearest value of a stored float type, ties to even.</summary>
    public static double Round(DType type, double value) => Float(type).Round(value);

    /// <summary>Result of arithmetic: the half types compute in Float32.</summary>
    public static double Compute(DType type, double value) => type == DType.Float64 ? value : (float)value;

    public static long Wrap(DType type, long value) =>
        type.IsFloat()
            ? throw new ArgumentOutOfRangeException(nameof(type), type, "not an integer type")
            : type.Info().Wrap(value);

    /// <summary>Float to integer, towards zero; clamped where out of range of 32 bits, NaN gives 0.</summary>
    public static long Truncate(DType type, double value) =>
        type switch
        {
            DType.Int64 => (long)value,
            DType.Int32 => (int)value,
            DType.UInt32 => (uint)value,
            DType.UInt8 => (byte)Math.Clamp(double.IsNaN(value) ? 0 : value, 0, 255),
            DType.Bool => value != 0 ? 1 : 0,
            _ => Wrap(type, (int)value),
        };

    /// <summary>Integer to float with one rounding.</summary>
    public static double FromInteger(DType type, long value) =>
        type switch
        {
            DType.Float64 => value,
            DType.Float32 => (float)value,
            _ => Round(type, FloatFunctions.ToOdd(value)),
        };

    public static long BitsOf(DType type, double value) => Float(type).ToBits(value);

    public static double FromBits(DType type, long bits) => Float(type).FromBits(bits);

    private static DTypeInfo Float(DType type) =>
        type.IsFloat() ? type.Info() : throw new ArgumentOutOfRangeException(nameof(type), type, "not a float type");

    public static long Shift(BinaryOp kind, DType type, long a, long b)
    {
        int by = (int)(b & (type.Size() * 8 - 1));
        return kind == BinaryOp.Shl ? Wrap(type, a << by) : a >> by;
    }

    public static double Operation(UnaryOp op, double x) =>
        op switch
        {
            UnaryOp.Neg => -x,
            UnaryOp.Abs => Math.Abs(x),
            UnaryOp.Sqrt => Math.Sqrt(x),
            UnaryOp.Floor => Math.Floor(x),
            UnaryOp.Ceil => Math.Ceiling(x),
            UnaryOp.Round => Math.Round(x, MidpointRounding.ToEven),
            _ => throw new ArgumentOutOfRangeException(nameof(op), op, "not a float operation"),
        };
}
