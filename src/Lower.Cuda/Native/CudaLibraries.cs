namespace Picograd.Lower.Cuda.Native;

/// <summary>Which libraries this process runs CUDA with.</summary>
public static class CudaLibraries
{
    /// <summary>Environment variable: <c>emulated</c> runs kernels on the processor in place of a GPU.</summary>
    public const string Variable = "PICOGRAD_CUDA";

    private static readonly Lazy<CudaStack> Chosen = new(Choose);

    /// <summary>NVIDIA's, or the emulator where <see cref="Variable"/> asks for it; looked for once.</summary>
    public static CudaStack Current => Chosen.Value;

    private static CudaStack Choose() =>
        Environment.GetEnvironmentVariable(Variable) switch
        {
            null or "" or "auto" => CudaProbe.Find(),
            "off" => new CudaStack(null, null, $"CUDA is switched off by {Variable}=off."),
            "emulated" => Emulated(),
            var other => new CudaStack(
                null,
                null,
                $"{Variable} is '{other}', but only auto, off and emulated are allowed."
            ),
        };

    /// <summary>The emulator's libraries, built on first use; they stay what they are for the process.</summary>
    internal static CudaStack Emulated()
    {
        if (!CudaEmulator.IsAvailable(out string? whyNot))
            return new CudaStack(null, null, $"{whyNot}.", IsEmulated: true);
        var (nvrtc, driver) = CudaEmulator.Build();
        return new CudaStack(Driver.Open(driver), Nvrtc.Open(nvrtc), null, IsEmulated: true);
    }
}
