namespace Picograd.TuneDb;

/// <summary>A store without a file: for shipped winners, for runs that must leave nothing behind, and for tests.</summary>
public sealed class MemoryTuneStore : TuneStore
{
    private readonly Lock _lock = new();
    private readonly List<TuneHistoryEntry> _history = [];
    private readonly List<TuneCandidate> _candidates = [];
    private Dictionary<(TuneKey Key, bool Certified), TuneRecord> _records = [];

    /// <inheritdoc/>
    public override IBinaryStore Binaries { get; } = new MemoryBinaries();

    /// <inheritdoc/>
    public override TuneRecord? FindExact(TuneKey key)
    {
        lock (_lock)
        {
            return _records.TryGetValue((key, true), out var record) && record.IsServable ? record : null;
        }
    }

    /// <inheritdoc/>
    public override TuneRecord? FindWaiting(TuneKey key)
    {
        lock (_lock)
        {
            return _records.GetValueOrDefault((key, false));
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> FindNear(TuneKey key, int max)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        lock (_lock)
        {
            if (_records.Count == 0)
            {
                return [];
            }

            var near = new List<NearShape>();
            foreach (var record in _records.Values)
            {
                if (
                    record.IsServable
                    && record.Key != key
                    && record.Key.SameFamily(key)
                    && record.Key.LogDistance(key) is { } distance
                )
                {
                    near.Add(new NearShape(distance, record.Key.Shapes));
                }
            }

            near.Sort(NearShape.Order);
            return near.Take(max).Select(n => _records[(key with { Shapes = n.Shapes }, true)]).ToList();
        }
    }

    /// <inheritdoc/>
    public override bool MayFind
    {
        get
        {
            lock (_lock)
            {
                return _records.Count > 0;
            }
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<TuneRecord> All(TuneFilter? filter = null)
    {
        lock (_lock)
        {
            return _records
                .Values.Where(record => filter?.Matches(record) ?? true)
                .OrderBy(record => record.Key.ToText(), StringComparer.Ordinal)
                .ThenByDescending(record => record.Certified)
                .ToList();
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<TuneHistoryEntry> History(TuneKey? key = null)
    {
        lock (_lock)
        {
            return _history.Where(entry => key is null || entry.Record.Key == key).ToList();
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<TuneCandidate> Candidates(TuneKey? key = null)
    {
        lock (_lock)
        {
            return _candidates.Where(candidate => key is null || candidate.Key == key).ToList();
        }
    }

    /// <inheritdoc/>
    public override TuneVerifyReport Verify()
    {
        var records = All();
        var problems = records
            .Select(record => (record, problem: record.Fault()))
            .Where(pair => pair.problem is not null)
            .Select(pair => $"The record of '{pair.record.Spec}' is unsound: {pair.problem}.")
            .ToList();
        return new TuneVerifyReport(records.Count, records.Count(record => record.Certified), problems);
    }

    /// <inheritdoc/>
    public override TunePruneResult Prune(TunePruneOptions options)
    {
        lock (_lock)
        {
            bool Outdated(TuneKey key, DateTime utc) =>
                utc < options.OlderThan
                || (options.KeepCompilerVersions is { } keep && !keep.Contains(key.CompilerVersion));

            var doomed = _records
                .Where(pair =>
                    Outdated(pair.Key.Key, pair.Value.Provenance.Utc) || (options.Uncertified && !pair.Key.Certified)
                )
                .Select(pair => pair.Key)
                .ToList();
            doomed.ForEach(place => _records.Remove(place));
            return new TunePruneResult(
                doomed.Count,
                _history.RemoveAll(entry => options.History || Outdated(entry.Record.Key, entry.RecordedUtc)),
                _candidates.RemoveAll(c => options.Candidates || Outdated(c.Key, c.Utc))
            );
        }
    }

    /// <summary>Nothing is held that needs releasing.</summary>
    public override void Dispose() { }

    /// <inheritdoc/>
    protected internal override T Atomically<T>(Func<T> changes)
    {
        lock (_lock)
        {
            var records = new Dictionary<(TuneKey, bool), TuneRecord>(_records);
            var (history, candidates) = (_history.Count, _candidates.Count);
            var done = false;
            try
            {
                var result = changes();
                done = true;
                return result;
            }
            finally
            {
                if (!done)
                {
                    _records = records;
                    _history.RemoveRange(history, _history.Count - history);
                    _candidates.RemoveRange(candidates, _candidates.Count - candidates);
                }
            }
        }
    }

    /// <inheritdoc/>
    protected internal override (bool Taken, TuneRecord? Record) Load(TuneKey key, bool certified) =>
        _records.TryGetValue((key, certified), out var record) ? (true, record) : (false, null);

    /// <inheritdoc/>
    protected internal override void Save(TuneRecord record) => _records[(record.Key, record.Certified)] = record;

    /// <inheritdoc/>
    protected internal override bool Delete(TuneKey key, bool certified) => _records.Remove((key, certified));

    /// <inheritdoc/>
    protected internal override void AddHistory(TuneHistoryEntry entry) => _history.Add(entry);

    /// <inheritdoc/>
    protected internal override void AddCandidates(IEnumerable<TuneCandidate> candidates) =>
        _candidates.AddRange(candidates);
}
