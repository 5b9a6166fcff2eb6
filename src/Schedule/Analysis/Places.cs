using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// Where intermediates can live: around all their uses, and around the loops across which a block carries values in them
/// (it reduces over them, or scans along them). Every other read is of what the same iteration of the loops around all
/// uses wrote: primitives keep it so, and the interpreter checks it. The buffers of a group share indices (they are outputs of one block), so they live in
/// one place with one shape.
/// </summary>
internal sealed class Places
{
    private readonly LoopNest _nest;
    private readonly HashSet<Buffer> _buffers;
    private readonly ImmutableArray<BufferAccess> _accesses;
    private readonly ImmutableArray<Stmt> _common;

    /// <param name="nest">Its body may have Allocates for other buffers already.</param>
    public Places(LoopNest nest, IEnumerable<Buffer> group)
    {
        _nest = nest;
        _buffers = [.. group];
        _accesses = [.. BufferAccess.Below(nest.Body, _buffers)];
        _common = _accesses.IsEmpty
            ? []
            :
            [
                .. _accesses[0]
                    .Path.TakeWhile((s, i) => _accesses.All(a => i < a.Path.Length && ReferenceEquals(a.Path[i], s))),
            ];
    }

    public ImmutableArray<BufferAccess> Accesses => _accesses;

    /// <summary>Statements that enclose all uses, outermost first.</summary>
    public ImmutableArray<Stmt> Common => _common;

    /// <summary>Loops around the statement at a depth of <see cref="Common"/>.</summary>
    public ImmutableArray<For> LoopsAbove(int depth) => [.. _common.Take(depth).OfType<For>()];

    /// <summary>
    /// The innermost statement, as a depth in <see cref="Common"/>, that the buffers can live around. With a loop named,
    /// not further in than directly below that loop.
    /// </summary>
    public int Innermost(string? within = null)
    {
        int depth = _common.Length - 1;
        if (within is not null)
        {
            int loop = Enumerable
                .Range(0, _common.Length)
                .FirstOrDefault(i => _common[i] is For f && f.Name == within, -1);
            if (loop >= 0)
            {
                int next = Enumerable.Range(loop + 1, depth - loop).FirstOrDefault(i => _common[i] is For, depth);
                depth = Math.Min(depth, next);
            }
        }
        while (depth > 0 && Blocker(depth) is not null)
        {
            depth--;
            while (depth > 0 && _common[depth] is not For)
                depth--;
        }
        return depth;
    }

    /// <summary>Why the buffers cannot live around the statement at the depth; null where they can.</summary>
    public string? Blocker(int depth)
    {
        var above = LoopsAbove(depth);
        foreach (var loop in above)
        {
            if (_buffers.FirstOrDefault(b => loop.Kind.Shares(b.Scope)) is { } common)
                return loop.Kind == LoopKind.Vector
                    ? $"loop {loop.Name} is a vector loop"
                    : $"{common.Scope.ToString().ToLowerInvariant()} memory is shared by the iterations of loop {loop.Name}, which is {loop.Kind.Text()}";
        }
        foreach (var access in _accesses.Where(a => a.IsWrite))
        {
            if (access.Statement is not Block writer)
                continue;
            foreach (var axis in writer.Axes.Where(a => a.Kind != AxisKind.Spatial))
            {
                if (above.FirstOrDefault(l => axis.Binding.Uses(l.Var)) is { } carried)
                    return $"block {writer.Name} carries values of {access.Buffer.Name} from one iteration of loop {carried.Name} to the next";
            }
        }
        return null;
    }

    /// <summary>What is used in one execution of the statement at a depth.</summary>
    public Region Used(int depth) =>
        new RegionAnalysis(_nest, LoopsAbove(depth)).Hull(_accesses.Where(a => a.Kind != AccessKind.Hint))!;
}
