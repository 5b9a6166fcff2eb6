using System.Data.Common;
using Npgsql;

namespace Picograd.TuneDb.Postgres;

/// <summary>The one table from PostgreSQL's error codes to this project's errors (https://www.postgresql.org/docs/current/errcodes-appendix.html).</summary>
internal static class PostgresErrors
{
    public static TuneDbException Translate(string place, DbException e)
    {
        var (kind, clause) = e switch
        {
            PostgresException said => Of(said),
            { InnerException: TimeoutException } => (
                TuneDbErrorKind.Busy,
                "did not answer in time; try again, or name another database"
            ),
            _ => (TuneDbErrorKind.Unreachable, $"cannot be reached ({Reason(e)})"),
        };
        return Error(kind, place, clause, e);
    }

    public static TuneDbException Error(TuneDbErrorKind kind, string place, string clause, Exception? inner = null) =>
        new(kind, place, $"The tune database 'postgres:{place}' {clause}.", inner);

    private static (TuneDbErrorKind, string) Of(PostgresException e) =>
        e.SqlState switch
        {
            PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled => (
                TuneDbErrorKind.Busy,
                "is held by another process for longer than the busy time-out; try again when that process has finished"
            ),
            PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.ReadOnlySqlTransaction => (
                TuneDbErrorKind.ReadOnly,
                $"cannot be used so: {e.MessageText}; ask whoever keeps the server for the right to"
            ),
            PostgresErrorCodes.DiskFull => (
                TuneDbErrorKind.DiskFull,
                "cannot be written: no space is left on its device"
            ),
            PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification => (
                TuneDbErrorKind.Unreachable,
                $"refuses this user ({e.MessageText}); set PGUSER and PGPASSWORD, or PGPASSFILE"
            ),
            PostgresErrorCodes.InvalidCatalogName => (
                TuneDbErrorKind.FileMissing,
                $"is not there ({e.MessageText}); 'createdb' makes one"
            ),
            PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted => (
                TuneDbErrorKind.Corrupt,
                $"is damaged inside ({e.MessageText}); export what 'tune db verify' still reads"
            ),
            // The server ends or begins.
            ['5', '7', 'P', ..] => (TuneDbErrorKind.Unreachable, $"cannot be reached ({e.MessageText})"),
            _ => (TuneDbErrorKind.Io, $"failed: PostgreSQL reports error {e.SqlState} ({e.MessageText.TrimEnd('.')})"),
        };

    private static string Reason(Exception e) => (e.InnerException ?? e).Message.TrimEnd('.').ReplaceLineEndings(" ");
}
