using Picograd.Lower.Cuda.Native;
using Xunit;

namespace Picograd.Tests;

/// <summary>NVIDIA's compiler on this machine, for tests that skip by name where there is none.</summary>
internal static class InstalledNvrtc
{
    /// <summary>Skips the test where NVRTC is missing or cannot compile for an architecture.</summary>
    public static Nvrtc Require(string architecture = "sm_80")
    {
        var nvrtc = Nvrtc.TryLoad(out string? whyNot);
        Skip.If(
            nvrtc is null,
            $"{whyNot}; scripts/install-nvrtc-debian.sh gets it on Debian, PICOGRAD_NVRTC names a file of it"
        );
        Skip.IfNot(nvrtc!.Supports(architecture), $"NVRTC {nvrtc.Version} does not compile for {architecture}");
        return nvrtc;
    }
}
