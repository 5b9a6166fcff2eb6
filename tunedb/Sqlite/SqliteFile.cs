using System.Buffers.Binary;
using Microsoft.Data.Sqlite;

namespace Picograd.TuneDb.Sqlite;

/// <summary>
/// What can be said about a database file before SQLite opens it, from its 100-byte header
/// (https://sqlite.org/fileformat2.html#the_database_header), and the connection itself.
/// </summary>
internal static class SqliteFile
{
    private const int HeaderLength = 100;

    // Bytes: a compiled kernel with debug information has a few million.
    private const int LargestValue = 64 << 20;

    private static ReadOnlySpan<byte> Magic => "SQLite format 3\0"u8;

    /// <summary>Whether a file that begins so can be one of SQLite's.</summary>
    public static bool Recognises(ReadOnlySpan<byte> start)
    {
        var common = Math.Min(start.Length, Magic.Length);
        return common > 0 && start[..common].SequenceEqual(Magic[..common]);
    }

    /// <summary>Refuses directories, missing directories and files that are foreign or cut off.</summary>
    public static void Inspect(string path, TuneDbMode mode)
    {
        TuneFilePath.Check(path, mode);
        // The side files too: SQLite opens those that it finds.
        foreach (var suffix in (ReadOnlySpan<string>)["-wal", "-shm", "-journal"])
        {
            if (RegularFile.Problem(path + suffix) is { } clause)
            {
                throw SqliteErrors.Error(
                    TuneDbErrorKind.NotRegular,
                    path,
                    $"cannot be opened because '{path + suffix}' {clause}"
                );
            }
        }

        if (File.Exists(path))
        {
            InspectHeader(path, mode);
        }
    }

    /// <summary>A clause that says how many bytes the header promises and the file lacks; null when it lacks none.</summary>
    /// <remarks>
    /// While a write-ahead log is pending the header may run ahead of the file (a checkpoint writes page 1 first), so
    /// only a file without one can be judged. Asked again a little later, because a checkpoint of another process
    /// may be under way just now.
    /// </remarks>
    public static string? MissingBytes(string path)
    {
        string? clause = null;
        for (var attempt = 0; attempt < 3; attempt++)
        {
            if (attempt > 0)
            {
                Thread.Sleep(30);
            }

            if (HasPendingLog(path))
            {
                return null;
            }

            clause = MissingBytesNow(path);
            if (clause is null)
            {
                return null;
            }
        }

        return clause;
    }

    /// <summary>Opens the connection. A read-only one on a read-only medium is opened as immutable.</summary>
    public static SqliteConnection Connect(string path, TuneDbMode mode, TimeSpan busyTimeout)
    {
        if (mode == TuneDbMode.ReadWrite)
        {
            return Connect(path, SqliteOpenMode.ReadWriteCreate, busyTimeout);
        }

        try
        {
            return Connect(path, SqliteOpenMode.ReadOnly, busyTimeout);
        }
        catch (SqliteException e)
            when (e.SqliteErrorCode is SQLitePCL.raw.SQLITE_CANTOPEN or SQLitePCL.raw.SQLITE_READONLY
                && !HasPendingLog(path)
            )
        {
            // The directory does not allow the shared-memory file of the write-ahead log. Without a pending log the
            // file holds everything, and since nobody can write beside it, it can be read as immutable.
            return Connect(new Uri(path).AbsoluteUri + "?immutable=1", SqliteOpenMode.ReadOnly, busyTimeout);
        }
    }

    private static SqliteConnection Connect(string source, SqliteOpenMode mode, TimeSpan busyTimeout)
    {
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder
            {
                DataSource = source,
                Mode = mode,
                // A pooled connection would keep the file open, hence its log in place, after Dispose.
                Pooling = false,
                DefaultTimeout = Math.Max(1, (int)Math.Ceiling(busyTimeout.TotalSeconds)),
            }.ToString()
        );
        try
        {
            connection.Open();
            SqliteSchema.Execute(connection, $"PRAGMA busy_timeout={(int)busyTimeout.TotalMilliseconds}");
            SqliteSchema.Execute(connection, "PRAGMA cell_size_check=ON");
            SqliteSchema.Execute(connection, "PRAGMA trusted_schema=OFF");
            Harden(connection);
            // The first read: only now does SQLite look at the file.
            SqliteSchema.Number(connection, "SELECT count(*) FROM sqlite_schema");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A file may hold code: triggers run when it is written, views when it is read. This application has none, so none runs;
    /// and no value of a row may be larger than any that it writes.
    /// </summary>
    private static void Harden(SqliteConnection connection)
    {
        const int enableTrigger = 1003;
        const int defensive = 1010;
        const int enableView = 1015;
        var handle = connection.Handle;
        SQLitePCL.raw.sqlite3_db_config(handle, enableTrigger, 0, out _);
        SQLitePCL.raw.sqlite3_db_config(handle, enableView, 0, out _);
        SQLitePCL.raw.sqlite3_db_config(handle, defensive, 1, out _);
        SQLitePCL.raw.sqlite3_limit(handle, SQLitePCL.raw.SQLITE_LIMIT_LENGTH, LargestValue);
    }

    private static void InspectHeader(string path, TuneDbMode mode)
    {
        byte[] header;
        try
        {
            header = SqliteOpenings.Start(path, HeaderLength, out _);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SqliteErrors.Error(TuneDbErrorKind.Io, path, $"cannot be read ({e.Message.TrimEnd('.')})", e);
        }

        if (header.Length == 0)
        {
            // An empty file is a database without contents to SQLite; opening for writing fills it.
            if (mode == TuneDbMode.ReadOnly && !HasPendingLog(path))
            {
                throw SqliteErrors.Error(
                    TuneDbErrorKind.Truncated,
                    path,
                    "is empty; `tune` fills it, or restore a copy"
                );
            }

            return;
        }

        if (!Recognises(header))
        {
            throw SqliteErrors.Error(
                TuneDbErrorKind.Foreign,
                path,
                "is not a SQLite database; name another file, this one was left as it is"
            );
        }

        if (MissingBytes(path) is { } clause)
        {
            throw SqliteErrors.Error(TuneDbErrorKind.Truncated, path, clause);
        }
    }

    private static string? MissingBytesNow(string path)
    {
        byte[] header;
        long length;
        try
        {
            header = SqliteOpenings.Start(path, HeaderLength, out length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        if (header.Length < HeaderLength)
        {
            return length == 0
                ? null
                : $"is truncated: it is {length} bytes long, shorter than a header; restore a copy or delete it";
        }

        int pageSize = BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(16));
        pageSize = pageSize == 1 ? 65536 : pageSize;
        var promised = (long)pageSize * BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(28));
        return length >= promised
            ? null
            : $"is truncated: it is {length} bytes long, but its header promises {promised}; restore a copy or delete it";
    }

    private static bool HasPendingLog(string path) => new FileInfo(path + "-wal") is { Exists: true, Length: > 0 };
}
