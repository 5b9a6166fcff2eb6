using System.Globalization;
using System.Text;

namespace Picograd.TuneDb.Text;

/// <summary>One value on one line: backslash, line breaks and control characters are written as escapes.</summary>
internal static class Escape
{
    public static void Append(StringBuilder builder, string value)
    {
        foreach (var c in value)
        {
            switch (c)
            {
                case '\\':
                    builder.Append("\\\\");
                    break;
                case '\n':
                    builder.Append("\\n");
                    break;
                case '\r':
                    builder.Append("\\r");
                    break;
                case '\t':
                    builder.Append("\\t");
                    break;
                // C0, DEL, C1 and the two Unicode separators: some readers break lines at them.
                case < ' ' or (>= '\u007f' and <= '\u009f') or '\u2028' or '\u2029':
                    builder.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
                    break;
                default:
                    builder.Append(c);
                    break;
            }
        }
    }

    public static string Write(string value)
    {
        var builder = new StringBuilder(value.Length + 8);
        Append(builder, value);
        return builder.ToString();
    }

    /// <summary>The inverse of <see cref="Write"/>.</summary>
    /// <exception cref="FormatException">An escape is unknown or cut off.</exception>
    public static string Read(string text)
    {
        if (!text.Contains('\\'))
        {
            return text;
        }

        var builder = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                builder.Append(text[i]);
                continue;
            }

            i++;
            switch (i < text.Length ? text[i] : '\0')
            {
                case '\\':
                    builder.Append('\\');
                    break;
                case 'n':
                    builder.Append('\n');
                    break;
                case 'r':
                    builder.Append('\r');
                    break;
                case 't':
                    builder.Append('\t');
                    break;
                case 'u'
                    when i + 4 < text.Length
                        && ushort.TryParse(
                            text.AsSpan(i + 1, 4),
                            NumberStyles.AllowHexSpecifier,
                            CultureInfo.InvariantCulture,
                            out var code
                        ):
                    builder.Append((char)code);
                    i += 4;
                    break;
                default:
                    throw new FormatException($"the escape at column {i} of '{text}' is unknown");
            }
        }

        return builder.ToString();
    }
}
