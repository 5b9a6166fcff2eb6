using Xunit;

namespace Picograd.Tests.Formats;

/// <summary>A folder that is gone after a test.</summary>
internal sealed class ScratchFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("picograd-formats-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public string[] Names => [.. Directory.EnumerateFiles(_path).Select(p => Path.GetFileName(p))];

    public void Dispose() => Directory.Delete(_path, recursive: true);

    /// <summary>A file of the public data; the test is skipped where it is not.</summary>
    public static string Data(string name)
    {
        string? folder = Environment.GetEnvironmentVariable("PICOGRAD_DATA");
        Skip.If(string.IsNullOrEmpty(folder), $"needs {name}; PICOGRAD_DATA names no folder with it");
        string path = Path.Combine(folder!, name);
        Skip.IfNot(File.Exists(path), $"needs {name}, which {folder} does not have");
        return path;
    }
}
