using System.Collections;
using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Picograd.Data;

/// <summary>A sample could not be had.</summary>
public sealed class DataLoaderException(string message, long index, Exception inner) : Exception(message, inner)
{
    /// <summary>Number of the sample; −1 where samples have none.</summary>
    public long Index => index;
}

/// <summary>
/// A dataset in batches. Workers are threads that prepare batches ahead; batches come in the same order, and random transforms draw
/// the same numbers, however many there are. When a loop is left, they have ended.
/// </summary>
/// <typeparam name="T">A sample.</typeparam>
/// <typeparam name="TBatch">A batch.</typeparam>
public class DataLoader<T, TBatch> : IEnumerable<TBatch>
{
    private readonly Dataset<T>? _dataset;
    private readonly IterableDataset<T>? _stream;
    private readonly Sampler<long[]>? _batches;
    private readonly Func<IReadOnlyList<T>, TBatch> _collate;
    private readonly bool _byDataset;
    private readonly int _batchSize;
    private readonly int _workers;
    private readonly int _prefetch;
    private readonly bool _dropLast;
    private readonly long _seed;
    private long _epoch;

    /// <param name="dataset">What is loaded.</param>
    /// <param name="collate">Makes a batch of samples; <see cref="Collate.Default{T, TBatch}"/> where null.</param>
    /// <param name="batchSize">Samples a batch.</param>
    /// <param name="shuffle">Whether in another order each time.</param>
    /// <param name="sampler">Another order.</param>
    /// <param name="batchSampler">Other batches.</param>
    /// <param name="numWorkers">
    /// Threads that prepare batches; 0: they are made when they are asked for. Leaving the loop waits until the sample that is read is there.
    /// </param>
    /// <param name="dropLast">Whether a last batch of fewer samples is left out.</param>
    /// <param name="generator">Of the order; <see cref="Generator.Default"/> where null.</param>
    /// <param name="prefetchFactor">Batches ahead, for each worker.</param>
    /// <param name="seed">Of what transforms draw, with the epoch and the sample.</param>
    /// <exception cref="ArgumentException">Settings that exclude each other.</exception>
    public DataLoader(
        Dataset<T> dataset,
        Func<IReadOnlyList<T>, TBatch>? collate = null,
        int batchSize = 1,
        bool shuffle = false,
        Sampler<long>? sampler = null,
        Sampler<long[]>? batchSampler = null,
        int numWorkers = 0,
        bool dropLast = false,
        Generator? generator = null,
        int prefetchFactor = 2,
        long seed = 0
    )
        : this(collate, batchSize, numWorkers, dropLast, prefetchFactor, seed)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        if (shuffle && (sampler is not null || batchSampler is not null))
            throw new ArgumentException(
                "DataLoader: a sampler gives the order, so shuffle cannot be asked for besides."
            );
        if (batchSampler is not null && (sampler is not null || batchSize != 1 || dropLast))
            throw new ArgumentException(
                "DataLoader: batchSampler gives the batches, so sampler, batchSize and dropLast cannot be given besides."
            );
        _dataset = dataset;
        _batches =
            batchSampler
            ?? new BatchSampler(
                sampler
                    ?? (
                        shuffle
                            ? new RandomSampler(dataset.Count, generator: generator)
                            : new SequentialSampler(dataset.Count)
                    ),
                batchSize,
                dropLast
            );
        // A dataset that makes batches itself makes those of the default.
        _byDataset = collate is null;
    }

    /// <summary>Of samples one after the other; with workers one thread reads them and makes batches of them ahead.</summary>
    /// <inheritdoc cref="DataLoader{T, TBatch}(Dataset{T}, Func{IReadOnlyList{T}, TBatch}, int, bool, Sampler{long}, Sampler{long[]}, int, bool, Generator, int, long)"/>
    public DataLoader(
        IterableDataset<T> dataset,
        Func<IReadOnlyList<T>, TBatch>? collate = null,
        int batchSize = 1,
        int numWorkers = 0,
        bool dropLast = false,
        int prefetchFactor = 2,
        long seed = 0
    )
        : this(collate, batchSize, numWorkers, dropLast, prefetchFactor, seed)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        _stream = dataset;
    }

    private DataLoader(
        Func<IReadOnlyList<T>, TBatch>? collate,
        int batchSize,
        int numWorkers,
        bool dropLast,
        int prefetchFactor,
        long seed
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(numWorkers);
        ArgumentOutOfRangeException.ThrowIfLessThan(prefetchFactor, 1);
        (_collate, _batchSize, _workers) = (collate ?? Collate.Default<T, TBatch>, batchSize, numWorkers);
        (_dropLast, _prefetch, _seed) = (dropLast, prefetchFactor, seed);
    }

    /// <summary>Number of batches.</summary>
    /// <exception cref="NotSupportedException">A dataset of which that is not known.</exception>
    public long Count =>
        _batches?.Count
        ?? throw new NotSupportedException("DataLoader: how many batches an iterable dataset has is not known.");

    /// <summary>How often it was gone through; set it to draw what was drawn before.</summary>
    public long Epoch
    {
        get => _epoch;
        set => _epoch = value;
    }

    public IEnumerator<TBatch> GetEnumerator()
    {
        long epoch = _epoch++;
        var jobs = _stream is null ? Fetches(epoch) : Reads(epoch);
        return _workers == 0 ? InPlace(jobs)
            : _stream is null ? Ahead(jobs, _workers)
            : ReadAhead(jobs, _workers * _prefetch);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private IEnumerable<Func<TBatch>> Fetches(long epoch)
    {
        foreach (long[] indices in _batches!)
            yield return () => Fetch(indices, epoch);
    }

    private TBatch Fetch(long[] indices, long epoch)
    {
        if (_byDataset && _dataset!.TryBatch(indices, out var made) && made is TBatch whole)
            return whole;
        var samples = new T[indices.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            try
            {
                using (SampleRandom.Of(_seed, epoch, indices[i]))
                    samples[i] = _dataset![indices[i]];
            }
            catch (Exception e)
            {
                throw new DataLoaderException($"DataLoader: sample {indices[i]}: {e.Message}", indices[i], e);
            }
        }
        return _collate(samples);
    }

    private IEnumerable<Func<TBatch>> Reads(long epoch)
    {
        using var samples = _stream!.GetEnumerator();
        long at = 0;
        while (true)
        {
            var batch = new List<T>();
            Exception? failed = null;
            try
            {
                while (batch.Count < _batchSize)
                {
                    using var random = SampleRandom.Of(_seed, epoch, at);
                    if (!samples.MoveNext())
                        break;
                    batch.Add(samples.Current);
                    at++;
                }
            }
            catch (Exception e)
            {
                failed = new DataLoaderException($"DataLoader: sample {at}: {e.Message}", at, e);
            }
            if (failed is not null)
            {
                yield return () => throw failed;
                yield break;
            }
            if (batch.Count == _batchSize || (batch.Count > 0 && !_dropLast))
                yield return () => _collate(batch);
            if (batch.Count < _batchSize)
                yield break;
        }
    }

    private static IEnumerator<TBatch> InPlace(IEnumerable<Func<TBatch>> jobs)
    {
        foreach (var job in jobs)
            yield return job();
    }

    private IEnumerator<TBatch> Ahead(IEnumerable<Func<TBatch>> jobs, int workers)
    {
        using var queue = new BlockingCollection<(Func<TBatch> Job, TaskCompletionSource<TBatch> Done)>();
        var threads = new Thread[workers];
        var pending = new Queue<Task<TBatch>>();
        bool isOver = false;
        void Work()
        {
            foreach (var (job, done) in queue.GetConsumingEnumerable())
            {
                if (Volatile.Read(ref isOver))
                {
                    done.SetCanceled();
                    continue;
                }
                try
                {
                    done.SetResult(job());
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            }
        }
        using var source = jobs.GetEnumerator();
        try
        {
            for (int i = 0; i < workers; i++)
            {
                threads[i] = new Thread(Work) { IsBackground = true, Name = $"DataLoader worker {i}" };
                threads[i].Start();
            }
            bool more = true;
            while (true)
            {
                while (more && pending.Count < workers * _prefetch)
                {
                    if (!(more = source.MoveNext()))
                        break;
                    var done = new TaskCompletionSource<TBatch>(TaskCreationOptions.RunContinuationsAsynchronously);
                    pending.Enqueue(done.Task);
                    queue.Add((source.Current, done));
                }
                if (!pending.TryDequeue(out var next))
                    yield break;
                yield return next.GetAwaiter().GetResult();
            }
        }
        finally
        {
            Volatile.Write(ref isOver, true);
            queue.CompleteAdding();
            foreach (var thread in threads)
                thread?.Join();
            // What failed behind the place where the loop was left is nobody's.
            foreach (var task in pending)
                _ = task.Exception;
        }
    }

    // Reading one after the other is one thread's work, and not the consumer's.
    private static IEnumerator<TBatch> ReadAhead(IEnumerable<Func<TBatch>> jobs, int most)
    {
        using var queue = new BlockingCollection<(TBatch? Batch, ExceptionDispatchInfo? Failed)>(most);
        using var stop = new CancellationTokenSource();
        var token = stop.Token;
        void Read()
        {
            try
            {
                foreach (var job in jobs)
                {
                    if (token.IsCancellationRequested)
                        return;
                    queue.Add((job(), null), token);
                }
            }
            catch (OperationCanceledException) when (token.IsCancellationRequested)
            {
                // The loop was left.
            }
            catch (Exception e)
            {
                // Room is made by a consumer, which is there until it has seen this.
                if (!token.IsCancellationRequested)
                    Fail(e);
            }
            finally
            {
                queue.CompleteAdding();
            }
        }
        void Fail(Exception e)
        {
            try
            {
                queue.Add((default, ExceptionDispatchInfo.Capture(e)), token);
            }
            catch (OperationCanceledException)
            {
                // The loop was left: what failed behind that place is nobody's.
            }
        }
        var thread = new Thread(Read) { IsBackground = true, Name = "DataLoader reader" };
        thread.Start();
        try
        {
            foreach (var (batch, failed) in queue.GetConsumingEnumerable())
            {
                failed?.Throw();
                yield return batch!;
            }
        }
        finally
        {
            stop.Cancel();
            thread.Join();
        }
    }
}

/// <summary>A loader whose batches are of the samples' type: tensors, arrays and tuples of tensors, each with one dimension more.</summary>
public class DataLoader<T> : DataLoader<T, T>
{
    /// <inheritdoc cref="DataLoader{T, TBatch}(Dataset{T}, Func{IReadOnlyList{T}, TBatch}, int, bool, Sampler{long}, Sampler{long[]}, int, bool, Generator, int, long)"/>
    public DataLoader(
        Dataset<T> dataset,
        int batchSize = 1,
        bool shuffle = false,
        Sampler<long>? sampler = null,
        Sampler<long[]>? batchSampler = null,
        int numWorkers = 0,
        Func<IReadOnlyList<T>, T>? collate = null,
        bool dropLast = false,
        Generator? generator = null,
        int prefetchFactor = 2,
        long seed = 0
    )
        : base(
            dataset,
            collate,
            batchSize,
            shuffle,
            sampler,
            batchSampler,
            numWorkers,
            dropLast,
            generator,
            prefetchFactor,
            seed
        ) { }

    /// <inheritdoc cref="DataLoader{T, TBatch}(IterableDataset{T}, Func{IReadOnlyList{T}, TBatch}, int, int, bool, int, long)"/>
    public DataLoader(
        IterableDataset<T> dataset,
        int batchSize = 1,
        int numWorkers = 0,
        Func<IReadOnlyList<T>, T>? collate = null,
        bool dropLast = false,
        int prefetchFactor = 2,
        long seed = 0
    )
        : base(dataset, collate, batchSize, numWorkers, dropLast, prefetchFactor, seed) { }
}

/// <summary>A loader of arrays of tensors: <c>foreach (var (x, y) in new DataLoader(dataset, batchSize: 64, shuffle: true))</c>.</summary>
public sealed class DataLoader(
    Dataset<Tensor[]> dataset,
    int batchSize = 1,
    bool shuffle = false,
    Sampler<long>? sampler = null,
    Sampler<long[]>? batchSampler = null,
    int numWorkers = 0,
    Func<IReadOnlyList<Tensor[]>, Tensor[]>? collate = null,
    bool dropLast = false,
    Generator? generator = null,
    int prefetchFactor = 2,
    long seed = 0
)
    : DataLoader<Tensor[]>(
        dataset,
        batchSize,
        shuffle,
        sampler,
        batchSampler,
        numWorkers,
        collate,
        dropLast,
        generator,
        prefetchFactor,
        seed
    );
