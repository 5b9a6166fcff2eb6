namespace Picograd.TuneDb;

/// <summary>Binaries for the life of the process.</summary>
public sealed class MemoryBinaries : IBinaryStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (byte[] Content, DateTime Used)> _entries = [];

    /// <inheritdoc/>
    public string Place => "memory";

    /// <inheritdoc/>
    public byte[]? Find(string key)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var entry))
            {
                return null;
            }

            _entries[key] = entry with { Used = DateTime.UtcNow };
            return [.. entry.Content];
        }
    }

    /// <inheritdoc/>
    public void Put(string key, ReadOnlySpan<byte> content)
    {
        lock (_lock)
        {
            _entries.TryAdd(key, (content.ToArray(), DateTime.UtcNow));
        }
    }

    /// <inheritdoc/>
    public bool Remove(string key)
    {
        lock (_lock)
        {
            return _entries.Remove(key);
        }
    }

    /// <inheritdoc/>
    public (int Count, long Bytes) Statistics()
    {
        lock (_lock)
        {
            return (_entries.Count, _entries.Values.Sum(e => (long)e.Content.Length));
        }
    }

    /// <inheritdoc/>
    public int Prune(DateTime? usedBefore)
    {
        lock (_lock)
        {
            var old = _entries.Where(e => usedBefore is null || e.Value.Used < usedBefore).Select(e => e.Key).ToList();
            old.ForEach(k => _entries.Remove(k));
            return old.Count;
        }
    }
}
