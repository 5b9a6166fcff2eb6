using View = Picograd.Tests.IndexTape.View;

namespace Picograd.Tests;

/// <summary>What each <see cref="Step"/> means, on an <see cref="IndexTape"/> and on tensors.</summary>
internal static class Meaning
{
    public static bool Changes(string op) => op is "set" or "put" || op.TrimEnd('~').EndsWith('_');

    /// <summary>Whether the result has memory of its own.</summary>
    public static bool IsNew(string op) =>
        !Changes(op)
        && op is not ("reshape" or "transpose" or "narrow" or "select" or "unsqueeze" or "expand" or "detach");

    /// <summary>The result of a step, or null where it changes an operand.</summary>
    public static View? Apply(IndexTape tape, Step step, View[] operands)
    {
        string op = step.Op.TrimEnd('~');
        long[] n = step.Whole;
        if (op is "leaf" or "data")
            return tape.Leaf([.. step.Real], n, op == "leaf");
        var x = operands[0];
        double[] v = x.Values;
        switch (op)
        {
            case "reshape":
                // Itself where nothing changes, a view where the places allow it, else a copy.
                return n.AsSpan().SequenceEqual(x.Shape) ? x
                    : HaveStrides(x.Places, n) ? tape.Take(x, x.Places, n)
                    : tape.Result(v, n, [x], Each((_, g) => g));
            case "transpose":
                return tape.Take(x, Places(x, Swap(x.Shape, n), i => Swap(i, n)), Swap(x.Shape, n));
            case "narrow":
                long[] cut = [.. x.Shape];
                cut[n[0]] = n[2];
                return tape.Take(
                    x,
                    Places(x, cut, i => [.. i[..(int)n[0]], i[n[0]] + n[1], .. i[((int)n[0] + 1)..]]),
                    cut
                );
            case "select":
                int d = (int)n[0];
                long[] left = [.. x.Shape[..d], .. x.Shape[(d + 1)..]];
                return tape.Take(x, Places(x, left, i => [.. i[..d], n[1], .. i[d..]]), left);
            case "unsqueeze":
                return tape.Take(x, x.Places, [.. x.Shape[..(int)n[0]], 1, .. x.Shape[(int)n[0]..]]);
            case "expand":
                return tape.Take(x, Places(x, n, i => i[1..]), n);
            case "detach":
                return IndexTape.Detach(x);
            case "clone":
                return tape.Result(v, x.Shape, [x], Each((_, g) => g));
            case "sum":
            case "mean":
            case "prod":
            case "amax":
            case "amin":
            case "max":
            case "min":
            case "cumsum":
                return Along(tape, op, x, (int)n[0]);
            case "max_all":
                double most = v.Any(double.IsNaN) ? double.NaN : v.Max();
                bool[] hits = [.. v.Select(e => e == most || double.IsNaN(e))];
                return tape.Result(
                    [most],
                    [],
                    [x],
                    (g, send) => ForEach(v.Length, i => send(0, i, hits[i] ? g[0] / hits.Count(h => h) : 0))
                );
            case "fill_":
            case "zero_":
                double value = op == "zero_" ? 0 : step.Real[0];
                tape.Write(x, [.. v.Select(_ => value)], [], (_, _) => { });
                return null;
            case "copy_":
            case "put":
                Assign(tape, op == "put" ? n : null, x, operands[1]);
                return null;
            case "set":
                Assign(tape, null, Rows(x, n), operands[1]);
                return null;
        }
        var (values, derivative, shape) =
            operands.Length == 2 ? Binary(op.TrimEnd('_'), x, operands[1]) : Unary(op.TrimEnd('_'), x, step.Real);
        if (!Changes(op))
            return tape.Result(values, shape, operands, new(derivative));
        tape.Write(x, values, operands, new(derivative));
        return null;
    }

    /// <summary>The same on tensors.</summary>
    public static Tensor? Apply(Step step, Tensor[] operands)
    {
        string op = step.Op.TrimEnd('~');
        long[] n = step.Whole;
        if (op is "leaf" or "data")
        {
            var made = Tensor.From(step.Real, n);
            return op == "leaf" ? made.RequiresGrad_() : made;
        }
        // Copies of what is saved, and of a result that may be saved.
        bool copies = step.Op.EndsWith('~');
        if (copies)
            operands = [.. operands.Select((t, i) => i == 0 && Changes(op) ? t : t.Clone())];
        var x = operands[0];
        Tensor Y() => operands[1];
        switch (op)
        {
            case "fill_":
                x.Fill_(step.Real[0]);
                return null;
            case "zero_":
                x.Zero_();
                return null;
            case "neg_":
                x.Neg_();
                return null;
            case "tanh_":
                x.Tanh_();
                return null;
            case "mul_number_":
                x.Mul_(step.Real[0]);
                return null;
            case "add_":
                x.Add_(Y());
                return null;
            case "sub_":
                x.Sub_(Y());
                return null;
            case "mul_":
                x.Mul_(Y());
                return null;
            case "div_":
                x.Div_(Y());
                return null;
            case "copy_":
                x.Copy_(Y());
                return null;
            case "set":
                x[(int)n[0]..(int)(n[0] + n[1])] = Y();
                return null;
            case "put":
                x[Tensor.From(n)] = Y();
                return null;
        }
        var result = op switch
        {
            "reshape" => x.Reshape(n),
            "transpose" => x.Transpose((int)n[0], (int)n[1]),
            "narrow" => x.Narrow((int)n[0], n[1], n[2]),
            "select" => x.Narrow((int)n[0], n[1], 1).Squeeze((int)n[0]),
            "unsqueeze" => x.Unsqueeze((int)n[0]),
            "expand" => x.Expand(n),
            "detach" => x.Detach(),
            "clone" => x.Clone(),
            "sum" => x.Sum((int)n[0]),
            "mean" => x.Mean((int)n[0]),
            "prod" => x.Prod((int)n[0]),
            "amax" => x.Amax([(int)n[0]]),
            "amin" => x.Amin([(int)n[0]]),
            "max" => x.Max((int)n[0]).Values,
            "min" => x.Min((int)n[0]).Values,
            "cumsum" => x.Cumsum((int)n[0]),
            "max_all" => x.Max(),
            "tanh" => x.Tanh(),
            "exp" => x.Exp(),
            "square" => x.Square(),
            "sin" => x.Sin(),
            "sigmoid" => x.Sigmoid(),
            "abs" => x.Abs(),
            "relu" => x.Relu(),
            "floor" => x.Floor(),
            "round" => x.Round(),
            "clamp" => x.Clamp(step.Real[0], step.Real[1]),
            "pow0" => x.Pow(0),
            "log" => x.Log(),
            "sqrt" => x.Sqrt(),
            "reciprocal" => x.Reciprocal(),
            "mul_number" => x * step.Real[0],
            "add_number" => x + step.Real[0],
            "add" => x + Y(),
            "sub" => x - Y(),
            "mul" => x * Y(),
            "div" => x / Y(),
            "maximum" => x.Maximum(Y()),
            "minimum" => x.Minimum(Y()),
            "where" => Tensor.Where(x > 0, x, Y()),
            _ => throw new ArgumentException($"no step is called {op}"),
        };
        return copies ? result.Clone() : result;
    }

    private static (double[], Action<double[], Action<int, int, double>>, long[]) Unary(
        string op,
        View x,
        double[] real
    )
    {
        double[] v = x.Values;
        Func<double, double> f = op switch
        {
            "tanh" => Math.Tanh,
            "exp" => Math.Exp,
            "square" => a => a * a,
            "sin" => Math.Sin,
            "sigmoid" => a => 1 / (1 + Math.Exp(-a)),
            "abs" => Math.Abs,
            "relu" => a => double.IsNaN(a) ? a : Math.Max(a, 0),
            "floor" => Math.Floor,
            "round" => Math.Round,
            "clamp" => a => double.IsNaN(a) ? a : Math.Clamp(a, real[0], real[1]),
            "pow0" => _ => 1,
            "log" => Math.Log,
            "sqrt" => Math.Sqrt,
            "reciprocal" => a => 1 / a,
            "neg" => a => -a,
            "mul_number" => a => a * real[0],
            "add_number" => a => a + real[0],
            _ => throw new ArgumentException($"no function is called {op}"),
        };
        double[] y = [.. v.Select(f)];
        double Slope(int i, double g) =>
            op switch
            {
                "tanh" => g * (1 - y[i] * y[i]),
                "exp" => g * y[i],
                "square" => g * (2 * v[i]),
                "sin" => g * Math.Cos(v[i]),
                "sigmoid" => g * (y[i] * (1 - y[i])),
                "abs" => v[i] > 0 ? g
                : v[i] < 0 ? -g
                : 0,
                "relu" => y[i] <= 0 ? 0 : g,
                "floor" or "round" or "pow0" => 0,
                "clamp" => v[i] >= real[0] && v[i] <= real[1] ? g : 0,
                "log" => g / v[i],
                "sqrt" => g / (2 * y[i]),
                "reciprocal" => -g * (y[i] * y[i]),
                "neg" => -g,
                "mul_number" => g * real[0],
                _ => g,
            };
        return (y, Each(Slope), x.Shape);
    }

    private static (double[], Action<double[], Action<int, int, double>>, long[]) Binary(string op, View x, View other)
    {
        double[] v = x.Values;
        double[] w = other.Values;
        // The other has the same shape or one element; a single first operand takes the other's shape.
        int count = Math.Max(v.Length, w.Length);
        long[] shape = x.Shape.Length >= other.Shape.Length ? x.Shape : other.Shape;
        int I(int i) => v.Length == 1 ? 0 : i;
        int J(int i) => w.Length == 1 ? 0 : i;
        double F(double a, double b) =>
            op switch
            {
                "add" => a + b,
                "sub" => a - b,
                "mul" => a * b,
                "div" => a / b,
                "maximum" => double.IsNaN(a) || double.IsNaN(b) ? double.NaN : Math.Max(a, b),
                "minimum" => double.IsNaN(a) || double.IsNaN(b) ? double.NaN : Math.Min(a, b),
                "where" => a > 0 ? a : b,
                _ => throw new ArgumentException($"no function of two is called {op}"),
            };
        (double, double) Slopes(double a, double b, double g) =>
            op switch
            {
                "add" => (g, g),
                "sub" => (g, -g),
                "mul" => (g * b, g * a),
                "div" => (g / b, -(g * (a / b / b))),
                "maximum" => (Won(a < b, a == b, g), Won(b < a, a == b, g)),
                "minimum" => (Won(a > b, a == b, g), Won(b > a, a == b, g)),
                _ => a > 0 ? (g, 0) : (0, g),
            };
        return (
            [.. Enumerable.Range(0, count).Select(i => F(v[I(i)], w[J(i)]))],
            (g, send) =>
                ForEach(
                    count,
                    i =>
                    {
                        var (a, b) = Slopes(v[I(i)], w[J(i)], g[i]);
                        send(0, I(i), a);
                        send(1, J(i), b);
                    }
                ),
            shape
        );
    }

    private static double Won(bool loses, bool ties, double g) =>
        loses ? 0
        : ties ? g / 2
        : g;

    private static View Along(IndexTape tape, string op, View x, int d)
    {
        double[] v = x.Values;
        long[] kept = [.. x.Shape[..d], .. x.Shape[(d + 1)..]];
        // The rows along the dimension, as places of elements.
        int[][] rows =
        [
            .. Enumerable
                .Range(0, v.Length)
                .GroupBy(i =>
                {
                    long[] at = Plain.Index(x.Shape, i);
                    at[d] = 0;
                    return string.Join(",", at);
                })
                .Select(row => row.ToArray()),
        ];
        if (op == "cumsum")
        {
            double[] sums = new double[v.Length];
            foreach (int[] row in rows)
                ForEach(row.Length, i => sums[row[i]] = (i == 0 ? 0 : sums[row[i - 1]]) + v[row[i]]);
            return tape.Result(
                sums,
                x.Shape,
                [x],
                (g, send) =>
                {
                    foreach (int[] row in rows)
                        ForEach(row.Length, i => send(0, row[i], row[i..].Reverse().Sum(e => g[e])));
                }
            );
        }
        double[] results = [.. rows.Select(row => Reduced(op, [.. row.Select(i => v[i])]))];
        return tape.Result(
            results,
            kept,
            [x],
            (g, send) =>
            {
                for (int r = 0; r < rows.Length; r++)
                {
                    int[] row = rows[r];
                    double[] e = [.. row.Select(i => v[i])];
                    int hits = e.Count(a => a == results[r]);
                    int place = Array.FindIndex(e, a => double.IsNaN(results[r]) ? double.IsNaN(a) : a == results[r]);
                    for (int i = 0; i < row.Length; i++)
                    {
                        double others =
                            v.Contains(0) || results.Contains(0)
                                ? Product(e[..i]) * Product([.. e[(i + 1)..].Reverse()])
                                : results[r] / e[i];
                        send(
                            0,
                            row[i],
                            op switch
                            {
                                "sum" => g[r],
                                "mean" => g[r] / row.Length,
                                "prod" => g[r] * others,
                                "max" or "min" => i == place ? g[r] : 0,
                                // A NaN makes all of the row's NaN.
                                _ => hits == 0 ? double.NaN
                                : e[i] == results[r] ? g[r] / hits
                                : 0,
                            }
                        );
                    }
                }
            }
        );
    }

    private static double Product(double[] factors) => factors.Aggregate(1.0, (a, b) => a * b);

    private static double Reduced(string op, double[] row) =>
        op switch
        {
            "sum" => row.Sum(),
            "mean" => row.Sum() / row.Length,
            "prod" => Product(row),
            "min" or "amin" => row.Any(double.IsNaN) ? double.NaN : row.Min(),
            _ => row.Any(double.IsNaN) ? double.NaN : row.Max(),
        };

    // All of x, or some of its rows in turn, is overwritten by values of that shape or by one.
    private static void Assign(IndexTape tape, long[]? rows, View x, View values)
    {
        double[] v = x.Values;
        int width = rows is null ? v.Length : v.Length / (int)x.Shape[0];
        int[] at = [.. (rows ?? [0]).SelectMany(r => Enumerable.Range((int)r * width, width))];
        double[] w = values.Values;
        int Of(int i) => w.Length == 1 ? 0 : i;
        double[] after = [.. v];
        ForEach(at.Length, i => after[at[i]] = w[Of(i)]);
        tape.Write(
            x,
            after,
            [x, values],
            (g, send) =>
            {
                ForEach(v.Length, i => send(0, i, at.Contains(i) ? 0 : g[i]));
                ForEach(at.Length, i => send(1, Of(i), g[at[i]]));
            }
        );
    }

    /// <summary>The rows that "set" overwrites.</summary>
    public static View Rows(View x, long[] n)
    {
        int width = x.Places.Length / (int)x.Shape[0];
        return x with { Places = x.Places[((int)n[0] * width)..((int)(n[0] + n[1]) * width)] };
    }

    private static Action<double[], Action<int, int, double>> Each(Func<int, double, double> slope) =>
        (g, send) => ForEach(g.Length, i => send(0, i, slope(i, g[i])));

    private static void ForEach(int count, Action<int> act)
    {
        for (int i = 0; i < count; i++)
            act(i);
    }

    // Whether a step along a dimension is everywhere as long.
    private static bool HaveStrides(int[] places, long[] shape)
    {
        for (int i = 0; i < places.Length; i++)
        {
            long[] index = Plain.Index(shape, i);
            long place = places[0];
            long step = places.Length;
            for (int d = 0; d < shape.Length; d++)
            {
                step /= shape[d];
                place += shape[d] > 1 ? index[d] * (places[step] - places[0]) : 0;
            }
            if (places[i] != place)
                return false;
        }
        return true;
    }

    private static long[] Swap(long[] index, long[] dims)
    {
        long[] swapped = [.. index];
        (swapped[dims[0]], swapped[dims[1]]) = (swapped[dims[1]], swapped[dims[0]]);
        return swapped;
    }

    private static int[] Places(View x, long[] shape, Func<long[], long[]> source)
    {
        long count = shape.Aggregate(1L, (a, b) => a * b);
        int[] places = new int[count];
        for (int i = 0; i < count; i++)
        {
            long at = 0;
            long[] index = source(Plain.Index(shape, i));
            for (int d = 0; d < index.Length; d++)
                at = at * x.Shape[d] + index[d];
            places[i] = x.Places[at];
        }
        return places;
    }
}
