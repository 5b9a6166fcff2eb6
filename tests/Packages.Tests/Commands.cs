using System.Diagnostics;
using System.Text;
using Xunit;

namespace Picograd.Tests;

/// <summary>What a command printed, both streams together, and its exit code.</summary>
internal sealed record Ran(int Code, string Output)
{
    public string Succeeded()
    {
        Assert.True(Code == 0, Output);
        return Output;
    }
}

/// <summary>Runs commands as a user of the packages would, in an environment without this build's settings.</summary>
internal static class Commands
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    /// <summary>The dotnet command that runs these tests.</summary>
    public static string Dotnet => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    public static Ran Run(
        string folder,
        string command,
        IEnumerable<string> arguments,
        params ReadOnlySpan<(string Name, string? Value)> environment
    )
    {
        var start = new ProcessStartInfo(command)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        // The test platform's own settings of MSBuild are not those of the commands.
        foreach (
            string name in start
                .Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase))
                .ToList()
        )
            start.Environment.Remove(name);
        start.Environment.Remove("PICOGRAD_TUNEDB");
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        var output = new StringBuilder();
        void Take(object _, DataReceivedEventArgs line)
        {
            lock (output)
                output.AppendLine(line.Data);
        }
        using var process = new Process { StartInfo = start };
        process.OutputDataReceived += Take;
        process.ErrorDataReceived += Take;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(
                $"{command} {string.Join(' ', arguments)} did not end within {Limit}:\n{output}"
            );
        }
        process.WaitForExit();
        return new Ran(process.ExitCode, output.ToString().ReplaceLineEndings("\n"));
    }
}
