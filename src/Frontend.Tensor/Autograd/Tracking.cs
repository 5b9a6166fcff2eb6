namespace Picograd.Gradients;

/// <summary>Inputs of a function that is to be differentiated within whatever else is recorded.</summary>
internal static class Tracking
{
    /// <summary>
    /// Itself in a history of its own: a leaf, or where it is computed from others that require a gradient, a view of it, so that what
    /// is computed is part of their history, too.
    /// </summary>
    public static Tensor Enter(Tensor input)
    {
        if (!input.DType.IsFloat())
            throw new ArgumentException(
                $"Only tensors of floats can be differentiated by, but this one is {input.DType.Name()}."
            );
        return GradMode.Enabled && input.RequiresGrad
            ? input.Permute([.. Enumerable.Range(0, input.Rank)])
            : input.Detach().RequiresGrad_();
    }

    /// <summary>Whether outputs are computed from leaves other than these inputs, so that derivatives are to be recorded, too.</summary>
    public static bool IsWithin(IEnumerable<Tensor> outputs, IEnumerable<Tensor> inputs)
    {
        var own = inputs.Select(i => i.NodeForGrad()).OfType<Node>().Where(n => n.Leaf is not null).ToHashSet();
        var met = new HashSet<Node>();
        var open = new Stack<Node>(outputs.Select(o => o.NodeForGrad()).OfType<Node>());
        while (open.TryPop(out var node))
        {
            if (!met.Add(node))
                continue;
            if (node.Leaf is not null && !own.Contains(node))
                return true;
            for (int i = 0; i < node.InputCount; i++)
            {
                if (node.Next(i) is { } next)
                    open.Push(next);
            }
        }
        return false;
    }

    /// <summary>Gradients of outputs, of which some may not be recorded; null for an input that nothing depends on.</summary>
    public static Tensor?[] Gradients(
        IReadOnlyList<Tensor> outputs,
        Tensor[] inputs,
        IReadOnlyList<Tensor?> gradOutputs,
        bool createGraph,
        bool retainGraph = false
    )
    {
        var roots = new List<Tensor>();
        var grads = new List<Tensor?>();
        for (int i = 0; i < outputs.Count; i++)
        {
            if (!outputs[i].RequiresGrad)
                continue;
            roots.Add(outputs[i]);
            grads.Add(gradOutputs[i]);
        }
        return roots.Count == 0
            ? new Tensor?[inputs.Length]
            : GradientsOf.Inputs(roots, inputs, grads, retainGraph || createGraph, createGraph, allowUnused: true);
    }

    /// <summary>Gradients with zeros for what nothing depends on.</summary>
    public static Tensor[] OrZeros(Tensor?[] found, Tensor[] like)
    {
        var all = new Tensor[found.Length];
        for (int i = 0; i < all.Length; i++)
            all[i] = found[i] ?? Tensor.ZerosLike(like[i]);
        return all;
    }

    /// <summary>Products of the Jacobian with tangents, from the gradients' own derivatives with respect to what they are given.</summary>
    /// <param name="outputs">Computed from the inputs.</param>
    /// <param name="inputs">Tracked.</param>
    /// <param name="tangents">One for each input.</param>
    /// <param name="createGraph">Whether the products are recorded.</param>
    public static Tensor[] Forward(Tensor[] outputs, Tensor[] inputs, Tensor[] tangents, bool createGraph)
    {
        Tensor[] given = [.. outputs.Select(o => Tensor.ZerosLike(o).RequiresGrad_(o.DType.IsFloat()))];
        var back = Gradients(outputs, inputs, given, createGraph: true);
        var (roots, weights) = (new List<Tensor>(), new List<Tensor>());
        for (int i = 0; i < back.Length; i++)
        {
            if (back[i] is not { } grad)
                continue;
            roots.Add(grad);
            weights.Add(tangents[i]);
        }
        Tensor[] floats = [.. given.Where(g => g.RequiresGrad)];
        var found = Gradients(roots, floats, weights, createGraph);
        var products = new Tensor[outputs.Length];
        for (int i = 0, next = 0; i < products.Length; i++)
            products[i] = (given[i].RequiresGrad ? found[next++] : null) ?? Tensor.ZerosLike(outputs[i]);
        return products;
    }
}
