using Picograd.TuneDb.LiteDb;
using Picograd.TuneDb.Postgres;
using Picograd.TuneDb.Sqlite;

namespace Picograd.TuneDb;

/// <summary>A way to keep a tune database. The table of <see cref="TuneProviders"/> is the only place that knows them all.</summary>
/// <param name="Name">The name in addresses, for instance <c>litedb</c>.</param>
/// <param name="Title">What its files are called, for instance <c>LiteDB</c>.</param>
/// <param name="Extensions">The extensions that new files of it have.</param>
/// <param name="Recognises">Whether a file that begins so (up to a hundred bytes) can be one of its files.</param>
/// <param name="Open">Opens a file by its full path.</param>
/// <param name="Binaries">
/// Where compiled programs beside a file of it are: for files on this machine the user's folder for caches, since a cache has no
/// place in what is copied and backed up.
/// </param>
/// <param name="Salvage">Opens what is left of a damaged file for reading; null where the provider cannot.</param>
/// <param name="Place">Of a provider of servers: what stands behind the colon, in one form; null for one of files.</param>
public sealed record TuneProvider(
    string Name,
    string Title,
    IReadOnlyList<string> Extensions,
    TuneProvider.Recogniser Recognises,
    Func<string, TuneDbMode, TimeSpan, TuneDatabase> Open,
    Func<string, IBinaryStore> Binaries,
    Func<string, TimeSpan, TuneDatabase>? Salvage = null,
    Func<string, string>? Place = null
)
{
    /// <summary>Whether its databases are on servers, not in files.</summary>
    public bool IsServer => Place is not null;

    /// <summary>Whether a file that begins with these bytes can be one of a provider's files.</summary>
    public delegate bool Recogniser(ReadOnlySpan<byte> start);
}

/// <summary>The providers; the first is the default.</summary>
public static class TuneProviders
{
    private const int StartLength = 100;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<TuneProvider> All { get; } =
    [
        new(
            LiteDbTuneStore.Name,
            "LiteDB",
            [".litedb"],
            PageFile.Recognises,
            (path, mode, timeout) => LiteDbTuneStore.Open(path, mode, timeout),
            _ => BinaryFolder.OfUser(),
            LiteDbTuneStore.Salvage
        ),
        // The native library is loaded by the first call, hence not before a file of this kind is opened.
        new(
            SqliteTuneStore.Name,
            "SQLite",
            [".sqlite", ".sqlite3"],
            SqliteFile.Recognises,
            (path, mode, timeout) => SqliteTuneStore.Open(path, mode, timeout),
            _ => BinaryFolder.OfUser()
        ),
        new(
            PostgresTuneStore.Name,
            "PostgreSQL",
            [],
            _ => false,
            (place, mode, timeout) => PostgresTuneStore.Open(place, mode, timeout),
            _ => BinaryFolder.OfUser(),
            Place: PostgresAddress.Normal
        ),
    ];

    /// <summary>The one of a name; null without one.</summary>
    public static TuneProvider? Find(string name) =>
        All.FirstOrDefault(p =>
            p.Name.Equals(name, StringComparison.OrdinalIgnoreCase)
            || (p.Name == PostgresTuneStore.Name && name.Equals("postgresql", StringComparison.OrdinalIgnoreCase))
        );

    /// <summary>Whose file it is: by its contents, or where it has none yet by its extension; else the default's.</summary>
    /// <exception cref="TuneDbException">It is nobody's, or it cannot be read.</exception>
    public static TuneProvider Of(string path, TimeSpan timeout)
    {
        if (SqliteOpenings.Contains(path))
        {
            return Find(SqliteTuneStore.Name)!;
        }

        var start = Start(path, timeout);
        if (start.Length == 0)
        {
            return All.FirstOrDefault(p => p.Extensions.Contains(Path.GetExtension(path))) ?? All[0];
        }

        return All.FirstOrDefault(p => p.Recognises(start))
            ?? throw new TuneDbException(
                TuneDbErrorKind.Foreign,
                path,
                $"The tune database '{path}' is not a {string.Join(" or a ", All.Where(p => !p.IsServer).Select(p => p.Title))} database; "
                    + "name another file, this one was left as it is."
            );
    }

    private static byte[] Start(string path, TimeSpan timeout)
    {
        var began = Environment.TickCount64;
        try
        {
            while (true)
            {
                try
                {
                    // Beside whoever reads and writes it; and as SQLite needs it, for the file may be one of its.
                    return SqliteOpenings.Start(path, StartLength, out _);
                }
                catch (IOException e) when (LockedFile.IsHeld(e))
                {
                    if (Environment.TickCount64 - began >= timeout.TotalMilliseconds)
                    {
                        throw LiteDbErrors.Busy(path);
                    }

                    Thread.Sleep(1);
                }
            }
        }
        catch (FileNotFoundException)
        {
            return [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TuneDbException(
                TuneDbErrorKind.Io,
                path,
                $"The tune database '{path}' cannot be read ({e.Message.TrimEnd('.')}).",
                e
            );
        }
    }
}
