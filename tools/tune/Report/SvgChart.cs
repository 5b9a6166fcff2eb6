using System.Globalization;
using System.Net;
using System.Text;

namespace Picograd.Tune;

/// <summary>
/// A chart of points and lines on axes that are linear or logarithmic, as SVG that takes its colours from the page. Sizes
/// scale with the page; the text stays legible on a phone because the chart is never wider than its drawing.
/// </summary>
internal sealed class SvgChart
{
    private const int Width = 640;
    private const int Height = 320;
    private const int Left = 64;
    private const int Right = 16;
    private const int Top = 12;
    private const int Bottom = 44;

    private readonly StringBuilder _body = new();
    private readonly Axis _x;
    private readonly Axis _y;

    /// <param name="title">What it shows, for those who cannot see it.</param>
    /// <param name="x">Horizontal.</param>
    /// <param name="y">Vertical.</param>
    public SvgChart(string title, Axis x, Axis y)
    {
        (_x, _y) = (x, y);
        _body.Append(
            CultureInfo.InvariantCulture,
            $"<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {Width} {Height}\"><title>{Text(title)}</title>"
        );
        foreach (double tick in x.Ticks())
        {
            double at = AtX(tick);
            Line(at, Top, at, Height - Bottom, "grid");
            Label(at, Height - Bottom + 16, Figures.Tick(tick), "middle");
        }
        foreach (double tick in y.Ticks())
        {
            double at = AtY(tick);
            Line(Left, at, Width - Right, at, "grid");
            Label(Left - 6, at + 4, Figures.Tick(tick), "end");
        }
        Label((Left + Width - Right) / 2.0, Height - 8, x.Name, "middle");
        _body.Append(
            CultureInfo.InvariantCulture,
            $"<text class=\"label\" text-anchor=\"middle\" transform=\"translate(14 {(Top + Height - Bottom) / 2.0:0.#}) rotate(-90)\">{Text(y.Name)}</text>"
        );
    }

    /// <summary>A point, with what it is; a link where one is given.</summary>
    public void Point(double x, double y, string what, string style, string? link = null)
    {
        if (link is not null)
            _body.Append(CultureInfo.InvariantCulture, $"<a href=\"#{Text(link)}\">");
        _body.Append(
            CultureInfo.InvariantCulture,
            $"<circle class=\"{style}\" cx=\"{AtX(x):0.#}\" cy=\"{AtY(y):0.#}\" r=\"4\"><title>{Text(what)}</title></circle>"
        );
        if (link is not null)
            _body.Append("</a>");
    }

    /// <summary>A line through points.</summary>
    public void Path(IEnumerable<(double X, double Y)> points, string style, string? what = null)
    {
        var text = string.Join(
            ' ',
            points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{AtX(p.X):0.#},{AtY(p.Y):0.#}"))
        );
        _body.Append(CultureInfo.InvariantCulture, $"<polyline class=\"{style}\" points=\"{text}\">");
        if (what is not null)
            _body.Append(CultureInfo.InvariantCulture, $"<title>{Text(what)}</title>");
        _body.Append("</polyline>");
    }

    /// <summary>Words at a point.</summary>
    public void Note(double x, double y, string words) => Label(AtX(x) - 4, AtY(y) - 5, words, "end");

    public override string ToString() => _body + "</svg>";

    private double AtX(double value) => Left + _x.Share(value) * (Width - Left - Right);

    private double AtY(double value) => Height - Bottom - _y.Share(value) * (Height - Top - Bottom);

    private void Line(double x1, double y1, double x2, double y2, string style) =>
        _body.Append(
            CultureInfo.InvariantCulture,
            $"<line class=\"{style}\" x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\"/>"
        );

    private void Label(double x, double y, string words, string anchor) =>
        _body.Append(
            CultureInfo.InvariantCulture,
            $"<text class=\"label\" x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\">{Text(words)}</text>"
        );

    private static string Text(string words) => WebUtility.HtmlEncode(words);

    /// <summary>One axis.</summary>
    /// <param name="Name">What it shows, with its unit.</param>
    /// <param name="Least">Where it begins; above zero on a logarithmic one.</param>
    /// <param name="Most">Where it ends; above the beginning.</param>
    /// <param name="IsLog">Whether equal steps are equal factors.</param>
    public sealed record Axis(string Name, double Least, double Most, bool IsLog)
    {
        /// <summary>One that holds all values, with a little room.</summary>
        public static Axis Around(string name, IEnumerable<double> values, bool isLog)
        {
            double[] all = [.. values.Where(v => double.IsFinite(v) && (!isLog || v > 0))];
            if (all.Length == 0)
                return new Axis(name, 1, 10, isLog);
            var (least, most) = (all.Min(), all.Max());
            if (isLog)
                return new Axis(name, least / 1.3, most * 1.3, true);
            double room = Math.Max(most - least, Math.Max(Math.Abs(most), 1) * 1e-3) * 0.05;
            return new Axis(name, least - room, most + room, false);
        }

        /// <summary>Where a value lies between the ends: 0 to 1; what lies outside is at an end.</summary>
        public double Share(double value)
        {
            double share = IsLog
                ? Math.Log(Math.Max(value, double.Epsilon) / Least) / Math.Log(Most / Least)
                : (value - Least) / (Most - Least);
            return double.IsNaN(share) ? 0 : Math.Clamp(share, 0, 1);
        }

        /// <summary>Round values within.</summary>
        public IEnumerable<double> Ticks()
        {
            if (!IsLog)
            {
                double rough = (Most - Least) / 5;
                double size = Math.Pow(10, Math.Floor(Math.Log10(rough)));
                double step = new[] { 1.0, 2, 5, 10 }.Select(s => s * size).First(s => s >= rough);
                for (double tick = Math.Ceiling(Least / step) * step; tick <= Most; tick += step)
                    yield return Math.Abs(tick) < step / 1e6 ? 0 : tick;
                yield break;
            }
            // Powers of ten, or their 1, 2 and 5 where there are few.
            double decades = Math.Log10(Most / Least);
            double[] steps = decades < 2.5 ? [1, 2, 5] : [1];
            int every = (int)Math.Max(1, Math.Ceiling(decades / 8));
            int first = (int)Math.Floor(Math.Log10(Least));
            for (int power = first; power <= Math.Log10(Most); power += every)
            {
                foreach (double step in steps)
                {
                    double tick = step * Math.Pow(10, power);
                    if (tick >= Least && tick <= Most)
                        yield return tick;
                }
            }
        }
    }
}
