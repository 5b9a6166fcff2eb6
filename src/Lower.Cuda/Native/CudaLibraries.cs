using Picograd.Lower.Cuda.Emulator;

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

    private static readonly Lazy<CudaStack> TheEmulator = new(OpenEmulator);

    /// <summary>The emulator's libraries, built on first use; they stay what they are for the process.</summary>
    public static CudaStack Emulated() => TheEmulator.Value;

    private static CudaStack OpenEmulator()
    {
        if (!CudaEmulator.IsAvailable(out string? whyNot))
            return new CudaStack(null, null, $"{whyNot}.", IsEmulated: true);
        try
        {
            var (compiler, library) = CudaEmulator.Build();
            var driver = Driver.Open(library);
            var nvrtc = Nvrtc.Open(compiler);
            return new CudaStack(driver, nvrtc, CudaProbe.Diagnose(driver, null, nvrtc, null), IsEmulated: true);
        }
        catch (Exception e) when (e is CudaException or InvalidOperationException)
        {
            return new CudaStack(null, null, $"the CUDA emulator does not work: {e.Message}", IsEmulated: true);
        }
    }
}
