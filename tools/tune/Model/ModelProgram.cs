using System.Diagnostics;
using Picograd.Dispatch;
using Picograd.Dispatch.Profiles;

namespace Picograd.Tune;

/// <summary>A run of the user's program that recorded its operators.</summary>
/// <param name="Seconds">From its start to its end.</param>
/// <param name="Profile">What it ran.</param>
internal sealed record ModelRun(double Seconds, OperatorProfile Profile);

/// <summary>The user's program: a project, which is built first, an assembly, or any executable.</summary>
internal sealed class ModelProgram
{
    private static readonly string[] Projects = [".csproj", ".fsproj", ".vbproj"];

    private const UnixFileMode Executable =
        UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private readonly ToolConsole _console;
    private readonly string _program;
    private readonly IReadOnlyList<string> _arguments;

    private ModelProgram(ToolConsole console, string program, IReadOnlyList<string> arguments) =>
        (_console, _program, _arguments) = (console, program, arguments);

    /// <summary>Finds what is to be run; a project is built.</summary>
    /// <param name="console">Told of the build.</param>
    /// <param name="path">A project file or its folder, an assembly (.dll), or an executable.</param>
    /// <param name="arguments">Of the program.</param>
    /// <exception cref="UsageException">It is none of these.</exception>
    /// <exception cref="FailureException">It cannot be built.</exception>
    public static ModelProgram Of(ToolConsole console, string path, IReadOnlyList<string> arguments)
    {
        if (Directory.Exists(path))
            return Built(console, ProjectIn(path), arguments);
        if (!File.Exists(path))
            throw new UsageException(
                $"PROJECT is '{path}', but there is no such file or folder; name a project, its folder, an assembly (.dll) or an executable."
            );
        if (Projects.Contains(Path.GetExtension(path).ToLowerInvariant()))
            return Built(console, path, arguments);
        bool isAssembly = Path.GetExtension(path).Equals(".dll", StringComparison.OrdinalIgnoreCase);
        if (!isAssembly && !OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Executable) == 0)
            throw new UsageException(
                $"PROJECT is '{path}', which is neither a project nor an assembly (.dll), and not executable."
            );
        return isAssembly
            ? OfAssembly(console, Path.GetFullPath(path), arguments)
            : new ModelProgram(console, Path.GetFullPath(path), arguments);
    }

    /// <summary>Runs it to its end; what it prints goes to the error output, each line marked.</summary>
    /// <param name="database">The tune database that it uses.</param>
    /// <param name="threads">Threads that its kernels use unless it says otherwise; null for its own choice.</param>
    /// <exception cref="FailureException">It cannot be started, fails, or runs no operator.</exception>
    public ModelRun Run(string database, int? threads)
    {
        string file = Path.Combine(Path.GetTempPath(), $"picograd-profile-{Path.GetRandomFileName()}");
        var start = new ProcessStartInfo(_program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [Recording.FileVariable] = file, [TuneDb.TuneDbLocation.EnvironmentVariable] = database },
        };
        foreach (string argument in _arguments)
            start.ArgumentList.Add(argument);
        if (threads is { } count)
            start.Environment[DefaultRules.ThreadsVariable] = count.ToString(
                System.Globalization.CultureInfo.InvariantCulture
            );
        try
        {
            var (seconds, code) = Execute(start);
            string profile = File.Exists(file) ? File.ReadAllText(file) : "";
            if (code != 0)
                throw new FailureException($"the program ended with exit code {code}, so nothing is tuned.");
            var read = OperatorProfile.IsProfile(profile.TrimStart())
                ? OperatorProfile.Parse(profile.TrimStart())
                : null;
            return read is { Operators.Count: > 0 }
                ? new ModelRun(seconds, read)
                : throw new FailureException(
                    "the program ran no operator of Picograd, or an older version of it that records none."
                );
        }
        catch (FormatException e)
        {
            throw new FailureException($"the program's profile cannot be read: {e.Message}.");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private (double Seconds, int Code) Execute(ProcessStartInfo start)
    {
        using var process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Tell(line.Data);
        process.ErrorDataReceived += (_, line) => Tell(line.Data);
        long began = Stopwatch.GetTimestamp();
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new FailureException($"'{_program}' cannot be started: {e.Message.TrimEnd('.')}.");
        }
        // Whatever ends this process ends the program.
        using var end = Interrupts.OnEnd(() => Kill(process));
        using var cancel = _console.Cancel.Register(() => Kill(process));
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        return _console.Cancel.IsCancellationRequested
            ? throw new FailureException("interrupted while the program ran.")
            : (seconds, process.ExitCode);
    }

    private static string? Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It ended meanwhile.
            return null;
        }
        return null;
    }

    private void Tell(string? line)
    {
        if (line is null)
            return;
        lock (_console)
            _console.Error.WriteLine($"  | {line}");
    }

    private static string ProjectIn(string folder)
    {
        string[] found =
        [
            .. Directory.EnumerateFiles(folder).Where(f => Projects.Contains(Path.GetExtension(f).ToLowerInvariant())),
        ];
        return found.Length == 1
            ? found[0]
            : throw new UsageException(
                found.Length == 0
                    ? $"PROJECT is the folder '{folder}', in which there is no project."
                    : $"PROJECT is the folder '{folder}', in which there are {found.Length} projects; name one of them."
            );
    }

    private static ModelProgram Built(ToolConsole console, string project, IReadOnlyList<string> arguments)
    {
        console.Error.WriteLine($"tune: building {project}");
        Dotnet(project, "build", project, "-c", "Release", "--nologo", "-v", "q");
        string target = Dotnet(project, "msbuild", project, "-p:Configuration=Release", "-getProperty:TargetPath")
            .Trim();
        return File.Exists(target)
            ? OfAssembly(console, target, arguments)
            : throw new FailureException(
                $"'{project}' was built, but its assembly '{target}' is not there; name the assembly instead."
            );
    }

    private static ModelProgram OfAssembly(ToolConsole console, string assembly, IReadOnlyList<string> arguments) =>
        File.Exists(Path.ChangeExtension(assembly, ".runtimeconfig.json"))
            ? new ModelProgram(console, "dotnet", [assembly, .. arguments])
            : throw new UsageException(
                $"PROJECT '{assembly}' is a library, but must be a program: it has no .runtimeconfig.json beside it."
            );

    private static string Dotnet(string project, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode == 0)
            return output;
        string? first = (output + "\n" + errors.GetAwaiter().GetResult())
            .Split('\n')
            .FirstOrDefault(l => l.Contains("error", StringComparison.OrdinalIgnoreCase));
        throw new FailureException(
            $"'{project}' cannot be built: {(first ?? $"'dotnet {arguments[0]}' ended with exit code {process.ExitCode}").Trim().TrimEnd('.')}."
        );
    }
}
