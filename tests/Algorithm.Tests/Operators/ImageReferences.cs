namespace Picograd.Tests.Operators;

/// <summary>Convolutions, pools and norms of channels by plain loops over places and windows, in any number of dimensions.</summary>
internal static class ImageReferences
{
    private static string[] Names(Given g) => "dhw"[^(g.Spec.Name[^2] - '0')..].Select(c => $"{c}").ToArray();

    private static long[] Dims(Given g, string prefix) => [.. Names(g).Select(n => g.Spec.Dim(prefix + n))];

    // All places of a box, row by row.
    private static IEnumerable<long[]> Places(long[] box)
    {
        long count = box.Aggregate(1L, (a, b) => a * b);
        for (long i = 0; i < count; i++)
        {
            long rest = i;
            var place = new long[box.Length];
            for (int d = box.Length - 1; d >= 0; d--)
                (place[d], rest) = (rest % box[d], rest / box[d]);
            yield return place;
        }
    }

    private static long Flat(long[] box, params IEnumerable<long> place) =>
        place.Select((p, d) => (p, d)).Aggregate(0L, (sum, x) => sum * box[x.d] + x.p);

    private static bool Inside(long[] at, long[] size) => at.Zip(size).All(p => p.First >= 0 && p.First < p.Second);

    public static double[] Convolution(Given g)
    {
        var (size, kernel) = (Dims(g, ""), Dims(g, "k"));
        int rank = size.Length;
        var (stride, pad, dil) = (g.Spec.List("stride", rank), g.Spec.List("pad", rank), g.Spec.List("dil", rank));
        var (n, c, oc, groups) = (g.Spec.Dim("n"), g.Spec.Dim("c"), g.Spec.Dim("oc"), g.Spec.Dim("groups"));
        bool transposed = g.Spec.Name.Contains("transpose");
        long[] result = transposed
            ?
            [
                .. size.Select(
                    (s, d) =>
                        (s - 1) * stride[d] + dil[d] * (kernel[d] - 1) + 1 - 2 * pad[d] + g.Spec.List("opad", rank)[d]
                ),
            ]
            : [.. size.Select((s, d) => (s + 2 * pad[d] - dil[d] * (kernel[d] - 1) - 1) / stride[d] + 1)];
        long[] all = [n, oc, .. result];
        var values = new double[all.Aggregate(1L, (a, b) => a * b)];
        // What is moved over, and what has a place a window.
        var (image, windows) = transposed ? (result, size) : (size, result);
        for (long b = 0; b < n; b++)
        for (long o = 0; o < oc; o++)
        for (long i = o / (oc / groups) * (c / groups); i < (o / (oc / groups) + 1) * (c / groups); i++)
            foreach (long[] place in Places(windows))
            foreach (long[] k in Places(kernel))
            {
                long[] at = [.. place.Select((p, d) => p * stride[d] + k[d] * dil[d] - pad[d])];
                if (!Inside(at, image))
                    continue;
                long[] from = transposed ? place : at;
                long[] to = transposed ? at : place;
                double filter = transposed
                    ? g["W"].At(Flat([c, oc / groups, .. kernel], [i, o % (oc / groups), .. k]))
                    : g["W"].At(Flat([oc, c / groups, .. kernel], [o, i % (c / groups), .. k]));
                values[Flat(all, [b, o, .. to])] += filter * g["X"].At(Flat([n, c, .. size], [b, i, .. from]));
            }
        if (g.Spec.Flag("bias"))
            foreach (long[] at in Places(all))
                values[Flat(all, at)] += g["bias"].At(at[1]);
        return values;
    }

    public static double[][] Pool(Given g)
    {
        var spec = g.Spec;
        long[] size = Dims(g, "");
        int rank = size.Length;
        bool adaptive = spec.Name.StartsWith("adaptive", StringComparison.Ordinal);
        bool max = spec.Name.Contains("max");
        long n = spec.Dim("n");
        var (values, indices) = (new List<double>(), new List<double>());
        for (long b = 0; b < n; b++)
            foreach (long[] place in Places(adaptive ? Dims(g, "o") : Windows(g, size)))
            {
                var seen = new List<(double Value, double Index)>();
                double count = 1;
                IEnumerable<long>[] positions = new IEnumerable<long>[rank];
                for (int d = 0; d < rank; d++)
                {
                    if (adaptive)
                    {
                        long parts = Dims(g, "o")[d];
                        long from = place[d] * size[d] / parts;
                        long to = ((place[d] + 1) * size[d] + parts - 1) / parts;
                        positions[d] = Range(from, to, 1);
                        count *= to - from;
                        continue;
                    }
                    long pad = spec.List("pad", rank)[d];
                    long first = place[d] * spec.List("stride", rank)[d] - pad;
                    long step = max ? spec.List("dil", rank)[d] : 1;
                    long end = first + step * (Dims(g, "k")[d] - 1) + 1;
                    positions[d] = Range(first, end, step);
                    bool inside = !max && spec.Flag("inside");
                    count *= inside
                        ? Math.Min(end, size[d]) - Math.Max(first, 0)
                        : Math.Min(end, size[d] + pad) - first;
                }
                foreach (long[] at in Product(positions))
                {
                    if (Inside(at, size))
                        seen.Add((g["X"].At(Flat([n, .. size], [b, .. at])), Flat(size, at)));
                }
                if (!max && !adaptive && spec.Real("divisor") != 0)
                    count = spec.Real("divisor");
                var best = seen.MaxBy(s => s.Value);
                values.Add(max ? best.Value : seen.Sum(s => s.Value) / count);
                indices.Add(best.Index);
            }
        return max && spec.Flag("indices")
            ?
            [
                [.. values],
                [.. indices],
            ]
            :
            [
                [.. values],
            ];
    }

    private static long[] Windows(Given g, long[] size)
    {
        int rank = size.Length;
        var (stride, pad) = (g.Spec.List("stride", rank), g.Spec.List("pad", rank));
        bool max = g.Spec.Name.Contains("max");
        long[] kernel = Dims(g, "k");
        var windows = new long[rank];
        for (int d = 0; d < rank; d++)
        {
            long reach = (max ? g.Spec.List("dil", rank)[d] : 1) * (kernel[d] - 1) + 1;
            // One by one: those that end within the padding, or start before it ends.
            for (long y = 0; ; y++)
            {
                long first = y * stride[d] - pad[d];
                bool fits = first + reach <= size[d] + pad[d];
                bool reaches = g.Spec.Flag("ceil") && first < size[d] && first - stride[d] + reach < size[d] + pad[d];
                if (!fits && !reaches)
                    break;
                windows[d]++;
            }
        }
        return windows;
    }

    private static IEnumerable<long> Range(long from, long to, long step)
    {
        for (long i = from; i < to; i += step)
            yield return i;
    }

    private static IEnumerable<long[]> Product(IEnumerable<long>[] of) =>
        of.Aggregate(
            (IEnumerable<long[]>)
                [
                    [],
                ],
            (all, next) => all.SelectMany(a => next.Select(p => (long[])[.. a, p]))
        );

    public static double[][] Norm(Given g)
    {
        var spec = g.Spec;
        bool groups = spec.Name == "groupnorm";
        double epsilon = spec.Type() == DType.Float64 ? spec.Real("eps") : (float)spec.Real("eps");
        var (n, c, s) = (spec.Dim("n"), spec.Dim("c"), spec.Dim("s"));
        long parts = groups ? spec.Dim("groups") : 1;
        long[] box = [n, parts, c, s];
        bool affine = !groups || spec.Flag("affine");
        var values = new double[n * parts * c * s];
        var (means, variances) = (new double[c], new double[c]);
        // What has one mean: an example's group, or a channel.
        foreach (var set in Places(box).GroupBy(p => groups ? p[0] * parts + p[1] : p[2]))
        {
            double Mean(Func<double, double> of) => set.Average(p => of(g["X"].At(Flat(box, p))));
            bool given = spec.Name == "batchnorm_eval";
            double mean = given ? g["M"].At(set.Key) : Mean(x => x);
            double variance = given ? g["V"].At(set.Key) : Mean(x => (x - mean) * (x - mean));
            if (!groups)
                (means[set.Key], variances[set.Key]) = (mean, variance);
            foreach (long[] p in set)
            {
                double y = (g["X"].At(Flat(box, p)) - mean) / Math.Sqrt(variance + epsilon);
                long channel = p[1] * c + p[2];
                values[Flat(box, p)] = affine ? y * g["G"].At(channel) + g["B"].At(channel) : y;
            }
        }
        return spec.Name == "batchnorm" ? [values, means, variances] : [values];
    }
}
