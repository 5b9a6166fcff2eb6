using System.Data.Common;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sql;

/// <summary>
/// The store in tables of an SQL database. Every record carries a checksum; a damaged one is skipped, which costs speed, never a
/// wrong answer. Thread-safe: calls of several threads are served one after the other. A provider supplies the connection, its
/// transactions and the words for what goes wrong.
/// </summary>
public abstract partial class SqlTuneStore : TuneDatabase
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _knownKeys = [];
    private DbCommand? _selectPlace;
    private int _depth;
    private bool _disposed;

    private protected SqlTuneStore(string place, TuneDbMode mode) => (FilePath, Mode) = (place, mode);

    /// <inheritdoc/>
    public override string FilePath { get; }

    /// <inheritdoc/>
    public override TuneDbMode Mode { get; }

    /// <summary>The open connection.</summary>
    private protected abstract DbConnection Connection { get; }

    /// <summary>The columns of records, as this database has them.</summary>
    private protected virtual string RecordColumns => RecordRow.Columns;

    /// <summary>The column that tells what became of a candidate.</summary>
    private protected virtual string OutcomeColumn => "outcome";

    /// <summary>Before each call: makes the connection usable.</summary>
    private protected virtual void Ready() { }

    /// <summary>Closes the connection.</summary>
    private protected virtual void Close() => Forget();

    /// <summary>Begins a transaction in which nobody else writes.</summary>
    private protected abstract void Begin();

    /// <summary>Ends the transaction with what was changed.</summary>
    private protected abstract void Commit();

    /// <summary>Ends the transaction, where one is open, without.</summary>
    private protected abstract void Rollback();

    /// <summary>Refuses tables that are not of the version that this code writes.</summary>
    private protected abstract void CheckSchema();

    /// <summary>Looks at the storage below the records; a sentence a problem.</summary>
    private protected abstract void VerifyStorage(List<string> problems);

    /// <summary>What belongs to a provider alone. Returns how many compiled kernels were removed.</summary>
    private protected virtual int PruneMore(TunePruneOptions options) => 0;

    /// <summary>Gives back space that is free.</summary>
    private protected virtual void GiveBackSpace() { }

    /// <summary>The failure in this project's words.</summary>
    private protected abstract TuneDbException Translate(DbException e);

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
                    "SELECT DISTINCT shapes FROM records WHERE family_hash = @family AND certified = 1",
                    ("@family", key.FamilyHash)
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
    public override IReadOnlyList<string> Targets() => Targets(certified: true);

    internal override IReadOnlyList<string> WaitingTargets() => Targets(certified: false);

    private IReadOnlyList<string> Targets(bool certified) =>
        Run<IReadOnlyList<string>>(() =>
        {
            var targets = new List<string>();
            using var command = Command(
                "SELECT DISTINCT target FROM records WHERE certified = @certified",
                ("@certified", certified ? 1 : 0)
            );
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
        {
            // What tells many from few is left to the tables; nobody else's target is sent here.
            List<(string Name, object Value)> wanted = [];
            if (filter?.Target is { } target)
            {
                wanted.Add(("target", target));
            }

            if (filter?.Certified is { } certified)
            {
                wanted.Add(("certified", certified ? 1 : 0));
            }

            var where = string.Join(" AND ", wanted.Select(w => $"{w.Name} = @{w.Name}"));
            return Rows(
                    $"SELECT {RecordColumns} FROM records" + (where.Length > 0 ? $" WHERE {where}" : ""),
                    RecordRow.Read,
                    [.. wanted.Select(w => ($"@{w.Name}", w.Value))]
                )
                .Where(record => filter?.Matches(record) ?? true)
                .OrderBy(record => record.Key.ToText(), StringComparer.Ordinal)
                .ThenByDescending(record => record.Certified)
                .ToList();
        });

    /// <inheritdoc/>
    public override IReadOnlyList<TuneHistoryEntry> History(TuneKey? key = null) =>
        Run<IReadOnlyList<TuneHistoryEntry>>(() =>
            key is null
                ? Rows($"SELECT {HistoryRow.Columns} FROM history ORDER BY id", HistoryRow.Read)
                : Rows(
                    $"SELECT {HistoryRow.Columns} FROM history WHERE key_hash = @key ORDER BY id",
                    HistoryRow.Read,
                    ("@key", key.Hash)
                )
        );

    /// <inheritdoc/>
    public override IReadOnlyList<TuneCandidate> Candidates(TuneKey? key = null) =>
        Run<IReadOnlyList<TuneCandidate>>(() =>
        {
            var sql = CandidateRow.Select(OutcomeColumn);
            var keys = new Dictionary<string, TuneKey>();
            return key is null
                ? Rows(sql + " ORDER BY c.id", Read)
                : Rows(sql + " WHERE c.key_hash = @key ORDER BY c.id", Read, ("@key", key.Hash));

            TuneCandidate? Read(DbDataReader row, out string? damage) => CandidateRow.Read(row, keys, out damage);
        });

    /// <summary>Closes the connection.</summary>
    public override void Dispose()
    {
        lock (_lock)
        {
            if (!_disposed)
            {
                _disposed = true;
                Close();
            }
        }
    }

    /// <inheritdoc/>
    protected internal override (bool Taken, TuneRecord? Record) Load(TuneKey key, bool certified)
    {
        using var rows = SelectPlace(key.Hash, certified).ExecuteReader();
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
    protected internal override void Save(TuneRecord record)
    {
        using var command = Command(RecordRow.Insert);
        RecordRow.Bind(command, record);
        command.ExecuteNonQuery();
    }

    /// <inheritdoc/>
    protected internal override bool Delete(TuneKey key, bool certified)
    {
        using var command = Command(
            "DELETE FROM records WHERE key_hash = @key AND certified = @certified",
            ("@key", key.Hash),
            ("@certified", certified ? 1 : 0)
        );
        return command.ExecuteNonQuery() > 0;
    }

    /// <inheritdoc/>
    protected internal override void AddHistory(TuneHistoryEntry entry)
    {
        using var command = Command(HistoryRow.Insert);
        HistoryRow.Bind(command, entry);
        command.ExecuteNonQuery();
    }

    /// <inheritdoc/>
    protected internal override void AddCandidates(IEnumerable<TuneCandidate> candidates)
    {
        using var command = Command(CandidateRow.Insert);
        foreach (var candidate in candidates)
        {
            AddKey(candidate.Key.Hash, candidate.Key);
            command.Parameters.Clear();
            CandidateRow.Bind(command, candidate);
            command.ExecuteNonQuery();
        }
    }

    /// <inheritdoc/>
    protected internal override T Atomically<T>(Func<T> changes)
    {
        if (Mode == TuneDbMode.ReadOnly)
        {
            throw new TuneDbException(
                TuneDbErrorKind.ReadOnly,
                FilePath,
                $"The tune database '{FilePath}' was opened for reading only, so nothing can be written to it."
            );
        }

        return Run(() =>
        {
            if (_depth > 0)
            {
                return changes();
            }

            Begin();
            _depth++;
            try
            {
                // A newer Picograd may have migrated it, or another program replaced its contents, since opening.
                CheckSchema();
                var result = changes();
                Commit();
                return result;
            }
            catch
            {
                _knownKeys.Clear();
                Rollback();
                throw;
            }
            finally
            {
                _depth--;
            }
        });
    }

    /// <summary>Forgets what was known of the contents, which another connection may have changed.</summary>
    private protected void Forget()
    {
        _knownKeys.Clear();
        _selectPlace?.Dispose();
        _selectPlace = null;
    }

    private DbCommand SelectPlace(string hash, bool certified)
    {
        if (_selectPlace is null)
        {
            _selectPlace = Command(
                $"SELECT {RecordColumns} FROM records WHERE key_hash = @key AND certified = @certified",
                ("@key", hash),
                ("@certified", 0)
            );
        }

        _selectPlace.Parameters[0].Value = hash;
        _selectPlace.Parameters[1].Value = certified ? 1 : 0;
        return _selectPlace;
    }

    private void AddKey(string hash, TuneKey key)
    {
        if (!_knownKeys.Add(hash))
        {
            return;
        }

        using var command = Command(
            "INSERT INTO keys (key_hash, compiler, body) VALUES (@key, @compiler, @body) "
                + "ON CONFLICT (key_hash) DO UPDATE SET compiler = excluded.compiler, body = excluded.body",
            ("@key", hash),
            ("@compiler", key.CompilerVersion),
            ("@body", key.ToText())
        );
        command.ExecuteNonQuery();
    }

    private delegate T? RowReader<T>(DbDataReader row, out string? damage)
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

    private DbCommand Command(string sql, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        var command = Connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            command.With(name, value);
        }

        return command;
    }

    /// <summary>One after the other; failures of the engine become sentences.</summary>
    private protected T Run<T>(Func<T> action)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            try
            {
                if (_depth == 0)
                {
                    Ready();
                }

                return action();
            }
            catch (DbException e)
            {
                throw Translate(e);
            }
        }
    }
}
