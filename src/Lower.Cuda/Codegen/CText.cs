using System.Globalization;
using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>C names of types, and literals.</summary>
internal static class CText
{
    /// <summary>The type of a stored element; float16 and bfloat16 are stored as their bits.</summary>
    public static string Stored(DType type) => CudaType.Of(type).Stored;

    /// <summary>The type of a value in arithmetic.</summary>
    public static string Value(DType type) => CudaType.Of(type).Value;

    public static bool IsHalf(this DType type) => type.IsStorage();

    public static bool FitsInt(long value) => value is >= int.MinValue and <= int.MaxValue;

    public static bool FitsInt(Interval range) => FitsInt(range.Min) && FitsInt(range.Max);

    public static string Literal(IntImm i) =>
        i.ImmType switch
        {
            DType.Bool => i.Value != 0 ? "true" : "false",
            DType.UInt32 => $"{(uint)i.Value}u",
            _ when i.Value == long.MinValue => "(-9223372036854775807LL - 1)",
            _ when i.Value == int.MinValue => "(-2147483647 - 1)",
            _ when FitsInt(i.Value) => Number(i.Value),
            _ => $"{Number(i.Value)}LL",
        };

    public static string Literal(FloatImm f)
    {
        bool wide = f.ImmType == DType.Float64;
        double value = f.ImmType.Info().Round(f.Value);
        if (double.IsNaN(value))
            return wide ? "__longlong_as_double(0x7ff8000000000000LL)" : "__int_as_float(0x7fc00000)";
        if (double.IsInfinity(value))
        {
            string sign = value < 0 ? "-" : "";
            return sign + (wide ? "__longlong_as_double(0x7ff0000000000000LL)" : "__int_as_float(0x7f800000)");
        }
        string text = wide
            ? value.ToString("R", CultureInfo.InvariantCulture)
            : ((float)value).ToString("R", CultureInfo.InvariantCulture);
        if (text.IndexOfAny(['.', 'E']) < 0)
            text += ".0";
        return wide ? text : text + "f";
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A value that the text has a name (or another primary expression) for.</summary>
/// <param name="Text">A primary expression whose value has the type of arithmetic.</param>
/// <param name="NamedType">Type of the value.</param>
/// <param name="Bits">For float16 and bfloat16: text of the stored form, where there is one.</param>
internal sealed record Named(string Text, DType NamedType, string? Bits = null) : Expr
{
    public override DType Type => NamedType;

    public override string Printed => Text;
}
