using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// Gradients of online reductions (attention) on processors: a block of columns (keys) goes through the rows (queries) in tiles. Scores
/// of a tile are computed again and stay in the second cache, where all sums take their part of them: those over the rows add up
/// in the block, those over the columns in memory. Nothing of all pairs is in memory.
/// </summary>
public sealed class OnlineGradientRule : ScheduleRule
{
    public override string Name => "online-gradient";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is null
        && target.VectorBits > 0
        && ScoreSums.Of(algorithm) is { Rows: > 1, Columns: > 1 } p
        && p.Dots.Concat(p.Maps).Concat(p.Sums).All(s => s.Output.Type == DType.Float32);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var p = ScoreSums.Of(algorithm)!;
        int lanes = target.Lanes(DType.Float32);
        bool wide = target.VectorRegisters >= 32;
        long width = (p.Sums.Max(s => ((IntImm)s.SpatialAxes.Last().Extent).Value) + lanes - 1) / lanes;
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        if (target.Threads > 1)
            knobs.Add(OnlineGradientKnobs.Parallel.Offer(p.Work >= 1 << 20));
        if (p.IsMasked)
            knobs.Add(OnlineGradientKnobs.Skip.Offer(true));
        // 16 sums in registers. Tiles divide what they can: of code for whole tiles and rests both ways there is so much that
        // the JIT keeps fewer sums in registers (12 x 1024² x 64, AVX-512, 1 thread: 35.8 ms; 1009²: 103 ms with the same tiles, 43.6 with small ones).
        var (bi, mr) = Tile(p.Rows, wide);
        var (bj, pc) = Tile(p.Columns, wide);
        long nv = bj % (2 * lanes) == 0 ? 2 : 1;
        long pr = mr;
        if (bi == 0 && bj == 0)
            (mr, pr, pc, nv) = wide ? (4, 4, 4, 1) : (2, 2, 2, 1);
        else if (p.Columns % lanes != 0 && bi != 0)
            // Lanes are cheaper in whole vectors and a rest than in parts of each tile.
            (bj, pc, nv) = (0, wide ? 8 : 4, 2);
        bi = bi == 0 ? Size : bi;
        bj = bj == 0 ? Size : bj;
        nv = Math.Min(nv, (Math.Min(bj, p.Columns) + lanes - 1) / lanes);
        long pv = Math.Min(2, width);
        knobs.Add(OnlineGradientKnobs.Bi.Offer(LoopRecipes.Within([16, 32, 64, 128, 256], bi, p.Rows), bi));
        knobs.Add(OnlineGradientKnobs.Bj.Offer(LoopRecipes.Within([16, 32, 64, 128, 256], bj, p.Columns), bj));
        knobs.Add(OnlineGradientKnobs.Mr.Offer(LoopRecipes.Within([1, 2, 4, 6, 8, 12], mr, 12), mr));
        knobs.Add(OnlineGradientKnobs.Nv.Offer(LoopRecipes.Within([1, 2, 3, 4], nv, (bj + lanes - 1) / lanes), nv));
        knobs.Add(OnlineGradientKnobs.Pr.Offer(LoopRecipes.Within([1, 2, 4, 6, 8, 12], pr, 12), pr));
        knobs.Add(OnlineGradientKnobs.Pc.Offer(LoopRecipes.Within([1, 2, 4, 6, 8, 12], pc, 12), pc));
        knobs.Add(OnlineGradientKnobs.Pv.Offer(LoopRecipes.Within([1, 2, 3, 4], pv, width), pv));
        return knobs.ToImmutable();
    }

    // About so many rows or columns a tile: pairs of it stay in the second cache.
    private const long Size = 64;

    // A tile that divides the extent, of so many at a time in registers; 0 where there is none of a good size.
    private static (long Tile, long Register) Tile(long extent, bool wide)
    {
        long[] registers = wide ? [8, 7, 9, 6, 10, 5, 12, 4] : [4, 5, 3, 6, 2];
        foreach (long register in registers)
        {
            long best = 0;
            for (long tile = register; tile <= Math.Min(extent, 160); tile += register)
            {
                bool fits = extent % tile == 0 && (tile >= 24 || tile == extent);
                if (fits && Math.Abs(tile - Size) < Math.Abs(best - Size))
                    best = tile;
            }
            if (best > 0)
                return (best, register);
        }
        return (0, registers[0]);
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) =>
        new OnlineGradientSchedule(algorithm, target, choices).Build();
}

/// <summary>The knobs of <see cref="OnlineGradientRule"/>.</summary>
internal static class OnlineGradientKnobs
{
    public static readonly SwitchKnob Parallel = new("parallel", 0);
    public static readonly SwitchKnob Skip = new("skip", 0);
    public static readonly NumberKnob Bi = new("bi", 2);
    public static readonly NumberKnob Bj = new("bj", 2);
    public static readonly NumberKnob Mr = new("mr", 1, lengthens: true);
    public static readonly NumberKnob Nv = new("nv", 1, lengthens: true);
    public static readonly NumberKnob Pr = new("pr", 1, lengthens: true);
    public static readonly NumberKnob Pc = new("pc", 1, lengthens: true);
    public static readonly NumberKnob Pv = new("pv", 1, lengthens: true);
}
