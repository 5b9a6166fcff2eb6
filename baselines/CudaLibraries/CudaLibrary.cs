using System.Runtime.InteropServices;

namespace Picograd.Baselines;

/// <summary>Finds NVIDIA's libraries where toolkits, systems and Python packages put them.</summary>
internal static class CudaLibrary
{
    /// <summary>
    /// The handle of the first of the names that loads: by the loader's own path first, then in the folders of
    /// CUDA_PATH, of /usr/local/cuda*, and of Python packages (nvidia/*/lib). 0 where none does.
    /// </summary>
    public static nint Load(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out nint handle))
                return handle;
        }
        foreach (string folder in Folders())
        foreach (string name in names)
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path) && NativeLibrary.TryLoad(path, out nint handle))
                return handle;
        }
        return 0;
    }

    private static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable("CUDA_PATH") is { Length: > 0 } cuda)
        {
            yield return Path.Combine(cuda, "lib64");
            yield return Path.Combine(cuda, "bin");
            yield return Path.Combine(cuda, "bin", "x64");
        }
        foreach (string toolkit in Matching("/usr/local", "cuda*"))
            yield return Path.Combine(toolkit, "lib64");
        foreach (string root in new[] { "/usr/lib", "/usr/local/lib", "/opt/conda/lib" })
        foreach (string python in Matching(root, "python3*"))
        foreach (string packages in new[] { "dist-packages", "site-packages" })
        foreach (string part in Matching(Path.Combine(python, packages, "nvidia"), "*"))
            yield return Path.Combine(part, "lib");
    }

    private static string[] Matching(string folder, string pattern) =>
        Directory.Exists(folder)
            ? [.. Directory.GetDirectories(folder, pattern).OrderDescending(StringComparer.Ordinal)]
            : [];
}

/// <summary>A library of NVIDIA's that refused a call.</summary>
public sealed class CudaLibraryException(string call, int status) : Exception($"{call} failed with status {status}.");
