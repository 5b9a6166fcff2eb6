using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

/// <summary>How a loss over many examples becomes one number.</summary>
public enum LossReduction
{
    Mean,
    Sum,

    /// <summary>One loss an example.</summary>
    None,

    /// <summary>Of <see cref="F.KlDiv"/>: the sum over the number of examples.</summary>
    BatchMean,
}

/// <summary>The functions behind the modules, without state (PyTorch's nn.functional).</summary>
public static partial class F
{
    internal static readonly Operator LinearOperator = new("matmul", rule: Derivatives.Linear) { Title = "linear" };
    private static readonly Operator MseLossOperator = new("mse_loss", derives: true);

    /// <summary>x · weightᵀ + bias: x [.., in], weight [out, in], bias [out] or null; gives [.., out].</summary>
    /// <exception cref="ArgumentException">Shapes that do not fit, or dtypes that differ; names them.</exception>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        if (Autocast.Of("linear", x) is { } cast)
            return cast.Run([x, weight, bias], t => Linear(t[0], t[1], t[2]));
        if (weight.Rank != 2 || x.Rank == 0 || x.Layout.Sizes[^1] != weight.Layout.Sizes[1])
            throw new ArgumentException(
                $"linear: an input of shape {x.Layout} does not fit a weight of shape {weight.Layout}; the input's last size "
                    + "must be the weight's second."
            );
        if (bias is not null && (bias.Rank != 1 || bias.Layout.Sizes[0] != weight.Layout.Sizes[0]))
            throw new ArgumentException(
                $"linear: a bias of shape {bias.Layout} does not fit a weight of shape {weight.Layout}."
            );
        if (x.DType != weight.DType || (bias is not null && bias.DType != x.DType))
            throw new ArgumentException(
                $"linear: the input is {x.DType.Name()}, the weight {weight.DType.Name()}"
                    + (bias is null ? "" : $", the bias {bias.DType.Name()}")
                    + "; all must be of one dtype."
            );
        if (x.DType == DType.Bool)
            throw new ArgumentException("linear: not defined for bools; convert them with To().");
        if (x.DType.Info().IsNarrow)
            return Linear(x.To(DType.Int32), weight.To(DType.Int32), bias?.To(DType.Int32)).To(x.DType);
        if (x.Rank != 2)
        {
            long[] sizes = [.. x.Layout.Sizes[..^1], weight.Layout.Sizes[0]];
            return Linear(x.Reshape(x.Layout.Product(0, x.Rank - 1), x.Layout.Sizes[^1]), weight, bias)
                .ReshapeTo(sizes);
        }
        return LinearOperator.RecordedProduct(x, weight, bias, transposed: true);
    }

    /// <summary>
    /// Rows of a table [vocab, dim] by indices of any shape; gives [.., dim]. PyTorch's order, indices first, is taken too.
    /// </summary>
    /// <exception cref="IndexOutOfRangeException">An index is not in [0, vocab).</exception>
    public static Tensor Embedding(Tensor table, Tensor indices)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(indices);
        if (table.DType.IsInteger() && indices.DType.IsFloat())
            (table, indices) = (indices, table);
        if (table.Rank != 2)
            throw new ArgumentException($"embedding: the table must be a matrix, but its shape is {table.Layout}.");
        var places = IndexCheck.Places("embedding", indices, table.Layout.Sizes[0], wrap: false);
        return EmbeddingOf(table, places);
    }

    /// <summary>Embedding by dense int64 indices known to be in range.</summary>
    internal static Tensor EmbeddingOf(Tensor table, Tensor places) => IndexPart.Rows.Recorded(table, places);

    /// <summary>(x − target)², its mean by default. Shapes that differ are refused, which PyTorch only warns of.</summary>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public static Tensor MseLoss(Tensor x, Tensor target, LossReduction reduction = LossReduction.Mean)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(target);
        CheckReduction("mse_loss", reduction);
        if (Autocast.Of("mse_loss", x) is { } cast)
            return cast.Run([x, target], t => MseLoss(t[0], t[1], reduction));
        if (!x.Layout.SameSizes(target.Layout))
            throw new ArgumentException($"mse_loss: the shapes {x.Layout} and {target.Layout} differ.");
        var type = Promotion.Of(x, target);
        // In one pass (1024 x 1024, 1 thread: 217 µs as three kernels, which go through memory).
        bool fused = reduction == LossReduction.Mean && x.DType == target.DType && type.IsFloat();
        if (fused && x.NumElements > 0 && x.Device == target.Device)
            return MseLossOperator.Recorded(x.Contiguous().Reshape(-1), target.Contiguous().Reshape(-1));
        var loss = (x.To(type.Compute()) - target.To(type.Compute())).Square();
        var result = reduction switch
        {
            LossReduction.None => loss,
            LossReduction.Sum => loss.Sum(),
            _ => loss.Mean(),
        };
        return result.To(type);
    }

    /// <summary>One-hot rows (int64) of integer classes; −1 takes as many classes as the largest index needs.</summary>
    /// <exception cref="ArgumentException">Neither −1 nor at least 1; none given and none to infer them from.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is not in [0, classes).</exception>
    public static Tensor OneHot(Tensor indices, long classes = -1)
    {
        ArgumentNullException.ThrowIfNull(indices);
        if (classes < 1 && (classes != -1 || indices.NumElements == 0))
            throw new ArgumentException(
                $"one_hot: classes is {classes}, but must be at least 1, or -1 to be inferred from indices of shape "
                    + $"{indices.Layout}, of which there must be some."
            );
        using var off = Tensor.NoGrad();
        var places = IndexCheck.Places("one_hot", indices, classes < 0 ? long.MaxValue : classes, wrap: false);
        long count = classes < 0 ? places.Max().Item<long>() + 1 : classes;
        return places.Unsqueeze(-1).Eq(Tensor.Arange(count, indices.Device)).To(DType.Int64);
    }
}
