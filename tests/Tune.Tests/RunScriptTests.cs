using System.Diagnostics;
using Picograd.Lower.Cuda.Emulator;

namespace Picograd.Tests;

/// <summary>The bundle's script, all of whose steps run within one limit on the emulated GPU and keep what they have when killed.</summary>
public class RunScriptTests
{
    /// <summary>Set for the long form: twenty kills of runs of a minute.</summary>
    private const string LongForm = "PICOGRAD_REHEARSAL";

    [SkippableFact]
    public void The_rehearsal_passes()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "the script is for Linux");
        Skip.IfNot(CudaEmulator.IsAvailable(out string? whyNot), whyNot ?? "");
        bool isLong = Environment.GetEnvironmentVariable(LongForm) is not null;
        string tool = typeof(Tune.TuneCommand).Assembly.Location;
        string program = Path.ChangeExtension(tool, null);
        Skip.IfNot(File.Exists(program), $"'{program}' was not built");
        var start = new ProcessStartInfo("bash")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { Path.Combine(Root(), "scripts", "rehearse"), isLong ? "60s" : "30s", isLong ? "20" : "1" },
        };
        start.Environment["TUNE"] = program;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output + errors.Result);
        Assert.Contains("all is well", output);
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Picograd.slnx")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException("the repository's root was not found");
        return folder.FullName;
    }
}
