using Microsoft.Data.Sqlite;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sqlite;

/// <summary>
/// The store in one SQLite file, in WAL mode: several processes may read and write at once, and a killed process
/// loses at most the change that it was making. Every record carries a checksum; a damaged one is skipped, which
/// costs speed, never a wrong answer. Thread-safe: calls of several threads are served one after the other.
/// </summary>
public sealed partial class SqliteTuneStore : TuneDatabase
{
    /// <summary>The provider's name in addresses.</summary>
    public const string Name = "sqlite";

    private readonly Lock _lock = new();
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _selectPlace;
    private readonly SqliteParameter _selectPlaceKey;
    private readonly SqliteParameter _selectPlaceCertified;
    private readonly HashSet<string> _knownKeys = [];
    private readonly int _schemaVersion;
    private readonly IDisposable _opening;
    private int _depth;
    private bool _disposed;

    private SqliteTuneStore(
        string path,
        TuneDbMode mode,
        SqliteConnection connection,
        int schemaVersion,
        IDisposable opening
    )
    {
        _opening = opening;
        FilePath = path;
        Mode = mode;
        _connection = connection;
        _schemaVersion = schemaVersion;
        _selectPlace = connection.CreateCommand();
        _selectPlace.CommandText =
            $"SELECT {RecordRow.ColumnsIn(schemaVersion)} FROM records WHERE key_hash = $key AND certified = $certified";
        _selectPlaceKey = _selectPlace.Parameters.Add("$key", SqliteType.Text);
        _selectPlaceCertified = _selectPlace.Parameters.Add("$certified", SqliteType.Integer);
    }

    /// <summary>The schema version that this code writes.</summary>
    public static int SchemaVersion => SqliteSchema.Current;

    /// <inheritdoc/>
    public override string Provider => Name;

    /// <inheritdoc/>
    public override string FilePath { get; }

    /// <inheritdoc/>
    public override TuneDbMode Mode { get; }

    /// <summary>Opens a database file.</summary>
    /// <param name="path">Path of the file; usually from <see cref="TuneDbLocation.Resolve"/>.</param>
    /// <param name="mode">What to open it for.</param>
    /// <param name="busyTimeout">How long to wait for another process; 15 seconds when null.</param>
    /// <exception cref="TuneDbException">The file cannot be used; the sentence says why.</exception>
    public static new SqliteTuneStore Open(
        string path,
        TuneDbMode mode = TuneDbMode.ReadWrite,
        TimeSpan? busyTimeout = null
    )
    {
        path = TuneAddress.PathOf(path);
        SqliteFile.Inspect(path, mode);
        SqliteConnection? connection = null;
        IDisposable? opening = SqliteOpenings.Begin(path);
        try
        {
            connection = SqliteFile.Connect(path, mode, busyTimeout ?? TimeSpan.FromSeconds(15));
            var version = SqliteSchema.Prepare(connection, path, mode);
            var store = new SqliteTuneStore(path, mode, connection, version, opening);
            (connection, opening) = (null, null);
            return store;
        }
        catch (SqliteException e)
        {
            throw SqliteErrors.Translate(path, e);
        }
        finally
        {
            connection?.Dispose();
            opening?.Dispose();
        }
    }

    /// <inheritdoc/>
    public override TuneRecord? FindExact(TuneKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Run(() => Load(key, certified: true).Record is { IsServable: true } record ? record : null);
    }

    /// <inheritdoc/>
    public override TuneRecord? FindWaiting(TuneKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Run(() => Load(key, certified: false).Record);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        return Run<IReadOnlyList<TuneRecord>>(() =>
        {
            var near = new List<NearShape>();
            using (
                var command = Command(
                    "SELECT DISTINCT shapes FROM records WHERE family_hash = $family AND certified = 1",
                    ("$family", key.FamilyHash)
                )
            )
            using (var rows = command.ExecuteReader())
            {
                while (rows.Read())
                {
                    var shapes = rows.GetString(0);
                    if (shapes != key.Shapes && TuneKey.LogDistance(shapes, key.Shapes) is { } distance)
                    {
                        near.Add(new NearShape(distance, shapes));
                    }
                }
            }

            near.Sort(NearShape.Order);
            var found = new List<TuneRecord>();
            foreach (var (_, shapes) in near)
            {
                if (Load(key with { Shapes = shapes }, certified: true).Record is { IsServable: true } record)
                {
                    found.Add(record);
                    if (found.Count == max)
                    {
                        break;
                    }
                }
            }

            return found;
        });
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Targets() =>
        Run<IReadOnlyList<string>>(() =>
        {
            var targets = new List<string>();
            using var command = Command("SELECT DISTINCT target FROM records WHERE certified = 1");
            using var rows = command.ExecuteReader();
            while (rows.Read())
            {
                targets.Add(rows.GetString(0));
            }

            targets.Sort(StringComparer.Ordinal);
            return targets;
        });

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> All(TuneFilter? filter = null) =>
        Run<IReadOnlyList<TuneRecord>>(() =>
            Rows($"SELECT {RecordRow.ColumnsIn(_schemaVersion)} FROM records", RecordRow.Read)
                .Where(record => filter?.Matches(record) ?? true)
                .OrderBy(record => record.Key.ToText(), StringComparer.Ordinal)
                .ThenByDescending(record => record.Certified)
                .ToList()
        );

    /// <inheritdoc/>
    public override IReadOnlyList<TuneHistoryEntry> History(TuneKey? key = null) =>
        Run<IReadOnlyList<TuneHistoryEntry>>(() =>
            key is null
                ? Rows($"SELECT {HistoryRow.Columns} FROM history ORDER BY id", HistoryRow.Read)
                : Rows(
                    $"SELECT {HistoryRow.Columns} FROM history WHERE key_hash = $key ORDER BY id",
                    HistoryRow.Read,
                    ("$key", key.Hash)
                )
        );

    /// <inheritdoc/>
    public override IReadOnlyList<TuneCandidate> Candidates(TuneKey? key = null) =>
        Run<IReadOnlyList<TuneCandidate>>(() =>
        {
            var outcome = _schemaVersion >= 2 ? "outcome" : SqliteSchema.OutcomeInVersion1;
            var sql =
                $"SELECT k.body, run, trace_hash, trace, {outcome}, milliseconds, utc, detail "
                + "FROM candidates c JOIN keys k ON k.key_hash = c.key_hash";
            var keys = new Dictionary<string, TuneKey>();
            return key is null
                ? Rows(sql + " ORDER BY c.id", Read)
                : Rows(sql + " WHERE c.key_hash = $key ORDER BY c.id", Read, ("$key", key.Hash));

            TuneCandidate? Read(SqliteDataReader row, out string? damage)
            {
                try
                {
                    var body = row.GetString(0);
                    if (!keys.TryGetValue(body, out var parsed))
                    {
                        keys.Add(body, parsed = TuneKey.Parse(body));
                    }

                    damage = null;
                    var candidate = new TuneCandidate(
                        parsed,
                        row.GetString(1),
                        row.GetString(2),
                        row.IsDBNull(3) ? null : row.GetString(3),
                        row.GetString(4),
                        row.IsDBNull(5) ? null : row.GetDouble(5),
                        RecordText.Time(row.GetString(6)),
                        row.GetString(7)
                    );
                    candidate.Validate();
                    return candidate;
                }
                catch (Exception e)
                    when (e is FormatException or ArgumentException or InvalidOperationException or InvalidCastException
                    )
                {
                    damage = e.Message;
                    return null;
                }
            }
        });

    /// <summary>Closes the file. The last process to close it folds the write-ahead log into it.</summary>
    public override void Dispose()
    {
        lock (_lock)
        {
            if (!_disposed)
            {
                _disposed = true;
                _selectPlace.Dispose();
                _connection.Dispose();
                _opening.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    protected override (bool Taken, TuneRecord? Record) Load(TuneKey key, bool certified)
    {
        _selectPlaceKey.Value = key.Hash;
        _selectPlaceCertified.Value = certified ? 1 : 0;
        using var rows = _selectPlace.ExecuteReader();
        if (!rows.Read())
        {
            return (false, null);
        }

        var record = RecordRow.Read(rows, out _);
        if (record is null || record.Key != key || record.Certified != certified)
        {
            CountDamaged();
            return (true, null);
        }

        return (true, record);
    }

    /// <inheritdoc/>
    protected override void Save(TuneRecord record)
    {
        using var command = Command(RecordRow.Insert);
        RecordRow.Bind(command, record);
        command.ExecuteNonQuery();
    }

    /// <inheritdoc/>
    protected override bool Delete(TuneKey key, bool certified)
    {
        using var command = Command(
            "DELETE FROM records WHERE key_hash = $key AND certified = $certified",
            ("$key", key.Hash),
            ("$certified", certified ? 1 : 0)
        );
        return command.ExecuteNonQuery() > 0;
    }

    /// <inheritdoc/>
    protected override void AddHistory(TuneHistoryEntry entry)
    {
        using var command = Command(HistoryRow.Insert);
        HistoryRow.Bind(command, entry);
        command.ExecuteNonQuery();
    }

    /// <inheritdoc/>
    protected override void AddCandidates(IEnumerable<TuneCandidate> candidates)
    {
        using var command = Command(
            """
            INSERT INTO candidates (key_hash, run, trace_hash, trace, outcome, milliseconds, utc, detail)
            VALUES ($key, $run, $traceHash, $trace, $outcome, $milliseconds, $utc, $detail)
            """
        );
        foreach (var candidate in candidates)
        {
            var hash = candidate.Key.Hash;
            AddKey(hash, candidate.Key);
            command.Parameters.Clear();
            command.Parameters.AddWithValue("$key", hash);
            command.Parameters.AddWithValue("$run", candidate.Run);
            command.Parameters.AddWithValue("$traceHash", candidate.TraceHash);
            command.Parameters.AddWithValue("$trace", candidate.Trace ?? (object)DBNull.Value);
            command.Parameters.AddWithValue("$outcome", candidate.Outcome);
            command.Parameters.AddWithValue("$milliseconds", candidate.Milliseconds ?? (object)DBNull.Value);
            command.Parameters.AddWithValue("$utc", RecordText.Time(candidate.Utc));
            command.Parameters.AddWithValue("$detail", candidate.Detail);
            command.ExecuteNonQuery();
        }
    }

    /// <inheritdoc/>
    protected override T Atomically<T>(Func<T> changes)
    {
        if (Mode == TuneDbMode.ReadOnly)
        {
            throw SqliteErrors.Error(
                TuneDbErrorKind.ReadOnly,
                FilePath,
                "was opened for reading only, so nothing can be written to it"
            );
        }

        return Run(() =>
        {
            if (_depth > 0)
            {
                return changes();
            }

            SqliteSchema.Execute(_connection, "BEGIN IMMEDIATE");
            _depth++;
            try
            {
                // A newer Picograd may have migrated the file, or another program replaced its contents, since opening.
                SqliteSchema.Check(_connection, FilePath);
                var result = changes();
                SqliteSchema.Execute(_connection, "COMMIT");
                return result;
            }
            catch
            {
                _knownKeys.Clear();
                SqliteSchema.Rollback(_connection);
                throw;
            }
            finally
            {
                _depth--;
            }
        });
    }

    private void AddKey(string hash, TuneKey key)
    {
        if (!_knownKeys.Add(hash))
        {
            return;
        }

        using var command = Command(
            "INSERT OR REPLACE INTO keys (key_hash, compiler, body) VALUES ($key, $compiler, $body)",
            ("$key", hash),
            ("$compiler", key.CompilerVersion),
            ("$body", key.ToText())
        );
        command.ExecuteNonQuery();
    }

    private delegate T? RowReader<T>(SqliteDataReader row, out string? damage)
        where T : class;

    /// <summary>Reads all undamaged rows; the damaged ones are counted.</summary>
    private List<T> Rows<T>(string sql, RowReader<T> read, params ReadOnlySpan<(string Name, object Value)> parameters)
        where T : class
    {
        var list = new List<T>();
        using var command = Command(sql, parameters);
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            if (read(rows, out _) is { } item)
            {
                list.Add(item);
            }
            else
            {
                CountDamaged();
            }
        }

        return list;
    }

    private SqliteCommand Command(string sql, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command;
    }

    private T Run<T>(Func<T> action)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            try
            {
                return action();
            }
            catch (SqliteException e)
            {
                throw SqliteErrors.Translate(FilePath, e);
            }
        }
    }
}
