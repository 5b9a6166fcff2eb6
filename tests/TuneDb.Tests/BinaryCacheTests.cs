using Microsoft.Data.Sqlite;

namespace Picograd.Tests;

/// <summary>Compiled kernels in the database file.</summary>
public sealed class BinaryCacheTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static byte[] Code(byte value, int length = 1000) => [.. Enumerable.Repeat(value, length)];

    [Fact]
    public void What_was_put_is_found_by_another_process_and_the_first_stays()
    {
        var path = _folder.File("db.sqlite");
        using (var store = SqliteTuneStore.Open(path))
        {
            Assert.Null(store.FindBinary("a"));
            store.PutBinary("a", Code(1), "log of a");
            store.PutBinary("a", Code(2), "another");
        }

        using var again = SqliteTuneStore.Open(path, TuneDbMode.ReadOnly);
        var found = again.FindBinary("a")!;
        Assert.Equal(Code(1), found.Code);
        Assert.Equal("log of a", found.Log);
        Assert.Equal(new BinaryStatistics(1, 1008), again.Binaries());
        Assert.Empty(again.Verify().Problems);
    }

    [Fact]
    public void The_least_recently_used_go_when_the_bound_is_passed()
    {
        var path = _folder.File("db.sqlite");
        using var store = SqliteTuneStore.Open(path);
        store.MostBinaryBytes = 2500;
        store.PutBinary("a", Code(1), "");
        store.PutBinary("b", Code(2), "");
        Age(path, "a", hours: 30);
        Age(path, "b", hours: 20);
        // Asking renews its time.
        Assert.NotNull(store.FindBinary("a"));
        store.PutBinary("c", Code(3), "");
        Assert.Null(store.FindBinary("b"));
        Assert.NotNull(store.FindBinary("a"));
        Assert.NotNull(store.FindBinary("c"));
        Assert.Equal(2, store.Binaries().Count);
    }

    [Fact]
    public void A_damaged_one_is_not_served_and_goes()
    {
        var path = _folder.File("db.sqlite");
        using var store = SqliteTuneStore.Open(path);
        store.PutBinary("a", Code(1), "log");
        Execute(path, "UPDATE binaries SET log = 'changed'");
        Assert.Contains("compiled kernel a", Assert.Single(store.Verify().Problems));
        Assert.Null(store.FindBinary("a"));
        Assert.Equal(1, store.DamagedSkipped);
        Assert.Equal(0, store.Binaries().Count);
    }

    [Fact]
    public void Pruning_removes_them_by_age_or_altogether()
    {
        var path = _folder.File("db.sqlite");
        using var store = SqliteTuneStore.Open(path);
        store.PutBinary("a", Code(1), "");
        store.PutBinary("b", Code(2), "");
        Age(path, "a", hours: 50);
        Assert.Equal(1, store.Prune(new TunePruneOptions { OlderThan = DateTime.UtcNow.AddDays(-1) }).Binaries);
        Assert.NotNull(store.FindBinary("b"));
        Assert.Equal(1, store.Prune(new TunePruneOptions { Binaries = true }).Binaries);
        Assert.Equal(new BinaryStatistics(0, 0), store.Binaries());
    }

    private static void Age(string path, string key, int hours) =>
        Execute(
            path,
            $"UPDATE binaries SET used_utc = '{DateTime.UtcNow.AddHours(-hours):yyyy-MM-ddTHH:mm:ss.fffffff}Z' WHERE key = '{key}'"
        );

    private static void Execute(string path, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        Assert.Equal(1, command.ExecuteNonQuery());
    }
}
