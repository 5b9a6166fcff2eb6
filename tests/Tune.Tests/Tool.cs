using Picograd.Tune;

// Dispatch and the worker pool are of the whole process, and timings disturb one another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Picograd.Tests;

/// <summary>What a command line gave: exit code, output, error output.</summary>
internal sealed record ToolRun(int Code, string Out, string Error)
{
    /// <summary>Runs a command in this process; words are separated by blanks, quotes keep blanks together.</summary>
    public static ToolRun Of(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = TuneCommand.Run(args, new ToolConsole(output, error, false, CancellationToken.None));
        return new ToolRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Runs words that hold no blanks.</summary>
    public static ToolRun Line(string line) => Of(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Checks that the input was refused in one sentence, which holds the given parts, and nothing was printed.</summary>
    public void Refused(params string[] parts)
    {
        Assert.Equal(TuneCommand.BadInput, Code);
        Assert.Equal("", Out);
        string sentence = Assert.Single(Error.TrimEnd().Split('\n'));
        Assert.StartsWith("tune: ", sentence);
        foreach (string part in parts)
            Assert.Contains(part, sentence);
    }

    /// <summary>Checks that it succeeded; returns the output.</summary>
    public string Succeeded()
    {
        Assert.True(Code == 0, $"exit code {Code}: {Error}");
        return Out;
    }
}

/// <summary>A folder of its own for one test.</summary>
internal sealed class TempFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("picograd-tune-");

    public string this[string name] => Path.Combine(_folder.FullName, name);

    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
