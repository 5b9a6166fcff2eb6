using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Picograd.Lower.Cuda.Emulator;

/// <summary>
/// The CUDA emulator: two libraries, built from C++ with the machine's compiler, that have the interfaces of NVRTC and the driver and
/// run kernels on the CPU with a fiber a thread. It finds missing barriers, waits and fences, and wrong layouts; it says
/// nothing about speed.
/// </summary>
/// <remarks>
/// Settings are environment variables (or <see cref="Set"/>): <c>PICOGRAD_EMULATOR_SEED</c> the order in which blocks and threads run;
/// <c>_COMPUTE</c> the compute capability (9.0); <c>_SMS</c>, <c>_NAME</c>, <c>_DEVICES</c>; <c>_MEMORY</c> device memory in bytes (16 GiB);
/// <c>_DRIVER_VERSION</c> (12040), <c>_NVRTC_VERSION</c> (12.4); <c>_FAULT</c> = <c>kind@which</c>, where kind is <c>hang</c> or an error
/// number and which a launch's number from 1 or a part of a kernel's name; <c>_REFUSED</c> an option that NVRTC shall not know; <c>_MISSING</c> exported names, separated by commas, that the
/// libraries shall lack; <c>_CACHE</c> = 0 compiles every text anew; <c>_QUIET</c> = 1 keeps faults off the error stream;
/// <c>_HOME</c> the folder of the libraries and compiled kernels.
/// </remarks>
public static class CudaEmulator
{
    /// <summary>The driver library's files by translation unit: together they compile in a third of the time.</summary>
    private static readonly ImmutableArray<(string Unit, string[] Files)> Units =
    [
        ("execution", ["scheduler", "warp", "memory", "tensor", "barriers", "bulk", "wgmma"]),
        ("interface", ["device", "driver", "launches", "tensormap"]),
    ];

    private static readonly string[] Headers =
    [
        "emulation.h",
        "runtime.h",
        "driver.h",
        "barriers.h",
        "tensormap.h",
        "text.h",
    ];

    private static readonly ConcurrentDictionary<string, Lazy<(string Nvrtc, string Driver)>> Built = new();

    /// <summary>Whether the emulator can be built here.</summary>
    /// <param name="whyNot">One sentence: what is missing and how to get it.</param>
    public static bool IsAvailable(out string? whyNot)
    {
        whyNot =
            !OperatingSystem.IsLinux() ? "the CUDA emulator runs on Linux only"
            : Compiler() is null
                ? "the CUDA emulator needs a C++ compiler: install g++ or clang++ (for example with `apt-get install g++`), or name one in CXX"
            : null;
        return whyNot is null;
    }

    /// <summary>
    /// Paths of the two libraries; builds them on the first call (seconds), into a folder of the user's that later processes share.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is not available, or does not compile; the message says why.</exception>
    public static (string Nvrtc, string Driver) Build()
    {
        if (!IsAvailable(out var whyNot))
            throw new InvalidOperationException(whyNot);
        var missing = Environment.GetEnvironmentVariable("PICOGRAD_EMULATOR_MISSING") ?? "";
        return Built.GetOrAdd(missing, m => new(() => BuildLibraries(m))).Value;
    }

    /// <summary>
    /// Sets one of the emulator's variables in this process; null takes it back. (The libraries do not see variables that a .NET
    /// process sets for itself.)
    /// </summary>
    public static void Set(string variable, string? value)
    {
        var (nvrtc, driver) = Build();
        foreach (var path in new[] { nvrtc, driver })
        {
            var library = NativeLibrary.Load(path);
            var name = Marshal.StringToCoTaskMemUTF8(variable);
            var text = Marshal.StringToCoTaskMemUTF8(value);
            unsafe
            {
                ((delegate* unmanaged<nint, nint, void>)NativeLibrary.GetExport(library, "picograd_emulator_set"))(
                    name,
                    text
                );
            }
            Marshal.FreeCoTaskMem(name);
            Marshal.FreeCoTaskMem(text);
        }
    }

    /// <summary>
    /// Forgets the error that a kernel ended with and all work that is enqueued, so that a test can provoke the next one. A real
    /// device needs a new process for that.
    /// </summary>
    public static void Recover()
    {
        var library = NativeLibrary.Load(Build().Driver);
        unsafe
        {
            ((delegate* unmanaged<void>)NativeLibrary.GetExport(library, "picograd_emulator_recover"))();
        }
    }

    private static string? Compiler()
    {
        var named = Environment.GetEnvironmentVariable("CXX");
        string[] candidates = string.IsNullOrWhiteSpace(named) ? ["g++", "clang++", "c++"] : [named.Trim()];
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(
            ':',
            StringSplitOptions.RemoveEmptyEntries
        );
        return candidates
            .SelectMany(c => c.Contains('/') ? [c] : folders.Select(f => Path.Combine(f, c)))
            .FirstOrDefault(File.Exists);
    }

    private static (string Nvrtc, string Driver) BuildLibraries(string missing)
    {
        var compiler = Compiler()!;
        var texts = Units
            .SelectMany(u => u.Files)
            .Select(f => f + ".cpp")
            .Concat(Headers)
            .Append("compiler.cpp")
            .ToDictionary(f => f, Resource);
        var hash = Convert.ToHexStringLower(
            SHA256.HashData(
                Encoding.UTF8.GetBytes(
                    string.Join("\n", texts.OrderBy(t => t.Key).Select(t => t.Value).Append(compiler).Append(missing))
                )
            )
        )[..16];
        var home =
            Environment.GetEnvironmentVariable("PICOGRAD_EMULATOR_HOME")
            ?? Path.Combine(
                Environment.GetFolderPath(
                    Environment.SpecialFolder.LocalApplicationData,
                    Environment.SpecialFolderOption.Create
                ),
                "picograd",
                "emulator"
            );
        var final = Path.Combine(home, hash);
        var result = (Path.Combine(final, "libpicograd-nvrtc.so"), Path.Combine(final, "libpicograd-cuda.so"));
        if (File.Exists(result.Item1) && File.Exists(result.Item2))
        {
            RemoveOldKernels(Path.Combine(final, "kernels"));
            return result;
        }
        // Built under another name and moved: other processes see all of it or nothing.
        var folder = $"{final}.{Environment.ProcessId}";
        Directory.CreateDirectory(folder);
        foreach (var (name, text) in texts)
            File.WriteAllText(Path.Combine(folder, name), text);
        var hidden = missing.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        File.WriteAllText(
            Path.Combine(folder, "exports.map"),
            hidden.Length == 0 ? "{ };" : $"{{ local: {string.Join(" ", hidden.Select(h => h + ";"))} }};"
        );
        foreach (var (unit, files) in Units)
            File.WriteAllText(
                Path.Combine(folder, $"unit_{unit}.cpp"),
                string.Concat(files.Select(f => $"#include \"{f}.cpp\"\n"))
            );
        string[] common = ["-std=c++17", "-O2", "-fPIC", "-w", "-fvisibility=default"];
        Task.WaitAll([
            .. Units.Select(u =>
                Task.Run(() => Run(compiler, folder, [.. common, "-c", $"unit_{u.Unit}.cpp", "-o", u.Unit + ".o"]))
            ),
            Task.Run(() =>
                Run(
                    compiler,
                    folder,
                    [
                        .. common,
                        $"-DPICOGRAD_CXX=\"{compiler}\"",
                        "-shared",
                        "compiler.cpp",
                        "-o",
                        "libpicograd-nvrtc.so",
                        "-Wl,--version-script=exports.map",
                        "-ldl",
                        "-pthread",
                    ]
                )
            ),
        ]);
        Run(
            compiler,
            folder,
            [
                "-shared",
                .. Units.Select(u => u.Unit + ".o"),
                "-o",
                "libpicograd-cuda.so",
                "-Wl,--version-script=exports.map",
                "-ldl",
                "-lm",
                "-pthread",
            ]
        );
        try
        {
            Directory.Move(folder, final);
        }
        catch (IOException) when (File.Exists(result.Item1) && File.Exists(result.Item2))
        {
            Directory.Delete(folder, recursive: true); // another process was quicker
        }
        return result;
    }

    /// <summary>Compiled kernels that nobody used for a week.</summary>
    private static void RemoveOldKernels(string folder)
    {
        if (!Directory.Exists(folder))
            return;
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
        {
            if (file.LastWriteTimeUtc < DateTime.UtcNow.AddDays(-7))
                file.Delete();
        }
    }

    private static string Resource(string name)
    {
        using var stream =
            Assembly.GetExecutingAssembly().GetManifestResourceStream($"Emulator/{name}")
            ?? throw new InvalidOperationException($"the assembly lacks the resource Emulator/{name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static void Run(string compiler, string folder, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(compiler, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        using var process =
            Process.Start(start) ?? throw new InvalidOperationException($"{compiler} could not be started");
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException(
                $"the CUDA emulator does not compile with {compiler}: {error}{output.Result}"
            );
    }
}
