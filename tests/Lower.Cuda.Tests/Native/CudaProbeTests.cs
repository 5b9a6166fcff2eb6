using Picograd.Lower.Cuda.Native;
using Xunit;

namespace Picograd.Tests;

/// <summary>One sentence on what a machine lacks.</summary>
public class CudaProbeTests
{
    [Fact]
    public void NothingThereIsSaidWithHowToGetIt()
    {
        string? missing = CudaProbe.Diagnose(null, "the NVIDIA driver (libcuda) was not found", null, "no NVRTC here");
        Assert.StartsWith("the NVIDIA driver (libcuda) was not found and no NVRTC here; install", missing);
        Assert.Contains("PICOGRAD_NVRTC", missing);
        Assert.Single(missing!.Split('\n'));
    }

    [Theory]
    [InlineData("12.4", "12.4", false)]
    [InlineData("12.0", "12.9", false)]
    [InlineData("13.0", "12.4", false)]
    [InlineData("11.8", "12.4", true)]
    [InlineData("12.9", "13.0", true)]
    public void ADriverOlderThanTheToolkitIsRefused(string driver, string nvrtc, bool refused)
    {
        string? why = CudaProbe.Mismatch(Version.Parse(driver), Version.Parse(nvrtc));
        Assert.Equal(refused, why is not null);
        if (refused)
        {
            Assert.Contains(driver, why);
            Assert.Contains(nvrtc, why);
            Assert.Contains("error 222", why);
        }
    }

    [Theory]
    [InlineData("libnvrtc.so.13", 13)]
    [InlineData("libnvrtc.so.12", 12)]
    [InlineData("libnvrtc.so.11.2", 11)]
    [InlineData("libnvrtc.so", int.MaxValue)]
    [InlineData("nvrtc64_130_0.dll", 13)]
    [InlineData("nvrtc64_120_0.dll", 12)]
    [InlineData("nvrtc64_112_0.dll", 11)]
    [InlineData("libcublasLt.so.12", 12)]
    [InlineData("cublasLt64_13.dll", 13)]
    public void NamesOfLibrariesTellTheirMajorVersion(string name, int major) =>
        Assert.Equal(major, LibraryFinder.MajorOf(name));

    [SkippableFact]
    public void AnOlderNvrtcIsFoundForAnOlderDriver()
    {
        var nvrtc = InstalledNvrtc.Require();
        Skip.If(
            Environment.GetEnvironmentVariable(LibraryFinder.NvrtcVariable) is { Length: > 0 },
            $"{LibraryFinder.NvrtcVariable} names the NVRTC to use; unset it"
        );
        Assert.Equal(nvrtc.Version, Nvrtc.TryLoadUpTo(nvrtc.Version.Major)?.Version);
        Assert.Null(Nvrtc.TryLoadUpTo(10));
    }

    [SkippableFact]
    public void OnlyACompilerIsSaid()
    {
        var nvrtc = InstalledNvrtc.Require();
        string? missing = CudaProbe.Diagnose(null, "the NVIDIA driver (libcuda) was not found", nvrtc, null);
        Assert.Contains($"only NVRTC {nvrtc.Version}", missing);
    }

    [SkippableFact]
    public void AnArchitectureThatNvrtcDoesNotKnowIsNamed()
    {
        var nvrtc = InstalledNvrtc.Require();
        Assert.Null(CudaProbe.CannotCompile(nvrtc, "sm_80"));
        Assert.Contains("sm_999", CudaProbe.CannotCompile(nvrtc, "sm_999"));
    }

    [Fact]
    public void AFileThatIsNoLibraryIsNamed()
    {
        string path = Path.GetTempFileName();
        try
        {
            Assert.Contains(path, Assert.Throws<CudaException>(() => Driver.Open(path)).Message);
            Assert.Contains(path, Assert.Throws<CudaException>(() => Nvrtc.Open(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
