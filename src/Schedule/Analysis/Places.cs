using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// Where intermediates can live. The buffers of a group share indices (they are outputs of one block), so they live in
/// one place with one shape.
/// </summary>
internal sealed class Places
{
    private readonly LoopNest _nest;
    private readonly ImmutableHashSet<Buffer> _buffers;
    private readonly ImmutableArray<BufferAccess> _accesses;
    private readonly ImmutableArray<Stmt> _common;

    /// <param name="nest">Its body may have Allocates for other buffers already.</param>
    public Places(LoopNest nest, IEnumerable<Buffer> group)
    {
        _nest = nest;
        _buffers = [.. group];
        _accesses = [.. BufferAccess.Below(nest.Body).Where(a => _buffers.Contains(a.Buffer))];
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
        if (above.FirstOrDefault(l => l.Kind == LoopKind.Vector) is { } vector)
            return $"loop {vector.Name} is a vector loop";
        foreach (var loop in above)
        {
            foreach (var buffer in _buffers)
            {
                bool outside = buffer.Scope switch
                {
                    Scope.Heap => loop.Kind.IsGpu(),
                    Scope.Shared => loop.Kind.IsThread(),
                    Scope.Fragment => loop.Kind
                        is LoopKind.Lane
                            or LoopKind.ThreadX
                            or LoopKind.ThreadY
                            or LoopKind.ThreadZ,
                    _ => false,
                };
                if (outside)
                    return $"{buffer.Scope.ToString().ToLowerInvariant()} memory is shared by the iterations of loop {loop.Name}";
            }
        }
        if (above.IsEmpty)
            return null;
        foreach (var read in _accesses.Where(a => a.IsRead))
        {
            if (!WrittenBefore(read) && !Accumulates(read, above) && !Repeats(read.Buffer, above))
            {
                string reader = read.Statement is Block b ? $"block {b.Name}" : "a statement";
                return $"{reader} reads elements of {read.Buffer.Name} that an earlier iteration of {above[^1].Name} may have written";
            }
        }
        return null;
    }

    /// <summary>What is used in one execution of the statement at a depth.</summary>
    public Region Used(int depth) =>
        new RegionAnalysis(_nest, LoopsAbove(depth)).Hull(_accesses.Where(a => a.Kind != AccessKind.Hint))!;

    // All that is read was written by one statement that comes earlier in a sequence around both, in the same iteration
    // of the loops around that sequence.
    private bool WrittenBefore(BufferAccess read)
    {
        foreach (var write in _accesses.Where(a => a.IsWrite && a.Buffer == read.Buffer))
        {
            int split = 0;
            while (
                split < Math.Min(read.Path.Length, write.Path.Length)
                && ReferenceEquals(read.Path[split], write.Path[split])
            )
                split++;
            if (
                split == 0
                || split >= read.Path.Length
                || split >= write.Path.Length
                || read.Path[split - 1] is not Seq seq
            )
                continue;
            bool earlier = IndexIn(seq, write.Path[split]) < IndexIn(seq, read.Path[split]);
            if (!earlier || write.Path.Skip(split).Any(s => s is If))
                continue;
            var analysis = new RegionAnalysis(_nest, read.Path.Take(split).OfType<For>());
            if (analysis.Covers(analysis.Of(write), analysis.Of(read), read.Buffer.Shape))
                return true;
        }
        return false;
    }

    private static int IndexIn(Seq seq, Stmt item)
    {
        for (int i = 0; i < seq.Items.Length; i++)
        {
            if (ReferenceEquals(seq.Items[i], item))
                return i;
        }
        return -1;
    }

    // A reduction that initialises itself reads only what it wrote, if all loops that it reduces over are inside.
    private static bool Accumulates(BufferAccess read, ImmutableArray<For> above) =>
        read is { Kind: AccessKind.Accumulate, Statement: Block { Init: true } block }
        && !above.Any(l => block.ReduceAxes.Any(a => a.Binding.Uses(l.Var)));

    // No element is touched in two executions of the place that do different things with the buffer: those loops around
    // that indices or conditions use select disjoint boxes, the other loops repeat the same thing.
    private bool Repeats(Buffer buffer, ImmutableArray<For> above)
    {
        var accesses = _accesses.Where(a => a.Buffer == buffer && a.Kind != AccessKind.Hint).ToList();
        if (accesses.Any(a => a.Path.Skip(_common.Length - 1).Any(s => s is If)))
            return false;
        var analysis = new RegionAnalysis(_nest, above);
        var used = above
            .Where(l =>
                accesses.Any(a =>
                    a.Indices.Concat(a.Guards).Any(e => e.Uses(l.Var)) || a.Loops.Any(inner => inner.Extent.Uses(l.Var))
                )
            )
            .ToList();
        // A reduction that goes on across a loop outside does not start again in each of its iterations.
        bool going = accesses.Any(a =>
            a.Statement is Block b
            && above.Any(l =>
                b.Axes.Any(x => x.Kind != AxisKind.Spatial && b.Outputs.Contains(buffer) && x.Binding.Uses(l.Var))
            )
        );
        return !going && (used.Count == 0 || analysis.Disjoint(analysis.Hull(accesses)!, used));
    }
}
