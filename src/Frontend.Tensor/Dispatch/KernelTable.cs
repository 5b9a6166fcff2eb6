namespace Picograd.Dispatch;

/// <summary>
/// Signature → kernel. Reading takes no lock and allocates nothing: a signature is a few numbers on the caller's stack.
/// Entries are only ever added; a reader sees a bucket before or after an addition, both valid.
/// </summary>
internal sealed class KernelTable
{
    private sealed record Entry(int Hash, long[] Signature, DispatchedKernel Kernel, Entry? Next);

    private readonly Lock _gate = new();
    private Entry?[] _buckets = new Entry?[256];
    private int _count;

    public int Count => _count;

    public DispatchedKernel? Find(ReadOnlySpan<long> signature)
    {
        int hash = HashOf(signature);
        var buckets = Volatile.Read(ref _buckets);
        for (var entry = buckets[hash & (buckets.Length - 1)]; entry is not null; entry = entry.Next)
        {
            if (entry.Hash == hash && signature.SequenceEqual(entry.Signature))
                return entry.Kernel;
        }
        return null;
    }

    public void Add(ReadOnlySpan<long> signature, DispatchedKernel kernel)
    {
        int hash = HashOf(signature);
        lock (_gate)
        {
            if (_count >= _buckets.Length)
                Grow();
            ref var bucket = ref _buckets[hash & (_buckets.Length - 1)];
            Volatile.Write(ref bucket, new Entry(hash, signature.ToArray(), kernel, bucket));
            _count++;
        }
    }

    private void Grow()
    {
        var larger = new Entry?[2 * _buckets.Length];
        foreach (var bucket in _buckets)
        {
            for (var entry = bucket; entry is not null; entry = entry.Next)
            {
                ref var to = ref larger[entry.Hash & (larger.Length - 1)];
                to = entry with { Next = to };
            }
        }
        Volatile.Write(ref _buckets, larger);
    }

    private static int HashOf(ReadOnlySpan<long> signature)
    {
        // Multiply and fold a word at a time; the constant is 2^64 over the golden ratio.
        ulong hash = 0;
        foreach (long word in signature)
        {
            hash = (hash ^ (ulong)word) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 32;
        }
        return (int)hash;
    }
}
