using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    internal static readonly Operator MatmulOperator = new("matmul", rule: Derivatives.Matmul);

    /// <summary>
    /// The matrix product. Vectors count as a row on the left and a column on the right, and lose that dimension again; in
    /// front of the last two, dimensions broadcast. Products and sums of integers wrap.
    /// </summary>
    /// <exception cref="ArgumentException">Scalars, dtypes that differ, or shapes that do not fit; names both shapes.</exception>
    public Tensor MatMul(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Picograd.Autocast.Of("matmul", this) is { } cast)
            return cast.Run([this, other], t => t[0].MatMul(t[1]));
        if (Rank == 2 && other.Rank == 2)
        {
            CheckProduct(this, other, Layout.Sizes[1], other.Layout.Sizes[0]);
            return Product(this, other);
        }
        if (Rank == 0 || other.Rank == 0)
            throw new ArgumentException(
                $"matmul: both operands must have a dimension, but the shapes are {Layout} and {other.Layout}."
            );
        CheckProduct(this, other, Layout.Sizes[^1], other.Layout.Sizes[other.Rank == 1 ? 0 : ^2]);
        var a = Rank == 1 ? Unsqueeze(0) : this;
        var b = other.Rank == 1 ? other.Unsqueeze(1) : other;
        var result = Matrices(a, b);
        if (other.Rank == 1)
            result = result.Squeeze(-1);
        return Rank == 1 ? result.Squeeze(other.Rank == 1 ? -1 : -2) : result;
    }

    /// <summary>
    /// [batch, m, k] · [batch, k, n], recorded; either may be a matrix, which all products of a batch share. Shapes and dtypes are
    /// checked.
    /// </summary>
    internal static Tensor Product(Tensor a, Tensor b)
    {
        // The lowest bits of sums are those of the lowest bits.
        if (a.DType.Info().IsNarrow)
            return Operator.Cast(Product(a.To(DType.Int32), b.To(DType.Int32)), a.DType);
        return MatmulOperator.RecordedProduct(a, b);
    }

    private static Tensor Matrices(Tensor a, Tensor b)
    {
        if (a.Rank == 2 && b.Rank == 2)
            return Product(a, b);
        long m = a.Layout.Sizes[^2];
        long k = a.Layout.Sizes[^1];
        long n = b.Layout.Sizes[^1];
        // One matrix on the right: the rows of all products lie one below the other.
        if (b.Rank == 2)
            return Product(a.Reshape(a.Layout.Product(0, a.Rank - 1), k), b).ReshapeTo([.. a.Layout.Sizes[..^1], n]);
        var batchA = Layout.Contiguous(a.Layout.Sizes.AsSpan(0, a.Rank - 2));
        var batchB = Layout.Contiguous(b.Layout.Sizes.AsSpan(0, b.Rank - 2));
        long[] batch =
            Broadcasting.Shape(batchA, batchB)
            ?? throw new ArgumentException(
                $"matmul: the batch dimensions of the shapes {a.Layout} and {b.Layout} do not broadcast."
            );
        long count = Layout.Contiguous(batch).Count;
        var left = batchA.Count == 1 ? a.Reshape(m, k) : Flat(a, batch, count, m, k);
        var right = batchB.Count == 1 && left.Rank == 3 ? b.Reshape(k, n) : Flat(b, batch, count, k, n);
        return Product(left, right).ReshapeTo([.. batch, m, n]);
    }

    private static Tensor Flat(Tensor t, long[] batch, long count, long rows, long columns) =>
        t.Expand([.. batch, rows, columns]).Reshape(count, rows, columns);

    internal static void CheckProduct(Tensor a, Tensor b, long k, long other)
    {
        if (a.DType != b.DType)
            throw new ArgumentException(
                $"matmul: the dtypes {a.DType.Name()} and {b.DType.Name()} differ; convert one with To()."
            );
        if (a.DType == DType.Bool)
            throw new ArgumentException("matmul: not defined for bools; convert them with To().");
        if (k != other)
            throw new ArgumentException(
                $"matmul: the shapes {a.Layout} and {b.Layout} do not fit; {k} columns meet {other} rows."
            );
    }
}
