using System.Collections.Immutable;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Algorithms.Operators;

/// <summary>What the elements of an input may be, for generated test and tuning data.</summary>
public sealed record InputDomain(DomainKind Kind, long Limit = 0)
{
    public static readonly InputDomain Any = new(DomainKind.Any);
    public static readonly InputDomain Positive = new(DomainKind.Positive);
    public static readonly InputDomain Unit = new(DomainKind.Unit);
    public static readonly InputDomain Probability = new(DomainKind.Probability);
    public static readonly InputDomain Negative = new(DomainKind.Negative);
    public static readonly InputDomain AboveOne = new(DomainKind.AboveOne);
    public static readonly InputDomain AboveMinusOne = new(DomainKind.AboveMinusOne);
    public static readonly InputDomain NonZero = new(DomainKind.NonZero);

    public static InputDomain Index(long limit) => new(DomainKind.Index, limit);
}

public enum DomainKind
{
    /// <summary>Any number of the type.</summary>
    Any,

    /// <summary>Greater than 0.</summary>
    Positive,

    /// <summary>Less than 0.</summary>
    Negative,

    /// <summary>Not 0 (a divisor).</summary>
    NonZero,

    /// <summary>Between −1 and 1.</summary>
    Unit,

    /// <summary>Greater than 1.</summary>
    AboveOne,

    /// <summary>Greater than −1.</summary>
    AboveMinusOne,

    /// <summary>Between 0 and 1, exclusive.</summary>
    Probability,

    /// <summary>An integer in [0, Limit).</summary>
    Index,
}

/// <summary>
/// An operator of the library: its name, the keys of its text form in canonical order, and how an instance becomes an
/// algorithm.
/// </summary>
public sealed record OperatorDefinition(
    string Name,
    string Doc,
    ImmutableArray<OperatorKey> Keys,
    Func<OperatorSpec, Algorithm> Build
)
{
    /// <summary>Checks keys against one another: null, or what is wrong.</summary>
    public Func<OperatorSpec, string?> Check { get; init; } = _ => null;

    /// <summary>What each input holds.</summary>
    public Func<OperatorSpec, Buffer, InputDomain> Domain { get; init; } = (_, _) => InputDomain.Any;

    /// <summary>What an output holds, where its algorithm does not say it by its form; gradients read it again.</summary>
    public Func<OperatorSpec, Buffer, InputDomain>? ResultDomain { get; init; }

    /// <summary>
    /// Replaces generated inputs that belong to others: saved results. Gets the seed and the kind that they were made with.
    /// </summary>
    public Action<OperatorSpec, Dictionary<Buffer, NDArray>, int, InputKind>? Complete { get; init; }

    /// <summary>The gradient of an instance's algorithm where it is not to be derived.</summary>
    public Func<OperatorSpec, Algorithm, DerivedAlgorithm>? Adjoint { get; init; }

    /// <summary>Bytes that must move; null: every input and output once.</summary>
    public Func<OperatorSpec, long>? Bytes { get; init; }

    /// <summary>
    /// Which dimensions <see cref="Build"/> takes as symbolic extents, for an instance and the name of a key: see
    /// <see cref="OpenOperator"/>. Null for none. Instances of one class have the same answers.
    /// </summary>
    public Func<OperatorSpec, string, bool>? Opens { get; init; }

    /// <summary>From which value on a key that <see cref="Opens"/> is symbolic in a class of shapes; null for all from 2 on.</summary>
    public Func<string, long>? FewestOpen { get; init; }

    /// <summary>
    /// Shapes and dtypes of inputs and outputs in terms of the keys, as <see cref="OperatorSignature"/> reads them; null where
    /// they are not written in these terms, so that no tensor function calls the operator.
    /// </summary>
    public string? Operands { get; init; }

    /// <summary>An example that is small and valid, for help texts and tests.</summary>
    public required string Example { get; init; }

    /// <summary>name key=… [optional=…] with the meaning of each key, for help texts.</summary>
    public string Usage =>
        Name
        + string.Concat(
            Keys.Select(k => k.Default is null && !k.Optional ? $" {k.Name}=" : $" [{k.Name}={k.Default ?? ""}]")
        );
}
