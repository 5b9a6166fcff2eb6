using System.Numerics;
using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Factors of complex matrices: what they multiply to, and gradients against differences.</summary>
public class ComplexMatrixTests
{
    private static ComplexTensor Some(int seed, params long[] shape)
    {
        var random = new Random(seed);
        long count = shape.Aggregate(1L, (n, e) => n * e);
        return ComplexTensor
            .From(
                [
                    .. Enumerable
                        .Range(0, (int)count)
                        .Select(_ => new Complex(random.NextDouble() - 0.5, random.NextDouble() - 0.5)),
                ],
                shape
            )
            .To(DType.Float64);
    }

    private static void Near(ComplexTensor expected, ComplexTensor found) =>
        Assert.True(found.AllClose(expected, 1e-10, 1e-10), $"{found}\ninstead of\n{expected}");

    private static ComplexTensor Eye(long n) => Tensor.Eye(n, dtype: DType.Float64);

    private static ComplexTensor Times(ComplexTensor a, Tensor columns) => a * columns.Unsqueeze(-2);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(13)]
    public void Hermitian_eigenvalues(long n)
    {
        var a = Some(1, 2, n, n);
        var whole = a + a.MH;
        foreach (string uplo in new[] { "L", "U" })
        {
            // The other triangle is not read.
            var half =
                uplo == "L"
                    ? new ComplexTensor(whole.Real.Tril(), whole.Imag.Tril())
                    : new ComplexTensor(whole.Real.Triu(), whole.Imag.Triu());
            var (l, v) = Linalg.Eigh(half, uplo);
            Near(whole, Times(v, l).MatMul(v.MH));
            Near(Eye(n).Expand(2, n, n), v.MH.MatMul(v));
            Assert.True((l.Diff() >= 0).All().Item() != 0);
            Assert.True(Linalg.EigvalsH(half, uplo).AllClose(l));
        }
    }

    [Theory]
    [InlineData(3, 3)]
    [InlineData(5, 2)]
    [InlineData(2, 5)]
    [InlineData(1, 4)]
    [InlineData(7, 7)]
    public void Singular_values(long m, long n)
    {
        var a = Some(2, 2, m, n);
        var (u, s, v) = Linalg.SVD(a, fullMatrices: false);
        Near(a, Times(u, s).MatMul(v));
        Assert.True((s.Diff() <= 0).All().Item() != 0);
        var (wholeU, _, wholeV) = Linalg.SVD(a);
        Near(Eye(m).Expand(2, m, m), wholeU.MH.MatMul(wholeU));
        Near(Eye(n).Expand(2, n, n), wholeV.MatMul(wholeV.MH));
        // The norm of Frobenius, and of real matrices the real ones.
        Assert.Equal(a.Abs().Square().Sum().Item(), s.Square().Sum().Item(), 1e-10);
        Assert.True(Linalg.SvdVals((ComplexTensor)a.Real).AllClose(Linalg.SvdVals(a.Real)));
        // Of rank 1: columns are completed.
        var flat = Some(3, m, 1).MatMul(Some(4, 1, n));
        var (flatU, flatS, flatV) = Linalg.SVD(flat, fullMatrices: false);
        Near(flat, Times(flatU, flatS).MatMul(flatV));
        Near(Eye(Math.Min(m, n)), flatU.MH.MatMul(flatU));
    }

    [Fact]
    public void Determinants_and_Cholesky()
    {
        var a = ComplexTensor.From([new(1, 2), new(0, -1), new(3, 0), new(2, 2)], [2, 2]).To(DType.Float64);
        // (1 + 2i)(2 + 2i) + i · 3.
        Assert.Equal(new Complex(-2, 9), Linalg.Det(a).Item(), (x, y) => Complex.Abs(x - y) < 1e-12);
        var (sign, log) = Linalg.SlogDet(a);
        Assert.Equal(Math.Log(Math.Sqrt(85)), log.Item(), 1e-12);
        Near(Linalg.Det(a), sign * log.Exp());
        Assert.Equal(Complex.Zero, Linalg.Det(ComplexTensor.Zeros(2, 2)).Item());
        Assert.Equal(Complex.One, Linalg.Det(ComplexTensor.Zeros(0, 0)).Item());
        var b = Some(5, 3, 4, 4);
        var positive = b.MatMul(b.MH) + Eye(4);
        var l = Linalg.Cholesky(positive);
        Near(positive, l.MatMul(l.MH));
        var r = Linalg.Cholesky(positive, upper: true);
        Near(positive, r.MH.MatMul(r));
        Assert.Contains(
            "not positive-definite",
            Assert.Throws<LinAlgException>(() => Linalg.Cholesky(-1.0 * positive)).Message
        );
        Assert.Throws<ArgumentException>(() => Linalg.Det(Some(1, 2, 3)));
        Assert.Throws<LinAlgException>(() => Linalg.SvdVals(b * double.NaN));
        Assert.Equal([0, 3], Linalg.SvdVals(ComplexTensor.Zeros(0, 3, 4)).Shape);
    }

    // Real functions of the results that no phase changes.
    public static TheoryData<string> Functions { get; } =
    ["det", "slogdet", "sign", "eigh", "eigvalsh", "svd", "wide", "tall", "svdvals", "cholesky"];

    [Theory]
    [MemberData(nameof(Functions))]
    public void Gradients_are_those_of_differences(string kind)
    {
        var (rows, columns) = kind switch
        {
            "wide" => (2L, 4L),
            "tall" => (4L, 2L),
            _ => (3L, 3L),
        };
        var weight = Some(9, rows, rows);
        var other = Some(10, columns, columns);
        Tensor Of(Tensor re, Tensor im)
        {
            var a = new ComplexTensor(re, im);
            switch (kind)
            {
                case "det":
                    var det = Linalg.Det(a);
                    return det.Real * 2 - det.Imag;
                case "slogdet":
                    return Linalg.SlogDet(a).LogAbsDet;
                case "sign":
                    var sign = Linalg.SlogDet(a).Sign;
                    return sign.Real * 2 - sign.Imag;
                case "eigh":
                    var (l, v) = Linalg.Eigh(a + a.MH);
                    var projected = Times(v, l.Sin()).MatMul(v.MH) * weight;
                    return projected.Sum().Real + l.Square().Sum();
                case "eigvalsh":
                    return (Linalg.EigvalsH(a + a.MH) * Tensor.Arange(3).To(DType.Float64)).Sum();
                case "cholesky":
                    var factor = Linalg.Cholesky(a.MatMul(a.MH) + Eye(3)) * weight;
                    return factor.Sum().Real - factor.Sum().Imag;
                case "svdvals":
                    return (Linalg.SvdVals(a) * Tensor.Arange(3).To(DType.Float64)).Sum();
                default:
                    var (u, s, vh) = Linalg.SVD(a, fullMatrices: false);
                    var left = Times(u, s.Sin()).MatMul(u.MH) * weight;
                    var right = vh.MH.MatMul(vh) * other;
                    // Both turn by the same phase.
                    var polar = u.MatMul(vh);
                    return left.Sum().Real - right.Sum().Imag + polar.Sum().Real + s.Sum();
            }
        }
        var start = Some(7, rows, columns);
        Assert.True(
            Autograd.GradCheck(
                t => Of(t[0], t[1]),
                [start.Real.Clone().RequiresGrad_(), start.Imag.Clone().RequiresGrad_()]
            )
        );
    }
}
