using System.Diagnostics;
using Picograd.Dispatch;
using Picograd.Dispatch.Profiles;

namespace Picograd.Tests;

/// <summary>Programs that record what they run, in processes of their own, and what <c>tune run</c> makes of it.</summary>
public sealed class ProfileTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>A small GPT that is trained.</summary>
    internal static string Gpt => Path.Combine(AppContext.BaseDirectory, "Picograd.Tune.Tests.Gpt.dll");

    private string Profile => _folder["profile"];

    private Process Start(string? profile, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Gpt, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["PICOGRAD_PROFILE"] = profile,
                ["PICOGRAD_NUM_THREADS"] = "1",
                // Not there: one warning, which is asked for nothing.
                ["PICOGRAD_TUNEDB"] = _folder["none"],
            },
        };
        return Process.Start(start)!;
    }

    private string Run(string? profile, int code, params string[] arguments)
    {
        using var process = Start(profile, arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        string errors = process.StandardError.ReadToEnd();
        Assert.True(process.WaitForExit(Patience), "it goes on");
        Assert.True(process.ExitCode == code, $"exit code {process.ExitCode}: {errors}{output.Result}");
        return errors;
    }

    private OperatorProfile Read() => OperatorProfile.Parse(File.ReadAllText(Profile));

    private static long CallsOf(OperatorProfile profile, string spec) =>
        Assert.Single(profile.Operators, o => o.Spec == spec).Calls;

    private const string Attention = "attention b=8 h=4 tq=32 tk=32 d=16 causal=1 stats=1";

    [Fact]
    public void Several_processes_add_to_one_file()
    {
        using (var other = Start(Profile, "--steps", "3"))
        {
            Run(Profile, 0, "--steps", "4");
            _ = other.StandardError.ReadToEndAsync();
            Assert.True(other.WaitForExit(Patience), "it goes on");
        }
        var profile = Read();
        // Two layers, seven steps.
        Assert.Equal(14, CallsOf(profile, Attention));
        Assert.Equal(7, CallsOf(profile, "cross_entropy rows=256 classes=61"));
        Assert.All(profile.Operators, o => Assert.Equal(("cpu", KernelSource.Default), (o.Device, o.Source)));
        Assert.InRange(profile.KernelMilliseconds / 1000, 1e-6, profile.Seconds);
        Assert.InRange(profile.MakingSeconds, 1e-3, profile.Seconds);
    }

    [SkippableTheory]
    [InlineData(15, 143)]
    [InlineData(2, 130)]
    [InlineData(1, 129)]
    public void A_program_that_a_signal_ends_writes_its_profile(int signal, int code)
    {
        if (OperatingSystem.IsWindows())
            return;
        Signals.SkipIfIgnored(signal);
        using var process = Start(Profile, "--forever");
        _ = process.StandardError.ReadToEndAsync();
        Assert.Equal("under way", process.StandardOutput.ReadLine());
        Process.Start("kill", [$"-{signal}", $"{process.Id}"]).WaitForExit();
        if (!process.WaitForExit(Patience))
            process.Kill();
        Assert.Equal(code, process.ExitCode);
        Assert.InRange(CallsOf(Read(), Attention), 4, long.MaxValue);
    }

    [Fact]
    public void A_program_that_fails_has_its_profile_too()
    {
        Run(Profile, 3, "--steps", "2", "--fail");
        Assert.Equal(4, CallsOf(Read(), Attention));
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_told_at_once_and_costs_the_profile_only()
    {
        string folder = _folder["folder"];
        Directory.CreateDirectory(folder);
        string said = Run(folder, 0, "--steps", "1");
        Assert.Contains($"PICOGRAD_PROFILE names '{folder}', which cannot be written", said);
        Assert.DoesNotContain("PICOGRAD_PROFILE", Run(null, 0, "--steps", "1"));
    }

    [Fact]
    public void What_ran_on_targets_that_are_not_here_is_told_and_fails_the_command()
    {
        string Line(string device) =>
            $"tanh n=100 # calls=1 ms=1 median=1 source=default device={device} target=x;threads=1\n";
        string foreign = _folder.Write(
            "foreign",
            $"# picograd profile 1 seconds=1 making=0\n{Line("cuda:98")}{Line("cuda:99")}# end 2\n"
        );
        var run = ToolRun.Of("run", foreign, "--budget", "8trials", "--db", _folder["db"]);
        Assert.Equal(1, run.Code);
        Assert.Contains("what ran on cuda:98 is not tuned", run.Error);
        Assert.Contains("tune: none of the 2 targets of the profile can be tuned for here.", run.Error);
        string mixed = _folder.Write(
            "mixed",
            $"# picograd profile 1 seconds=1 making=0\n{Line("cpu")}{Line("cuda:99")}# end 2\n"
        );
        run = ToolRun.Of("run", mixed, "--budget", "8trials", "--db", _folder["db"]);
        Assert.Equal(1, run.Code);
        Assert.Contains("what ran on cuda:99 is not tuned", run.Error);
        Assert.Matches("tanh n=100 .*ns", run.Out);
    }

    [Fact]
    public void Tune_run_takes_a_profile_and_skips_what_is_tuned()
    {
        string Line(string spec, int calls, double ms) =>
            $"{spec} # calls={calls} ms={ms} median={ms / calls} source=default device=cpu target=cpu;x;threads=1\n";
        string profile = _folder.Write(
            "profile",
            "# picograd profile 1 seconds=1 making=0.5\n"
                + Line("tanh n=100", 10, 30)
                + Line("matmul m=8 n=16 k=8", 100, 70)
                + Line("exp n=7", 1, 0.01)
                + "# end 3\n"
        );
        string db = _folder["db"];
        string text = ToolRun.Of("run", profile, "--budget", "16trials", "--db", db).Succeeded();
        Assert.Contains("2 operators are to be tuned, 100 % of the time untuned, budget 16trials", text);
        Assert.Contains("1 operator is left out, 0.01 % of the time: each takes less than 0.20 %", text);
        // The longest comes first.
        Assert.Matches(@"(?s)matmul m=8 n=16 k=8 .*tanh n=100 ", text);
        string listed = ToolRun.Of("db", "list", "--json", "--db", db).Succeeded();
        Assert.Equal(2, listed.Split('\n').Count(l => l.Contains("threads=1\"")));

        string again = ToolRun.Of("run", profile, "--budget", "16trials", "--db", db).Succeeded();
        Assert.Contains("2 operators are tuned already", again);
        Assert.Contains("nothing is left to tune", again);
        Assert.Equal(listed, ToolRun.Of("db", "list", "--json", "--db", db).Succeeded());
        text = ToolRun.Of("run", profile, "--budget", "8trials", "--again", "--db", db).Succeeded();
        Assert.Contains("2 operators are to be tuned", text);
        // Another number of threads is another condition.
        if (Environment.ProcessorCount > 1)
            Assert.Contains(
                "2 operators are to be tuned",
                ToolRun.Of("run", profile, "--budget", "8trials", "--threads", "2", "--db", db).Succeeded()
            );
        string plain = _folder.Write("plain", "tanh n=100\nexp n=7\n");
        text = ToolRun.Of("run", plain, "--budget", "8trials", "--threads", "1", "--db", db).Succeeded();
        Assert.Contains("1 operator is tuned already and left as it is; --again tunes it again", text);
        Assert.Contains("1 operator is to be tuned, budget 8trials", text);
        ToolRun.Of("run", profile, "--target", "cuda", "--db", db).Refused("nothing of the profile ran there");
    }
}
