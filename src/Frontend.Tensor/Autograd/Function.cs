using Picograd.Gradients;

namespace Picograd;

/// <summary>
/// An operation with a derivative of its own: PyTorch's <c>torch.autograd.Function</c>. <see cref="Forward"/> computes without
/// being recorded and saves what <see cref="Backward"/> needs; what is no tensor goes through the constructor.
/// <code>
/// class Exp : Function
/// {
///     public override Tensor Forward(FunctionContext context, params Tensor[] inputs)
///     {
///         var y = inputs[0].Exp();
///         context.SaveForBackward(y);
///         return y;
///     }
///
///     public override Tensor?[] Backward(FunctionContext context, Tensor gradient) => [gradient * context.SavedTensors[0]];
/// }
/// var y = Function.Apply&lt;Exp&gt;(x);
/// </code>
/// The derivative is made of tensor functions, so it can be differentiated again.
/// </summary>
public abstract class Function : FunctionBase
{
    /// <summary>The result; nothing in it is recorded.</summary>
    public abstract Tensor Forward(FunctionContext context, params Tensor[] inputs);

    /// <summary>A gradient for each input, null where there is none, from that of the result.</summary>
    public abstract Tensor?[] Backward(FunctionContext context, Tensor gradient);

    /// <summary>Computes it, and records it where an input requires a gradient.</summary>
    public Tensor Apply(params Tensor[] inputs) => Call(inputs)[0];

    /// <summary>Computes one that has nothing but tensors.</summary>
    public static Tensor Apply<T>(params Tensor[] inputs)
        where T : Function, new() => new T().Apply(inputs);

    private protected sealed override Tensor[] RunForward(FunctionContext context, Tensor[] inputs) =>
        [Forward(context, inputs)];

    private protected sealed override Tensor?[] RunBackward(FunctionContext context, Tensor?[] gradients) =>
        gradients[0] is { } gradient ? Backward(context, gradient) : new Tensor?[context.NeedsInputGrad.Count];
}

/// <summary><see cref="Function"/> with several results.</summary>
public abstract class MultiOutputFunction : FunctionBase
{
    /// <summary>The results; nothing in it is recorded.</summary>
    public abstract Tensor[] Forward(FunctionContext context, params Tensor[] inputs);

    /// <summary>
    /// A gradient for each input, null where there is none, from those of the results: zeros for a result that was not used, or
    /// null after <see cref="FunctionContext.SetMaterializeGrads"/>(false).
    /// </summary>
    public abstract Tensor?[] Backward(FunctionContext context, Tensor?[] gradients);

    /// <summary>Computes it, and records it where an input requires a gradient.</summary>
    public Tensor[] Apply(params Tensor[] inputs) => Call(inputs);

    /// <summary>Computes one that has nothing but tensors.</summary>
    public static Tensor[] Apply<T>(params Tensor[] inputs)
        where T : MultiOutputFunction, new() => new T().Apply(inputs);

    private protected sealed override Tensor[] RunForward(FunctionContext context, Tensor[] inputs) =>
        Forward(context, inputs);

    private protected sealed override Tensor?[] RunBackward(FunctionContext context, Tensor?[] gradients) =>
        Backward(context, gradients);
}

/// <summary>What functions of one result and of several have in common.</summary>
public abstract class FunctionBase
{
    private protected FunctionBase() { }

    /// <summary>
    /// Whether the derivative is no longer recorded (PyTorch's <c>once_differentiable</c>): it may then use anything, and
    /// differentiating a second time is an error.
    /// </summary>
    protected virtual bool OnceDifferentiable => false;

    private protected abstract Tensor[] RunForward(FunctionContext context, Tensor[] inputs);

    private protected abstract Tensor?[] RunBackward(FunctionContext context, Tensor?[] gradients);

    internal Tensor?[] RunBackwardOf(FunctionContext context, Tensor?[] gradients) => RunBackward(context, gradients);

    internal bool IsOnceDifferentiable => OnceDifferentiable;

    private protected Tensor[] Call(Tensor[] inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        bool[] needs = new bool[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(inputs[i], nameof(inputs));
            needs[i] = inputs[i].RequiresGrad;
        }
        var context = new FunctionContext(this, needs);
        Tensor[] results;
        using (Tensor.NoGrad())
            results =
                RunForward(context, inputs)
                ?? throw new InvalidOperationException($"{context.Name}: forward returned null.");
        if (Array.Exists(results, r => r is null))
            throw new InvalidOperationException($"{context.Name}: forward returned null for a tensor.");
        return context.Record(inputs, [.. results]);
    }
}
