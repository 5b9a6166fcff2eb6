using System.Runtime.CompilerServices;
using Xunit;

namespace Picograd.Tests;

/// <summary>What every example does: help, and one sentence where something is wrong.</summary>
public sealed class CommandLineTests
{
    public static TheoryData<string> Names() => [.. Folders().Where(n => n is not "names-mlp")];

    private static IEnumerable<string> Folders([CallerFilePath] string here = "") =>
        Directory
            .GetFiles(Path.Combine(here, "../../../examples"), "*.csproj", SearchOption.AllDirectories)
            .Select(f => Path.GetFileNameWithoutExtension(f)!)
            .Order();

    [Theory]
    [MemberData(nameof(Names))]
    public void Help_says_what_it_does_and_what_it_takes(string name)
    {
        string help = ExampleProgram.Run(name, "--help");
        Assert.Contains("--", help);
        Assert.True(help.Length > 100, help);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_option_that_there_is_not_is_refused(string name)
    {
        var (code, output, error) = ExampleProgram.RunAny(name, "--no-such-option");
        Assert.NotEqual(0, code);
        Assert.False(string.IsNullOrWhiteSpace(error + output));
    }

    [Theory]
    [InlineData("llama", "stories260K.bin")]
    [InlineData("charrnn", "charrnn-lstm-shakespeare.safetensors")]
    [InlineData("silero-vad", "jfk.wav")]
    public void Data_that_is_not_there_is_one_sentence(string name, string file)
    {
        var (code, _, error) = ExampleProgram.RunAny(name, "--data", Path.GetTempPath());
        Assert.Equal(2, code);
        Assert.StartsWith($"{name}: there is no {file} in ", error, StringComparison.Ordinal);
        Assert.Single(error.Trim().Split('\n'));
    }
}
