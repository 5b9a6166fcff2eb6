using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Matrices: factors, solutions, norms. Of bases, whose signs are free, what does not change with them.</summary>
internal static class LinearAlgebraCases
{
    public static IEnumerable<Subject> All => [.. OfMatrices(), .. Solutions(), .. Norms(), .. Others()];

    private static DType Type(Draw d) =>
        d.Chance(0.04) ? d.Pick(DType.Int64, DType.Float16) : d.Pick(DType.Float32, DType.Float64);

    private static long[] Batch(Draw d) => d.Chance(0.6) ? [] : d.Pick<long[]>([1], [2], [3], [2, 2], [0], [2, 1]);

    private static long Side(Draw d) => d.Pick<long>(0, 1, 1, 2, 2, 3, 3, 4, 5, 9);

    private static Sample Square(Draw d, DType? type = null)
    {
        long n = Side(d);
        long m = d.Chance(0.04) ? n + 1 : n;
        return d.Of(d.Chance(0.02) ? [n] : [.. Batch(d), m, n], type ?? Type(d), tame: true);
    }

    private static Sample Any(Draw d) =>
        d.Of(d.Chance(0.02) ? [3] : [.. Batch(d), Side(d), Side(d)], Type(d), tame: true);

    // Far from singular.
    private static Tensor Regular(Tensor a) =>
        a.Rank < 2 || !a.DType.IsFloat() ? a : a + Tensor.Eye(a.Size(-2), a.Size(-1), a.DType) * 6;

    private static TorchTensor Regular(TorchTensor a) =>
        a.dim() < 2 || !a.is_floating_point() ? a : a + torch.eye(a.shape[^2], a.shape[^1], dtype: a.dtype) * 6;

    private static Tensor Definite(Tensor a) =>
        a.Rank < 2 || !a.DType.IsFloat() || a.Size(-1) != a.Size(-2)
            ? a
            : a.MatMul(a.Transpose(-1, -2)) + Tensor.Eye(a.Size(-1), null, a.DType);

    private static TorchTensor Definite(TorchTensor a) =>
        a.dim() < 2 || !a.is_floating_point() || a.shape[^1] != a.shape[^2]
            ? a
            : a.matmul(a.transpose(-1, -2)) + torch.eye(a.shape[^1], dtype: a.dtype);

    private static Trial Of(
        string text,
        Sample x,
        Func<Tensor, Tensor[]> ours,
        Func<TorchTensor, TorchTensor[]> theirs,
        bool gradients = true
    ) =>
        new(text, [x], t => ours(t[0]), t => theirs(t[0]))
        {
            Terms = 512,
            Degree = 1,
            Units = 32,
            Gradients = gradients,
        };

    private static IEnumerable<Subject> OfMatrices()
    {
        (string, Func<Tensor, Tensor[]>, Func<TorchTensor, TorchTensor[]>)[] regular =
        [
            ("Linalg.Inv", t => [Linalg.Inv(t)], t => [linalg.inv(t)]),
            ("Inverse", t => [t.Inverse()], t => [t.inverse()]),
            ("Linalg.Det", t => [Linalg.Det(t * 0.2)], t => [linalg.det(t * 0.2)]),
            ("Det", t => [(t * 0.2).Det()], t => [(t * 0.2).det()]),
            ("LogDet", t => [t.LogDet()], t => [t.logdet()]),
            (
                "Linalg.SlogDet",
                t => [Linalg.SlogDet(t).Sign, Linalg.SlogDet(t).LogAbsDet],
                t => [linalg.slogdet(t).Item1, linalg.slogdet(t).Item2]
            ),
            ("Linalg.MatrixPower -2", t => [Linalg.MatrixPower(t, -2)], t => [t.matrix_power(-2)]),
            ("Linalg.Cond", t => [Linalg.Cond(t)], t => [linalg.cond(t)]),
            ("Linalg.Cond fro", t => [Linalg.Cond(t, "fro")], t => [linalg.cond(t, "fro")]),
            ("Linalg.Cond 1", t => [Linalg.Cond(t, 1.0)], t => [linalg.cond(t, 1.0)]),
            ("Linalg.Cond -2", t => [Linalg.Cond(t, -2.0)], t => [linalg.cond(t, -2.0)]),
        ];
        foreach (var (name, ours, theirs) in regular)
            yield return new(name, d => Of(name, Square(d), t => ours(Regular(t)), t => theirs(Regular(t))));
        (string, Func<Tensor, Tensor[]>, Func<TorchTensor, TorchTensor[]>)[] definite =
        [
            ("Linalg.Cholesky", t => [Linalg.Cholesky(t)], t => [linalg.cholesky(t)]),
            ("Cholesky", t => [t.Cholesky()], t => [linalg.cholesky(t)]),
            ("Cholesky upper", t => [t.Cholesky(true)], t => [linalg.cholesky(t).transpose(-1, -2)]),
            (
                "CholeskyInverse",
                t => [Linalg.Cholesky(t).CholeskyInverse()],
                t => [linalg.cholesky(t).cholesky_inverse()]
            ),
            ("Linalg.EigvalsH", t => [Linalg.EigvalsH(t)], t => [linalg.eigvalsh(t)]),
        ];
        foreach (var (name, ours, theirs) in definite)
            yield return new(name, d => Of(name, Square(d), t => ours(Definite(t)), t => theirs(Definite(t))));
        (string, Func<Tensor, Tensor[]>, Func<TorchTensor, TorchTensor[]>)[] any =
        [
            (
                "Linalg.QR",
                t => [Linalg.QR(Regular(t)).Q.Abs(), Linalg.QR(Regular(t)).R.Abs()],
                t => [linalg.qr(Regular(t)).Item1.abs(), linalg.qr(Regular(t)).Item2.abs()]
            ),
            ("Linalg.SvdVals", t => [Linalg.SvdVals(t)], t => [linalg.svdvals(t)]),
            ("Linalg.Pinv", t => [Linalg.Pinv(Regular(t))], t => [linalg.pinv(Regular(t))]),
            (
                "Linalg.MatrixNorm nuc",
                t => [Linalg.MatrixNorm(Regular(t), "nuc")],
                t => [linalg.matrix_norm(Regular(t), "nuc")]
            ),
            (
                "Linalg.LU",
                t =>
                {
                    var (p, l, u) = Linalg.LU(Regular(t));
                    return [p, l, u];
                },
                t =>
                {
                    var (p, l, u) = linalg.lu(Regular(t));
                    return [p, l, u];
                }
            ),
            (
                "Linalg.LuFactor",
                t => [Linalg.LuFactor(Regular(t)).LU, Linalg.LuFactor(Regular(t)).Pivots],
                t => [linalg.lu_factor(Regular(t)).Item1, linalg.lu_factor(Regular(t)).Item2!]
            ),
        ];
        foreach (var (name, ours, theirs) in any)
            yield return new(name, d => Of(name, Any(d), ours, theirs));
        yield return new(
            "Linalg.Eigh",
            d =>
                Of(
                    "Linalg.Eigh",
                    Square(d),
                    t =>
                    {
                        // Spread out, so that the vectors are well determined.
                        var (values, v) = Linalg.Eigh(Spread(Definite(t)));
                        return [values, v.Square()];
                    },
                    t =>
                    {
                        var (values, v) = linalg.eigh(Spread(Definite(t)));
                        return [values, v.square()];
                    }
                )
        );
        yield return new(
            "Linalg.SVD",
            d =>
            {
                bool full = d.Chance(0.3);
                return Of(
                    $"Linalg.SVD({full})",
                    Any(d),
                    t =>
                    {
                        var (u, s, v) = Linalg.SVD(Spread(t), full);
                        long k = s.Size(-1);
                        return [s, u.Narrow(-1, 0, k).Square(), v.Narrow(-2, 0, k).Square()];
                    },
                    t =>
                    {
                        var (u, s, v) = linalg.svd(Spread(t), full);
                        long k = s.shape[^1];
                        return [s, u.narrow(-1, 0, k).square(), v.narrow(-2, 0, k).square()];
                    }
                );
            }
        );
        yield return new(
            "Linalg.MatrixRank",
            d =>
                Of(
                    "Linalg.MatrixRank",
                    d.Whole([.. Batch(d), Side(d), Side(d)], DType.Int64, 0, 1),
                    t => [Linalg.MatrixRank(t.To(DType.Float64))],
                    t => [linalg.matrix_rank(t.to_type(ScalarType.Float64))],
                    false
                )
        );
        yield return new(
            "Linalg.MatrixExp",
            d => Of("Linalg.MatrixExp", Square(d), t => [Linalg.MatrixExp(t * 0.5)], t => [linalg.matrix_exp(t * 0.5)])
        );
        yield return new(
            "MatrixPower",
            d =>
            {
                int n = d.Between(0, 5);
                return Of(
                    $"MatrixPower({n})",
                    Square(d),
                    t => [(t * 0.5).MatrixPower(n)],
                    t => [(t * 0.5).matrix_power(n)]
                );
            }
        );
    }

    private static Tensor Spread(Tensor a) =>
        a.Rank < 2 || !a.DType.IsFloat()
            ? a
            : a + Tensor.Eye(a.Size(-2), a.Size(-1), a.DType) * (Tensor.Arange(a.Size(-1)).To(a.DType) * 4 + 5);

    private static TorchTensor Spread(TorchTensor a) =>
        a.dim() < 2 || !a.is_floating_point()
            ? a
            : a
                + torch.eye(a.shape[^2], a.shape[^1], dtype: a.dtype)
                    * (torch.arange(a.shape[^1], dtype: a.dtype) * 4 + 5);

    private static IEnumerable<Subject> Solutions()
    {
        yield return new(
            "Linalg.Solve",
            d =>
            {
                long n = Side(d);
                bool left = d.Chance(0.7);
                var type = Type(d);
                var a = d.Of([.. Batch(d), n, n], type, tame: true);
                long k = d.Between(0, 3);
                long[] shape =
                    d.Chance(0.2) ? [n]
                    : left ? [.. Batch(d), n, k]
                    : [.. Batch(d), k, n];
                var b = d.Of(d.Chance(0.04) ? [.. shape, 2] : shape, d.Chance(0.03) ? DType.Float64 : type, tame: true);
                return new Trial(
                    $"Linalg.Solve({left})",
                    [a, b],
                    t => [Linalg.Solve(Regular(t[0]), t[1], left)],
                    t => [linalg.solve(Regular(t[0]), t[1], left)]
                )
                {
                    Terms = 128,
                };
            }
        );
        yield return new(
            "Linalg.SolveTriangular",
            d =>
            {
                long n = Side(d);
                var (left, upper, unit) = (d.Chance(0.7), d.Chance(0.5), d.Chance(0.3));
                var type = Type(d);
                long k = d.Between(0, 3);
                var a = d.Of([.. Batch(d), n, n], type, tame: true);
                var b = d.Of(left ? [.. Batch(d), n, k] : [.. Batch(d), k, n], type, tame: true);
                return new Trial(
                    $"Linalg.SolveTriangular({upper}, {left}, {unit})",
                    [a, b],
                    t => [Linalg.SolveTriangular(unit ? t[0] * 0.3 : Regular(t[0]), t[1], upper, left, unit)],
                    t => [linalg.solve_triangular(unit ? t[0] * 0.3 : Regular(t[0]), t[1], upper, left, unit)]
                )
                {
                    Terms = 256,
                };
            }
        );
        yield return new(
            "Linalg.LuSolve",
            d =>
            {
                long n = Side(d);
                var (left, adjoint) = (d.Chance(0.7), d.Chance(0.5));
                long[] batch = Batch(d);
                long k = d.Between(1, 3);
                var a = d.Of([.. batch, n, n], d.Pick(DType.Float32, DType.Float64), tame: true);
                var b = d.Of(left ? [.. batch, n, k] : [.. batch, k, n], a.Type, tame: true);
                return new Trial(
                    $"Linalg.LuSolve({left}, {adjoint})",
                    [a, b],
                    t =>
                    {
                        var (lu, pivots) = Linalg.LuFactor(Regular(t[0]));
                        return [Linalg.LuSolve(lu, pivots, t[1], left, adjoint)];
                    },
                    t =>
                    {
                        var (lu, pivots) = linalg.lu_factor(Regular(t[0]));
                        return [linalg.lu_solve(lu, pivots!, t[1], left, adjoint)];
                    }
                )
                {
                    Terms = 128,
                };
            }
        );
        yield return new(
            "CholeskySolve",
            d =>
            {
                long n = Side(d);
                bool upper = d.Chance(0.4);
                var a = d.Of([.. Batch(d), n, n], d.Pick(DType.Float32, DType.Float64), tame: true);
                var b = d.Of([n, d.Between(1, 3)], a.Type, tame: true);
                return new Trial(
                    $"CholeskySolve({upper})",
                    [a, b],
                    t => [t[1].CholeskySolve(Definite(t[0]).Cholesky(upper), upper)],
                    t =>
                        [
                            t[1]
                                .cholesky_solve(
                                    upper
                                        ? linalg.cholesky(Definite(t[0])).transpose(-1, -2)
                                        : linalg.cholesky(Definite(t[0])),
                                    upper
                                ),
                        ]
                )
                {
                    Terms = 1024,
                };
            }
        );
        yield return new(
            "Linalg.LstSq",
            d =>
            {
                var (m, n) = (d.Between(1, 7), d.Between(1, 5));
                var batch = Batch(d);
                var a = d.Of([.. batch, m, n], d.Pick(DType.Float32, DType.Float64), tame: true);
                var b = d.Of([.. batch, m, d.Between(1, 3)], a.Type, tame: true);
                return new Trial(
                    "Linalg.LstSq",
                    [a, b],
                    t =>
                    {
                        var (x, residuals, rank, _) = Linalg.LstSq(Regular(t[0]), t[1]);
                        return [x, residuals, rank];
                    },
                    t =>
                    {
                        var (x, residuals, rank, _) = linalg.lstsq(Regular(t[0]), t[1]);
                        return [x, residuals, rank];
                    }
                )
                {
                    Terms = 256,
                };
            }
        );
    }

    private static IEnumerable<Subject> Norms()
    {
        yield return new(
            "Linalg.VectorNorm",
            d =>
            {
                var x = d.Of(d.Shape(0, 4), Type(d), tame: true);
                double ord = d.Pick(2, 1, 3, 0, 0.5, double.PositiveInfinity, double.NegativeInfinity, -1);
                int[] dims = d.Dims(x.Shape.Length);
                bool keep = d.Chance(0.3);
                return Of(
                    $"Linalg.VectorNorm({ord}, [{string.Join(',', dims)}], {keep})",
                    x,
                    t => [Linalg.VectorNorm(t, ord, dims, keep)],
                    t => [linalg.vector_norm(t, ord, dims.Length == 0 ? null : [.. dims.Select(i => (long)i)], keep)]
                );
            }
        );
        yield return new(
            "Linalg.MatrixNorm",
            d =>
            {
                var x = d.Of(d.Shape(2, 4), d.Pick(DType.Float32, DType.Float64), tame: true);
                double ord = d.Pick(2, 1, -1, -2, double.PositiveInfinity, double.NegativeInfinity, 3);
                int rank = x.Shape.Length;
                var (a, b) = (d.Between(-rank, rank - 1), d.Between(-rank, rank - 1));
                bool keep = d.Chance(0.3);
                return Of(
                    $"Linalg.MatrixNorm({ord}, {a}, {b}, {keep})",
                    x,
                    t => [Linalg.MatrixNorm(t, ord, a, b, keep)],
                    t => [linalg.matrix_norm(t, ord, [a, b], keep)]
                );
            }
        );
        yield return new(
            "Linalg.MatrixNorm fro",
            d =>
            {
                var x = d.Of(d.Shape(1, 4), Type(d), tame: true);
                return Of(
                    "Linalg.MatrixNorm fro",
                    x,
                    t => [Linalg.MatrixNorm(t)],
                    t => [linalg.matrix_norm(t, "fro", [-2, -1])]
                );
            }
        );
        yield return new(
            "Linalg.Norm",
            d =>
                Of(
                    "Linalg.Norm",
                    d.Of(d.Shape(0, 3), Type(d), tame: true),
                    t => [Linalg.Norm(t)],
                    t => [linalg.norm(t)]
                )
        );
    }

    private static IEnumerable<Subject> Others()
    {
        yield return new(
            "Linalg.Cross",
            d =>
            {
                var type = d.Pick(DType.Float32, DType.Float64, DType.Int64);
                long[] shape = [.. d.Shape(0, 2), 3];
                return new Trial(
                    "Linalg.Cross",
                    [d.Of(shape, type, tame: true), d.Of(d.Chance(0.3) ? d.Beside(shape) : shape, type, tame: true)],
                    t => [Linalg.Cross(t[0], t[1])],
                    t => [linalg.cross(t[0], t[1], -1)]
                )
                {
                    Terms = 2,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "Linalg.MultiDot",
            d =>
            {
                long[] sides = [.. Enumerable.Range(0, d.Between(3, 5)).Select(_ => Side(d))];
                var type = d.Pick(DType.Float32, DType.Float64);
                var inputs = Enumerable
                    .Range(0, sides.Length - 1)
                    .Select(i => d.Of([sides[i], d.Chance(0.02) ? 6 : sides[i + 1]], type, tame: true));
                return new Trial("Linalg.MultiDot", [.. inputs], t => [Linalg.MultiDot(t)], t => [linalg.multi_dot(t)])
                {
                    Terms = 4096,
                    Degree = 4,
                };
            }
        );
        yield return new(
            "Linalg.Vander",
            d =>
            {
                var x = d.Of(d.Shape(0, 3), d.Pick(DType.Float32, DType.Float64, DType.Int64), tame: true);
                long? n = d.Chance(0.5) ? null : d.Between(0, 4);
                return Of($"Linalg.Vander({n})", x, t => [Linalg.Vander(t, n)], t => [linalg.vander(t, n)], false);
            }
        );
        yield return new(
            "Linalg.HouseholderProduct",
            d =>
            {
                long n = d.Between(0, 4);
                long m = n + d.Between(0, 3);
                var batch = Batch(d);
                return new Trial(
                    "Linalg.HouseholderProduct",
                    [
                        d.Of([.. batch, m, n], DType.Float64, tame: true),
                        d.Of([.. batch, d.Between(0, (int)n)], DType.Float64, tame: true),
                    ],
                    t => [Linalg.HouseholderProduct(t[0], t[1])],
                    t => [linalg.householder_product(t[0], t[1])]
                )
                {
                    Terms = 1024,
                    Degree = 3,
                };
            }
        );
        yield return new(
            "Linalg.TensorInv",
            d =>
                Of(
                    "Linalg.TensorInv",
                    d.Of(d.Pick<long[]>([6, 2, 3], [4, 2, 2], [2, 3, 7]), DType.Float64, tame: true),
                    t => [Linalg.TensorInv(t, 1)],
                    t => [linalg.tensorinv(t, 1)]
                ) with
                {
                    Terms = 1 << 20,
                }
        );
    }
}
