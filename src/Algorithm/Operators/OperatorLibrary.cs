using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>Every operator that has a text form.</summary>
public static class OperatorLibrary
{
    /// <summary>The operators by what they are for, as help texts list them.</summary>
    public static ImmutableArray<(string Group, ImmutableArray<OperatorDefinition> Operators)> Groups { get; } =
    [
        ("matrix products", [Matmul.Definition]),
        ("one operand", [.. Open(UnaryOperators.Definitions)]),
        ("activations with settings", [.. Open(Activations.Definitions)]),
        ("two or three operands", [.. Open(BroadcastOperators.Definitions)]),
        ("reductions", [.. Open(Reductions.Definitions)]),
        ("softmax", [.. Open(Softmax.Definitions)]),
        ("normalization", [.. Open(Norms.Definitions)]),
        ("convolution", [.. Convolution.Definitions]),
        ("pools", [.. Pools.Definitions]),
        (
            "losses",
            [.. Open(CrossEntropy.Definitions), .. Open(MseLoss.Definitions), .. Open(ElementLosses.Definitions)]
        ),
        ("attention", [.. Attention.Definitions]),
        ("indexing and copies", [.. Open(Indexing.Definitions), .. Open(Scattering.Definitions)]),
        ("elements in other places", [.. Moving.Definitions, .. Resampling.Definitions]),
        ("recurrent networks", [.. Open(Recurrent.Definitions)]),
        ("scans", [.. Open(Scans.Definitions), .. RunningExtremes.Definitions]),
        ("optimizers", [.. Open(Optimizers.Definitions)]),
        ("random numbers", [.. Open(RandomNumbers.Definitions)]),
    ];

    public static ImmutableArray<OperatorDefinition> All { get; } = OfAllGroups();

    private static ImmutableArray<OperatorDefinition> OfAllGroups()
    {
        var all = new List<OperatorDefinition>();
        foreach (var (_, operators) in Groups)
            all.AddRange(operators);
        return [.. all];
    }

    // Their algorithms are written over extents that may be symbolic.
    private static IEnumerable<OperatorDefinition> Open(ImmutableArray<OperatorDefinition> definitions) =>
        definitions.Select(d => d.Opens is null ? d with { Opens = (_, _) => true } : d);

    private static readonly Dictionary<string, OperatorDefinition> ByName = All.ToDictionary(o => o.Name);

    // Those of the program.
    private static readonly ConcurrentDictionary<string, OperatorDefinition> Own = new();

    /// <summary>Adds an operator of the program; false where its name is taken.</summary>
    public static bool TryAdd(OperatorDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return !ByName.ContainsKey(definition.Name) && Own.TryAdd(definition.Name, definition);
    }

    /// <summary>Whether an operator, or what it is the gradient of, is the program's own, which no other program knows by its name.</summary>
    public static bool IsOwn(OperatorDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        string name = definition.Name;
        while (name.EndsWith(AdjointOperators.Suffix, StringComparison.Ordinal))
            name = name[..^AdjointOperators.Suffix.Length];
        return Own.ContainsKey(name);
    }

    /// <summary>The operator of a name, also one of the program's own or a derived one (<see cref="AdjointOperators"/>), or null.</summary>
    public static OperatorDefinition? Find(string name) =>
        ByName.GetValueOrDefault(name) ?? Own.GetValueOrDefault(name) ?? AdjointOperators.Find(name);

    /// <summary>What is wrong with a name that no operator has: which may have been meant, else which there are.</summary>
    public static string Unknown(string name)
    {
        string hint = Spelling.Hint(name, All.Select(o => o.Name));
        return hint.Length > 0
            ? $"unknown operator '{name}'{hint}"
            : $"unknown operator '{name}'; known are {string.Join(", ", All.Select(o => o.Name))}";
    }
}
