using Picograd.Dispatch;
using Picograd.Lower.Cuda.Runtime;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests.Cuda;

public class StoredCubinTests
{
    [Fact]
    public void Cubins_and_logs_come_back_in_another_process()
    {
        var binaries = new MemoryBinaries();
        var cubin = new CachedCubin([1, 2, 3], "log, ü");
        new StoredCubins(binaries).Put("a", cubin);
        new StoredCubins(binaries).Put("empty", new CachedCubin([], ""));
        var other = new StoredCubins(binaries);
        Assert.Equal(cubin.Cubin.ToArray(), other.Find("a")!.Cubin.ToArray());
        Assert.Equal(cubin.Log, other.Find("a")!.Log);
        Assert.Empty(other.Find("empty")!.Cubin);
        Assert.Null(other.Find("b"));
    }

    [Theory]
    [InlineData(new byte[] { })]
    [InlineData(new byte[] { 1, 0, 0 })]
    [InlineData(new byte[] { 9, 0, 0, 0, 65 })]
    [InlineData(new byte[] { 255, 255, 255, 255, 65 })]
    public void What_is_no_cubin_is_compiled_again(byte[] content)
    {
        var binaries = new MemoryBinaries();
        binaries.Put("a", content);
        Assert.Null(new StoredCubins(binaries).Find("a"));
    }
}
