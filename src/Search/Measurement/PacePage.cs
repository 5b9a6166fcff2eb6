using System.Globalization;
using System.IO.MemoryMappedFiles;

namespace Picograd.Search.Measurement;

/// <summary>
/// What a process that holds others to a share of the processor, and these, tell one another, in memory that they share: a file
/// that an environment variable names.
/// </summary>
public sealed unsafe class PacePage : IDisposable
{
    private const string Variable = "PICOGRAD_PACE";
    private const int Bytes = 4096;

    /// <summary>How often what changes is told.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly long* _values;

    private PacePage(FileStream file, string path)
    {
        Path = path;
        _file = MemoryMappedFile.CreateFromFile(
            file,
            null,
            Bytes,
            MemoryMappedFileAccess.ReadWrite,
            HandleInheritability.None,
            leaveOpen: false
        );
        _view = _file.CreateViewAccessor(0, Bytes);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _values = (long*)start;
    }

    /// <summary>
    /// Of the file, which ends with the page of the process that made it; on Linux also where that is killed, as there it has no name
    /// but in that process.
    /// </summary>
    public string Path { get; }

    /// <summary>For how long all of them have been stopped so far, in units of <see cref="System.Diagnostics.Stopwatch"/>.</summary>
    public long Stopped
    {
        get => Volatile.Read(ref _values[0]);
        set => Volatile.Write(ref _values[0], value);
    }

    /// <summary>The process in which candidates run; 0 before the first.</summary>
    public int Worker
    {
        get => (int)Volatile.Read(ref _values[1]);
        set => Volatile.Write(ref _values[1], value);
    }

    /// <summary>What a device beside the processor did for that process so far, in ticks of <see cref="TimeSpan"/>.</summary>
    public long Device
    {
        get => Volatile.Read(ref _values[2]);
        set => Volatile.Write(ref _values[2], value);
    }

    /// <summary>A new one in the folder for temporary files.</summary>
    public static PacePage Create()
    {
        string folder = Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath();
        var file = new FileStream(
            System.IO.Path.Combine(folder, $"picograd-pace-{Guid.NewGuid():N}"),
            new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite | FileShare.Delete,
                Options = OperatingSystem.IsLinux() ? FileOptions.None : FileOptions.DeleteOnClose,
            }
        );
        file.SetLength(Bytes);
        string path = file.Name;
        if (OperatingSystem.IsLinux())
        {
            path = string.Create(
                CultureInfo.InvariantCulture,
                $"/proc/{Environment.ProcessId}/fd/{file.SafeFileHandle.DangerousGetHandle()}"
            );
            File.Delete(file.Name);
        }
        return new PacePage(file, path);
    }

    /// <summary>Makes a process, and those that it starts, find this page.</summary>
    public void GiveTo(IDictionary<string, string?> environment) => environment[Variable] = Path;

    /// <summary>That of this process; null for none.</summary>
    public static PacePage? OfEnvironment() =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path ? Open(path) : null;

    /// <summary>That of another process.</summary>
    public static PacePage Open(string path) =>
        new(new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete), path);

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }
}
