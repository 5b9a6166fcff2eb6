using Picograd.Algorithms;

namespace Picograd;

public static partial class F
{
    /// <summary>Rows of a table by indices of any shape, with PyTorch's options.</summary>
    /// <param name="indices">Integers.</param>
    /// <param name="table">[vocab, dim].</param>
    /// <param name="paddingIdx">A row that gets no gradient; negative ones count from the end. Null for none.</param>
    /// <param name="maxNorm">Rows that are picked and longer than this are shortened, in place. Null for none.</param>
    /// <param name="normType">Of which norm.</param>
    /// <param name="scaleGradByFreq">Whether gradients of rows are divided by how often they are picked.</param>
    /// <returns>[.., dim].</returns>
    /// <exception cref="IndexOutOfRangeException">An index is not in [0, vocab).</exception>
    public static Tensor Embedding(
        Tensor indices,
        Tensor table,
        long? paddingIdx,
        double? maxNorm = null,
        double normType = 2,
        bool scaleGradByFreq = false
    )
    {
        ArgumentNullException.ThrowIfNull(indices);
        ArgumentNullException.ThrowIfNull(table);
        if (table.Rank != 2)
            throw new ArgumentException($"embedding: the table must be a matrix, but its shape is {table.Layout}.");
        var places = IndexCheck.Places("embedding", indices, table.Layout.Sizes[0], wrap: false);
        if (maxNorm is { } most)
            Shorten(table, places, most, normType);
        var rows = EmbeddingOf(table, places);
        if (!Tensor.Records(table))
            return rows;
        if (scaleGradByFreq && places.NumElements > 0)
        {
            // The values stay: of the difference, 0, only the slope counts.
            var counts = places.Reshape(-1).Bincount(minlength: table.Size(0)).IndexSelect(0, places.Reshape(-1));
            var share = 1 / counts.Reshape(places.Shape).Unsqueeze(-1).To(table.DType);
            rows = rows.Detach() + (rows - rows.Detach()) * share;
        }
        if (PaddingRow("embedding", paddingIdx, table) is { } row && places.NumElements > 0)
        {
            var isPadding = places.Eq(row);
            if (isPadding.Any().Item() != 0)
                rows = Tensor.Where(isPadding.Unsqueeze(-1), rows.Detach(), rows);
        }
        return rows;
    }

    /// <summary>Sums, means or maxima of rows of a table, of bags of indices.</summary>
    /// <param name="indices">[bags, n], or [n] with offsets.</param>
    /// <param name="table">[vocab, dim].</param>
    /// <param name="offsets">Where each bag starts among the indices [bags]; of matrices null.</param>
    /// <param name="maxNorm">See <see cref="Embedding(Tensor, Tensor, long?, double?, double, bool)"/>.</param>
    /// <param name="normType">See there.</param>
    /// <param name="scaleGradByFreq">See there.</param>
    /// <param name="mode">"mean", "sum" or "max"; an empty bag gives 0.</param>
    /// <param name="perSampleWeights">Factors of rows, of the shape of the indices; with "sum".</param>
    /// <param name="includeLastOffset">Whether the last offset is where the last bag ends.</param>
    /// <param name="paddingIdx">A row that counts for nothing.</param>
    /// <returns>[bags, dim].</returns>
    /// <exception cref="ArgumentException">Arguments that do not fit one another; names them.</exception>
    public static Tensor EmbeddingBag(
        Tensor indices,
        Tensor table,
        Tensor? offsets = null,
        double? maxNorm = null,
        double normType = 2,
        bool scaleGradByFreq = false,
        string mode = "mean",
        Tensor? perSampleWeights = null,
        bool includeLastOffset = false,
        long? paddingIdx = null
    )
    {
        const string What = "embedding_bag";
        ArgumentNullException.ThrowIfNull(indices);
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(mode);
        if (mode is not ("mean" or "sum" or "max"))
            throw new ArgumentException($"{What}: mode is \"{mode}\", but must be \"mean\", \"sum\" or \"max\".");
        if (table.Rank != 2)
            throw new ArgumentException($"{What}: the table must be a matrix, but its shape is {table.Layout}.");
        if (indices.Rank is not (1 or 2) || indices.Rank == 1 != offsets is not null)
            throw new ArgumentException(
                $"{What}: indices of shape {indices.Layout} are given {(offsets is null ? "without" : "with")} offsets; they must be [bags, n] without, or [n] with."
            );
        if (perSampleWeights is not null && (mode != "sum" || !perSampleWeights.Layout.SameSizes(indices.Layout)))
            throw new ArgumentException(
                $"{What}: perSampleWeights of shape {perSampleWeights.Layout} are given with mode \"{mode}\" and indices of shape {indices.Layout}; they go with \"sum\" and have the indices' shape."
            );
        if (scaleGradByFreq && mode == "max")
            throw new ArgumentException($"{What}: scaleGradByFreq does not go with mode \"max\".");
        var flat = indices.Reshape(-1);
        long[] picked = IndexCheck.Places(What, flat, table.Size(0), wrap: false).ToArray<long>();
        var (ids, bags) = BagsOf(indices, offsets, includeLastOffset, picked.Length);
        // What is padding belongs to no bag.
        var weights = perSampleWeights?.Reshape(-1);
        if (PaddingRow(What, paddingIdx, table) is { } row && Array.IndexOf(picked, row) >= 0)
        {
            long[] kept = [.. Enumerable.Range(0, picked.Length).Where(i => picked[i] != row).Select(i => (long)i)];
            ids = [.. kept.Select(i => ids[i])];
            picked = [.. kept.Select(i => picked[i])];
            weights = weights?.IndexSelect(0, Tensor.From<long>(kept).ToDevice(weights.Device));
        }
        var places = Tensor.From<long>(picked).ToDevice(table.Device);
        var rows = Embedding(places, table, null, maxNorm, normType, scaleGradByFreq);
        if (weights is not null)
            rows = rows * weights.Unsqueeze(-1);
        var zeros = Tensor.Zeros([bags, table.Size(1)], rows.DType, rows.Device);
        if (picked.Length == 0)
            return zeros + rows.Sum() * 0;
        var bag = Tensor.From<long>(ids).ToDevice(table.Device);
        if (mode == "max")
            return zeros.ScatterReduce(0, bag.Unsqueeze(1).Expand(rows.Shape), rows, "amax", includeSelf: false);
        var sums = zeros.IndexAdd(0, bag, rows);
        if (mode == "sum")
            return sums;
        var counts = bag.Bincount(minlength: bags).To(rows.DType).Clamp(min: 1);
        return sums / counts.Unsqueeze(1);
    }

    // The bag of each index, and how many there are.
    private static (long[] Ids, long Bags) BagsOf(Tensor indices, Tensor? offsets, bool includeLast, int count)
    {
        const string What = "embedding_bag";
        if (offsets is null)
        {
            long width = indices.Size(1);
            return ([.. Enumerable.Range(0, count).Select(i => i / width)], indices.Size(0));
        }
        long[] starts = offsets.To(DType.Int64).ToArray<long>();
        if (offsets.Rank != 1 || starts.Length == 0 && (count > 0 || includeLast))
            throw new ArgumentException(
                $"{What}: offsets have the shape {offsets.Layout}, but must have one dimension and at least one element."
            );
        if (starts.Length > 0 && starts[0] != 0)
            throw new ArgumentException($"{What}: the first offset is {starts[0]}, but must be 0.");
        for (int i = 1; i < starts.Length; i++)
        {
            if (starts[i] < starts[i - 1])
                throw new ArgumentException(
                    $"{What}: offset {i} is {starts[i]}, but must not be below the one before."
                );
        }
        if (starts.Length > 0 && starts[^1] > count)
            throw new ArgumentException(
                $"{What}: the last offset is {starts[^1]}, but must not be above the number of indices, {count}."
            );
        long bags = starts.Length - (includeLast ? 1 : 0);
        long[] ids = new long[count];
        for (long i = 0, at = 0; i < count; i++)
        {
            while (at + 1 < bags && starts[at + 1] <= i)
                at++;
            ids[i] = at;
        }
        return (ids, bags);
    }

    private static long? PaddingRow(string what, long? paddingIdx, Tensor table)
    {
        if (paddingIdx is not { } at)
            return null;
        long rows = table.Size(0);
        if (at < -rows || at >= rows)
            throw new ArgumentException(
                $"{what}: paddingIdx is {at}, but must be within the {rows} rows of the table."
            );
        return at < 0 ? at + rows : at;
    }

    private static void Shorten(Tensor table, Tensor places, double most, double normType)
    {
        if (places.NumElements == 0)
            return;
        using var off = Tensor.NoGrad();
        var own = table.Detach();
        var used = places.Reshape(-1).Unique().Values;
        var rows = own.IndexSelect(0, used).To(own.DType.Compute());
        var norms = rows.Norm(normType, 1, keepdim: true);
        var factors = Tensor.Where(norms > most, most / (norms + 1e-7), Tensor.OnesLike(norms));
        own.IndexCopy_(0, used, (rows * factors).To(own.DType));
    }

    /// <summary>x1ᵀ · weight[o] · x2 + bias for each output o: x1 [.., in1], x2 [.., in2], weight [out, in1, in2]; gives [.., out].</summary>
    /// <exception cref="ArgumentException">Shapes that do not fit.</exception>
    public static Tensor Bilinear(Tensor x1, Tensor x2, Tensor weight, Tensor? bias = null)
    {
        ArgumentNullException.ThrowIfNull(x1);
        ArgumentNullException.ThrowIfNull(x2);
        ArgumentNullException.ThrowIfNull(weight);
        bool fits =
            weight.Rank == 3
            && x1.Rank > 0
            && x1.Rank == x2.Rank
            && x1.Layout.Sizes[..^1].SequenceEqual(x2.Layout.Sizes[..^1])
            && x1.Layout.Sizes[^1] == weight.Layout.Sizes[1]
            && x2.Layout.Sizes[^1] == weight.Layout.Sizes[2];
        if (!fits)
            throw new ArgumentException(
                $"bilinear: inputs of shape {x1.Layout} and {x2.Layout} do not fit a weight of shape {weight.Layout}; they must be [.., in1], [.., in2] and [out, in1, in2]."
            );
        long rows = x1.Layout.Product(0, x1.Rank - 1);
        var (a, b) = (x1.Reshape(rows, x1.Size(-1)), x2.Reshape(rows, x2.Size(-1)));
        long outputs = weight.Size(0);
        // [n, in1] · [in1, out · in2], then each row with that of x2.
        var left = a.MatMul(weight.Permute(1, 0, 2).Reshape(weight.Size(1), outputs * weight.Size(2)))
            .Reshape(rows, outputs, weight.Size(2));
        var result = left.MatMul(b.Unsqueeze(-1)).Squeeze(-1);
        if (bias is not null)
            result = result + bias;
        return result.ReshapeTo([.. x1.Layout.Sizes[..^1], outputs]);
    }

    /// <summary>
    /// x over (k + alpha · mean of x² over size neighbouring channels)^beta, x [n, channels, …] (Krizhevsky and others, 2012).
    /// </summary>
    /// <exception cref="ArgumentException">Fewer than 3 dimensions, or a size below 1.</exception>
    public static Tensor LocalResponseNorm(Tensor x, long size, double alpha = 1e-4, double beta = 0.75, double k = 1)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.Rank < 3)
            throw new ArgumentException(
                $"local_response_norm: the input has the shape {x.Layout}, but must have at least 3 dimensions."
            );
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        if (x.NumElements == 0)
            return x;
        var squares = x.Square().Reshape(x.Size(0), 1, x.Size(1), -1);
        var means = AvgPool2d(Pad(squares, [0, 0, size / 2, (size - 1) / 2]), (size, 1), 1);
        return x / (means.Reshape(x.Shape) * alpha + k).Pow(beta);
    }

    /// <summary>Channels of x [n, channels, …] in another order: the first of each of some groups, then the second of each, and so on.</summary>
    /// <exception cref="ArgumentException">Groups that do not divide the channels.</exception>
    public static Tensor ChannelShuffle(Tensor x, long groups)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.Rank < 3 || groups < 1 || x.Size(1) % groups != 0)
            throw new ArgumentException(
                $"channel_shuffle: {groups} groups do not divide the channels in dimension 1 of an input of shape {x.Layout} of at least 3 dimensions."
            );
        return x.Unflatten(1, groups, x.Size(1) / groups).Transpose(1, 2).Reshape(x.Shape);
    }
}
