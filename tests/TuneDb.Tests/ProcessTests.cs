using System.Diagnostics;
using System.Globalization;

namespace Picograd.Tests;

/// <summary>Several processes on one file, and processes that are killed.</summary>
public sealed class ProcessTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void Four_processes_create_and_fill_one_file_without_losing_anything(string provider)
    {
        const int Workers = 4;
        const int Count = 40;
        var path = _folder.File($"tune.{provider}");
        var processes = Enumerable
            .Range(0, Workers)
            .Select(w => HelperProcess.Start("write", path, $"{w}", $"{Count}"))
            .ToList();
        foreach (var process in processes)
        {
            HelperProcess.Finish(process);
            process.Dispose();
        }

        using var store = TuneDatabase.Open(path);
        Assert.Empty(store.Verify().Problems);
        Assert.Equal((Workers * Count) + 1, store.All().Count);
        Assert.Equal(Workers * Count, store.Candidates().Distinct().Count());
        Assert.Equal(Workers * Count * 2, store.History().Count);
        // The fastest offer won, in whatever order the offers came.
        Assert.Equal(100 - (Workers - 1) - (Count - 1), store.FindExact(SampleRecords.Key())!.Milliseconds);
    }

    [Fact]
    public void Opening_an_sqlite_file_again_leaves_the_locks_of_the_first_opening()
    {
        var path = _folder.File("tune.sqlite");
        using var first = TuneDatabase.Open(path);
        first.Put(SampleRecords.Record());
        TuneDatabase.Open(path, TuneDbMode.ReadOnly).Dispose();
        TuneDatabase.Open($"sqlite:{path}", TuneDbMode.ReadOnly).Dispose();
        using (var other = HelperProcess.Start("write", path, "1", "1"))
        {
            HelperProcess.Finish(other);
        }

        // Whoever is the last to close the file removes its log; this process has it open.
        Assert.True(File.Exists(path + "-wal"));
        first.Dispose();
        Assert.False(File.Exists(path + "-wal"));
        using var again = TuneDatabase.Open(path);
        Assert.Equal(2, again.All().Count);
    }

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void Killing_a_writer_loses_at_most_the_candidate_in_flight(string provider)
    {
        var path = _folder.File($"tune.{provider}");
        var random = new Random(20260304);
        for (var round = 0; round < 6; round++)
        {
            using var process = HelperProcess.Start("hammer", path);
            var acknowledged = -1;
            using var started = new ManualResetEventSlim();
            process.OutputDataReceived += (_, line) =>
            {
                if (line.Data is { } text)
                {
                    acknowledged = int.Parse(text, CultureInfo.InvariantCulture);
                    started.Set();
                }
            };
            process.BeginOutputReadLine();
            Assert.True(started.Wait(TimeSpan.FromSeconds(60)), "the helper wrote nothing within a minute");
            Thread.Sleep(random.Next(5, 120));
            process.Kill();
            process.WaitForExit();

            using var store = TuneDatabase.Open(path);
            Assert.Empty(store.Verify().Problems);
            var candidates = store.Candidates();
            Assert.InRange(candidates.Count, acknowledged + 1, acknowledged + 2);
            Assert.All(candidates.Index(), pair => Assert.Equal(SampleRecords.Candidate(index: pair.Index), pair.Item));
            Assert.Equal(0, store.DamagedSkipped);
        }
    }

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void Killing_a_process_that_creates_the_file_leaves_one_that_opens(string provider)
    {
        var random = new Random(20260305);
        var begun = 0;
        for (var round = 0; round < 10; round++)
        {
            var path = _folder.File($"{round}.{provider}");
            using var process = HelperProcess.Start("hammer", path);
            _ = process.StandardOutput.ReadToEndAsync();
            for (var wait = 0; wait < 60_000 && !File.Exists(path) && !process.HasExited; wait++)
            {
                Thread.Sleep(1);
            }

            // Creating takes some 20 ms from the moment the file appears.
            Thread.Sleep(random.Next(0, 20));
            process.Kill();
            process.WaitForExit();
            begun += File.Exists(path) ? 1 : 0;

            using var store = TuneDatabase.Open(path);
            Assert.Empty(store.Verify().Problems);
            store.Put(SampleRecords.Record());
        }

        Assert.True(begun > 0, "no process had begun to create its file, so nothing was tested");
    }

    [Theory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_reader_sees_what_another_process_writes_later(string provider)
    {
        var path = _folder.File($"tune.{provider}");
        TuneDatabase.Open(path).Dispose();
        using var serving = TuneServing.OpenForServing(path);
        Assert.Null(serving.FindExact(SampleRecords.Key()));
        using var process = HelperProcess.Start("write", path, "0", "1");
        HelperProcess.Finish(process);
        Assert.NotNull(serving.FindExact(SampleRecords.Key()));
        Assert.Null(serving.Warning);
    }
}
