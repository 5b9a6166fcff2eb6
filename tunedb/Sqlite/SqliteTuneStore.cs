using System.Data.Common;
using Microsoft.Data.Sqlite;
using Picograd.TuneDb.Sql;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.Sqlite;

/// <summary>
/// The store in one SQLite file, in WAL mode: several processes may read and write at once, and a killed process
/// loses at most the change that it was making.
/// </summary>
public sealed class SqliteTuneStore : SqlTuneStore
{
    /// <summary>The provider's name in addresses.</summary>
    public const string Name = "sqlite";

    private readonly SqliteConnection _connection;
    private readonly int _schemaVersion;
    private readonly IDisposable _opening;

    private SqliteTuneStore(
        string path,
        TuneDbMode mode,
        SqliteConnection connection,
        int schemaVersion,
        IDisposable opening
    )
        : base(path, mode)
    {
        _opening = opening;
        _connection = connection;
        _schemaVersion = schemaVersion;
    }

    /// <summary>The schema version that this code writes.</summary>
    public static int SchemaVersion => SqliteSchema.Current;

    /// <inheritdoc/>
    public override string Provider => Name;

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

    private protected override DbConnection Connection => _connection;

    private protected override string RecordColumns => RecordRow.ColumnsIn(_schemaVersion);

    private protected override string OutcomeColumn =>
        _schemaVersion >= 2 ? base.OutcomeColumn : SqliteSchema.OutcomeInVersion1;

    // The last process to close the file folds the write-ahead log into it.
    private protected override void Close()
    {
        base.Close();
        _connection.Dispose();
        _opening.Dispose();
    }

    private protected override void Begin() => SqliteSchema.Execute(_connection, "BEGIN IMMEDIATE");

    private protected override void Commit() => SqliteSchema.Execute(_connection, "COMMIT");

    private protected override void Rollback() => SqliteSchema.Rollback(_connection);

    private protected override void CheckSchema() => SqliteSchema.Check(_connection, FilePath);

    private protected override void VerifyStorage(List<string> problems)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "PRAGMA integrity_check(20)";
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            if (rows.GetString(0) is var finding && finding != "ok")
            {
                problems.Add(
                    $"SQLite's integrity check reports: {PlainText.Of(finding.ReplaceLineEndings(" ").TrimEnd('.'))}."
                );
            }
        }

        problems.AddRange(
            SqliteSchema
                .Differences(_connection, _schemaVersion)
                .Select(difference => $"The schema is not the one of version {_schemaVersion}: {difference.Text}.")
        );
    }

    // Earlier versions kept compiled kernels here.
    private protected override int PruneMore(TunePruneOptions options)
    {
        var removed = options.OlderThan is { } limit
            ? DeleteWhere("binaries WHERE used_utc < @value0", RecordText.Time(limit))
            : 0;
        if (options.Binaries)
        {
            removed += DeleteWhere("binaries");
        }

        return removed;
    }

    // Other processes may stand in the way; the space is then given back another time.
    private protected override void GiveBackSpace() =>
        Run(() =>
        {
            foreach (var pragma in new[] { "PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)" })
            {
                // Both work step by step, one row each, and report being blocked as a row.
                using var command = _connection.CreateCommand();
                command.CommandText = pragma;
                using var rows = command.ExecuteReader();
                while (rows.Read()) { }
            }

            return true;
        });

    private protected override TuneDbException Translate(DbException e) =>
        SqliteErrors.Translate(FilePath, (SqliteException)e);
}
