using System.Collections.Immutable;
using Picograd.Schedules.Rules;

namespace Picograd.Schedules.Recipes;

/// <summary>
/// One decision of a rule, as offered for one algorithm. Level orders decisions from coarse (0: structure, parallelism) over
/// register tile (1) and cache tiles and packing (2) to fine (3: unrolling, prefetch); the search fixes them in that order.
/// </summary>
/// <param name="Name">For instance mr, nr, kc, pack_b.</param>
/// <param name="Level">0 … 3.</param>
/// <param name="Values">What may be chosen, ascending; the neighbours of a value are small steps.</param>
/// <param name="Default">The choice without any search; one of Values.</param>
/// <param name="Lengthens">Whether code grows with the value: what is unrolled, how large tiles are.</param>
public sealed record Knob(string Name, int Level, ImmutableArray<long> Values, long Default, bool Lengthens = false);

/// <summary>
/// A number that a rule leaves open. Declared once; offered, with its default, where the rule says what may be chosen for an
/// algorithm (<see cref="ScheduleRule.Knobs"/>), and read from <see cref="Choices"/>.
/// </summary>
/// <param name="name">As it is printed.</param>
/// <param name="level">See <see cref="Knob"/>.</param>
/// <param name="absent">What it is for algorithms that it is not offered for.</param>
/// <param name="lengthens">Whether code grows with the value.</param>
public sealed class NumberKnob(string name, int level, long absent = 0, bool lengthens = false)
{
    public string Name => name;

    public long Absent => absent;

    /// <param name="values">Ascending.</param>
    /// <param name="standard">The choice without any search; one of the values.</param>
    public Knob Offer(ImmutableArray<long> values, long standard) => new(name, level, values, standard, lengthens);
}

/// <summary>A yes or no that a rule leaves open, otherwise as <see cref="NumberKnob"/>; no where it is not offered.</summary>
/// <param name="name">As it is printed.</param>
/// <param name="level">See <see cref="Knob"/>.</param>
public sealed class SwitchKnob(string name, int level)
{
    public string Name => name;

    /// <param name="standard">The choice without any search.</param>
    /// <param name="free">Whether there is a choice; without one it is always the standard.</param>
    public Knob Offer(bool standard, bool free = true)
    {
        long value = standard ? 1 : 0;
        return new(name, level, free ? [0, 1] : [value], value);
    }
}
