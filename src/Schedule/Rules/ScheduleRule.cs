using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// A structural rule: looks at the shape of an algorithm (never at names) and offers a family of schedules of it, all
/// written through primitives. Any combination of knob values may still be refused by a primitive (ScheduleException)
/// or by the back end (LoweringException).
/// </summary>
public abstract class ScheduleRule
{
    public abstract string Name { get; }

    public abstract bool Applies(Algorithm algorithm, TargetInfo target);

    /// <summary>What is open for an algorithm, with the defaults: nowhere else does a knob have one.</summary>
    public abstract ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target);

    /// <summary>The schedule for some choices, by the names of their knobs, and the defaults of the other knobs.</summary>
    public LoopNest Apply(Algorithm algorithm, TargetInfo target, IReadOnlyDictionary<string, long> choices) =>
        Build(algorithm, target, new Choices(choices, () => Knobs(algorithm, target)));

    /// <summary>The schedule for a choice of every knob.</summary>
    protected abstract LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices);

    public IReadOnlyDictionary<string, long> Defaults(Algorithm algorithm, TargetInfo target) =>
        Knobs(algorithm, target).ToDictionary(k => k.Name, k => k.Default);

    /// <summary>
    /// What to try where a back end refuses the code of the defaults as too long: less and less of it, first what is unrolled,
    /// then smaller tiles, the largest number first.
    /// </summary>
    public IEnumerable<IReadOnlyDictionary<string, long>> Shorter(Algorithm algorithm, TargetInfo target)
    {
        var knobs = Knobs(algorithm, target).Where(k => k.Lengthens).ToList();
        var choices = ImmutableDictionary.CreateRange(Defaults(algorithm, target));
        while (
            knobs
                .Where(k => Less(k).Any())
                .OrderByDescending(k => k.Level)
                .ThenByDescending(k => choices[k.Name])
                .FirstOrDefault()
                is { } knob
        )
        {
            choices = choices.SetItem(knob.Name, Less(knob).Max());
            yield return choices;
        }

        IEnumerable<long> Less(Knob knob) =>
            knob.Values.Where(v => v <= choices[knob.Name] / 2 && v < choices[knob.Name]);
    }

    /// <summary>The default of every knob.</summary>
    internal Choices Standard(Algorithm algorithm, TargetInfo target) =>
        new(ImmutableDictionary<string, long>.Empty, () => Knobs(algorithm, target));
}
