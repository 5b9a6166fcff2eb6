using System.Runtime.InteropServices;

namespace Picograd.TuneDb;

/// <summary>Files that appear whole or not at all.</summary>
internal static partial class WholeFile
{
    // A text is written within seconds.
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(10);

    // As many as Linux follows.
    private const int MostLinks = 40;

    /// <summary>
    /// Writes the text beside the file and then puts it into its place, with the permissions of what was there. Links stay
    /// links. Whatever goes wrong, and also when the process is told to end meanwhile, the file stays as it was and nothing
    /// is left beside it; only a kill that leaves no time for anything leaves a <c>.partial</c>, which a later write of the same
    /// file removes.
    /// </summary>
    /// <exception cref="IOException">It cannot be written, or what is at the path is no regular file.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Write(string path, string text)
    {
        if (RegularFile.Problem(path) is { } clause)
        {
            throw new IOException($"it {clause}; '-' writes to the standard output");
        }

        if (Directory.Exists(path))
        {
            throw new IOException("it is a folder; name a file, for instance one inside it");
        }

        var target = RegularFile.Target(path);
        // What a process has open, such as /dev/stdout: the file behind it would be replaced under the process.
        if (!OperatingSystem.IsWindows() && IsOpenFile(Path.GetFullPath(path)))
        {
            throw new IOException("it stands for an open file; '-' writes to the standard output");
        }

        DiscardStale(target);
        var partial = $"{target}.{Path.GetRandomFileName()}.partial";
        EventHandler cleanUp = (_, _) => Discard(partial);
        AppDomain.CurrentDomain.ProcessExit += cleanUp;
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                if (!OperatingSystem.IsWindows() && File.Exists(target))
                {
                    File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(target));
                }

                using (var writer = new StreamWriter(stream, leaveOpen: true))
                {
                    writer.Write(text);
                }

                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, target, overwrite: true);
            FlushFolder(target);
        }
        finally
        {
            Discard(partial);
            AppDomain.CurrentDomain.ProcessExit -= cleanUp;
        }
    }

    // Itself or by a link that leads there, however many come before.
    private static bool IsOpenFile(string? path)
    {
        for (var links = 0; path is not null && links <= MostLinks; links++)
        {
            if (Below(path, "/dev/fd") || Below(path, "/proc") || IsStandardStream(path))
            {
                return true;
            }

            var target = new FileInfo(path).LinkTarget;
            path = target is null ? null : Path.GetFullPath(target, Path.GetDirectoryName(path)!);
        }

        return false;
    }

    private static bool Below(string path, string folder) => path.StartsWith(folder + "/", StringComparison.Ordinal);

    private static bool IsStandardStream(string path) => path is "/dev/stdin" or "/dev/stdout" or "/dev/stderr";

    /// <summary>
    /// Has it written to the medium that there is a file of this name; the contents alone do not say so. Where that cannot be done
    /// (Windows does it by itself) it is left to the system.
    /// </summary>
    public static void FlushFolder(string path)
    {
        if (OperatingSystem.IsWindows() || Path.GetDirectoryName(Path.GetFullPath(path)) is not { } folder)
        {
            return;
        }

        const int ReadOnly = 0;
        var descriptor = OpenFolder(folder, ReadOnly);
        if (descriptor >= 0)
        {
            _ = Flush(descriptor);
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFolder(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Flush(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    /// <summary>
    /// Removes what killed processes left of this file. One that is being written is young, and locked by whoever writes it.
    /// </summary>
    public static void DiscardStale(string target)
    {
        try
        {
            var name = Path.GetFileName(target);
            foreach (var path in Directory.EnumerateFiles(Path.GetDirectoryName(target)!, $"{name}.*.partial*"))
            {
                if (
                    RandomPart().IsMatch(Path.GetFileName(path)[name.Length..])
                    && DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > Stale
                    && new FileInfo(path).LinkTarget is null
                )
                {
                    using var locked = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                    File.Delete(path);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody else's, or gone already: it harms nobody.
        }
    }

    // As Path.GetRandomFileName makes them.
    [System.Text.RegularExpressions.GeneratedRegex(@"^\.[a-z0-9]{8}\.[a-z0-9]{3}\.partial(-wal|-shm|-journal)?$")]
    private static partial System.Text.RegularExpressions.Regex RandomPart();

    /// <summary>Deletes a file, if it is there and that is allowed.</summary>
    public static void Discard(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The folder has gone, or no longer allows it: there is nothing more to be done.
        }
    }
}
