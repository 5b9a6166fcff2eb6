using Picograd.Onnx.Proto;
using AttributeType = Picograd.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace Picograd.Onnx;

/// <summary>What an operator computes of a call.</summary>
internal delegate object?[] Operation(Call call);

/// <summary>A node of a graph: an operator with its attributes and the names of what it takes and gives.</summary>
internal sealed class Node
{
    private readonly Dictionary<string, AttributeProto> _attributes = [];
    private readonly Dictionary<string, Graph> _graphs = [];
    private readonly string _path;

    public Node(NodeProto proto, long opset, string path, Func<GraphProto, Graph> subgraph)
    {
        _path = path;
        Operator = proto.OpType;
        Domain = proto.Domain == "ai.onnx" ? "" : proto.Domain;
        Name = proto.Name;
        Opset = opset;
        Inputs = [.. proto.Input];
        Outputs = [.. proto.Output];
        foreach (var attribute in proto.Attribute)
        {
            if (attribute.RefAttrName.Length > 0)
                throw Wrong(
                    $"takes its attribute '{attribute.Name}' from '{attribute.RefAttrName}' of the function around it, which is not supported; inline the model's functions first"
                );
            _attributes[attribute.Name] = attribute;
            if (attribute.G is { } graph)
                _graphs[attribute.Name] = subgraph(graph);
        }
    }

    public string Operator { get; }

    public string Domain { get; }

    public string Name { get; }

    /// <summary>The version of the operators that the model is written in.</summary>
    public long Opset { get; }

    public string[] Inputs { get; }

    public string[] Outputs { get; }

    public IEnumerable<Graph> Graphs => _graphs.Values;

    /// <summary>What runs it; null where nothing does.</summary>
    public Operation? Operation { get; set; }

    public AttributeProto? Attribute(string name) => _attributes.GetValueOrDefault(name);

    public IEnumerable<AttributeProto> Attributes => _attributes.Values;

    public Graph Graph(string name) => _graphs.GetValueOrDefault(name) ?? throw Wrong($"has no graph '{name}'");

    public InvalidDataException Wrong(string what) => new($"{_path}: the node {this} {what}.");

    public override string ToString() =>
        Name.Length == 0 ? $"{Operator} (to '{Outputs.FirstOrDefault()}')" : $"{Operator} '{Name}'";

    public string Path => _path;

    public long Int(string name, long otherwise) =>
        Typed(name, AttributeType.Int) is { } attribute ? attribute.I : otherwise;

    public double Float(string name, double otherwise) =>
        Typed(name, AttributeType.Float) is { } attribute ? attribute.F : otherwise;

    public string Text(string name, string otherwise) =>
        Typed(name, AttributeType.String) is { } attribute ? attribute.S.ToStringUtf8() : otherwise;

    public long[]? Ints(string name) => Typed(name, AttributeType.Ints) is { } attribute ? [.. attribute.Ints] : null;

    /// <summary>Integers that must be there.</summary>
    public long[] NeededInts(string name) => Ints(name) ?? throw Wrong($"has no '{name}'");

    public TensorProto NeededTensor(AttributeProto attribute) =>
        attribute.T ?? throw Wrong($"has the attribute '{attribute.Name}', which is no tensor");

    public float[]? Floats(string name) =>
        Typed(name, AttributeType.Floats) is { } attribute ? [.. attribute.Floats] : null;

    public string[]? Texts(string name) =>
        Typed(name, AttributeType.Strings) is { } attribute
            ? [.. attribute.Strings.Select(s => s.ToStringUtf8())]
            : null;

    private AttributeProto? Typed(string name, AttributeType type)
    {
        var attribute = Attribute(name);
        // Files of the first versions say no type.
        return attribute is null || attribute.Type == type || attribute.Type == AttributeType.Undefined
            ? attribute
            : throw Wrong($"has the attribute '{name}' of {attribute.Type}, but it must be {type}");
    }
}

/// <summary>A call of a node: its inputs, and where it is.</summary>
internal sealed class Call(Node node, object?[] inputs, Scope scope)
{
    public Node Node => node;

    public Scope Scope => scope;

    public int Count => inputs.Length;

    public object? Value(int place) => place < inputs.Length ? inputs[place] : null;

    /// <summary>An input that must be there.</summary>
    public Tensor this[int place] =>
        Value(place) as Tensor
        ?? throw node.Wrong(Value(place) is null ? $"has no input {place}" : $"has an input {place} that is no tensor");

    /// <summary>An input that may be left out.</summary>
    public Tensor? Given(int place) => Value(place) is null ? null : this[place];

    /// <summary>An input of integers, such as axes.</summary>
    public long[]? Longs(int place) => Given(place) is { } tensor ? tensor.To(DType.Int64).ToArray<long>() : null;

    /// <summary>An input of integers that must be there.</summary>
    public long[] Needed(int place) => Longs(place) ?? throw node.Wrong($"has no input {place}");

    /// <summary>Integers that must be there, as an attribute or as an input.</summary>
    public long[] Needed(string attribute, int place) =>
        Longs(attribute, place) ?? throw node.Wrong($"has no '{attribute}'");

    /// <summary>Integers that are an attribute in older versions and an input in newer ones.</summary>
    public long[]? Longs(string attribute, int place) => node.Ints(attribute) ?? Longs(place);

    /// <summary>A dimension counted from the start.</summary>
    public int Axis(string name, long otherwise, int rank) => Axis(node.Int(name, otherwise), rank);

    public int Axis(long axis, int rank) =>
        axis >= -rank && axis < Math.Max(1, rank)
            ? (int)(axis < 0 ? axis + rank : axis)
            : throw node.Wrong($"has the axis {axis}, but its input {rank} dimensions");

    public int[] Axes(long[] axes, int rank) => [.. axes.Select(a => Axis(a, rank))];
}
