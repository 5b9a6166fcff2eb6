using System.Runtime.CompilerServices;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Xunit;

namespace Picograd.Tests.Cuda;

/// <summary>The GPU of these tests: the emulator, unless PICOGRAD_CUDA says otherwise.</summary>
internal static class EmulatedGpu
{
    [ModuleInitializer]
    internal static void Choose()
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(CudaLibraries.Variable)))
            Environment.SetEnvironmentVariable(CudaLibraries.Variable, "emulated");
    }

    /// <summary>The device; skips the test where there is none, with what is missing.</summary>
    public static Device Require()
    {
        Skip.If(CudaDevice.Count == 0, CudaLibraries.Current.Missing ?? "there is no CUDA device");
        return Device.Cuda();
    }
}
