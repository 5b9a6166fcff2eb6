using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Graphs;

/// <summary>
/// Decides which calls of a recorded program run as one kernel. A program is asked for one stretch after another: its calls between
/// two looks of the host (checks of indices, numbers of an optimizer).
/// </summary>
internal interface IPartition
{
    /// <summary>
    /// Groups of the stretch's calls, each call in one, in an order in which every call comes after those whose results it reads, and
    /// after those that read what it overwrites.
    /// </summary>
    /// <param name="calls">The stretch, in the order of the recording.</param>
    /// <param name="isNeeded">Whether anything after the stretch reads what is in a block, or it stays after the program.</param>
    IReadOnlyList<KernelGroup> Of(IReadOnlyList<CallStep> calls, Func<Block, bool> isNeeded);
}

/// <summary>Calls that run together, in order.</summary>
/// <param name="Calls">At least one; a group of one runs as it does without a graph.</param>
internal sealed record KernelGroup(ImmutableArray<CallStep> Calls)
{
    /// <summary>What all of them compute at once; null where they run one after another.</summary>
    public Problem? Joined { get; init; }

    /// <summary>
    /// The arguments of the joined problem's algorithm in its order, inputs first: blocks, or numbers of calls. What lies only between
    /// calls of the group is not among them, and gets no memory.
    /// </summary>
    public ImmutableArray<GroupArgument> Arguments { get; init; } = [];
}

/// <summary>An argument of a joined problem.</summary>
/// <param name="Operand">Where it lies, or of which number it is.</param>
/// <param name="Call">Of a number: the call that has it, since the numbers of some calls change.</param>
/// <param name="Place">Of a number: which operand of the call it is.</param>
internal readonly record struct GroupArgument(Operand Operand, CallStep? Call = null, int Place = -1);

/// <summary>Every call by itself: the same kernels as without a graph.</summary>
internal sealed class EachByItself : IPartition
{
    public static readonly EachByItself Instance = new();

    public IReadOnlyList<KernelGroup> Of(IReadOnlyList<CallStep> calls, Func<Block, bool> isNeeded) =>
        [.. calls.Select(c => new KernelGroup([c]))];
}
