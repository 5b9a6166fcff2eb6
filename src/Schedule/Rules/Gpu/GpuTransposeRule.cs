using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// A map that reads an input along another axis than the one it writes along (a transpose, any permutation, also with
/// arithmetic): tiles go through shared memory, read in rows of the one and written in rows of the other. A column of
/// padding keeps both ways off the same banks.
/// </summary>
public sealed class GpuTransposeRule : ScheduleRule
{
    public override string Name => "gpu-transpose";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is not null && algorithm.Stages is [var stage] && Crossing(stage) is not null;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target) =>
        [
            GpuTransposeKnobs.Tile.Offer([16, 32, 64], 32),
            GpuTransposeKnobs.Threads.Offer([128, 256, 512], 256),
            GpuTransposeKnobs.Pad.Offer(true),
        ];

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var stage = algorithm.Stages[0];
        var (load, across) = Crossing(stage)!.Value;
        long tile = choices[GpuTransposeKnobs.Tile];
        long threads = choices[GpuTransposeKnobs.Threads];
        var s = new Schedule(algorithm);
        BlockRef block = stage;
        LoopRef Loop(Axis axis) => stage.Loop(axis);
        var along = stage.Axes[^1];
        var (cache, copy) = s.CacheRead(load.Buffer, block, Scope.Shared);
        var (co, ci) = s.Split(Loop(across), tile, $"{block}.{across.Name}.tile", $"{block}.{across.Name}.in");
        var (ro, ri) = s.Split(Loop(along), tile, $"{block}.{along.Name}.tile", $"{block}.{along.Name}.in");
        LoopRef[] others = [.. stage.Axes.Where(a => a != across && a != along).Select(Loop)];
        s.Reorder([.. others, co, ro, ci, ri]);
        var grid = s.Fuse([.. others, co, ro], $"{block}.block");
        var loops = s.ComputeAt(copy, grid).ToList();
        if (choices[GpuTransposeKnobs.Pad] && load.Buffer.Rank > 1)
            s.StorageAlign(cache, load.Buffer.Rank - 2, 2, 1);
        GpuLoops.Cooperative(s, copy, loops, threads, 1, contiguous: true);
        GpuLoops.Cooperative(s, block, [ci, ri], threads, 1, contiguous: true);
        s.Bind(grid, LoopKind.BlockX);
        return s.Nest;
    }

    // A load whose last index is another axis than the last one of the output, both of them alone.
    private static (Load Load, Axis Across)? Crossing(Stage stage)
    {
        if (stage.Kind != StageKind.Map || stage.Axes.Length < 2 || stage.Outputs.Length != 1)
            return null;
        if (!stage.Axes.All(a => a.Extent is IntImm { Value: > 0 }))
            return null;
        foreach (var load in stage.Values[0].Loads())
        {
            if (!load.Buffer.Strides.IsDefault || load.Indices.Length < 2)
                continue;
            bool plain = load.Indices.All(i => i is Var) && load.Indices.Distinct().Count() == load.Indices.Length;
            var across = stage.Axes.FirstOrDefault(a => ReferenceEquals(a.Var, load.Indices[^1]));
            if (plain && across is not null && across != stage.Axes[^1] && load.Indices.Contains(stage.Axes[^1].Var))
                return (load, across);
        }
        return null;
    }
}

/// <summary>The knobs of <see cref="GpuTransposeRule"/>.</summary>
internal static class GpuTransposeKnobs
{
    public static readonly NumberKnob Tile = new("tile", 0);
    public static readonly NumberKnob Threads = new("threads", 1);
    public static readonly SwitchKnob Pad = new("pad", 2);
}
