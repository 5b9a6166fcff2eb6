using Picograd.Algorithms;
using Picograd.Autograd;
using Picograd.Dispatch;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>exp(x) over its sum along a dimension; in another dtype where one is given.</summary>
    public Tensor Softmax(int dim = -1, DType? dtype = null) =>
        To(dtype ?? DType).Along(dim, "softmax", RowKernels.Softmax, Derivatives.Softmax);

    /// <summary>The logarithm of <see cref="Softmax"/>, computed without overflow.</summary>
    public Tensor LogSoftmax(int dim = -1, DType? dtype = null) =>
        To(dtype ?? DType).Along(dim, "log_softmax", RowKernels.LogSoftmax, Derivatives.LogSoftmax);

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
