namespace Picograd.Tests.Operators;

/// <summary>Operators on the rows of a matrix by plain loops.</summary>
internal static class RowReferences
{
    public static double[][] Norm(Given g)
    {
        int rows = (int)g.Spec.Dim("rows");
        int cols = (int)g.Spec.Dim("cols");
        bool affine = g.Spec.Flag("affine");
        bool centred = g.Spec.Name == "layernorm";
        double given = g.Spec.Real("eps");
        double epsilon = g.Spec.Type() == DType.Float64 ? given : (float)given;
        var result = new double[rows * cols];
        for (int r = 0; r < rows; r++)
        {
            double mean = 0;
            for (int c = 0; centred && c < cols; c++)
                mean += g["X"][r, c] / cols;
            double squares = 0;
            for (int c = 0; c < cols; c++)
                squares += (g["X"][r, c] - mean) * (g["X"][r, c] - mean) / cols;
            for (int c = 0; c < cols; c++)
            {
                double y = (g["X"][r, c] - mean) / Math.Sqrt(squares + epsilon);
                if (affine)
                    y = y * g["G"].At(c) + (centred ? g["B"].At(c) : 0);
                result[r * cols + c] = y;
            }
        }
        return [result];
    }

    public static double[][] Transpose(Given g)
    {
        int rows = (int)g.Spec.Dim("rows");
        int cols = (int)g.Spec.Dim("cols");
        var result = new double[rows * cols];
        for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            result[c * rows + r] = g["X"][r, c];
        return [result];
    }

    public static double[][] Softmax(Given g)
    {
        int rows = (int)g.Spec.Dim("rows");
        int cols = (int)g.Spec.Dim("cols");
        var result = new double[rows * cols];
        for (int r = 0; r < rows; r++)
        {
            if (g.Spec.Name.EndsWith(".adjoint", StringComparison.Ordinal))
            {
                bool log = g.Spec.Name.StartsWith("log", StringComparison.Ordinal);
                double dot = 0;
                for (int c = 0; c < cols; c++)
                    dot += (log ? 1 : g["Y"][r, c]) * g["dY"][r, c];
                for (int c = 0; c < cols; c++)
                    result[r * cols + c] = log
                        ? g["dY"][r, c] - Math.Exp(g["Y"][r, c]) * dot
                        : g["Y"][r, c] * (g["dY"][r, c] - dot);
                continue;
            }
            var p = Probabilities(g, r, cols);
            for (int c = 0; c < cols; c++)
                result[r * cols + c] = g.Spec.Name == "softmax" ? p[c] : Math.Log(p[c]);
        }
        return [result];
    }

    public static double[][] CrossEntropy(Given g)
    {
        int rows = (int)g.Spec.Dim("rows");
        int classes = (int)g.Spec.Dim("classes");
        double loss = 0;
        var gradient = new double[rows * classes];
        for (int r = 0; r < rows; r++)
        {
            var p = Probabilities(g, r, classes);
            int target = (int)g["T"].At(r);
            loss -= Math.Log(p[target]) / rows;
            if (g.Spec.Name == "cross_entropy")
                continue;
            for (int c = 0; c < classes; c++)
                gradient[r * classes + c] = (p[c] - (c == target ? 1 : 0)) / rows * g.Scalar("dL");
        }
        return [g.Spec.Name == "cross_entropy" ? [loss] : gradient];
    }

    // Weights of the keys for a query, 0 for what it does not see; null where it sees none.
    private static double[] Weights(Given g, long b, long h, long i, out double sum)
    {
        var (q, k) = (g["Q"], g["K"]);
        var (heads, queries, size) = (q.Shape[1], q.Shape[2], q.Shape[3]);
        long keys = k.Shape[2];
        double scale = ScaleOf(g);
        long seen = keys;
        if (g.Spec.Flag("causal"))
            // The last query sees all keys, the one before it all but one; or the first one key.
            seen = Math.Clamp(g.Spec.Flag("first") ? i + 1 : keys - (queries - 1 - i), 0, keys);
        long own = h * k.Shape[1] / heads;
        double Mask(string name, long j)
        {
            var mask = g[name];
            return mask[b % mask.Shape[0], h % mask.Shape[1], i % mask.Shape[2], j];
        }
        double[] weights = new double[keys];
        for (long j = 0; j < seen; j++)
        {
            if (g.Spec.Flag("seen") && Mask("C", j) == 0)
                continue;
            double dot = 0;
            for (long c = 0; c < size; c++)
                dot += q[b, h, i, c] * k[b, own, j, c];
            weights[j] = Math.Exp(dot * scale + (g.Spec.Flag("bias") ? Mask("B", j) : 0));
        }
        sum = weights.Sum();
        return weights;
    }

    private static double ScaleOf(Given g)
    {
        double scale = g.Spec.Has("scale") ? g.Spec.Real("scale") : 1 / Math.Sqrt(g["Q"].Shape[3]);
        return g["Q"].Type == DType.Float64 ? scale : (float)scale;
    }

    public static double[][] Attention(Given g)
    {
        var (q, k, v) = (g["Q"], g["K"], g["V"]);
        var result = new List<double>();
        var (maxima, parts) = (new List<double>(), new List<double>());
        for (long b = 0; b < q.Shape[0]; b++)
        for (long h = 0; h < q.Shape[1]; h++)
        for (long i = 0; i < q.Shape[2]; i++)
        {
            double[] weights = Weights(g, b, h, i, out double sum);
            double max = sum == 0 ? 0 : Math.Log(weights.Max());
            maxima.Add(max);
            parts.Add(sum == 0 ? 0 : Math.Exp(max) / sum);
            for (long c = 0; c < v.Shape[3]; c++)
            {
                double mixed = 0;
                for (long j = 0; j < weights.Length; j++)
                    mixed += weights[j] * v[b, h * k.Shape[1] / q.Shape[1], j, c];
                result.Add(sum == 0 ? 0 : mixed / sum);
            }
        }
        return g.Spec.Flag("stats")
            ?
            [
                [.. result],
                [.. maxima],
                [.. parts],
            ]
            :
            [
                [.. result],
            ];
    }

    // Y, X and Z are taken as they are given, whether or not they belong to the other inputs.
    public static double[][] AttentionGrad(Given g)
    {
        var (q, k, v, y, grad) = (g["Q"], g["K"], g["V"], g["Y"], g["G"]);
        var (heads, queries, size) = (q.Shape[1], q.Shape[2], q.Shape[3]);
        var (keys, width, shared) = (k.Shape[2], v.Shape[3], k.Shape[1]);
        double scale = ScaleOf(g);
        double[] dq = new double[q.Count];
        double[] dk = new double[k.Count];
        double[] dv = new double[v.Count];
        for (long b = 0; b < q.Shape[0]; b++)
        for (long h = 0; h < heads; h++)
        for (long i = 0; i < queries; i++)
        {
            long own = h * shared / heads;
            double[] weights = Weights(g, b, h, i, out _);
            double mean = 0;
            for (long c = 0; c < width; c++)
                mean += y[b, h, i, c] * grad[b, h, i, c];
            for (long j = 0; j < keys; j++)
            {
                double p = weights[j] * Math.Exp(-g["X"][b, h, i]) * g["Z"][b, h, i];
                double slope = 0;
                for (long c = 0; c < width; c++)
                {
                    slope += grad[b, h, i, c] * v[b, own, j, c];
                    dv[((b * shared + own) * keys + j) * width + c] += p * grad[b, h, i, c];
                }
                double t = p * (slope - mean) * scale;
                for (long e = 0; e < size; e++)
                {
                    dq[((b * heads + h) * queries + i) * size + e] += t * k[b, own, j, e];
                    dk[((b * shared + own) * keys + j) * size + e] += t * q[b, h, i, e];
                }
            }
        }
        return [dq, dk, dv];
    }

    public static double[][] Scan(Given g)
    {
        var x = g["X"];
        int rows = (int)x.Shape[0];
        int cols = (int)x.Shape[1];
        bool down = g.Spec.Choice("axis") == "0";
        bool reverse = g.Spec.Flag("reverse");
        var result = new double[x.Length];
        for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++)
        {
            // Each from scratch: everything up to it, or from it on.
            int at = down ? i : j;
            int count = down ? rows : cols;
            double total = g.Spec.Name == "cumsum" ? 0 : 1;
            for (int k = reverse ? at : 0; k < (reverse ? count : at + 1); k++)
            {
                double v = down ? x[k, j] : x[i, k];
                total = g.Spec.Name == "cumsum" ? total + v : total * v;
            }
            result[i * cols + j] = total;
        }
        return [result];
    }

    public static double[][] Indexed(Given g)
    {
        int rows = (int)g.Spec.Dim("rows");
        var index = g["I"];
        switch (g.Spec.Name)
        {
            case "embedding":
            {
                int dim = (int)g.Spec.Dim("dim");
                return [References.Each(rows * dim, i => g["W"][(long)index.At(i / dim), i % dim])];
            }
            case "embedding.adjoint":
            {
                int dim = (int)g.Spec.Dim("dim");
                var table = new double[g.Spec.Dim("vocab") * dim];
                for (int r = 0; r < rows; r++)
                for (int d = 0; d < dim; d++)
                    table[(int)index.At(r) * dim + d] += g["dY"][r, d];
                return [table];
            }
            case "gather":
            {
                int n = (int)g.Spec.Dim("n");
                return [References.Each(rows * n, i => g["X"][i / n, (long)index.At(i)])];
            }
            default:
            {
                int n = (int)g.Spec.Dim("n");
                int cols = (int)g.Spec.Dim("cols");
                var result = new double[rows * cols];
                for (int r = 0; r < rows; r++)
                for (int j = 0; j < n; j++)
                    result[r * cols + (int)index.At(r * n + j)] += g["dY"][r, j];
                return [result];
            }
        }
    }

    private static double[] Probabilities(Given g, int row, int cols)
    {
        double max = double.NegativeInfinity;
        for (int c = 0; c < cols; c++)
            max = Math.Max(max, g["X"][row, c]);
        double sum = 0;
        for (int c = 0; c < cols; c++)
            sum += Math.Exp(g["X"][row, c] - max);
        return References.Each(cols, c => Math.Exp(g["X"][row, c] - max) / sum);
    }
}
