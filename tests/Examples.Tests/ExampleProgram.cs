using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Picograd.Tests;

/// <summary>Runs an example as its command line would, in this process.</summary>
internal static partial class ExampleProgram
{
    public static string Data { get; } = Environment.GetEnvironmentVariable("PICOGRAD_DATA") ?? "";

    /// <summary>Skips the test where the data is not there.</summary>
    public static void Needs(params string[] files)
    {
        foreach (string file in files)
            Skip.IfNot(File.Exists(Path.Combine(Data, file)), $"PICOGRAD_DATA names no folder with {file}");
    }

    /// <summary>What it prints; fails where it does not end with 0.</summary>
    public static string Run(string name, params string[] args)
    {
        var (code, output, error) = RunAny(name, args);
        Assert.True(code == 0, $"{name} {string.Join(' ', args)} ended with {code}: {error}{output}");
        return output;
    }

    /// <summary>Exit code, what it prints but for progress, and what it says to be wrong.</summary>
    public static (int Code, string Output, string Error) RunAny(string name, params string[] args)
    {
        var entry = Assembly.Load(name).EntryPoint!;
        var (output, error) = (Console.Out, Console.Error);
        using var written = new StringWriter();
        using var complained = new StringWriter();
        Console.SetOut(written);
        Console.SetError(complained);
        try
        {
            int code = entry.Invoke(null, [args]) is int ended ? ended : 0;
            return (code, Progress().Replace(written.ToString(), ""), complained.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }

    /// <summary>The number that stands behind some words.</summary>
    public static double NumberAfter(string text, string words)
    {
        int at = text.IndexOf(words, StringComparison.Ordinal);
        Assert.True(at >= 0, $"'{words}' is not in: {text}");
        var number = Number().Match(text, at + words.Length);
        Assert.True(number.Success, $"there is no number behind '{words}' in: {text}");
        return double.Parse(number.Value, CultureInfo.InvariantCulture);
    }

    // Plain lines, and those that are written anew in a terminal.
    [GeneratedRegex(@"[^\n]*( steps/s  |\r(?!\n))[^\n]*\n?")]
    private static partial Regex Progress();

    [GeneratedRegex(@"-?\d+(\.\d+)?([eE][+-]?\d+)?")]
    private static partial Regex Number();
}
