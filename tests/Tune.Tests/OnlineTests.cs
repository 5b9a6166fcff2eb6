using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Picograd.Dispatch;
using Picograd.Dispatch.Profiles;
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
        var (code, text, errors) = Run("online:1", Tool, db, "--steps", "1", "--until-tuned", "1", "--small");
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
        // A fifth of the time, so that a program that loses it takes a quarter longer.
        var share = new CpuShare(0.25, clock);
        var burst = TimeSpan.FromSeconds(CpuShare.Burst);
        Assert.True(share.Next(spent).Runs);
        // What is spent beyond a burst is paid for by five times the time, and the next burst saved up.
        spent += 3 * burst;
        var (runs, pause) = share.Next(spent);
        Assert.False(runs);
        Assert.Equal(15, pause / burst, 1e-4);
        clock.Pass(pause / 2);
        (runs, pause) = share.Next(spent);
        Assert.False(runs);
        Assert.Equal(7.5, pause / burst, 1e-4);
        clock.Pass(pause + TimeSpan.FromTicks(1));
        Assert.Equal((true, burst), share.Next(spent));
        // Nothing is saved up over an idle hour, but who idles is watched less.
        clock.Pass(TimeSpan.FromHours(1));
        Assert.Equal((true, 4 * burst), share.Next(spent));
        // What a process took that has ended may be missing; it is not given back.
        spent -= burst;
        Assert.Equal((true, 4 * burst), share.Next(spent));
        spent += burst / 2;
        (runs, pause) = share.Next(spent);
        Assert.True(runs);
        Assert.Equal(0.5, pause / burst, 1e-4);
    }

    [Fact]
    public void Over_any_second_no_more_than_the_share_is_spent()
    {
        // A process of two busy threads, watched as late as the answers allow.
        foreach (double part in (ReadOnlySpan<double>)[0.01, 0.1, 0.5, 1])
        {
            var clock = new SteppedClock();
            var share = new CpuShare(part, clock);
            double spent = 0;
            double passed = 0;
            while (passed < 100)
            {
                var (runs, time) = share.Next(TimeSpan.FromSeconds(spent));
                var whole = TimeSpan.FromMilliseconds(Math.Max(1, Math.Round(time.TotalMilliseconds)));
                clock.Pass(whole);
                passed += whole.TotalSeconds;
                spent += runs ? 2 * whole.TotalSeconds : 0;
            }
            Assert.InRange(spent / (passed - spent), 0.93 * part, part + 2 * CpuShare.Burst);
        }
    }

    [Theory]
    [InlineData(0.2, 8)]
    [InlineData(1, 1)]
    public void A_process_is_held_to_its_share_from_its_start_on(double share, int niceness)
    {
        if (OperatingSystem.IsWindows())
            return;
        string times = _folder[$"times{share}"];
        var start = new ProcessStartInfo("sh") { UseShellExecute = false };
        foreach (
            string argument in (ReadOnlySpan<string>)
                [
                    "-c",
                    "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; times > \"$0\"; ps -o ni= -p $$ >> \"$0\"; exit 7",
                    times,
                ]
        )
            start.ArgumentList.Add(argument);
        long began = Stopwatch.GetTimestamp();
        // What the tests before took is none of it: half a minute would be paid for in three.
        using var tests = Process.GetCurrentProcess();
        var paced = new PacedProcess(share) { Before = tests.TotalProcessorTime };
        Assert.Equal(7, paced.Run(start));
        double wall = Stopwatch.GetElapsedTime(began).TotalSeconds;
        string[] said = File.ReadAllLines(times);
        double spent = Regex.Matches(said[0], "([0-9]+)m([0-9.]+)s").Sum(m => Number(m, 1) * 60 + Number(m, 2));
        output.WriteLine($"{spent} s in {wall} s, niceness {said[^1]}");
        Assert.InRange(spent, 0.05, 20);
        // A sixth of the time, or a half, but for the first burst.
        Assert.InRange(spent / wall, 0, 1.15 * share / (1 + share));
        if (OperatingSystem.IsLinux() && said.Length > 2)
            Assert.True(Number(said[^1]) >= niceness, said[^1]);

        static double Number(object text, int group = 0) =>
            double.Parse(text is Match m ? m.Groups[group].Value : (string)text, CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task What_is_paced_tunes_and_ends_with_its_input()
    {
        string db = _folder["db"];
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in (ReadOnlySpan<string>)[Tool, "online", "--share", "0.6", "--db", db])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(Ran(1) + Ran(1000));
        process.StandardInput.Flush();
        var began = Stopwatch.StartNew();
        while (Records() == 0 && began.Elapsed < TimeSpan.FromMinutes(2))
            await Task.Delay(100);
        output.WriteLine($"{began.Elapsed}");
        process.StandardInput.Close();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(1)));
        Assert.Equal("", await errors);
        Assert.Equal(1, Records());

        static string Ran(int calls) =>
            new OperatorProfile(
                [new RecordedOperator("tanh n=64", "cpu", "threads=1", KernelSource.Default, null, calls, calls)],
                1,
                0
            ).ToString();

        int Records()
        {
            if (!File.Exists(db))
                return 0;
            using var store = TuneDatabase.Open(db, TuneDbMode.ReadOnly);
            return store.All(new TuneFilter()).Count(r => r.Certification is { Ok: true });
        }
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
