using System.CommandLine;
using System.Runtime.InteropServices;

namespace Picograd.Tune;

/// <summary>The targets by name: those that can be used, and what the others lack.</summary>
internal static class Targets
{
    public const string Cpu = "cpu";

    public const string Cuda = "cuda";

    /// <summary>Refuses every target but the CPU, each with its reason.</summary>
    /// <exception cref="UsageException">Another target, or none of that name.</exception>
    public static void RequireCpu(ParseResult parsed, Option<string?> option)
    {
        switch (parsed.GetValue(option))
        {
            case null or Cpu:
                return;
            case Cuda:
                throw new UsageException(
                    $"{option.Name} is 'cuda', which is not available yet: {CudaMissing()}; allowed is cpu."
                );
            case var other:
                throw new UsageException($"{option.Name} is '{other}', an unknown target; allowed is cpu.");
        }
    }

    /// <summary>What keeps the CUDA target from being used, in one clause.</summary>
    public static string CudaMissing()
    {
        bool driver = Loads(OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"]);
        bool compiler = Loads(
            OperatingSystem.IsWindows()
                ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
                : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"]
        );
        string found = (driver, compiler) switch
        {
            (true, true) => "the NVIDIA driver and NVRTC were found",
            (true, false) => "the NVIDIA driver was found, NVRTC (libnvrtc) was not",
            (false, true) => "NVRTC was found, the NVIDIA driver (libcuda) was not",
            _ => "neither the NVIDIA driver (libcuda) nor NVRTC (libnvrtc) was found",
        };
        return $"this version has no CUDA back end; a later one needs an NVIDIA GPU with its driver and NVRTC, and here {found}";
    }

    private static bool Loads(string[] names)
    {
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out nint handle))
            {
                NativeLibrary.Free(handle);
                return true;
            }
        }
        return false;
    }
}
