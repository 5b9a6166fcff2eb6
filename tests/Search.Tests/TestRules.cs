using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;
using Picograd.Schedules.Rules;

namespace Picograd.Tests;

/// <summary>Tiles, vectorises and unrolls a single sum over one axis: a small space with refusals and duplicates in it.</summary>
internal sealed class TileRule : ScheduleRule
{
    private static readonly NumberKnob Mr = new("mr", 1);
    private static readonly NumberKnob Nr = new("nr", 1);
    private static readonly NumberKnob Kc = new("kc", 2);
    private static readonly NumberKnob Ku = new("ku", 3);

    public override string Name => "tile";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        algorithm.Stages is [{ Kind: StageKind.Reduce, Axes.Length: 3 }];

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target) =>
        [
            Mr.Offer([1, 2, 4, 6, 8, 12], 2),
            Nr.Offer([8, 16, 24, 32], 8),
            Kc.Offer([8, 16, 32, 64, 128, 256], 64),
            Ku.Offer([1, 2, 4], 1),
        ];

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var s = new Schedule(algorithm);
        string c = algorithm.Stages[0].Name;
        var axes = algorithm.Stages[0].Axes;
        string M(int i) => $"{c}.{axes[i].Name}";
        var (mo, mi) = s.Split(M(0), choices[Mr], Tail.Guard);
        var (no, ni) = s.Split(M(1), choices[Nr], Tail.Guard);
        long extent = ((IntImm)axes[2].Extent).Value;
        // Larger blocks than the axis are one whole block: choices that lead to the same program.
        var (ko, ki) = s.Split(M(2), Math.Min(choices[Kc], extent), Tail.Guard);
        if (choices[Ku] > 1)
        {
            var (kio, kii) = s.Split(ki, choices[Ku], Tail.None);
            s.Reorder(mo, no, ko, kio, kii, mi, ni);
            s.Unroll(kii);
        }
        else
        {
            s.Reorder(mo, no, ko, ki, mi, ni);
        }
        s.Unroll(mi);
        s.Vectorize(ni);
        return s.Nest;
    }
}

/// <summary>Refuses everything.</summary>
internal sealed class RefusingRule : ScheduleRule
{
    public override string Name => "refusing";

    public override bool Applies(Algorithm algorithm, TargetInfo target) => true;

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target) => [];

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices) =>
        throw new ScheduleException(null, null, "nothing is good enough");
}
