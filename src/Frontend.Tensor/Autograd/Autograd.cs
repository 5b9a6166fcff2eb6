using Picograd.Gradients;

namespace Picograd;

/// <summary>PyTorch's <c>torch.autograd</c>.</summary>
public static partial class Autograd
{
    /// <summary>
    /// Gradients of outputs, summed, with respect to inputs, which are returned and added nowhere. Nothing is computed that these do
    /// not need.
    /// </summary>
    /// <param name="outputs">What is differentiated.</param>
    /// <param name="inputs">With respect to what: leaves or not.</param>
    /// <param name="gradOutputs">A gradient for each output (the vector of the product with the Jacobian); null, in it or as a whole, for outputs of one element.</param>
    /// <param name="retainGraph">Keep the record; by default as <paramref name="createGraph"/>.</param>
    /// <param name="createGraph">Record the derivatives too, so that gradients can be differentiated.</param>
    /// <param name="allowUnused">Give null for an input that no output depends on, instead of an error.</param>
    /// <param name="materializeGrads">Give zeros for such inputs.</param>
    /// <exception cref="InvalidOperationException">An output or input that requires no gradient; an output of more than one
    /// element without a gradient; an input that was not used; the record was freed.</exception>
    /// <exception cref="ArgumentException">No inputs; gradients that do not fit the outputs.</exception>
    public static Tensor?[] Grad(
        IReadOnlyList<Tensor> outputs,
        IReadOnlyList<Tensor> inputs,
        IReadOnlyList<Tensor?>? gradOutputs = null,
        bool? retainGraph = null,
        bool createGraph = false,
        bool allowUnused = false,
        bool materializeGrads = false
    )
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ArgumentNullException.ThrowIfNull(inputs);
        var found = GradientsOf.Inputs(
            outputs,
            inputs,
            gradOutputs,
            retainGraph ?? createGraph,
            createGraph,
            allowUnused || materializeGrads
        );
        for (int i = 0; materializeGrads && i < found.Length; i++)
            found[i] ??= Tensor.ZerosLike(inputs[i]);
        return found;
    }

    /// <summary>The gradient of one output with respect to one input.</summary>
    /// <inheritdoc cref="Grad(IReadOnlyList{Tensor}, IReadOnlyList{Tensor}, IReadOnlyList{Tensor?}?, bool?, bool, bool, bool)"/>
    public static Tensor Grad(
        Tensor output,
        Tensor input,
        Tensor? gradOutput = null,
        bool? retainGraph = null,
        bool createGraph = false
    ) => Grad([output], [input], gradOutput is null ? null : [gradOutput], retainGraph, createGraph)[0]!;

    /// <summary>The gradients of one output with respect to several inputs.</summary>
    /// <inheritdoc cref="Grad(IReadOnlyList{Tensor}, IReadOnlyList{Tensor}, IReadOnlyList{Tensor?}?, bool?, bool, bool, bool)"/>
    public static Tensor?[] Grad(
        Tensor output,
        IReadOnlyList<Tensor> inputs,
        Tensor? gradOutput = null,
        bool? retainGraph = null,
        bool createGraph = false,
        bool allowUnused = false,
        bool materializeGrads = false
    ) =>
        Grad(
            [output],
            inputs,
            gradOutput is null ? null : [gradOutput],
            retainGraph,
            createGraph,
            allowUnused,
            materializeGrads
        );

    /// <summary>
    /// <see cref="Tensor.Backward"/> of several tensors in one pass: the sum of their gradients is added to every leaf.
    /// </summary>
    /// <param name="tensors">What is differentiated.</param>
    /// <param name="gradTensors">A gradient for each; null, in it or as a whole, for tensors of one element.</param>
    /// <param name="retainGraph">Keep the record; by default as <paramref name="createGraph"/>.</param>
    /// <param name="createGraph">Record the derivatives, too.</param>
    /// <param name="inputs">Only these get a gradient; null for all leaves.</param>
    public static void Backward(
        IReadOnlyList<Tensor> tensors,
        IReadOnlyList<Tensor?>? gradTensors = null,
        bool? retainGraph = null,
        bool createGraph = false,
        IEnumerable<Tensor>? inputs = null
    )
    {
        ArgumentNullException.ThrowIfNull(tensors);
        GradientsOf.Accumulate(tensors, gradTensors, inputs, retainGraph ?? createGraph, createGraph);
    }

    /// <summary>
    /// Until the result is disposed, operators of this thread remember where they were called, and a backward pass that meets a NaN
    /// or fails says which operator it was and where that was called. Slow; for finding errors.
    /// </summary>
    /// <param name="checkNan">Whether gradients are looked at for NaN.</param>
    public static AnomalyScope DetectAnomaly(bool checkNan = true) => new(true, checkNan);

    /// <summary>The same, on or off.</summary>
    public static AnomalyScope SetDetectAnomaly(bool mode, bool checkNan = true) => new(mode, checkNan);

    /// <summary>Whether anomalies are looked for on this thread.</summary>
    public static bool IsAnomalyEnabled => Anomalies.IsOn;
}

/// <summary>Ends anomaly detection when disposed; made by <see cref="Autograd.DetectAnomaly"/>.</summary>
public sealed class AnomalyScope : IDisposable
{
    private int _change;
    private readonly bool _checkedNan = Anomalies.ChecksNan;

    internal AnomalyScope(bool mode, bool checkNan)
    {
        _change = (mode ? 1 : 0) - (Anomalies.IsOn ? 1 : 0);
        Anomalies.Change(_change);
        Anomalies.ChecksNan = checkNan;
    }

    public void Dispose()
    {
        Anomalies.Change(-_change);
        _change = 0;
        Anomalies.ChecksNan = _checkedNan;
    }
}
