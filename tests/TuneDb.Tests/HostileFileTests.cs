using System.Diagnostics;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Picograd.Tests;

/// <summary>Files that somebody made to do harm: refused, or harmless.</summary>
public sealed class HostileFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableTheory]
    [InlineData("")]
    [InlineData("-wal")]
    [InlineData("-journal")]
    public async Task A_pipe_is_refused_instead_of_waited_for(string suffix)
    {
        Skip.If(OperatingSystem.IsWindows(), "named pipes lie elsewhere");
        var path = _folder.File();
        if (suffix.Length > 0)
        {
            SqliteTuneStore.Open(path).Dispose();
        }

        MakePipe(path + suffix);
        foreach (var mode in Enum.GetValues<TuneDbMode>())
        {
            var opening = Task.Run(() => Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(path, mode)));
            var error = await opening.WaitAsync(TimeSpan.FromSeconds(20));
            Assert.Equal(TuneDbErrorKind.NotRegular, error.Kind);
            Assert.Contains("is a pipe", error.Message);
        }

        using var serving = TuneServing.OpenForServing(path);
        Assert.Contains("is a pipe", serving.Warning);
        using var store = new MemoryTuneStore();
        if (suffix.Length == 0)
        {
            var reading = Task.Run(() => Assert.Throws<TuneDbException>(() => store.ImportFile(path)));
            Assert.Contains("is a pipe", (await reading.WaitAsync(TimeSpan.FromSeconds(20))).Message);
            var writing = Task.Run(() => Assert.Throws<TuneDbException>(() => store.ExportFile(path)));
            Assert.Contains("is a pipe", (await writing.WaitAsync(TimeSpan.FromSeconds(20))).Message);
        }
    }

    [SkippableFact]
    public void Devices_are_refused_and_stay()
    {
        Skip.IfNot(File.Exists("/dev/null") && File.Exists("/dev/zero"), "no devices here");
        using var store = Filled();
        foreach (var device in new[] { "/dev/null", "/dev/zero" })
        {
            Assert.Equal(
                TuneDbErrorKind.NotRegular,
                Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(device)).Kind
            );
            Assert.Contains("is a device", Assert.Throws<TuneDbException>(() => store.ImportFile(device)).Message);
            Assert.Contains("is a device", Assert.Throws<TuneDbException>(() => store.ExportFile(device)).Message);
            var link = _folder.File("link" + Path.GetFileName(device));
            File.CreateSymbolicLink(link, device);
            Assert.Contains("is a device", Assert.Throws<TuneDbException>(() => store.ExportFile(link)).Message);
            Assert.True(new FileInfo(link).LinkTarget == device);
        }

        foreach (var stream in new[] { "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1" })
        {
            Assert.Contains(
                "'-' writes to the",
                Assert.Throws<TuneDbException>(() => store.ExportFile(stream)).Message
            );
        }
    }

    [SkippableFact]
    public void Exports_go_through_links_and_keep_them()
    {
        if (OperatingSystem.IsWindows())
        {
            Skip.If(true, "links need rights");
            return;
        }

        using var store = Filled();
        Directory.CreateDirectory(_folder.File("far"));
        var target = _folder.File("far/winners.txt");
        File.WriteAllText(target, "old");
        File.SetUnixFileMode(target, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var mode = File.GetUnixFileMode(target);
        File.CreateSymbolicLink(_folder.File("one"), target);
        File.CreateSymbolicLink(_folder.File("two"), _folder.File("one"));
        store.ExportFile(_folder.File("two"));
        Assert.Equal(_folder.File("one"), new FileInfo(_folder.File("two")).LinkTarget);
        Assert.StartsWith("picograd-winners", File.ReadAllText(target));
        Assert.Equal(mode, File.GetUnixFileMode(target));
        // A link to nothing yet makes its target.
        File.CreateSymbolicLink(_folder.File("new"), _folder.File("far/made.txt"));
        store.ExportFile(_folder.File("new"));
        Assert.StartsWith("picograd-winners", File.ReadAllText(_folder.File("far/made.txt")));
        // A circle is an error.
        File.CreateSymbolicLink(_folder.File("a"), _folder.File("b"));
        File.CreateSymbolicLink(_folder.File("b"), _folder.File("a"));
        Assert.Equal(
            TuneDbErrorKind.Io,
            Assert.Throws<TuneDbException>(() => store.ExportFile(_folder.File("a"))).Kind
        );
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.partial", SearchOption.AllDirectories));
    }

    [SkippableFact]
    public void Links_to_what_a_process_has_open_are_refused()
    {
        Skip.IfNot(Directory.Exists("/proc/self/fd"), "this system does not show open files");
        using var store = Filled();
        var log = _folder.File("log.txt");
        using (var open = new FileStream(log, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            open.Write("before"u8);
            open.Flush();
            File.CreateSymbolicLink(_folder.File("open"), $"/proc/self/fd/{open.SafeFileHandle.DangerousGetHandle()}");
            File.CreateSymbolicLink(_folder.File("far"), _folder.File("open"));
            foreach (var name in new[] { "open", "far" })
            {
                var refusal = Assert.Throws<TuneDbException>(() => store.ExportFile(_folder.File(name)));
                Assert.Contains("stands for an open file", refusal.Message);
            }

            open.Write(" and after"u8);
        }

        Assert.Equal("before and after", File.ReadAllText(log));
    }

    [Fact]
    public void A_failed_export_leaves_nothing_and_keeps_what_is_there()
    {
        using var store = Filled();
        Directory.CreateDirectory(_folder.File("folder"));
        Assert.Contains(
            "is a folder",
            Assert.Throws<TuneDbException>(() => store.ExportFile(_folder.File("folder"))).Message
        );
        Assert.Throws<TuneDbException>(() => store.ExportFile(_folder.File("none/winners.txt")));
        var file = _folder.File("kept.txt");
        File.WriteAllText(file, "kept");
        using (new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.None))
        {
            // Where the system locks open files the export fails, elsewhere it replaces the file whole.
            try
            {
                store.ExportFile(file);
            }
            catch (TuneDbException) when (OperatingSystem.IsWindows()) { }
        }

        Assert.Empty(Directory.GetFiles(_folder.Path, "*.partial", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_file_of_one_endless_line_is_refused_in_little_memory()
    {
        var path = _folder.File("line.txt");
        using (var writer = new StreamWriter(path))
        {
            writer.Write("picograd-winners 1\n");
            var piece = new string('x', 1 << 20);
            for (var i = 0; i < 100; i++)
            {
                writer.Write(piece);
            }
        }

        using var store = new MemoryTuneStore();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<TuneDbException>(() => store.ImportFile(path));
        Assert.Equal(TuneDbErrorKind.BadText, error.Kind);
        Assert.Contains("more than 262144 characters in line 2", error.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000_000);
    }

    [Fact]
    public void A_record_of_endless_lines_is_refused()
    {
        var text = new StringBuilder("picograd-winners 1\n\nrecord x\n");
        for (var i = 0; i < 300_000; i++)
        {
            text.Append("guard y\n");
        }

        using var store = new MemoryTuneStore();
        var error = Assert.Throws<TuneDbException>(() => store.Import(new StringReader(text.ToString())));
        Assert.Contains("a record of more than", error.Message);
    }

    public static TheoryData<string, Func<TuneRecord, TuneRecord>> Absurd =>
        new()
        {
            { "control characters", r => r with { Spec = "matmul \u001b[2J m=1" } },
            { "control characters", r => r with { Key = r.Key with { Target = "cpu\nserved yes" } } },
            { "control characters", r => r with { Provenance = r.Provenance with { Machine = "\u009b31m" } } },
            { "positive and finite", r => r with { Milliseconds = double.NaN } },
            { "positive and finite", r => r with { Milliseconds = double.NegativeInfinity } },
            { "positive and finite", r => r with { Milliseconds = -1 } },
            { "positive and finite", r => r with { Samples = [1, double.PositiveInfinity] } },
            {
                "in the year 9999",
                r =>
                    r with
                    {
                        Provenance = r.Provenance with { Utc = new DateTime(9999, 1, 1, 0, 0, 0, DateTimeKind.Utc) },
                    }
            },
            {
                "in the year 1",
                r =>
                    r with
                    {
                        Provenance = r.Provenance with { Utc = new DateTime(1, 1, 1, 0, 0, 0, DateTimeKind.Utc) },
                    }
            },
            { "Trace has 70000 characters", r => r with { Trace = new string('x', 70_000) } },
            { "Spec has 20000 characters", r => r with { Spec = new string('x', 20_000) } },
            { "guards", r => r with { Guards = [.. Enumerable.Repeat("align(A,64)", 1_000)] } },
            { "samples", r => r with { Samples = [.. Enumerable.Repeat(1.0, 20_000)] } },
        };

    [Theory]
    [MemberData(nameof(Absurd))]
    public void Absurd_contents_are_refused_by_stores_imports_and_look_ups(
        string reason,
        Func<TuneRecord, TuneRecord> change
    )
    {
        var record = change(SampleRecords.Record());
        using var store = new MemoryTuneStore();
        Assert.Contains(reason, Assert.Throws<ArgumentException>(() => store.Put(record)).Message);
        // Whoever writes the bytes himself makes the checksums match.
        var imported = store.Import(new StringReader(Forged.Export(record)));
        Assert.Equal(0, imported.Added);
        Assert.DoesNotContain(Assert.Single(imported.Problems), char.IsControl);
        var path = _folder.File();
        SqliteTuneStore.Open(path).Dispose();
        Forged.Insert(path, record);
        using var forged = SqliteTuneStore.Open(path, TuneDbMode.ReadOnly);
        Assert.Null(forged.FindExact(record.Key));
        Assert.Empty(forged.All());
        var problems = forged.Verify().Problems;
        Assert.NotEmpty(problems);
        Assert.All(problems, p => Assert.DoesNotContain(p, char.IsControl));
    }

    [Theory]
    [InlineData("CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END", "trigger 't'")]
    [InlineData("CREATE TRIGGER t BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'no'); END", "trigger 't'")]
    [InlineData("CREATE VIEW v AS SELECT 1", "view 'v'")]
    [InlineData("CREATE TABLE more (x)", "table 'more'")]
    public void Foreign_parts_are_told_by_verify_and_do_nothing(string sql, string part)
    {
        var path = _folder.File();
        SqliteTuneStore.Open(path).Dispose();
        Sql(path, sql);
        using var store = SqliteTuneStore.Open(path);
        var record = SampleRecords.Record();
        Assert.Equal(PutOutcome.Added, store.Put(record));
        Assert.Equal(record, store.FindExact(record.Key));
        Assert.Contains(part, Assert.Single(store.Verify().Problems));
        Assert.True(store.Remove(record.Key));
    }

    [Theory]
    [InlineData(
        "ALTER TABLE records RENAME TO old; CREATE VIEW records AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT old.* FROM old, c",
        true
    )]
    [InlineData("ALTER TABLE records ADD COLUMN extra TEXT", true)]
    [InlineData("DROP TABLE history", true)]
    [InlineData("CREATE INDEX i ON records (length(zeroblob(100000000)))", false)]
    [InlineData("DROP INDEX records_place", false)]
    public async Task A_changed_schema_is_refused(string sql, bool forReading)
    {
        var path = _folder.File();
        using (var store = SqliteTuneStore.Open(path))
        {
            store.Put(SampleRecords.Record());
        }

        Sql(path, sql);
        var opening = Task.Run(() => Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(path)));
        Assert.Contains("was changed by another program", (await opening.WaitAsync(TimeSpan.FromSeconds(20))).Message);
        using var serving = TuneServing.OpenForServing(path);
        Assert.Equal(forReading, serving.Warning is not null);
        var looking = Task.Run(() => serving.FindExact(SampleRecords.Key()));
        Assert.Equal(forReading, await looking.WaitAsync(TimeSpan.FromSeconds(20)) is null);
    }

    [Fact]
    public void A_trigger_planted_in_an_open_file_does_nothing()
    {
        var path = _folder.File();
        using var store = SqliteTuneStore.Open(path);
        Sql(path, "CREATE TRIGGER t AFTER INSERT ON records BEGIN UPDATE records SET certified = 1; END");
        store.Put(SampleRecords.Record(certified: false));
        Assert.Null(store.FindExact(SampleRecords.Key()));
        Assert.Contains("trigger 't'", Assert.Single(store.Verify().Problems));
    }

    [Fact]
    public void Every_version_of_the_schema_is_recognised()
    {
        var path = _folder.File();
        Sql(path, Version1Sql());
        using (var old = SqliteTuneStore.Open(path, TuneDbMode.ReadOnly))
        {
            Assert.DoesNotContain(old.Verify().Problems, p => p.Contains("schema"));
        }

        using var store = SqliteTuneStore.Open(path);
        Assert.DoesNotContain(store.Verify().Problems, p => p.Contains("schema"));
    }

    private static string Version1Sql() => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Version1.sql"));

    private MemoryTuneStore Filled()
    {
        var store = new MemoryTuneStore();
        store.Put(SampleRecords.Record());
        return store;
    }

    private static void MakePipe(string path)
    {
        using var process = Process.Start("mkfifo", path);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private static void Sql(string path, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
