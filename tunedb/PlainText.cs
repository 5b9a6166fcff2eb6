using System.Globalization;
using System.Text;

namespace Picograd.TuneDb;

/// <summary>
/// Text from files, as it may be shown: what a terminal would obey instead of showing (control characters, and those that
/// turn the direction of writing) is written as an escape such as <c>\u001b</c>.
/// </summary>
public static class PlainText
{
    /// <summary>One line: line breaks and tabs are escaped as well.</summary>
    public static string Of(string text) => Escaped(text, lines: false);

    /// <summary>Several lines: line feeds and tabs stay.</summary>
    public static string Lines(string text) => Escaped(text, lines: true);

    private static string Escaped(string text, bool lines)
    {
        ArgumentNullException.ThrowIfNull(text);
        var first = 0;
        while (first < text.Length && IsPlain(text[first], lines))
        {
            first++;
        }

        if (first == text.Length)
        {
            return text;
        }

        var builder = new StringBuilder(text, 0, first, text.Length + 16);
        foreach (var c in text.AsSpan(first))
        {
            if (IsPlain(c, lines))
            {
                builder.Append(c);
            }
            else
            {
                builder.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            }
        }

        return builder.ToString();
    }

    private static bool IsPlain(char c, bool lines) =>
        c switch
        {
            '\n' or '\t' => lines,
            '\u2028' or '\u2029' => false,
            // Left-to-right and right-to-left marks, embeddings, overrides and isolates; the byte order mark.
            '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069') or '\ufeff' => false,
            _ => !char.IsControl(c),
        };
}
