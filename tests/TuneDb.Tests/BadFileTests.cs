using Microsoft.Data.Sqlite;

namespace Picograd.Tests;

/// <summary>Files that are not what they should be: one clear sentence, and models run on.</summary>
public sealed class BadFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_truncated_file_is_named_as_such_at_every_length()
    {
        var path = Filled(records: 200);
        var whole = File.ReadAllBytes(path);
        Assert.True(whole.Length > 100_000, $"the sample file has only {whole.Length} bytes");
        int[] lengths = [1, 15, 16, 60, 99, 100, 1000, 4096, 4097, 8192, 40960, whole.Length / 2, whole.Length - 1];
        foreach (var length in lengths)
        {
            File.WriteAllBytes(path, whole[..length]);
            Refused(path, TuneDbErrorKind.Truncated, $"is truncated: it is {length} bytes long");
            Assert.Equal(length, new FileInfo(path).Length);
        }
    }

    [Fact]
    public void A_file_truncated_under_a_pending_log_gives_no_wrong_answer()
    {
        var path = Filled(records: 50);
        using (var writer = SqliteTuneStore.Open(path))
        {
            writer.Put(SampleRecords.Record(SampleRecords.Key(m: 9999)));
            File.Copy(path, _folder.File("copy.sqlite"));
            File.Copy(path + "-wal", _folder.File("copy.sqlite-wal"));
        }

        using (var stream = File.OpenWrite(_folder.File("copy.sqlite")))
        {
            stream.SetLength(stream.Length / 2);
        }

        using var serving = TuneServing.OpenForServing(_folder.File("copy.sqlite"));
        var found = 0;
        for (var m = 1; m <= 50; m++)
        {
            var key = SampleRecords.Key(m: m);
            if (serving.FindExact(key) is { } record)
            {
                Assert.Equal(SampleRecords.Record(key), record);
                found++;
            }
        }

        Assert.True(found < 50, "half of the file is missing, yet every record was found");
        Assert.NotNull(serving.Warning);
    }

    [Fact]
    public void A_foreign_file_is_refused_and_left_as_it_is()
    {
        var path = _folder.File("notes.txt");
        File.WriteAllText(path, "These are notes, not a database.");
        Refused(path, TuneDbErrorKind.Foreign, "is not a SQLite database", "is not a LiteDB or a SQLite database");
        Assert.Equal("These are notes, not a database.", File.ReadAllText(path));
    }

    [Fact]
    public void Noise_behind_the_right_magic_is_refused()
    {
        var path = _folder.File();
        var bytes = new byte[20000];
        new Random(1).NextBytes(bytes);
        "SQLite format 3\0"u8.CopyTo(bytes);
        File.WriteAllBytes(path, bytes);
        var error = Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(path));
        Assert.True(error.Kind is TuneDbErrorKind.Foreign or TuneDbErrorKind.Truncated, error.Message);
        Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_database_of_another_application_is_refused_and_left_as_it_is()
    {
        var path = _folder.File();
        Sql(path, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')");
        var before = File.ReadAllBytes(path);
        Refused(path, TuneDbErrorKind.Foreign, "is a SQLite database of another application");
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_newer_schema_is_refused_and_left_as_it_is()
    {
        var path = Filled();
        Sql(path, "PRAGMA user_version=5");
        var before = File.ReadAllBytes(path);
        Refused(
            path,
            TuneDbErrorKind.NewerSchema,
            "has schema version 5, but this version of Picograd knows versions up to 4"
        );
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_file_migrated_to_a_newer_schema_while_open_is_not_written()
    {
        var path = Filled();
        using var store = SqliteTuneStore.Open(path);
        Sql(path, "PRAGMA user_version=5");
        var error = Assert.Throws<TuneDbException>(() => store.Put(SampleRecords.Record(SampleRecords.Key(m: 77))));
        Assert.Equal(TuneDbErrorKind.NewerSchema, error.Kind);
    }

    [Fact]
    public void A_directory_is_refused() => Refused(_folder.Path, TuneDbErrorKind.PathIsDirectory, "is a directory");

    [Fact]
    public void A_missing_directory_is_named()
    {
        var path = Path.Combine(_folder.Path, "none", "tune.sqlite");
        var error = Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(path));
        Assert.Equal(TuneDbErrorKind.DirectoryMissing, error.Kind);
        Assert.Contains($"the directory '{Path.Combine(_folder.Path, "none")}' does not exist", error.Message);
        OneSentence(error.Message);
        Served(path, "does not exist");
    }

    [Fact]
    public void A_missing_file_is_refused_for_reading_and_not_created()
    {
        var path = _folder.File();
        var error = Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(path, TuneDbMode.ReadOnly));
        Assert.Equal(TuneDbErrorKind.FileMissing, error.Kind);
        OneSentence(error.Message);
        Served(path, "does not exist");
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void An_empty_file_is_refused_for_reading_and_filled_for_writing()
    {
        var path = _folder.File();
        File.WriteAllBytes(path, []);
        var error = Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(path, TuneDbMode.ReadOnly));
        Assert.Equal(TuneDbErrorKind.Truncated, error.Kind);
        Served(path, "is empty");
        using var store = SqliteTuneStore.Open(path);
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record()));
    }

    [Fact]
    public void A_store_opened_for_reading_refuses_to_write()
    {
        var path = Filled();
        using var store = SqliteTuneStore.Open(path, TuneDbMode.ReadOnly);
        Assert.NotNull(store.FindExact(SampleRecords.Key(m: 1)));
        Action[] writes =
        [
            () => store.Put(SampleRecords.Record()),
            () => store.AppendCandidates([SampleRecords.Candidate()]),
            () => store.Remove(SampleRecords.Key()),
            () => store.Prune(new TunePruneOptions()),
        ];
        foreach (var write in writes)
        {
            var error = Assert.Throws<TuneDbException>(write);
            Assert.Equal(TuneDbErrorKind.ReadOnly, error.Kind);
            Assert.Contains("was opened for reading only", error.Message);
        }

        Assert.Empty(store.Verify().Problems);
    }

    [Fact]
    public void A_file_held_by_another_for_too_long_is_named_as_such()
    {
        var path = Filled();
        using var store = SqliteTuneStore.Open(path, busyTimeout: TimeSpan.FromMilliseconds(100));
        using var other = new SqliteConnection($"Data Source={path};Pooling=False");
        other.Open();
        Execute(other, "BEGIN IMMEDIATE");
        var error = Assert.Throws<TuneDbException>(() => store.Put(SampleRecords.Record()));
        Assert.Equal(TuneDbErrorKind.Busy, error.Kind);
        OneSentence(error.Message);
        // Reading goes on meanwhile, and writing afterwards.
        Assert.NotNull(store.FindExact(SampleRecords.Key(m: 1)));
        Execute(other, "ROLLBACK");
        Assert.Equal(PutOutcome.Added, store.Put(SampleRecords.Record()));
    }

    [Theory]
    [InlineData("UPDATE records SET trace = 'unroll everything' WHERE shapes LIKE 'm=1,%'")]
    [InlineData("UPDATE records SET milliseconds = 0.000001 WHERE shapes LIKE 'm=1,%'")]
    [InlineData("UPDATE records SET guards = '' WHERE shapes LIKE 'm=1,%'")]
    [InlineData("UPDATE records SET utc = 'yesterday' WHERE shapes LIKE 'm=1,%'")]
    [InlineData("UPDATE records SET samples = '1 2 x' WHERE shapes LIKE 'm=1,%'")]
    [InlineData("UPDATE records SET origin = 'imported' WHERE shapes LIKE 'm=1,%'")]
    [InlineData("UPDATE records SET target = 'another' WHERE shapes LIKE 'm=1,%'")]
    public void A_damaged_record_is_skipped_told_replaced_and_pruned(string damage)
    {
        var path = Filled();
        Sql(path, damage);
        using var store = SqliteTuneStore.Open(path);
        Assert.Null(store.FindExact(SampleRecords.Key(m: 1)));
        Assert.Equal(1, store.DamagedSkipped);
        Assert.DoesNotContain(store.FindNear(SampleRecords.Key(m: 3), 10), r => r.Key.Shapes.StartsWith("m=1,"));
        Assert.NotNull(store.FindExact(SampleRecords.Key(m: 2)));
        Assert.Equal(4, store.All().Count);
        var report = store.Verify();
        Assert.Contains("The record of 'matmul m=1 n=3072 k=768'", Assert.Single(report.Problems));
        Assert.Equal(4, report.Records);

        // A slower one takes the place of a damaged one.
        Assert.Equal(PutOutcome.Replaced, store.Put(SampleRecords.Record(SampleRecords.Key(m: 1), milliseconds: 1e9)));
        Assert.True(store.Verify().Ok);
        Sql(path, damage);
        Assert.Equal(1, store.Prune(new TunePruneOptions { Damaged = true }).Records);
        Assert.True(store.Verify().Ok);
        Assert.Equal(4, store.All().Count);
    }

    [Fact]
    public void A_record_forged_into_certification_is_not_served()
    {
        var path = _folder.File();
        using (var store = SqliteTuneStore.Open(path))
        {
            store.Put(SampleRecords.Record(certified: false));
        }

        Sql(path, "UPDATE records SET certified = 1");
        using var serving = TuneServing.OpenForServing(path);
        Assert.Null(serving.FindExact(SampleRecords.Key()));
        Assert.Empty(serving.FindNear(SampleRecords.Key(m: 1), 5));
    }

    [Fact]
    public void A_record_moved_to_another_key_is_not_served()
    {
        var path = Filled();
        Sql(
            path,
            "DELETE FROM records WHERE shapes LIKE 'm=2,%'; "
                + $"UPDATE records SET key_hash = '{SampleRecords.Key(m: 2).Hash}' WHERE shapes LIKE 'm=1,%'"
        );
        using var store = SqliteTuneStore.Open(path);
        Assert.Null(store.FindExact(SampleRecords.Key(m: 2)));
        Assert.Contains("the hash of its key is stored as", Assert.Single(store.Verify().Problems));
    }

    [Fact]
    public void Damaged_history_is_skipped_and_told()
    {
        var path = Filled();
        Sql(path, "UPDATE history SET body = replace(body, 'plateau', 'budget') WHERE id = 2");
        using var store = SqliteTuneStore.Open(path);
        Assert.Equal(4, store.History().Count);
        Assert.Contains("Entry 2 of the history is unsound", Assert.Single(store.Verify().Problems));
        Assert.Equal(1, store.Prune(new TunePruneOptions { Damaged = true }).History);
        Assert.True(store.Verify().Ok);
    }

    [Fact]
    public void Bytes_overwritten_at_random_never_give_a_wrong_record()
    {
        var path = Filled(records: 60);
        var whole = File.ReadAllBytes(path);
        var random = new Random(99);
        var damaged = 0;
        for (var round = 0; round < 40; round++)
        {
            var bytes = (byte[])whole.Clone();
            // The 16 first bytes are covered by the tests of foreign files.
            for (var i = 0; i < 200; i++)
            {
                bytes[random.Next(16, bytes.Length)] = (byte)random.Next(256);
            }

            var copy = _folder.File($"damaged-{round}.sqlite");
            File.WriteAllBytes(copy, bytes);
            using var serving = TuneServing.OpenForServing(copy);
            for (var m = 1; m <= 60; m++)
            {
                var key = SampleRecords.Key(m: m);
                if (serving.FindExact(key) is { } record)
                {
                    Assert.Equal(SampleRecords.Record(key), record);
                }
                else
                {
                    damaged++;
                }
            }
        }

        Assert.True(damaged > 0, "the damage hit nothing, so nothing was tested");
    }

    private string Filled(int records = 5)
    {
        var path = _folder.File();
        using var store = SqliteTuneStore.Open(path);
        for (var m = 1; m <= records; m++)
        {
            store.Put(SampleRecords.Record(SampleRecords.Key(m: m)));
        }

        return path;
    }

    private static void Refused(string path, TuneDbErrorKind kind, string reason, string? served = null)
    {
        foreach (var mode in Enum.GetValues<TuneDbMode>())
        {
            var error = Assert.Throws<TuneDbException>(() => SqliteTuneStore.Open(path, mode));
            Assert.Equal(kind, error.Kind);
            Assert.Equal(path, error.Path);
            Assert.Contains($"'{path}'", error.Message);
            Assert.Contains(reason, error.Message);
            OneSentence(error.Message);
        }

        Served(path, served ?? reason);
    }

    /// <summary>Whatever the file is, look-ups answer "nothing" and there is one sentence to show.</summary>
    private static void Served(string path, string reason)
    {
        using var serving = TuneServing.OpenForServing(path);
        Assert.Contains(reason, serving.Warning);
        Assert.EndsWith("models run on default schedules meanwhile.", serving.Warning);
        Assert.False(serving.HasDatabase);
        Assert.Null(serving.FindExact(SampleRecords.Key()));
        Assert.Empty(serving.FindNear(SampleRecords.Key(), 3));
    }

    private static void OneSentence(string message)
    {
        Assert.EndsWith(".", message);
        Assert.DoesNotContain("\n", message);
        Assert.DoesNotContain(". ", message);
    }

    private static void Sql(string path, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        Execute(connection, sql);
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
