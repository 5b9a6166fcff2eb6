using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using Picograd.Algorithms.Evaluation;

namespace Picograd;

/// <summary>
/// A float of 16 bits with the exponent of a float32 and 8 binary digits: the upper half of a float32. For elements of
/// <see cref="DType.BFloat16"/> tensors; arithmetic is done in float.
/// </summary>
public readonly struct BFloat16 : IEquatable<BFloat16>, IComparable<BFloat16>, IComparable, IFormattable
{
    private BFloat16(ushort bits) => Bits = bits;

    /// <summary>Sign, 8 bits of exponent, 7 of fraction.</summary>
    public ushort Bits { get; }

    /// <summary>Largest finite value, about 3.39e38.</summary>
    public static BFloat16 MaxValue => new(0x7F7F);

    /// <summary>Least finite value.</summary>
    public static BFloat16 MinValue => new(0xFF7F);

    public static BFloat16 PositiveInfinity => new(0x7F80);

    public static BFloat16 NegativeInfinity => new(0xFF80);

    public static BFloat16 NaN => new(0x7FC0);

    /// <summary>The value of 16 bits.</summary>
    public static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>Exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    /// <summary>Exact.</summary>
    public static explicit operator double(BFloat16 value) => (float)value;

    /// <summary>The nearest value, ties to even; beyond the largest infinity. NaN stays NaN, with its sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static explicit operator BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return new(
            float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
        );
    }

    /// <summary>The nearest value, rounded once.</summary>
    public static explicit operator BFloat16(double value) => (BFloat16)FloatFunctions.ToOdd(value);

    public static bool operator ==(BFloat16 a, BFloat16 b) => (float)a == (float)b;

    public static bool operator !=(BFloat16 a, BFloat16 b) => (float)a != (float)b;

    public static bool operator <(BFloat16 a, BFloat16 b) => (float)a < (float)b;

    public static bool operator <=(BFloat16 a, BFloat16 b) => (float)a <= (float)b;

    public static bool operator >(BFloat16 a, BFloat16 b) => (float)a > (float)b;

    public static bool operator >=(BFloat16 a, BFloat16 b) => (float)a >= (float)b;

    public static bool IsNaN(BFloat16 value) => float.IsNaN(value);

    public static bool IsFinite(BFloat16 value) => float.IsFinite(value);

    public static bool IsInfinity(BFloat16 value) => float.IsInfinity(value);

    /// <summary>As of floats: NaN equals NaN, 0 equals −0.</summary>
    public bool Equals(BFloat16 other) => ((float)this).Equals(other);

    public override bool Equals([NotNullWhen(true)] object? obj) => obj is BFloat16 other && Equals(other);

    public override int GetHashCode() => ((float)this).GetHashCode();

    public int CompareTo(BFloat16 other) => ((float)this).CompareTo(other);

    public int CompareTo(object? obj) =>
        obj switch
        {
            null => 1,
            BFloat16 other => CompareTo(other),
            _ => throw new ArgumentException(
                $"a BFloat16 cannot be compared with a {obj.GetType().Name}.",
                nameof(obj)
            ),
        };

    public override string ToString() => ((float)this).ToString(CultureInfo.CurrentCulture);

    public string ToString(string? format, IFormatProvider? formatProvider) =>
        ((float)this).ToString(format, formatProvider);
}
