namespace Picograd.Lower.Cuda.Native;

/// <summary>The two libraries that running CUDA takes, or what is missing.</summary>
/// <param name="Driver">Null where there is none.</param>
/// <param name="Nvrtc">Null where there is none.</param>
/// <param name="Missing">One sentence on what keeps kernels from running and how to get it; null where nothing does.</param>
/// <param name="IsEmulated">Whether this is the emulator, which runs kernels on the processor.</param>
public sealed record CudaStack(Driver? Driver, Nvrtc? Nvrtc, string? Missing, bool IsEmulated = false)
{
    /// <summary>Both libraries.</summary>
    /// <exception cref="CudaException">Something is missing.</exception>
    public (Driver Driver, Nvrtc Nvrtc) Require() =>
        Missing is null && Driver is not null && Nvrtc is not null
            ? (Driver, Nvrtc)
            : throw new CudaException("open a CUDA device", Missing ?? "no library");
}

/// <summary>Finds out what this machine has of CUDA, and says in one sentence what it lacks.</summary>
public static class CudaProbe
{
    private const string GetDriver =
        "install NVIDIA's driver (on Debian and Ubuntu the package nvidia-driver, in containers the NVIDIA Container Toolkit)";

    private const string GetNvrtc =
        "install NVIDIA's CUDA toolkit 12 or newer or the Python package nvidia-cuda-nvrtc-cu12, run scripts/install-nvrtc-debian.sh on Debian, or name a file with PICOGRAD_NVRTC";

    /// <summary>What this machine has.</summary>
    public static CudaStack Find()
    {
        var driver = Driver.TryLoad(out string? noDriver);
        var nvrtc = Nvrtc.TryLoad(out string? noNvrtc);
        // Toolkits of several versions may lie side by side, and the newest is not always one that the driver can serve.
        if (driver is { DeviceCount: > 0 } && nvrtc is not null && Mismatch(driver.Version, nvrtc.Version) is not null)
            nvrtc = Nvrtc.TryLoadUpTo(driver.Version.Major) ?? nvrtc;
        return new CudaStack(driver, nvrtc, Diagnose(driver, noDriver, nvrtc, noNvrtc));
    }

    /// <summary>The diagnosis of a pair of libraries; null where kernels can run.</summary>
    internal static string? Diagnose(Driver? driver, string? noDriver, Nvrtc? nvrtc, string? noNvrtc)
    {
        switch (driver, nvrtc)
        {
            case (null, null):
                return $"{noDriver} and {noNvrtc}; {GetDriver}, and {GetNvrtc}.";
            case (null, { } compiler):
                return $"{noDriver}, only NVRTC {compiler.Version}, which can compile kernels but not run them; {GetDriver}.";
            case ({ DeviceCount: > 0 } found, null):
                return $"the NVIDIA driver for CUDA {found.Version} was found, but {noNvrtc}; {GetNvrtc}.";
            case ({ }, null):
                return $"the NVIDIA driver sees no GPU and {noNvrtc}; check that nvidia-smi lists one, and {GetNvrtc}.";
        }
        if (driver.DeviceCount == 0)
        {
            return "the NVIDIA driver sees no GPU; check that nvidia-smi lists one, that CUDA_VISIBLE_DEVICES does not hide it, "
                + "and that containers are started with their GPUs.";
        }
        return Mismatch(driver.Version, nvrtc.Version);
    }

    /// <summary>
    /// Why a driver does not load what an NVRTC makes; null where it does. Within a major version every driver loads the
    /// cubins of every toolkit (minor-version compatibility); across major versions only an equal or newer driver does.
    /// </summary>
    internal static string? Mismatch(Version driver, Version nvrtc) =>
        driver.Major < nvrtc.Major
            ? $"the NVIDIA driver knows CUDA up to {driver}, but NVRTC is {nvrtc}, whose code it may not load (error 222); update the driver, or name an NVRTC of CUDA {driver.Major} with PICOGRAD_NVRTC."
            : null;

    /// <summary>Why an NVRTC cannot compile for an architecture; null where it can.</summary>
    public static string? CannotCompile(Nvrtc nvrtc, string architecture) =>
        nvrtc.Supports(architecture)
            ? null
            : $"NVRTC {nvrtc.Version} does not compile for {architecture}"
                + (architecture is "sm_90" or "sm_90a" ? ", which needs CUDA 12 or newer" : ", which needs a newer one")
                + $"; {GetNvrtc}.";
}
