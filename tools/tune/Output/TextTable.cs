namespace Picograd.Tune;

/// <summary>Columns of text, as wide as their widest cell; numbers (columns whose heading begins with '&gt;') to the right.</summary>
internal sealed class TextTable(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    public bool IsEmpty => _rows.Count == 0;

    /// <summary>A row; null cells are shown as '-'.</summary>
    public void Add(params string?[] cells) => _rows.Add([.. cells.Select(c => c ?? "-")]);

    public void Write(TextWriter to, string indent = "")
    {
        bool[] right = [.. headings.Select(h => h.StartsWith('>'))];
        string[] first = [.. headings.Select(h => h.TrimStart('>'))];
        int[] widths = [.. first.Select((h, i) => _rows.Select(r => r[i].Length).Append(h.Length).Max())];
        foreach (string[] row in _rows.Prepend(first))
        {
            var cells = row.Select((cell, i) => right[i] ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]));
            to.WriteLine(indent + string.Join("  ", cells).TrimEnd());
        }
    }
}
