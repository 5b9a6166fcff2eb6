using Picograd.Algorithms;

namespace Picograd.Gradients;

/// <summary>Where a node finds what it saved and let go of.</summary>
internal sealed record ForgottenNode(CheckpointRegion Region, int At)
{
    /// <summary>The node of the same operator, with what it saved.</summary>
    public Node Again() => Region.NodeAt(At);
}

/// <summary>
/// A part of a program whose nodes have let go of what they saved. The first of them that needs it runs the part again, as it
/// ran then: same inputs, same random numbers.
/// </summary>
internal sealed class CheckpointRegion
{
    private readonly Func<Tensor[], Tensor[]> _function;
    private readonly Tensor[] _inputs;
    private readonly int[] _versions;
    private readonly (long Seed, long Position)? _random;
    private readonly DType? _autocast = Autocast.Current;
    private readonly List<(string Name, string Shapes)> _operators = [];
    private Node?[]? _nodes;

    private CheckpointRegion(Func<Tensor[], Tensor[]> function, Tensor[] inputs, bool preservesRandom)
    {
        _function = function;
        _inputs = inputs;
        _versions = [.. inputs.Select(t => t.Version)];
        _random = preservesRandom ? RandomState : null;
    }

    private static (long Seed, long Position) RandomState
    {
        get => (Generator.Default.Seed, Generator.Default.Position);
        set => Generator.Default.Go(value.Seed, value.Position);
    }

    /// <summary>Runs a part of a program, whose nodes let go of what they saved.</summary>
    public static Tensor[] Run(Func<Tensor[], Tensor[]> function, Tensor[] inputs, bool preservesRandom)
    {
        if (!GradMode.Enabled)
            return function(inputs);
        var region = new CheckpointRegion(function, inputs, preservesRandom);
        long start = Node.LastOrder;
        // Where the program frees by scopes, what this part made is freed at its end.
        using var scope = TensorScope.Current is null ? null : Tensor.Scope();
        var outputs = function(inputs);
        ArgumentNullException.ThrowIfNull(outputs, nameof(function));
        foreach (var output in outputs)
            scope?.Escape(output);
        var nodes = Since(start, outputs);
        for (int i = 0; i < nodes.Count; i++)
        {
            region._operators.Add(Told(nodes[i]));
            nodes[i].Forget(new ForgottenNode(region, i));
        }
        return outputs;
    }

    /// <summary>A node of the second run, which hands over what it saved.</summary>
    public Node NodeAt(int at)
    {
        _nodes ??= Again();
        var node = _nodes[at]!;
        // Each is asked for once; what it saved lives with whom it was given to.
        _nodes[at] = null;
        return node;
    }

    private Node[] Again()
    {
        for (int i = 0; i < _inputs.Length; i++)
        {
            if (_inputs[i].Version != _versions[i])
                throw new InvalidOperationException(
                    $"Checkpoint: input {i}, of shape {_inputs[i].Layout}, was changed in place after the checkpoint (it is at version "
                        + $"{_inputs[i].Version}, and was at {_versions[i]}); change a Clone() instead."
                );
        }
        var now = RandomState;
        using var mode = new GradModeScope(enabled: true);
        using var cast = new Autocast(_autocast ?? DType.BFloat16, enabled: _autocast is not null);
        try
        {
            if (_random is { } then)
                RandomState = then;
            long start = Node.LastOrder;
            var nodes = Since(start, _function(_inputs));
            if (nodes.Count != _operators.Count)
                throw new InvalidOperationException(
                    $"Checkpoint: {_operators.Count} operators were recorded in the forward pass, but {nodes.Count} when it was computed "
                        + "again; the function must do the same both times."
                );
            for (int i = 0; i < nodes.Count; i++)
            {
                if (Told(nodes[i]) != _operators[i])
                    throw new InvalidOperationException(
                        $"Checkpoint: operator {i} was {_operators[i]} in the forward pass, but {Told(nodes[i])} when it was computed "
                            + "again; the function must do the same both times."
                    );
            }
            return [.. nodes];
        }
        finally
        {
            if (_random is not null)
                RandomState = now;
        }
    }

    private static (string Name, string Shapes) Told(Node node)
    {
        var shapes = Enumerable.Range(0, node.InputCount).Select(i => node.ShapeOrNull(i)).OfType<Layout>();
        return (GradFn.NameOf(node), string.Join(", ", shapes));
    }

    // What outputs were computed by since then, in order.
    private static List<Node> Since(long start, Tensor[] outputs)
    {
        var met = new HashSet<Node>();
        var open = new Stack<Node>();
        foreach (var output in outputs)
        {
            if (output.NodeForGrad() is { } root)
                Meet(root);
        }
        while (open.TryPop(out var node))
        {
            for (int i = 0; i < node.InputCount; i++)
            {
                if (node.Next(i) is { } next)
                    Meet(next);
            }
        }
        var nodes = met.ToList();
        nodes.Sort(static (a, b) => a.Order.CompareTo(b.Order));
        return nodes;

        void Meet(Node node)
        {
            if (node.Leaf is null && node.Order > start && met.Add(node))
                open.Push(node);
        }
    }
}
