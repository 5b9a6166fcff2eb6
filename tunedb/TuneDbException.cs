namespace Picograd.TuneDb;

/// <summary>What is wrong with a tune database or with a text of exported winners.</summary>
public enum TuneDbErrorKind
{
    /// <summary>The path is blank or no path at all.</summary>
    BadPath,

    /// <summary>The path names a directory, not a file.</summary>
    PathIsDirectory,

    /// <summary>The path names a pipe, a device or a socket, not a file.</summary>
    NotRegular,

    /// <summary>The directory that should hold the file does not exist.</summary>
    DirectoryMissing,

    /// <summary>The file does not exist and the mode does not create it.</summary>
    FileMissing,

    /// <summary>The file is of none of the providers, or it is a database of another application.</summary>
    Foreign,

    /// <summary>The file ends before its contents do.</summary>
    Truncated,

    /// <summary>The file's inner structure is damaged.</summary>
    Corrupt,

    /// <summary>A newer version of Picograd wrote the file.</summary>
    NewerSchema,

    /// <summary>The file, its directory or the open mode does not allow writing.</summary>
    ReadOnly,

    /// <summary>Another process held the file for longer than the busy time-out.</summary>
    Busy,

    /// <summary>No space is left on the device.</summary>
    DiskFull,

    /// <summary>Any other failure of the file system or of the storage engine.</summary>
    Io,

    /// <summary>A text of exported winners is not in the export format.</summary>
    BadText,

    /// <summary>A file was to be merged into itself.</summary>
    SameFile,

    /// <summary>A server does not answer, or refuses this user.</summary>
    Unreachable,
}

/// <summary>
/// A failure of the tune database, told in one sentence that names the file and says what to do. Models never see it:
/// they read through <see cref="TuneServing"/>, which turns it into a warning and default schedules.
/// </summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Roslynator",
    "RCS1194",
    Justification = "The usual constructors would allow a failure without a kind."
)]
public sealed class TuneDbException(
    TuneDbErrorKind kind,
    string? path,
    string message,
    Exception? innerException = null
) : Exception(message, innerException)
{
    /// <summary>The reason, for callers that react to it.</summary>
    public TuneDbErrorKind Kind { get; } = kind;

    /// <summary>Full path of the file concerned; null for a text that has no file and for a path that is none.</summary>
    public string? Path { get; } = path;
}
