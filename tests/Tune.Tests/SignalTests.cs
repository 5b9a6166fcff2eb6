using System.Diagnostics;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>The tool as a process of its own, ended by signals.</summary>
public sealed class SignalTests : IDisposable
{
    private const int Interrupt = 2;
    private const int Termination = 15;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Begins to tune two small operators for ten minutes, and returns when the first is stored.</summary>
    private Process Begin(out Task<string> errors)
    {
        // The one of few choices is settled in its first slice, long before the budget is spent; the other takes about a second
        // to settle once its search has ended, so that a second signal comes before that.
        string file = _folder.Write("specs", "tanh n=100\nmatmul m=768 n=768 k=768\n");
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            ArgumentList =
            {
                typeof(Tune.TuneCommand).Assembly.Location,
                "run",
                file,
                "--budget",
                "10m",
                "--db",
                _folder["db"],
            },
        };
        var process = Process.Start(start)!;
        errors = process.StandardError.ReadToEndAsync();
        var watch = Stopwatch.StartNew();
        while (Stored() == 0)
        {
            Assert.False(process.HasExited, "the process ended by itself");
            Assert.True(watch.Elapsed < Patience, "nothing was stored");
            Thread.Sleep(50);
        }
        return process;
    }

    private int Stored()
    {
        if (!File.Exists(_folder["db"]))
            return 0;
        try
        {
            using var store = TuneDatabase.Open(_folder["db"], TuneDbMode.ReadOnly);
            return store.All(new TuneFilter { Certified = true }).Count;
        }
        catch (TuneDbException)
        {
            // Being made.
            return 0;
        }
    }

    // By one process: after the first interrupt the tool may end within some ten milliseconds, if there is nothing to settle.
    private static void Send(Process process, params int[] signals) =>
        Process
            .Start(
                "sh",
                ["-c", string.Join(" && sleep 0.004 && ", signals.Select(s => $"kill -{s} {process.Id} 2>/dev/null"))]
            )
            .WaitForExit();

    private static List<int> Children(Process process) =>
        [
            .. Directory
                .EnumerateDirectories("/proc")
                .Select(d => int.TryParse(Path.GetFileName(d), out int id) ? id : 0)
                .Where(id => id > 0 && Parent(id) == process.Id),
        ];

    private static int Parent(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private void EndsAtOnceWithWhatIsThere(int code, string by, params int[] signals)
    {
        if (!OperatingSystem.IsLinux())
            return;
        Signals.SkipIfIgnored(signals[0]);
        using var process = Begin(out var errors);
        try
        {
            var workers = Children(process);
            Assert.NotEmpty(workers);
            var watch = Stopwatch.StartNew();
            Send(process, signals);
            Assert.True(process.WaitForExit(20_000), "it went on");
            Assert.Equal(code, process.ExitCode);
            string[] said = [.. errors.Result.Split('\n').Where(l => l.Contains("ended by"))];
            Assert.Contains($"tune: ended by {by}; ", Assert.Single(said));
            Assert.Contains("1 of 2 winners are certified and stored", said[0]);
            // What is there is whole, and nobody works on.
            Assert.Contains("1 sound record", ToolRun.Of("db", "verify", "--db", _folder["db"]).Succeeded());
            Assert.Equal(1, Stored());
            while (workers.Any(w => Directory.Exists($"/proc/{w}") && Parent(w) != 0 && IsAlive(w)))
            {
                Assert.True(watch.Elapsed < Patience, "a worker goes on");
                Thread.Sleep(50);
            }
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static bool IsAlive(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            // A zombie waits for whoever adopted it.
            return stat[stat.LastIndexOf(')') + 2] != 'Z';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [Fact]
    public void A_second_sigterm() =>
        EndsAtOnceWithWhatIsThere(143, "SIGTERM", Termination, Termination, Termination, Termination);

    [SkippableFact]
    public void A_second_interrupt() =>
        // Until it is gone: signals that come before the one before was seen are one.
        EndsAtOnceWithWhatIsThere(130, "a second interrupt", [.. Enumerable.Repeat(Interrupt, 200)]);

    [SkippableTheory]
    [InlineData(Interrupt, 130)]
    [InlineData(Termination, 143)]
    public async Task One_signal_ends_the_search_which_keeps_what_it_found(int signal, int code)
    {
        if (!OperatingSystem.IsLinux())
            return;
        Signals.SkipIfIgnored(signal);
        using var process = Begin(out var errors);
        var output = process.StandardOutput.ReadToEndAsync();
        try
        {
            Send(process, signal);
            Assert.True(process.WaitForExit((int)Patience.TotalMilliseconds), "it went on");
            Assert.Contains("tanh n=100", await output);
            Assert.DoesNotContain("ended by", await errors);
            Assert.Equal(code, process.ExitCode);
            Assert.True(Stored() >= 1);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
