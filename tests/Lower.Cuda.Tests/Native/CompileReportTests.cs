using Picograd.Lower.Cuda.Native;
using Xunit;

namespace Picograd.Tests;

/// <summary>Logs as NVRTC 12.4 writes them, read without it.</summary>
public class CompileReportTests
{
    private const string TwoKernels = """
        ptxas info    : 0 bytes gmem
        ptxas info    : Compiling entry function 'first' for 'sm_90a'
        ptxas info    : Function properties for first
            8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
        ptxas info    : Used 168 registers, used 1 barriers, 1024 bytes smem, 552 bytes cmem[0]
        ptxas info    : Compiling entry function 'second' for 'sm_90a'
        ptxas info    : Function properties for second
            0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
        ptxas info    : Used 10 registers, 372 bytes cmem[0]
        """;

    [Fact]
    public void EveryKernelHasItsFigures()
    {
        var report = CompileReport.Parse(TwoKernels);
        Assert.Equal(2, report.Kernels.Length);
        Assert.Equal(new KernelReport("first", 168, 1024, 8, 4, 12), report.Kernels[0]);
        Assert.Equal(new KernelReport("second", 10, 0, 0, 0, 0), report.Kernels[1]);
        Assert.Equal(168, report.Registers);
        Assert.Equal(16, report.SpillBytes);
        Assert.Empty(report.Problems);
    }

    [Theory]
    [InlineData("C7508", CompileReport.RegisterLimitIgnored)]
    [InlineData("C7510", CompileReport.WgmmaSerialised)]
    [InlineData("C7511", CompileReport.WgmmaSerialised)]
    [InlineData("C7600", CompileReport.RegisterAllocation)]
    public void WarningsBecomePruneReasons(string code, string reason)
    {
        string line = $"ptxas info    : ({code}) said in the words of its version";
        var problem = Assert.Single(CompileReport.Parse($"{TwoKernels}\n{line}\n").Problems);
        Assert.Equal((reason, line), problem);
    }

    [Fact]
    public void AnEmptyLogSaysNothing()
    {
        var report = CompileReport.Parse("");
        Assert.Empty(report.Kernels);
        Assert.Equal(0, report.Registers);
    }
}
