using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// Each stage by itself: element-wise stages over contiguous memory as one long vector loop, others with vectors along
/// the last axis; reductions along contiguous memory with one partial result a lane, others with vectors across
/// results; scatters and scans with vectors along an independent last axis.
/// </summary>
public sealed partial class StagewiseRule : ScheduleRule
{
    // Bytes of results of a row from which sums across rows go by blocks of rows.
    private const long LongRow = 2048;

    // Elements side by side that are stored from as many vectors.
    private const long Interleaved = 4;

    // Elements that one of several threads adds up, in a sum of all: whatever the number of threads, so that it has no part in the
    // order of additions.
    private const long Share = 1 << 15;

    // Points from which maps that read the same go through memory together.
    private const long FarMap = 1 << 13;

    // Rows from which several results of a column are partial ones in registers, and how many rows these are of.
    private const long TupleRows = 8;

    public override string Name => "stagewise";

    public override bool Applies(Algorithm algorithm, TargetInfo target) => target.Gpu is null && target.VectorBits > 0;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        long points = algorithm.Stages.Max(s => Extents.Points(s.Axes));
        if (target.Threads > 1)
            knobs.Add(StagewiseKnobs.Parallel.Offer(points >= 1 << 15));
        knobs.Add(StagewiseKnobs.Vectors.Offer([1, 2, 4, 8], DefaultVectors(algorithm, target)));
        if (algorithm.Stages.Any(s => s.Kind == StageKind.Reduce))
        {
            // Beyond the second-level cache a column of vectors is one line a page; long rows lie in few sets of the first (sums of
            // 32 x 2048 columns, 1 thread: 4.7 us in whole columns, 2.0 in blocks of rows; 64 x 512: 1.28 and 0.93; 64 x 200: 0.21
            // and 0.24).
            bool far =
                algorithm.Inputs.Any(b => b.ConstantSize() * b.Type.Size() > target.L2Bytes)
                || algorithm.Stages.Any(s => s.Kind == StageKind.Reduce && RowBytes(s) >= LongRow);
            knobs.Add(StagewiseKnobs.Rows.Offer([0, 2, 4, 8, 16], far ? 8 : 0));
        }
        return knobs.ToImmutable();
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var s = new Schedule(algorithm);
        long vectors = choices[StagewiseKnobs.Vectors];
        bool parallel = choices[StagewiseKnobs.Parallel];
        long rows = choices[StagewiseKnobs.Rows];
        Schedule(s, algorithm.Stages, target, parallel, vectors, rows: rows);
        return s.Nest;
    }

    /// <summary>Schedules the root nests of some stages, which no other primitive has touched.</summary>
    internal static void Schedule(
        Schedule s,
        IEnumerable<Stage> stages,
        TargetInfo target,
        bool parallel,
        long vectors = 4,
        bool fused = false,
        long rows = 0
    )
    {
        Stage[] all = [.. stages];
        for (int i = 0; i < all.Length; i++)
        {
            var stage = all[i];
            bool spread = parallel && Extents.Points(stage.Axes) >= 1 << 12;
            bool goesOn = !fused && i + 1 < all.Length && ReadAlike(stage, all[i + 1]);
            int lanes = target.Lanes(stage);
            var before = s.Nest;
            try
            {
                switch (stage.Kind)
                {
                    case StageKind.Reduce:
                        Reduction(s, stage, target, spread, vectors, fused, rows);
                        break;
                    case StageKind.Scatter:
                        Inner(s, stage.Init(), lanes, vectors, spread);
                        Inner(s, stage, lanes, vectors, false);
                        break;
                    case StageKind.Map when i > 0 && !fused && ReadAlike(all[i - 1], stage):
                        if (!Behind(s, all[i - 1], stage))
                            Inner(s, stage, lanes, vectors, false);
                        Beside(s, all[i - 1], stage, spread && !goesOn);
                        break;
                    default:
                        Inner(s, stage, lanes, vectors, spread && !goesOn, stage.Kind == StageKind.Scan);
                        break;
                }
            }
            catch (ScheduleException)
            {
                // A stage that the general recipe does not fit keeps its plain loops.
                s.Reset(before);
            }
        }
    }

    // Whether two maps have the same axes and read elements of which some are the same (gradients of both factors of a product), or one
    // reads what the other makes.
    private static bool ReadAlike(Stage first, Stage second) =>
        first.Kind == StageKind.Map
        && second.Kind == StageKind.Map
        && first.Axes.Length == second.Axes.Length
        && first.Axes.Zip(second.Axes).All(p => p.First.Extent == p.Second.Extent)
        && Extents.Points(second.Axes) >= FarMap
        && (Reads(second, first.Output) || first.Reads.Intersect(second.Reads).Any(b => b.Rank == first.Axes.Length));

    private static bool Reads(Stage stage, Algorithms.Buffer made) => stage.Reads.Contains(made);

    // What reads the elements that a map, or one in its loop, has just made, in the same stretches: they are read from the cache, not from
    // memory (adam of 393,216 elements, 1 thread: 142 us, 97 so).
    private static bool Behind(Schedule s, Stage first, Stage second)
    {
        if (!Reads(second, first.Output))
            return false;
        var separate = s.Nest;
        try
        {
            LoopRecipes.FuseContiguous(s, second);
            var loops = Around(s, first);
            if (loops.Length < 2 || loops[0].Kind != LoopKind.Serial || Around(s, second).Length != 1)
            {
                s.Reset(separate);
                return false;
            }
            s.ReverseComputeAt(second, loops[0]);
            var inner = Around(s, second)[^1];
            if (inner.ConstantExtent > 1 && CanVectorize(s, second, inner))
                s.Vectorize(inner);
            return true;
        }
        catch (ScheduleException)
        {
            // It reads other elements too, or they are made elsewhere.
            s.Reset(separate);
            return false;
        }
    }

    // Two maps in one outer loop, a stretch of vectors each in turn: what both read is read from memory once (gradients of mse_loss of
    // 131,072 elements, 1 thread).
    private static void Beside(Schedule s, Stage first, Stage second, bool parallel)
    {
        var (a, b) = (Around(s, first), Around(s, second));
        if (a.IsEmpty || b.IsEmpty)
            return;
        var separate = s.Nest;
        try
        {
            if (!ReferenceEquals(a[0], b[0]) && a[0].Kind == LoopKind.Serial && !ReferenceEquals(a[^1], a[0]))
                s.FuseSiblings(a[0], b[0]);
        }
        catch (ScheduleException)
        {
            // One reads the other, or something stands between them.
            s.Reset(separate);
        }
        foreach (var stage in new[] { first, second })
        {
            var outer = Around(s, stage)[0];
            if (parallel && outer.Kind == LoopKind.Serial && outer.ConstantExtent > 1 && IsSpatial(s, stage, outer))
                s.Parallel(outer);
        }
    }

    // Fuses what is contiguous, cuts a stretch of vectors, spreads the outer loop. A scan across vectors goes down a stretch of
    // columns at a time, twice as wide, whose sums stay in registers, and threads share the stretches (1000 x 1000, 1 thread:
    // 0.071 ms, row by row 0.13).
    private static void Inner(Schedule s, BlockRef block, int lanes, long vectors, bool parallel, bool scan = false)
    {
        if (!s.Nest.Blocks.Any(b => b.Ref == block))
            return;
        LoopRecipes.FuseContiguous(s, block);
        var loops = Around(s, block);
        if (loops.IsEmpty)
            return;
        var inner = loops[^1];
        if (inner.Kind != LoopKind.Serial)
            return;
        bool canVectorize = CanVectorize(s, block, inner);
        if (inner.ConstantExtent > 1 && IsSpatial(s, block, inner) && Crosswise(s, block, loops) is { } along)
        {
            if (canVectorize && inner.ConstantExtent <= Interleaved && along.ConstantExtent > lanes)
            {
                Interleave(s, along, inner, lanes, parallel);
                return;
            }
            Tiles(s, along, inner, lanes, canVectorize, parallel);
            return;
        }
        if (scan && !canVectorize && Chains(s, block, loops, parallel))
            return;
        if (!canVectorize || inner.ConstantExtent is not { } extent)
        {
            if (parallel && loops.Length > 0 && IsSpatial(s, block, loops[0]))
                s.Parallel(loops[0]);
            return;
        }
        bool down =
            scan && loops.Length > 1 && !IsSpatial(s, block, loops[^2]) && ReferenceEquals(loops[^2].Body, inner);
        long width = lanes * vectors * (down ? 2 : 1);
        LoopRef? outer = null;
        LoopRef vector = inner;
        if (extent > width)
            (outer, vector) = s.Split(inner, width, extent % width == 0 ? Tail.None : Tail.Peel);
        if (extent > 1)
            s.Vectorize(vector);
        if (down && outer is not null)
        {
            s.Reorder(outer, loops[^2]);
            loops = Around(s, block);
        }
        if (!parallel)
            return;
        var first = loops.Length > 1 ? loops[0] : outer;
        if (first is not null && IsSpatial(s, block, s.Nest.Loop(first)))
            s.Parallel(first);
    }

    // A scan along memory: several rows side by side, whose sums do not wait for one another.
    private static bool Chains(Schedule s, BlockRef block, ImmutableArray<For> loops, bool parallel)
    {
        const long Together = 8;
        if (loops.Length < 2 || IsSpatial(s, block, loops[^1]) || !IsSpatial(s, block, loops[^2]))
            return false;
        var row = loops[^2];
        if (
            row is not { Kind: LoopKind.Serial, ConstantExtent: > 1 and var rows }
            || !ReferenceEquals(row.Body, loops[^1])
        )
            return false;
        var (outer, together) = LoopRecipes.SplitTile(s, row, Math.Min(Together, rows), rows);
        s.Reorder(outer, loops[^1], together);
        s.Unroll(together);
        if (parallel)
            s.Parallel(loops.Length > 2 && IsSpatial(s, block, loops[0]) ? loops[0] : outer);
        return true;
    }

    // The loop along which an operand runs through memory, where that is not the one along which results do (a transpose).
    private static For? Crosswise(Schedule s, BlockRef name, ImmutableArray<For> loops)
    {
        var block = s.Nest.Block(name);
        if (block.Axes.Any(a => a.Kind != AxisKind.Spatial))
            return null;
        var bindings = block.Bindings;
        var own = s.Nest.OwnLoops(block);
        var inner = loops[^1];
        foreach (var load in block.Loads)
        {
            var form = LinearForm.Of(load.Buffer.Offset([.. load.Indices.Select(i => i.Substitute(bindings))]));
            if (form.CoefficientOf(inner.Var) is 0 or 1 or -1)
                continue;
            var along = loops.SkipLast(1).LastOrDefault(l => form.CoefficientOf(l.Var) is 1 && own.Contains(l));
            if (along is { Kind: LoopKind.Serial, ConstantExtent: > 1 } && IsSpatial(s, name, along))
                return along;
        }
        return null;
    }

    // Few elements side by side from as many long rows (channels last from channels first): vectors along the rows, stored so that
    // they alternate.
    private static void Interleave(Schedule s, For along, For inner, int lanes, bool parallel)
    {
        var (tile, lane) = LoopRecipes.SplitTile(s, along, lanes, along.ConstantExtent!.Value);
        s.Reorder(tile, inner, lane);
        s.Unroll(inner);
        s.Vectorize(lane);
        if (parallel)
            s.Parallel(s.Nest.LoopsAround(s.Nest.Loop(tile)).FirstOrDefault()?.Ref ?? tile);
    }

    // Tiles of as many rows as a vector has lanes, which are transposed in registers, within larger ones that are read and
    // written in long pieces (4096 x 4096 floats, 1 thread: 175 ms row by row, 7.3 in small tiles, 5.4 in both).
    private static void Tiles(Schedule s, For along, For inner, int lanes, bool vectors, bool parallel)
    {
        const long Large = 64;
        // More rows than lanes of four bytes are too many to be written out (1024² bools: 0.28 ms, in squares of 64 0.50).
        lanes = Math.Min(lanes, 16);
        var large = new List<LoopRef>();
        var small = new List<LoopRef>();
        var lowest = new List<LoopRef>();
        foreach (var loop in new[] { along, inner })
        {
            LoopRef name = loop;
            if (loop.ConstantExtent > 2 * Large)
            {
                (var far, name) = LoopRecipes.SplitTile(s, name, Large, loop.ConstantExtent.Value);
                large.Add(far);
            }
            var (tile, low) = LoopRecipes.SplitTile(s, name, lanes, s.Nest.Loop(name).ConstantExtent!.Value);
            small.Add(tile);
            lowest.Add(low);
        }
        s.Reorder([.. large, .. small, .. lowest]);
        if (vectors)
        {
            s.Unroll(lowest[0]);
            s.Vectorize(lowest[1]);
        }
        var outer = large.Concat(small).First();
        if (parallel)
            s.Parallel(s.Nest.LoopsAround(s.Nest.Loop(outer)).FirstOrDefault()?.Ref ?? outer);
    }

    private static bool CanVectorize(Schedule s, BlockRef name, For loop)
    {
        var block = s.Nest.Block(name);
        return IsSpatial(s, name, loop) && block.Outputs.Length == 1 && loop.Kind == LoopKind.Serial;
    }

    private static bool IsSpatial(Schedule s, BlockRef name, For loop) =>
        s.Nest.Block(name).Axes.All(a => a.Kind == AxisKind.Spatial || !a.Binding.Uses(loop.Var));

    private static bool IsLastDimension(Load load, Axis axis) =>
        load.Buffer.Rank > 0 && load.Buffer.Strides.IsDefault && ReferenceEquals(load.Indices[^1], axis.Var);

    private static ImmutableArray<For> Around(Schedule s, BlockRef block) => s.Nest.LoopsAround(s.Nest.Block(block));

    // Of what vectors read as it is: code that widens 16 bits is too long to be written out for several rows.
    private static long RowBytes(Stage stage) =>
        stage.Values[0].Loads().All(l => l.Type.Size() >= 4)
            ? ((stage.SpatialAxes.LastOrDefault()?.Extent as IntImm)?.Value ?? 1) * stage.Output.Type.Size()
            : 0;

    /// <summary>Vectors side by side: as many as short rows still fill (27 classes: 0.9 µs with one, 2.7 with four).</summary>
    internal static long DefaultVectors(Algorithm algorithm, TargetInfo target)
    {
        // How many rows there are, which the axis of a row's statistic says, is no length.
        int most = algorithm.Stages.Max(s => s.Axes.Length);
        var sides = algorithm.Stages.Where(s => s.Axes.Length == most).Select(Side).OfType<Axis>().ToList();
        long longest = sides.Select(a => (a.Extent as IntImm)?.Value ?? 64).Append(1).Max();
        int lanes = target.Lanes(algorithm.Stages[^1]);
        long vectors = longest / lanes;
        // Sums across rows have nothing left to add up at the end.
        if (sides.TrueForAll(a => a.Kind == AxisKind.Spatial) && algorithm.Stages.All(s => s.Kind == StageKind.Reduce))
            return vectors >= 4 ? 4
                : longest > lanes ? 2
                : 1;
        return vectors >= 8 ? 4
            : vectors >= 4 ? 2
            : 1;
    }

    // The axis whose elements lie side by side in vectors: the last, or that of the results where a sum goes across rows.
    private static Axis? Side(Stage stage) =>
        stage.Kind == StageKind.Reduce
        && stage.SpatialAxes.LastOrDefault() is { } column
        && stage.Values[0].Loads().Any(l => IsLastDimension(l, column))
        && !stage.Values[0].Loads().Any(l => IsLastDimension(l, stage.ReduceAxes.Last()))
            ? column
            : stage.Axes.LastOrDefault();
}

/// <summary>The knobs of <see cref="StagewiseRule"/>.</summary>
internal static class StagewiseKnobs
{
    public static readonly SwitchKnob Parallel = new("parallel", 0);
    public static readonly NumberKnob Vectors = new("vectors", 1, lengthens: true);
    public static readonly NumberKnob Rows = new("rows", 2, lengthens: true);
}
