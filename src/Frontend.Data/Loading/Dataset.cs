using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Picograd.Data;

/// <summary>Samples by number (PyTorch's map-style dataset).</summary>
/// <typeparam name="T">A sample: a tensor, an array or tuple of tensors, or what a collate function takes.</typeparam>
public abstract class Dataset<T>
{
    /// <summary>Number of samples.</summary>
    public abstract long Count { get; }

    /// <summary>A sample, from 0 on. Workers of a loader ask from several threads.</summary>
    public abstract T this[long index] { get; }

    /// <summary>Several samples at once, collated; false where samples are to be asked for one by one.</summary>
    protected internal virtual bool TryBatch(long[] indices, [MaybeNullWhen(false)] out T batch)
    {
        batch = default;
        return false;
    }

    /// <summary>This one and another, one behind the other.</summary>
    public static ConcatDataset<T> operator +(Dataset<T> first, Dataset<T> second) => new([first, second]);

    private protected long Checked(long index) =>
        index >= 0 && index < Count
            ? index
            : throw new ArgumentOutOfRangeException(
                nameof(index),
                $"Sample {index} was asked for, but the dataset has {Count}."
            );
}

/// <summary>A dataset whose samples are arrays of tensors, such as input and label.</summary>
public abstract class Dataset : Dataset<Tensor[]>
{
    /// <summary>Splits at random into parts of given sizes, or shares of 1.</summary>
    /// <param name="dataset">What is split.</param>
    /// <param name="lengths">Sizes that add up to that of the dataset, or shares that add up to 1.</param>
    /// <param name="generator">Of the order; <see cref="Generator.Default"/> where null.</param>
    /// <exception cref="ArgumentException">They add up to something else.</exception>
    public static Subset<T>[] RandomSplit<T>(
        Dataset<T> dataset,
        ReadOnlySpan<double> lengths,
        Generator? generator = null
    )
    {
        ArgumentNullException.ThrowIfNull(dataset);
        double sum = 0;
        foreach (double length in lengths)
        {
            if (!(length >= 0))
                throw new ArgumentException($"RandomSplit: {length} is no length.");
            sum += length;
        }
        var sizes = new long[lengths.Length];
        if (Math.Abs(sum - 1) < 1e-9 && (dataset.Count != 1 || lengths.ToArray().Any(l => l % 1 != 0)))
        {
            for (int i = 0; i < sizes.Length; i++)
                sizes[i] = (long)Math.Floor(dataset.Count * lengths[i]);
            // As PyTorch: what is left goes to the first ones, one each.
            long left = dataset.Count - sizes.Sum();
            for (int i = 0; i < left; i++)
                sizes[i % sizes.Length]++;
        }
        else
        {
            for (int i = 0; i < sizes.Length; i++)
                sizes[i] = (long)lengths[i];
        }
        if (sizes.Sum() != dataset.Count)
            throw new ArgumentException(
                $"RandomSplit: the lengths add up to {sum}, but must add up to the {dataset.Count} samples, or to 1."
            );
        long[] order = Tensor.RandPerm(dataset.Count, generator).ToArray<long>();
        var parts = new Subset<T>[sizes.Length];
        long at = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = new(dataset, order[(int)at..(int)(at + sizes[i])]);
            at += sizes[i];
        }
        return parts;
    }
}

/// <summary>Samples one after the other, whose number need not be known.</summary>
public abstract class IterableDataset<T> : IEnumerable<T>
{
    /// <summary>Begins anew.</summary>
    public abstract IEnumerator<T> GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Rows of tensors with as many rows.</summary>
public sealed class TensorDataset : Dataset
{
    private readonly Tensor[] _tensors;

    /// <exception cref="ArgumentException">None, scalars, or different numbers of rows.</exception>
    public TensorDataset(params Tensor[] tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        if (tensors.Length == 0 || tensors.Any(t => t.Rank == 0) || tensors.Any(t => t.Shape[0] != tensors[0].Shape[0]))
            throw new ArgumentException(
                $"TensorDataset: the shapes are {string.Join(", ", tensors.Select(t => t.Shape))}, but all must have one first dimension."
            );
        _tensors = tensors;
    }

    /// <inheritdoc/>
    public override long Count => _tensors[0].Shape[0];

    /// <inheritdoc/>
    public override Tensor[] this[long index]
    {
        get
        {
            Checked(index);
            return [.. _tensors.Select(t => t[index])];
        }
    }

    /// <inheritdoc/>
    protected internal override bool TryBatch(long[] indices, [MaybeNullWhen(false)] out Tensor[] batch)
    {
        foreach (long index in indices)
            Checked(index);
        batch = [.. _tensors.Select(t => t[Tensor.From(indices).ToDevice(t.Device)])];
        return true;
    }
}

/// <summary>Some samples of a dataset.</summary>
public sealed class Subset<T>(Dataset<T> dataset, IEnumerable<long> indices) : Dataset<T>
{
    private readonly long[] _indices = [.. indices];

    public Dataset<T> Dataset => dataset;

    public IReadOnlyList<long> Indices => _indices;

    /// <inheritdoc/>
    public override long Count => _indices.Length;

    /// <inheritdoc/>
    public override T this[long index] => dataset[_indices[Checked(index)]];

    /// <inheritdoc/>
    protected internal override bool TryBatch(long[] indices, [MaybeNullWhen(false)] out T batch) =>
        dataset.TryBatch([.. indices.Select(i => _indices[Checked(i)])], out batch);
}

/// <summary>Datasets one behind the other.</summary>
public sealed class ConcatDataset<T>(IEnumerable<Dataset<T>> datasets) : Dataset<T>
{
    private readonly Dataset<T>[] _datasets = [.. datasets];

    /// <inheritdoc/>
    public override long Count => _datasets.Sum(d => d.Count);

    /// <inheritdoc/>
    public override T this[long index]
    {
        get
        {
            long at = Checked(index);
            foreach (var dataset in _datasets)
            {
                if (at < dataset.Count)
                    return dataset[at];
                at -= dataset.Count;
            }
            throw new ArgumentOutOfRangeException(nameof(index));
        }
    }
}

/// <summary>A dataset whose samples are changed by a function, such as a transform of images.</summary>
public sealed class MappedDataset<TFrom, T>(Dataset<TFrom> dataset, Func<TFrom, T> function) : Dataset<T>
{
    /// <inheritdoc/>
    public override long Count => dataset.Count;

    /// <inheritdoc/>
    public override T this[long index] => function(dataset[index]);
}

/// <summary>Taking samples apart: <c>var (x, y) = batch</c>.</summary>
public static class SampleParts
{
    /// <exception cref="ArgumentException">Not two tensors.</exception>
    public static void Deconstruct(this Tensor[] sample, out Tensor first, out Tensor second)
    {
        Require(sample, 2);
        (first, second) = (sample[0], sample[1]);
    }

    /// <exception cref="ArgumentException">Not three tensors.</exception>
    public static void Deconstruct(this Tensor[] sample, out Tensor first, out Tensor second, out Tensor third)
    {
        Require(sample, 3);
        (first, second, third) = (sample[0], sample[1], sample[2]);
    }

    private static void Require(Tensor[] sample, int count)
    {
        if (sample.Length != count)
            throw new ArgumentException($"The sample has {sample.Length} tensors, but is taken apart into {count}.");
    }
}
