using System.Globalization;
using System.Net;
using System.Reflection;
using Picograd.Schedules.Backend;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// A report as one page that needs nothing beside it: styles, drawings and the little script are in it, and it loads nothing. Without the script everything
/// can be read; light and dark, on a phone and by keyboard.
/// </summary>
internal sealed class ReportPage
{
    private readonly IReadOnlyList<ReportLine> _lines;
    private readonly ITuningTarget _tuning;
    private readonly int _threads;
    private readonly string _machine;
    private readonly string _energy;
    private readonly DateTime _utc;
    private readonly StringWriter _to = new(CultureInfo.InvariantCulture);

    /// <param name="lines">What was timed.</param>
    /// <param name="tuning">On what.</param>
    /// <param name="threads">With so many.</param>
    /// <param name="machine">Its name, for people.</param>
    /// <param name="energy">Why there is no energy; empty where there is.</param>
    /// <param name="utc">When.</param>
    public ReportPage(
        IReadOnlyList<ReportLine> lines,
        ITuningTarget tuning,
        int threads,
        string machine,
        string energy,
        DateTime utc
    ) => (_lines, _tuning, _threads, _machine, _energy, _utc) = (lines, tuning, threads, machine, energy, utc);

    /// <summary>The whole page.</summary>
    public override string ToString()
    {
        if (_to.GetStringBuilder().Length == 0)
            Write();
        return _to.ToString();
    }

    private void Write()
    {
        string title = $"Picograd: kernels on {_machine}";
        _to.Write(
            $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
            <title>{Text(title)}</title>
            <style>
            {Resource("page.css")}</style>
            </head>
            <body>
            <main>
            <h1>{Text(title)}</h1>
            <p class="soft">{Text(_tuning.Backend.Target.Fingerprint)} · {_threads} thread{(_threads == 1 ? "" : "s")} · .NET {Text(
                Environment.Version.ToString()
            )} · {Text(Figures.Moment(_utc))} UTC</p>
            <p>The best schedules found, the default ones, kernels written by hand and libraries, timed in turns in one process, with warm caches. A bar is
            the share of this machine's measured ceiling that an implementation reaches; the dark stroke spans the middle half of its samples.</p>

            """
        );
        Tiles();
        WriteRoofline();
        Operators();
        _to.Write($"</main>\n<script>\n{Resource("page.js")}</script>\n</body>\n</html>\n");
    }

    private void Tiles()
    {
        _to.WriteLine("<ul class=\"tiles\">");
        Tile(
            Figures.Percent(Math.Exp(_lines.Average(l => Math.Log(l.CeilingShare)))),
            "of the ceiling, geometric mean of all"
        );
        foreach (string lib in Libraries().Where(lib => KindOf(lib) != "ladder"))
        {
            double[] gains =
            [
                .. _lines
                    .Select(l => (Line: l, Other: Median(l, lib)))
                    .Where(p => p.Other is not null)
                    .Select(p => p.Other!.Value / p.Line.Milliseconds),
            ];
            Tile(
                Figures.Ratio(Math.Exp(gains.Average(Math.Log))),
                $"the speed of {PluralOf(lib)}, geometric mean of {gains.Length}; faster in {gains.Count(g => g > 1)}"
            );
        }
        _to.WriteLine("</ul>");

        void Tile(string figure, string words) =>
            _to.WriteLine($"<li class=\"tile\"><b>{Text(figure)}</b>{Text(words)}</li>");
    }

    private void WriteRoofline()
    {
        var ceilings = _tuning.Ceilings;
        double top = ceilings.TensorGflops ?? ceilings.Gflops;
        var points = _lines.Where(l => l.Gigaflop > 0 && l.Intensity > 0).ToList();
        _to.WriteLine("<h2>Roofline</h2>");
        _to.WriteLine(
            $"<p class=\"soft\">Arithmetic {Figures.Number(ceilings.Gflops)} GFLOP/s{(ceilings.TensorGflops is { } t ? $", on tensor cores {Figures.Number(t)}" : "")}; reading {Text(
                string.Join(", ", ceilings.Levels.Select(l => $"{l.Name} {Figures.Number(l.ReadGbps)} GB/s"))
            )}; copying in memory {Figures.Number(ceilings.CopyGbps)} GB/s. All measured here.</p>"
        );
        if (points.Count == 0)
        {
            _to.WriteLine("<p>No operator of this report does arithmetic.</p>");
            return;
        }
        double Rate(ReportLine l) => l.Gigaflop / (l.Milliseconds / 1e3);
        double knee = top / ceilings.Levels[^1].ReadGbps;
        var x = SvgChart.Axis.Around(
            "operations a byte",
            [.. points.Select(l => l.Intensity), knee / 4, knee * 4],
            true
        );
        var y = SvgChart.Axis.Around("GFLOP/s", [.. points.Select(Rate), top, top / 30], true);
        var chart = new SvgChart("Roofline: rate of each operator by its operations a byte", x, y);
        foreach (var level in ceilings.Levels)
        {
            double from = Math.Max(x.Least, y.Least / level.ReadGbps);
            double to = Math.Min(x.Most, top / level.ReadGbps);
            if (from >= to)
                continue;
            chart.Path(
                [(from, from * level.ReadGbps), (to, to * level.ReadGbps)],
                "roof",
                $"reading {level.Name}: {Figures.Number(level.ReadGbps)} GB/s"
            );
            chart.Note(to, to * level.ReadGbps, level.Name);
        }
        foreach (
            double flat in ceilings.TensorGflops is { } tensor ? [ceilings.Gflops, tensor] : new[] { ceilings.Gflops }
        )
            chart.Path(
                [(Math.Max(x.Least, flat / ceilings.Levels[0].ReadGbps), flat), (x.Most, flat)],
                "roof",
                $"arithmetic: {Figures.Number(flat)} GFLOP/s"
            );
        foreach (var line in points)
            chart.Point(
                line.Intensity,
                Rate(line),
                $"{line.Spec}: {Figures.Number(Rate(line))} GFLOP/s, {Figures.Percent(line.CeilingShare)} of the ceiling ({line.Limit})",
                "kernel",
                Anchor(line)
            );
        _to.WriteLine(chart.ToString());
    }

    private void Operators()
    {
        _to.Write(
            """
            <h2>Operators</h2>
            <ul class="legend">
            """
        );
        foreach (string lib in Libraries().Prepend(Contender.Ours))
            _to.Write($"<li><i class=\"{KindOf(lib)}\"></i>{Text(NameOf(lib))}</li>");
        _to.WriteLine(
            """
            </ul>
            <div class="tools" hidden>
            <label>Filter <input id="filter" type="search" placeholder="/ : words of a name"></label>
            <label>Order <select id="order"><option value="place">as measured</option><option value="gain">gain over the default</option><option value="share">share of the ceiling</option><option value="time">time</option></select></label>
            <span id="count" class="soft"></span> <span class="soft">j and k go down and up, Enter opens</span>
            </div>
            <div id="operators">
            """
        );
        for (int i = 0; i < _lines.Count; i++)
            Operator(_lines[i], i);
        _to.WriteLine("</div>");
    }

    private void Operator(ReportLine line, int place)
    {
        double gain = line.DefaultMilliseconds / line.Milliseconds;
        _to.Write(
            $"""
            <details class="operator" id="{Anchor(line)}" data-spec="{Text(line.Spec)}" data-place="{place}" data-gain="{Invariant(
                gain
            )}" data-share="{Invariant(line.CeilingShare)}" data-time="{Invariant(line.Milliseconds)}">
            <summary><div class="head"><code>{Text(line.Spec)}</code> <span>{Text(
                ReportText.RateOf(line)
            )}</span> <span class="soft">{Text(
                $"{Figures.Percent(line.CeilingShare)} of the ceiling, which {LimitOf(line)} sets · {line.Source} schedule"
            )}</span></div>
            <div class="bars">

            """
        );
        double longest = Math.Max(1, line.Contenders.Max(c => line.CeilingMilliseconds / c.Times.Low));
        foreach (var contender in line.Contenders)
            Bar(line, contender, longest);
        _to.WriteLine("</div></summary>");
        if (line.Details is { } details)
            Details(line, details);
        _to.WriteLine("</details>");
    }

    private void Bar(ReportLine line, TimedContender contender, double longest)
    {
        double Share(double milliseconds) => 100 * Math.Min(1, line.CeilingMilliseconds / milliseconds / longest);
        var times = contender.Times;
        string against = contender.Lib == Contender.Ours ? "" : $" · {Figures.Ratio(times.Median / line.Milliseconds)}";
        _to.WriteLine(
            $"<span>{Text(NameOf(contender.Lib))}</span><span class=\"track\" title=\"{Text(
                $"{Figures.Time(times.Low)} to {Figures.Time(times.High)}, {times.Samples} samples"
            )}\"><span class=\"bar {KindOf(contender.Lib)}\" style=\"width:{Invariant(Share(times.Median))}%\"></span><span class=\"spread\" style=\"left:{Invariant(
                Share(times.High)
            )}%;width:{Invariant(Math.Max(0.3, Share(times.Low) - Share(times.High)))}%\"></span></span><span class=\"figure\">{Text(
                Figures.Time(times.Median) + against
            )}</span>"
        );
    }

    private void Details(ReportLine line, KernelDetails details)
    {
        _to.WriteLine("<div class=\"detail\">");
        Provenance(line, details);
        var searches = details.Searches.Where(s => s.Milliseconds.Count > 0).ToList();
        if (searches.Count > 0)
        {
            _to.WriteLine("<div class=\"columns\">");
            // The latest; earlier ones are counted.
            var last = searches[^1];
            _to.WriteLine($"<div><h3>Search of {Text(Figures.Moment(last.Utc))}</h3>{Progress(last)}</div>");
            if (last.Predictions.Count > 0)
                _to.WriteLine($"<div><h3>Cost model</h3>{Scatter(last)}</div>");
            _to.WriteLine("</div>");
            _to.WriteLine(
                $"<p class=\"soft\">{last.Candidates} candidates, {last.Milliseconds.Count} of them timed{(last.RankCorrelation is { } rank ? $"; rank correlation of what the model says before any measurement {Invariant(Math.Round(rank, 2))}" : "")}{(searches.Count > 1 ? $"; {searches.Count - 1} earlier search{(searches.Count > 2 ? "es" : "")} in the log" : "")}.</p>"
            );
        }
        Code("Schedule (trace)", details.Trace);
        Code("Loop nest", details.Nest);
        Code(_tuning.Backend.Target.Gpu is null ? "Machine code" : "CUDA", details.Code);
        _to.WriteLine("</div>");

        void Code(string name, string text) =>
            _to.WriteLine(
                $"<details class=\"code\"><summary>{Text(name)}</summary><pre tabindex=\"0\">{Text(text)}</pre></details>"
            );
    }

    private void Provenance(ReportLine line, KernelDetails details)
    {
        _to.WriteLine("<table>");
        if (details.Record is { } record)
        {
            var from = record.Provenance;
            Row("Found", $"{Figures.Moment(from.Utc)} UTC on {from.Machine}, seed {from.Seed}, budget {from.Budget}");
            Row("Search", $"{from.CandidatesTried} candidates tried; stopped: {from.StopReason}");
            Row(
                "Certified",
                $"{record.Certification.ErrorRatio.ToString("0.###", CultureInfo.InvariantCulture)} of the allowed error{(record.Certification.BitStable ? ", the same bits on every run" : "")}"
            );
            Row("Compiler", record.Key.CompilerVersion);
            Row("By", $"Picograd {from.ToolVersion}, .NET {from.RuntimeVersion}");
        }
        else
            Row(
                "Schedule",
                line.Source switch
                {
                    "near" => "that of a shape near by, fitted to this one",
                    "exact" =>
                        "a stored winner that is not in this database: one that ships with the library, or one of an equal target",
                    _ => "the default one: no search of it is stored that could be used",
                }
            );
        foreach (string note in details.Notes)
            Row("Note", note);
        if (line.Joules is { } joules && joules > 0 && line.Gigaflop > 0)
            Row(
                "Energy",
                $"{Figures.Number(joules * 1e3)} mJ a call of the whole package, {Figures.Number(line.Gigaflop / joules)} GFLOP/s/W"
            );
        else if (_energy.Length > 0)
            Row("Energy", _energy);
        _to.WriteLine("</table>");

        void Row(string name, string value) =>
            _to.WriteLine($"<tr><th scope=\"row\">{Text(name)}</th><td>{Text(value)}</td></tr>");
    }

    private static string Progress(LoggedSearch search)
    {
        // What is ten times as slow as the best tells nothing more.
        double most = 10 * search.Best[^1];
        var shown = search.Milliseconds.Select(t => Math.Min(t, most)).ToList();
        var chart = new SvgChart(
            "Time of each candidate in the order of the search, and the best so far",
            new SvgChart.Axis("candidate", 0, Math.Max(2, shown.Count + 1), false),
            SvgChart.Axis.Around("µs", shown.Select(t => t * 1e3), true)
        );
        for (int i = 0; i < shown.Count; i++)
            chart.Point(i + 1, shown[i] * 1e3, Figures.Time(search.Milliseconds[i]), "tried");
        var steps = new List<(double, double)>();
        for (int i = 0; i < shown.Count; i++)
        {
            if (i > 0)
                steps.Add((i + 1, Math.Min(search.Best[i - 1], most) * 1e3));
            steps.Add((i + 1, Math.Min(search.Best[i], most) * 1e3));
        }
        chart.Path(steps, "best", "best so far");
        return chart.ToString();
    }

    private static string Scatter(LoggedSearch search)
    {
        var chart = new SvgChart(
            "Predicted against measured times of candidates",
            SvgChart.Axis.Around("measured µs", search.Predictions.Select(p => p.Measured * 1e3), true),
            SvgChart.Axis.Around("predicted µs", search.Predictions.Select(p => p.Predicted * 1e3), true)
        );
        double least = search.Predictions.Min(p => Math.Max(p.Measured, p.Predicted) * 1e3);
        double most = search.Predictions.Max(p => Math.Min(p.Measured, p.Predicted) * 1e3);
        if (most > least)
            chart.Path([(least, least), (most, most)], "even", "predicted as measured");
        foreach (var (predicted, measured) in search.Predictions)
            chart.Point(
                measured * 1e3,
                predicted * 1e3,
                $"measured {Figures.Time(measured)}, predicted {Figures.Time(predicted)}",
                "tried"
            );
        return chart.ToString();
    }

    private IEnumerable<string> Libraries() =>
        _lines.SelectMany(l => l.Contenders).Select(c => c.Lib).Where(lib => lib != Contender.Ours).Distinct();

    private static double? Median(ReportLine line, string lib) =>
        line.Contenders.FirstOrDefault(c => c.Lib == lib)?.Times.Median;

    private static string LimitOf(ReportLine line) =>
        line.Limit == "arithmetic" ? "arithmetic" : $"reading {line.Limit}";

    private static string NameOf(string lib) =>
        lib switch
        {
            Contender.Ours => "Picograd, tuned",
            "default" => "Picograd, default",
            "hand" => "by hand",
            "openblas" => "OpenBLAS",
            "cublaslt" => "cuBLASLt",
            "cudnn" => "cuDNN",
            _ => lib,
        };

    private static string PluralOf(string lib) =>
        lib switch
        {
            "default" => "the default schedules",
            "hand" => "kernels by hand",
            _ => NameOf(lib),
        };

    private static string KindOf(string lib) =>
        lib switch
        {
            Contender.Ours => "ours",
            "default" => "default",
            "hand" => "hand",
            "openblas" or "cublaslt" or "cudnn" => "library",
            _ => "ladder",
        };

    private string Anchor(ReportLine line)
    {
        for (int i = 0; i < _lines.Count; i++)
        {
            if (ReferenceEquals(_lines[i], line))
                return string.Create(CultureInfo.InvariantCulture, $"operator-{i + 1}");
        }
        throw new ArgumentException("not a line of this report", nameof(line));
    }

    private static string Invariant(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);

    private static string Text(string words) => WebUtility.HtmlEncode(words);

    private static string Resource(string name)
    {
        using var stream =
            Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"the tool was built without {name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
