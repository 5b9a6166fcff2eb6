using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// Online reductions (attention) on processors: a tile of rows (queries) goes through the keys in blocks that stay in the
/// first cache, with the recurrence of online softmax. Rows lie side by side in vectors, so that scores are a register tile
/// of keys × vectors of rows and the statistics of a row are sums of vectors; results are register tiles of rows × vectors
/// of columns. No operand is packed but the tile's rows.
/// </summary>
public sealed class OnlineRule : ScheduleRule
{
    public override string Name => "online";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is null
        && target.VectorBits > 0
        && OnlineReduction.Of(algorithm) is { Rows: > 2 } p
        && p.Last.Outputs[0].Type.Compute() == DType.Float32;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var p = OnlineReduction.Of(algorithm)!;
        int lanes = target.Lanes(DType.Float32);
        bool wide = target.VectorRegisters >= 32;
        long most = (p.Rows + lanes - 1) / lanes;
        long columns = (p.Columns + lanes - 1) / lanes;
        // 16 sums hide the latency of multiply-adds, and 8 × 2 divides what sizes mostly are (AVX-512, 12 x 1024² x 64, 1 thread:
        // 15.1 ms; 16 × 1 16.8, 4 × 4 23).
        long rv = p.Rows >= 2 * lanes ? 2 : 1;
        long mr = wide ? 8 : 4;
        long rows = Math.Min(p.Rows, rv * lanes);
        long pr = rows % mr == 0 ? mr : rows;
        long pv = Math.Min(columns, pr * 2 <= (wide ? 28 : 12) ? 2 : 1);
        // With a mask smaller blocks, of which more are skipped (12 x 256² x 64, causal: 0.64 ms by 64, 0.75 by 128, 1.01 at once).
        long bk =
            p.IsMasked ? (p.Keys <= 64 ? 0 : 64)
            : p.Keys <= 256 ? 0
            : 128;
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        if (target.Threads > 1)
            knobs.Add(OnlineKnobs.Parallel.Offer(p.Work >= 1 << 20));
        if (p.IsMasked)
            knobs.Add(OnlineKnobs.Skip.Offer(true));
        knobs.Add(OnlineKnobs.Rv.Offer(LoopRecipes.Within([1, 2, 3, 4], rv, most), rv));
        knobs.Add(OnlineKnobs.Mr.Offer(LoopRecipes.Within([1, 2, 4, 6, 8, 12, 14, 16], mr, 16), mr));
        knobs.Add(OnlineKnobs.Pr.Offer(LoopRecipes.Within([1, 2, 4, 6, 8, 12, 16], pr, Math.Min(rows, 16)), pr));
        knobs.Add(OnlineKnobs.Pv.Offer(LoopRecipes.Within([1, 2, 3, 4], pv, columns), pv));
        knobs.Add(OnlineKnobs.Bk.Offer([0, .. new long[] { 32, 64, 128, 256, 512 }.Where(k => k < p.Keys)], bk));
        knobs.Add(OnlineKnobs.Eu.Offer([1, 2, 4], 1));
        return knobs.ToImmutable();
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) =>
        new OnlineSchedule(algorithm, target, choices).Build();
}

/// <summary>The knobs of <see cref="OnlineRule"/>.</summary>
internal static class OnlineKnobs
{
    public static readonly SwitchKnob Parallel = new("parallel", 0);
    public static readonly SwitchKnob Skip = new("skip", 0);
    public static readonly NumberKnob Rv = new("rv", 1, lengthens: true);
    public static readonly NumberKnob Mr = new("mr", 1, lengthens: true);
    public static readonly NumberKnob Pr = new("pr", 1, lengthens: true);
    public static readonly NumberKnob Pv = new("pv", 1, lengthens: true);
    public static readonly NumberKnob Bk = new("bk", 2);
    public static readonly NumberKnob Eu = new("eu", 3, lengthens: true);
}
