using Picograd.Algorithms;
using Picograd.Gradients;
using Picograd.LinearAlgebra;

namespace Picograd;

public static unsafe partial class Linalg
{
    private static readonly Rule CholeskyRule = new(
        "linalg_cholesky",
        Saves.Output,
        static (n, g) =>
        {
            // L⁻ᵀ · Φ · L⁻¹, Φ the symmetric matrix of the lower triangle of Lᵀ · gL.
            var l = n.Output;
            var phi = l.MT.MatMul(g).Tril();
            phi = (phi + phi.Tril(-1).MT) * 0.5;
            var half = SolveTriangular(l.MT, phi, upper: true);
            n.Send(0, SolveTriangular(l, half, upper: false, left: false));
        }
    );

    /// <summary>L of A = L · Lᵀ with zeros above the diagonal, of the lower triangle of A; or Lᵀ of the upper one.</summary>
    /// <exception cref="LinAlgException">A matrix is not positive definite.</exception>
    public static Tensor Cholesky(Tensor a, bool upper = false)
    {
        RequireSquare("linalg.cholesky", a);
        return Cholesky("linalg.cholesky", a, upper, checks: true).L;
    }

    /// <summary>As <see cref="Cholesky(Tensor, bool)"/>, with 0 by matrix (int32), or the first place, from 1, at which it is not positive definite.</summary>
    public static (Tensor L, Tensor Info) CholeskyEx(Tensor a, bool upper = false, bool checkErrors = false)
    {
        RequireSquare("linalg.cholesky_ex", a);
        return Cholesky("linalg.cholesky_ex", a, upper, checkErrors);
    }

    internal static (Tensor L, Tensor Info) Cholesky(string what, Tensor a, bool upper, bool checks)
    {
        if (upper)
        {
            var (l, found) = Cholesky(what, a.MT, false, checks);
            return (l.MT, found);
        }
        int side = checked((int)a.Layout.Sizes[^1]);
        long[] batch = BatchOf(a);
        var results = HostMatrices.Run(
            batch,
            [a],
            [([side, side], a.DType), ([], DType.Int32)],
            (index, from, to) =>
            {
                double* matrix = from[0];
                double* l = to[0];
                // The lower triangle is the upper one of the transpose.
                for (int i = 0; i < side; i++)
                {
                    for (int j = 0; j < i; j++)
                        matrix[(long)j * side + i] = matrix[(long)i * side + j];
                }
                int found = Triangular.Cholesky(matrix, side, side);
                *(int*)to[1] = found;
                if (found != 0 && checks)
                    throw new LinAlgException(
                        $"{what}: {Of(index, batch)}The factorization could not be completed because the input is not positive-definite (the leading minor of order {found} is not positive-definite).",
                        index
                    );
                for (int i = 0; i < side; i++)
                {
                    for (int j = 0; j < side; j++)
                        l[(long)i * side + j] = j <= i ? matrix[(long)j * side + i] : 0;
                }
            }
        );
        if (Tensor.Records(a))
            results[0].Record(CholeskyRule, a);
        return (results[0], results[1]);
    }

    // Of A [m, n], m ≥ n: 0 of the gradient of Q, 1 of that of R. Saved: Q, R.
    private static readonly Rule QrRuleQ = new("linalg_qr", Saves.Nothing, static (n, g) => SendQr(n, g, null));
    private static readonly Rule QrRuleR = new("linalg_qr", Saves.Nothing, static (n, g) => SendQr(n, null, g));

    private static readonly Rule NoQrRule = new(
        "linalg_qr",
        Saves.Nothing,
        static (n, g) =>
            throw new InvalidOperationException(
                "Backward: linalg.qr has a derivative in mode \"reduced\", and in mode \"complete\" of matrices with no more rows than columns."
            )
    );

    private static void SendQr(Node n, Tensor? ofQ, Tensor? ofR)
    {
        var (q, r) = (n.Saved(0), n.Saved(1));
        var sum = ofR is null ? -q.MT.MatMul(ofQ!) : ofR.MatMul(r.MT);
        var upper = sum.Triu();
        var grad = q.MatMul(upper + sum.Triu(1).MT);
        if (ofQ is not null)
            grad = grad + ofQ;
        n.Send(0, SolveTriangular(r.MT, grad, upper: false, left: false));
    }

    /// <summary>A = Q · R, columns of Q orthonormal, R upper triangular.</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="mode">"reduced": Q [m, min(m, n)]; "complete": Q [m, m]; "r": Q is empty.</param>
    public static (Tensor Q, Tensor R) QR(Tensor a, string mode = "reduced")
    {
        const string What = "linalg.qr";
        RequireMatrices(What, a);
        if (mode is not ("reduced" or "complete" or "r"))
            throw new ArgumentException($"{What}: mode is \"{mode}\", but must be \"reduced\", \"complete\" or \"r\".");
        int m = checked((int)a.Layout.Sizes[^2]);
        int n = checked((int)a.Layout.Sizes[^1]);
        if (m < n && mode != "r" && Tensor.Records(a))
        {
            // R's further columns follow from Q.
            var (square, upper) = QR(a.Narrow(-1, 0, m), mode);
            return (square, Tensor.Cat([upper, square.MT.MatMul(a.Narrow(-1, m, n - m))], -1));
        }
        int k = Math.Min(m, n);
        int columns =
            mode == "complete" ? m
            : mode == "r" ? 0
            : k;
        int rows = mode == "complete" ? m : k;
        var results = HostMatrices.Run(
            BatchOf(a),
            [a],
            [([m, columns], a.DType), ([rows, n], a.DType)],
            (_, from, to) =>
            {
                double[] tau = new double[k + 1];
                fixed (double* taus = tau)
                {
                    Householder.Factor(from[0], n, m, n, taus);
                    for (int i = 0; i < rows; i++)
                    {
                        for (int j = 0; j < n; j++)
                            to[1][(long)i * n + j] = j >= i && i < m ? from[0][(long)i * n + j] : 0;
                    }
                    if (columns > 0)
                        Householder.Columns(from[0], n, taus, m, k, to[0], columns);
                }
            }
        );
        var (q, r) = (results[0], results[1]);
        if (Tensor.Records(a))
        {
            if (mode == "r" || columns != k)
            {
                Record(q, NoQrRule, a);
                Record(r, NoQrRule, a);
            }
            else
            {
                Record(q, QrRuleQ, a, q, r);
                Record(r, QrRuleR, a, q, r);
            }
        }
        return mode == "r" ? (Tensor.Empty([0], a.DType, a.Device), r) : (q, r);
    }

    /// <summary>The first columns of the product of reflections I − τ · v · vᵀ, whose v lie below the diagonal of A.</summary>
    /// <param name="a">[…, m, n], m ≥ n.</param>
    /// <param name="tau">[…, k], k ≤ n.</param>
    public static Tensor HouseholderProduct(Tensor a, Tensor tau)
    {
        const string What = "linalg.householder_product";
        RequireMatrices(What, a);
        ArgumentNullException.ThrowIfNull(tau);
        RequireSame(What, a, tau);
        long m = a.Layout.Sizes[^2];
        long n = a.Layout.Sizes[^1];
        if (m < n || tau.Rank != a.Rank - 1 || tau.Layout.Sizes[^1] > n)
            throw new ArgumentException(
                $"{What}: the shapes {a.Layout} and {tau.Layout} do not fit; needs [..., m, n] with m ≥ n and [..., k] with k ≤ n."
            );
        var q = Tensor.Eye(m, n, a.DType, a.Device).Expand([.. BatchOf(a), m, n]);
        for (long k = tau.Layout.Sizes[^1] - 1; k >= 0; k--)
        {
            var v = Tensor.Cat(
                [
                    Tensor.Zeros([.. BatchOf(a), k, 1], a.DType, a.Device),
                    Tensor.Ones([.. BatchOf(a), 1, 1], a.DType, a.Device),
                    a.Narrow(-2, k + 1, m - k - 1).Narrow(-1, k, 1),
                ],
                -2
            );
            q = q - tau.Narrow(-1, k, 1).Unsqueeze(-1) * v.MatMul(v.MT.MatMul(q));
        }
        return q;
    }

    private static readonly Rule LuRule = new(
        "linalg_lu_factor",
        Saves.Output,
        static (n, g) =>
        {
            // Of square matrices without exchanges: L⁻ᵀ · (tril₋₁(Lᵀ · gL) + triu(gU · Uᵀ)) · U⁻ᵀ.
            var packed = n.Output;
            var lower = packed.Tril(-1) + EyeLike(packed);
            var upper = packed.Triu();
            var sum = lower.MT.MatMul(g.Tril(-1)).Tril(-1) + g.Triu().MatMul(upper.MT).Triu();
            sum = SolveTriangular(upper.MT, sum, upper: false, left: false);
            n.Send(0, SolveTriangular(lower.MT, sum, upper: true, unitriangular: true));
        }
    );

    /// <summary>
    /// P · A = L · U: below the diagonal L, whose own diagonal is 1, from it on U; and with which row (int32, from 1) each was exchanged.
    /// </summary>
    public static (Tensor LU, Tensor Pivots) LuFactor(Tensor a, bool pivot = true)
    {
        const string What = "linalg.lu_factor";
        RequireMatrices(What, a);
        RequirePivot(What, pivot);
        var (factors, pivots, _) = LuFactorEx(a);
        return (factors, pivots);
    }

    private static void RequirePivot(string what, bool pivot)
    {
        if (!pivot)
            throw new ArgumentException($"{what}: LU without pivoting is not implemented on the CPU.");
    }

    /// <summary>As <see cref="LuFactor"/>, with 0 by matrix (int32) or the first place, from 1, at which U's diagonal is 0.</summary>
    public static (Tensor LU, Tensor Pivots, Tensor Info) LuFactorEx(
        Tensor a,
        bool pivot = true,
        bool checkErrors = false
    )
    {
        const string What = "linalg.lu_factor_ex";
        RequireMatrices(What, a);
        RequirePivot(What, pivot);
        int m = checked((int)a.Layout.Sizes[^2]);
        int n = checked((int)a.Layout.Sizes[^1]);
        int k = Math.Min(m, n);
        long[] batch = BatchOf(a);
        var results = HostMatrices.Run(
            batch,
            [a],
            [([m, n], a.DType), ([k], DType.Int32), ([], DType.Int32)],
            (index, from, to) =>
            {
                int* pivots = (int*)to[1];
                int found = Triangular.Lu(from[0], n, m, n, pivots);
                for (int i = 0; i < k; i++)
                    pivots[i]++;
                *(int*)to[2] = found;
                if (found != 0 && checkErrors)
                    throw Singular(What, index, batch, found, "so U is singular");
                new Span<double>(from[0], m * n).CopyTo(new Span<double>(to[0], m * n));
            }
        );
        var (packed, places, info) = (results[0], results[1], results[2]);
        if (!Tensor.Records(a))
            return (packed, places, info);
        // The square in the corner has a slope of its own, what is below or beside it follows.
        var rows = Rows(places, m);
        var ordered = a.Gather(-2, rows.Unsqueeze(-1).Expand([.. batch, m, n]));
        var corner = packed.Narrow(-2, 0, k).Narrow(-1, 0, k).Clone();
        corner.Record(LuRule, ordered.Narrow(-2, 0, k).Narrow(-1, 0, k));
        if (m > n)
        {
            var below = SolveTriangular(corner, ordered.Narrow(-2, k, m - k), upper: true, left: false);
            return (Tensor.Cat([corner, below], -2), places, info);
        }
        if (m < n)
        {
            var beside = SolveTriangular(corner, ordered.Narrow(-1, k, n - k), upper: false, unitriangular: true);
            return (Tensor.Cat([corner, beside], -1), places, info);
        }
        return (corner, places, info);
    }

    // Which row of A each row of L · U is: int64 […, m].
    private static Tensor Rows(Tensor pivots, long m)
    {
        if (pivots.Device.IsMeta)
            return Tensor.Empty([.. pivots.Layout.Sizes[..^1], m], DType.Int64, pivots.Device);
        int k = (int)pivots.Layout.Sizes[^1];
        long[] given = pivots.To(DType.Int64).ToArray<long>();
        long count = k == 0 ? Layout.CountOf(pivots.Layout.Sizes[..^1]) : given.Length / k;
        long[] rows = new long[count * m];
        for (long b = 0; b < count; b++)
        {
            var own = rows.AsSpan((int)(b * m), (int)m);
            for (int i = 0; i < m; i++)
                own[i] = i;
            for (int i = 0; i < k; i++)
            {
                long other = given[b * k + i] - 1;
                if (other < 0 || other >= m)
                    throw new ArgumentException($"lu: a pivot is {other + 1}, but there are rows 1 to {m}.");
                (own[i], own[(int)other]) = (own[(int)other], own[i]);
            }
        }
        return Tensor.From(rows, [.. pivots.Layout.Sizes[..^1], m]).ToDevice(pivots.Device);
    }

    /// <summary>A = P · L · U, P a permutation.</summary>
    public static (Tensor P, Tensor L, Tensor U) LU(Tensor a, bool pivot = true)
    {
        RequireMatrices("linalg.lu", a);
        RequirePivot("linalg.lu", pivot);
        var (packed, pivots, _) = LuFactorEx(a);
        return LuUnpack(packed, pivots);
    }

    /// <summary>P, L and U of what <see cref="LuFactor"/> gave.</summary>
    public static (Tensor P, Tensor L, Tensor U) LuUnpack(Tensor lu, Tensor pivots)
    {
        RequireMatrices("lu_unpack", lu);
        RequirePivots("lu_unpack", lu, pivots);
        var (m, n) = (lu.Layout.Sizes[^2], lu.Layout.Sizes[^1]);
        long k = Math.Min(m, n);
        // Column i of P has its 1 in the row that row i was.
        var rows = Rows(pivots, m);
        var p = rows.Unsqueeze(-2).Eq(Tensor.Arange(m, lu.Device).Unsqueeze(-1)).To(lu.DType);
        var lower = lu.Narrow(-1, 0, k).Tril(-1) + Tensor.Eye(m, k, lu.DType, lu.Device);
        return (p, lower, lu.Narrow(-2, 0, k).Triu());
    }

    private static void RequirePivots(string what, Tensor lu, Tensor pivots)
    {
        ArgumentNullException.ThrowIfNull(pivots);
        long k = Math.Min(lu.Layout.Sizes[^2], lu.Layout.Sizes[^1]);
        if (pivots.DType is not (DType.Int32 or DType.Int64))
            throw new ArgumentException($"{what}: pivots are int32, but the dtype is {pivots.DType.Name()}.");
        long[] expected = [.. BatchOf(lu), k];
        if (!pivots.Layout.Sizes.AsSpan().SequenceEqual(expected))
            throw new ArgumentException(
                $"{what}: factors of shape {lu.Layout} have pivots of shape {Layout.Text(expected)}, but the shape is {pivots.Layout}."
            );
    }

    /// <summary>X of A · X = B (or X · A = B; adjoint: of Aᵀ) of what <see cref="LuFactor"/> made of A.</summary>
    public static Tensor LuSolve(Tensor lu, Tensor pivots, Tensor b, bool left = true, bool adjoint = false)
    {
        const string What = "linalg.lu_solve";
        RequireSquare(What, lu);
        RequireMatrices(What, b);
        RequireSame(What, lu, b);
        RequirePivots(What, lu, pivots);
        if (!left)
            return LuSolve(lu, pivots, b.MT, true, !adjoint).MT;
        long side = lu.Layout.Sizes[^1];
        if (b.Layout.Sizes[^2] != side)
            throw new ArgumentException(
                $"{What}: the shapes {lu.Layout} and {b.Layout} do not fit; {side} rows meet {b.Layout.Sizes[^2]} of B."
            );
        var rows = Rows(pivots, side);
        if (!adjoint)
        {
            (_, b) = SameBatch(What, lu, b);
            var order = rows.Unsqueeze(-1).Expand(b.Layout.Sizes);
            var y = SolveTriangular(lu, b.Gather(-2, order), upper: false, unitriangular: true);
            return SolveTriangular(lu, y, upper: true);
        }
        var x = SolveTriangular(lu.MT, b, upper: false);
        x = SolveTriangular(lu.MT, x, upper: true, unitriangular: true);
        return x.Gather(-2, rows.ArgSort(-1).Unsqueeze(-1).Expand(x.Layout.Sizes));
    }
}
