namespace Picograd.TuneDb.LiteDb;

/// <summary>The sentences about LiteDB files, and the one table from the system's errors to this project's.</summary>
internal static class LiteDbErrors
{
    // ENOSPC, EFBIG, EDQUOT of Linux and of macOS; ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL of Windows.
    private static readonly int[] Full = [28, 27, 122, 69, unchecked((int)0x80070070), unchecked((int)0x80070027)];

    // EROFS.
    private const int ReadOnlyFileSystem = 30;

    public static TuneDbException Error(TuneDbErrorKind kind, string path, string clause, Exception? inner = null) =>
        new(kind, path, $"The tune database '{path}' {clause}.", inner);

    public static TuneDbException Busy(string path) =>
        Error(
            TuneDbErrorKind.Busy,
            path,
            "is held by another process for longer than the busy time-out; try again when that process has finished"
        );

    public static TuneDbException Damaged(string path, string what) =>
        Error(
            TuneDbErrorKind.Corrupt,
            path,
            $"is damaged inside: {what}; 'tune db copy' saves what can still be read into a new file"
        );

    public static TuneDbException Foreign(string path) =>
        Error(TuneDbErrorKind.Foreign, path, "is not a LiteDB database; name another file, this one was left as it is");

    public static TuneDbException Truncated(string path, long length, string promise) =>
        Error(
            TuneDbErrorKind.Truncated,
            path,
            $"is truncated: it is {length} bytes long, {promise}; restore a copy or delete it"
        );

    public static TuneDbException Empty(string path) =>
        Error(TuneDbErrorKind.Truncated, path, "is empty; `tune` fills it, or restore a copy");

    /// <summary>A failure of the file system, in this project's words.</summary>
    /// <param name="path">The file.</param>
    /// <param name="e">What the system reported.</param>
    /// <param name="write">Whether it was to be written.</param>
    public static TuneDbException Translate(string path, Exception e, bool write)
    {
        if (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return Error(
                TuneDbErrorKind.FileMissing,
                path,
                "does not exist; `tune` creates it, or name another file",
                e
            );
        }

        if (e is UnauthorizedAccessException || (e is IOException && e.HResult == ReadOnlyFileSystem))
        {
            return !write ? Error(TuneDbErrorKind.Io, path, "cannot be read: the file does not allow it", e)
                : File.Exists(path)
                    ? Error(
                        TuneDbErrorKind.ReadOnly,
                        path,
                        "cannot be written: the file is read-only; make it writable or name another file",
                        e
                    )
                : Error(
                    TuneDbErrorKind.ReadOnly,
                    path,
                    "cannot be created: its directory does not allow writing; name another file",
                    e
                );
        }

        return Full.Contains(e.HResult)
            ? Error(
                TuneDbErrorKind.DiskFull,
                path,
                "cannot be written: no space is left on its device, or the file would grow beyond what is allowed; nothing of the change was stored",
                e
            )
            : Error(
                TuneDbErrorKind.Io,
                path,
                $"cannot be {(write ? "written" : "read")} ({PlainText.Of(e.Message.TrimEnd('.'))})",
                e
            );
    }
}
