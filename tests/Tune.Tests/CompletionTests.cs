using System.Diagnostics;
using Picograd.Algorithms.Operators;
using Picograd.Tune;

namespace Picograd.Tests;

/// <summary>Shell completion: the scripts, and what they ask the program for.</summary>
public sealed class CompletionTests
{
    private static string[] Suggested(string line) =>
        ToolRun.Of($"[suggest:{line.Length}]", line).Succeeded().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    [Fact]
    public void Every_command_that_help_shows_is_suggested()
    {
        Assert.Subset(
            Suggested("tune ").ToHashSet(),
            new HashSet<string> { "op", "run", "bench", "report", "show", "targets", "db", "operators", "completion" }
        );
        Assert.DoesNotContain("worker", Suggested("tune "));
        Assert.Contains("prune", Suggested("tune db "));
        Assert.Contains("--older-than", Suggested("tune db prune --"));
    }

    [Fact]
    public void Operators_keys_and_values_are_suggested_where_they_may_stand()
    {
        Assert.Subset(Suggested("tune op ").ToHashSet(), OperatorLibrary.All.Select(o => o.Name).ToHashSet());
        string[] keys = [.. Suggested("tune show matmul m=3 ").Where(w => w.Contains('='))];
        Assert.Contains("n=", keys);
        Assert.Contains("dtype=bf16", keys);
        Assert.Contains("ta=1", keys);
        Assert.DoesNotContain("m=", keys);
        // A whole instance may be followed by another where the command takes several.
        Assert.Contains("softmax", Suggested("tune op tanh n=3 "));
        Assert.DoesNotContain("softmax", Suggested("tune show tanh n=3 "));
        Assert.DoesNotContain("softmax", Suggested("tune op matmul m=3 "));
        Assert.Equal(["cpu", "cuda"], Suggested("tune op tanh n=3 --target "));
        Assert.Empty(SpecCompletions.After(["frob"], true));
    }

    [Fact]
    public void Scripts_are_printed_for_three_shells()
    {
        Assert.Contains("complete -o bashdefault", ToolRun.Line("completion bash").Succeeded());
        Assert.StartsWith("#compdef tune", ToolRun.Line("completion zsh").Succeeded());
        Assert.Contains("Register-ArgumentCompleter -Native", ToolRun.Line("completion pwsh").Succeeded());
        ToolRun.Line("completion").Refused("SHELL is missing");
    }

    /// <summary>The script in a real bash, which asks the real program.</summary>
    [SkippableTheory]
    [InlineData("tune o", "op operators")]
    [InlineData("tune op matm", "matmul")]
    [InlineData(
        "tune op matmul m=1 n=2 k=3 dt",
        "dtype=bf16 dtype=f16 dtype=f32 dtype=f64 dtype=i16 dtype=i32 dtype=i64 dtype=i8"
    )]
    // bash takes '=' for the end of a word.
    [InlineData("tune op matmul m=1 dtype=b", "bf16")]
    [InlineData("tune op tanh n=8 --tr", "--trace")]
    [InlineData("tune op tanh n=8 --target ", "cpu cuda")]
    [InlineData("tune db me", "merge")]
    // Names of files are bash's own to complete.
    [InlineData("tune run ", "")]
    public async Task Bash_completes(string line, string expected)
    {
        Skip.If(OperatingSystem.IsWindows() || !File.Exists("/bin/bash"), "there is no bash");
        using var folder = new TempFolder();
        string program = folder.Write(
            "tune",
            $"#!/bin/sh\nexec dotnet '{typeof(TuneCommand).Assembly.Location}' \"$@\"\n"
        );
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string script = folder.Write(
            "ask",
            """
            set -u
            source <(tune completion bash)
            # As bash itself calls the function of "complete -F".
            complete -p tune | grep -q -- "-F _tune tune" || exit 3
            COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _tune tune "" ""
            printf '%s\n' "${COMPREPLY[@]:-}"
            """
        );
        var start = new ProcessStartInfo("/bin/bash", ["--norc", script, line])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = $"{folder["."]}:{start.Environment["PATH"]}";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        string found = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}: {await error}");
        Assert.Equal(expected, string.Join(' ', found.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order()));
    }
}
