using Picograd.Onnx.Proto;

namespace Picograd.Onnx;

/// <summary>Values by name while a graph runs; those of an inner graph see those around it.</summary>
internal sealed class Scope(Scope? outer, Generator? generator)
{
    private readonly Dictionary<string, object?> _values = [];

    public Generator? Generator => generator;

    public bool Training { get; init; }

    public void Set(string name, object? value) => _values[name] = value;

    public void Drop(string name) => _values.Remove(name);

    public bool TryFind(string name, out object? value)
    {
        for (var at = this; at is not null; at = at.Outer)
        {
            if (at._values.TryGetValue(name, out value))
                return true;
        }
        value = null;
        return false;
    }

    private Scope? Outer => outer;
}

/// <summary>A graph: nodes in an order in which each finds what it takes.</summary>
internal sealed class Graph
{
    private readonly string[][] _dropped;

    public Graph(
        GraphProto proto,
        string path,
        Func<string, long> opset,
        Func<string, TensorProto, Tensor> initializer,
        int depth
    )
        : this(proto.Name, path, [.. proto.Input.Select(i => i.Name)], [.. proto.Output.Select(o => o.Name)])
    {
        if (depth > MostDepth)
            throw new InvalidDataException(
                $"{path} is no ONNX file that can be read: graphs lie more than {MostDepth} deep in each other."
            );
        foreach (var tensor in proto.Initializer)
            Constants[tensor.Name] = initializer(tensor.Name, tensor);
        if (proto.SparseInitializer.Count > 0)
            throw new InvalidDataException($"{path} can't be read: its graph '{proto.Name}' has sparse initializers.");
        Nodes =
        [
            .. proto.Node.Select(n => new Node(
                n,
                opset(n.Domain),
                path,
                g => new Graph(g, path, opset, initializer, depth + 1)
            )),
        ];
        _dropped = LastUses();
    }

    private Graph(string name, string path, string[] inputs, string[] outputs)
    {
        (Name, Path, Inputs, Outputs) = (name, path, inputs, outputs);
        (Nodes, _dropped) = ([], []);
    }

    /// <summary>The body of a function of the model.</summary>
    public Graph(
        FunctionProto proto,
        string path,
        Func<string, long> opset,
        Func<string, TensorProto, Tensor> initializer
    )
        : this(proto.Name, path, [.. proto.Input], [.. proto.Output])
    {
        Nodes =
        [
            .. proto.Node.Select(n => new Node(
                n,
                opset(n.Domain),
                path,
                g => new Graph(g, path, opset, initializer, 1)
            )),
        ];
        _dropped = LastUses();
    }

    private const int MostDepth = 16;

    public string Name { get; }

    public string Path { get; }

    public string[] Inputs { get; }

    public string[] Outputs { get; }

    public Node[] Nodes { get; }

    /// <summary>Tensors that the graph brings along.</summary>
    public Dictionary<string, Tensor> Constants { get; } = [];

    /// <summary>All nodes, those of inner graphs too.</summary>
    public IEnumerable<Node> AllNodes => Nodes.Concat(Nodes.SelectMany(n => n.Graphs).SelectMany(g => g.AllNodes));

    /// <summary>Runs it with its inputs in a scope around.</summary>
    public object?[] Run(object?[] inputs, Scope? outer, Generator? generator = null, bool training = false)
    {
        var scope = new Scope(outer, generator) { Training = training };
        foreach (var (name, tensor) in Constants)
            scope.Set(name, tensor);
        for (int i = 0; i < inputs.Length; i++)
            scope.Set(Inputs[i], inputs[i]);
        for (int i = 0; i < Nodes.Length; i++)
        {
            Run(Nodes[i], scope);
            foreach (string name in _dropped[i])
                scope.Drop(name);
        }
        return
        [
            .. Outputs.Select(name =>
                scope.TryFind(name, out object? value)
                    ? value
                    : throw new InvalidDataException(
                        $"{Path}: the graph '{Name}' has the output '{name}', which nothing gives."
                    )
            ),
        ];
    }

    private static void Run(Node node, Scope scope)
    {
        object?[] inputs = new object?[node.Inputs.Length];
        for (int k = 0; k < inputs.Length; k++)
        {
            string name = node.Inputs[k];
            if (name.Length > 0 && !scope.TryFind(name, out inputs[k]))
                throw node.Wrong($"takes '{name}', which nothing before it gives");
        }
        object?[] outputs;
        try
        {
            outputs = node.Operation!(new Call(node, inputs, scope));
        }
        catch (Exception e)
            when (e
                    is ArgumentException
                        or InvalidOperationException
                        or IndexOutOfRangeException
                        or NotSupportedException
            )
        {
            throw new InvalidOperationException($"{node.Path}: the node {node} can't be run: {e.Message}", e);
        }
        if (node.Outputs.Length > outputs.Length && node.Outputs[outputs.Length..].Any(n => n.Length > 0))
            throw node.Wrong($"has {node.Outputs.Length} outputs, but {outputs.Length} are known");
        for (int k = 0; k < Math.Min(outputs.Length, node.Outputs.Length); k++)
        {
            if (node.Outputs[k].Length > 0)
                scope.Set(node.Outputs[k], outputs[k]);
        }
    }

    // What a node gives is kept as long as something takes it, so that memory serves again.
    private string[][] LastUses()
    {
        var last = new Dictionary<string, int>();
        var made = new HashSet<string>(Nodes.SelectMany(n => n.Outputs).Where(n => n.Length > 0));
        for (int i = 0; i < Nodes.Length; i++)
        {
            foreach (
                string name in Nodes[i]
                    .Inputs.Concat(Nodes[i].Graphs.SelectMany(g => g.AllNodes).SelectMany(n => n.Inputs))
            )
                last[name] = i;
            foreach (string name in Nodes[i].Graphs.SelectMany(g => g.AllOutputs))
                last[name] = i;
        }
        made.ExceptWith(Outputs);
        var ends = last.Where(e => made.Contains(e.Key)).ToLookup(e => e.Value, e => e.Key);
        return [.. Enumerable.Range(0, Nodes.Length).Select(i => ends[i].ToArray())];
    }

    private IEnumerable<string> AllOutputs =>
        Outputs.Concat(Nodes.SelectMany(n => n.Graphs).SelectMany(g => g.AllOutputs));
}
