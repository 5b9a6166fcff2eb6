using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    private static readonly Operator SoftmaxRows = new("softmax", derives: true);
    private static readonly Operator LogSoftmaxRows = new("log_softmax", derives: true);

    // Along a dimension that is not the last, [rows, cols, inner…].
    private static readonly Operator SoftmaxAcross = new("softmax_across", derives: true) { Title = "softmax" };
    private static readonly Operator LogSoftmaxAcross = new("log_softmax_across", derives: true)
    {
        Title = "log_softmax",
    };

    /// <summary>exp(x) over its sum along a dimension; in another dtype where one is given.</summary>
    public Tensor Softmax(int dim = -1, DType? dtype = null) =>
        Taken(dtype, "softmax").Along(dim, SoftmaxRows, SoftmaxAcross);

    /// <summary>The logarithm of <see cref="Softmax"/>, computed without overflow.</summary>
    public Tensor LogSoftmax(int dim = -1, DType? dtype = null) =>
        Taken(dtype, "log_softmax").Along(dim, LogSoftmaxRows, LogSoftmaxAcross);

    // In the dtype that is asked for, or that the function takes.
    private Tensor Taken(DType? dtype, string function) =>
        dtype is { } type ? To(type)
        : Picograd.Autocast.Of(function, this) is { } cast ? cast.Of(this)!
        : this;

    /// <summary>Independent elements side by side from which on processors take them as the lanes of vectors; fewer are copied to rows.</summary>
    internal const long LeastAcross = 8;

    private Tensor Along(int dim, Operator along, Operator across)
    {
        int d = Layout.Dim(dim, along.Name);
        RequireFloat(along.Name);
        if (Rank == 0 || d == Rank - 1)
            return along.Recorded(this);
        long inner = Layout.Product(d + 1, Rank);
        long cols = Layout.Sizes[d];
        if (inner == 1)
            return along.Recorded(Reshape(Layout.Product(0, d), cols)).ReshapeTo(Layout.Sizes);
        if (inner < LeastAcross || Device.IsCuda)
            return Transpose(d, -1).Along(-1, along, across).Transpose(d, -1).Contiguous();
        return d == 1
            ? across.Recorded(this)
            : across.Recorded(Reshape(Layout.Product(0, d), cols, inner)).ReshapeTo(Layout.Sizes);
    }
}
