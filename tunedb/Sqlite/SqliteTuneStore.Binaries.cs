using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sqlite;

/// <summary>
/// A cache of compiled kernels by a hash of what they were made from: compiling takes up to seconds, and what was compiled for
/// a search is wanted again by whoever runs the winner. Bounded; the least recently used go first.
/// </summary>
public sealed partial class SqliteTuneStore
{
    /// <summary>The first schema version with a table of binaries.</summary>
    private const int BinariesSince = 3;

    /// <inheritdoc/>
    public override CompiledBinary? FindBinary(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (_schemaVersion < BinariesSince)
        {
            return null;
        }

        var (binary, renew) = Run(() => Read(key));
        if (renew && Mode == TuneDbMode.ReadWrite)
        {
            Atomically(() => binary is null ? DeleteWhere("binaries WHERE key = $value", key) : Touch(key));
        }

        return binary;
    }

    /// <inheritdoc/>
    public override void PutBinary(string key, ReadOnlySpan<byte> code, string log)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(log);
        var binary = new CompiledBinary(code.ToArray(), log);
        Atomically(() =>
        {
            using var command = Command(
                """
                INSERT OR IGNORE INTO binaries (key, used_utc, bytes, log, code, checksum)
                VALUES ($key, $used, $bytes, $log, $code, $checksum)
                """,
                ("$key", key),
                ("$used", RecordText.Time(DateTime.UtcNow)),
                ("$bytes", binary.Bytes),
                ("$log", log),
                ("$code", binary.Code),
                ("$checksum", binary.Checksum())
            );
            return command.ExecuteNonQuery() > 0 ? DropOldest() : 0;
        });
    }

    /// <inheritdoc/>
    public override BinaryStatistics Binaries() =>
        _schemaVersion < BinariesSince
            ? new BinaryStatistics(0, 0)
            : Run(() =>
            {
                using var command = Command("SELECT count(*), coalesce(sum(bytes), 0) FROM binaries");
                using var row = command.ExecuteReader();
                row.Read();
                return new BinaryStatistics(row.GetInt32(0), row.GetInt64(1));
            });

    /// <inheritdoc/>
    public override IReadOnlyList<string> BinaryKeys() =>
        _schemaVersion < BinariesSince
            ? []
            : Run(() =>
            {
                var keys = new List<string>();
                using var command = Command("SELECT key FROM binaries ORDER BY key");
                using var rows = command.ExecuteReader();
                while (rows.Read())
                {
                    keys.Add(rows.GetString(0));
                }

                return keys;
            });

    private (CompiledBinary? Binary, bool Renew) Read(string key)
    {
        using var command = Command(
            "SELECT code, log, checksum, used_utc FROM binaries WHERE key = $key",
            ("$key", key)
        );
        using var row = command.ExecuteReader();
        if (!row.Read())
        {
            return (null, false);
        }

        var binary = new CompiledBinary(row.GetFieldValue<byte[]>(0), row.GetString(1));
        if (binary.Checksum() != row.GetString(2))
        {
            CountDamaged();
            return (null, true);
        }

        // The fixed-width UTC form sorts as text in the order of time.
        var stale = RecordText.Time(DateTime.UtcNow - UseResolution);
        return (binary, string.CompareOrdinal(row.GetString(3), stale) < 0);
    }

    private int Touch(string key)
    {
        using var command = Command(
            "UPDATE binaries SET used_utc = $used WHERE key = $key",
            ("$used", RecordText.Time(DateTime.UtcNow)),
            ("$key", key)
        );
        return command.ExecuteNonQuery();
    }

    private int DropOldest()
    {
        if (SqliteSchema.Number(_connection, "SELECT coalesce(sum(bytes), 0) FROM binaries") <= MostBinaryBytes)
        {
            return 0;
        }

        // Running totals from the newest back: what lies beyond the bound goes.
        using var command = Command(
            """
            DELETE FROM binaries WHERE key IN (
              SELECT key FROM (
                SELECT key, sum(bytes) OVER (ORDER BY used_utc DESC, rowid DESC) AS total FROM binaries
              ) WHERE total > $most)
            """,
            ("$most", MostBinaryBytes)
        );
        return command.ExecuteNonQuery();
    }

    private int PruneBinaries(TunePruneOptions options)
    {
        var removed = options.OlderThan is { } limit
            ? DeleteWhere("binaries WHERE used_utc < $value", RecordText.Time(limit))
            : 0;
        if (options.Binaries)
        {
            removed += DeleteWhere("binaries");
        }

        return removed;
    }

    private void VerifyBinaries(List<string> problems)
    {
        if (_schemaVersion < BinariesSince)
        {
            return;
        }

        using var command = Command("SELECT key, code, log, checksum FROM binaries");
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            if (new CompiledBinary(rows.GetFieldValue<byte[]>(1), rows.GetString(2)).Checksum() != rows.GetString(3))
            {
                problems.Add($"The compiled kernel {rows.GetString(0)} is unsound: its checksum does not match.");
            }
        }
    }
}
