using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// Sequences of several lengths without padding: the first steps of all, then the second ones, longer sequences first. Made by
/// <see cref="Rnn"/>.
/// </summary>
/// <param name="Data">[Σ lengths, …].</param>
/// <param name="BatchSizes">How many sequences have each step.</param>
/// <param name="SortedIndices">Which sequence stands where, longest first; null where they were in that order.</param>
/// <param name="UnsortedIndices">The other way.</param>
public sealed record PackedSequence(
    Tensor Data,
    long[] BatchSizes,
    Tensor? SortedIndices = null,
    Tensor? UnsortedIndices = null
);

/// <summary>Sequences of several lengths side by side, and back (PyTorch's nn.utils.rnn).</summary>
public static class Rnn
{
    /// <summary>Padded sequences [t, b, …] ([b, t, …] with batchFirst) without what lies behind their ends.</summary>
    /// <param name="input">Padded sequences.</param>
    /// <param name="lengths">How long each is, at least 1.</param>
    /// <param name="batchFirst">Whether sequences are the first dimension.</param>
    /// <param name="enforceSorted">Whether lengths must fall; else they are sorted, and results are put back.</param>
    /// <exception cref="ArgumentException">Lengths that do not fit; names them.</exception>
    public static PackedSequence PackPaddedSequence(
        Tensor input,
        ReadOnlySpan<long> lengths,
        bool batchFirst = false,
        bool enforceSorted = true
    )
    {
        ArgumentNullException.ThrowIfNull(input);
        const string What = "pack_padded_sequence";
        if (input.Rank < 2)
            throw new ArgumentException($"{What}: the input has the shape {input.Layout}, but must be [t, b, …].");
        var x = batchFirst ? input.Transpose(0, 1) : input;
        var (steps, batch) = (x.Size(0), x.Size(1));
        long[] given = lengths.ToArray();
        if (given.Length != batch)
            throw new ArgumentException($"{What}: {given.Length} lengths are given for {batch} sequences.");
        Tensor? sorted = null;
        Tensor? unsorted = null;
        if (!enforceSorted)
        {
            int[] order = [.. Enumerable.Range(0, given.Length).OrderByDescending(i => given[i])];
            long[] back = new long[order.Length];
            for (int i = 0; i < order.Length; i++)
                back[order[i]] = i;
            sorted = Tensor.From<long>([.. order.Select(i => (long)i)]).ToDevice(x.Device);
            unsorted = Tensor.From<long>(back).ToDevice(x.Device);
            given = [.. order.Select(i => given[i])];
            x = x.IndexSelect(1, sorted);
        }
        for (int i = 0; i < given.Length; i++)
        {
            if (given[i] < 1 || given[i] > steps)
                throw new ArgumentException(
                    $"{What}: length {given[i]} of sequence {i} is out of range; it must be from 1 to {steps}."
                );
            if (i > 0 && given[i] > given[i - 1])
                throw new ArgumentException(
                    $"{What}: lengths must fall, but {given[i]} follows {given[i - 1]}; sort the sequences, or give enforceSorted: false."
                );
        }
        long longest = given.Length == 0 ? 0 : given[0];
        long[] sizes = [.. Enumerable.Range(0, (int)longest).Select(t => (long)given.Count(l => l > t))];
        bool full = sizes.All(s => s == batch);
        var data = full
            ? x.Narrow(0, 0, longest).Flatten(0, 1)
            : Tensor.Cat(sizes.Select((s, t) => x.Select(0, t).Narrow(0, 0, s)).ToArray());
        return new(data, sizes, sorted, unsorted);
    }

    /// <inheritdoc cref="PackPaddedSequence(Tensor, ReadOnlySpan{long}, bool, bool)"/>
    public static PackedSequence PackPaddedSequence(
        Tensor input,
        Tensor lengths,
        bool batchFirst = false,
        bool enforceSorted = true
    ) => PackPaddedSequence(input, Tensor.Given(lengths).To(DType.Int64).ToArray<long>(), batchFirst, enforceSorted);

    /// <summary>The padded sequences again, and their lengths (int64).</summary>
    /// <exception cref="ArgumentException">A totalLength below the longest sequence.</exception>
    public static (Tensor Padded, Tensor Lengths) PadPackedSequence(
        PackedSequence sequence,
        bool batchFirst = false,
        double paddingValue = 0,
        long? totalLength = null
    )
    {
        ArgumentNullException.ThrowIfNull(sequence);
        long[] sizes = sequence.BatchSizes;
        long steps = sizes.Length;
        long total = totalLength ?? steps;
        if (total < steps)
            throw new ArgumentException(
                $"pad_packed_sequence: totalLength is {total}, but the longest sequence has {steps} steps."
            );
        long batch = steps == 0 ? 0 : sizes[0];
        var data = sequence.Data;
        long[] rest = [.. data.Layout.Sizes[1..]];
        Tensor Filled(params ReadOnlySpan<long> shape) =>
            Tensor.Full([.. shape, .. rest], paddingValue, data.DType, data.Device);
        var rows = new List<Tensor>();
        for (long t = 0, at = 0; t < steps; at += sizes[t], t++)
        {
            var own = data.Narrow(0, at, sizes[t]);
            rows.Add(sizes[t] == batch ? own : Tensor.Cat([own, Filled(batch - sizes[t])]));
        }
        var padded = sizes.All(s => s == batch) ? data.Reshape([steps, batch, .. rest]) : Tensor.Stack(rows.ToArray());
        if (total > steps)
            padded = Tensor.Cat([padded, Filled(total - steps, batch)]);
        long[] lengths = [.. Enumerable.Range(0, (int)batch).Select(b => sizes.LongCount(s => s > b))];
        if (sequence.UnsortedIndices is { } back)
        {
            padded = padded.IndexSelect(1, back);
            lengths = [.. back.ToArray<long>().Select(i => lengths[i])];
        }
        return (batchFirst ? padded.Transpose(0, 1) : padded, Tensor.From<long>(lengths));
    }

    /// <summary>Sequences [t, …] of several lengths as one tensor [t, b, …] ([b, t, …] with batchFirst).</summary>
    /// <exception cref="ArgumentException">None, or shapes that differ behind the first dimension.</exception>
    public static Tensor PadSequence(
        ReadOnlySpan<Tensor> sequences,
        bool batchFirst = false,
        double paddingValue = 0,
        string paddingSide = "right"
    )
    {
        if (sequences.Length == 0)
            throw new ArgumentException("pad_sequence: there are no sequences.");
        if (paddingSide is not ("right" or "left"))
            throw new ArgumentException(
                $"pad_sequence: paddingSide is \"{paddingSide}\", but must be \"right\" or \"left\"."
            );
        long longest = 0;
        foreach (var sequence in sequences)
            longest = Math.Max(longest, Tensor.Given(sequence).Size(0));
        var padded = new Tensor[sequences.Length];
        for (int i = 0; i < padded.Length; i++)
        {
            var s = sequences[i];
            long missing = longest - s.Size(0);
            if (missing > 0)
            {
                var fill = Tensor.Full([missing, .. s.Layout.Sizes[1..]], paddingValue, s.DType, s.Device);
                s = Tensor.Cat(paddingSide == "right" ? [s, fill] : [fill, s]);
            }
            padded[i] = s;
        }
        return Tensor.Stack(padded, batchFirst ? 0 : 1);
    }

    /// <summary>Padded sequences as one tensor each, of their lengths.</summary>
    public static Tensor[] UnpadSequence(Tensor paddedSequences, Tensor lengths, bool batchFirst = false)
    {
        ArgumentNullException.ThrowIfNull(paddedSequences);
        ArgumentNullException.ThrowIfNull(lengths);
        var x = batchFirst ? paddedSequences : paddedSequences.Transpose(0, 1);
        return [.. lengths.To(DType.Int64).ToArray<long>().Select((l, i) => x.Select(0, i).Narrow(0, 0, l))];
    }

    /// <summary><see cref="PackPaddedSequence(Tensor, ReadOnlySpan{long}, bool, bool)"/> of sequences that are given one by one.</summary>
    public static PackedSequence PackSequence(ReadOnlySpan<Tensor> sequences, bool enforceSorted = true)
    {
        long[] lengths = new long[sequences.Length];
        for (int i = 0; i < lengths.Length; i++)
            lengths[i] = Tensor.Given(sequences[i]).Size(0);
        return PackPaddedSequence(PadSequence(sequences), lengths, enforceSorted: enforceSorted);
    }
}
