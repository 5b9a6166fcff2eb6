using System.Text.RegularExpressions;
using Picograd.Search;
using Picograd.Tune;
using Spectre.Console;

namespace Picograd.Tests;

public sealed class ProgressTests
{
    private static readonly TuneProgress Half = new(
        "tanh n=8",
        Phases.Search,
        Tried: 17,
        BestMilliseconds: 0.5,
        CeilingMilliseconds: 0.25,
        Spent: 0.5,
        Elapsed: TimeSpan.FromSeconds(6),
        Remaining: TimeSpan.FromSeconds(6),
        TaskIndex: 0,
        TaskCount: 1
    );

    private static string Moving(bool colours)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.Yes,
                ColorSystem = colours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
                Out = new AnsiConsoleOutput(text),
            }
        );
        console.Profile.Width = 100;
        using (var display = new TuneProgressDisplay.Moving(console))
            display.Report(Half);
        return text.ToString();
    }

    [Fact]
    public void The_bar_says_the_same_without_colours()
    {
        string plain = Moving(false);
        Assert.Contains(
            "[######......]  50 % 0:06 left tanh n=8: search, 17 tried",
            Regex.Replace(plain, " +", m => m.Length > 2 ? " " : m.Value)
        );
        Assert.DoesNotMatch("\u001b\\[[0-9;]*m", plain);
        string coloured = Moving(true);
        Assert.Matches("\u001b\\[[0-9;]*m", coloured);
        Assert.Equal(plain, Regex.Replace(coloured, "\u001b\\[[0-9;]*m", ""));
    }

    [Theory]
    [InlineData(0, "", "....")]
    [InlineData(0.5, "##", "..")]
    [InlineData(1, "####", "")]
    [InlineData(7, "####", "")]
    [InlineData(-1, "", "....")]
    [InlineData(double.NaN, "", "....")]
    public void The_bar_has_two_signs(double share, string spent, string left) =>
        Assert.Equal((spent, left), TuneProgressDisplay.Bar(share, 4));

    [Fact]
    public void Who_only_wants_to_know_what_is_wrong_gets_no_progress()
    {
        using var text = new StringWriter();
        var console = new ToolConsole(TextWriter.Null, text, false, CancellationToken.None) { TellsProgress = false };
        using (var display = TuneProgressDisplay.For(console))
            display.Report(Half);
        Assert.Equal("", text.ToString());
        using (var display = TuneProgressDisplay.For(console with { TellsProgress = true }))
            display.Report(Half);
        Assert.NotEqual("", text.ToString());
    }

    [Fact]
    public void A_dumb_terminal_gets_plain_lines_and_no_color_no_colours()
    {
        var saved = (Environment.GetEnvironmentVariable("TERM"), Environment.GetEnvironmentVariable("NO_COLOR"));
        try
        {
            Environment.SetEnvironmentVariable("TERM", "dumb");
            using var text = new StringWriter();
            var console = new ToolConsole(TextWriter.Null, text, true, CancellationToken.None);
            using (var display = TuneProgressDisplay.For(console))
                display.Report(Half);
            Assert.Matches(
                @"^tune: tanh n=8: search, 17 tried, .*, 50 % of the budget spent, 0:06 left\s*$",
                text.ToString()
            );
            Environment.SetEnvironmentVariable("TERM", "xterm-256color");
            Environment.SetEnvironmentVariable("NO_COLOR", "1");
            Assert.Equal(
                ColorSystem.NoColors,
                TuneProgressDisplay.Screen(Console.Error).Profile.Capabilities.ColorSystem
            );
        }
        finally
        {
            Environment.SetEnvironmentVariable("TERM", saved.Item1);
            Environment.SetEnvironmentVariable("NO_COLOR", saved.Item2);
        }
    }
}
