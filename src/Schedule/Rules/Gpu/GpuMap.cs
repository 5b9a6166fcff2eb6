using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// A map as a kernel: all its loops, in the order of memory, as one; of that the innermost stretch a vector of each
/// thread, then threads, then items a thread (apart by a block's threads, so that neighbours read neighbours), then blocks.
/// </summary>
/// <param name="Threads">Threads of a block.</param>
/// <param name="Vector">Elements that a thread takes at once; as many of them as divide the innermost extent.</param>
/// <param name="Items">Vectors a thread, unrolled.</param>
/// <param name="Waves">
/// Blocks a multiprocessor, each of which strides over the whole grid; 0: as many blocks as there is work.
/// </param>
internal sealed record GpuMap(long Threads, long Vector, long Items, long Waves)
{
    public static GpuMap From(Choices choices)
    {
        return new GpuMap(
            choices[GpuMapKnobs.Threads],
            choices[GpuMapKnobs.Vector],
            choices[GpuMapKnobs.Items],
            choices[GpuMapKnobs.Waves]
        );
    }

    /// <summary>What is good for so many points of elements of so many bytes.</summary>
    public static ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target, IEnumerable<Stage> stages)
    {
        var gpu = target.Gpu!;
        long widest = Math.Max(1, 16 / stages.SelectMany(Buffers).Max(b => b.Type.Size()));
        long points = stages.Max(Points);
        long vector = widest;
        while (vector > 1 && !stages.All(s => Divides(s, vector) && points >= gpu.Multiprocessors * 256L * vector))
            vector /= 2;
        ImmutableArray<long> widths = [.. new long[] { 1, 2, 4, 8, 16 }.Where(v => v <= widest)];
        return
        [
            GpuMapKnobs.Vector.Offer(widths, vector),
            GpuMapKnobs.Threads.Offer([64, 128, 256, 512, 1024], 256),
            GpuMapKnobs.Items.Offer([1, 2, 4, 8], points >= gpu.Multiprocessors * 256L * vector * 16 ? 2 : 1),
            GpuMapKnobs.Waves.Offer([0, 2, 4, 8, 16], 0),
        ];
    }

    /// <summary>Schedules the root nest of a map that no other primitive has touched.</summary>
    /// <returns>The thread loop, and the loops below it; null where there was nothing to share out.</returns>
    public (LoopRef Thread, ImmutableArray<LoopRef> Below)? Apply(Schedule s, BlockRef block, TargetInfo target)
    {
        LoopRecipes.FuseContiguous(s, block);
        var loops = s.LoopsAround(block);
        if (loops.IsEmptyOrShared(s, block))
        {
            GpuPlainRule.Stage(s, block, Threads);
            return null;
        }
        var below = new List<LoopRef>();
        long vector = Vector;
        var inner = s.Nest.Loop(loops[^1]);
        if (inner.ConstantExtent is { } extent)
        {
            while (vector > 1 && (extent % vector != 0 || extent == 0))
                vector /= 2;
        }
        else
            vector = 1;
        if (vector > 1)
        {
            var (rest, lanes) = s.Split(inner, vector, $"{block}.vec", $"{block}.v");
            loops[^1] = rest;
            below.Add(lanes);
        }
        var all = s.Fuse(loops);
        long? total = s.Nest.Loop(all).ConstantExtent;
        long threads = total is { } n ? Math.Min(Threads, GpuLoops.WholeWarps(n)) : Threads;
        var (blocks, thread) = s.Split(all, threads, $"{block}.block", $"{block}.t");
        LoopRef? items = null;
        if (Items > 1 && (s.Nest.Loop(blocks).ConstantExtent ?? long.MaxValue) >= 2 * Items)
        {
            (blocks, items) = s.Split(blocks, Items, $"{block}.grid", $"{block}.item");
            s.Reorder(thread, items);
            s.Unroll(items);
            below.Insert(0, items);
        }
        long grid = Waves * target.Gpu!.Multiprocessors;
        if (grid > 0 && s.Nest.Loop(blocks).ConstantExtent is { } most && most > grid)
        {
            var (strides, block1) = s.Split(blocks, grid, $"{block}.stride", $"{block}.grid");
            LoopRef[] order = [block1, thread, strides];
            s.Reorder(order);
            blocks = block1;
            below.Insert(0, strides);
        }
        s.Bind(blocks, LoopKind.BlockX);
        s.Bind(thread, LoopKind.ThreadX);
        if (vector > 1)
            s.Vectorize(below[^1]);
        return (thread, [.. below]);
    }

    /// <summary>Points of a stage; symbolic extents count as 1024.</summary>
    public static long Points(Stage stage) => Extents.Points(stage.Axes, symbolic: 1024);

    private static IEnumerable<Buffer> Buffers(Stage stage) => stage.Reads.Concat(stage.Outputs);

    // Whether vectors along the last axis are whole and read neighbours, or one element for all.
    private static bool Divides(Stage stage, long vector)
    {
        if (stage.Axes.IsEmpty)
            return false;
        var last = stage.Axes[^1];
        if (last.Extent is not IntImm { Value: var extent })
            return false;
        // Dense operands of one shape are one long row.
        bool dense = stage.Values.All(v =>
            v.Loads().All(l => l.Buffer.Strides.IsDefault && l.Indices.SequenceEqual(stage.Indices))
        );
        return (dense ? Points(stage) : extent) % vector == 0
            && stage
                .Values.SelectMany(v => v.Loads())
                .All(l =>
                    LinearForm.Of(l.Buffer.Offset(l.Indices)) is var form
                    && form.CoefficientOf(last.Var) is 0 or 1
                    && form.Terms.All(t => t.Atom is Var || !t.Atom.Uses(last.Var))
                );
    }
}

file static class Loops
{
    // Whether a block has no loops, or loops that others are in as well.
    public static bool IsEmptyOrShared(this List<LoopRef> loops, Schedule s, BlockRef block) =>
        loops.Count == 0 || s.Nest.OwnLoops(s.Nest.Block(block)).Length != loops.Count;
}

/// <summary>The knobs of <see cref="GpuMap"/>.</summary>
internal static class GpuMapKnobs
{
    public static readonly NumberKnob Vector = new("vector", 0, absent: 1);
    public static readonly NumberKnob Threads = new("threads", 1, absent: 256);
    public static readonly NumberKnob Items = new("items", 1, absent: 1);
    public static readonly NumberKnob Waves = new("waves", 2);
}
