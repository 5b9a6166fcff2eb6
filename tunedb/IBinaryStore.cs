namespace Picograd.TuneDb;

/// <summary>
/// Compiled programs beside the records of a store, by a key that says what they were made from. It is a cache: what it cannot keep,
/// or has dropped, is compiled again, so storing and finding never throw. Thread-safe.
/// </summary>
public interface IBinaryStore
{
    /// <summary>Where it is, for people.</summary>
    string Place { get; }

    /// <summary>What was stored under a key; null where nothing is, or where it is damaged.</summary>
    byte[]? Find(string key);

    /// <summary>Stores; what is there already stays. May drop what was not used for long.</summary>
    /// <param name="key">Letters and digits.</param>
    /// <param name="content">Any bytes, also none.</param>
    void Put(string key, ReadOnlySpan<byte> content);

    /// <summary>Removes one. Returns whether it was there.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    bool Remove(string key);

    /// <summary>How many there are, and the bytes that they take; none where that cannot be said.</summary>
    (int Count, long Bytes) Statistics();

    /// <summary>Removes those that were not used since a time (UTC); null for all. Returns how many.</summary>
    /// <exception cref="IOException">One cannot be removed.</exception>
    int Prune(DateTime? usedBefore);
}
