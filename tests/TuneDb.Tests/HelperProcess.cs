using System.Diagnostics;

namespace Picograd.Tests;

/// <summary>Starts the helper as a process of its own.</summary>
internal static class HelperProcess
{
    public static string Assembly => typeof(SampleRecords).Assembly.Location;

    public static string Dotnet =>
        Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host
        : System.IO.Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath!
        : "dotnet";

    public static Process Start(params IEnumerable<string> arguments) =>
        StartCommand([Dotnet, "exec", Assembly, .. arguments]);

    public static Process StartCommand(IReadOnlyList<string> command)
    {
        var info = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = System.IO.Path.GetTempPath(),
        };
        return Process.Start(info)!;
    }

    /// <summary>Runs to the end; the standard output, after checking the exit status.</summary>
    public static string Finish(Process process)
    {
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"helper left with status {process.ExitCode}: {errors.Result}");
        return output.Trim();
    }
}
