using System.Diagnostics;
using System.Text.RegularExpressions;
using Picograd.Tune;

namespace Picograd.Tests;

/// <summary>The page that <c>tune report --html</c> writes.</summary>
public sealed class ReportPageTests : IDisposable
{
    private const string Small = "matmul m=9 n=7 k=5";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Made()
    {
        string db = _folder["db"];
        ToolRun.Of("op", Small, "--budget", "6trials", "--threads", "1", "--db", db).Succeeded();
        string specs = _folder.Write("specs", $"{Small}\ntanh n=100\n");
        string page = _folder["page.html"];
        var run = ToolRun.Of("report", specs, "--threads", "1", "--db", db, "--html", page);
        run.Succeeded();
        Assert.Contains($"wrote {page}", run.Error);
        return page;
    }

    [SkippableFact]
    public void The_page_shows_all_of_it_loads_nothing_and_opens_in_a_browser()
    {
        string file = Made();
        string page = File.ReadAllText(file);
        foreach (
            string part in new[]
            {
                "Picograd, tuned",
                "Picograd, default",
                "by hand",
                "Roofline",
                "best so far",
                "rank correlation",
                "candidates tried",
                "picograd-trace 1",
                "for C.",
                "vfmadd",
            }
        )
            Assert.Contains(part, page);
        // Of the one that was not tuned it says so.
        Assert.Contains("no search of it is stored that could be used", page);
        Assert.Matches("[0-9]+ mJ a call|energy", page);
        Assert.DoesNotContain("NaN", page);
        Assert.DoesNotContain("∞", page);
        Assert.DoesNotMatch("(src|href)=\"?(http|//)|url\\(|@import", page);
        var names = Regex.Matches(page, " id=\"([^\"]+)\"").Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.All(
            Regex.Matches(page, "href=\"#([^\"]+)\"").Select(m => m.Groups[1].Value),
            target => Assert.Contains(target, names)
        );

        string? browser = new[] { "chromium", "chromium-browser", "google-chrome" }
            .SelectMany(name =>
                (Environment.GetEnvironmentVariable("PATH") ?? "")
                    .Split(Path.PathSeparator)
                    .Select(folder => Path.Combine(folder, name))
            )
            .FirstOrDefault(File.Exists);
        Skip.If(browser is null, "no Chromium to open the page in (Debian: apt install chromium)");
        string seen = Open(browser!, file);
        // What the script says, and what it opened because the address names it.
        Assert.Contains(">2 of 2<", seen);
        Assert.Matches("<details class=\"operator\" id=\"operator-2\"[^>]* open=\"\"", seen);
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_told_before_anything_is_timed()
    {
        string specs = _folder.Write("specs", Small);
        ToolRun.Of("report", specs, "--html", _folder["no/page.html"]).Refused("there is no folder");
        ToolRun.Of("report", specs, "--html", _folder[""]).Refused("which is a folder");
    }

    [Fact]
    public void Energy_is_what_the_counters_moved_and_they_may_begin_again()
    {
        Assert.Null(EnergyMeter.Open(out string why, _folder["none"]));
        Assert.Contains("tells no energy", why);
        string package = _folder["intel-rapl:0"];
        Directory.CreateDirectory(package);
        Directory.CreateDirectory(_folder["intel-rapl:0:0"]);
        File.WriteAllText(Path.Combine(package, "energy_uj"), "900000\n");
        File.WriteAllText(Path.Combine(package, "max_energy_range_uj"), "1000000\n");
        var meter = EnergyMeter.Open(out why, _folder[""])!;
        Assert.Equal("", why);
        int calls = 0;
        double joules = meter.Of(() =>
        {
            if (++calls == 1)
                File.WriteAllText(Path.Combine(package, "energy_uj"), "400000\n");
            Thread.Sleep(20);
        });
        Assert.Equal(0.5 / calls, joules, 9);
        File.WriteAllText(Path.Combine(package, "energy_uj"), "?");
        Assert.Null(EnergyMeter.Open(out why, _folder[""]));
        Assert.Contains("cannot be read", why);
    }

    [Theory]
    [InlineData(0.03, 7000, true)]
    [InlineData(1, 1.01, true)]
    [InlineData(0, 45, false)]
    [InlineData(-3, 1e6, false)]
    public void Axes_have_a_few_round_ticks_within(double least, double most, bool isLog)
    {
        var axis = new SvgChart.Axis("x", least, most, isLog);
        double[] ticks = [.. axis.Ticks()];
        Assert.InRange(ticks.Length, isLog && most < 2 ? 1 : 2, 12);
        Assert.All(ticks, t => Assert.InRange(t, least, most));
        Assert.Equal(0, axis.Share(least), 9);
        Assert.Equal(1, axis.Share(most), 9);
        Assert.Equal(1, axis.Share(most * 10));
    }

    private static string Open(string browser, string file)
    {
        using var profile = new TempFolder();
        var start = new ProcessStartInfo(browser) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (
            string argument in new[]
            {
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                $"--user-data-dir={profile[""]}",
                "--virtual-time-budget=2000",
                "--dump-dom",
                $"file://{file}#operator-2",
            }
        )
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var text = process.StandardOutput.ReadToEndAsync();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(120)), "the browser did not end");
        return text.Result;
    }
}
