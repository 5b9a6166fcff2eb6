using Picograd.Algorithms;
using Picograd.Gradients;
using Picograd.LinearAlgebra;

namespace Picograd;

public static unsafe partial class Linalg
{
    // Saved: real and imaginary parts of eigenvalues and of vectors. One of the four is given the gradient.
    private static readonly Rule[] EigRules =
    [
        new("linalg_eig", Saves.Nothing, static (n, g) => SendEig(n, new(g, Tensor.ZerosLike(g)), null)),
        new("linalg_eig", Saves.Nothing, static (n, g) => SendEig(n, new(Tensor.ZerosLike(g), g), null)),
        new("linalg_eig", Saves.Nothing, static (n, g) => SendEig(n, null, new(g, Tensor.ZerosLike(g)))),
        new("linalg_eig", Saves.Nothing, static (n, g) => SendEig(n, null, new(Tensor.ZerosLike(g), g))),
    ];

    // V⁻ᴴ · (diag gL + (Vᴴ · gV − Vᴴ · V · diag Re(Vᴴ · gV)) / conj E) · Vᴴ, of real matrices the real part.
    private static void SendEig(Node n, ComplexTensor? ofValues, ComplexTensor? ofVectors)
    {
        var values = new ComplexTensor(n.Saved(0), n.Saved(1));
        var v = new ComplexTensor(n.Saved(2), n.Saved(3));
        var h = v.MH;
        ComplexTensor inner;
        if (ofValues is not null)
            inner = h * ofValues.Unsqueeze(-1);
        else
        {
            var turned = h.MatMul(ofVectors!);
            var lengths = turned.Real.Diagonal(0, -2, -1).Unsqueeze(-2);
            var gaps = (values.Unsqueeze(-2) - values.Unsqueeze(-1)).Conj() + EyeLike(v.Real);
            var middle = (turned - h.MatMul(v) * lengths) / gaps;
            // The gaps of the diagonal are 0, and so are its gradients.
            inner = (middle * (1 - EyeLike(v.Real))).MatMul(h);
        }
        n.Send(0, Solve(h, inner).Real);
    }

    /// <summary>Eigenvalues, in no order, and vectors, in columns of length 1, of square matrices: complex numbers.</summary>
    /// <exception cref="LinAlgException">Numbers that are not finite.</exception>
    public static (ComplexTensor Eigenvalues, ComplexTensor Eigenvectors) Eig(Tensor a)
    {
        const string What = "linalg.eig";
        RequireSquare(What, a);
        int side = checked((int)a.Layout.Sizes[^1]);
        long[] batch = BatchOf(a);
        var results = HostMatrices.Run(
            batch,
            [a],
            [([side], a.DType), ([side], a.DType), ([side, side], a.DType), ([side, side], a.DType)],
            (index, from, to) =>
            {
                RequireFinite(What, from[0], side * side, index, batch);
                var eigen = new GeneralEigen(new ReadOnlySpan<double>(from[0], side * side), side);
                if (!eigen.Run())
                    throw NoEnd(What, index, batch);
                eigen.Real.CopyTo(new Span<double>(to[0], side));
                eigen.Imag.CopyTo(new Span<double>(to[1], side));
                double* real = to[2];
                double* imag = to[3];
                eigen.Vectors((i, j, re, im) => (real[i * side + j], imag[i * side + j]) = (re, im));
            }
        );
        for (int i = 0; i < results.Length; i++)
            Record(results[i], EigRules[i], a, results[0], results[1], results[2], results[3]);
        return (new(results[0], results[1]), new(results[2], results[3]));
    }

    /// <summary>The eigenvalues of <see cref="Eig"/>.</summary>
    public static ComplexTensor Eigvals(Tensor a) => Eig(a).Eigenvalues;

    // [[re, −im], [im, re]].
    private static Tensor Whole(ComplexTensor a) =>
        Tensor.Cat([Tensor.Cat([a.Real, -a.Imag], -1), Tensor.Cat([a.Imag, a.Real], -1)], -2);

    /// <summary>X of A · X = B of complex matrices, whose real forms are solved.</summary>
    /// <exception cref="LinAlgException">A matrix is singular.</exception>
    public static ComplexTensor Solve(ComplexTensor a, ComplexTensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (b.Rank == 1)
            return Solve(a, b.Unsqueeze(-1)).Squeeze(-1);
        RequireSquare("linalg.solve", a.Real, "A");
        long side = a.Size(-1);
        var x = Solve(Whole(a), Tensor.Cat([b.Real, b.Imag], -2));
        return new(x.Narrow(-2, 0, side), x.Narrow(-2, side, side));
    }

    /// <summary>A⁻¹ of complex matrices.</summary>
    /// <exception cref="LinAlgException">A matrix is singular.</exception>
    public static ComplexTensor Inv(ComplexTensor a)
    {
        ArgumentNullException.ThrowIfNull(a);
        RequireSquare("linalg.inv", a.Real, "A");
        return Solve(a, (ComplexTensor)EyeLike(a.Real));
    }
}
