// The generator that is used where none is given is one for the process, and programs seed it.
[assembly: Xunit.CollectionBehavior(DisableTestParallelization = true)]

namespace Picograd.Tests;

/// <summary>A folder that is gone after a test.</summary>
internal sealed class Folder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("picograd-data-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
