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

    public static double[][] Attention(Given g)
    {
        var (q, k, v) = (g["Q"], g["K"], g["V"]);
        var (sequences, heads, queries, size) = (q.Shape[0], q.Shape[1], q.Shape[2], q.Shape[3]);
        long keys = k.Shape[2];
        double scale = 1 / Math.Sqrt(size);
        if (q.Type != DType.Float64)
            scale = (float)scale;
        var result = new List<double>();
        for (long b = 0; b < sequences; b++)
        for (long h = 0; h < heads; h++)
        for (long i = 0; i < queries; i++)
        {
            // The last query sees all keys, the one before it all but one.
            long seen = g.Spec.Flag("causal") ? Math.Max(0, keys - (queries - 1 - i)) : keys;
            long own = h * k.Shape[1] / heads;
            var weights = new double[seen];
            for (long j = 0; j < seen; j++)
            {
                double dot = 0;
                for (long c = 0; c < size; c++)
                    dot += q[b, h, i, c] * k[b, own, j, c];
                weights[j] = Math.Exp(dot * scale);
            }
            for (long c = 0; c < v.Shape[3]; c++)
            {
                double mixed = 0;
                for (long j = 0; j < seen; j++)
                    mixed += weights[j] * v[b, own, j, c];
                result.Add(seen == 0 ? 0 : mixed / weights.Sum());
            }
        }
        return
        [
            [.. result],
        ];
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
