using Microsoft.Data.Sqlite;

namespace Picograd.TuneDb.Sqlite;

/// <summary>
/// The schema as its history: step i turns version i into version i + 1, and a new file runs through all of them. So a
/// migrated file and a new one cannot differ. Steps are never edited after a release; a change is a new step.
/// </summary>
internal static partial class SqliteSchema
{
    /// <summary>Written to the file's header, so that other applications' databases are recognised: "PiGr".</summary>
    public const int ApplicationId = 0x50694772;

    /// <summary>The version that this code reads and writes.</summary>
    public static int Current => Steps.Length;

    /// <summary>How candidates of version 1, which has no outcome column, are told: by whether they have a time.</summary>
    public const string OutcomeInVersion1 = "CASE WHEN milliseconds IS NULL THEN 'unrecorded' ELSE 'timed' END";

    private static readonly string[] Steps =
    [
        // 0 → 1
        """
            CREATE TABLE records (
              id INTEGER PRIMARY KEY,
              key_hash TEXT NOT NULL,
              certified INTEGER NOT NULL CHECK (certified IN (0, 1)),
              family_hash TEXT NOT NULL,
              structure TEXT NOT NULL,
              shapes TEXT NOT NULL,
              dtypes TEXT NOT NULL,
              layouts TEXT NOT NULL,
              target TEXT NOT NULL,
              compiler TEXT NOT NULL,
              policy TEXT NOT NULL,
              spec TEXT NOT NULL,
              trace TEXT NOT NULL,
              trace_hash TEXT NOT NULL,
              guards TEXT NOT NULL,
              milliseconds REAL NOT NULL,
              default_milliseconds REAL,
              samples TEXT NOT NULL,
              error_ratio REAL NOT NULL,
              certification_ok INTEGER NOT NULL,
              bit_stable INTEGER NOT NULL,
              certification_detail TEXT NOT NULL,
              utc TEXT NOT NULL,
              machine TEXT NOT NULL,
              seed INTEGER NOT NULL,
              budget TEXT NOT NULL,
              candidates_tried INTEGER NOT NULL,
              stop_reason TEXT NOT NULL,
              runtime TEXT NOT NULL,
              tool TEXT NOT NULL,
              origin TEXT NOT NULL,
              checksum TEXT NOT NULL
            ) STRICT;
            CREATE UNIQUE INDEX records_place ON records (key_hash, certified);
            CREATE INDEX records_family ON records (family_hash, certified);
            CREATE TABLE history (
              id INTEGER PRIMARY KEY,
              key_hash TEXT NOT NULL,
              recorded_utc TEXT NOT NULL,
              outcome TEXT NOT NULL,
              origin TEXT NOT NULL,
              certified INTEGER NOT NULL,
              compiler TEXT NOT NULL,
              body TEXT NOT NULL,
              checksum TEXT NOT NULL
            ) STRICT;
            CREATE INDEX history_key ON history (key_hash);
            CREATE TABLE keys (
              key_hash TEXT PRIMARY KEY,
              compiler TEXT NOT NULL,
              body TEXT NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE candidates (
              id INTEGER PRIMARY KEY,
              key_hash TEXT NOT NULL,
              run TEXT NOT NULL,
              trace_hash TEXT NOT NULL,
              trace TEXT,
              milliseconds REAL,
              utc TEXT NOT NULL,
              detail TEXT NOT NULL
            ) STRICT;
            CREATE INDEX candidates_key ON candidates (key_hash);
            """,
            // 1 → 2: every candidate has its outcome by name.
            $"""
            ALTER TABLE candidates ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
            UPDATE candidates SET outcome = {OutcomeInVersion1};
            """,
        // 2 → 3: compiled kernels.
        """
            CREATE TABLE binaries (
              key TEXT NOT NULL UNIQUE,
              used_utc TEXT NOT NULL,
              bytes INTEGER NOT NULL,
              log TEXT NOT NULL,
              code BLOB NOT NULL,
              checksum TEXT NOT NULL
            ) STRICT;
            CREATE INDEX binaries_used ON binaries (used_utc);
            """,
        // 3 → 4: records keep the text of their problem; those from before have none, and their spec says it.
        """
            ALTER TABLE records ADD COLUMN problem TEXT NOT NULL DEFAULT '';
            """,
    ];

    /// <summary>
    /// Makes an open file ready: creates the schema in a new one, migrates an older one, refuses all others. Safe when
    /// several processes do it at once. Returns the version that the file has afterwards.
    /// </summary>
    public static int Prepare(SqliteConnection connection, string path, TuneDbMode mode)
    {
        var version = Check(connection, path, mode);
        if (mode == TuneDbMode.ReadOnly)
        {
            return version > 0
                ? version
                : throw SqliteErrors.Error(TuneDbErrorKind.Truncated, path, "holds no tables yet; `tune` fills it");
        }

        if (SQLitePCL.raw.sqlite3_db_readonly(connection.Handle, "main") == 1)
        {
            throw SqliteErrors.Error(
                TuneDbErrorKind.ReadOnly,
                path,
                "cannot be written: the file is read-only; make it writable or name another file"
            );
        }

        if (version == 0)
        {
            // Takes effect only before the first table, so it cannot be part of the transaction below.
            Execute(connection, "PRAGMA auto_vacuum=INCREMENTAL");
        }

        Execute(connection, "PRAGMA journal_mode=WAL");
        // In WAL mode NORMAL survives a killed process without loss and a power cut without damage.
        Execute(connection, "PRAGMA synchronous=NORMAL");
        if (version < Current)
        {
            Migrate(connection, path);
        }

        return Current;
    }

    /// <summary>The version of a file of this application; 0 for a file without any table.</summary>
    /// <param name="connection">The file.</param>
    /// <param name="path">Its name.</param>
    /// <param name="mode">Whether the tables and indices are looked at as well, and what for.</param>
    public static int Check(SqliteConnection connection, string path, TuneDbMode? mode = null)
    {
        // One snapshot for all that is read: a file that another process is just creating must not look half foreign.
        var own = SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) != 0;
        if (own)
        {
            Execute(connection, "BEGIN");
        }

        try
        {
            var version = VersionOf(connection, path);
            if (mode is { } use && version > 0)
            {
                RequireOwn(connection, path, version, use);
            }

            return version;
        }
        finally
        {
            if (own)
            {
                Rollback(connection);
            }
        }
    }

    private static int VersionOf(SqliteConnection connection, string path)
    {
        var application = Number(connection, "PRAGMA application_id");
        var version = Number(connection, "PRAGMA user_version");
        if (application != ApplicationId)
        {
            var isNew =
                application == 0 && version == 0 && Number(connection, "SELECT count(*) FROM sqlite_schema") == 0;
            return isNew
                ? 0
                : throw SqliteErrors.Error(
                    TuneDbErrorKind.Foreign,
                    path,
                    "is a SQLite database of another application; name another file, this one was left as it is"
                );
        }

        if (version > Current)
        {
            throw SqliteErrors.Error(
                TuneDbErrorKind.NewerSchema,
                path,
                $"has schema version {version}, but this version of Picograd knows versions up to {Current}; "
                    + "update Picograd or name another file"
            );
        }

        return version > 0
            ? (int)version
            : throw SqliteErrors.Error(
                TuneDbErrorKind.Corrupt,
                path,
                $"has schema version {version}, which never existed; restore a copy or delete it"
            );
    }

    public static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static long Number(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static void Migrate(SqliteConnection connection, string path)
    {
        Execute(connection, "BEGIN IMMEDIATE");
        try
        {
            // Another process may have been faster: look again under the lock.
            for (var version = Check(connection, path); version < Current; version++)
            {
                Execute(connection, Steps[version]);
            }

            Execute(connection, $"PRAGMA application_id={ApplicationId}");
            Execute(connection, $"PRAGMA user_version={Current}");
            Execute(connection, "COMMIT");
        }
        catch
        {
            Rollback(connection);
            throw;
        }
    }

    /// <summary>Ends a transaction that SQLite has not already rolled back itself.</summary>
    public static void Rollback(SqliteConnection connection)
    {
        if (SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) == 0)
        {
            Execute(connection, "ROLLBACK");
        }
    }
}
