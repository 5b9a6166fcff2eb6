using System.Security.Cryptography;

namespace Picograd.TuneDb;

/// <summary>
/// Binaries in a folder, a file each. Of bounded size; the least recently used go first. Files are written whole or not at all,
/// damaged ones and the halves of killed writers are dropped, so that any number of processes may share a folder.
/// </summary>
/// <param name="path">Made when something is stored.</param>
/// <param name="mostBytes">Of files.</param>
public sealed class BinaryFolder(string path, long mostBytes = 512L << 20) : IBinaryStore
{
    /// <summary>Names the folder in place of the user's.</summary>
    public const string Variable = "PICOGRAD_CUBINS";

    private const string Extension = ".cubin";
    private const int ChecksumBytes = 32;

    /// <summary>How stale the time of the last use may get: each renewal is a write.</summary>
    private static readonly TimeSpan UseResolution = TimeSpan.FromHours(1);

    /// <summary>A file is written within seconds.</summary>
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();

    // Of the files, when they were last counted, and what was stored since.
    private long? _bytes;

    /// <inheritdoc/>
    public string Place => path;

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
    public static BinaryFolder OfUser() => new(DefaultPath);

    /// <inheritdoc/>
    public byte[]? Find(string key)
    {
        string file = FileOf(key);
        try
        {
            if (!File.Exists(file))
            {
                return null;
            }

            byte[] whole = File.ReadAllBytes(file);
            if (!IsSound(whole))
            {
                File.Delete(file);
                return null;
            }

            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > UseResolution)
            {
                File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
            }

            return whole[ChecksumBytes..];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is compiled again.
            return null;
        }
    }

    /// <inheritdoc/>
    public void Put(string key, ReadOnlySpan<byte> content)
    {
        string file = FileOf(key);
        string made = $"{file}.{Environment.ProcessId}-{Guid.NewGuid():n}";
        try
        {
            if (File.Exists(file))
            {
                return;
            }

            Directory.CreateDirectory(path);
            byte[] whole = [.. SHA256.HashData(content), .. content];
            try
            {
                File.WriteAllBytes(made, whole);
                File.Move(made, file, overwrite: true);
            }
            finally
            {
                File.Delete(made);
            }

            Keep(whole.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next process compiles it again.
            return;
        }
    }

    /// <inheritdoc/>
    public bool Remove(string key)
    {
        if (!File.Exists(FileOf(key)))
        {
            return false;
        }

        File.Delete(FileOf(key));
        return true;
    }

    /// <inheritdoc/>
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

    /// <inheritdoc/>
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

    // A checksum of the rest comes first.
    private static bool IsSound(byte[] whole) =>
        whole.Length >= ChecksumBytes
        && SHA256.HashData(whole.AsSpan(ChecksumBytes)).AsSpan().SequenceEqual(whole.AsSpan(0, ChecksumBytes));
}
