using Picograd.Lower.Cuda.Native;

namespace Picograd.Baselines;

/// <summary>Finds NVIDIA's libraries where toolkits, systems and Python packages put them.</summary>
internal static class CudaLibrary
{
    /// <summary>The handle of the first of the names that loads, sought where NVRTC is sought as well. 0 where none does.</summary>
    public static nint Load(params string[] names) => LibraryFinder.Load(names)?.Handle ?? 0;

    /// <summary>The same of libraries whose names tell their CUDA: none that is newer than the driver, which it could not use.</summary>
    public static nint LoadForDriver(params string[] names)
    {
        int newest = CudaLibraries.Current.Driver?.Version.Major ?? int.MaxValue;
        return Load([.. names.Where(n => LibraryFinder.MajorOf(n) <= newest)]);
    }
}

/// <summary>A library of NVIDIA's that refused a call.</summary>
public sealed class CudaLibraryException(string call, int status) : Exception($"{call} failed with status {status}.");
