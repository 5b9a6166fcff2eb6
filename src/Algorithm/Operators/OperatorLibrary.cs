using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>Every operator that has a text form.</summary>
public static class OperatorLibrary
{
    public static ImmutableArray<OperatorDefinition> All { get; } =
    [
        Matmul.Definition,
        .. UnaryOperators.Definitions,
        .. BinaryOperators.Definitions,
        .. Reductions.Definitions,
        .. Softmax.Definitions,
        .. Norms.Definitions,
        Convolution.Definition,
        .. CrossEntropy.Definitions,
        Attention.Definition,
        .. Indexing.Definitions,
        .. Scans.Definitions,
        .. Gradients.Definitions,
        .. Optimizers.Definitions,
        .. RandomNumbers.Definitions,
    ];

    private static readonly FrozenDictionary<string, OperatorDefinition> ByName = All.ToFrozenDictionary(o => o.Name);

    /// <summary>The operator of a name, or null.</summary>
    public static OperatorDefinition? Find(string name) => ByName.GetValueOrDefault(name);
}
