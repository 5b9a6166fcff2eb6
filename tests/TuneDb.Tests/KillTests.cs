using System.Globalization;
using Xunit.Abstractions;

namespace Picograd.Tests;

/// <summary>
/// Processes that write and are killed, many at once, and full disks: what was told as stored is there, and nothing is half there.
/// PICOGRAD_STORE_KILLS is the number of kills for each provider; 1,000 take half an hour.
/// </summary>
public sealed class KillTests(ITestOutputHelper output) : IDisposable
{
    private static readonly int Kills = int.TryParse(
        Environment.GetEnvironmentVariable("PICOGRAD_STORE_KILLS"),
        CultureInfo.InvariantCulture,
        out var kills
    )
        ? kills
        : 15;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_killed_process_loses_nothing_that_it_told_and_leaves_nothing_half(string provider)
    {
        var random = new Random(20261130);
        var path = _folder.File($"tune.{provider}");
        using var expected = new MemoryTuneStore();
        var (step, within, kills) = (0, 0, 0);
        while (kills < Kills)
        {
            using var process = HelperProcess.Start("steps", path, $"{step + 1}");
            var told = KillLater(process, random, first: "open");
            kills++;
            // Every step it told is done; the next one may be.
            var last = told.Count > 0 ? told[^1] : step;
            while (step < last)
            {
                StoreSteps.Do(expected, ++step);
            }

            if (!File.Exists(path))
            {
                continue;
            }

            using (var store = TuneDatabase.Open(path))
            {
                Assert.Empty(store.Verify().Problems);
                var found = StoreSteps.Text(store);
                if (found != StoreSteps.Text(expected))
                {
                    StoreSteps.Do(expected, ++step);
                    within++;
                    Assert.Equal(StoreSteps.Text(expected), found);
                }

                Assert.Equal(0, store.DamagedSkipped);
            }
        }

        output.WriteLine($"{provider}: {kills} kills in {step} steps; {within} changes were made and not yet told");
        Assert.True(step > kills / 2, $"only {step} steps were done between {kills} kills");
    }

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_killed_copy_is_not_there_or_whole(string provider)
    {
        var random = new Random(20261201);
        var from = _folder.File("from.litedb");
        using (var store = TuneDatabase.Open(from))
        {
            for (var step = 1; step < 120; step++)
            {
                StoreSteps.Do(store, step);
            }
        }

        using var original = TuneDatabase.Open(from, TuneDbMode.ReadOnly);
        var whole = 0;
        for (var kill = 0; kill < Math.Max(4, Kills / 10); kill++)
        {
            var to = _folder.File($"{kill}.{provider}");
            using var process = HelperProcess.Start("copy", from, to);
            process.WaitForExit(random.Next(100, 900));
            process.Kill();
            process.WaitForExit();
            if (File.Exists(to))
            {
                whole++;
                using var copy = TuneDatabase.Open(to, TuneDbMode.ReadOnly);
                Assert.Equal(StoreSteps.Text(original), StoreSteps.Text(copy));
                Assert.Equal(original.History(), copy.History());
                Assert.Empty(copy.Verify().Problems);
            }
        }

        output.WriteLine($"{provider}: {whole} copies were whole");
    }

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void Eight_writers_and_eight_readers_at_once_lose_and_disturb_nothing(string provider)
    {
        const int Workers = 8;
        var count = Math.Max(6, Kills / 10);
        var path = _folder.File($"tune.{provider}");
        TuneDatabase.Open(path).Dispose();
        var readers = Enumerable.Range(0, Workers).Select(_ => HelperProcess.Start("read", path)).ToList();
        var writers = Enumerable
            .Range(0, Workers)
            .Select(w => HelperProcess.Start("write", path, $"{w}", $"{count}"))
            .ToList();
        foreach (var writer in writers)
        {
            HelperProcess.Finish(writer);
            writer.Dispose();
        }

        var reads = 0;
        foreach (var reader in readers)
        {
            reader.StandardInput.Close();
            reads += int.Parse(HelperProcess.Finish(reader), CultureInfo.InvariantCulture);
            reader.Dispose();
        }

        output.WriteLine($"{provider}: {Workers * count * 3} changes beside {reads} reads of everything");
        using var store = TuneDatabase.Open(path);
        Assert.Empty(store.Verify().Problems);
        Assert.Equal((Workers * count) + 1, store.All().Count);
        Assert.Equal(Workers * count, store.Candidates().Distinct().Count());
        Assert.Equal(Workers * count * 2, store.History().Count);
        Assert.Equal(100 - (Workers - 1) - (count - 1), store.FindExact(SampleRecords.Key())!.Milliseconds);
    }

    [SkippableTheory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_full_disk_is_told_and_takes_nothing(string provider)
    {
        Skip.IfNot(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "mounting a small disk needs root");
        var disk = _folder.File("disk");
        Directory.CreateDirectory(disk);
        Skip.If(
            Run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk) != 0,
            "a small disk cannot be mounted here"
        );
        try
        {
            var path = Path.Combine(disk, $"tune.{provider}");
            var ballast = Path.Combine(disk, "ballast");
            File.WriteAllBytes(ballast, new byte[100_000]);
            Filled(path, HelperProcess.Start("fill", path), "DiskFull", "no space is left");
            // With some space it goes on.
            File.Delete(ballast);
            using var store = TuneDatabase.Open(path);
            Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record(SampleRecords.Key(m: 77_777))));
        }
        finally
        {
            Assert.Equal(0, Run("umount", disk));
        }
    }

    [SkippableTheory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_limit_of_file_sizes_is_told_and_takes_nothing(string provider)
    {
        Skip.IfNot(File.Exists("/bin/bash"), "no bash to set a limit with");
        var path = _folder.File($"tune.{provider}");
        var process = HelperProcess.StartCommand([
            "/bin/bash",
            "-c",
            // In units of 1,024 bytes. .NET's own memory counts as files, unless its pages are never writable and executable.
            "export DOTNET_EnableWriteXorExecute=0; trap '' XFSZ; ulimit -f 800; exec \"$0\" exec \"$1\" fill \"$2\"",
            HelperProcess.Dotnet,
            HelperProcess.Assembly,
            path,
        ]);
        Filled(path, process, "", "cannot be written", "SQLite reports error", "no space is left");
    }

    private static void Filled(string path, System.Diagnostics.Process process, string kind, params string[] reasons)
    {
        var lines = HelperProcess.Finish(process).Split('\n');
        process.Dispose();
        var stored = int.Parse(lines[^2], CultureInfo.InvariantCulture);
        Assert.StartsWith(kind, lines[^1]);
        Assert.Contains(reasons, reason => lines[^1].Contains(reason, StringComparison.Ordinal));
        Assert.Contains($"'{path}'", lines[^1]);
        using var store = TuneDatabase.Open(path, TuneDbMode.ReadOnly);
        Assert.Equal(stored, store.All().Count);
        Assert.Equal(stored, store.History().Count);
        Assert.Empty(store.Verify().Problems);
        Assert.True(stored > 10, $"only {stored} records were stored before the disk was full");
    }

    /// <summary>Kills the process some time after it told that it had opened the file; returns the steps that it told.</summary>
    private static List<int> KillLater(System.Diagnostics.Process process, Random random, string first)
    {
        // Of those that have not opened their file yet some are killed as well.
        var early = random.Next(10) == 0;
        var told = new List<int>();
        using var begun = new ManualResetEventSlim();
        using var ended = new ManualResetEventSlim();
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data == first)
            {
                begun.Set();
            }
            else if (int.TryParse(line.Data, CultureInfo.InvariantCulture, out var step))
            {
                told.Add(step);
            }
            else if (line.Data is null)
            {
                ended.Set();
            }
        };
        process.BeginOutputReadLine();
        if (early)
        {
            Thread.Sleep(random.Next(50, 300));
        }
        else
        {
            Assert.True(begun.Wait(TimeSpan.FromSeconds(120)), "the helper opened nothing within two minutes");
            var after = random.Next(0, 12);
            for (var wait = 0; wait < 60_000 && told.Count < after; wait++)
            {
                Thread.Sleep(1);
            }

            Thread.Sleep(random.Next(0, 30));
        }

        process.Kill();
        process.WaitForExit();
        Assert.True(ended.Wait(TimeSpan.FromSeconds(60)), "the helper's output did not end");
        Assert.Equal("", process.StandardError.ReadToEnd());
        return told;
    }

    private static int Run(params string[] command)
    {
        using var process = HelperProcess.StartCommand(command);
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
