using System.Globalization;
using Picograd.Gradients;

namespace Picograd;

/// <summary>A recorded operator, as <see cref="Tensor.GradFn"/> shows it. Equal ones are the same record.</summary>
public sealed class GradFn : IEquatable<GradFn>
{
    private readonly Node _node;

    internal GradFn(Node node) => _node = node;

    // What PyTorch calls otherwise than by the operator's name.
    private static readonly Dictionary<string, string> Names = new()
    {
        ["leaf"] = "AccumulateGrad",
        ["matmul"] = "MmBackward0",
        ["linear"] = "AddmmBackward0",
        ["to"] = "ToCopyBackward0",
        ["to_device"] = "ToCopyBackward0",
        ["reshape"] = "ViewBackward0",
        ["set-item"] = "CopySlices",
        ["index_put"] = "IndexPutBackward0",
        ["square"] = "PowBackward0",
        ["attention"] = "ScaledDotProductAttentionBackward0",
        ["cross_entropy"] = "NllLossBackward0",
        ["clamp_min"] = "ClampMinBackward0",
        ["clamp_max"] = "ClampMaxBackward0",
    };

    internal static string NameOf(Node node)
    {
        if (node.Data is FunctionContext context)
            return context.Name;
        if (node.Data is FunctionOutput output)
            return output.Of.Name;
        string name = node.Name;
        if (Names.TryGetValue(name, out string? known))
            return known == "MmBackward0" && node.InputCount > 0 && node.ShapeOrNull(0) is { Rank: > 2 }
                ? "BmmBackward0"
                : known;
        string[] parts = name.Split('.');
        string pascal = string.Concat(
            parts[0]
                .Split('_', StringSplitOptions.RemoveEmptyEntries)
                .Select(w => char.ToUpper(w[0], CultureInfo.InvariantCulture) + w[1..])
        );
        return pascal + string.Concat(Enumerable.Repeat("Backward", parts.Length)) + "0";
    }

    /// <summary>PyTorch's name, <c>AddBackward0</c>.</summary>
    public string Name => NameOf(_node);

    /// <summary>The records of its inputs: null for an input that needs no gradient.</summary>
    public IReadOnlyList<GradFn?> NextFunctions
    {
        get
        {
            var next = new List<GradFn?>();
            for (int i = 0; i < _node.InputCount; i++)
            {
                if (_node.HasInput(i))
                    next.Add(_node.Next(i) is { } node ? new GradFn(node) : null);
            }
            return next;
        }
    }

    /// <summary>Of an <c>AccumulateGrad</c>: the leaf.</summary>
    public Tensor? Variable => _node.Leaf;

    public bool Equals(GradFn? other) => ReferenceEquals(other?._node, _node);

    public override bool Equals(object? obj) => Equals(obj as GradFn);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(_node);

    /// <summary><c>&lt;AddBackward0&gt;</c>.</summary>
    public override string ToString() => $"<{Name}>";
}
