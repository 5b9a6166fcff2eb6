using System.Globalization;
using System.Runtime.CompilerServices;
using Picograd.Gradients;

namespace Picograd;

/// <summary>A vertex of an <see cref="ExpressionGraph"/>: an operator's result, a leaf, or a tensor that is no part of the record.</summary>
/// <param name="Id">Its number, from inputs to outputs.</param>
/// <param name="Name">What it was named (<see cref="Tensor.Named"/>); empty for none.</param>
/// <param name="Operator">Which operator computed it, <c>+</c> or <c>tanh</c>; empty for leaves.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Value">Its elements; null where they are not known any more.</param>
/// <param name="Gradient">Its gradient; null where there is none.</param>
/// <param name="Inputs">Numbers of the vertices that it was computed from, in order.</param>
public sealed record ExpressionVertex(
    int Id,
    string Name,
    string Operator,
    Dimensions Shape,
    Tensor? Value,
    Tensor? Gradient,
    IReadOnlyList<int> Inputs
);

/// <summary>
/// How a tensor was computed, as a picture: values and gradients at each vertex, left to right.
/// <code>
/// using (ExpressionGraph.Record())
/// {
///     var loss = (w.Named("w") * x + b.Named("b")).Tanh().Named("loss");
///     loss.Backward(retainGraph: true);
///     ExpressionGraph.Of(loss).Save("loss.svg");
/// }
/// </code>
/// What was computed in <see cref="Record"/>, or was named, has its value and its gradient. Of the rest there is what the record holds:
/// leaves, and what a derivative saved.
/// </summary>
public sealed class ExpressionGraph
{
    private static readonly ConditionalWeakTable<Tensor, string> Names = [];

    private static readonly Dictionary<string, string> Signs = new()
    {
        ["add"] = "+",
        ["sub"] = "−",
        ["mul"] = "*",
        ["div"] = "/",
        ["neg"] = "−",
        ["matmul"] = "@",
        ["linear"] = "@ +",
        ["pow"] = "**",
        ["square"] = "** 2",
    };

    private ExpressionGraph(IReadOnlyList<ExpressionVertex> vertices) => Vertices = vertices;

    /// <summary>All vertices, each after those that it was computed from.</summary>
    public IReadOnlyList<ExpressionVertex> Vertices { get; }

    /// <summary>Until the result is disposed, what this thread computes keeps its value and its gradient for a graph.</summary>
    public static IDisposable Record() => new Keeper();

    /// <summary>The graph of a tensor.</summary>
    /// <exception cref="ArgumentException">It requires no gradient, so nothing was recorded.</exception>
    public static ExpressionGraph Of(Tensor root)
    {
        ArgumentNullException.ThrowIfNull(root);
        if (!root.RequiresGrad)
            throw new ArgumentException(
                "ExpressionGraph: the tensor requires no gradient, so it is not known how it was computed.",
                nameof(root)
            );
        var start = root.NodeForGrad()!;
        var order = Sorted(start);
        var values = new Dictionary<Node, Tensor> { [start] = root };
        foreach (var node in order)
        {
            if ((node.Leaf ?? node.Extras?.Of ?? node.PeekOutput) is { } own)
                values.TryAdd(node, own);
            for (int i = 0; i < node.InputCount; i++)
            {
                if (node.Next(i) is { } next && node.Peek(i) is { IsDisposed: false } saved)
                    values.TryAdd(next, saved);
            }
        }
        var vertices = new List<ExpressionVertex>();
        var numbers = new Dictionary<Node, int>();
        var constants = new Dictionary<Tensor, int>();
        foreach (var node in order)
        {
            var inputs = new List<int>();
            for (int i = 0; i < node.InputCount; i++)
            {
                if (node.Next(i) is { } next)
                    inputs.Add(numbers[next]);
                else if (node.Peek(i) is { IsDisposed: false } constant)
                    inputs.Add(Constant(constant));
            }
            if (NumberOf(node) is { } number)
            {
                inputs.Insert(node.I == 1 ? 0 : inputs.Count, vertices.Count);
                vertices.Add(new(vertices.Count, number, "", Dimensions.Create([]), null, null, []));
            }
            var value = values.GetValueOrDefault(node) is { IsDisposed: false } there ? there : null;
            numbers[node] = vertices.Count;
            vertices.Add(
                new(
                    vertices.Count,
                    value is not null && Names.TryGetValue(value, out string? name) ? name : "",
                    node.Leaf is null ? Signs.GetValueOrDefault(node.Name, OperatorOf(node)) : "",
                    value?.Shape ?? Dimensions.Create([]),
                    value,
                    value?.GradOrNull,
                    inputs
                )
            );
        }
        return new(vertices);

        int Constant(Tensor tensor)
        {
            if (constants.TryGetValue(tensor, out int known))
                return known;
            constants[tensor] = vertices.Count;
            string name = Names.TryGetValue(tensor, out string? given) ? given : "";
            vertices.Add(new(vertices.Count, name, "", tensor.Shape, tensor, null, []));
            return vertices.Count - 1;
        }
    }

    /// <summary>In Graphviz' language, which draws it left to right.</summary>
    public string ToDot()
    {
        var text = new System.Text.StringBuilder(
            "digraph {\n  rankdir=LR;\n  node [shape=record, fontname=\"monospace\"];\n"
        );
        foreach (var vertex in Vertices)
        {
            string label = string.Join(" | ", Lines(vertex).Select(Escaped));
            text.Append(CultureInfo.InvariantCulture, $"  v{vertex.Id} [label=\"{{ {label} }}\"];\n");
            if (vertex.Operator.Length == 0)
                continue;
            text.Append(
                CultureInfo.InvariantCulture,
                $"  o{vertex.Id} [shape=ellipse, label=\"{Escaped(vertex.Operator)}\"];\n  o{vertex.Id} -> v{vertex.Id};\n"
            );
            foreach (int input in vertex.Inputs)
                text.Append(CultureInfo.InvariantCulture, $"  v{input} -> o{vertex.Id};\n");
        }
        return text.Append("}\n").ToString();

        static string Escaped(string line) =>
            string.Concat(line.Select(c => "\\\"{}|<>".Contains(c, StringComparison.Ordinal) ? $"\\{c}" : $"{c}"));
    }

    /// <summary>As a picture.</summary>
    public string ToSvg() => ExpressionPicture.Of(this);

    /// <summary>Writes it: <c>.svg</c>, or <c>.dot</c> and <c>.gv</c> in Graphviz' language.</summary>
    /// <exception cref="ArgumentException">Another extension.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string text = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".svg" => ToSvg(),
            ".dot" or ".gv" => ToDot(),
            var other => throw new ArgumentException(
                $"ExpressionGraph.Save: '{path}' ends with '{other}'; graphs are written as .svg, .dot or .gv.",
                nameof(path)
            ),
        };
        File.WriteAllText(path, text);
    }

    /// <summary>What stands in the box of a vertex.</summary>
    internal static IReadOnlyList<string> Lines(ExpressionVertex vertex)
    {
        var lines = new List<string>();
        if (vertex.Name.Length > 0)
            lines.Add(vertex.Name);
        if (vertex.Value is { } value)
        {
            lines.Add("data " + Text(value));
            if (vertex.Gradient is { } gradient)
                lines.Add("grad " + Text(gradient));
        }
        else if (vertex.Operator.Length > 0)
        {
            lines.Add("not kept");
        }
        return lines;
    }

    internal static void SetName(Tensor tensor, string name) => Names.AddOrUpdate(tensor, name);

    internal static string? NameOf(Tensor tensor) => Names.TryGetValue(tensor, out string? name) ? name : null;

    // A few elements, or the shape.
    private static string Text(Tensor tensor)
    {
        if (tensor.IsDisposed)
            return "disposed";
        if (tensor.Device.IsMeta || tensor.NumElements > 4)
            return tensor.Shape.ToString();
        var numbers = tensor.Detach().ToDoubles().Select(v => v.ToString("0.0000", CultureInfo.InvariantCulture));
        return tensor.Rank == 0 ? numbers.First() : $"[{string.Join(", ", numbers)}]";
    }

    private static string OperatorOf(Node node) =>
        node.Data is FunctionContext or FunctionOutput ? GradFn.NameOf(node)[..^"Backward".Length] : node.Name;

    // The plain number beside a tensor.
    private static string? NumberOf(Node node) =>
        node.IsByNumber ? node.X.ToString("0.####", CultureInfo.InvariantCulture) : null;

    private static List<Node> Sorted(Node root)
    {
        var order = new List<Node>();
        var met = new HashSet<Node>();
        var open = new Stack<(Node Node, int Next)>();
        open.Push((root, 0));
        met.Add(root);
        while (open.TryPop(out var at))
        {
            int i = at.Next;
            while (i < at.Node.InputCount && (at.Node.Next(i) is not { } next || !met.Add(next)))
                i++;
            if (i == at.Node.InputCount)
            {
                order.Add(at.Node);
                continue;
            }
            open.Push((at.Node, i + 1));
            open.Push((at.Node.Next(i)!, 0));
        }
        return order;
    }

    private sealed class Keeper : IDisposable
    {
        private bool _open = true;

        public Keeper() => Recording.Keep(1);

        public void Dispose()
        {
            if (_open)
                Recording.Keep(-1);
            _open = false;
        }
    }
}
