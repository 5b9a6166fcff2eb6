using System.Numerics;
using Picograd.Algorithms;

namespace Picograd;

public sealed partial class Tensor
{
    // Largest sum of the whole numbers that stand for the probabilities of a row.
    private const int WeightBits = 62;

    /// <summary>
    /// Indices drawn with the probabilities that each row (or the vector) is proportional to: [rows, samples] int64. The
    /// probabilities are counted in whole numbers, so every machine and back end draws the same from the same ones.
    /// </summary>
    /// <exception cref="ArgumentException">Not floats, not a vector or matrix, no categories, a row that is not of
    /// probabilities, or without replacement fewer categories of a probability above 0 than samples.</exception>
    public Tensor Multinomial(long samples, bool replacement = false, Generator? generator = null)
    {
        RequireFloat("multinomial");
        if (Rank is not (1 or 2) || Layout.Sizes[^1] == 0)
            throw new ArgumentException(
                $"multinomial: the probabilities must be a vector or matrix with at least one column, but the shape is {Layout}."
            );
        long classes = Layout.Sizes[^1];
        if (samples < 1 || (!replacement && samples > classes))
            throw new ArgumentException(
                $"multinomial: {samples} samples cannot be drawn from {classes} categories"
                    + (samples < 1 ? "; ask for at least 1." : " without replacement.")
            );
        using var off = NoGrad();
        var rows = Rank == 1 ? Unsqueeze(0) : this;
        if (rows.NumElements == 0)
            return Empty([0, samples], DType.Int64, Device);
        var largest = rows.Amax([1], keepdim: true);
        if (((rows >= 0).All() & (largest > 0).All() & (largest < double.PositiveInfinity).All()).Item() == 0)
            throw new ArgumentException(
                "multinomial: every row must be of numbers that are finite, not negative and not all 0."
            );
        // What is possible at all counts at least 1.
        double scale = Math.ScaleB(1, WeightBits - BitOperations.Log2((ulong)classes) - 1);
        var weights = (rows.To(DType.Float64) / largest.To(DType.Float64) * scale).To(DType.Int64);
        weights = weights.Maximum((rows > 0).To(DType.Int64));
        var unit = Rand([rows.Layout.Sizes[0], samples], generator, DType.Float64, Device);
        var result = replacement || samples == 1 ? DrawAgain(weights, unit) : DrawDistinct(weights, unit);
        return Rank == 1 ? result.Squeeze(0) : result;
    }

    // A random mark below the sum of a row lies in the stretch of exactly one category: the first whose running sum is above
    // the mark, found by halving.
    private static Tensor DrawAgain(Tensor weights, Tensor unit)
    {
        long classes = weights.Layout.Sizes[1];
        var sums = weights.Cumsum(1);
        var total = sums.Narrow(1, classes - 1, 1);
        var marks = (unit * total.To(DType.Float64)).To(DType.Int64).Minimum(total - 1);
        var below = Zeros(marks.Shape, DType.Int64, marks.Device);
        for (long step = (long)BitOperations.RoundUpToPowerOf2((ulong)classes + 1) / 2; step > 0; step /= 2)
        {
            var reached = sums.GatherLast((below + (step - 1)).Minimum(Full([], classes - 1, device: sums.Device)));
            below = below + (reached <= marks).To(DType.Int64) * step;
        }
        return below;
    }

    // The same, with what was drawn taken out; the sums change with every draw, so they are kept in a tree on the host.
    private static unsafe Tensor DrawDistinct(Tensor weights, Tensor unit)
    {
        var (rows, classes, samples) = (weights.Layout.Sizes[0], weights.Layout.Sizes[1], unit.Layout.Sizes[1]);
        var hostWeights = weights.OnCpu().Contiguous();
        Calls.Executor.Listening?.HostReads(hostWeights);
        double[] marks = unit.ToDoubles();
        long[] drawn = new long[marks.Length];
        var tree = new WeightTree(classes);
        for (long r = 0, at = 0; r < rows; r++)
        {
            var row = new ReadOnlySpan<long>((long*)hostWeights.Address + r * classes, (int)classes);
            long possible = classes - row.Count(0);
            if (possible < samples)
                throw new ArgumentException(
                    $"multinomial: {samples} samples cannot be drawn without replacement from row {r}, in which {possible} "
                        + "categories have a probability above 0."
                );
            tree.Fill(row);
            for (long s = 0; s < samples; s++, at++)
            {
                long mark = Math.Min((long)(marks[at] * tree.Total), tree.Total - 1);
                drawn[at] = tree.Find(mark);
                tree.Remove(drawn[at], row[(int)drawn[at]]);
            }
        }
        GC.KeepAlive(hostWeights);
        return Held<long>(drawn, [rows, samples]).ToDevice(weights.Device);
    }

    // Sums of weights in a binary indexed tree (Fenwick 1994): node i holds the sum of the weights from i − (i & −i) to i − 1.
    private sealed class WeightTree(long count)
    {
        private readonly long[] _sums = new long[count + 1];

        public long Total { get; private set; }

        public void Fill(ReadOnlySpan<long> weights)
        {
            Array.Clear(_sums);
            Total = 0;
            for (int i = 1; i < _sums.Length; i++)
            {
                _sums[i] += weights[i - 1];
                Total += weights[i - 1];
                if (i + (i & -i) is var next && next < _sums.Length)
                    _sums[next] += _sums[i];
            }
        }

        // The first place at which the running sum is above the mark.
        public long Find(long mark)
        {
            long place = 0;
            for (long step = (long)BitOperations.RoundUpToPowerOf2((ulong)_sums.Length) / 2; step > 0; step /= 2)
            {
                if (place + step < _sums.Length && _sums[place + step] <= mark)
                {
                    place += step;
                    mark -= _sums[place];
                }
            }
            return place;
        }

        public void Remove(long place, long weight)
        {
            Total -= weight;
            for (long i = place + 1; i < _sums.Length; i += i & -i)
                _sums[i] -= weight;
        }
    }
}
