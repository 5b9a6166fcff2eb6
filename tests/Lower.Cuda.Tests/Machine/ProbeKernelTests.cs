using Picograd.Lower.Cuda.Machine;
using Xunit;

namespace Picograd.Tests;

/// <summary>The kernels that measure a GPU's ceilings are right for NVRTC, without spills that would spoil the figures.</summary>
public class ProbeKernelTests
{
    [SkippableTheory]
    [InlineData("simple", "sm_80")]
    [InlineData("simple", "sm_90a")]
    [InlineData("mma", "sm_80")]
    [InlineData("mma", "sm_90a")]
    [InlineData("wgmma", "sm_90a")]
    public void TheyCompileWithoutSpillsOrWarnings(string which, string architecture)
    {
        string source = which switch
        {
            "mma" => CudaProbeKernels.TensorSource,
            "wgmma" => WgmmaProbe.Source,
            _ => CudaProbeKernels.Source,
        };
        var result = InstalledNvrtc.Require(architecture).Compile(source, which, architecture);
        Assert.True(result.Succeeded, result.Log);
        Assert.Equal(0, result.Report.SpillBytes);
        Assert.Empty(result.Report.Problems);
        Assert.DoesNotContain("warning", result.Log);
    }
}
