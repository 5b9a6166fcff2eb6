using System.Runtime.CompilerServices;

namespace Picograd.Dispatch;

/// <summary>
/// Signature → kernel. Reading takes no lock and allocates nothing: a signature is a few numbers on the caller's stack.
/// A reader sees a bucket before or after an addition, or all of them before or after a replacement, all valid.
/// </summary>
internal sealed class KernelTable
{
    /// <summary>A signature and its kernel; Number grows with every addition.</summary>
    internal sealed record Entry(int Hash, long[] Signature, DispatchedKernel Kernel, long Number, Entry? Next);

    private readonly Lock _gate = new();
    private Entry?[] _buckets = new Entry?[256];
    private int _count;
    private long _added;

    public int Count => _count;

    public DispatchedKernel? Find(ReadOnlySpan<long> signature)
    {
        int hash = HashOf(signature);
        var buckets = Volatile.Read(ref _buckets);
        for (var entry = buckets[hash & (buckets.Length - 1)]; entry is not null; entry = entry.Next)
        {
            if (entry.Hash == hash && AreEqual(signature, entry.Signature))
                return entry.Kernel;
        }
        return null;
    }

    /// <summary>Adds a kernel; the signature is kept.</summary>
    public void Add(long[] signature, DispatchedKernel kernel)
    {
        int hash = HashOf(signature);
        lock (_gate)
        {
            if (_count >= _buckets.Length)
                Grow();
            ref var bucket = ref _buckets[hash & (_buckets.Length - 1)];
            Volatile.Write(ref bucket, new Entry(hash, signature, kernel, _added++, bucket));
            _count++;
        }
    }

    /// <summary>Everything in it.</summary>
    public List<Entry> Entries()
    {
        lock (_gate)
            return All();
    }

    /// <summary>Forgets all but some of its entries.</summary>
    public void Replace(IReadOnlyCollection<Entry> entries)
    {
        lock (_gate)
        {
            Fill(entries, _buckets.Length);
            _count = entries.Count;
        }
    }

    private List<Entry> All()
    {
        var all = new List<Entry>(_count);
        foreach (var bucket in _buckets)
        {
            for (var entry = bucket; entry is not null; entry = entry.Next)
                all.Add(entry);
        }
        return all;
    }

    private void Grow() => Fill(All(), 2 * _buckets.Length);

    private void Fill(IEnumerable<Entry> entries, int size)
    {
        var buckets = new Entry?[size];
        foreach (var entry in entries)
        {
            ref var to = ref buckets[entry.Hash & (size - 1)];
            to = entry with { Next = to };
        }
        Volatile.Write(ref _buckets, buckets);
    }

    // Two to four words, mostly: a call of SequenceEqual takes longer than the comparison.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool AreEqual(ReadOnlySpan<long> a, long[] b)
    {
        if (a.Length != b.Length)
            return false;
        for (int i = 0; i < a.Length; i++)
        {
            if (a[i] != b[i])
                return false;
        }
        return true;
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
