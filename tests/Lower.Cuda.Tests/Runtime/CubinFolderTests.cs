using Picograd.Lower.Cuda;
using Xunit;

namespace Picograd.Tests;

public sealed class CubinFolderTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("picograd-cubins-");

    private string FolderPath => Path.Combine(_folder.FullName, "made", "when", "needed");

    public void Dispose() => _folder.Delete(recursive: true);

    private static CachedCubin Cubin(byte value, int bytes = 1000) =>
        new([.. Enumerable.Repeat(value, bytes)], $"log of {value}, ü");

    [Fact]
    public void AnotherProcessFindsWhatWasStored()
    {
        var folder = new CubinFolder(FolderPath);
        Assert.Null(folder.Find("a"));
        Assert.Equal((0, 0L), folder.Statistics());
        folder.Put("a", Cubin(1));
        folder.Put("b", Cubin(2, 0));
        var other = new CubinFolder(FolderPath);
        Assert.Equal(Cubin(1).Cubin.ToArray(), other.Find("a")!.Cubin.ToArray());
        Assert.Equal(Cubin(1).Log, other.Find("a")!.Log);
        Assert.Empty(other.Find("b")!.Cubin);
        Assert.Equal(2, other.Statistics().Count);
        Assert.Equal(2, Directory.GetFiles(FolderPath).Length);
    }

    [Fact]
    public void WhatIsThereStays()
    {
        new CubinFolder(FolderPath).Put("a", Cubin(1));
        new CubinFolder(FolderPath).Put("a", Cubin(2));
        Assert.Equal(1, new CubinFolder(FolderPath).Find("a")!.Cubin[0]);
    }

    [Fact]
    public void ADamagedFileAtAnyByteIsDroppedAndCompiledAgain()
    {
        new CubinFolder(FolderPath).Put("a", Cubin(1, 40));
        string file = Assert.Single(Directory.GetFiles(FolderPath));
        byte[] good = File.ReadAllBytes(file);
        for (int at = 0; at < good.Length; at++)
        {
            byte[] bad = [.. good];
            bad[at] ^= 1;
            File.WriteAllBytes(file, bad);
            Assert.Null(new CubinFolder(FolderPath).Find("a"));
            Assert.False(File.Exists(file));
            File.WriteAllBytes(file, good[..at]);
            Assert.Null(new CubinFolder(FolderPath).Find("a"));
        }
        new CubinFolder(FolderPath).Put("a", Cubin(1, 40));
        Assert.Equal(good, File.ReadAllBytes(file));
    }

    [Fact]
    public void TheLeastRecentlyUsedGoFirst()
    {
        var folder = new CubinFolder(FolderPath, mostBytes: 2500);
        folder.Put("a", Cubin(1));
        folder.Put("b", Cubin(2));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "a.cubin"), DateTime.UtcNow.AddDays(-2));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "b.cubin"), DateTime.UtcNow.AddDays(-1));
        // Its use is what makes it newer than the other.
        Assert.NotNull(new CubinFolder(FolderPath).Find("a"));
        folder.Put("c", Cubin(3));
        var other = new CubinFolder(FolderPath);
        Assert.NotNull(other.Find("a"));
        Assert.Null(other.Find("b"));
        Assert.NotNull(other.Find("c"));
        Assert.InRange(other.Statistics().Bytes, 1, 2500);
    }

    [Fact]
    public void PruneRemovesWhatIsOldOrAll()
    {
        var folder = new CubinFolder(FolderPath);
        folder.Put("a", Cubin(1));
        folder.Put("b", Cubin(2));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "a.cubin"), DateTime.UtcNow.AddDays(-2));
        Assert.Equal(1, folder.Prune(DateTime.UtcNow.AddDays(-1)));
        Assert.Equal(1, folder.Statistics().Count);
        Assert.Equal(1, folder.Prune(null));
        Assert.Equal(0, new CubinFolder(FolderPath).Statistics().Count);
    }

    [Fact]
    public void HalvesThatKilledWritersLeftAreRemoved()
    {
        new CubinFolder(FolderPath).Put("a", Cubin(1));
        string old = Path.Combine(FolderPath, "b.cubin.17-0123456789abcdef");
        string young = Path.Combine(FolderPath, "c.cubin.18-0123456789abcdef");
        File.WriteAllText(old, "half");
        File.WriteAllText(young, "half");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-1));
        File.SetLastWriteTimeUtc(Path.Combine(FolderPath, "a.cubin"), DateTime.UtcNow.AddHours(-1));
        var folder = new CubinFolder(FolderPath);
        folder.Put("d", Cubin(2));
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
        var folder = new CubinFolder(Path.Combine(file, "below"));
        folder.Put("a", Cubin(1));
        Assert.NotNull(folder.Find("a"));
        Assert.Null(new CubinFolder(Path.Combine(file, "below")).Find("a"));
    }

    [Fact]
    public void ManyWritersOfOneKeyLeaveOneWholeFile()
    {
        System.Threading.Tasks.Parallel.For(
            0,
            64,
            i =>
            {
                var folder = new CubinFolder(FolderPath);
                folder.Put($"k{i % 4}", Cubin((byte)(i % 4), 20_000));
                Assert.Equal(i % 4, new CubinFolder(FolderPath).Find($"k{i % 4}")!.Cubin[0]);
            }
        );
        Assert.Equal(4, Directory.GetFiles(FolderPath).Length);
    }
}
