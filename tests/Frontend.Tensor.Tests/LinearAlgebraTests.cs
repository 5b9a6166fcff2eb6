using Picograd.Tests.Cuda;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Factors are multiplied out again, gradients are those of differences, also the second ones, and what has no inverse or does not fit is
/// refused. Beside libtorch the functions run in <c>tools/compare</c>.
/// </summary>
public sealed class LinearAlgebraTests
{
    public LinearAlgebraTests() => Setup.UseCpu();

    // Odd, empty, of one element, wide, tall, batched, and large enough for blocks.
    private static readonly string[] Shapes =
    [
        "1x1",
        "3x3",
        "7x3",
        "3x7",
        "2x3x5x4",
        "0x3x3",
        "5x0",
        "0x4",
        "65x65",
        "131x70",
        "70x131",
        "37x150",
    ];

    public static TheoryData<string> All => [.. Shapes];

    public static TheoryData<string> Squares => ["1x1", "2x2", "5x5", "3x2x4x4", "0x3x3", "2x0x0", "67x67", "150x150"];

    private static long[] Shape(string text) => [.. text.Split('x').Select(long.Parse)];

    private static Tensor Values(string shape, int seed = 3, DType type = DType.Float64) =>
        Make.Values(Shape(shape), type, seed);

    // Far from singular: with a large diagonal.
    private static Tensor Regular(string shape, int seed = 3, DType type = DType.Float64)
    {
        var a = Values(shape, seed, type);
        return a + Tensor.Eye(a.Size(-1), dtype: type) * (a.Size(-1) * 0.5 + 2);
    }

    private static Tensor Positive(string shape, int seed = 3, DType type = DType.Float64)
    {
        var a = Values(shape, seed, type);
        return a.MatMul(a.MT) + Tensor.Eye(a.Size(-1), dtype: type);
    }

    private static void Near(Tensor expected, Tensor found, double tolerance = 1e-10)
    {
        Assert.Equal(expected.Shape, found.Shape);
        Assert.Equal(expected.DType, found.DType);
        double[] a = expected.ToDoubles();
        double[] b = found.ToDoubles();
        double size = a.Length == 0 ? 1 : Math.Max(1, a.Max(Math.Abs));
        for (int i = 0; i < a.Length; i++)
            Assert.True(Math.Abs(a[i] - b[i]) <= tolerance * size, $"element {i} is {b[i]}, expected {a[i]}");
    }

    private static Tensor Identity(Tensor like, long side) =>
        Tensor.Eye(side, dtype: like.DType).Expand([.. like.Shape.ToArray()[..^2], side, side]);

    [Theory]
    [MemberData(nameof(All))]
    public void Qr_multiplies_out(string shape)
    {
        var a = Values(shape);
        var (m, n) = (a.Size(-2), a.Size(-1));
        foreach (string mode in new[] { "reduced", "complete" })
        {
            var (q, r) = Linalg.QR(a, mode);
            long k = mode == "complete" ? m : Math.Min(m, n);
            Assert.Equal([m, k], q.Shape.ToArray()[^2..]);
            Near(a, q.MatMul(r));
            Near(Identity(a, k), q.MT.MatMul(q));
            Near(r.Triu(), r);
        }
        Near(Linalg.QR(a).R, Linalg.QR(a, "r").R);
        Assert.Equal(0, Linalg.QR(a, "r").Q.NumElements);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Svd_multiplies_out(string shape)
    {
        var a = Values(shape);
        var (m, n) = (a.Size(-2), a.Size(-1));
        long k = Math.Min(m, n);
        foreach (bool full in new[] { false, true })
        {
            var (u, s, vh) = Linalg.SVD(a, full);
            Assert.Equal([m, full ? m : k], u.Shape.ToArray()[^2..]);
            Assert.Equal([full ? n : k, n], vh.Shape.ToArray()[^2..]);
            Near(a, (u.Narrow(-1, 0, k) * s.Unsqueeze(-2)).MatMul(vh.Narrow(-2, 0, k)), 1e-9);
            Near(Identity(a, full ? m : k), u.MT.MatMul(u), 1e-9);
            Near(Identity(a, full ? n : k), vh.MatMul(vh.MT), 1e-9);
            Near(s.Sort(-1, descending: true).Values, s);
            Near(s, Linalg.SvdVals(a), 1e-12);
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Lu_multiplies_out(string shape)
    {
        var a = Values(shape);
        var (p, l, u) = Linalg.LU(a);
        Near(a, p.MatMul(l).MatMul(u));
        Near(l.Tril(), l);
        Near(u.Triu(), u);
        // The largest of each column is the pivot.
        Assert.True(l.NumElements == 0 || l.Abs().Max().Item() <= 1);
    }

    [Theory]
    [MemberData(nameof(Squares))]
    public void Square_ones_are_solved(string shape)
    {
        var a = Regular(shape);
        var b = Values(shape, 9).Narrow(-1, 0, a.Size(-1) / 2);
        var identity = Identity(a, a.Size(-1));
        Near(identity, a.MatMul(Linalg.Inv(a)));
        Near(b, a.MatMul(Linalg.Solve(a, b)));
        Near(b.MT, Linalg.Solve(a, b.MT, left: false).MatMul(a));
        var (lu, pivots) = Linalg.LuFactor(a);
        Near(b, a.MatMul(Linalg.LuSolve(lu, pivots, b)));
        Near(b, a.MT.MatMul(Linalg.LuSolve(lu, pivots, b, adjoint: true)));
        Near(b.MT, Linalg.LuSolve(lu, pivots, b.MT, left: false).MatMul(a));
        foreach (bool upper in new[] { false, true })
        {
            var triangle = upper ? a.Triu() : a.Tril();
            Near(b, triangle.MatMul(Linalg.SolveTriangular(a, b, upper)));
            Near(b.MT, Linalg.SolveTriangular(a, b.MT, upper, left: false).MatMul(triangle));
            var small = a * 0.01;
            var unit = (upper ? small.Triu(1) : small.Tril(-1)) + Tensor.Eye(a.Size(-1), dtype: DType.Float64);
            Near(b, unit.MatMul(Linalg.SolveTriangular(small, b, upper, unitriangular: true)));
            var positive = Positive(shape);
            var l = Linalg.Cholesky(positive, upper);
            Near(positive, upper ? l.MT.MatMul(l) : l.MatMul(l.MT));
            Near(b, positive.MatMul(b.CholeskySolve(l, upper)), 1e-8);
            Near(identity, positive.MatMul(l.CholeskyInverse(upper)), 1e-8);
        }
        var (sign, log) = Linalg.SlogDet(a);
        if (a.Size(-1) < 20)
            Near(Linalg.Det(a), sign * log.Exp());
        Near(log, Linalg.LogDet(a));
    }

    [Theory]
    [MemberData(nameof(Squares))]
    public void Symmetric_ones_have_eigenvalues(string shape)
    {
        var a = Values(shape);
        a = a + a.MT;
        foreach (string triangle in new[] { "L", "U" })
        {
            // The other triangle counts for nothing.
            var half = triangle == "L" ? a.Tril() : a.Triu();
            var (values, vectors) = Linalg.Eigh(half, triangle);
            Near(a, (vectors * values.Unsqueeze(-2)).MatMul(vectors.MT));
            Near(Identity(a, a.Size(-1)), vectors.MT.MatMul(vectors));
            Near(values, values.Sort().Values);
            Near(values, Linalg.EigvalsH(half, triangle), 1e-12);
        }
    }

    [Theory]
    [MemberData(nameof(Squares))]
    public void Any_square_one_has_eigenvalues(string shape)
    {
        var a = Values(shape);
        var (values, v) = Linalg.Eig(a);
        ComplexTensor left = v;
        Near((v * values.Unsqueeze(-2)).ViewAsReal(), ((ComplexTensor)a).MatMul(left).ViewAsReal(), 1e-9);
        Near(Tensor.Ones([.. values.Shape], DType.Float64), v.Abs().Square().Sum([-2]));
        if (a.NumElements > 0 && a.Size(-1) < 10)
            Near(Linalg.Det(a), Product(values));
        static Tensor Product(ComplexTensor z)
        {
            var product = z.Select(-1, 0);
            for (long i = 1; i < z.Size(-1); i++)
                product *= z.Select(-1, i);
            return product.Real;
        }
    }

    [Fact]
    public void Complex_matrices_are_solved()
    {
        var a = Tensor.Complex(Regular("2x3x3"), Values("2x3x3", 8));
        var b = Tensor.Complex(Values("3x2", 9), Values("3x2", 10));
        var x = Linalg.Solve(a, b);
        Near(b.Expand(2, 3, 2).ViewAsReal(), a.MatMul(x).ViewAsReal());
        var inverse = Linalg.Inv(a);
        Near(Identity(a.Real, 3), a.MatMul(inverse).Real);
        Near(Identity(a.Real, 3) * 0, a.MatMul(inverse).Imag);
    }

    [Fact]
    public void Equal_and_zero_eigenvalues_and_singular_values()
    {
        foreach (
            var a in new[]
            {
                Tensor.Zeros([5, 5], DType.Float64),
                Tensor.Ones([6, 6], DType.Float64),
                Tensor.Eye(7, dtype: DType.Float64),
                Tensor.Eye(40, dtype: DType.Float64) * 1e-200 + Tensor.Ones([40, 40], DType.Float64),
            }
        )
        {
            var (values, vectors) = Linalg.Eigh(a);
            Near(a, (vectors * values.Unsqueeze(-2)).MatMul(vectors.MT));
            var (u, s, vh) = Linalg.SVD(a);
            Near(a, (u * s.Unsqueeze(-2)).MatMul(vh));
            Near(Identity(a, a.Size(-1)), u.MT.MatMul(u));
        }
    }

    [Fact]
    public void Float32_is_rounded_once()
    {
        var a = Regular("9x9", type: DType.Float32);
        Near(Linalg.Inv(a.To(DType.Float64)).To(DType.Float32), Linalg.Inv(a), 1e-7);
        Assert.Equal(DType.Float32, Linalg.SVD(a).S.DType);
        var wide = a.To(DType.Float64).T.Detach();
        Near(Linalg.Inv(a.T.To(DType.Float64)), Linalg.Inv(wide));
    }

    [Fact]
    public void Least_squares()
    {
        var (a, b) = (Values("2x7x3"), Values("2x7x2", 5));
        var (x, residuals, rank, singular) = Linalg.LstSq(a, b, driver: "gelsd");
        Near(Linalg.SvdVals(a), singular);
        Assert.Equal(0, Linalg.LstSq(a, b).Residuals.NumElements);
        Near(a.MT.MatMul(b), a.MT.MatMul(a).MatMul(x));
        Near((a.MatMul(x) - b).Square().Sum([-2]), residuals);
        Assert.Equal([3.0, 3], rank.ToDoubles());
        // Of many solutions the shortest, which is a combination of rows.
        var wide = Values("3x7");
        var least = Linalg.LstSq(wide, Values("3", 5)).Solution;
        Near(least, Linalg.Pinv(wide).MatMul(wide).MatMul(least));
        var low = Values("7x2").MatMul(Values("2x5", 4));
        Assert.Equal(2, Linalg.MatrixRank(low).Item());
        Near(low, low.MatMul(Linalg.Pinv(low)).MatMul(low));
        var symmetric = Values("5x2").MatMul(Values("5x2").MT);
        Near(Linalg.Pinv(symmetric), Linalg.Pinv(symmetric, hermitian: true), 1e-9);
    }

    [Fact]
    public void Exponentials_and_powers()
    {
        var turn = Tensor.From([0.0, -1, 1, 0], [2, 2]) * (Math.PI / 3);
        var (c, s) = (Math.Cos(Math.PI / 3), Math.Sin(Math.PI / 3));
        Near(Tensor.From([c, -s, s, c], [2, 2]), Linalg.MatrixExp(turn));
        var a = Values("2x4x4") * 5;
        var (half, whole) = ((a * 0.5).MatrixExp(), a.MatrixExp());
        Near(whole, half.MatMul(half));
        var b = Regular("3x3");
        Near(b.MatMul(b).MatMul(b).MatMul(b).MatMul(b), b.MatrixPower(5));
        Near(Tensor.Eye(3, dtype: DType.Float64), b.MatrixPower(-2).MatMul(b.MatrixPower(2)));
        Near(Tensor.Eye(3, dtype: DType.Float64), b.MatrixPower(0));
    }

    private static readonly Dictionary<string, (string Shapes, Func<Tensor[], Tensor> Run)> Differentiable = new()
    {
        ["inv"] = ("2x3x3", t => Linalg.Inv(Diagonally(t[0]))),
        ["solve"] = ("3x3 2x3x2", t => Linalg.Solve(Diagonally(t[0]), t[1])),
        ["solve of a vector"] = ("4x4 4", t => Linalg.Solve(Diagonally(t[0]), t[1])),
        ["solve from the right"] = ("3x3 2x3", t => Linalg.Solve(Diagonally(t[0]), t[1], left: false)),
        ["solve_triangular"] = ("3x3 3x2", t => Linalg.SolveTriangular(Diagonally(t[0]), t[1], upper: true)),
        ["solve_triangular unit"] = (
            "3x3 2x3",
            t => Linalg.SolveTriangular(t[0], t[1], upper: false, left: false, unitriangular: true)
        ),
        ["cholesky"] = ("2x3x3", t => Linalg.Cholesky(Definite(t[0]))),
        ["cholesky upper"] = ("3x3", t => Linalg.Cholesky(Definite(t[0]), upper: true)),
        ["cholesky_solve"] = ("3x3 3x2", t => t[1].CholeskySolve(Linalg.Cholesky(Definite(t[0])))),
        ["qr"] = ("5x3", t => Both(Linalg.QR(t[0]))),
        ["qr wide"] = ("2x3x4", t => Both(Linalg.QR(t[0]))),
        ["qr complete of wide"] = ("3x4", t => Both(Linalg.QR(t[0], "complete"))),
        ["lu"] = ("4x4", t => Both((Linalg.LU(t[0]).L, Linalg.LU(t[0]).U))),
        ["lu tall"] = ("5x3", t => Both((Linalg.LU(t[0]).L, Linalg.LU(t[0]).U))),
        ["lu wide"] = ("2x3x5", t => Linalg.LuFactor(t[0]).LU),
        ["lu_solve"] = (
            "3x3 3x2",
            t =>
            {
                var (lu, pivots) = Linalg.LuFactor(Diagonally(t[0]));
                return Linalg.LuSolve(lu, pivots, t[1]);
            }
        ),
        ["det"] = ("2x3x3", t => Linalg.Det(t[0])),
        ["slogdet"] = ("3x3", t => Linalg.SlogDet(t[0]).LogAbsDet),
        ["logdet"] = ("3x3", t => Linalg.LogDet(Definite(t[0]))),
        ["eigh values"] = ("2x3x3", t => Linalg.EigvalsH(t[0] + t[0].MT)),
        ["eigh"] = (
            "4x4",
            t =>
            {
                // Of vectors what does not change with their signs.
                var (values, v) = Linalg.Eigh(t[0] + t[0].MT);
                return Both((values, v * v.Detach().Narrow(0, 0, 1).Sign()));
            }
        ),
        ["eigvals"] = ("2x4x4", t => Linalg.Eigvals(t[0]).ViewAsReal().Square()),
        ["eig"] = (
            "4x4",
            t =>
            {
                // What does not change with the phases of vectors.
                var (values, v) = Linalg.Eig(t[0]);
                return Both((values.Abs(), v.Abs()));
            }
        ),
        ["svdvals"] = ("3x5", t => Linalg.SvdVals(t[0])),
        ["svd tall"] = ("5x3", t => Svd(t[0], false)),
        ["svd wide"] = ("2x3x4", t => Svd(t[0], true)),
        ["pinv tall"] = ("5x3", t => Linalg.Pinv(t[0])),
        ["pinv wide"] = ("2x3x4", t => Linalg.Pinv(t[0])),
        ["lstsq"] = ("5x3 5x2", t => Linalg.LstSq(t[0], t[1]).Solution),
        ["matrix_exp"] = ("2x3x3", t => Linalg.MatrixExp(t[0])),
        ["matrix_power"] = ("3x3", t => Linalg.MatrixPower(Diagonally(t[0]), -3)),
        ["multi_dot"] = ("3x5 5x2 2x4 4", t => Linalg.MultiDot(t)),
        ["cross"] = ("2x3 1x3", t => Linalg.Cross(t[0], t[1])),
        ["matrix_norm nuc"] = ("2x3x4", t => Linalg.MatrixNorm(t[0], "nuc")),
        ["matrix_norm 2"] = ("3x4", t => Linalg.MatrixNorm(t[0], 2)),
        ["matrix_norm 1"] = ("3x4", t => Linalg.MatrixNorm(t[0], 1).Square()),
        ["cond"] = ("3x3", t => Linalg.Cond(Diagonally(t[0]))),
        ["householder_product"] = ("4x3 2", t => Linalg.HouseholderProduct(t[0], t[1])),
        ["vander"] = ("2x3", t => Linalg.Vander(t[0], 4)),
        ["tensorsolve"] = ("2x3x6 2x3", t => Linalg.TensorSolve(t[0], t[1])),
        ["tensorinv"] = ("6x2x3", t => Linalg.TensorInv(t[0], 1)),
    };

    public static TheoryData<string> Names => [.. Differentiable.Keys];

    private static Tensor Diagonally(Tensor a) => a + Tensor.Eye(a.Size(-1), dtype: a.DType) * 3;

    private static Tensor Definite(Tensor a) => a.MatMul(a.MT) + Tensor.Eye(a.Size(-1), dtype: a.DType);

    private static Tensor Both((Tensor A, Tensor B) t) => Tensor.Cat([t.A.Flatten(), t.B.Flatten()]);

    private static Tensor Svd(Tensor a, bool full)
    {
        var (u, s, vh) = Linalg.SVD(a, full);
        long k = s.Size(-1);
        (u, vh) = (u.Narrow(-1, 0, k), vh.Narrow(-2, 0, k));
        var sign = u.Detach().Narrow(-2, 0, 1).Sign();
        return Tensor.Cat([(u * sign).Flatten(), s.Flatten(), (vh * sign.MT).Flatten()]);
    }

    private static Tensor Weighted(Tensor result)
    {
        var weights = Enumerable.Range(0, (int)result.NumElements).Select(i => (i * 37 % 41 - 20.5) / 16).ToArray();
        return (result * Tensor.From(weights, result.Shape)).Sum();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_are_those_of_differences(string name)
    {
        var (shapes, run) = Differentiable[name];
        var inputs = shapes.Split(' ').Select((s, i) => Values(s, 11 + i).Detach().RequiresGrad_()).ToArray();
        Weighted(run(inputs)).Backward(createGraph: true);
        var gradients = inputs.Select(t => t.Grad!).ToArray();
        double[][] found = [.. gradients.Select(g => g.ToDoubles())];
        Tensor Second(Tensor[] of) => of.Aggregate(Tensor.From(0.0), (sum, g) => sum + Weighted(g.Sin()));
        foreach (var t in inputs)
            t.Grad = null;
        Second(gradients).Backward();
        double[][] seconds = [.. inputs.Select(t => t.Grad?.ToDoubles() ?? new double[t.NumElements])];
        const double Step = 1e-6;
        for (int i = 0; i < inputs.Length; i++)
        {
            double[] at = inputs[i].ToDoubles();
            for (int e = 0; e < at.Length; e += Math.Max(1, at.Length / 8))
            {
                Tensor[] Moved(double by)
                {
                    double[] values = [.. at];
                    values[e] += by;
                    Tensor[] changed = [.. inputs.Select(t => t.Detach().Clone())];
                    changed[i] = Tensor.From(values, inputs[i].Shape);
                    return changed;
                }
                double Slope(Func<Tensor[], double> of) => (of(Moved(Step)) - of(Moved(-Step))) / (2 * Step);
                Close(Slope(t => Weighted(run(t)).Item()), found[i][e], 1e-5, "slope");
                double second = Slope(t =>
                {
                    foreach (var x in t)
                        x.RequiresGrad_();
                    Weighted(run(t)).Backward();
                    return Second([.. t.Select(x => x.Grad!)]).Item();
                });
                Close(second, seconds[i][e], 1e-4, "second slope");
                void Close(double expected, double value, double tolerance, string what) =>
                    Assert.True(
                        Math.Abs(expected - value) <= tolerance * Math.Max(1, Math.Abs(expected)),
                        $"{name}: {what} {e} of input {i} is {value}, by differences {expected}"
                    );
            }
        }
    }

    [Fact]
    public void Slopes_of_singular_determinants_are_cofactors()
    {
        var a = Tensor.From([1.0, 2, 3, 2, 4, 6, 1, 0, 1], [3, 3]).RequiresGrad_();
        Linalg.Det(a).Backward();
        // Of row 0 and 1, which depend on each other, and row 2, whose cofactors are 0.
        Near(Tensor.From([4.0, 4, -4, -2, -2, 2, 0, 0, 0], [3, 3]), a.Grad!, 1e-9);
    }

    [Fact]
    public void What_has_no_result_is_refused()
    {
        var singular = Tensor.Stack([Regular("3x3"), Tensor.Ones([3, 3], DType.Float64)]);
        Assert.Contains(
            "(Batch element 1): The diagonal element 2 is zero",
            Message<LinAlgException>(() => Linalg.Inv(singular))
        );
        Assert.Contains("singular", Message<LinAlgException>(() => Linalg.Solve(singular, singular)));
        Assert.Equal([0.0, 2], Linalg.InvEx(singular).Info.ToDoubles());
        Assert.Equal([0.0, 2], Linalg.SolveEx(singular, singular).Info.ToDoubles());
        Assert.Contains("not positive-definite", Message<LinAlgException>(() => Linalg.Cholesky(-Regular("3x3"))));
        Assert.Equal(1, Linalg.CholeskyEx(-Regular("3x3")).Info.Item());
        var broken = Tensor.Full([3, 3], double.NaN, DType.Float64);
        Assert.Contains("non-finite", Message<LinAlgException>(() => Linalg.Eigh(broken)));
        Assert.Contains("non-finite", Message<LinAlgException>(() => Linalg.SVD(broken)));
        Assert.Equal(double.PositiveInfinity, Linalg.Cond(Tensor.Ones([3, 3], DType.Float64), "fro").Item());
        Assert.Contains("[2, 3]", Message<ArgumentException>(() => Linalg.Inv(Values("2x3"))));
        Assert.Contains("[3]", Message<ArgumentException>(() => Linalg.SVD(Values("3"))));
        Assert.Contains("i64", Message<ArgumentException>(() => Linalg.Det(Tensor.Zeros([2, 2], DType.Int64))));
        Assert.Contains("f32", Message<ArgumentException>(() => Linalg.Solve(Regular("3x3"), Tensor.Ones(3, 1))));
        Assert.Contains("[4, 1]", Message<ArgumentException>(() => Linalg.Solve(Regular("3x3"), Values("4x1"))));
        Assert.Contains("complete", Message<ArgumentException>(() => Linalg.QR(Values("3x3"), "full")));
        var tall = Values("4x2").Detach().RequiresGrad_();
        Assert.Contains(
            "reduced",
            Message<InvalidOperationException>(() => Linalg.QR(tall, "complete").Q.Sum().Backward())
        );
    }

    private static string Message<TException>(Func<object> run)
        where TException : Exception => Assert.Throws<TException>(run).Message;

    private static string Message<TException>(Action run)
        where TException : Exception => Assert.Throws<TException>(run).Message;

    [SkippableFact]
    public void On_a_gpu_they_give_the_same()
    {
        var device = EmulatedGpu.Require();
        var a = Regular("2x3x3", type: DType.Float32).Detach();
        var there = a.ToDevice(device).RequiresGrad_();
        var here = a.RequiresGrad_();
        Linalg.Inv(here).Sum().Backward();
        var inverse = Linalg.Inv(there);
        Assert.Equal(device, inverse.Device);
        inverse.Sum().Backward();
        Near(here.Grad!, there.Grad!.Cpu(), 1e-5);
    }

    [Fact]
    public void On_the_meta_device_there_are_shapes()
    {
        var a = Tensor.Empty([2, 5, 3], DType.Float32, Device.Meta);
        var (u, s, vh) = Linalg.SVD(a, false);
        Assert.Equal([2, 5, 3], u.Shape.ToArray());
        Assert.Equal([2, 3], s.Shape.ToArray());
        Assert.Equal([2, 3, 3], vh.Shape.ToArray());
        Assert.Equal([2], Linalg.Det(a.Narrow(1, 0, 3)).Shape.ToArray());
    }
}
