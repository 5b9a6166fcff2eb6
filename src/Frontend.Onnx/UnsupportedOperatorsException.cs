namespace Picograd.Onnx;

/// <summary>A model has operators that this library does not run.</summary>
public sealed class UnsupportedOperatorsException : NotSupportedException
{
    internal UnsupportedOperatorsException(string path, IReadOnlyList<string> nodes)
        : base($"{path} can't be run: {nodes.Count} of its nodes are not supported: {string.Join(", ", nodes)}.") =>
        Nodes = nodes;

    /// <summary>Operator and name of each node: <c>TfIdfVectorizer 'node_3'</c>.</summary>
    public IReadOnlyList<string> Nodes { get; }
}
