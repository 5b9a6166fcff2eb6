using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// The store in one LiteDB file. Writing locks the file for the time of one change and lets go; reading shares a lock for the time
/// of one look-up, and so sees the file before or after a change, never within one. LiteDB itself works in memory, on one thread, for
/// one change at a time, so nothing rests on what its version 5.0.21 promises of threads and processes. Every record carries
/// a checksum and every page one; a damaged record is skipped, a damaged page is reported.
/// Thread-safe: calls of several threads are served one after the other.
/// </summary>
public sealed partial class LiteDbTuneStore : TuneDatabase
{
    /// <summary>The provider's name in addresses.</summary>
    public const string Name = "litedb";

    // Looks at a file, of which the last keeps the lock.
    private const int Attempts = 8;

    private readonly Lock _lock = new();
    private readonly TimeSpan _busyTimeout;
    private LiteDbChange? _change;
    private IDocuments? _salvaged;
    private PageFile? _seen;
    private bool _shrinks;
    private bool _wrote;
    private bool _disposed;

    private LiteDbTuneStore(string path, TuneDbMode mode, TimeSpan busyTimeout)
    {
        FilePath = path;
        Mode = mode;
        _busyTimeout = busyTimeout;
    }

    /// <summary>The schema version that this code writes.</summary>
    public static int SchemaVersion => 1;

    /// <inheritdoc/>
    public override string Provider => Name;

    /// <inheritdoc/>
    public override string FilePath { get; }

    /// <inheritdoc/>
    public override TuneDbMode Mode { get; }

    /// <summary>Opens a database file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="mode">What to open it for.</param>
    /// <param name="busyTimeout">How long to wait for another process; 15 seconds when null.</param>
    /// <exception cref="TuneDbException">The file cannot be used; the sentence says why.</exception>
    public static new LiteDbTuneStore Open(
        string path,
        TuneDbMode mode = TuneDbMode.ReadWrite,
        TimeSpan? busyTimeout = null
    )
    {
        path = TuneAddress.PathOf(path);
        TuneFilePath.Check(path, mode);
        var store = new LiteDbTuneStore(path, mode, busyTimeout ?? TimeSpan.FromSeconds(15));
        if (mode == TuneDbMode.ReadOnly)
        {
            store.Look(_ => true);
        }
        else
        {
            store.Prepare();
        }

        return store;
    }

    /// <summary>Opens what is left of a damaged file, for reading; see <see cref="TuneDatabaseCopy"/>.</summary>
    internal static LiteDbTuneStore Salvage(string path, TimeSpan busyTimeout)
    {
        var store = new LiteDbTuneStore(path, TuneDbMode.ReadOnly, busyTimeout);
        try
        {
            using var file = LockedFile.Open(path, write: false, busyTimeout) ?? throw LiteDbErrors.Busy(path);
            var left = new LeftDocuments(PageFile.OpenDamaged(file, path), path);
            store._salvaged = left;
            store.LostAtOpen = left.DamagedPages;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw LiteDbErrors.Translate(path, e, write: false);
        }

        return store;
    }

    /// <inheritdoc/>
    public override TuneRecord? FindExact(TuneKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Look(documents =>
            Load(documents, key, certified: true).Record is { IsServable: true } record ? record : null
        );
    }

    /// <inheritdoc/>
    public override TuneRecord? FindWaiting(TuneKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Look(documents => Load(documents, key, certified: false).Record);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        return Look<IReadOnlyList<TuneRecord>>(documents =>
        {
            var near = new List<NearShape>();
            foreach (var fields in documents.Range(Collections.Records, key.FamilyHash + "/", only: "shapes"))
            {
                if (
                    fields.TextOrNull("shapes") is { } shapes
                    && shapes != key.Shapes
                    && Documents.IsCertified(fields)
                    && TuneKey.LogDistance(shapes, key.Shapes) is { } distance
                )
                {
                    near.Add(new NearShape(distance, shapes));
                }
            }

            near.Sort(NearShape.Order);
            var found = new List<TuneRecord>();
            foreach (var (_, shapes) in near)
            {
                if (
                    Load(documents, key with { Shapes = shapes }, certified: true).Record is { IsServable: true } record
                )
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
        Look<IReadOnlyList<string>>(documents =>
        {
            var targets = new List<string>();
            foreach (var fields in documents.Range(Collections.Targets, ""))
            {
                targets.Add(fields.TextOrNull("target") ?? "");
            }

            targets.Sort(StringComparer.Ordinal);
            return targets;
        });

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> All(TuneFilter? filter = null) =>
        Look<IReadOnlyList<TuneRecord>>(documents =>
            Read(documents.Range(Collections.Records, ""), Documents.Record)
                .Where(record => filter?.Matches(record) ?? true)
                .OrderBy(record => record.Key.ToText(), StringComparer.Ordinal)
                .ThenByDescending(record => record.Certified)
                .ToList()
        );

    /// <inheritdoc/>
    public override IReadOnlyList<TuneHistoryEntry> History(TuneKey? key = null) =>
        Look<IReadOnlyList<TuneHistoryEntry>>(documents =>
            Read(Numbered(documents, Collections.History, key), Documents.Offer)
                .Where(entry => key is null || entry.Record.Key == key)
                .ToList()
        );

    /// <inheritdoc/>
    public override IReadOnlyList<TuneCandidate> Candidates(TuneKey? key = null) =>
        Look<IReadOnlyList<TuneCandidate>>(documents =>
        {
            var keys = new Dictionary<string, TuneKey?>();
            return Read(Numbered(documents, Collections.Candidates, key), Candidate);

            TuneCandidate? Candidate(Fields fields, out string? damage)
            {
                var hash = Documents.Beginning(fields);
                if (!keys.TryGetValue(hash, out var own))
                {
                    keys.Add(hash, own = KeyOf(documents, hash, out _));
                }

                if (own is not null)
                {
                    return Documents.Candidate(fields, own, out damage);
                }

                damage = "its key is missing or unsound";
                return null;
            }
        });

    /// <summary>Lets go of the file and leaves it as LiteDB itself would have.</summary>
    public override void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (!_wrote)
            {
                return;
            }

            try
            {
                // Whoever holds it writes, and does this in turn.
                using var file = File.Exists(FilePath)
                    ? LockedFile.Open(FilePath, write: true, TimeSpan.FromSeconds(1))
                    : null;
                if (file is not null)
                {
                    PageFile.Open(file, FilePath, SchemaVersion).Fold();
                }
            }
            catch (Exception e) when (e is TuneDbException or IOException or UnauthorizedAccessException)
            {
                // All changes are stored; the next who opens the file says what has become of it.
            }
        }
    }

    /// <inheritdoc/>
    protected internal override (bool Taken, TuneRecord? Record) Load(TuneKey key, bool certified) =>
        Load(Change, key, certified);

    /// <inheritdoc/>
    protected internal override void Save(TuneRecord record)
    {
        Change.Put(Collections.Records, Documents.Of(record));
        if (record.Certified)
        {
            var target = Documents.OfTarget(record.Key.Target);
            if (Change.Find(Collections.Targets, target.Text(Fields.Id)) is null)
            {
                Change.Put(Collections.Targets, target);
            }
        }
    }

    /// <inheritdoc/>
    protected internal override bool Delete(TuneKey key, bool certified)
    {
        var removed = Change.Remove(Collections.Records, [Documents.RecordId(key, certified)]) > 0;
        if (removed && certified)
        {
            DropTargets();
        }

        return removed;
    }

    /// <inheritdoc/>
    protected internal override void AddHistory(TuneHistoryEntry entry) =>
        Change.Put(Collections.History, Documents.Of(entry, Change.Numbered(entry.Record.Key.Hash)));

    /// <inheritdoc/>
    protected internal override void AddCandidates(IEnumerable<TuneCandidate> candidates)
    {
        foreach (var group in candidates.GroupBy(c => c.Key))
        {
            var hash = group.Key.Hash;
            if (KeyOf(Change, hash, out _) is null)
            {
                Change.Put(
                    Collections.Keys,
                    new Fields
                    {
                        [Fields.Id] = hash,
                        ["compiler"] = group.Key.CompilerVersion,
                        ["body"] = group.Key.ToText(),
                    }
                );
            }
        }

        Change.Put(
            Collections.Candidates,
            candidates.Select(candidate => Documents.Of(candidate, Change.Numbered(candidate.Key.Hash)))
        );
    }

    /// <inheritdoc/>
    protected internal override T Atomically<T>(Func<T> changes)
    {
        if (Mode == TuneDbMode.ReadOnly)
        {
            throw LiteDbErrors.Error(
                TuneDbErrorKind.ReadOnly,
                FilePath,
                "was opened for reading only, so nothing can be written to it"
            );
        }

        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _change is null ? Write(_ => changes()) : changes();
        }
    }

    /// <summary>Drops the targets that no certified record is for any more.</summary>
    private void DropTargets()
    {
        var used = Change
            .Range(Collections.Records, "")
            .Where(Documents.IsCertified)
            .Select(fields => fields.TextOrNull("target"))
            .ToHashSet();
        RemoveWhere(Collections.Targets, fields => !used.Contains(fields.TextOrNull("target")));
    }

    private (bool Taken, TuneRecord? Record) Load(IDocuments documents, TuneKey key, bool certified) =>
        documents.Find(Collections.Records, Documents.RecordId(key, certified)) is { } fields
            ? (true, Undamaged(fields, key, certified))
            : (false, null);

    private TuneRecord? Undamaged(Fields fields, TuneKey key, bool certified)
    {
        if (Documents.Record(fields, out _) is { } record && record.Key == key && record.Certified == certified)
        {
            return record;
        }

        CountDamaged();
        return null;
    }

    private delegate T? Reader<T>(Fields fields, out string? damage)
        where T : class;

    private List<T> Read<T>(IEnumerable<Fields> documents, Reader<T> read)
        where T : class
    {
        var list = new List<T>();
        foreach (var fields in documents)
        {
            if (read(fields, out _) is { } item)
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

    private static IEnumerable<Fields> Numbered(IDocuments documents, string collection, TuneKey? key) =>
        documents
            .Range(collection, key is null ? "" : key.Hash + "/")
            .OrderBy(Documents.Number, StringComparer.Ordinal);

    private static TuneKey? KeyOf(IDocuments documents, string hash, out string? damage)
    {
        damage = null;
        if (documents.Find(Collections.Keys, hash) is not { } fields)
        {
            return null;
        }

        try
        {
            var key = TuneKey.Parse(fields.Text("body"));
            damage = key.Hash == hash ? null : $"its text hashes to {key.Hash}";
            return damage is null ? key : null;
        }
        catch (FormatException e)
        {
            damage = e.Message;
            return null;
        }
    }
}
