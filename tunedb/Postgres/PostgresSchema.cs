using System.Globalization;
using Npgsql;

namespace Picograd.TuneDb.Postgres;

/// <summary>The tables, as their history: step i turns version i into version i + 1. Steps are never edited after a release.</summary>
internal static class PostgresSchema
{
    /// <summary>The schema that holds the tables: other applications of the same database have theirs.</summary>
    public const string Name = "picograd_tunedb";

    // Whoever writes holds it until the end of its transaction: "PiGr".
    private const long WritersLock = 0x50694772;

    // Texts are compared and sorted byte by byte, as they are elsewhere.
    private static readonly string[] Steps =
    [
        """
            CREATE TABLE records (
              id bigserial PRIMARY KEY,
              key_hash text NOT NULL,
              certified bigint NOT NULL CHECK (certified IN (0, 1)),
              family_hash text NOT NULL,
              structure text NOT NULL,
              shapes text NOT NULL,
              dtypes text NOT NULL,
              layouts text NOT NULL,
              target text NOT NULL,
              compiler text NOT NULL,
              policy text NOT NULL,
              spec text NOT NULL,
              problem text NOT NULL,
              trace text NOT NULL,
              trace_hash text NOT NULL,
              guards text NOT NULL,
              milliseconds double precision NOT NULL,
              default_milliseconds double precision,
              samples text NOT NULL,
              error_ratio double precision NOT NULL,
              certification_ok bigint NOT NULL,
              bit_stable bigint NOT NULL,
              certification_detail text NOT NULL,
              utc text COLLATE "C" NOT NULL,
              machine text NOT NULL,
              seed bigint NOT NULL,
              budget text NOT NULL,
              candidates_tried bigint NOT NULL,
              stop_reason text NOT NULL,
              runtime text NOT NULL,
              tool text NOT NULL,
              origin text NOT NULL,
              checksum text NOT NULL,
              UNIQUE (key_hash, certified)
            );
            CREATE INDEX records_family ON records (family_hash, certified);
            CREATE INDEX records_target ON records (target, certified);
            CREATE TABLE history (
              id bigserial PRIMARY KEY,
              key_hash text NOT NULL,
              recorded_utc text COLLATE "C" NOT NULL,
              outcome text NOT NULL,
              origin text NOT NULL,
              certified bigint NOT NULL,
              compiler text NOT NULL,
              body text NOT NULL,
              checksum text NOT NULL
            );
            CREATE INDEX history_key ON history (key_hash);
            CREATE TABLE keys (
              key_hash text PRIMARY KEY,
              compiler text NOT NULL,
              body text NOT NULL
            );
            CREATE TABLE candidates (
              id bigserial PRIMARY KEY,
              key_hash text NOT NULL,
              run text NOT NULL,
              trace_hash text NOT NULL,
              trace text,
              outcome text NOT NULL,
              milliseconds double precision,
              utc text COLLATE "C" NOT NULL,
              detail text NOT NULL
            );
            CREATE INDEX candidates_key ON candidates (key_hash);
            """,
    ];

    /// <summary>The version that this code reads and writes.</summary>
    public static int Current => Steps.Length;

    /// <summary>Makes or migrates the tables; safe when several processes do it at once.</summary>
    public static void Prepare(NpgsqlConnection connection, string place, TuneDbMode mode)
    {
        var version = VersionOf(connection, place);
        if (version == Current)
        {
            return;
        }

        if (mode == TuneDbMode.ReadOnly)
        {
            throw PostgresErrors.Error(
                TuneDbErrorKind.FileMissing,
                place,
                version == 0
                    ? "holds no tune database yet; 'tune' makes one there"
                    : $"has schema version {version}, which opening for writing turns into {Current}"
            );
        }

        using var transaction = connection.BeginTransaction();
        Lock(connection);
        for (version = VersionOf(connection, place); version < Current; version++)
        {
            if (version == 0)
            {
                Execute(
                    connection,
                    $"CREATE SCHEMA IF NOT EXISTS {Name}; CREATE TABLE {Name}.version (number bigint NOT NULL); "
                        + $"INSERT INTO {Name}.version VALUES (0)"
                );
            }

            Execute(connection, Steps[version]);
            Execute(
                connection,
                string.Create(CultureInfo.InvariantCulture, $"UPDATE {Name}.version SET number = {version + 1}")
            );
        }

        transaction.Commit();
    }

    /// <summary>Refuses tables of another version.</summary>
    public static void Check(NpgsqlConnection connection, string place)
    {
        if (VersionOf(connection, place) is var version && version != Current)
        {
            throw PostgresErrors.Error(
                TuneDbErrorKind.Corrupt,
                place,
                $"has schema version {version}, but had {Current} when it was opened; open it anew"
            );
        }
    }

    /// <summary>Waits until no other transaction writes, and keeps others from it until this one ends.</summary>
    public static void Lock(NpgsqlConnection connection) =>
        Execute(
            connection,
            string.Create(CultureInfo.InvariantCulture, $"SELECT pg_advisory_xact_lock({WritersLock})")
        );

    public static void Execute(NpgsqlConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static int VersionOf(NpgsqlConnection connection, string place)
    {
        // Of the catalogue's tables: functions of names go by what this connection remembers, which may be from before the lock.
        using var exists = connection.CreateCommand();
        exists.CommandText =
            $"SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = '{Name}' AND tablename = 'version'";
        if (exists.ExecuteScalar() is not 1L)
        {
            return 0;
        }

        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT number FROM {Name}.version";
        var version = Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
        return version <= Current
            ? (int)version
            : throw PostgresErrors.Error(
                TuneDbErrorKind.NewerSchema,
                place,
                $"has schema version {version}, but this version of Picograd knows versions up to {Current}; "
                    + "update Picograd or name another database"
            );
    }
}
