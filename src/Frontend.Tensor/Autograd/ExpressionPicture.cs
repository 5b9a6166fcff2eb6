using System.Globalization;
using System.Net;
using System.Text;

namespace Picograd;

/// <summary>
/// An expression graph as SVG: a column for each distance from the leaves, within it in the order of what vertices are connected with
/// (a few sweeps of their mean places).
/// </summary>
internal static class ExpressionPicture
{
    private const double LineHeight = 16;
    private const double Padding = 8;
    private const double CharWidth = 7.3;
    private const double ColumnGap = 40;
    private const double RowGap = 16;
    private const double Radius = 16;

    private sealed class Box(IReadOnlyList<string> lines, string op)
    {
        public IReadOnlyList<string> Lines => lines;
        public string Operator => op;
        public int Column;
        public double Order;
        public double X;
        public double Y;
        public double Width => Padding * 2 + CharWidth * Math.Max(3, lines.Count == 0 ? 0 : lines.Max(l => l.Length));
        public double Height => Padding + LineHeight * Math.Max(1, lines.Count);
        public double Operating =>
            op.Length == 0 ? 0 : 2 * Radius + Math.Max(0, op.Length - 3) * CharWidth + ColumnGap / 2;
    }

    public static string Of(ExpressionGraph graph)
    {
        var vertices = graph.Vertices;
        var boxes = vertices.Select(v => new Box(ExpressionGraph.Lines(v), v.Operator)).ToArray();
        foreach (var vertex in vertices)
            boxes[vertex.Id].Column = vertex.Inputs.Count == 0 ? 0 : vertex.Inputs.Max(i => boxes[i].Column) + 1;
        // Leaves stand before the first that reads them.
        foreach (var vertex in vertices.Where(v => v.Inputs.Count == 0))
        {
            int first = vertices
                .Where(v => v.Inputs.Contains(vertex.Id))
                .Select(v => boxes[v.Id].Column)
                .DefaultIfEmpty(1)
                .Min();
            boxes[vertex.Id].Column = first - 1;
        }
        var columns = boxes.GroupBy(b => b.Column).OrderBy(g => g.Key).Select(g => g.ToList()).ToList();
        foreach (var column in columns)
        {
            for (int i = 0; i < column.Count; i++)
                column[i].Order = i;
        }
        var connected = boxes.ToDictionary(b => b, _ => new List<Box>());
        foreach (var vertex in vertices)
        {
            foreach (int input in vertex.Inputs)
            {
                connected[boxes[vertex.Id]].Add(boxes[input]);
                connected[boxes[input]].Add(boxes[vertex.Id]);
            }
        }
        for (int sweep = 0; sweep < 8; sweep++)
        {
            foreach (var column in sweep % 2 == 0 ? columns : Enumerable.Reverse(columns))
            {
                foreach (var box in column.Where(b => connected[b].Count > 0))
                    box.Order = connected[box].Average(b => b.Order);
                column.Sort((a, b) => a.Order.CompareTo(b.Order));
                for (int i = 0; i < column.Count; i++)
                    column[i].Order = i - column.Count / 2.0;
            }
        }
        double x = ColumnGap / 2;
        double height = columns.Max(c => c.Sum(b => b.Height + RowGap)) + RowGap;
        foreach (var column in columns)
        {
            double operating = column.Max(b => b.Operating);
            double y = (height - column.Sum(b => b.Height + RowGap) + RowGap) / 2;
            foreach (var box in column)
            {
                (box.X, box.Y) = (x + operating, y);
                y += box.Height + RowGap;
            }
            x += operating + column.Max(b => b.Width) + ColumnGap;
        }
        return Drawn(graph, boxes, x, height);
    }

    private static string Drawn(ExpressionGraph graph, Box[] boxes, double width, double height)
    {
        var svg = new StringBuilder();
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:0}\" height=\"{height:0}\" viewBox=\"0 0 {width:0} {height:0}\" "
        );
        svg.Append(
            "font-family=\"monospace\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        foreach (var vertex in graph.Vertices)
        {
            var box = boxes[vertex.Id];
            double middle = box.Y + box.Height / 2;
            double half = Radius + Math.Max(0, box.Operator.Length - 3) * CharWidth / 2;
            double center = box.X - ColumnGap / 2 - half;
            foreach (int input in vertex.Inputs)
            {
                var from = boxes[input];
                double start = from.X + from.Width;
                double end = center - half;
                double y = from.Y + from.Height / 2;
                double bend = (start + end) / 2;
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<path d=\"M {start:0.#} {y:0.#} C {bend:0.#} {y:0.#} {bend:0.#} {middle:0.#} {end:0.#} {middle:0.#}\" fill=\"none\" stroke=\"#888\"/>\n"
                );
            }
            if (box.Operator.Length > 0)
            {
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<path d=\"M {center + half:0.#} {middle:0.#} H {box.X:0.#}\" stroke=\"#888\"/>\n<ellipse cx=\"{center:0.#}\" cy=\"{middle:0.#}\" rx=\"{half:0.#}\" ry=\"{Radius}\" fill=\"#eef\" stroke=\"#447\"/>\n"
                );
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<text x=\"{center:0.#}\" y=\"{middle + 4:0.#}\" text-anchor=\"middle\">{WebUtility.HtmlEncode(box.Operator)}</text>\n"
                );
            }
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<rect x=\"{box.X:0.#}\" y=\"{box.Y:0.#}\" width=\"{box.Width:0.#}\" height=\"{box.Height:0.#}\" fill=\"#ffe\" stroke=\"#774\"/>\n"
            );
            for (int i = 0; i < box.Lines.Count; i++)
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<text x=\"{box.X + Padding:0.#}\" y=\"{box.Y + LineHeight * (i + 1):0.#}\">{WebUtility.HtmlEncode(box.Lines[i])}</text>\n"
                );
        }
        return svg.Append("</svg>\n").ToString();
    }
}
