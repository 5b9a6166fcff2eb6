using Spectre.Console;

namespace Picograd.Tune;

/// <summary>
/// Columns of text, as wide as their widest cell; numbers (columns whose heading begins with '&gt;') to the right. A table
/// wider than the terminal that it goes to has its long texts on several lines; what goes elsewhere has a row a line.
/// </summary>
internal sealed class TextTable(bool showHeadings, params string[] headings)
{
    // Words are not broken unless they are longer than this.
    private const int LongestWord = 24;

    private readonly List<string[]> _rows = [];

    public TextTable(params string[] headings)
        : this(true, headings) { }

    public bool IsEmpty => _rows.Count == 0;

    /// <summary>A row; null cells are shown as '-'.</summary>
    public void Add(params string?[] cells) => _rows.Add([.. cells.Select(c => c ?? "-")]);

    public void Write(TextWriter to, string indent = "")
    {
        bool[] right = [.. headings.Select(h => h.StartsWith('>'))];
        string[] first = [.. headings.Select(h => h.TrimStart('>'))];
        string[][] rows = [.. showHeadings ? _rows.Prepend(first) : _rows];
        int[] widths = [.. first.Select((_, i) => rows.Select(r => r[i].Length).Append(0).Max())];
        int room = (to as PlainTextWriter)?.Width - indent.Length ?? int.MaxValue;
        if (widths.Sum() + 2 * (widths.Length - 1) > room)
        {
            Fold(to, indent, rows, right, widths, room);
            return;
        }
        foreach (string[] row in rows)
        {
            var cells = row.Select((cell, i) => right[i] ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]));
            to.WriteLine(indent + string.Join("  ", cells).TrimEnd());
        }
    }

    // Texts get what numbers leave; where that is too little, each row becomes a list of its cells.
    private void Fold(TextWriter to, string indent, string[][] rows, bool[] right, int[] widths, int room)
    {
        int left = room - 2 * (widths.Length - 1);
        int[] least =
        [
            .. widths.Select(
                (width, i) =>
                    right[i] ? width : Math.Min(LongestWord, rows.Max(r => r[i].Split(' ').Max(w => w.Length)))
            ),
        ];
        bool Folds(int i) => widths[i] > least[i];
        while (widths.Sum() > left)
        {
            int widest = Enumerable
                .Range(0, widths.Length)
                .Where(Folds)
                .OrderByDescending(i => widths[i])
                .FirstOrDefault(-1);
            if (widest < 0)
            {
                List(to, indent, rows);
                return;
            }
            widths[widest]--;
        }
        var table = new Table().NoBorder().HideHeaders();
        for (int i = 0; i < widths.Length; i++)
        {
            int column = i;
            table.AddColumn(
                "",
                c =>
                {
                    c.Width = widths[column];
                    c.Padding = new Padding(0, 0, column == widths.Length - 1 ? 0 : 2, 0);
                    c.Alignment = right[column] ? Justify.Right : Justify.Left;
                }
            );
        }
        foreach (string[] row in rows)
            table.AddRow([.. row.Select(cell => new Text(cell))]);
        using var text = new StringWriter();
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Out = new AnsiConsoleOutput(text),
            }
        );
        console.Profile.Width = room;
        console.Write(table);
        foreach (string line in text.ToString().ReplaceLineEndings("\n").TrimEnd('\n').Split('\n'))
            to.WriteLine((indent + line).TrimEnd());
    }

    private void List(TextWriter to, string indent, string[][] rows)
    {
        foreach (string[] row in rows.Skip(showHeadings ? 1 : 0))
        {
            to.WriteLine(indent + row[0]);
            for (int i = 1; i < row.Length; i++)
                to.WriteLine($"{indent}  {(showHeadings ? $"{headings[i].TrimStart('>')}: " : "")}{row[i]}");
        }
    }
}
