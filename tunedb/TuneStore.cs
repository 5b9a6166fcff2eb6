using Picograd.TuneDb.Text;

namespace Picograd.TuneDb;

/// <summary>
/// The rules that every provider shares: which of two records stays, what enters the history, export, import and
/// merge. A provider supplies places for records, history and candidates, and makes a group of changes atomic.
/// </summary>
public abstract class TuneStore : ITuneStore
{
    private long _damagedSkipped;

    /// <inheritdoc/>
    public long DamagedSkipped => Interlocked.Read(ref _damagedSkipped);

    /// <inheritdoc/>
    public abstract IBinaryStore Binaries { get; }

    /// <inheritdoc/>
    public abstract TuneRecord? FindExact(TuneKey key);

    /// <inheritdoc/>
    public abstract TuneRecord? FindWaiting(TuneKey key);

    /// <inheritdoc/>
    public abstract IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max);

    /// <inheritdoc/>
    public virtual IReadOnlyList<string> Targets() =>
        [
            .. All(new TuneFilter { Certified = true })
                .Select(record => record.Key.Target)
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>The targets that waiting records are for, in no order.</summary>
    internal virtual IReadOnlyList<string> WaitingTargets() =>
        [.. All(new TuneFilter { Certified = false }).Select(record => record.Key.Target).Distinct()];

    /// <inheritdoc/>
    public virtual bool MayFind => true;

    /// <inheritdoc/>
    public abstract IReadOnlyList<TuneRecord> All(TuneFilter? filter = null);

    /// <inheritdoc/>
    public abstract IReadOnlyList<TuneHistoryEntry> History(TuneKey? key = null);

    /// <inheritdoc/>
    public abstract IReadOnlyList<TuneCandidate> Candidates(TuneKey? key = null);

    /// <inheritdoc/>
    public abstract TuneVerifyReport Verify();

    /// <inheritdoc/>
    public abstract TunePruneResult Prune(TunePruneOptions options);

    /// <summary>Runs the changes as one: all of them or none, and none of another process in between.</summary>
    protected internal abstract T Atomically<T>(Func<T> changes);

    /// <summary>The record in a place. <c>Taken</c> with a null record means that the place holds a damaged one.</summary>
    protected internal abstract (bool Taken, TuneRecord? Record) Load(TuneKey key, bool certified);

    /// <summary>Puts the record into its place, over what is there.</summary>
    protected internal abstract void Save(TuneRecord record);

    /// <summary>Empties a place; returns whether it was taken.</summary>
    protected internal abstract bool Delete(TuneKey key, bool certified);

    /// <summary>Appends to the history.</summary>
    protected internal abstract void AddHistory(TuneHistoryEntry entry);

    /// <summary>Appends to the candidate log; the candidates are valid.</summary>
    protected internal abstract void AddCandidates(IEnumerable<TuneCandidate> candidates);

    /// <summary>Releases what the store holds.</summary>
    public abstract void Dispose();

    /// <summary>Counts damaged records that were skipped.</summary>
    protected void CountDamaged(long count = 1) => Interlocked.Add(ref _damagedSkipped, count);

    /// <inheritdoc/>
    public PutOutcome Put(TuneRecord record, bool force = false)
    {
        ArgumentNullException.ThrowIfNull(record);
        record.Validate();
        return Atomically(() => Offer(record, force));
    }

    /// <inheritdoc/>
    public void AppendCandidates(IReadOnlyCollection<TuneCandidate> candidates)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        foreach (var candidate in candidates)
        {
            candidate.Validate();
        }

        if (candidates.Count > 0)
        {
            Atomically(() =>
            {
                AddCandidates(candidates);
                return true;
            });
        }
    }

    /// <inheritdoc/>
    public void AppendCandidate(TuneCandidate candidate) => AppendCandidates([candidate]);

    /// <inheritdoc/>
    public bool Remove(TuneKey key, bool? certified = null) =>
        Atomically(() =>
        {
            var removedCertified = certified != false && Delete(key, certified: true);
            var removedWaiting = certified != true && Delete(key, certified: false);
            return removedCertified || removedWaiting;
        });

    /// <inheritdoc/>
    public int Export(TextWriter writer, TuneFilter? filter = null, bool includeUncertified = false)
    {
        var records = All(filter).Where(record => record.Certified || includeUncertified).ToList();
        ExportText.Write(writer, records);
        return records.Count;
    }

    /// <inheritdoc/>
    public TuneImportResult Import(TextReader reader, bool trust = false)
    {
        var (records, problems) = ExportText.Read(reader, TuneOrigin.Imported, trustCertification: trust);
        return Atomically(() =>
        {
            var count = new int[3];
            foreach (var record in records)
            {
                count[(int)Offer(record, force: false)]++;
            }

            return new TuneImportResult(
                count[(int)PutOutcome.Added],
                count[(int)PutOutcome.Replaced],
                count[(int)PutOutcome.Kept],
                problems
            );
        });
    }

    /// <inheritdoc/>
    public TuneMergeResult Merge(ITuneStore other)
    {
        if (ReferenceEquals(this, other))
        {
            throw new ArgumentException("A tune store cannot be merged into itself; name another one.", nameof(other));
        }

        // Read the other store first, so that this one is not kept locked meanwhile.
        var damagedBefore = other.DamagedSkipped;
        var records = other.All();
        var damaged = other.DamagedSkipped - damagedBefore;
        var history = other.History();
        var candidates = other.Candidates();
        return Atomically(() =>
        {
            var count = new int[3];
            foreach (var record in records)
            {
                count[(int)Arrive(record)]++;
            }

            var knownHistory = History().ToHashSet();
            foreach (var entry in history.Where(knownHistory.Add))
            {
                AddHistory(entry);
            }

            var knownCandidates = Candidates().ToHashSet();
            var added = candidates.Where(knownCandidates.Add).ToList();
            AddCandidates(added);
            return new TuneMergeResult(
                count[(int)PutOutcome.Added],
                count[(int)PutOutcome.Replaced],
                count[(int)PutOutcome.Kept],
                damaged,
                added.Count
            );
        });
    }

    private PutOutcome Offer(TuneRecord record, bool force)
    {
        var outcome = Place(record, force);
        AddHistory(new TuneHistoryEntry(DateTime.UtcNow, outcome, record));
        return outcome;
    }

    // That it was certified is another store's word: it waits, unless this one holds the very schedule certified.
    private PutOutcome Arrive(TuneRecord record) =>
        Load(record.Key, certified: true).Record?.Trace == record.Trace
            ? PutOutcome.Kept
            : Place(record with { Certified = false, Origin = TuneOrigin.Imported }, force: false);

    private PutOutcome Place(TuneRecord record, bool force)
    {
        var (taken, existing) = Load(record.Key, record.Certified);
        if (existing is not null && !force && existing.Milliseconds <= record.Milliseconds)
        {
            return PutOutcome.Kept;
        }

        Save(record);
        if (record.Certified && Load(record.Key, certified: false).Record?.Trace == record.Trace)
        {
            Delete(record.Key, certified: false);
        }

        return taken ? PutOutcome.Replaced : PutOutcome.Added;
    }
}
