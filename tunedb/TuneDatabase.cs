namespace Picograd.TuneDb;

/// <summary>What a database file is opened for.</summary>
public enum TuneDbMode
{
    /// <summary>Reading and writing; a missing file is created, an older schema migrated.</summary>
    ReadWrite,

    /// <summary>Reading only; the file must exist, and is read at an older schema as well.</summary>
    ReadOnly,
}

/// <summary>A store that keeps what it holds, in a file that several processes may share, or on a server.</summary>
public abstract class TuneDatabase : TuneStore
{
    /// <summary>Opens what an address names.</summary>
    /// <param name="address">
    /// A path, or a provider's name, a colon and a path, such as <c>sqlite:/data/tune.db</c>, or a server, such as
    /// <c>postgres://host/database</c>; usually from
    /// <see cref="TuneDbLocation.Resolve"/>. A file without a provider's name is recognised by its contents; a new one is the
    /// default provider's, or that of its extension.
    /// </param>
    /// <param name="mode">What to open it for.</param>
    /// <param name="busyTimeout">How long to wait for another process; 15 seconds when null.</param>
    /// <exception cref="TuneDbException">It cannot be used; the sentence says why.</exception>
    public static TuneDatabase Open(
        string address,
        TuneDbMode mode = TuneDbMode.ReadWrite,
        TimeSpan? busyTimeout = null
    )
    {
        var timeout = busyTimeout ?? TimeSpan.FromSeconds(15);
        var (provider, path) = TuneAddress.Parse(address, nameof(address));
        if (provider is not { IsServer: true })
        {
            TuneFilePath.Check(path, mode);
        }

        return (provider ?? TuneProviders.Of(path, timeout)).Open(path, mode, timeout);
    }

    /// <summary>
    /// Opens what tuning stores to and models read: a file as <see cref="Open"/> does, a server through a file on this machine
    /// that works without it, and that holds what was certified here alone.
    /// </summary>
    /// <param name="address">As for <see cref="Open"/>.</param>
    /// <param name="mode">What to open it for; what is only read is read without the server.</param>
    /// <param name="busyTimeout">How long to wait for another process; 15 seconds when null.</param>
    /// <param name="warn">Told, once, that a server cannot be used.</param>
    /// <exception cref="TuneDbException">The file cannot be used; the sentence says why.</exception>
    public static TuneDatabase OpenForUse(
        string address,
        TuneDbMode mode = TuneDbMode.ReadWrite,
        TimeSpan? busyTimeout = null,
        Action<string>? warn = null
    )
    {
        var (provider, place) = TuneAddress.Parse(address, nameof(address));
        return provider is { IsServer: true }
            ? SharedTuneStore.Open(provider, place, mode, busyTimeout ?? TimeSpan.FromSeconds(15), warn)
            : Open(address, mode, busyTimeout);
    }

    /// <summary>Whether there is something that <see cref="OpenForUse"/> could read.</summary>
    /// <exception cref="TuneDbException">The address is none.</exception>
    public static bool IsThere(string address) => Path.Exists(TuneAddress.FileOf(address));

    /// <summary>
    /// Opens a database for reading whatever of it can still be read: where its structure is damaged, what is found without it.
    /// </summary>
    /// <exception cref="TuneDbException">Nothing of it can be read; the sentence says why.</exception>
    internal static TuneDatabase OpenForCopy(string address)
    {
        TuneDatabase? whole = null;
        try
        {
            whole = Open(address, TuneDbMode.ReadOnly);
            _ = (whole.All(), whole.History(), whole.Candidates());
            return whole;
        }
        catch (TuneDbException e) when (e.Kind is TuneDbErrorKind.Corrupt or TuneDbErrorKind.Truncated)
        {
            whole?.Dispose();
            var (provider, path) = TuneAddress.Parse(address, nameof(address));
            var timeout = TimeSpan.FromSeconds(15);
            if ((provider ?? TuneProviders.Of(path, timeout)).Salvage is { } salvage)
            {
                return salvage(path, timeout);
            }

            throw;
        }
    }

    /// <summary>The binaries beside the database that an address names, which need not exist.</summary>
    /// <exception cref="TuneDbException">It is nothing that a provider could use.</exception>
    public static IBinaryStore BinariesOf(string address)
    {
        var (provider, path) = TuneAddress.Parse(address, nameof(address));
        return (provider ?? TuneProviders.Of(path, TimeSpan.FromSeconds(15))).Binaries(path);
    }

    /// <inheritdoc/>
    public override IBinaryStore Binaries => TuneProviders.Find(Provider)!.Binaries(FilePath);

    /// <summary>Name of the provider, as in addresses.</summary>
    public abstract string Provider { get; }

    /// <summary>
    /// Takes over, as waiting for certification, what a server has for targets; does nothing where there is no server.
    /// </summary>
    /// <param name="isWanted">Asked of each target, as keys write them.</param>
    public virtual void Pull(Func<string, bool> isWanted) { }

    /// <summary>Full path of the file, or what names the database on a server.</summary>
    public abstract string FilePath { get; }

    /// <summary>What names this database unmistakably: provider and path.</summary>
    public string Address => $"{Provider}:{FilePath}";

    /// <summary>What the file was opened for.</summary>
    public abstract TuneDbMode Mode { get; }

    /// <summary>Parts of a damaged file that were lost when what is left of it was read.</summary>
    internal long LostAtOpen { get; private protected set; }

    /// <summary>Takes over everything of another database, as it is; what is here is assumed to be nothing.</summary>
    internal TuneCopyResult CopyFrom(TuneDatabase source)
    {
        var damagedBefore = source.DamagedSkipped;
        var records = source.All();
        var history = source.History();
        var candidates = source.Candidates();
        Atomically(() =>
        {
            foreach (var record in records)
            {
                Save(record);
            }

            foreach (var entry in history)
            {
                AddHistory(entry);
            }

            AddCandidates(candidates);
            return true;
        });
        return new TuneCopyResult(
            records.Count,
            history.Count,
            candidates.Count,
            source.LostAtOpen + source.DamagedSkipped - damagedBefore
        );
    }
}
