using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

[Collection(nameof(EnvironmentCollection))]
public sealed class BinaryStoreTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("picograd-cubins-");

    private string FolderPath => Path.Combine(_folder.FullName, "made", "when", "needed");

    public void Dispose() => _folder.Delete(recursive: true);

    private static byte[] Binary(byte value, int bytes = 1000) => [.. Enumerable.Repeat(value, bytes)];

    [Fact]
    public void AnotherProcessFindsWhatWasStored()
    {
        var folder = new BinaryFolder(FolderPath);
        Assert.Null(folder.Find("a"));
        Assert.Equal((0, 0L), folder.Statistics());
        folder.Put("a", Binary(1));
        folder.Put("b", Binary(2, 0));
        var other = new BinaryFolder(FolderPath);
        Assert.Equal(Binary(1), other.Find("a"));
        Assert.Empty(other.Find("b")!);
        Assert.Equal(2, other.Statistics().Count);
        Assert.Equal(2, Directory.GetFiles(FolderPath).Length);
    }

    [Fact]
    public void WhatIsThereStays()
    {
        new BinaryFolder(FolderPath).Put("a", Binary(1));
        new BinaryFolder(FolderPath).Put("a", Binary(2));
        Assert.Equal(1, new BinaryFolder(FolderPath).Find("a")![0]);
    }

    [Fact]
    public void ADamagedFileAtAnyByteIsDroppedAndCompiledAgain()
    {
        new BinaryFolder(FolderPath).Put("a", Binary(1, 40));
        string file = Assert.Single(Directory.GetFiles(FolderPath));
        byte[] good = File.ReadAllBytes(file);
        for (int at = 0; at < good.Length; at++)
        {
            byte[] bad = [.. good];
            bad[at] ^= 1;
            File.WriteAllBytes(file, bad);
            Assert.Null(new BinaryFolder(FolderPath).Find("a"));
            Assert.False(File.Exists(file));
            File.WriteAllBytes(file, good[..at]);
            Assert.Null(new BinaryFolder(FolderPath).Find("a"));
        }
        new BinaryFolder(FolderPath).Put("a", Binary(1, 40));
        Assert.Equal(good, File.ReadAllBytes(file));
    }

    [Fact]
    public void TheLeastRecentlyUsedGoFirst()
    {
        var folder = new BinaryFolder(FolderPath, mostBytes: 2500);
        folder.Put("a", Binary(1));
        folder.Put("b", Binary(2));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "a.cubin"), DateTime.UtcNow.AddDays(-2));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "b.cubin"), DateTime.UtcNow.AddDays(-1));
        // Its use is what makes it newer than the other.
        Assert.NotNull(new BinaryFolder(FolderPath).Find("a"));
        folder.Put("c", Binary(3));
        var other = new BinaryFolder(FolderPath);
        Assert.NotNull(other.Find("a"));
        Assert.Null(other.Find("b"));
        Assert.NotNull(other.Find("c"));
        Assert.InRange(other.Statistics().Bytes, 1, 2500);
    }

    [Fact]
    public void PruneRemovesWhatIsOldOrAll()
    {
        var folder = new BinaryFolder(FolderPath);
        folder.Put("a", Binary(1));
        folder.Put("b", Binary(2));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "a.cubin"), DateTime.UtcNow.AddDays(-2));
        Assert.Equal(1, folder.Prune(DateTime.UtcNow.AddDays(-1)));
        Assert.Equal(1, folder.Statistics().Count);
        Assert.Equal(1, folder.Prune(null));
        Assert.Equal(0, new BinaryFolder(FolderPath).Statistics().Count);
    }

    [Fact]
    public void HalvesThatKilledWritersLeftAreRemoved()
    {
        new BinaryFolder(FolderPath).Put("a", Binary(1));
        string old = Path.Combine(FolderPath, "b.cubin.17-0123456789abcdef");
        string young = Path.Combine(FolderPath, "c.cubin.18-0123456789abcdef");
        File.WriteAllText(old, "half");
        File.WriteAllText(young, "half");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-1));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "a.cubin"), DateTime.UtcNow.AddHours(-1));
        var folder = new BinaryFolder(FolderPath);
        folder.Put("d", Binary(2));
        Assert.False(File.Exists(old));
        Assert.True(File.Exists(young));
        Assert.NotNull(folder.Find("a"));
        Assert.NotNull(folder.Find("d"));
    }

    [Fact]
    public void AFolderThatCannotBeMadeCostsNothingElse()
    {
        string file = Path.Combine(_folder.FullName, "file");
        File.WriteAllText(file, "no folder");
        var folder = new BinaryFolder(Path.Combine(file, "below"));
        folder.Put("a", Binary(1));
        Assert.Null(folder.Find("a"));
        Assert.False(folder.Remove("a"));
        Assert.Equal((0, 0L), folder.Statistics());
    }

    [Fact]
    public void ManyWritersOfOneKeyLeaveOneWholeFile()
    {
        System.Threading.Tasks.Parallel.For(
            0,
            64,
            i =>
            {
                var folder = new BinaryFolder(FolderPath);
                folder.Put($"k{i % 4}", Binary((byte)(i % 4), 20_000));
                Assert.Equal(i % 4, new BinaryFolder(FolderPath).Find($"k{i % 4}")![0]);
            }
        );
        Assert.Equal(4, Directory.GetFiles(FolderPath).Length);
    }

    [Fact]
    public void EveryStoreKeepsBinaries()
    {
        Environment.SetEnvironmentVariable(BinaryFolder.Variable, FolderPath);
        try
        {
            foreach (var provider in TuneProviders.All.Where(p => !p.IsServer))
            {
                string file = Path.Combine(_folder.FullName, "db" + provider.Extensions[0]);
                using (var database = TuneDatabase.Open(file))
                    Contract(database.Binaries);
                Contract(TuneDatabase.BinariesOf($"{provider.Name}:{file}"));
            }
        }
        finally
        {
            Environment.SetEnvironmentVariable(BinaryFolder.Variable, null);
        }
        using var memory = new MemoryTuneStore();
        Contract(memory.Binaries);
    }

    private static void Contract(IBinaryStore store)
    {
        store.Prune(null);
        Assert.Null(store.Find("a"));
        Assert.False(store.Remove("a"));
        store.Put("a", Binary(1));
        store.Put("a", Binary(2));
        store.Put("b", []);
        Assert.Equal(Binary(1), store.Find("a"));
        Assert.Empty(store.Find("b")!);
        Assert.Equal(2, store.Statistics().Count);
        Assert.Equal(0, store.Prune(DateTime.UtcNow.AddDays(-1)));
        Assert.True(store.Remove("a"));
        Assert.Null(store.Find("a"));
        Assert.Equal(1, store.Prune(null));
        Assert.Equal((0, 0L), store.Statistics());
        Assert.NotEmpty(store.Place);
    }
}
