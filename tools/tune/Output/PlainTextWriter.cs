using System.Text;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// Writes what a command prints, and shows as escapes what a terminal would obey: names of files and texts from databases
/// reach the screen through here whatever is in them.
/// </summary>
internal sealed class PlainTextWriter(TextWriter to) : TextWriter
{
    /// <summary>Columns of the terminal behind it; null for what is none.</summary>
    public int? Width { get; init; }

    public override Encoding Encoding => to.Encoding;

    public override IFormatProvider FormatProvider => to.FormatProvider;

    public override void Write(char value) => Write([value]);

    public override void Write(string? value)
    {
        if (value is not null)
            Write(value.AsSpan());
    }

    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    // Whole texts: a carriage return belongs to the line feed behind it, and moves the cursor otherwise.
    public override void Write(ReadOnlySpan<char> buffer) =>
        to.Write(PlainText.Lines(buffer.ToString().Replace("\r\n", "\n")).Replace("\n", to.NewLine));

    public override void WriteLine() => to.WriteLine();

    public override void WriteLine(string? value)
    {
        Write(value);
        to.WriteLine();
    }

    public override void Flush() => to.Flush();
}
