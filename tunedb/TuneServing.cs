namespace Picograd.TuneDb;

/// <summary>
/// The look-up that models run on: the user's database first, then the winners that ship with the library. It never
/// throws for the state of a file: whatever is wrong becomes one sentence in <see cref="Warning"/>, and the answer is
/// then "nothing found", for which dispatch has the default schedules.
/// </summary>
public sealed class TuneServing : ITuneLookup
{
    // A model must not hang on a database: after this long without an answer it runs on without one.
    private static readonly TimeSpan BusyTimeout = TimeSpan.FromSeconds(2);

    private readonly ITuneLookup _shipped;
    private readonly Action<string>? _warn;
    private ITuneLookup? _store;

    private TuneServing(string? path, ITuneLookup? store, ITuneLookup shipped, string? warning, Action<string>? warn)
    {
        _warn = warn;
        Path = path;
        _store = store;
        _shipped = shipped;
        Warning = warning;
        if (warning is not null)
        {
            warn?.Invoke(warning);
        }
    }

    /// <summary>The address of the database that is, or would be, read; null when its name could not be understood.</summary>
    public string? Path { get; }

    /// <summary>True while a database file is being read.</summary>
    public bool HasDatabase => _store is not null;

    /// <summary>One sentence about what is wrong; null when nothing is. A default file not yet made is not wrong.</summary>
    public string? Warning { get; private set; }

    /// <summary>
    /// Opens the database that <see cref="TuneDbLocation.Resolve"/> finds, for reading. Never throws for the state of
    /// the file.
    /// </summary>
    /// <param name="explicitPath">The address; null for the environment's or the default one.</param>
    /// <param name="shipped">Look-up to fall back on; the winners in this library when null.</param>
    /// <param name="warn">Told the <see cref="Warning"/> when there is one, now or later, once.</param>
    /// <param name="mayBeMissing">Whether a file that is not there yet is nothing wrong either where it was named.</param>
    public static TuneServing OpenForServing(
        string? explicitPath = null,
        ITuneLookup? shipped = null,
        Action<string>? warn = null,
        bool mayBeMissing = false
    )
    {
        shipped ??= ShippedWinners.Load(out _);
        string? path = null;
        try
        {
            // What others share is served as it was certified here, from a file that need not be there yet.
            var address = TuneDbLocation.Resolve(explicitPath);
            path = TuneAddress.IsServer(address) ? TuneAddress.FileOf(address) : address;
            mayBeMissing |= path != address;
            // Asked beforehand, as most programs come by here: the first exception of a process takes .NET milliseconds.
            if (TuneDbLocation.IsDefault(explicitPath) && !System.IO.Path.Exists(path))
            {
                return new TuneServing(path, null, shipped, null, warn);
            }

            return new TuneServing(
                path,
                TuneDatabase.Open(path, TuneDbMode.ReadOnly, BusyTimeout),
                shipped,
                null,
                warn
            );
        }
        catch (TuneDbException e)
            when (e.Kind == TuneDbErrorKind.FileMissing && (mayBeMissing || TuneDbLocation.IsDefault(explicitPath)))
        {
            return new TuneServing(path, null, shipped, null, warn);
        }
        catch (Exception e)
            when (e is TuneDbException or ArgumentException or IOException or UnauthorizedAccessException
                || e is NotSupportedException or DllNotFoundException or TypeInitializationException
            )
        {
            // The last three: a path that is none, or a system for which there is no native library of the provider.
            return new TuneServing(path, null, shipped, OnDefaults(e.Message), warn);
        }
    }

    /// <summary>Opens the database where there was none yet, but is now.</summary>
    public void LookAgain()
    {
        if (_store is not null || Warning is not null || Path is null)
        {
            return;
        }

        try
        {
            var opened = TuneDatabase.Open(Path, TuneDbMode.ReadOnly, BusyTimeout);
            if (Interlocked.CompareExchange(ref _store, opened, null) is not null)
            {
                opened.Dispose();
            }
        }
        catch (TuneDbException)
        {
            // Not yet, or not well: as if it were not there, which is how it was found.
        }
    }

    /// <inheritdoc/>
    public TuneRecord? FindExact(TuneKey key) => Ask(store => store.FindExact(key)) ?? _shipped.FindExact(key);

    /// <inheritdoc/>
    public IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max)
    {
        var mine = Ask(store => store.FindNear(key, max)) ?? [];
        var shipped = _shipped.MayFind ? _shipped.FindNear(key, max) : [];
        if (shipped.Count == 0)
        {
            return mine;
        }

        // A stable sort: at equal distance the user's own records come first.
        return mine.Concat(shipped)
            .DistinctBy(record => record.Key)
            .OrderBy(record => record.Key.LogDistance(key))
            .Take(max)
            .ToList();
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Targets() =>
        !_shipped.MayFind
            ? Ask(store => store.Targets()) ?? []
            :
            [
                .. (Ask(store => store.Targets()) ?? [])
                    .Concat(_shipped.Targets())
                    .Distinct()
                    .Order(StringComparer.Ordinal),
            ];

    /// <inheritdoc/>
    public bool MayFind => _store is { MayFind: true } || _shipped.MayFind;

    /// <summary>Closes the database.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref _store, null)?.Dispose();
        _shipped.Dispose();
    }

    /// <summary>Asks the database; after a failure it is given up, and the first failure is the warning.</summary>
    private T? Ask<T>(Func<ITuneLookup, T?> question)
        where T : class
    {
        if (_store is not { } store)
        {
            return null;
        }

        try
        {
            return question(store);
        }
        catch (TuneDbException e)
        {
            // The connection is not closed here: another thread may be asking it. Its finalizer closes it.
            // Of several threads that fail at once one gives it up, and says so.
            if (Interlocked.CompareExchange(ref _store, null, store) == store)
            {
                Warning = OnDefaults(e.Message);
                _warn?.Invoke(Warning);
            }

            return null;
        }
        catch (ObjectDisposedException)
        {
            // Another thread disposed of this object between the look and the question.
            return null;
        }
    }

    private static string OnDefaults(string sentence) =>
        sentence.TrimEnd('.') + "; models run on default schedules meanwhile.";
}
