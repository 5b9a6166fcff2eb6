using Picograd.Algorithms;

namespace Picograd.Gradients;

/// <summary>Passes of several outputs, and of chosen inputs.</summary>
internal static class GradientsOf
{
    /// <summary>See <see cref="Autograd.Grad(IReadOnlyList{Tensor}, IReadOnlyList{Tensor}, IReadOnlyList{Tensor}, bool?, bool, bool, bool)"/>.</summary>
    public static Tensor?[] Inputs(
        IReadOnlyList<Tensor> outputs,
        IReadOnlyList<Tensor> inputs,
        IReadOnlyList<Tensor?>? gradOutputs,
        bool retainGraph,
        bool createGraph,
        bool allowUnused
    )
    {
        if (inputs.Count == 0)
            throw new ArgumentException("Grad: grad requires non-empty inputs.", nameof(inputs));
        var nodes = NodesOf("Grad", inputs);
        var (roots, grads) = Roots("Grad", outputs, gradOutputs, createGraph);
        var plan = new Plan(roots, nodes, accumulates: false);
        if (!allowUnused && !plan.HasFreed && Array.FindIndex(nodes, n => !plan.Reaches(n)) is >= 0 and var unused)
            throw Unused(inputs, unused);
        Engine.Run(roots, grads, plan, retainGraph, createGraph);
        var found = new Tensor?[nodes.Length];
        for (int i = 0; i < found.Length; i++)
        {
            found[i] = plan.Captured(nodes[i]);
            if (found[i] is null && !allowUnused)
                throw Unused(inputs, i);
        }
        return found;
    }

    /// <summary>Backward passes together: of all leaves, or of the inputs alone.</summary>
    public static void Accumulate(
        IReadOnlyList<Tensor> outputs,
        IReadOnlyList<Tensor?>? gradOutputs,
        IEnumerable<Tensor>? inputs,
        bool retainGraph,
        bool createGraph
    )
    {
        Tensor[]? chosen = inputs is null ? null : [.. inputs];
        if (chosen is { Length: 0 })
            throw new ArgumentException("Backward: 'inputs' argument to backward cannot be empty.", nameof(inputs));
        var nodes = chosen is null ? null : NodesOf("Backward", chosen);
        var (roots, grads) = Roots("Backward", outputs, gradOutputs, createGraph);
        var plan = nodes is null ? null : new Plan(roots, nodes);
        Engine.Run(roots, grads, plan, retainGraph, createGraph);
        for (int i = 0; i < nodes?.Length; i++)
        {
            if (
                nodes[i].Leaf is not null
                || Array.IndexOf(nodes, nodes[i]) != i
                || plan!.Captured(nodes[i]) is not { } grad
            )
                continue;
            using var mode = new GradModeScope(createGraph);
            chosen![i].SetGrad(chosen[i].GradOrNull is { } before ? before + grad : grad.Clone());
        }
    }

    private static Node[] NodesOf(string what, IReadOnlyList<Tensor> inputs)
    {
        var nodes = new Node[inputs.Count];
        for (int i = 0; i < nodes.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(inputs[i], nameof(inputs));
            nodes[i] =
                inputs[i].NodeForGrad()
                ?? throw new InvalidOperationException(
                    $"{what}: one of the differentiated Tensors does not require grad: input {i}, of shape {inputs[i].Layout}."
                );
        }
        return nodes;
    }

    private static (Node[] Roots, Tensor[] Grads) Roots(
        string what,
        IReadOnlyList<Tensor> outputs,
        IReadOnlyList<Tensor?>? gradOutputs,
        bool createGraph
    )
    {
        if (gradOutputs is not null && gradOutputs.Count != outputs.Count)
            throw new ArgumentException(
                $"{what}: got {outputs.Count} tensors and {gradOutputs.Count} gradients.",
                nameof(gradOutputs)
            );
        var roots = new Node[outputs.Count];
        var grads = new Tensor[outputs.Count];
        for (int i = 0; i < roots.Length; i++)
        {
            var output = outputs[i];
            ArgumentNullException.ThrowIfNull(output, nameof(outputs));
            roots[i] =
                output.NodeForGrad()
                ?? throw new InvalidOperationException(
                    $"{what}: element {i} of tensors (shape {output.Layout}) does not require grad and does not have a grad_fn."
                );
            if (gradOutputs?[i] is { } given)
            {
                if (!given.Layout.SameSizes(output.Layout) || !given.DType.IsFloat())
                    throw new ArgumentException(
                        $"{what}: Mismatch in shape: gradient {i} has shape {given.Layout} and dtype {given.DType.Name()}, output {i} "
                            + $"has shape {output.Layout} and dtype {output.DType.Name()}.",
                        nameof(gradOutputs)
                    );
                grads[i] = given.To(output.DType);
                grads[i].HoldForGood();
                continue;
            }
            if (output.NumElements != 1)
                throw new InvalidOperationException(
                    $"{what}: grad can be implicitly created only for scalar outputs, but output {i} has shape {output.Layout}; give "
                        + "its gradient, or reduce it first, for instance with Sum()."
                );
            using var mode = new GradModeScope(createGraph && GradMode.Enabled);
            grads[i] = Tensor.OnesLike(output);
        }
        return (roots, grads);
    }

    private static InvalidOperationException Unused(IReadOnlyList<Tensor> inputs, int at) =>
        new(
            $"Grad: one of the differentiated Tensors appears to not have been used in the graph: input {at}, of shape "
                + $"{inputs[at].Layout}. Set allowUnused: true if this is the desired behavior."
        );
}
