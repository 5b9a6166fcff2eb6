using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Picograd.TuneDb.Sqlite;

/// <summary>The one table from SQLite's result codes to this project's errors (https://sqlite.org/rescode.html).</summary>
internal static class SqliteErrors
{
    public static TuneDbException Translate(string path, SqliteException e)
    {
        var (kind, clause) = e.SqliteErrorCode switch
        {
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => (
                TuneDbErrorKind.Busy,
                "is held by another process for longer than the busy time-out; try again when that process has finished"
            ),
            raw.SQLITE_READONLY or raw.SQLITE_PERM or raw.SQLITE_AUTH => (
                TuneDbErrorKind.ReadOnly,
                "cannot be written: the file or its directory is read-only; make it writable or name another file"
            ),
            raw.SQLITE_IOERR when e.SqliteExtendedErrorCode == raw.SQLITE_IOERR_SHORT_READ => (
                TuneDbErrorKind.Truncated,
                "is truncated: a page that it should hold lies behind its end; restore a copy or delete it"
            ),
            raw.SQLITE_CORRUPT => Damaged(path),
            raw.SQLITE_NOTADB => (
                TuneDbErrorKind.Foreign,
                "is not a SQLite database; name another file, this one was left as it is"
            ),
            raw.SQLITE_FULL => (TuneDbErrorKind.DiskFull, "cannot be written: no space is left on its device"),
            raw.SQLITE_CANTOPEN => CannotOpen(path),
            _ => (
                TuneDbErrorKind.Io,
                $"failed: SQLite reports error {e.SqliteExtendedErrorCode} ({e.Message.TrimEnd('.')})"
            ),
        };
        return Error(kind, path, clause, e);
    }

    public static TuneDbException Error(TuneDbErrorKind kind, string path, string clause, Exception? inner = null) =>
        new(kind, path, $"The tune database '{path}' {clause}.", inner);

    private static (TuneDbErrorKind, string) Damaged(string path) =>
        SqliteFile.MissingBytes(path) is { } missing
            ? (TuneDbErrorKind.Truncated, missing)
            : (TuneDbErrorKind.Corrupt, "is damaged inside; export what `tune db verify` still reads, then delete it");

    private static (TuneDbErrorKind, string) CannotOpen(string path) =>
        File.Exists(path)
            ? (
                TuneDbErrorKind.ReadOnly,
                "cannot be opened: its directory does not allow the side files that SQLite keeps beside it"
            )
            : (TuneDbErrorKind.ReadOnly, "cannot be created: its directory does not allow writing; name another file");
}
