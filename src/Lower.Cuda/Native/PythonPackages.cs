using System.Diagnostics;

namespace Picograd.Lower.Cuda.Native;

/// <summary>
/// Where Python's packages hold NVIDIA's libraries: folders <c>nvidia/*/lib</c> in site-packages. Looked at are, in this order, the
/// active environment (VIRTUAL_ENV, CONDA_PREFIX), PYTHONPATH, environments called .venv or venv at home, in /opt and in its
/// folders (not in the current folder, which may be anybody's: native code would be loaded from where a program merely was started), the interpreters on PATH, the machine's own, and what the first interpreter says of its sys.path.
/// </summary>
/// <param name="variable">An environment variable's value; null where it is not set.</param>
/// <param name="root">Where the machine's folders begin: /.</param>
/// <param name="sysPath">What an interpreter says of its sys.path; asked last, since that starts a process.</param>
internal sealed class PythonPackages(Func<string, string?> variable, string root, Func<IEnumerable<string>> sysPath)
{
    private static readonly string[] EnvironmentNames = [".venv", "venv"];

    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(10);

    public static PythonPackages OfMachine() =>
        new(
            Environment.GetEnvironmentVariable,
            Path.GetPathRoot(Environment.SystemDirectory) is { Length: > 0 } drive ? drive : "/",
            () => FirstInterpreter.Value
        );

    /// <summary>Folders that may hold libraries, each once; not all of them need exist.</summary>
    public IEnumerable<string> LibraryFolders() =>
        SitePackages()
            .Distinct(StringComparer.Ordinal)
            .SelectMany(packages =>
                LibraryFinder.Folders(Path.Combine(packages, "nvidia"), "*").Order(StringComparer.Ordinal)
            )
            .SelectMany(library => (string[])[Path.Combine(library, "lib"), Path.Combine(library, "bin")]);

    private IEnumerable<string> SitePackages()
    {
        foreach (string path in Prefixes("VIRTUAL_ENV", "CONDA_PREFIX").SelectMany(OfPrefix))
            yield return path;
        foreach (string path in Listed("PYTHONPATH"))
            yield return path;
        string home = Home();
        var parents = new[] { home, root, Below("opt") }.Concat(
            LibraryFinder.Folders(Below("opt"), "*").Order(StringComparer.Ordinal)
        );
        foreach (string path in parents.SelectMany(Environments).SelectMany(OfPrefix))
            yield return path;
        // An environment may have any name; its interpreter on the path tells where it is.
        var interpreters = Listed("PATH")
            .Where(HasPython)
            .Select(f => Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(f)));
        foreach (string path in interpreters.OfType<string>().SelectMany(OfPrefix))
            yield return path;
        string[] own = [Path.Combine(home, ".local"), Below("usr", "local"), Below("usr"), Below("opt", "conda")];
        foreach (string path in own.Concat(LibraryFinder.Folders(Below("opt"), "*")).SelectMany(OfPrefix))
            yield return path;
        foreach (string path in sysPath())
            yield return path;
    }

    private string Below(params string[] names) => Path.Combine([root, .. names]);

    private string Home() =>
        variable(OperatingSystem.IsWindows() ? "USERPROFILE" : "HOME") is { Length: > 0 } home
            ? home
            : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    private IEnumerable<string> Prefixes(params string[] names) =>
        names.Select(variable).OfType<string>().Where(v => v.Length > 0);

    private IEnumerable<string> Listed(string name) =>
        (variable(name) ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    private static IEnumerable<string> Environments(string parent) =>
        EnvironmentNames.Select(n => Path.Combine(parent, n));

    // What a prefix holds of packages, its newest Python first.
    private static IEnumerable<string> OfPrefix(string prefix) =>
        new[] { "lib", "lib64" }
            .SelectMany(lib => LibraryFinder.Folders(Path.Combine(prefix, lib), "python3*"))
            .OrderDescending(StringComparer.Ordinal)
            .SelectMany(python =>
                (string[])[Path.Combine(python, "site-packages"), Path.Combine(python, "dist-packages")]
            )
            .Append(Path.Combine(prefix, "Lib", "site-packages"));

    private static bool HasPython(string folder) => Interpreters.Any(name => File.Exists(Path.Combine(folder, name)));

    private static string[] Interpreters => OperatingSystem.IsWindows() ? ["python.exe"] : ["python3", "python"];

    // Asked once: several libraries are looked for, and each answer is a process.
    private static readonly Lazy<IReadOnlyList<string>> FirstInterpreter = new(() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(folder => Interpreters.Select(name => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists)
            is { } interpreter
            ? Ask(interpreter)
            : []
    );

    /// <summary>The sys.path of an interpreter; empty where it does not answer.</summary>
    internal static IReadOnlyList<string> Ask(string interpreter)
    {
        var start = new ProcessStartInfo(interpreter)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("import sys; print('\\n'.join(sys.path))");
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            var output = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(LongestAnswer))
            {
                process.Kill(entireProcessTree: true);
                return [];
            }
            return process.ExitCode == 0
                ? output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                : [];
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            // What is not a program, or may not be run, knows of no packages.
            return [];
        }
    }
}
