using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>
/// One decision of a rule. Level orders decisions from coarse (0: structure, parallelism) over register tile (1) and
/// cache tiles and packing (2) to fine (3: unrolling, prefetch); the search fixes them in that order.
/// </summary>
/// <param name="Name">For instance mr, nr, kc, pack_b.</param>
/// <param name="Level">0 … 3.</param>
/// <param name="Values">What may be chosen, ascending; the neighbours of a value are small steps.</param>
/// <param name="Default">The choice without any search; one of Values.</param>
public sealed record Knob(string Name, int Level, ImmutableArray<long> Values, long Default);

/// <summary>
/// A structural rule: looks at the shape of an algorithm (never at names) and offers a family of schedules of it, all
/// written through primitives. Any combination of knob values may still be refused by a primitive (ScheduleException)
/// or by the back end (LoweringException).
/// </summary>
public abstract class ScheduleRule
{
    public abstract string Name { get; }

    public abstract bool Applies(Algorithm algorithm, TargetInfo target);

    public abstract ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target);

    /// <summary>The schedule for a choice of every knob.</summary>
    public abstract LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices);

    public IReadOnlyDictionary<string, long> Defaults(Algorithm algorithm, TargetInfo target) =>
        Knobs(algorithm, target).ToDictionary(k => k.Name, k => k.Default);
}
