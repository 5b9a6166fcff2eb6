using System.Collections;

namespace Picograd.Data;

/// <summary>Numbers of samples in the order in which they are taken, anew each time.</summary>
public abstract class Sampler<T> : IEnumerable<T>
{
    /// <summary>How many there are.</summary>
    public abstract long Count { get; }

    public abstract IEnumerator<T> GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>All samples in order.</summary>
public sealed class SequentialSampler(long count) : Sampler<long>
{
    /// <inheritdoc/>
    public override long Count => count;

    /// <inheritdoc/>
    public override IEnumerator<long> GetEnumerator()
    {
        for (long i = 0; i < count; i++)
            yield return i;
    }
}

/// <summary>Samples at random: each once, or any with replacement.</summary>
public sealed class RandomSampler(
    long count,
    bool replacement = false,
    long? numSamples = null,
    Generator? generator = null
) : Sampler<long>
{
    /// <inheritdoc/>
    public override long Count => numSamples ?? count;

    /// <inheritdoc/>
    public override IEnumerator<long> GetEnumerator()
    {
        for (long left = Count; left > 0; left -= count)
        {
            long[] drawn = replacement
                ? Tensor.RandInt(0, count, [Math.Min(left, count)], generator).ToArray<long>()
                : Tensor.RandPerm(count, generator).ToArray<long>();
            for (long i = 0; i < Math.Min(left, drawn.Length); i++)
                yield return drawn[i];
        }
    }
}

/// <summary>Some samples, each once, at random.</summary>
public sealed class SubsetRandomSampler(IReadOnlyList<long> indices, Generator? generator = null) : Sampler<long>
{
    /// <inheritdoc/>
    public override long Count => indices.Count;

    /// <inheritdoc/>
    public override IEnumerator<long> GetEnumerator()
    {
        foreach (long i in Tensor.RandPerm(indices.Count, generator).ToArray<long>())
            yield return indices[(int)i];
    }
}

/// <summary>Samples by weight, which need not add up to 1.</summary>
public sealed class WeightedRandomSampler(
    IEnumerable<double> weights,
    long numSamples,
    bool replacement = true,
    Generator? generator = null
) : Sampler<long>
{
    private readonly double[] _weights = [.. weights];

    /// <inheritdoc/>
    public override long Count => numSamples;

    /// <inheritdoc/>
    public override IEnumerator<long> GetEnumerator()
    {
        using var scope = Tensor.Scope();
        long[] drawn = Tensor.From(_weights).Multinomial(numSamples, replacement, generator).ToArray<long>();
        return ((IEnumerable<long>)drawn).GetEnumerator();
    }
}

/// <summary>Numbers of samples in batches.</summary>
public sealed class BatchSampler(Sampler<long> sampler, int batchSize, bool dropLast = false) : Sampler<long[]>
{
    private readonly int _size =
        batchSize > 0
            ? batchSize
            : throw new ArgumentOutOfRangeException(
                nameof(batchSize),
                $"batchSize is {batchSize}, but must be above 0."
            );

    /// <inheritdoc/>
    public override long Count => dropLast ? sampler.Count / _size : (sampler.Count + _size - 1) / _size;

    /// <inheritdoc/>
    public override IEnumerator<long[]> GetEnumerator()
    {
        foreach (long[] batch in sampler.Chunk(_size))
        {
            if (batch.Length == _size || !dropLast)
                yield return batch;
        }
    }
}

/// <summary>The share of one of several processes, all shares as large as the others; some samples come twice, or the last are left out.</summary>
public sealed class DistributedSampler : Sampler<long>
{
    private readonly long _count;
    private readonly int _replicas;
    private readonly int _rank;
    private readonly bool _shuffle;
    private readonly bool _dropLast;
    private readonly long _seed;
    private long _epoch;

    /// <exception cref="ArgumentOutOfRangeException">A rank that is none of the replicas'.</exception>
    public DistributedSampler(
        long count,
        int numReplicas,
        int rank,
        bool shuffle = true,
        long seed = 0,
        bool dropLast = false
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numReplicas, 1);
        if (rank < 0 || rank >= numReplicas)
            throw new ArgumentOutOfRangeException(
                nameof(rank),
                $"rank is {rank}, but must be from 0 to {numReplicas - 1}."
            );
        (_count, _replicas, _rank, _shuffle, _seed, _dropLast) = (count, numReplicas, rank, shuffle, seed, dropLast);
    }

    /// <inheritdoc/>
    public override long Count => _dropLast ? _count / _replicas : (_count + _replicas - 1) / _replicas;

    /// <summary>Which order of samples is next; the same in all processes.</summary>
    public void SetEpoch(long epoch) => _epoch = epoch;

    /// <inheritdoc/>
    public override IEnumerator<long> GetEnumerator()
    {
        long[]? order = _shuffle ? Tensor.RandPerm(_count, new Generator(_seed + _epoch)).ToArray<long>() : null;
        for (long i = 0; i < Count; i++)
        {
            long at = (_rank + i * _replicas) % _count;
            yield return order is null ? at : order[at];
        }
    }
}
