using Picograd.Algorithms;
using Picograd.Autograd;
using Picograd.Dispatch;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>exp(x) over its sum along a dimension.</summary>
    public Tensor Softmax(int dim = -1) => Along(dim, "softmax", RowKernels.Softmax, Derivatives.Softmax);

    /// <summary>The logarithm of <see cref="Softmax"/>, computed without overflow.</summary>
    public Tensor LogSoftmax(int dim = -1) => Along(dim, "log_softmax", RowKernels.LogSoftmax, Derivatives.LogSoftmax);

    /// <summary>
    /// Indices drawn with the probabilities that each row (or the vector) is proportional to: [rows, samples] int64.
    /// </summary>
    /// <exception cref="ArgumentException">Not floats, not a vector or matrix, no categories, more samples than categories
    /// without replacement, or a row that is not of probabilities.</exception>
    public Tensor Multinomial(long samples, bool replacement = false, Generator? generator = null)
    {
        RequireFloat("multinomial");
        if (Rank is not (1 or 2) || Layout.Sizes[^1] == 0)
            throw new ArgumentException(
                $"multinomial: the probabilities must be a vector or matrix with at least one column, but the shape is {Layout}."
            );
        long classes = Layout.Sizes[^1];
        if (samples < 1 || (!replacement && samples > classes))
            throw new ArgumentException(
                $"multinomial: {samples} samples cannot be drawn from {classes} categories"
                    + (samples < 1 ? "; ask for at least 1." : " without replacement.")
            );
        using var off = NoGrad();
        var rows = Rank == 1 ? Unsqueeze(0) : this;
        var total = rows.Sum(1, keepdim: true);
        if (((rows >= 0).All() & (total > 0).All() & (total < double.PositiveInfinity).All()).Item() == 0)
            throw new ArgumentException(
                "multinomial: every row must be of numbers that are finite, not negative and not all 0."
            );
        var result =
            replacement || samples == 1
                ? rows.DrawByRunningSums(total, samples, generator)
                : rows.DrawDistinct(samples, generator);
        return Rank == 1 ? result.Squeeze(0) : result;
    }

    // A uniform number below the total lies in the stretch of exactly one category.
    private Tensor DrawByRunningSums(Tensor total, long samples, Generator? generator)
    {
        long count = Layout.Sizes[0];
        var below = Cumsum(1).Unsqueeze(1);
        var marks = (Rand([count, samples], generator, DType, Device) * total).Unsqueeze(2);
        var passed = (below <= marks).Sum(2);
        // Rounding may put a mark on the very end, behind categories of probability 0: step back to the last that has some.
        var last = (this > 0).To(DType.Int64) * Arange(Layout.Sizes[1], Device);
        return passed.Minimum(last.Amax([1], keepdim: true));
    }

    // The largest of log p + Gumbel noise is a draw by p; the next largest one is a draw from what is left.
    private Tensor DrawDistinct(long samples, Generator? generator)
    {
        var uniform = Rand(Shape, generator, DType, Device);
        var score = Log() - (-(uniform + 1e-30).Log()).Log();
        var columns = Arange(Layout.Sizes[1], Device);
        var drawn = new Tensor[samples];
        for (int i = 0; i < drawn.Length; i++)
        {
            drawn[i] = score.ArgMax(1, keepdim: true);
            score = Where(columns.Eq(drawn[i]), Full([], double.NegativeInfinity, DType), score);
        }
        return Cat(drawn, 1);
    }

    private Tensor Along(int dim, string what, Family family, Rule rule)
    {
        int d = Layout.Dim(dim, what);
        RequireFloat(what);
        if (Rank > 0 && d != Rank - 1)
            return Transpose(d, -1).Along(-1, what, family, rule).Transpose(d, -1).Contiguous();
        var result = RowKernels.Rows(family, this);
        if (Records(this))
            result.Record(rule, this);
        return result;
    }
}
