using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Primitives;

/// <summary>Small algorithms that the examples of primitives are written on. Each call builds a new one.</summary>
public static class SampleAlgorithms
{
    /// <summary>Every sample by the name that the documentation gives it.</summary>
    public static IReadOnlyDictionary<string, Func<Algorithm>> All { get; } =
        new Dictionary<string, Func<Algorithm>>
        {
            ["matmul"] = MatMul,
            ["matmul-relu"] = MatMulRelu,
            ["maps"] = Maps,
            ["stencil"] = Stencil,
            ["softmax"] = Softmax,
            ["mixture"] = Mixture,
            ["scan"] = Scan,
            ["scatter"] = Scatter,
            ["rows"] = Rows,
            ["window"] = Window,
            ["moments"] = Moments,
            ["masked"] = Masked,
        };

    /// <summary>C[6, 8] = sum over k&lt;10 of A[6, 10] · B[10, 8].</summary>
    public static Algorithm MatMul()
    {
        var g = new AlgorithmBuilder("matmul");
        return g.Build(Product(g, "C"));
    }

    /// <summary>P = the product of <see cref="MatMul"/>, an intermediate; R[6, 8] = max(P, 0).</summary>
    public static Algorithm MatMulRelu()
    {
        var g = new AlgorithmBuilder("matmul_relu");
        var p = Product(g, "P");
        var (m, n) = (new Axis("m", 6), new Axis("n", 8));
        return g.Build(g.Stage("R", [m, n], Op.Max(p[m, n], 0f)));
    }

    /// <summary>B[8, 12] = A · 2, an intermediate; C[8, 12] = B + 1.</summary>
    public static Algorithm Maps()
    {
        var g = new AlgorithmBuilder("maps");
        var a = g.Input("A", DType.Float32, 8, 12);
        var (i, j) = (new Axis("i", 8), new Axis("j", 12));
        var b = g.Stage("B", [i, j], a[i, j] * 2f);
        return g.Build(g.Stage("C", [i, j], b[i, j] + 1f));
    }

    /// <summary>B[18] = A · 2, an intermediate; C[16] = B[i] + B[i+1] + B[i+2]: neighbours share what they read.</summary>
    public static Algorithm Stencil()
    {
        var g = new AlgorithmBuilder("stencil");
        var a = g.Input("A", DType.Float32, 18);
        var (x, i) = (new Axis("x", 18), new Axis("i", 16));
        var b = g.Stage("B", [x], a[x] * 2f);
        return g.Build(g.Stage("C", [i], b[i] + b[i.Var + 1] + b[i.Var + 2]));
    }

    /// <summary>Row-wise softmax of A[4, 10]: maximum M, exponentials E, sum S, quotient Y.</summary>
    public static Algorithm Softmax()
    {
        var g = new AlgorithmBuilder("softmax");
        var a = g.Input("A", DType.Float32, 4, 10);
        var (i, j) = (new Axis("i", 4), new Axis("j", 10));
        var max = g.Stage("M", [i], AlgorithmBuilder.Max([j], a[i, j]));
        var e = g.Stage("E", [i, j], Op.Exp(a[i, j] - max[i]));
        var sum = g.Stage("S", [i], AlgorithmBuilder.Sum(j, e[i, j]));
        return g.Build(g.Stage("Y", [i, j], e[i, j] / sum[i]));
    }

    /// <summary>
    /// Y[4, 3] = rows of V[10, 3] mixed by the softmax of A[4, 10]: maximum M, weights E = exp(A − N) with N = M, or 0
    /// where that is −∞, their sum L, weighted sums O, quotient Y.
    /// </summary>
    public static Algorithm Mixture()
    {
        var g = new AlgorithmBuilder("mixture");
        var a = g.Input("A", DType.Float32, 4, 10);
        var v = g.Input("V", DType.Float32, 10, 3);
        var (i, j, c) = (new Axis("i", 4), new Axis("j", 10), new Axis("c", 3));
        var max = g.Stage("M", [i], AlgorithmBuilder.Max([j], a[i, j]));
        var shift = g.Stage("N", [i], Op.Select(Op.Eq(max[i], float.NegativeInfinity), 0f, max[i]));
        var e = g.Stage("E", [i, j], Op.Exp(a[i, j] - shift[i]));
        var sum = g.Stage("L", [i], AlgorithmBuilder.Sum(j, e[i, j]));
        var mixed = g.Stage("O", [i, c], AlgorithmBuilder.Sum(j, e[i, j] * v[j, c]));
        return g.Build(g.Stage("Y", [i, c], mixed[i, c] / sum[i]));
    }

    /// <summary>C[4, 10] = running sums of the rows of A.</summary>
    public static Algorithm Scan()
    {
        var g = new AlgorithmBuilder("scan");
        var a = g.Input("A", DType.Float32, 4, 10);
        var (i, t) = (new Axis("i", 4), new Axis("t", 10));
        return g.Build(g.Scan("C", [i, t], t, a[i, t], Reducer.Sum(DType.Float32)));
    }

    /// <summary>C[6, 4] = for each of 9 rows, row I[r] of C plus row r of A: indices may repeat.</summary>
    public static Algorithm Scatter()
    {
        var g = new AlgorithmBuilder("scatter");
        var a = g.Input("A", DType.Float32, 9, 4);
        var index = g.Input("I", DType.Int32, 9);
        var (r, j) = (new Axis("r", 9), new Axis("j", 4));
        ImmutableArray<Expr> place = [Op.Cast(DTypes.Index, index[r]), j];
        return g.Build(g.Scatter("C", [r, j], [6, 4], place.AsSpan(), a[r, j], Reducer.Sum(DType.Float32)));
    }

    /// <summary>C[N] = sums of the rows of A[N, 10], N symbolic in 1..64.</summary>
    public static Algorithm Rows()
    {
        var g = new AlgorithmBuilder("rows");
        var rows = g.Parameter("N", 64);
        var a = g.Input("A", DType.Float32, rows, 10);
        var (i, j) = (new Axis("i", rows), new Axis("j", 10));
        return g.Build(g.Stage("C", [i], AlgorithmBuilder.Sum(j, a[i, j])));
    }

    /// <summary>Y[16] = A[16] weighted by B[3], a window that slides along it; what lies beyond its ends counts as 0.</summary>
    public static Algorithm Window()
    {
        var g = new AlgorithmBuilder("window");
        var a = g.Input("A", DType.Float32, 16);
        var b = g.Input("B", DType.Float32, 3);
        var (x, k) = (new Axis("x", 16), new Axis("k", 3));
        Expr at = x.Var + k.Var - 1;
        var inside = Op.And(Op.Le(0, at), Op.Lt(at, 16));
        return g.Build(g.Stage("Y", [x], AlgorithmBuilder.Sum([k], a[at] * b[k], inside)));
    }

    /// <summary>B[4, 10] = A · 2, an intermediate; S[4] = sums of its rows, Q[4] = sums of their squares.</summary>
    public static Algorithm Moments()
    {
        var g = new AlgorithmBuilder("moments");
        var a = g.Input("A", DType.Float32, 4, 10);
        var (i, j) = (new Axis("i", 4), new Axis("j", 10));
        var b = g.Stage("B", [i, j], a[i, j] * 2f);
        var sum = g.Stage("S", [i], AlgorithmBuilder.Sum(j, b[i, j]));
        return g.Build(sum, g.Stage("Q", [i], AlgorithmBuilder.Sum(j, b[i, j] * b[i, j])));
    }

    /// <summary>T[8, 12] = A where column j is at most i + 2, else 0, an intermediate; C[8, 3] = T · V[12, 3].</summary>
    public static Algorithm Masked()
    {
        var g = new AlgorithmBuilder("masked");
        var a = g.Input("A", DType.Float32, 8, 12);
        var v = g.Input("V", DType.Float32, 12, 3);
        var (i, j, c) = (new Axis("i", 8), new Axis("j", 12), new Axis("c", 3));
        var t = g.Stage("T", [i, j], Op.Select(j.Var <= i.Var + 2, a[i, j], 0f));
        return g.Build(g.Stage("C", [i, c], AlgorithmBuilder.Sum(j, t[i, j] * v[j, c])));
    }

    private static Algorithms.Buffer Product(AlgorithmBuilder g, string name)
    {
        var a = g.Input("A", DType.Float32, 6, 10);
        var b = g.Input("B", DType.Float32, 10, 8);
        var (m, n, k) = (new Axis("m", 6), new Axis("n", 8), new Axis("k", 10));
        return g.Stage(name, [m, n], AlgorithmBuilder.Sum(k, a[m, k] * b[k, n]));
    }
}
