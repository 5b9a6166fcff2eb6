using Picograd.Algorithms;

namespace Picograd;

// What PyTorch has as functions of tensors, too; the work is Linalg's.
public sealed partial class Tensor
{
    /// <inheritdoc cref="Linalg.Det"/>
    public Tensor Det() => Linalg.Det(this);

    /// <inheritdoc cref="Linalg.LogDet"/>
    public Tensor LogDet() => Linalg.LogDet(this);

    /// <inheritdoc cref="Linalg.SlogDet"/>
    public (Tensor Sign, Tensor LogAbsDet) SlogDet() => Linalg.SlogDet(this);

    /// <inheritdoc cref="Linalg.Inv"/>
    public Tensor Inverse() => Linalg.Inv(this);

    /// <summary>The pseudo-inverse; see <see cref="Linalg.Pinv"/>.</summary>
    /// <param name="rcond">Singular values at most as large, in parts of the largest, count as 0.</param>
    public Tensor Pinverse(double rcond = 1e-15) => Linalg.Pinv(this, rtol: rcond);

    /// <inheritdoc cref="Linalg.Cholesky(Tensor, bool)"/>
    public Tensor Cholesky(bool upper = false)
    {
        if (Rank < 2 || Layout.Sizes[^1] != Layout.Sizes[^2])
            throw new ArgumentException($"cholesky: needs batches of square matrices, but the shape is {Layout}.");
        return Linalg.Cholesky(this, upper);
    }

    /// <summary>X of A · X = this, of the factor of A that <see cref="Cholesky"/> gave.</summary>
    public Tensor CholeskySolve(Tensor input, bool upper = false)
    {
        ArgumentNullException.ThrowIfNull(input);
        var l = upper ? input.MT : input;
        return Linalg.SolveTriangular(l.MT, Linalg.SolveTriangular(l, this, upper: false), upper: true);
    }

    /// <summary>A⁻¹, of the factor of A that <see cref="Cholesky"/> gave.</summary>
    public Tensor CholeskyInverse(bool upper = false)
    {
        if (Rank < 2 || Layout.Sizes[^1] != Layout.Sizes[^2])
            throw new ArgumentException(
                $"cholesky_inverse: needs batches of square matrices, but the shape is {Layout}."
            );
        return Eye(Layout.Sizes[^1], null, DType, Device).Expand(Shape).CholeskySolve(this, upper);
    }

    /// <summary>Q and R; see <see cref="Linalg.QR"/>.</summary>
    /// <param name="some">Whether Q has as many columns as the smaller side, else as many as there are rows.</param>
    public (Tensor Q, Tensor R) QR(bool some = true) => Linalg.QR(this, some ? "reduced" : "complete");

    /// <summary>The factors and pivots of <see cref="Linalg.LuFactor"/>.</summary>
    public (Tensor LU, Tensor Pivots) LU(bool pivot = true) => Linalg.LuFactor(this, pivot);

    /// <summary>X of A · X = this, of what <see cref="LU"/> made of A.</summary>
    public Tensor LuSolve(Tensor luData, Tensor luPivots) => Linalg.LuSolve(Given(luData), Given(luPivots), this);

    /// <summary>P, L and U of what <see cref="LU"/> gave.</summary>
    public static (Tensor P, Tensor L, Tensor U) LuUnpack(Tensor luData, Tensor luPivots) =>
        Linalg.LuUnpack(Given(luData), Given(luPivots));

    /// <summary>U, S and V (not its transpose, as <see cref="Linalg.SVD"/> has it) of this = U · diag(S) · Vᵀ.</summary>
    public (Tensor U, Tensor S, Tensor V) SVD(bool some = true, bool computeUv = true)
    {
        if (computeUv)
        {
            var (u, s, vh) = Linalg.SVD(this, !some);
            return (u, s, vh.MT);
        }
        var values = Linalg.SvdVals(this);
        long[] batch = [.. Layout.Sizes[..^2]];
        Tensor Nothing(long side) => Zeros([.. batch, side, side], DType, Device);
        return (Nothing(Layout.Sizes[^2]), values, Nothing(Layout.Sizes[^1]));
    }

    /// <summary>X of A · X = this of a triangle of A, and A.</summary>
    public (Tensor Solution, Tensor ClonedCoefficient) TriangularSolve(
        Tensor a,
        bool upper = true,
        bool transpose = false,
        bool unitriangular = false
    )
    {
        ArgumentNullException.ThrowIfNull(a);
        var x = transpose
            ? Linalg.SolveTriangular(a.MT, this, !upper, true, unitriangular)
            : Linalg.SolveTriangular(a, this, upper, true, unitriangular);
        return (x, a.Clone());
    }

    /// <inheritdoc cref="Linalg.MatrixPower"/>
    public Tensor MatrixPower(long n) => Linalg.MatrixPower(this, n);

    /// <inheritdoc cref="Linalg.MatrixExp"/>
    public Tensor MatrixExp() => Linalg.MatrixExp(this);

    /// <summary>The product of several matrices, in the order that multiplies least.</summary>
    public static Tensor ChainMatmul(params ReadOnlySpan<Tensor> matrices) =>
        matrices.Length == 1 ? Given(matrices[0]) : Linalg.MultiDot(matrices);

    /// <summary>The cross product along a dimension; null is the first of size 3.</summary>
    public Tensor Cross(Tensor other, int? dim = null)
    {
        ArgumentNullException.ThrowIfNull(other);
        int d = dim ?? Layout.Sizes.IndexOf(3);
        if (d < 0 && dim is null)
            throw new ArgumentException($"cross: no dimension of the shape {Layout} has size 3.");
        return Linalg.Cross(this, other, d);
    }

    /// <summary>A norm of all elements or of matrices: "fro" or "nuc".</summary>
    public Tensor Norm(string p, ReadOnlySpan<int> dims = default, bool keepdim = false)
    {
        if (p == "fro")
            return Norm(2, dims, keepdim);
        if (p != "nuc")
            throw new ArgumentException($"norm: p is \"{p}\", but must be \"fro\", \"nuc\" or a number.");
        if (dims.Length == 0 ? Rank != 2 : dims.Length != 2)
            throw new ArgumentException(
                $"norm: of order \"nuc\" needs two dimensions; the shape is {Layout} and dims names {dims.Length}."
            );
        return dims.Length == 2
            ? Linalg.MatrixNorm(this, p, dims[0], dims[1], keepdim)
            : Linalg.MatrixNorm(this, p, keepdim: keepdim);
    }
}
