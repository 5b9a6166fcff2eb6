using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>exp(x) over its sum along a dimension; in another dtype where one is given.</summary>
    public Tensor Softmax(int dim = -1, DType? dtype = null) => To(dtype ?? DType).Along(dim, Ops.Softmax);

    /// <summary>The logarithm of <see cref="Softmax"/>, computed without overflow.</summary>
    public Tensor LogSoftmax(int dim = -1, DType? dtype = null) => To(dtype ?? DType).Along(dim, Ops.LogSoftmax);

    private Tensor Along(int dim, Operator op)
    {
        int d = Layout.Dim(dim, op.Name);
        RequireFloat(op.Name);
        if (Rank > 0 && d != Rank - 1)
            return Transpose(d, -1).Along(-1, op).Transpose(d, -1).Contiguous();
        return op.Recorded(this);
    }
}
