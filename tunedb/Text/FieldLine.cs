using System.Text;

namespace Picograd.TuneDb.Text;

/// <summary>A line <c>name value</c>; the value is escaped, and an empty value leaves the name alone on its line.</summary>
internal static class FieldLine
{
    public static void Append(StringBuilder builder, string name, string value)
    {
        builder.Append(name);
        if (value.Length > 0)
        {
            builder.Append(' ');
            Escape.Append(builder, value);
        }

        builder.Append('\n');
    }

    /// <summary>Splits at the first blank; the value is still escaped.</summary>
    public static (string Name, string Value) Split(string line)
    {
        var blank = line.IndexOf(' ', StringComparison.Ordinal);
        return blank < 0 ? (line, "") : (line[..blank], line[(blank + 1)..]);
    }
}
