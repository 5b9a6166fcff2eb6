using Picograd.Gradients;

namespace Picograd.Calls;

/// <summary>
/// Operators that are no function of elements (<see cref="ElementFunction"/>) and no
/// <see cref="Reduction"/>, with their derivatives.
/// </summary>
internal static class Ops
{
    public static readonly Operator Where = new("where", derives: true);
    public static readonly Operator LogicalNot = new("logical_not");

    // Rows along the last dimension.
    public static readonly Operator Softmax = new("softmax", derives: true);
    public static readonly Operator LogSoftmax = new("log_softmax", derives: true);

    /// <summary>Along a dimension that is not the last, [rows, cols, inner…].</summary>
    public static readonly Operator SoftmaxAcross = new("softmax_across", derives: true) { Title = "softmax" };

    /// <inheritdoc cref="SoftmaxAcross"/>
    public static readonly Operator LogSoftmaxAcross = new("log_softmax_across", derives: true)
    {
        Title = "log_softmax",
    };
    public static readonly Operator Cumsum = new("cumsum", derives: true);

    /// <summary>Down the rows of a matrix.</summary>
    public static readonly Operator CumsumDown = new("cumsum", "axis=0", derives: true);

    // Products.
    public static readonly Operator Matmul = new("matmul", rule: Derivatives.Matmul);
    public static readonly Operator Linear = new("matmul", rule: Derivatives.Linear) { Title = "linear" };
    public static readonly Operator CrossEntropy = new("cross_entropy", derives: true);

    /// <summary>Of logits [n, classes, d1, …].</summary>
    public static readonly Operator CrossEntropyAcross = new("cross_entropy_across", derives: true)
    {
        Title = "cross_entropy",
    };

    public static readonly Operator MseLoss = new("mse_loss", derives: true);

    // Rows and elements of tables.
    public static readonly Operator Embedding = new("embedding", derives: true);
    public static readonly Operator Gather = new("gather", derives: true);

    // Of no tensors.
    public static readonly Operator Arange = new("arange");
    public static readonly Operator Uniform = new("random_uniform");
    public static readonly Operator Normal = new("random_normal");
    public static readonly Operator Integer = new("random_integer");
}
