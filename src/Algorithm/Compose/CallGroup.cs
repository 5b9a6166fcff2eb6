using System.Collections.Immutable;

namespace Picograd.Algorithms.Compose;

/// <summary>Memory that calls of a group read and write: dense and row-major over its dimensions.</summary>
/// <param name="Type">What its elements are.</param>
/// <param name="Dims">Extents; none for a single element.</param>
public sealed record GroupValue(DType Type, ImmutableArray<long> Dims)
{
    /// <summary>Whether there is nothing in it before the group's calls: what none of them writes may be anything.</summary>
    public bool IsNew { get; init; }

    /// <summary>Number of elements.</summary>
    public long Count => Dims.Aggregate(1L, (n, d) => n * d);
}

/// <summary>
/// An argument of a call: which value it is, and which part. The element [i0, i1, …] of the algorithm's buffer is the element number
/// offset + i0·strides[0] + i1·strides[1] + … of the value.
/// </summary>
/// <param name="Value">Number of the value in its group.</param>
/// <param name="Offset">Elements before the first one.</param>
/// <param name="Strides">Elements between neighbours, 0 where they are one; default: as the algorithm has its buffer in memory.</param>
public sealed record GroupOperand(int Value, long Offset = 0, ImmutableArray<long> Strides = default);

/// <summary>A call: what is computed, and on what.</summary>
/// <param name="Problem">Of constant extents.</param>
/// <param name="Operands">One for each of the algorithm's arguments: inputs, then outputs.</param>
public sealed record GroupCall(Problem Problem, ImmutableArray<GroupOperand> Operands);

/// <summary>Calls that run one after another. A call reads all that it reads before it writes.</summary>
/// <param name="Name">For people.</param>
/// <param name="Values">What the calls read and write.</param>
/// <param name="Calls">In order.</param>
/// <param name="Results">Values that somebody reads afterwards.</param>
public sealed record CallGroup(
    string Name,
    ImmutableArray<GroupValue> Values,
    ImmutableArray<GroupCall> Calls,
    ImmutableArray<int> Results
);

/// <summary>What a group computes, as one problem.</summary>
/// <param name="Problem">The whole.</param>
/// <param name="Inputs">The value that each input of its algorithm is, as it is before the group.</param>
/// <param name="Outputs">The value that each output is, as it is after the group.</param>
public sealed record JoinedGroup(Problem Problem, ImmutableArray<int> Inputs, ImmutableArray<int> Outputs)
{
    /// <summary>
    /// The output that is written into the memory of the value that it replaces, and only where it changes, instead of to memory of
    /// its own: where the algorithm's stage is <see cref="Stage.InPlace"/>.
    /// </summary>
    public bool IsInPlace(int output) => Problem.Algorithm.ReplacedBy(Problem.Algorithm.Outputs[output]) is not null;
}

/// <summary>A group that is no algorithm, and why.</summary>
public sealed class JoinException : Exception
{
    public JoinException() { }

    public JoinException(string message)
        : base(message) { }

    public JoinException(string message, Exception innerException)
        : base(message, innerException) { }
}
