using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

// Sums of products by the letters of dimensions, and products that have names.
public sealed partial class Tensor
{
    /// <summary>
    /// Sums of products in Einstein's notation: <c>Einsum("bij,bjk->bik", a, b)</c>. A letter is a dimension, of one size (or 1) wherever it
    /// stands; what the result does not have is summed over. A letter twice in one operand is its diagonal, <c>...</c> stands for any
    /// dimensions, which broadcast. Without an arrow the result has the letters that come once, in order. Two operands at a time are
    /// multiplied as matrices, those first whose product is smallest.
    /// </summary>
    /// <param name="equation">Letters a–z and A–Z.</param>
    /// <param name="operands">As many as the equation has, of one dtype.</param>
    /// <exception cref="ArgumentException">An equation that cannot be read or does not fit the operands; says where.</exception>
    public static Tensor Einsum(string equation, params ReadOnlySpan<Tensor> operands)
    {
        ArgumentNullException.ThrowIfNull(equation);
        for (int i = 0; i < operands.Length; i++)
            RequireNotNull(operands[i], nameof(operands), i);
        var sum = EinsteinSum.Parse(equation, operands);
        return sum.Run(operands);
    }

    /// <summary>The sum of the products of two vectors.</summary>
    /// <exception cref="ArgumentException">Not vectors of one size and dtype.</exception>
    public Tensor Dot(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Rank != 1 || other.Rank != 1 || NumElements != other.NumElements)
            throw new ArgumentException(
                $"dot: needs two vectors of one size, but the shapes are {Layout} and {other.Layout}."
            );
        return MatMul(other);
    }

    /// <inheritdoc cref="Dot"/>
    public Tensor Vdot(Tensor other) => Dot(other);

    /// <summary>Sums of products along the last dimensions of both; of scalars the product.</summary>
    /// <exception cref="ArgumentException">Last dimensions of different sizes.</exception>
    public Tensor Inner(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Rank == 0 || other.Rank == 0)
            return this * other;
        if (Layout.Sizes[^1] != other.Layout.Sizes[^1])
            throw new ArgumentException($"inner: the last sizes of the shapes {Layout} and {other.Layout} differ.");
        return TensorDot(other, [-1], [-1]);
    }

    /// <summary>The products of all elements of two vectors, a row for each of the first.</summary>
    /// <exception cref="ArgumentException">Not vectors.</exception>
    public Tensor Outer(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Rank != 1 || other.Rank != 1)
            throw new ArgumentException($"outer: needs two vectors, but the shapes are {Layout} and {other.Layout}.");
        return Unsqueeze(1) * other;
    }

    /// <summary>The Kronecker product: each element of this times all of the other, in its place.</summary>
    public Tensor Kron(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        int rank = Math.Max(Rank, other.Rank);
        long[] own = [.. Enumerable.Repeat(1L, rank - Rank), .. Layout.Sizes];
        long[] others = [.. Enumerable.Repeat(1L, rank - other.Rank), .. other.Layout.Sizes];
        var (a, b, sizes) = (new long[2 * rank], new long[2 * rank], new long[rank]);
        for (int d = 0; d < rank; d++)
        {
            (a[2 * d], a[2 * d + 1]) = (own[d], 1);
            (b[2 * d], b[2 * d + 1]) = (1, others[d]);
            sizes[d] = own[d] * others[d];
        }
        return (ReshapeTo(a) * other.ReshapeTo(b)).ReshapeTo(sizes);
    }

    /// <summary>The sum of the diagonal of a matrix.</summary>
    /// <exception cref="ArgumentException">Not a matrix.</exception>
    public Tensor Trace() =>
        Rank == 2
            ? Diagonal().Sum()
            : throw new ArgumentException($"trace: needs a matrix, but the shape is {Layout}.");

    /// <summary>Sums of products over the last dimensions of this and the first of another.</summary>
    /// <exception cref="ArgumentException">More dimensions than one of both has, or sizes that do not fit.</exception>
    public Tensor TensorDot(Tensor other, int dims = 2)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (dims < 0 || dims > Rank || dims > other.Rank)
            throw new ArgumentException(
                $"tensordot: {dims} dimensions of the shapes {Layout} and {other.Layout} cannot be summed over."
            );
        return TensorDot(other, [.. Enumerable.Range(Rank - dims, dims)], [.. Enumerable.Range(0, dims)]);
    }

    /// <summary>Sums of products over pairs of dimensions of both, of which the sizes are equal or one is 1.</summary>
    /// <exception cref="ArgumentException">Not as many dimensions of both, one named twice, or sizes that do not fit.</exception>
    public Tensor TensorDot(Tensor other, ReadOnlySpan<int> dims, ReadOnlySpan<int> otherDims)
    {
        ArgumentNullException.ThrowIfNull(other);
        const string What = "tensordot";
        if (dims.Length != otherDims.Length)
            throw new ArgumentException(
                $"{What}: {dims.Length} dimensions of the first and {otherDims.Length} of the second are named; there must be as many."
            );
        if (DType != other.DType)
            throw new ArgumentException(
                $"{What}: the dtypes {DType.Name()} and {other.DType.Name()} differ; convert one with To()."
            );
        int[] own = new int[dims.Length];
        int[] others = new int[dims.Length];
        var (a, b) = (this, other);
        for (int i = 0; i < own.Length; i++)
        {
            (own[i], others[i]) = (Layout.Dim(dims[i], What), other.Layout.Dim(otherDims[i], What));
            var (n, m) = (a.Layout.Sizes[own[i]], b.Layout.Sizes[others[i]]);
            if (n == m)
                continue;
            // What has size 1 stands for all.
            if (m == 1)
                a = a.Sum(own[i], keepdim: true);
            else if (n == 1)
                b = b.Sum(others[i], keepdim: true);
            else
                throw new ArgumentException(
                    $"{What}: dimension {dims[i]} of shape {Layout} and {otherDims[i]} of {other.Layout} differ in size."
                );
        }
        if (own.Distinct().Count() < own.Length || others.Distinct().Count() < others.Length)
            throw new ArgumentException($"{What}: a dimension is named twice.");
        (a, b) = (a.To(DType), b.To(DType));
        int[] left = [.. Enumerable.Range(0, Rank).Except(own)];
        int[] right = [.. Enumerable.Range(0, other.Rank).Except(others)];
        long k = own.Aggregate(1L, (n, d) => n * a.Layout.Sizes[d]);
        long[] leftSizes = [.. left.Select(d => a.Layout.Sizes[d])];
        long[] rightSizes = [.. right.Select(d => b.Layout.Sizes[d])];
        var product = Multiplied(
            a.Permute([.. left, .. own]).ReshapeTo([Layout.CountOf(leftSizes), k]),
            b.Permute([.. others, .. right]).ReshapeTo([k, Layout.CountOf(rightSizes)])
        );
        return product.ReshapeTo([.. leftSizes, .. rightSizes]);
    }

    // [m, k] · [k, n] or batches of them, also of bools (as PyTorch's sums of them in bool: any).
    internal static Tensor Multiplied(Tensor a, Tensor b) =>
        a.DType == DType.Bool ? a.To(DType.Int32).MatMul(b.To(DType.Int32)).Ne(0) : a.MatMul(b);

    /// <summary>The product of a matrix with a vector.</summary>
    /// <exception cref="ArgumentException">Not a matrix and a vector that fit.</exception>
    public Tensor Mv(Tensor vector)
    {
        ArgumentNullException.ThrowIfNull(vector);
        if (Rank != 2 || vector.Rank != 1)
            throw new ArgumentException(
                $"mv: needs a matrix and a vector, but the shapes are {Layout} and {vector.Layout}."
            );
        return MatMul(vector);
    }

    /// <summary>The product of two matrices.</summary>
    /// <exception cref="ArgumentException">Not matrices that fit.</exception>
    public Tensor Mm(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Rank != 2 || other.Rank != 2)
            throw new ArgumentException($"mm: needs two matrices, but the shapes are {Layout} and {other.Layout}.");
        return MatMul(other);
    }

    /// <summary>The products of two batches of matrices, [batch, m, k] · [batch, k, n].</summary>
    /// <exception cref="ArgumentException">Not batches of as many matrices that fit.</exception>
    public Tensor Bmm(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Rank != 3 || other.Rank != 3 || Layout.Sizes[0] != other.Layout.Sizes[0])
            throw new ArgumentException(
                $"bmm: needs two batches of as many matrices, but the shapes are {Layout} and {other.Layout}."
            );
        return MatMul(other);
    }

    /// <summary>beta · this + alpha · mat1 · mat2, for matrices; with a beta of 0 what is in this does not matter.</summary>
    /// <exception cref="ArgumentException">Matrices that do not fit, other dtypes, or a tensor that does not broadcast to the product.</exception>
    public Tensor Addmm(Tensor mat1, Tensor mat2, double beta = 1, double alpha = 1)
    {
        ArgumentNullException.ThrowIfNull(mat1);
        if (Picograd.Autocast.Of("addmm", this) is { } cast)
            return cast.Run([this, mat1, Given(mat2)], t => t[0].Addmm(t[1], t[2], beta, alpha));
        return Sum("addmm", mat1.Mm(Given(mat2)), beta, alpha);
    }

    /// <summary>beta · this + alpha · batch1 · batch2, for batches of matrices.</summary>
    /// <inheritdoc cref="Addmm"/>
    public Tensor Baddbmm(Tensor batch1, Tensor batch2, double beta = 1, double alpha = 1)
    {
        ArgumentNullException.ThrowIfNull(batch1);
        if (Picograd.Autocast.Of("baddbmm", this) is { } cast)
            return cast.Run([this, batch1, Given(batch2)], t => t[0].Baddbmm(t[1], t[2], beta, alpha));
        return Sum("baddbmm", batch1.Bmm(Given(batch2)), beta, alpha);
    }

    /// <summary>beta · this + alpha · mat · vec.</summary>
    /// <inheritdoc cref="Addmm"/>
    public Tensor Addmv(Tensor mat, Tensor vec, double beta = 1, double alpha = 1)
    {
        ArgumentNullException.ThrowIfNull(mat);
        if (Picograd.Autocast.Of("addmv", this) is { } cast)
            return cast.Run([this, mat, Given(vec)], t => t[0].Addmv(t[1], t[2], beta, alpha));
        return Sum("addmv", mat.Mv(Given(vec)), beta, alpha);
    }

    /// <summary>beta · this + alpha · vec1 ⊗ vec2.</summary>
    /// <inheritdoc cref="Addmm"/>
    public Tensor Addr(Tensor vec1, Tensor vec2, double beta = 1, double alpha = 1)
    {
        ArgumentNullException.ThrowIfNull(vec1);
        if (Picograd.Autocast.Of("addr", this) is { } cast)
            return cast.Run([this, vec1, Given(vec2)], t => t[0].Addr(t[1], t[2], beta, alpha));
        return Sum("addr", vec1.Outer(Given(vec2)), beta, alpha);
    }

    private Tensor Sum(string what, Tensor product, double beta, double alpha)
    {
        if (DType != product.DType)
            throw new ArgumentException(
                $"{what}: the tensor is {DType.Name()} and the product {product.DType.Name()}; convert one with To()."
            );
        if (
            Broadcasting.Shape(Layout, product.Layout) is not { } fits
            || !fits.AsSpan().SequenceEqual(product.Layout.Sizes)
        )
            throw new ArgumentException(
                $"{what}: the tensor of shape {Layout} does not broadcast to the shape {product.Layout} of the product."
            );
        Scalar Of(double by) =>
            DType.IsFloat() ? (Scalar)by
            : by == Math.Truncate(by) ? (Scalar)(long)by
            : throw new ArgumentException(
                $"{what}: alpha and beta must be whole numbers for {DType.Name()}, but one is {by}."
            );
        var (scale, shift) = (Of(alpha), Of(beta));
        var scaled = alpha == 1 ? product : product * scale;
        return beta == 0 ? scaled : (beta == 1 ? this : this * shift) + scaled;
    }

    /// <summary>The distances of all rows of one matrix to all rows of another, [.., m, n] of [.., m, d] and [.., n, d], in the p-norm.</summary>
    /// <param name="x1">Floats.</param>
    /// <param name="x2">Of the same dtype.</param>
    /// <param name="p">At least 0; infinity is the largest difference.</param>
    /// <exception cref="ArgumentException">Other dtypes, rows of different sizes, batches that do not broadcast, or a negative p.</exception>
    public static Tensor Cdist(Tensor x1, Tensor x2, double p = 2)
    {
        ArgumentNullException.ThrowIfNull(x1);
        ArgumentNullException.ThrowIfNull(x2);
        if (Picograd.Autocast.Of("cdist", x1) is { } cast)
            return cast.Run([x1, x2], t => Cdist(t[0], t[1], p));
        x1.RequireFloat("cdist");
        if (!(p >= 0))
            throw new ArgumentException($"cdist: p is {p}, but must be at least 0.");
        if (x1.Rank < 2 || x2.Rank < 2 || x1.DType != x2.DType || x1.Layout.Sizes[^1] != x2.Layout.Sizes[^1])
            throw new ArgumentException(
                $"cdist: {x1.DType.Name()} of shape {x1.Layout} and {x2.DType.Name()} of {x2.Layout} do not fit; both must be matrices or batches of them, of one dtype, with rows of one size."
            );
        return (x1.Unsqueeze(-2) - x2.Unsqueeze(-3)).Norm(p, -1);
    }
}
