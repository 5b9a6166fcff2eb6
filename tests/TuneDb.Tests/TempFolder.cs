namespace Picograd.Tests;

/// <summary>A folder that is removed with everything in it.</summary>
public sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("picograd-tunedb-").FullName;

    public string File(string name = "tune.sqlite") => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
