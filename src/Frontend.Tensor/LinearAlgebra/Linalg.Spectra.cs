using Picograd.Algorithms;
using Picograd.Gradients;
using Picograd.LinearAlgebra;

namespace Picograd;

public static unsafe partial class Linalg
{
    // Saved: eigenvalues, vectors.
    private static readonly Rule EighValuesRule = new(
        "linalg_eigh",
        Saves.Nothing,
        static (n, g) =>
        {
            var v = n.Saved(1);
            n.Send(0, TimesColumns(v, g).MatMul(v.MT));
        }
    );

    private static readonly Rule EighVectorsRule = new(
        "linalg_eigh",
        Saves.Nothing,
        static (n, g) =>
        {
            var (values, v) = (n.Saved(0), n.Saved(1));
            var gaps = values.Unsqueeze(-2) - values.Unsqueeze(-1) + EyeLike(v);
            var inner = v.MT.MatMul(g);
            // What would turn the vectors out of their lengths is left out; the diagonal is 0 then.
            n.Send(0, v.MatMul((inner - inner.MT) * 0.5 / gaps).MatMul(v.MT));
        }
    );

    /// <summary>Eigenvalues in ascending order and vectors, in columns, of symmetric matrices, of which one triangle is looked at.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <param name="uplo">"L": the lower triangle, "U": the upper one.</param>
    /// <exception cref="LinAlgException">Numbers that are not finite.</exception>
    public static (Tensor Eigenvalues, Tensor Eigenvectors) Eigh(Tensor a, string uplo = "L")
    {
        RequireSquare("linalg.eigh", a);
        return Symmetric("linalg.eigh", a, uplo, withVectors: true);
    }

    /// <summary>Eigenvalues of <see cref="Eigh"/>.</summary>
    public static Tensor EigvalsH(Tensor a, string uplo = "L")
    {
        RequireSquare("linalg.eigvalsh", a);
        return Symmetric("linalg.eigvalsh", a, uplo, withVectors: Tensor.Records(a)).Values;
    }

    private static (Tensor Values, Tensor Vectors) Symmetric(string what, Tensor a, string uplo, bool withVectors)
    {
        if (uplo is not ("L" or "U" or "l" or "u"))
            throw new ArgumentException($"{what}: uplo is \"{uplo}\", but must be \"L\" or \"U\".");
        bool lower = uplo is "L" or "l";
        int side = checked((int)a.Layout.Sizes[^1]);
        long[] batch = BatchOf(a);
        var results = HostMatrices.Run(
            batch,
            [a],
            [([side], a.DType), (withVectors ? [side, side] : [0], a.DType)],
            (index, from, to) =>
            {
                var matrix = from[0];
                for (int i = 0; i < side; i++)
                {
                    for (int j = 0; j < i; j++)
                    {
                        var (at, across) = ((long)i * side + j, (long)j * side + i);
                        if (lower)
                            matrix[across] = matrix[at];
                        else
                            matrix[at] = matrix[across];
                    }
                }
                RequireFinite(what, matrix, side * side, index, batch);
                if (!SymmetricEigen.Run(matrix, side, to[0], withVectors ? to[1] : null))
                    throw NoEnd(what, index, batch);
            }
        );
        Record(results[0], EighValuesRule, a, results[0], results[1]);
        if (withVectors)
            Record(results[1], EighVectorsRule, a, results[0], results[1]);
        return (results[0], results[1]);
    }

    private static void RequireFinite(string what, double* matrix, int count, long index, ReadOnlySpan<long> batch)
    {
        for (int i = 0; i < count; i++)
        {
            if (!double.IsFinite(matrix[i]))
                throw new LinAlgException(
                    $"{what}: {Of(index, batch)}The algorithm failed to converge because the input matrix contained non-finite values.",
                    index
                );
        }
    }

    private static LinAlgException NoEnd(string what, long index, ReadOnlySpan<long> batch) =>
        new(
            $"{what}: {Of(index, batch)}The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated values.",
            index
        );

    // Saved: U, S, Vᵀ, reduced.
    private static readonly Rule SvdRuleU = new("linalg_svd", Saves.Nothing, static (n, g) => SendSvd(n, g, null));
    private static readonly Rule SvdRuleV = new("linalg_svd", Saves.Nothing, static (n, g) => SendSvd(n, null, g));

    private static readonly Rule SvdRuleS = new(
        "linalg_svd",
        Saves.Nothing,
        static (n, g) => n.Send(0, TimesColumns(n.Saved(0), g).MatMul(n.Saved(2)))
    );

    private static void SendSvd(Node n, Tensor? ofU, Tensor? ofV)
    {
        var (u, s, v) = (n.Saved(0), n.Saved(1), n.Saved(2));
        var squares = s * s;
        var gaps =
            squares.Unsqueeze(-2) - squares.Unsqueeze(-1) + Tensor.Eye(s.Layout.Sizes[^1], null, s.DType, s.Device);
        long k = s.Layout.Sizes[^1];
        if (ofU is not null)
        {
            var inner = u.MT.MatMul(ofU);
            var middle = (inner - inner.MT) / gaps * s.Unsqueeze(-2);
            var grad = u.MatMul(middle);
            if (u.Layout.Sizes[^2] > k)
                grad = grad + (ofU - u.MatMul(inner)) / s.Unsqueeze(-2);
            n.Send(0, grad.MatMul(v));
        }
        else
        {
            var inner = v.MatMul(ofV!.MT);
            var middle = s.Unsqueeze(-1) * ((inner - inner.MT) / gaps);
            var grad = middle.MatMul(v);
            if (v.Layout.Sizes[^1] > k)
                grad = grad + (ofV - inner.MT.MatMul(v)) / s.Unsqueeze(-1);
            n.Send(0, u.MatMul(grad));
        }
    }

    /// <summary>A = U · diag(S) · Vh, S in descending order.</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="fullMatrices">U [m, m] and Vh [n, n], else U [m, k] and Vh [k, n] with k = min(m, n). What is more has no derivative.</param>
    /// <exception cref="LinAlgException">Numbers that are not finite.</exception>
    public static (Tensor U, Tensor S, Tensor Vh) SVD(Tensor a, bool fullMatrices = true)
    {
        RequireMatrices("linalg.svd", a);
        return Singular("linalg.svd", a, fullMatrices, withVectors: true);
    }

    /// <summary>The singular values of <see cref="SVD"/>.</summary>
    public static Tensor SvdVals(Tensor a)
    {
        RequireMatrices("linalg.svdvals", a);
        return Singular("linalg.svdvals", a, false, withVectors: Tensor.Records(a)).S;
    }

    private static (Tensor U, Tensor S, Tensor V) Singular(string what, Tensor a, bool full, bool withVectors)
    {
        int m = checked((int)a.Layout.Sizes[^2]);
        int n = checked((int)a.Layout.Sizes[^1]);
        int k = Math.Min(m, n);
        bool wide = n > m;
        var (rows, columns) = wide ? (n, m) : (m, n);
        int basis = full ? rows : k;
        long[] batch = BatchOf(a);
        // Of wide matrices the transpose's; both bases come as rows.
        var results = HostMatrices.Run(
            batch,
            [wide ? a.Detach().MT : a.Detach()],
            withVectors ? [([k], a.DType), ([basis, rows], a.DType), ([k, k], a.DType)] : [([k], a.DType)],
            (index, from, to) =>
            {
                RequireFinite(what, from[0], rows * columns, index, batch);
                bool ends = SingularValues.Run(
                    from[0],
                    rows,
                    columns,
                    to[0],
                    withVectors ? to[1] : null,
                    basis,
                    withVectors ? to[2] : null
                );
                if (!ends)
                    throw NoEnd(what, index, batch);
            }
        );
        var s = results[0];
        if (!withVectors)
            return (s, s, s);
        var (tall, square) = (results[1], results[2]);
        var (u, v) = wide ? (square.MT.Contiguous(), tall) : (tall.MT.Contiguous(), square);
        if (!Tensor.Records(a))
            return (u, s, v);
        var reducedU = basis > k && !wide ? u.Narrow(-1, 0, k).Clone() : u;
        var reducedV = basis > k && wide ? v.Narrow(-2, 0, k).Clone() : v;
        Record(reducedU, SvdRuleU, a, reducedU, s, reducedV);
        Record(s, SvdRuleS, a, reducedU, s, reducedV);
        Record(reducedV, SvdRuleV, a, reducedU, s, reducedV);
        if (basis > k && !wide)
            u = Tensor.Cat([reducedU, u.Narrow(-1, k, basis - k)], -1);
        else if (basis > k)
            v = Tensor.Cat([reducedV, v.Narrow(-2, k, basis - k)], -2);
        else
            (u, v) = (reducedU, reducedV);
        return (u, s, v);
    }

    private static readonly Rule PinvRule = new(
        "linalg_pinv",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            var (a, p) = (n.A, n.Output);
            var (pt, gt) = (p.MT, g.MT);
            if (a.Layout.Sizes[^2] <= a.Layout.Sizes[^1])
            {
                var k = gt.MatMul(p);
                var kp = k.MatMul(pt);
                n.Send(0, kp - p.MatMul(k).MT - a.MatMul(p).MatMul(kp) + pt.MatMul(p).MatMul(gt - k.MatMul(a)));
                return;
            }
            var q = p.MatMul(gt);
            var pq = pt.MatMul(q);
            n.Send(0, (gt - a.MatMul(q)).MatMul(p).MatMul(pt) + pq - q.MatMul(p).MT - pq.MatMul(p).MatMul(a));
        }
    );

    /// <summary>The pseudo-inverse (Moore and Penrose).</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="atol">Singular values at most as large as atol, or rtol times the largest, count as 0.</param>
    /// <param name="rtol">ε · max(m, n) where neither is given.</param>
    /// <param name="hermitian">Whether the matrices are symmetric; of these the lower triangle is looked at.</param>
    public static Tensor Pinv(Tensor a, double? atol = null, double? rtol = null, bool hermitian = false)
    {
        RequireMatrices("linalg.pinv", a);
        if (hermitian)
            RequireSquare("linalg.pinv", a);
        var (m, n) = (a.Layout.Sizes[^2], a.Layout.Sizes[^1]);
        if (m == 0 || n == 0)
            return Tensor.Zeros([.. BatchOf(a), n, m], a.DType, a.Device) + a.Sum();
        Tensor result;
        using (Tensor.NoGrad())
        {
            var (u, s, v) = hermitian ? SymmetricSvd(a) : SVD(a.To(DType.Float64), false);
            var kept = s > Threshold(a, s, atol, rtol);
            var inverse = Tensor.Where(
                kept,
                Tensor.Where(kept, s, 1).Reciprocal(),
                Tensor.Zeros([], s.DType, s.Device)
            );
            result = v.MT.MatMul(TimesRows(inverse, u.MT)).To(a.DType);
        }
        if (Tensor.Records(a))
            result.Record(PinvRule, hermitian ? a.Tril() + a.Tril(-1).MT : a);
        return result;
    }

    private static (Tensor U, Tensor S, Tensor V) SymmetricSvd(Tensor a)
    {
        var (values, vectors) = Eigh(a.To(DType.Float64));
        return (vectors * values.Sign().Unsqueeze(-2), values.Abs(), vectors.MT);
    }

    private static Tensor Threshold(Tensor a, Tensor s, double? atol, double? rtol)
    {
        long most = Math.Max(a.Layout.Sizes[^2], a.Layout.Sizes[^1]);
        double relative = rtol ?? (atol > 0 ? 0 : Epsilon(a.DType) * most);
        return (s.Amax([-1], keepdim: true) * relative).Clamp(min: atol ?? 0);
    }

    /// <summary>How many singular values count (int64): those above atol and above rtol times the largest; ε · max(m, n) where neither is given.</summary>
    public static Tensor MatrixRank(Tensor a, double? atol = null, double? rtol = null, bool hermitian = false)
    {
        RequireMatrices("linalg.matrix_rank", a);
        using var off = Tensor.NoGrad();
        if (a.Layout.Sizes[^1] == 0 || a.Layout.Sizes[^2] == 0)
            return Tensor.Zeros(BatchOf(a), DType.Int64, a.Device);
        var s = hermitian ? EigvalsH(a).Abs() : SvdVals(a);
        return (s > Threshold(a, s, atol, rtol)).Sum([-1]);
    }

    /// <summary>The condition number: of the 2-norm (p = 2, or −2 for its reciprocal) or of another matrix norm, ‖A‖ · ‖A⁻¹‖.</summary>
    public static Tensor Cond(Tensor a, double p = 2)
    {
        RequireMatrices("linalg.cond", a);
        if (p is 2 or -2)
        {
            var s = SvdVals(a);
            long k = s.Layout.Sizes[^1];
            if (k == 0)
                return Tensor.Zeros(BatchOf(a), a.DType, a.Device);
            return p > 0 ? s.Select(-1, 0) / s.Select(-1, k - 1) : s.Select(-1, k - 1) / s.Select(-1, 0);
        }
        return Condition(a, x => MatrixNorm(x, p));
    }

    /// <inheritdoc cref="Cond(Tensor, double)"/>
    /// <param name="a">[…, n, n].</param>
    /// <param name="p">"fro" or "nuc".</param>
    public static Tensor Cond(Tensor a, string p)
    {
        RequireMatrices("linalg.cond", a);
        return Condition(a, x => MatrixNorm(x, p));
    }

    private static Tensor Condition(Tensor a, Func<Tensor, Tensor> norm)
    {
        // Of matrices of nothing, square or not, it is 0.
        if (a.NumElements == 0)
            return Tensor.Zeros(BatchOf(a), a.DType, a.Device);
        RequireSquare("linalg.cond", a);
        var (inverse, info) = InvEx(a);
        var result = norm(a) * norm(inverse);
        return Tensor.Where(info.Eq(0), result, Tensor.Full([], double.PositiveInfinity, a.DType, a.Device));
    }
}
