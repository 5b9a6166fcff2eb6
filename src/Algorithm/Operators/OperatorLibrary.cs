using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>Every operator that has a text form.</summary>
public static class OperatorLibrary
{
    public static ImmutableArray<OperatorDefinition> All { get; } =
    [
        Matmul.Definition,
        .. Open(UnaryOperators.Definitions),
        .. Open(BinaryOperators.Definitions),
        .. Open(Reductions.Definitions),
        .. Open(Softmax.Definitions),
        .. Open(Norms.Definitions),
        Convolution.Definition,
        .. Open(CrossEntropy.Definitions),
        Attention.Definition,
        .. Open(Indexing.Definitions),
        .. Open(Scans.Definitions),
        .. Open(Gradients.Definitions),
        .. Open(Optimizers.Definitions),
        .. Open(RandomNumbers.Definitions),
    ];

    // Their algorithms are written over extents that may be symbolic.
    private static IEnumerable<OperatorDefinition> Open(ImmutableArray<OperatorDefinition> definitions) =>
        definitions.Select(d => d.Opens is null ? d with { Opens = (_, _) => true } : d);

    private static readonly FrozenDictionary<string, OperatorDefinition> ByName = All.ToFrozenDictionary(o => o.Name);

    /// <summary>The operator of a name, or null.</summary>
    public static OperatorDefinition? Find(string name) => ByName.GetValueOrDefault(name);
}
