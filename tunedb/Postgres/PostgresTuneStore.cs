using System.Data;
using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using Npgsql;
using Picograd.TuneDb.Sql;

namespace Picograd.TuneDb.Postgres;

/// <summary>
/// The store in a schema of a PostgreSQL database, which machines share. Those that write do it one after the other; a killed
/// process or server loses at most the change that was being made.
/// </summary>
public sealed class PostgresTuneStore : SqlTuneStore
{
    /// <summary>The provider's name in addresses.</summary>
    public const string Name = "postgres";

    // After so long without a word a connection may be gone, which the first command would find out.
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _timeout;
    private readonly string _settings;
    private NpgsqlConnection? _connection;
    private NpgsqlTransaction? _transaction;
    private long _used = Stopwatch.GetTimestamp();

    private PostgresTuneStore(string place, TuneDbMode mode, TimeSpan timeout)
        : base(place, mode)
    {
        _timeout = timeout;
        _settings = PostgresAddress.ConnectionString(place, timeout);
    }

    /// <inheritdoc/>
    public override string Provider => Name;

    /// <summary>Opens the tables in a database; opened for writing, makes them where they are not there.</summary>
    /// <param name="place">A URL or keywords, see <c>docs/tune-db.md</c>; without a password.</param>
    /// <param name="mode">What to open it for.</param>
    /// <param name="busyTimeout">How long to wait for other writers; 15 seconds when null.</param>
    /// <exception cref="TuneDbException">It cannot be used; the sentence says why.</exception>
    public static new PostgresTuneStore Open(
        string place,
        TuneDbMode mode = TuneDbMode.ReadWrite,
        TimeSpan? busyTimeout = null
    )
    {
        var store = new PostgresTuneStore(PostgresAddress.Normal(place), mode, busyTimeout ?? TimeSpan.FromSeconds(15));
        try
        {
            store.Connect();
            PostgresSchema.Prepare(store._connection!, store.FilePath, mode);
            return store;
        }
        catch (DbException e)
        {
            store._connection?.Dispose();
            throw store.Translate(e);
        }
        catch
        {
            store._connection?.Dispose();
            throw;
        }
    }

    private protected override DbConnection Connection => Opened;

    private NpgsqlConnection Opened => _connection ?? throw new InvalidOperationException("the store is not connected");

    private protected override void Ready()
    {
        if (_connection?.State == ConnectionState.Open && Stopwatch.GetElapsedTime(_used) > IdleTime)
        {
            try
            {
                PostgresSchema.Execute(_connection, "SELECT 1");
            }
            catch (NpgsqlException)
            {
                // The server was started anew, or a line was cut: the next connection tells how it is now.
                _connection.Close();
            }
        }

        if (_connection?.State != ConnectionState.Open)
        {
            Forget();
            _connection?.Dispose();
            _connection = null;
            Connect();
        }

        _used = Stopwatch.GetTimestamp();
    }

    private void Connect()
    {
        try
        {
            _connection = new NpgsqlConnection(_settings);
            _connection.Open();
        }
        // Names that are not found, certificates that are not there, settings that exclude each other.
        catch (Exception e)
            when (e is SocketException or IOException or UnauthorizedAccessException or AuthenticationException
                || e is CryptographicException or ArgumentException or NotSupportedException
            )
        {
            throw PostgresErrors.Error(
                TuneDbErrorKind.Unreachable,
                FilePath,
                $"cannot be reached ({e.Message.TrimEnd('.').ReplaceLineEndings(" ")})",
                e
            );
        }

        PostgresSchema.Execute(
            _connection,
            string.Create(
                CultureInfo.InvariantCulture,
                $"SET search_path = {PostgresSchema.Name}; SET lock_timeout = {(long)Math.Max(1, _timeout.TotalMilliseconds)}"
            )
        );
        if (Mode == TuneDbMode.ReadOnly)
        {
            PostgresSchema.Execute(_connection, "SET default_transaction_read_only = on");
        }
    }

    private protected override void Close()
    {
        base.Close();
        _connection?.Dispose();
    }

    private protected override void Begin()
    {
        _transaction = Opened.BeginTransaction(IsolationLevel.ReadCommitted);
        try
        {
            PostgresSchema.Lock(Opened);
        }
        catch
        {
            Rollback();
            throw;
        }
    }

    private protected override void Commit()
    {
        _transaction!.Commit();
        End();
    }

    private protected override void Rollback()
    {
        try
        {
            _transaction?.Rollback();
        }
        catch (Exception e) when (e is DbException or InvalidOperationException)
        {
            // Without its connection the server has done so itself.
            _connection?.Close();
        }

        End();
    }

    private void End()
    {
        _transaction?.Dispose();
        _transaction = null;
    }

    private protected override void CheckSchema() => PostgresSchema.Check(Opened, FilePath);

    // The server sees to its pages itself; what can be seen from here is that all tables can be read.
    private protected override void VerifyStorage(List<string> problems) { }

    private protected override TuneDbException Translate(DbException e) => PostgresErrors.Translate(FilePath, e);
}
