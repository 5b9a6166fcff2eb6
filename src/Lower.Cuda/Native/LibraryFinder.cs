using System.Globalization;
using System.Runtime.InteropServices;

namespace Picograd.Lower.Cuda.Native;

/// <summary>A library that was loaded, and where from.</summary>
/// <param name="Handle">Of the loader; never freed, since what it handed out may live anywhere.</param>
/// <param name="Path">Full path, or the bare name where the loader found it by itself.</param>
internal sealed record LoadedLibrary(nint Handle, string Path);

/// <summary>Where NVIDIA's libraries may lie, in the order in which they are tried.</summary>
/// <remarks>
/// An environment variable that names a file decides alone. Else: the toolkit that CUDA_PATH or CUDA_HOME names, the system
/// loader's own search, the usual folders of toolkits (newest first), <see cref="PythonPackages"/>, and what <c>scripts/install-nvrtc-debian.sh</c> unpacked.
/// </remarks>
internal static class LibraryFinder
{
    /// <summary>Names a file of NVRTC to use in place of any other.</summary>
    public const string NvrtcVariable = "PICOGRAD_NVRTC";

    /// <summary>Names a file of the driver library to use in place of any other.</summary>
    public const string DriverVariable = "PICOGRAD_CUDA_DRIVER";

    /// <summary>Names of NVRTC, newest first.</summary>
    public static IReadOnlyList<string> NvrtcNames { get; } =
        OperatingSystem.IsWindows()
            ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
            : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];

    /// <summary>Names of the driver library. Under WSL it lies in a folder that loaders may not know.</summary>
    public static IReadOnlyList<string> DriverNames { get; } =
        OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"];

    /// <summary>Where the set-up script unpacks NVRTC.</summary>
    public static string PrivateFolder =>
        Path.Combine(
            Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData,
                Environment.SpecialFolderOption.DoNotVerify
            ),
            "picograd",
            "nvrtc"
        );

    /// <summary>Loads NVRTC; null with the reason where there is none.</summary>
    public static LoadedLibrary? LoadNvrtc(out string? whyNot)
    {
        if (Overridden(NvrtcVariable, LoadNvrtcFile, out whyNot) is { } decided)
            return decided.Library;
        if (All(NvrtcNames, LoadNvrtcFile).FirstOrDefault() is { } found)
            return found;
        whyNot = "NVRTC, NVIDIA's run-time compiler (libnvrtc), was not found";
        return null;
    }

    /// <summary>
    /// Every NVRTC here whose name tells a major version of at most this, the newest of a place first; none where a
    /// variable names the one to use.
    /// </summary>
    public static IEnumerable<LoadedLibrary> NvrtcsUpTo(int major) =>
        Environment.GetEnvironmentVariable(NvrtcVariable) is { Length: > 0 }
            ? []
            : All([.. NvrtcNames.Where(n => MajorOf(n) <= major)], LoadNvrtcFile);

    /// <summary>Another library of NVIDIA's, in the same places: the first of its names that loads; null where none does.</summary>
    public static LoadedLibrary? Load(IReadOnlyList<string> names) => All(names, LoadFile).FirstOrDefault();

    /// <summary>The major version in a library's name: 12 of libnvrtc.so.12 and of nvrtc64_120_0.dll; a large number for none.</summary>
    internal static int MajorOf(string name)
    {
        string digits = new([
            .. name.Replace("64_", "_", StringComparison.Ordinal)
                .SkipWhile(c => !char.IsAsciiDigit(c))
                .TakeWhile(char.IsAsciiDigit)
                .Take(2),
        ]);
        return digits.Length == 0 ? int.MaxValue : int.Parse(digits, CultureInfo.InvariantCulture);
    }

    private static IEnumerable<LoadedLibrary> All(IReadOnlyList<string> names, Func<string, LoadedLibrary?> load)
    {
        foreach (string path in InFolders(names, ToolkitFolders()))
        {
            if (load(path) is { } library)
                yield return library;
        }
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out nint handle))
                yield return new LoadedLibrary(handle, name);
        }
        foreach (
            string path in InFolders(
                names,
                UsualFolders().Concat(PythonPackages.OfMachine().LibraryFolders()).Concat(PrivateFolders())
            )
        )
        {
            if (load(path) is { } library)
                yield return library;
        }
    }

    /// <summary>Loads the driver library; null with the reason where there is none.</summary>
    public static LoadedLibrary? LoadDriver(out string? whyNot)
    {
        if (Overridden(DriverVariable, LoadFile, out whyNot) is { } decided)
            return decided.Library;
        foreach (string name in DriverNames)
        {
            if (NativeLibrary.TryLoad(name, out nint handle))
                return new LoadedLibrary(handle, name);
        }
        whyNot = "the NVIDIA driver (libcuda) was not found";
        return null;
    }

    /// <summary>
    /// A file of NVRTC. It opens its builtins by bare name when it first compiles, which fails (error 7) where the folder is
    /// not on the loader's path; loaded by full path before, they are found by that name.
    /// </summary>
    public static LoadedLibrary? LoadNvrtcFile(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string pattern = OperatingSystem.IsWindows() ? "nvrtc-builtins64_*.dll" : "libnvrtc-builtins.so.*";
        if (Directory.Exists(folder))
        {
            foreach (string builtins in Directory.EnumerateFiles(folder, pattern))
                NativeLibrary.TryLoad(builtins, out _);
        }
        return LoadFile(path);
    }

    public static LoadedLibrary? LoadFile(string path) =>
        File.Exists(path) && NativeLibrary.TryLoad(Path.GetFullPath(path), out nint handle)
            ? new LoadedLibrary(handle, Path.GetFullPath(path))
            : null;

    private static (LoadedLibrary? Library, bool _)? Overridden(
        string variable,
        Func<string, LoadedLibrary?> load,
        out string? whyNot
    )
    {
        whyNot = null;
        string? path = Environment.GetEnvironmentVariable(variable);
        if (string.IsNullOrEmpty(path))
            return null;
        var library = load(path);
        if (library is null)
        {
            whyNot = File.Exists(path)
                ? $"{variable} names '{path}', which is not a library that can be loaded here"
                : $"{variable} names '{path}', which does not exist";
        }
        return (library, true);
    }

    private static IEnumerable<string> InFolders(IReadOnlyList<string> names, IEnumerable<string> folders) =>
        from folder in folders
        from name in names
        let path = Path.Combine(folder, name)
        where File.Exists(path)
        select path;

    private static IEnumerable<string> ToolkitFolders()
    {
        foreach (string variable in (string[])["CUDA_PATH", "CUDA_HOME"])
        {
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } root)
            {
                foreach (string folder in LibraryFolders(root))
                    yield return folder;
            }
        }
    }

    private static string[] LibraryFolders(string root) =>
        OperatingSystem.IsWindows()
            ? [Path.Combine(root, "bin", "x64"), Path.Combine(root, "bin")]
            :
            [
                Path.Combine(root, "lib64"),
                Path.Combine(root, "targets", "x86_64-linux", "lib"),
                Path.Combine(root, "targets", "sbsa-linux", "lib"),
            ];

    private static IEnumerable<string> UsualFolders()
    {
        var roots = OperatingSystem.IsWindows()
            ? Folders(
                Path.Combine(
                    Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles),
                    "NVIDIA GPU Computing Toolkit",
                    "CUDA"
                ),
                "v*"
            )
            : Folders("/usr/local", "cuda*").Concat(Folders("/opt", "cuda*"));
        return roots.OrderByDescending(VersionIn).SelectMany(LibraryFolders);
    }

    /// <summary>Folders called <c>cuda</c> without a number are usually a link to the newest.</summary>
    private static Version VersionIn(string folder)
    {
        string digits = new([.. Path.GetFileName(folder).Where(c => char.IsAsciiDigit(c) || c == '.')]);
        return Version.TryParse(digits.Contains('.') ? digits : $"{digits}.0", out var version)
            ? version
            : new Version(int.MaxValue, 0);
    }

    private static IEnumerable<string> PrivateFolders()
    {
        yield return PrivateFolder;
        foreach (string architecture in Folders(Path.Combine(PrivateFolder, "usr", "lib"), "*-linux-gnu"))
            yield return architecture;
    }

    internal static IEnumerable<string> Folders(string parent, string pattern)
    {
        try
        {
            return Directory.Exists(parent) ? Directory.GetDirectories(parent, pattern) : [];
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            // A folder that cannot be listed holds nothing that could be loaded.
            return [];
        }
    }
}
