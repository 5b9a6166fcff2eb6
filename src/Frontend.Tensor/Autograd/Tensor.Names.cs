namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>What <see cref="Named"/> called it; null for nothing.</summary>
    public string? Name => ExpressionGraph.NameOf(this);

    /// <summary>
    /// Gives it a name, which graphs show (<see cref="ExpressionGraph"/>). Where it is computed by a recorded operator, it keeps its
    /// gradient and its value for them, too. Returns itself.
    /// </summary>
    public Tensor Named(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ExpressionGraph.SetName(this, name);
        if (RequiresGrad && _node is { Leaf: null } node)
            (node.Extra.Of, node.Retaining) = (this, this);
        return this;
    }
}
