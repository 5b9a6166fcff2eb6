using System.Globalization;

namespace Picograd.Compare;

/// <summary>A plain number, as C# writes it: a long, a double or a bool.</summary>
internal readonly record struct Number(object Value)
{
    public Scalar Ours =>
        Value switch
        {
            long l => l,
            bool b => b,
            double d => d,
            _ => throw new NotSupportedException($"no number of type {Value.GetType()}"),
        };

    public TorchSharp.Scalar Theirs =>
        Value switch
        {
            long l => l,
            bool b => b,
            double d => d,
            _ => throw new NotSupportedException($"no number of type {Value.GetType()}"),
        };

    public static string Text(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;

    public override string ToString() => Value is double d && d == Math.Floor(d) ? Text(d) + ".0" : Text(Value);
}
