using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>Who works on one result of a reduction.</summary>
internal enum ReductionTeam
{
    Thread,
    Warp,
    Block,
}

/// <summary>
/// A reduction as a kernel, or two. Along memory (rows): a thread, warp or block a row, with vectors. Across memory
/// (columns): neighbouring lanes have neighbouring columns, and the warps of a block share the rows out. Where there
/// are few results, parts of each are reduced by blocks of their own, and a second kernel reduces the parts.
/// </summary>
/// <param name="Team">Who works on a row.</param>
/// <param name="Threads">Threads of a block.</param>
/// <param name="Vector">Elements that a thread loads at once, along a row.</param>
/// <param name="Parts">Parts of each result; 1: one kernel.</param>
internal sealed record GpuReduction(ReductionTeam Team, long Threads, long Vector, long Parts)
{
    public static GpuReduction From(Choices choices)
    {
        return new GpuReduction(
            (ReductionTeam)choices[GpuReductionKnobs.Team],
            choices[GpuReductionKnobs.Block],
            choices[GpuReductionKnobs.Wide],
            choices[GpuReductionKnobs.Parts]
        );
    }

    public static ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var stage = algorithm.Stages.Where(s => s.Kind == StageKind.Reduce).MaxBy(GpuMap.Points)!;
        long length = Extents.Points(stage.ReduceAxes, symbolic: 1024);
        long results = Extents.Points(stage.SpatialAxes, symbolic: 1024);
        long most = Math.Max(1, 16 / stage.Reads.Select(b => b.Type.Size()).DefaultIfEmpty(4).Max());
        bool row = AlongRows(stage);
        long vector = row ? most : 1;
        while (vector > 1 && (length % vector != 0 || length < 32 * vector))
            vector /= 2;
        long block = length >= 4096 ? 512 : 256;
        long workers = row
            ? (
                length <= 16 ? results / block
                : length <= 1024 ? results / 8
                : results
            )
            : results / 32;
        long parts = 1;
        while (
            length * results >= 1 << 17
            && parts < 1024
            && workers * parts < target.Gpu!.Multiprocessors
            && length / parts >= (row ? 8192 : 128)
        )
            parts *= 2;
        return
        [
            GpuReductionKnobs.Team.Offer(
                [0, 1, 2],
                length <= 16 ? 0
                    : length <= 1024 ? 1
                    : 2
            ),
            GpuReductionKnobs.Parts.Offer(
                [
                    .. new long[] { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 }.Where(p =>
                        p <= Math.Max(1, length / 2)
                    ),
                ],
                parts
            ),
            GpuReductionKnobs.Block.Offer([64, 128, 256, 512, 1024], block),
            GpuReductionKnobs.Wide.Offer([.. new long[] { 1, 2, 4, 8, 16 }.Where(v => v <= most)], vector),
        ];
    }

    /// <summary>Schedules the root nest of a reduction that no other primitive has touched.</summary>
    public void Apply(Schedule s, Stage stage)
    {
        BlockRef block = stage;
        if (s.Nest.Block(block) is not { IsReduction: true, Init: true } || !s.Nest.Block(block).ReduceAxes.Any())
        {
            GpuPlainRule.Stage(s, block, Threads);
            return;
        }
        bool rows = AlongRows(stage);
        var k = FuseReduction(s, block);
        long? length = s.Nest.Loop(k).ConstantExtent;
        if (Parts > 1 && length is { } all && all >= 2 * Parts)
        {
            long part = Extents.CeilDiv(all, Parts);
            if (rows)
                part = Extents.CeilDiv(part, Vector) * Vector;
            var (parts, _) = s.Split(k, part, $"{block}.part", $"{block}.k");
            var partial = s.Rfactor(block, parts);
            var rest = FuseReduction(s, partial);
            bool columns = ByColumns(s, stage, rest, rows);
            if (columns)
                PartsOutside(s, partial);
            One(s, partial, rest, columns, Team, Vector);
            // What is left is short: along memory where parts of a row are neighbours, else across.
            var last = FuseReduction(s, block);
            bool few = s.Nest.Loop(last).ConstantExtent <= 16;
            One(
                s,
                block,
                last,
                columns && !few && ByColumns(s, stage, last, rows),
                few ? ReductionTeam.Thread : ReductionTeam.Warp,
                1
            );
            return;
        }
        One(s, block, k, ByColumns(s, stage, k, rows), Team, Vector);
    }

    // Enough columns side by side for the lanes of a warp, and enough to reduce for several warps.
    private static bool ByColumns(Schedule s, Stage stage, LoopRef k, bool rows) =>
        !rows
        && stage.SpatialAxes.Last().Extent is IntImm { Value: >= GpuInfo.WarpSize }
        && s.Nest.Loop(k).ConstantExtent is null or >= 8;

    // Parts outermost, in the loops and in memory, so that columns stay neighbours.
    private static void PartsOutside(Schedule s, BlockRef partial)
    {
        var loops = s.LoopsAround(partial);
        // The results' loops, that over parts, and the reduction.
        var part = loops[^2];
        s.Reorder([part, .. loops.SkipLast(2), loops[^1]]);
        foreach (var buffer in s.Nest.Block(partial).Outputs)
        {
            if (s.Nest.Block(partial).Outputs.Length > 1)
                return;
            s.MoveDimensionFirst(buffer, buffer.Rank - 1);
        }
    }

    private void One(Schedule s, BlockRef block, LoopRef k, bool columns, ReductionTeam team, long vector)
    {
        // Of columns each warp has a part: their results meet in shared memory.
        var copy = s.CacheWrite(s.Output(block), columns ? Scope.Shared : Scope.Register).Copy;
        var spatial = s.Nest.LoopsAround(s.Nest.Block(block)).Refs().Where(l => l != k).ToList();
        if (spatial.Count == 0)
            spatial.Add(s.UnitLoop(k));
        if (columns)
        {
            Columns(s, block, copy, spatial, k);
            return;
        }
        // The result is copied out where it is made, before loops are fused and cut.
        s.ReverseComputeAt(copy, spatial[^1]);
        var row = s.Fuse(spatial, $"{block}.row");
        if (team == ReductionTeam.Thread)
            ByThread(s, block, row, k);
        else
            Row(s, block, row, k, team, vector);
    }

    private void Row(Schedule s, BlockRef block, LoopRef row, LoopRef k, ReductionTeam team, long vector)
    {
        long length = s.Nest.Loop(k).ConstantExtent ?? long.MaxValue;
        // Of a row that is one vector only one thread has a part, and what is copied for it would not be tied to that thread.
        while (vector > 1 && (length == long.MaxValue || length % vector != 0 || length == vector))
            vector /= 2;
        long threads =
            team == ReductionTeam.Warp ? GpuInfo.WarpSize
            : length == long.MaxValue ? Threads
            : Math.Min(Threads, GpuLoops.WholeWarps(length / vector));
        LoopRef? lanes = null;
        if (vector > 1)
            (k, lanes) = s.Split(k, vector, $"{block}.kv", $"{block}.v");
        var (ko, t) = s.Split(k, threads, $"{block}.ko", $"{block}.{(team == ReductionTeam.Warp ? "lane" : "t")}");
        var rowLoop = row;
        var blocks = row;
        if (team == ReductionTeam.Warp)
        {
            long warps = Threads / GpuInfo.WarpSize;
            if (s.Nest.Loop(row).ConstantExtent is { } n)
                warps = Math.Max(1, Math.Min(warps, n));
            (blocks, rowLoop) = s.Split(row, warps, $"{block}.rows", $"{block}.warp");
        }
        s.Reorder([t, ko, .. lanes is null ? [] : (LoopRef[])[lanes]]);
        if (lanes is not null)
            LoadVectors(s, block, ko, s.Nest.Loop(lanes));
        s.Bind(blocks, LoopKind.BlockX);
        if (team == ReductionTeam.Warp)
            s.Bind(rowLoop, LoopKind.Warp);
        s.Bind(t, team == ReductionTeam.Warp ? LoopKind.Lane : LoopKind.ThreadX);
        if (lanes is not null)
            s.Unroll(lanes);
    }

    // Lanes along columns; the rows go around the warps of the block.
    private void Columns(Schedule s, BlockRef block, BlockRef copy, List<LoopRef> spatial, LoopRef k)
    {
        var (column, lane) = s.Split(spatial[^1], GpuInfo.WarpSize, $"{block}.column", $"{block}.lane");
        spatial[^1] = column;
        long warps = Math.Min(Threads / GpuInfo.WarpSize, Math.Max(1, (s.Nest.Loop(k).ConstantExtent ?? 1024) / 4));
        var (ko, warp) = s.Split(k, Math.Max(1, warps), $"{block}.ko", $"{block}.warp");
        s.Reorder(warp, lane, ko);
        var loops = s.ReverseComputeAt(copy, column);
        var blocks = s.Fuse(spatial, $"{block}.block");
        s.Bind(blocks, LoopKind.BlockX);
        s.Bind(warp, LoopKind.Warp);
        s.Bind(lane, LoopKind.Lane);
        if (loops.Count > 0)
            s.Bind(loops[^1], LoopKind.Lane);
    }

    private void ByThread(Schedule s, BlockRef block, LoopRef row, LoopRef k)
    {
        s.DecomposeReduction(block, k);
        if (s.Nest.Loop(row).ConstantExtent == 1)
        {
            // One result: there is nothing to share out.
            s.Bind(s.UnitLoop(row), LoopKind.BlockX);
            s.Bind(row, LoopKind.ThreadX);
            return;
        }
        GpuLoops.BindGrid(s, row, Threads);
    }

    // Loads of a block that run along memory become vectors, through registers, below a loop.
    private static void LoadVectors(Schedule s, BlockRef block, LoopRef at, For lanes)
    {
        foreach (var buffer in s.Nest.Block(block).Reads.ToList())
        {
            if (buffer.Scope is not (Scope.Global or Scope.Heap))
                continue;
            var before = s.Nest;
            try
            {
                var (_, copy) = s.CacheRead(buffer, block, Scope.Register);
                s.ComputeAt(copy, at);
                var own = s.Nest.OwnLoops(s.Nest.Block(copy)).Where(l => l.ConstantExtent > 1).ToList();
                if (own is [{ ConstantExtent: <= 16 } only] && ReadsAsWritten(s, block, copy, only, lanes))
                    s.Vectorize(only);
                else
                    s.Reset(before);
            }
            catch (ScheduleException)
            {
                // Read through an index that is not known: element by element.
                s.Reset(before);
            }
        }
    }

    // Whether a block reads, lane by lane, what the copy's only loop wrote: of other elements (at the edges of images, several apart,
    // in descending order) it is not clear which thread has them in its registers.
    private static bool ReadsAsWritten(Schedule s, BlockRef block, BlockRef copy, For written, For lanes)
    {
        var writer = s.Nest.Block(copy);
        var reader = s.Nest.Block(block);
        var own = s.Nest.OwnLoops(writer).ToDictionary(l => l.Var, l => l == written ? (Expr)lanes.Var : 0);
        var written0 = Bound(writer, writer.Indices).Select(i => LinearForm.Of(i.Substitute(own))).ToList();
        return reader
            .Loads.Where(l => l.Buffer == writer.Output)
            .All(l =>
                Bound(reader, l.Indices).Select(LinearForm.Of).Zip(written0).All(p => IsZero(p.First - p.Second))
            );

        static IEnumerable<Expr> Bound(Block b, ImmutableArray<Expr> indices)
        {
            var bindings = b.Axes.ToDictionary(a => a.Var, a => a.Binding);
            return indices.Select(i => i.Substitute(bindings));
        }

        static bool IsZero(LinearForm form) => form.Terms.IsEmpty && form.Constant == 0;
    }

    /// <summary>The reduction's loops as one, inside of all others.</summary>
    internal static LoopRef FuseReduction(Schedule s, BlockRef block)
    {
        var own = s.Nest.Block(block);
        var loops = s.Nest.LoopsAround(own);
        var reduce = loops.Where(l => own.ReduceAxes.Any(a => a.Binding.Uses(l.Var))).Refs().ToList();
        LoopRef[] order = [.. loops.Refs().Except(reduce), .. reduce];
        if (order.Length > 1 && !order.SequenceEqual(loops.Refs()))
            s.Reorder(order);
        return s.Fuse(reduce, $"{block}.k");
    }

    /// <summary>Whether neighbours in memory are neighbours along the last axis that is reduced.</summary>
    internal static bool AlongRows(Stage stage)
    {
        var last = stage.ReduceAxes.LastOrDefault();
        var column = stage.SpatialAxes.LastOrDefault();
        if (last is null || column is null)
            return true;
        var loads = stage.Values.SelectMany(v => v.Loads()).ToList();
        long Neighbours(Axis axis) =>
            loads.Count(l => LinearForm.Of(l.Buffer.Offset(l.Indices)).CoefficientOf(axis.Var) == 1);
        return Neighbours(column) <= Neighbours(last);
    }
}

/// <summary>The knobs of <see cref="GpuReduction"/>.</summary>
internal static class GpuReductionKnobs
{
    public static readonly NumberKnob Team = new("team", 0, absent: 1);
    public static readonly NumberKnob Parts = new("parts", 0, absent: 1);
    public static readonly NumberKnob Block = new("block", 1, absent: 256);
    public static readonly NumberKnob Wide = new("wide", 1, absent: 1);
}
