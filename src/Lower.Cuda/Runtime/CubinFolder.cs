using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Picograd.Lower.Cuda;

/// <summary>
/// Compiled programs in a folder, a file each, with those of this process in front of it: what was compiled for a search is wanted
/// again by whoever runs the winner. Of bounded size; the least recently used go first. Files are written whole or not at all,
/// damaged ones and the halves of killed writers are dropped, so that any number of processes may share a folder. A folder that
/// cannot be used costs
/// compilations and nothing else. Thread-safe.
/// </summary>
/// <param name="path">Made when something is stored.</param>
/// <param name="mostBytes">Of files.</param>
public sealed class CubinFolder(string path, long mostBytes = 512L << 20) : ICubinCache
{
    /// <summary>Names the folder in place of the user's.</summary>
    public const string Variable = "PICOGRAD_CUBINS";

    private const string Extension = ".cubin";
    private const int ChecksumBytes = 32;

    /// <summary>How stale the time of the last use may get: each renewal is a write.</summary>
    private static readonly TimeSpan UseResolution = TimeSpan.FromHours(1);

    /// <summary>A file is written within seconds.</summary>
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(10);

    private readonly MemoryCubinCache _near = new();
    private readonly Lock _lock = new();

    // Of the files, when they were last counted, and what was stored since.
    private long? _bytes;

    /// <summary>Where it is.</summary>
    public string FolderPath => path;

    /// <summary>
    /// The folder that the variable names, else picograd/cubins in the user's folder for caches (XDG_CACHE_HOME, ~/.cache; local
    /// application data on Windows).
    /// </summary>
    public static string DefaultPath
    {
        get
        {
            if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
                return Path.GetFullPath(named);
            string caches =
                OperatingSystem.IsWindows() ? Data(Environment.SpecialFolder.LocalApplicationData)
                : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
                : Path.Combine(Data(Environment.SpecialFolder.UserProfile), ".cache");
            return Path.GetFullPath(Path.Combine(caches, "picograd", "cubins"));
        }
    }

    /// <summary>The user's folder.</summary>
    public static CubinFolder OfUser() => new(DefaultPath);

    public CachedCubin? Find(string key)
    {
        if (_near.Find(key) is { } known)
            return known;
        string file = FileOf(key);
        try
        {
            if (!File.Exists(file))
                return null;
            if (Read(File.ReadAllBytes(file)) is not { } cubin)
            {
                File.Delete(file);
                return null;
            }
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > UseResolution)
                File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
            _near.Put(key, cubin);
            return cubin;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is compiled again.
            return null;
        }
    }

    public void Put(string key, CachedCubin cubin)
    {
        _near.Put(key, cubin);
        string file = FileOf(key);
        string made = $"{file}.{Environment.ProcessId}-{Guid.NewGuid():n}";
        try
        {
            if (File.Exists(file))
                return;
            Directory.CreateDirectory(path);
            byte[] content = Write(cubin);
            try
            {
                File.WriteAllBytes(made, content);
                File.Move(made, file, overwrite: true);
            }
            finally
            {
                File.Delete(made);
            }
            Keep(content.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next process compiles it again.
            return;
        }
    }

    /// <summary>How many there are that can be used, and their bytes.</summary>
    public (int Count, long Bytes) Statistics()
    {
        try
        {
            var files = Files();
            return (files.Count, files.Sum(f => f.Length));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (0, 0);
        }
    }

    /// <summary>Removes those that were not used since a time; null for all. Returns how many.</summary>
    /// <exception cref="IOException">A file cannot be removed.</exception>
    public int Prune(DateTime? usedBefore)
    {
        int removed = 0;
        foreach (var file in Files().Where(f => usedBefore is null || f.LastWriteTimeUtc < usedBefore))
        {
            file.Delete();
            removed++;
        }
        return removed;
    }

    private static string Data(Environment.SpecialFolder folder) =>
        Environment.GetFolderPath(folder, Environment.SpecialFolderOption.DoNotVerify);

    private string FileOf(string key) => Path.Combine(path, key + Extension);

    private List<FileInfo> Files() =>
        Directory.Exists(path) ? [.. new DirectoryInfo(path).EnumerateFiles("*" + Extension)] : [];

    // What writers that were killed left.
    private void DiscardHalves()
    {
        foreach (var file in new DirectoryInfo(path).EnumerateFiles())
        {
            if (
                file.Name.Contains(Extension + ".", StringComparison.Ordinal)
                && DateTime.UtcNow - file.LastWriteTimeUtc > Stale
            )
                file.Delete();
        }
    }

    private void Keep(long added)
    {
        lock (_lock)
        {
            if (_bytes is null)
                DiscardHalves();
            _bytes = _bytes is { } known ? known + added : Files().Sum(f => f.Length);
            if (_bytes <= mostBytes)
                return;
            // What others stored or dropped meanwhile counts as well.
            long total = 0;
            foreach (
                var file in Files()
                    .OrderByDescending(f => f.LastWriteTimeUtc)
                    .ThenBy(f => f.Name, StringComparer.Ordinal)
            )
            {
                if (total + file.Length <= mostBytes)
                    total += file.Length;
                else
                    file.Delete();
            }
            _bytes = total;
        }
    }

    // Checksum of the rest; length of the log in bytes; log; cubin.
    private static byte[] Write(CachedCubin cubin)
    {
        byte[] log = Encoding.UTF8.GetBytes(cubin.Log);
        byte[] content = [.. new byte[ChecksumBytes], .. BitConverter.GetBytes(log.Length), .. log, .. cubin.Cubin];
        SHA256.HashData(content.AsSpan(ChecksumBytes), content);
        return content;
    }

    private static CachedCubin? Read(byte[] content)
    {
        if (
            content.Length < ChecksumBytes + sizeof(int)
            || !SHA256.HashData(content.AsSpan(ChecksumBytes)).AsSpan().SequenceEqual(content.AsSpan(0, ChecksumBytes))
        )
            return null;
        int length = BitConverter.ToInt32(content, ChecksumBytes);
        var rest = content.AsSpan(ChecksumBytes + sizeof(int));
        return length < 0 || length > rest.Length
            ? null
            : new CachedCubin([.. rest[length..]], Encoding.UTF8.GetString(rest[..length]));
    }
}
