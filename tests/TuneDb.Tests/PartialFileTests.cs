using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>What killed processes left beside a file that they wrote.</summary>
public sealed class PartialFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("picograd-partial").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string File(string name, double minutesAgo)
    {
        string path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, "half");
        System.IO.File.SetLastWriteTimeUtc(path, DateTime.UtcNow - TimeSpan.FromMinutes(minutesAgo));
        return path;
    }

    [Fact]
    public void ThoseOfCopiesAreRemovedToo()
    {
        string stale = File("copy.sqlite.abcd1234.xyz.partial", 60);
        string log = File("copy.sqlite.abcd1234.xyz.partial-wal", 60);
        string young = File("copy.sqlite.abcd1234.xy0.partial-wal", 1);
        string from = Path.Combine(_folder, "from.litedb");
        using (TuneDatabase.Open(from)) { }
        TuneDatabaseCopy.Copy(from, Path.Combine(_folder, "copy.sqlite"));
        Assert.False(System.IO.File.Exists(stale));
        Assert.False(System.IO.File.Exists(log));
        Assert.True(System.IO.File.Exists(young));
        Assert.Equal(
            ["copy.sqlite", "copy.sqlite.abcd1234.xy0.partial-wal", "from.litedb"],
            Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public void StaleOnesOfTheSameFileAreRemoved()
    {
        string stale = File("winners.txt.abcd1234.xyz.partial", 60);
        string young = File("winners.txt.abcd1234.xy0.partial", 1);
        string others = File("losers.txt.abcd1234.xyz.partial", 60);
        string own = File("winners.txt.mine.partial", 60);
        string written = File("winners.txt.zzzz9999.abc.partial", 60);
        using (new FileStream(written, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            using var store = new MemoryTuneStore();
            Assert.Equal(0, store.ExportFile(Path.Combine(_folder, "winners.txt")));
        }
        Assert.False(System.IO.File.Exists(stale));
        Assert.All([young, others, own, written], path => Assert.True(System.IO.File.Exists(path), path));
    }
}
