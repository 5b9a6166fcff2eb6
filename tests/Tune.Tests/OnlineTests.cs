using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Picograd.Tune;
using Picograd.TuneDb;
using Xunit.Abstractions;

namespace Picograd.Tests;

/// <summary>PICOGRAD_TUNE=online: a program is tuned while it runs.</summary>
public sealed class OnlineTests(ITestOutputHelper output) : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string Gpt => Path.Combine(AppContext.BaseDirectory, "Picograd.Tune.Tests.Gpt.dll");

    private static string Tool => Path.Combine(AppContext.BaseDirectory, "tune.dll");

    [Fact]
    public void A_program_goes_over_to_winners_while_it_runs()
    {
        string db = _folder["db"];
        var (code, text, errors) = Run("online:1", Tool, db, "--steps", "1", "--until-tuned", "1");
        Assert.True(code == 0, errors);
        Assert.Equal("", errors);
        // It had none when it began, and goes on to learn.
        Assert.Contains(" 0 tuned", text);
        Assert.Matches("loss [0-9.]+ before, [0-9.]+ after", text);
        var served = Regex.Match(text, "([0-9]+) tuned in the end");
        Assert.InRange(int.Parse(served.Groups[1].Value, CultureInfo.InvariantCulture), 1, 100);
        using var store = TuneDatabase.Open(db, TuneDbMode.ReadOnly);
        var records = store.All(new TuneFilter()).ToList();
        Assert.True(records.Count(r => r.Certification is { Ok: true } && r.Speedup > 1) >= 1);
        Assert.All(records, r => Assert.Equal(1, TuneTargets.ThreadsOf(r.Key.Target)));
    }

    [Fact]
    public void What_is_missing_is_said_once_and_the_program_runs()
    {
        var (code, _, errors) = Run("online", _folder["none"], _folder["db"], "--steps", "5");
        Assert.Equal(0, code);
        Assert.Contains("PICOGRAD_TUNE_TOOL is", Assert.Single(errors.TrimEnd().Split('\n')));
        (code, _, errors) = Run("online:7", Tool, _folder["db"], "--steps", "5");
        Assert.Equal(0, code);
        Assert.Contains("PICOGRAD_TUNE is 'online:7', but must be off, online, or online:SHARE", errors);
    }

    [Fact]
    public void A_share_of_the_processor_is_kept_to()
    {
        var clock = new SteppedClock();
        var spent = TimeSpan.Zero;
        var share = new CpuShare(0.25, () => spent, CancellationToken.None, clock);
        Assert.True(share.Credit > 0);
        // A second of work is paid for by four.
        spent += TimeSpan.FromSeconds(1);
        Assert.InRange(share.Credit, -1, -0.89);
        clock.Pass(TimeSpan.FromSeconds(2));
        Assert.InRange(share.Credit, -0.41, -0.39);
        clock.Pass(TimeSpan.FromSeconds(2));
        Assert.InRange(share.Credit, 0, 0.1);
        // Nothing is saved up over an idle hour.
        clock.Pass(TimeSpan.FromHours(1));
        Assert.InRange(share.Credit, 0, 0.1);
        // What a process took that has ended may be missing; it is not given back.
        spent -= TimeSpan.FromSeconds(0.5);
        Assert.InRange(share.Credit, 0, 0.1);
    }

    private (int Code, string Out, string Error) Run(string setting, string tool, string db, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Gpt);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["PICOGRAD_TUNE"] = setting;
        start.Environment["PICOGRAD_TUNE_TOOL"] = tool;
        start.Environment["PICOGRAD_TUNEDB"] = db;
        start.Environment["PICOGRAD_NUM_THREADS"] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        output.WriteLine(text);
        output.WriteLine(errors.Result);
        return (process.ExitCode, text, errors.Result);
    }

    private sealed class SteppedClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Pass(TimeSpan time) => _now += time.Ticks;
    }
}
