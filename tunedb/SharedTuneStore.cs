using Picograd.TuneDb.Text;

namespace Picograd.TuneDb;

/// <summary>
/// A database on a server that machines share, through a file on this one. What serves models is the file, so they wait for no
/// network, and nothing runs that was not certified here. What is tuned here goes into the file and to the server; what the server has
/// comes into the file as waiting, when it is looked for. Without the server everything works on the file, and what is stored meanwhile is
/// sent when the server is next there.
/// </summary>
internal sealed class SharedTuneStore : TuneDatabase
{
    private readonly Lock _lock = new();
    private readonly TuneDatabase _near;
    private readonly Func<TuneDatabase> _connect;
    private readonly Action<string>? _warn;
    private readonly HashSet<TuneKey> _asked = [];
    private readonly List<TuneRecord> _stored = [];
    private TuneDatabase? _far;
    private bool _isAway;
    private int _depth;

    /// <param name="provider">The server's.</param>
    /// <param name="place">The server.</param>
    /// <param name="near">The file, which this owns.</param>
    /// <param name="connect">Opens the server's database.</param>
    /// <param name="warn">Told once where the server cannot be used.</param>
    internal SharedTuneStore(
        string provider,
        string place,
        TuneDatabase near,
        Func<TuneDatabase> connect,
        Action<string>? warn
    )
    {
        (Provider, FilePath, _near, _connect, _warn) = (provider, place, near, connect, warn);
        // A file that is only read is read without the server.
        _isAway = near.Mode == TuneDbMode.ReadOnly;
    }

    /// <summary>The file on this machine for what an address of a server names, which need not exist.</summary>
    public static string FileOf(TuneProvider provider, string place) =>
        Path.Combine(
            Path.GetDirectoryName(TuneDbLocation.DefaultPath)!,
            "shared",
            $"{Digest.Short($"{provider.Name}:{place}")}.litedb"
        );

    /// <summary>Opens the file, making it where it is opened for writing; the server is not asked before something is looked for.</summary>
    /// <exception cref="TuneDbException">The file cannot be used.</exception>
    public static SharedTuneStore Open(
        TuneProvider provider,
        string place,
        TuneDbMode mode,
        TimeSpan timeout,
        Action<string>? warn
    )
    {
        var file = FileOf(provider, place);
        if (mode == TuneDbMode.ReadWrite)
        {
            TuneFilePath.MakeFolder(file, Path.GetDirectoryName(file)!);
        }

        return new SharedTuneStore(
            provider.Name,
            place,
            TuneDatabase.Open(file, mode, timeout),
            () => provider.Open(place, TuneDbMode.ReadWrite, timeout),
            warn
        );
    }

    /// <inheritdoc/>
    public override string Provider { get; }

    /// <summary>The server's address, without its provider.</summary>
    public override string FilePath { get; }

    /// <inheritdoc/>
    public override TuneDbMode Mode => _near.Mode;

    /// <inheritdoc/>
    public override IBinaryStore Binaries => _near.Binaries;

    /// <inheritdoc/>
    public override bool MayFind => _near.MayFind;

    /// <inheritdoc/>
    public override TuneRecord? FindExact(TuneKey key) => _near.FindExact(key);

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max) => _near.FindNear(key, max);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Targets() => _near.Targets();

    /// <summary>What waits here; else the server's winner of the key, which waits here from now on, where it is faster than what is certified here.</summary>
    public override TuneRecord? FindWaiting(TuneKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (_near.FindWaiting(key) is { } known)
        {
            return known;
        }

        lock (_lock)
        {
            if (_asked.Add(key) && Ask(far => far.FindExact(key) ?? far.FindWaiting(key)) is { } theirs)
            {
                Arrive(theirs);
            }
        }

        return _near.FindWaiting(key);
    }

    /// <inheritdoc/>
    public override void Pull(Func<string, bool> isWanted)
    {
        lock (_lock)
        {
            var targets = Ask(far => far.Targets().Concat(far.WaitingTargets()).Distinct().Where(isWanted).ToList());
            foreach (var target in targets ?? [])
            {
                foreach (var record in Ask(far => far.All(new TuneFilter { Target = target })) ?? [])
                {
                    Arrive(record);
                }
            }
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> All(TuneFilter? filter = null) => _near.All(filter);

    /// <inheritdoc/>
    public override IReadOnlyList<TuneHistoryEntry> History(TuneKey? key = null) => _near.History(key);

    /// <inheritdoc/>
    public override IReadOnlyList<TuneCandidate> Candidates(TuneKey? key = null) => _near.Candidates(key);

    /// <inheritdoc/>
    public override TuneVerifyReport Verify() => _near.Verify();

    /// <inheritdoc/>
    public override TunePruneResult Prune(TunePruneOptions options) => _near.Prune(options);

    /// <inheritdoc/>
    public override void Dispose()
    {
        lock (_lock)
        {
            _far?.Dispose();
            _far = null;
            _isAway = true;
            _near.Dispose();
        }
    }

    /// <inheritdoc/>
    protected internal override T Atomically<T>(Func<T> changes)
    {
        lock (_lock)
        {
            if (_depth > 0)
            {
                return _near.Atomically(changes);
            }

            _depth++;
            try
            {
                _stored.Clear();
                var result = _near.Atomically(changes);
                // Connecting sends what the server lacks, which these are then part of.
                var wasThere = _far is not null;
                foreach (var record in _stored)
                {
                    Ask(far => wasThere ? (object)far.Put(record) : far);
                }

                return result;
            }
            finally
            {
                _depth--;
            }
        }
    }

    /// <inheritdoc/>
    protected internal override (bool Taken, TuneRecord? Record) Load(TuneKey key, bool certified) =>
        _near.Load(key, certified);

    /// <inheritdoc/>
    protected internal override void Save(TuneRecord record)
    {
        _near.Save(record);
        if (IsOwn(record))
        {
            _stored.Add(record);
        }
    }

    /// <inheritdoc/>
    protected internal override bool Delete(TuneKey key, bool certified) => _near.Delete(key, certified);

    /// <inheritdoc/>
    protected internal override void AddHistory(TuneHistoryEntry entry) => _near.AddHistory(entry);

    /// <inheritdoc/>
    protected internal override void AddCandidates(IEnumerable<TuneCandidate> candidates) =>
        _near.AddCandidates(candidates);

    private static bool IsOwn(TuneRecord record) => record is { Certified: true, Origin: TuneOrigin.Local };

    // Their word that it is certified counts there. What came before was judged here, or waits.
    private void Arrive(TuneRecord theirs)
    {
        var arriving = theirs with { Certified = false, Origin = TuneOrigin.Imported };
        var mine = _near.FindExact(theirs.Key);
        if (mine is not null && (mine.Trace == theirs.Trace || mine.Milliseconds <= theirs.Milliseconds))
        {
            return;
        }

        // It comes again when what waits was judged.
        if (_near.FindWaiting(theirs.Key) is { } waiting && waiting.Milliseconds <= theirs.Milliseconds)
        {
            return;
        }

        if (!IsJudged(arriving))
        {
            _near.Put(arriving);
        }
    }

    // Whether it waited here before, and was not displaced by another that waited.
    private bool IsJudged(TuneRecord arriving)
    {
        var waited = _near
            .History(arriving.Key)
            .Where(entry => !entry.Record.Certified && entry.Outcome != PutOutcome.Kept)
            .ToList();
        return Enumerable
            .Range(0, waited.Count)
            .Any(i =>
                waited[i].Record == arriving && (i + 1 == waited.Count || waited[i + 1].Outcome != PutOutcome.Replaced)
            );
    }

    /// <summary>Asks the server; after a failure it is away for the rest of this object's life.</summary>
    private T? Ask<T>(Func<TuneDatabase, T?> question)
        where T : class
    {
        if (_isAway)
        {
            return null;
        }

        try
        {
            if (_far is null)
            {
                _far = _connect();
                SendMissing(_far);
            }

            return question(_far);
        }
        catch (TuneDbException e)
        {
            _isAway = true;
            _far?.Dispose();
            _far = null;
            _warn?.Invoke($"{e.Message.TrimEnd('.')}; what is found is kept on this machine, and sent when it can be.");
            return null;
        }
    }

    // What was stored while the server was away.
    private void SendMissing(TuneDatabase far)
    {
        foreach (var target in _near.Targets())
        {
            var filter = new TuneFilter { Target = target, Certified = true };
            var mine = _near.All(filter).Where(IsOwn).ToList();
            if (mine.Count == 0)
            {
                continue;
            }

            var theirs = far.All(filter).ToDictionary(record => record.Key, record => record.Milliseconds);
            foreach (var record in mine)
            {
                if (!theirs.TryGetValue(record.Key, out var time) || record.Milliseconds < time)
                {
                    far.Put(record);
                }
            }
        }
    }
}
