using System.Globalization;
using System.Net;
using System.Text;

namespace Picograd.Graphs;

/// <summary>A compiled program as a picture: kernels from left to right by what they wait for, memory from outside beside them.</summary>
internal static class ProgramPicture
{
    private const int Width = 190;
    private const int Height = 34;
    private const int Across = 230;
    private const int Down = 46;

    public static string Of(CompiledProgram program)
    {
        var nodes = program.Nodes.Where(n => n.Kernel is not null).ToList();
        // A kernel stands one column behind the last of those whose results it reads.
        var column = new int[nodes.Count];
        var writer = new Dictionary<Block, int>();
        var edges = new List<(int From, int To)>();
        for (int i = 0; i < nodes.Count; i++)
        {
            var group = nodes[i].Group!;
            foreach (var read in group.Calls.SelectMany(c => c.Reads))
            {
                if (!writer.TryGetValue(read.Block!, out int from) || from == i)
                    continue;
                column[i] = Math.Max(column[i], column[from] + 1);
                edges.Add((from, i));
            }
            foreach (var write in group.Calls.SelectMany(c => c.Writes))
                writer[write.Block!] = i;
        }
        var filled = new Dictionary<int, int>();
        var place = new (int X, int Y)[nodes.Count];
        for (int i = 0; i < nodes.Count; i++)
        {
            int row = filled.GetValueOrDefault(column[i]);
            filled[column[i]] = row + 1;
            place[i] = (10 + column[i] * Across, 10 + row * Down);
        }
        int width = 20 + (filled.Count == 0 ? 1 : filled.Keys.Max() + 1) * Across;
        int height = 20 + (filled.Count == 0 ? 1 : filled.Values.Max()) * Down;
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n"
        );
        foreach (var (from, to) in edges.Distinct())
        {
            var (a, b) = (place[from], place[to]);
            text.Append(
                CultureInfo.InvariantCulture,
                $"<path d=\"M{a.X + Width} {a.Y + Height / 2} C{a.X + Across} {a.Y + Height / 2} {b.X - 40} {b.Y + Height / 2} {b.X} {b.Y + Height / 2}\" fill=\"none\" stroke=\"#999\"/>\n"
            );
        }
        double whole = Math.Max(nodes.Sum(n => n.Time), 1e-9);
        for (int i = 0; i < nodes.Count; i++)
        {
            var (x, y) = place[i];
            var group = nodes[i].Group!;
            string name = string.Join(" + ", group.Calls.Select(c => c.Operator.Name));
            bool stays = group.Calls.SelectMany(c => c.Writes).Any(w => !program.Plan.Has(w.Block!));
            int share = (int)Math.Round(100 * nodes[i].Time / whole);
            string fill =
                group.Joined is not null ? "#cfe8cf"
                : stays ? "#f4e3c1"
                : "#dde6f2";
            text.Append(
                CultureInfo.InvariantCulture,
                $"<g><title>{WebUtility.HtmlEncode(nodes[i].Title)}</title><rect x=\"{x}\" y=\"{y}\" width=\"{Width}\" height=\"{Height}\" rx=\"4\" fill=\"{fill}\" stroke=\"#666\"/>"
            );
            if (name.Length > 28)
                name = name[..27] + "…";
            text.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{x + 6}\" y=\"{y + 14}\">{WebUtility.HtmlEncode(name)}</text>"
            );
            string below = (share > 0 ? $"{share}% " : "") + group.Calls[0].Line;
            text.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{x + 6}\" y=\"{y + 28}\" fill=\"#555\">{WebUtility.HtmlEncode(below)}</text></g>\n"
            );
        }
        return text.Append("</svg>\n").ToString();
    }
}
