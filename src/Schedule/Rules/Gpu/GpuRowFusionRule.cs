using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// Stages over the same rows (softmax, its gradient, layer normalisation, the loss of each row …) in one kernel, with a
/// warp or a block for each row: a row is read once and stays in registers, or in shared memory where it is long; rows
/// longer than that are read again by each stage. Stages after the last one that has rows are kernels of their own.
/// </summary>
public sealed class GpuRowFusionRule : ScheduleRule
{
    public override string Name => "gpu-rows";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is not null && Rows(algorithm) is { Length: > 1 } rows && rows.Any(s => s.Kind == StageKind.Reduce);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var rows = Rows(algorithm);
        long length = Length(rows);
        long most = Math.Max(1, 16 / rows.SelectMany(s => s.Reads).Max(b => b.Type.Size()));
        long vector = most;
        while (vector > 1 && (length % vector != 0 || length < 32 * vector))
            vector /= 2;
        bool warp = length <= 1024;
        long threads =
            warp ? 128
            : length <= 4096 ? 256
            : length <= 16384 ? 512
            : 1024;
        long each = length / (warp ? 32 : threads);
        long bytes = length * 4 * Held(algorithm, rows);
        long keep =
            each * Held(algorithm, rows) <= 64 ? 1
            : bytes <= target.Gpu!.SharedBytesPerBlock / 2 ? 2
            : 0;
        return
        [
            GpuRowFusionKnobs.Team.Offer([1, 2], warp ? 1 : 2),
            GpuRowFusionKnobs.Keep.Offer([0, 1, 2], keep),
            GpuRowFusionKnobs.Block.Offer([32, 64, 128, 256, 512, 1024], threads),
            GpuRowFusionKnobs.Wide.Offer([.. new long[] { 1, 2, 4, 8, 16 }.Where(v => v <= most)], vector),
        ];
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var s = new Schedule(algorithm);
        var rows = Rows(algorithm);
        var later = algorithm.Stages.Skip(rows.Length).ToList();
        var team = choices[GpuRowFusionKnobs.Team] == 1 ? ReductionTeam.Warp : ReductionTeam.Block;
        long keep = choices[GpuRowFusionKnobs.Keep];
        var held = keep == 2 ? Scope.Shared : Scope.Register;

        // Whole rows that are made in between: kept, or computed again by each reader; cheap ones always again.
        foreach (var stage in rows.SkipLast(1).Where(x => x.Kind == StageKind.Map && x.Axes.Length > 1))
        {
            if (keep == 0 || !stage.Values[0].Nodes().Any(n => n.IsFunction()))
                s.ComputeInline(stage);
        }
        GpuElementwiseRule.Inline(s, algorithm, later, all: false);
        var anchor = rows[^1];
        BlockRef[] blocks = [.. rows.Where(r => s.Nest.Blocks.Any(b => b.Name == r.Name))];
        List<BlockRef> copies = keep == 0 ? [] : [.. Caches(s, blocks, held)];

        var row = s.LoopsAround(anchor)[0];
        var outer = row;
        long block = choices[GpuRowFusionKnobs.Block];
        if (team == ReductionTeam.Warp)
        {
            long warps = Math.Max(1, block / GpuInfo.WarpSize);
            if (s.Nest.Loop(row).ConstantExtent is { } n)
                warps = Math.Max(1, Math.Min(warps, n));
            (outer, row) = s.Split(row, warps, $"{anchor.Name}.rows", $"{anchor.Name}.warp");
        }
        foreach (var producer in blocks.SkipLast(1).Reverse().Concat(Enumerable.Reverse(copies)))
        {
            var written = s.Nest.Block(producer).Output;
            bool wide = s.Nest.Block(producer).SpatialAxes.Count() > 1;
            s.ComputeAt(producer, row);
            s.SetScope(written, wide ? held : Scope.Register);
        }
        s.Bind(outer, LoopKind.BlockX);
        // By itself the compiler leaves room for a second block of so many threads, and spills.
        if (block == GpuInfo.MaxThreadsPerBlock)
            s.Annotate(outer, Annotate.MinBlocks, "1");
        if (row != outer)
            s.Bind(row, LoopKind.Warp);
        foreach (var name in copies.Concat(blocks))
            Share(s, name, row, team, block, choices[GpuRowFusionKnobs.Wide]);
        Later(s, algorithm, target, later);
        return s.Nest;
    }

    /// <summary>The longest run of stages from the first that have the rows of the last of them; empty for none.</summary>
    internal static ImmutableArray<Stage> Rows(Algorithm algorithm)
    {
        for (int count = algorithm.Stages.Length; count > 1; count--)
        {
            ImmutableArray<Stage> rows = [.. algorithm.Stages.Take(count)];
            if (AreRows(algorithm, rows))
                return rows;
        }
        return [];
    }

    private static bool AreRows(Algorithm algorithm, ImmutableArray<Stage> rows)
    {
        var last = rows[^1];
        if (last.Kind != StageKind.Map || last.Axes.Length is 0 or > 3)
            return false;
        var before = rows.SkipLast(1).SelectMany(r => r.Outputs).ToHashSet();
        if (algorithm.Outputs.Any(before.Contains))
            return false;
        if (algorithm.Stages.Skip(rows.Length).Any(s => s.Reads.Any(before.Contains)))
            return false;
        // The first axis of every stage is the row, and a stage reads the rows of others at its own row only.
        return rows.All(s =>
            s.Kind is StageKind.Map or StageKind.Reduce
            && s.Axes.Length > 0
            && s.Axes[0].Kind == AxisKind.Spatial
            && s.Axes[0].Extent == last.Axes[0].Extent
            && s.Axes.Skip(1).All(a => a.Extent is IntImm { Value: > 0 })
            && s.Outputs.Length == 1
            && (s.Kind == StageKind.Map || s.SpatialAxes.Count() == 1)
            && s.Values[0].Loads().Where(l => before.Contains(l.Buffer)).All(l => l.Indices[0] == s.Axes[0].Var)
        );
    }

    // Inputs that several blocks read at the row and all along it: one copy for all of them.
    private static IEnumerable<BlockRef> Caches(Schedule s, BlockRef[] blocks, Scope scope)
    {
        foreach (var input in s.Nest.Algorithm.Inputs)
        {
            var readers = blocks.Where(b => s.Nest.Block(b).Reads.Contains(input)).ToList();
            if (readers.Count < 2 || input.Rank < 2 || !readers.All(r => Along(s.Nest.Block(r), input)))
                continue;
            yield return s.CacheRead(input, readers[0], scope, readers[1..]).Copy;
        }
    }

    private static bool Along(Block block, Buffer buffer) =>
        block
            .Loads.Where(l => l.Buffer == buffer)
            .All(l => block.ArePlainAxes(l.Indices) && l.Indices[0] == block.Axes[0].Var);

    // The loops of a block below the row: a vector along memory, then the threads of the team, again and again.
    private static void Share(Schedule s, BlockRef name, LoopRef row, ReductionTeam team, long threads, long vector)
    {
        var around = s.LoopsAround(name);
        var own = around.Skip(around.IndexOf(row) + 1).ToList();
        if (own.Count == 0)
            return;
        bool reduces = s.Nest.Block(name).IsReduction;
        var k = s.Fuse(own, $"{name}.k");
        long length = s.Nest.Loop(k).ConstantExtent!.Value;
        while (vector > 1 && length % vector != 0)
            vector /= 2;
        threads =
            team == ReductionTeam.Warp ? GpuInfo.WarpSize : Math.Min(threads, GpuLoops.WholeWarps(length / vector));
        LoopRef? lanes = null;
        if (vector > 1)
            (k, lanes) = s.Split(k, vector, $"{name}.kv", $"{name}.v");
        string kind = team == ReductionTeam.Warp ? "lane" : "t";
        var (ko, t) = s.Split(k, threads, $"{name}.ko", $"{name}.{kind}");
        s.Reorder(lanes is null ? [t, ko] : [t, ko, lanes]);
        s.Bind(t, team == ReductionTeam.Warp ? LoopKind.Lane : LoopKind.ThreadX);
        if (lanes is not null && reduces)
            s.Unroll(lanes);
        else if (lanes is not null)
            s.Vectorize(lanes);
        // Registers are indexed by numbers.
        if (s.Nest.Loop(ko).ConstantExtent is > 1 and <= 64)
            s.Unroll(ko);
    }

    private static void Later(Schedule s, Algorithm algorithm, TargetInfo target, List<Stage> later)
    {
        if (later.Count == 0)
            return;
        var reduction = GpuReduction.From(new GpuReductionRule().Standard(algorithm, target));
        foreach (var stage in later)
        {
            if (!s.Nest.Blocks.Any(b => b.Name == stage.Name))
                continue;
            if (stage.Kind == StageKind.Reduce)
                (reduction with { Team = ReductionTeam.Block, Vector = 1, Parts = 1 }).Apply(s, stage);
            else if (stage.Kind == StageKind.Map)
                new GpuMap(256, 1, 1, 0).Apply(s, stage, target);
            else
                GpuPlainRule.Stage(s, stage, 256);
        }
    }

    private static long Length(ImmutableArray<Stage> rows) =>
        rows.Max(s => s.Axes.Skip(1).Aggregate(1L, (n, a) => n * (a.Extent is IntImm i ? Math.Max(1, i.Value) : 1024)));

    // Rows held at once: inputs that several stages read, and whole rows made in between.
    private static long Held(Algorithm algorithm, ImmutableArray<Stage> rows) =>
        Math.Max(
            1,
            algorithm.Inputs.Count(i => i.Rank > 1 && rows.Count(s => s.Reads.Contains(i)) > 1)
                + rows.SkipLast(1).Count(s => s.Kind == StageKind.Map && s.Axes.Length > 1)
        );
}

/// <summary>The knobs of <see cref="GpuRowFusionRule"/>.</summary>
internal static class GpuRowFusionKnobs
{
    public static readonly NumberKnob Team = new("team", 0);
    public static readonly NumberKnob Keep = new("keep", 0);
    public static readonly NumberKnob Block = new("block", 1);
    public static readonly NumberKnob Wide = new("wide", 1);
}
