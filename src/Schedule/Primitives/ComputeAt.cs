using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>loops = compute_at block loop</c>: a producer moves below a loop of its consumers, right before the first of them,
/// with new loops over just the region that they need there. Results: the new loops, in the order of the block's axes;
/// an axis that stands still below the loop gets none.
/// </summary>
public sealed class ComputeAt : Primitive
{
    public override string Name => "compute_at";

    public override string Usage => "loops = compute_at block loop";

    public override string Requirements =>
        """
            The block writes only intermediates, and all of what is written to them. It reads nothing of its own
            outputs but along a scan's axis. All readers of its outputs are below the loop, and what it reads is written
            before them. A reduction still has its implicit initial value (decompose_reduction comes after compute_at).
            No loop at or around the target is a vector loop.
            """;

    public override PrimitiveExample Example =>
        new(
            "stencil",
            ["split C.i 8"],
            "compute_at B C.i.o",
            """
            buffer B: f32[18] heap
            for C.i.o in 0..2:
              for B.x in 0..10:
                block B(x = C.i.o * 8 + B.x):
                  B[x] = A[x] * 2.0
              for C.i.i in 0..8:
                block C(i = C.i.o * 8 + C.i.i):
                  C[i] = B[i] + B[i + 1] + B[i + 2]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        var block = nest.Block(Arg(nest, step, 0));
        RequireOwnAxes(nest, block);
        var target = nest.Loop(Arg(nest, step, 1));
        Check(nest, block, target);

        var without = nest with { Body = nest.Body.Remove(block) };
        var loop = without.Loop(target.Name);
        ImmutableArray<For> outer = [.. without.LoopsAround(loop), loop];
        bool Consumes(BufferAccess a) => a.IsRead && block.Outputs.Contains(a.Buffer);
        var consumers = BufferAccess.Below(without.Body).Where(a => Consumes(a) && a.Path.Contains(loop)).ToList();
        var needed = new RegionAnalysis(without, outer).Hull(consumers)!;

        var items = loop.Body is Seq seq ? seq.Items : [loop.Body];
        int first = items.TakeWhile(i => !BufferAccess.Below(i).Any(Consumes)).Count();
        var reads = block.Reads.ToHashSet();
        var late = items
            .Skip(first)
            .SelectMany(BufferAccess.Below)
            .FirstOrDefault(a => a.IsWrite && reads.Contains(a.Buffer));
        if (late is not null)
            throw Refuse(
                nest,
                late.Statement,
                $"{late.Buffer.Name}, which block {block.Name} reads, is written below loop {target.Name} only after its first reader there",
                "a loop further in"
            );
        var (moved, loops) = BlockLoops.Make(
            without,
            block,
            Ranges(block, needed),
            outer,
            (i, wish) => ResultName(without, step, i, wish),
            peeled: BlockLoops.Peeled(nest, block)
        );
        var result = without.Replace(loop, loop with { Body = Seq.Of(items.Insert(first, moved)) });
        return (StoreAt.Kept(result), loops);
    }

    private void Check(LoopNest nest, Block block, For target)
    {
        if (block.Outputs.FirstOrDefault(o => !nest.Intermediates.Contains(o)) is { } output)
            throw Refuse(
                nest,
                block,
                $"block {block.Name} writes {output.Name}, an output of the algorithm, which has to be written whole",
                "reverse_compute_at, or cache_write first"
            );
        if (block.IsReduction && !block.Init)
            throw Refuse(
                nest,
                block,
                $"block {block.Name} only updates its output; the initial value is set elsewhere",
                "compute_at first, then decompose_reduction"
            );
        foreach (var access in BufferAccess.Below(nest.Body).Where(a => block.Outputs.Contains(a.Buffer)))
        {
            if (ReferenceEquals(access.Statement, block) || access.Kind == AccessKind.Hint)
                continue;
            string user = access.Statement is Block b ? $"block {b.Name}" : "a statement";
            if (access.IsWrite)
                throw Refuse(
                    nest,
                    access.Statement,
                    $"{user} writes {access.Buffer.Name} too, so block {block.Name} cannot move alone"
                );
            if (!access.Path.Any(s => ReferenceEquals(s, target)))
                throw Refuse(
                    nest,
                    access.Statement,
                    $"{user} reads {access.Buffer.Name} outside loop {target.Name}",
                    Common(nest, block) is [_, ..] common
                        ? $"loops around all readers: {string.Join(", ", common)}"
                        : "no loop is around all readers; cache_read gives one of them a copy of its own"
                );
        }
        if (Readers(nest, block).Count == 0)
            throw Refuse(nest, block, $"nothing reads the output of block {block.Name}");
        var around = nest.LoopsAround(target).Add(target);
        if (around.FirstOrDefault(l => l.Kind == LoopKind.Vector) is { } vector)
            throw Refuse(nest, vector, $"loop {vector.Name} is a vector loop", "a loop around it");
        var path = nest.Body.PathTo(block)!.Value;
        if (
            path.OfType<If>()
                .FirstOrDefault(i => target.PathTo(i) is null && nest.Body.PathTo(target)!.Value.IndexOf(i) < 0) is
            { } branch
        )
            throw Refuse(nest, branch, $"block {block.Name} is in a branch and loop {target.Name} is not");
    }

    private static List<BufferAccess> Readers(LoopNest nest, Block block) =>
        [
            .. BufferAccess
                .Below(nest.Body)
                .Where(a => a.IsRead && block.Outputs.Contains(a.Buffer) && !ReferenceEquals(a.Statement, block)),
        ];

    private static ImmutableArray<string> Common(LoopNest nest, Block block)
    {
        var readers = Readers(nest, block);
        return
        [
            .. nest
                .Loops.Where(l => l.Kind != LoopKind.Vector && readers.All(r => r.Loops.Contains(l)))
                .Select(l => l.Name),
        ];
    }

    // The values of each axis from which all of the region follows. A dimension indexed by the axis itself gives them;
    // by axis // c, the whole group of c; by anything else, nothing: the axis then runs over its extent.
    private static Dictionary<Var, AxisRange> Ranges(Block block, Region needed)
    {
        var ranges = new Dictionary<Var, AxisRange>();
        for (int d = 0; d < block.Indices.Length; d++)
        {
            var span = needed.Dims[d];
            switch (block.Indices[d])
            {
                case Var v:
                    ranges[v] = AxisRange.Of(span);
                    break;
                case Binary { Kind: BinaryOp.FloorDiv, A: Var v, B: IntImm c } when !ranges.ContainsKey(v):
                    ranges[v] = new AxisRange(span.Min * c, span.Extent * c, true);
                    break;
                default:
                    break;
            }
        }
        foreach (var axis in block.Axes.Where(a => a.Kind != AxisKind.Spatial))
            ranges[axis.Var] = AxisRange.Full(axis);
        return ranges;
    }
}
