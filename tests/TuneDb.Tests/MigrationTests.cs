using Microsoft.Data.Sqlite;

namespace Picograd.Tests;

public sealed class MigrationTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_of_version_1_is_migrated_without_loss()
    {
        var path = Version1();
        using (var store = SqliteTuneStore.Open(path))
        {
            Holds(store);
            store.AppendCandidate(SampleRecords.Candidate(index: 3) with { Outcome = "hung" });
            Assert.Equal("hung", store.Candidates()[^1].Outcome);
        }

        Assert.Equal(4L, Scalar(path, "PRAGMA user_version"));
        // A migrated file has the schema of a new one.
        SqliteTuneStore.Open(_folder.File("new.sqlite")).Dispose();
        const string Schema =
            "SELECT group_concat(name || ' ' || sql, char(10)) FROM (SELECT * FROM sqlite_schema ORDER BY name)";
        Assert.Equal(Scalar(_folder.File("new.sqlite"), Schema), Scalar(path, Schema));
    }

    [Fact]
    public void A_file_of_version_1_is_read_without_being_migrated()
    {
        var path = Version1();
        using (var store = SqliteTuneStore.Open(path, TuneDbMode.ReadOnly))
        {
            Holds(store);
        }

        Assert.Equal(1L, Scalar(path, "PRAGMA user_version"));
    }

    [Fact]
    public void Several_processes_may_migrate_at_once()
    {
        var path = Version1();
        var processes = Enumerable.Range(0, 3).Select(_ => HelperProcess.Start("try", path, "rw")).ToList();
        foreach (var process in processes)
        {
            Assert.Equal("ok 1", HelperProcess.Finish(process));
            process.Dispose();
        }

        using var store = SqliteTuneStore.Open(path);
        Assert.Empty(store.Verify().Problems);
    }

    private static void Holds(SqliteTuneStore store)
    {
        Assert.Empty(store.Verify().Problems);
        Assert.Equal(SampleRecords.Record(), store.FindExact(SampleRecords.Key()));
        Assert.Equal([SampleRecords.Record()], store.History().Select(entry => entry.Record));
        Assert.Equal(
            [("timed", 2.5), ("unrecorded", null)],
            store.Candidates().Select(c => (c.Outcome, c.Milliseconds)).ToArray()
        );
    }

    /// <summary>A file as version 1 of the schema left it, with one record, its history and two candidates.</summary>
    private string Version1()
    {
        var path = _folder.File("version-1.sqlite");
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Version1.sql"))
            .ReplaceLineEndings("\n");
        command.ExecuteNonQuery();
        return path;
    }

    private static object? Scalar(string path, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }
}
