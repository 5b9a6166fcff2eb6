using Picograd.Algorithms;

namespace Picograd;

public static partial class Linalg
{
    /// <summary>(Σ |x|ᵖ)^(1/p) over some dimensions (none named: all).</summary>
    /// <param name="x">Floats.</param>
    /// <param name="ord">p: any number; 0 counts what is not 0, ±∞ is the largest or smallest magnitude.</param>
    /// <param name="dim">The dimensions.</param>
    /// <param name="keepdim">Whether they stay with size 1.</param>
    /// <param name="dtype">What x is converted to first.</param>
    public static Tensor VectorNorm(
        Tensor x,
        double ord = 2,
        ReadOnlySpan<int> dim = default,
        bool keepdim = false,
        DType? dtype = null
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        if (!x.DType.IsFloat())
            throw new ArgumentException(
                $"linalg.vector_norm: needs floats, but the dtype is {x.DType.Name()}; convert it with To()."
            );
        bool isNothing = dim.IsEmpty && x.NumElements == 0;
        foreach (int d in dim)
            isNothing |= d >= -x.Rank && d < x.Rank && x.Layout.Sizes[d < 0 ? d + x.Rank : d] == 0;
        if (ord < 0 && isNothing)
            throw new ArgumentException(
                $"linalg.vector_norm: of order {ord} there must be elements, but the shape is {x.Layout}."
            );
        return x.To(dtype ?? x.DType).Norm(ord, dim, keepdim);
    }

    /// <summary>A norm of matrices: "fro" (of all elements) or "nuc" (Σ of singular values).</summary>
    public static Tensor MatrixNorm(Tensor a, string ord = "fro", int dim0 = -2, int dim1 = -1, bool keepdim = false)
    {
        var (first, second) = MatrixDims(a, dim0, dim1);
        if (ord == "fro")
            return a.Norm(2, [first, second], keepdim);
        if (ord != "nuc")
            throw new ArgumentException(
                $"linalg.matrix_norm: ord is \"{ord}\", but must be \"fro\", \"nuc\", or one of the numbers 1, -1, 2, -2, ∞, -∞."
            );
        RequireFloats("linalg.matrix_norm", a);
        return Kept(SvdVals(ToBack(a, first, second)).Sum([-1]), first, second, keepdim);
    }

    /// <summary>A norm of matrices: 1 and ∞ are largest sums of magnitudes in columns and rows, 2 the largest singular value; −1, −∞, −2 the smallest.</summary>
    public static Tensor MatrixNorm(Tensor a, double ord, int dim0 = -2, int dim1 = -1, bool keepdim = false)
    {
        var (first, second) = MatrixDims(a, dim0, dim1);
        double size = Math.Abs(ord);
        if (size == 2)
        {
            RequireFloats("linalg.matrix_norm", a);
            var s = SvdVals(ToBack(a, first, second));
            if (s.Layout.Sizes[^1] == 0 && ord > 0)
                return Kept(s.Sum([-1]), first, second, keepdim);
            RequireSome(s.Layout.Sizes[^1], a, ord);
            return Kept(s.Select(-1, ord > 0 ? 0 : s.Layout.Sizes[^1] - 1), first, second, keepdim);
        }
        if (size != 1 && !double.IsInfinity(size))
            throw new ArgumentException(
                $"linalg.matrix_norm: ord is {ord}, but must be 1, -1, 2, -2, ∞, -∞, \"fro\" or \"nuc\"."
            );
        var (over, other) = size == 1 ? (first, second) : (second, first);
        var sums = a.Abs().Sum([over], keepdim: true);
        bool isNothing = a.Layout.Sizes[other] == 0;
        if (ord < 0)
            RequireSome(a.Layout.Sizes[other], a, ord);
        var result =
            isNothing ? sums.Sum([other], keepdim: true)
            : ord > 0 ? sums.Amax([other], keepdim: true)
            : sums.Amin([other], keepdim: true);
        return keepdim ? result : result.Squeeze(Math.Max(first, second)).Squeeze(Math.Min(first, second));
    }

    private static void RequireSome(long size, Tensor a, double ord)
    {
        if (size == 0)
            throw new ArgumentException(
                $"linalg.matrix_norm: of order {ord} a matrix must have elements, but the shape is {a.Layout}."
            );
    }

    private static (int First, int Second) MatrixDims(Tensor a, int dim0, int dim1)
    {
        const string What = "linalg.matrix_norm";
        ArgumentNullException.ThrowIfNull(a);
        if (a.Rank < 2)
            throw new ArgumentException($"{What}: A must have at least 2 dimensions, but its shape is {a.Layout}.");
        if (!a.DType.IsFloat())
            throw new ArgumentException(
                $"{What}: needs floats, but the dtype is {a.DType.Name()}; convert it with To()."
            );
        var (first, second) = (a.Layout.Dim(dim0, What), a.Layout.Dim(dim1, What));
        return first != second
            ? (first, second)
            : throw new ArgumentException($"{What}: dim {dim0} and {dim1} are the same, but must be different.");
    }

    private static Tensor ToBack(Tensor a, int first, int second)
    {
        if (first == a.Rank - 2 && second == a.Rank - 1)
            return a;
        int[] order = [.. Enumerable.Range(0, a.Rank).Where(d => d != first && d != second), first, second];
        return a.Permute(order);
    }

    private static Tensor Kept(Tensor result, int first, int second, bool keepdim) =>
        keepdim ? result.Unsqueeze(Math.Min(first, second)).Unsqueeze(Math.Max(first, second)) : result;

    /// <summary>The 2-norm of all elements, or over one dimension (of vectors) or two (of matrices).</summary>
    public static Tensor Norm(Tensor a, ReadOnlySpan<int> dim = default, bool keepdim = false) =>
        VectorNorm(a, 2, dim, keepdim);

    /// <summary>Of one dimension, or a tensor of one, a norm of vectors; of two dimensions, or a tensor of two, one of matrices.</summary>
    public static Tensor Norm(Tensor a, double ord, ReadOnlySpan<int> dim = default, bool keepdim = false)
    {
        ArgumentNullException.ThrowIfNull(a);
        if (dim.Length is 0 && a.Rank is not (1 or 2) || dim.Length > 2)
            throw new ArgumentException(
                $"linalg.norm: of order {ord} needs one or two dimensions; the shape is {a.Layout} and dim names {dim.Length}."
            );
        return dim.Length == 2 ? MatrixNorm(a, ord, dim[0], dim[1], keepdim)
            : dim.Length == 0 && a.Rank == 2 ? MatrixNorm(a, ord, keepdim: keepdim)
            : VectorNorm(a, ord, dim, keepdim);
    }

    /// <inheritdoc cref="MatrixNorm(Tensor, string, int, int, bool)"/>
    public static Tensor Norm(Tensor a, string ord, ReadOnlySpan<int> dim = default, bool keepdim = false)
    {
        ArgumentNullException.ThrowIfNull(a);
        if (dim.Length == 0 ? a.Rank != 2 : dim.Length != 2)
            throw new ArgumentException(
                $"linalg.norm: of order \"{ord}\" needs two dimensions; the shape is {a.Layout} and dim names {dim.Length}."
            );
        return dim.Length == 2 ? MatrixNorm(a, ord, dim[0], dim[1], keepdim) : MatrixNorm(a, ord, keepdim: keepdim);
    }
}
