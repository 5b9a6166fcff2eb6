using Picograd.Algorithms.Operators;

namespace Picograd.Tests.Operators;

/// <summary>Elements in other places, put by index, and running extremes, by plain loops over their places.</summary>
internal static class MovingReferences
{
    public static double[][] Of(Given g) =>
        g.Spec.Name switch
        {
            "flip" => [Along(g, j => g.Spec.Dim("cols") - 1 - j, "cols")],
            "pad" =>
            [
                Along(g, j => Continued(j - g.Spec.List("left")[0], g.Spec.Dim("cols"), g.Spec.Choice("mode")), "to"),
            ],
            "tril" or "triu" => [Triangle(g)],
            "im2col" => [Columns(g)],
            "resample" => [Resampled(g)],
            "scatter" => [Scattered(g)],
            _ => Running(g),
        };

    private static double[] Along(Given g, Func<long, long> from, string size)
    {
        var x = g["X"];
        var (rows, cols, inner) = (g.Spec.Dim("rows"), g.Spec.Dim(size), g.Spec.Dim("inner"));
        return References.Each((int)(rows * cols * inner), i => x[i / inner / cols, from(i / inner % cols), i % inner]);
    }

    // Step by step from the outside, until it is inside.
    private static long Continued(long at, long size, string mode)
    {
        while (at < 0 || at >= size)
            at =
                mode == "replicate" ? (at < 0 ? at + 1 : at - 1)
                : mode == "circular" ? (at < 0 ? at + size : at - size)
                : at < 0 ? -at
                : 2 * (size - 1) - at;
        return at;
    }

    private static double[] Triangle(Given g)
    {
        var (rows, cols) = (g.Spec.Dim("rows"), g.Spec.Dim("cols"));
        double k = g.Spec.Real("diagonal");
        bool lower = g.Spec.Name == "tril";
        return References.Each(
            g["X"].Length,
            i =>
            {
                double above = i % cols - i / cols % rows;
                return (lower ? above <= k : above >= k) ? g["X"].At(i) : 0;
            }
        );
    }

    private static double[] Columns(Given g)
    {
        var (n, h, w, kh, kw) = (g.Spec.Dim("n"), g.Spec.Dim("h"), g.Spec.Dim("w"), g.Spec.Dim("kh"), g.Spec.Dim("kw"));
        var (stride, pad, dil) = (g.Spec.List("stride", 2), g.Spec.List("pad", 2), g.Spec.List("dil", 2));
        var result = new List<double>();
        for (long i = 0; i < n; i++)
        for (long ky = 0; ky < kh; ky++)
        for (long kx = 0; kx < kw; kx++)
        for (long top = -pad[0]; top + dil[0] * (kh - 1) < h + pad[0]; top += stride[0])
        for (long left = -pad[1]; left + dil[1] * (kw - 1) < w + pad[1]; left += stride[1])
        {
            var (y, x) = (top + ky * dil[0], left + kx * dil[1]);
            result.Add(y >= 0 && y < h && x >= 0 && x < w ? g["X"][i, y, x] : 0);
        }
        return [.. result];
    }

    private static double[] Resampled(Given g)
    {
        var (rows, to, inner, taps) = (g.Spec.Dim("rows"), g.Spec.Dim("to"), g.Spec.Dim("inner"), g.Spec.Dim("taps"));
        return References.Each(
            (int)(rows * to * inner),
            i =>
            {
                double sum = 0;
                for (long t = 0; t < taps; t++)
                    sum +=
                        g["W"][i / inner % to, t] * g["X"][i / inner / to, (long)g["I"][i / inner % to, t], i % inner];
                return sum;
            }
        );
    }

    private static double[] Scattered(Given g)
    {
        var (cols, n) = ((int)g.Spec.Dim("cols"), (int)g.Spec.Dim("n"));
        var result = References.Each(g["X"].Length, i => g["X"].At(i));
        for (int i = 0; i < g["V"].Length; i++)
        {
            ref double at = ref result[i / n * cols + (int)g["I"].At(i)];
            double v = g["V"].At(i);
            at = g.Spec.Choice("reduce") switch
            {
                "sum" => at + v,
                "prod" => at * v,
                "amax" => Math.Max(at, v),
                "amin" => Math.Min(at, v),
                _ => v,
            };
        }
        return result;
    }

    private static double[][] Running(Given g)
    {
        int cols = (int)g.Spec.Dim("cols");
        var x = g["X"];
        var (values, places) = (new double[x.Length], new double[x.Length]);
        for (int i = 0; i < x.Length; i++)
        {
            int first = i / cols * cols;
            var soFar = Enumerable.Range(first, i - first + 1).ToArray();
            if (g.Spec.Name == "logcumsumexp")
            {
                values[i] = Math.Log(soFar.Sum(k => Math.Exp(x.At(k))));
                continue;
            }
            values[i] = g.Spec.Name == "cummax" ? soFar.Max(k => x.At(k)) : soFar.Min(k => x.At(k));
            places[i] = soFar.Last(k => x.At(k) == values[i]) - first;
        }
        return g.Spec.Name == "logcumsumexp" ? [values] : [values, places];
    }
}
