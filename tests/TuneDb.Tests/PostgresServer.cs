using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Picograd.Tests;

/// <summary>A PostgreSQL server of the tests' own, on a socket in a folder of its own. Tests skip themselves where there is none.</summary>
public sealed class PostgresServer : IDisposable
{
    // PostgreSQL refuses to run as root, so root's tests start it as the user that Debian's package makes.
    private const string ServiceUser = "postgres";

    private readonly TempFolder? _folder;
    private readonly string? _binaries;
    private readonly bool _isRoot = Environment.UserName == "root";
    private Process? _process;
    private int _databases;

    public PostgresServer()
    {
        _binaries = Binaries();
        if (_binaries is null)
        {
            Missing = "PostgreSQL's server is not installed (Debian: apt install postgresql)";
            return;
        }

        if (_isRoot && Run("id", ServiceUser) != 0)
        {
            Missing = $"PostgreSQL does not run as root, and there is no user '{ServiceUser}'";
            return;
        }

        _folder = new TempFolder();
        if (_isRoot)
        {
            Run("chown", ServiceUser, _folder.Path);
        }

        var (file, arguments) = AsUser("initdb");
        string[] options = ["-D", Data, "-A", "trust", "-U", "tester", "-N", "-E", "UTF8", "--locale=C"];
        Assert.Equal(0, Run(file, [.. arguments, .. options]));
        Start();
    }

    /// <summary>Why there is none; null where there is.</summary>
    public string? Missing { get; }

    private string Data => Path.Combine(_folder!.Path, "data");

    /// <summary>What names a database behind <c>postgres:</c>.</summary>
    public string Place(string database, string user = "tester") =>
        $"Host={_folder!.Path};Database={database};Username={user}";

    /// <summary>A new empty database; skips the test where there is no server.</summary>
    public string NewDatabase()
    {
        Skip.If(Missing is not null, Missing);
        var name = string.Create(CultureInfo.InvariantCulture, $"tune{Interlocked.Increment(ref _databases)}");
        Execute("postgres", $"CREATE DATABASE {name}");
        return Place(name);
    }

    public void Execute(string database, string sql)
    {
        using var connection = new NpgsqlConnection(Place(database) + ";Pooling=false");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public void Start()
    {
        var (file, arguments) = AsUser("postgres");
        var start = new ProcessStartInfo(file) { RedirectStandardError = true, RedirectStandardOutput = true };
        string[] options =
        [
            .. arguments,
            "-D",
            Data,
            "-k",
            _folder!.Path,
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=30",
        ];
        foreach (var option in options)
        {
            start.ArgumentList.Add(option);
        }

        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, _) => { };
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                Execute("postgres", "SELECT 1");
                return;
            }
            catch (NpgsqlException) when (Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(30))
            {
                Thread.Sleep(20);
            }
        }
    }

    /// <summary>Ends it at once, as a machine that is switched off.</summary>
    public void Stop()
    {
        // SIGQUIT: without a word to clients, and with its children.
        Run("kill", "-QUIT", _process!.Id.ToString(CultureInfo.InvariantCulture));
        _process.WaitForExit();
        _process.Dispose();
        _process = null;
    }

    public void Dispose()
    {
        if (_process is not null)
        {
            Stop();
        }

        _folder?.Dispose();
    }

    private (string File, string[] Arguments) AsUser(string program)
    {
        var path = Path.Combine(_binaries!, program);
        return _isRoot
            ? ("setpriv", [$"--reuid={ServiceUser}", $"--regid={ServiceUser}", "--clear-groups", path])
            : (path, []);
    }

    private static string? Binaries()
    {
        var versions = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin"))
            : [];
        return (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Concat(versions.OrderDescending())
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")));
    }

    private static int Run(string file, params string[] arguments)
    {
        var start = new ProcessStartInfo(file)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            WorkingDirectory = "/",
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}

[CollectionDefinition(nameof(PostgresCollection))]
public sealed class PostgresCollection : ICollectionFixture<PostgresServer>;
