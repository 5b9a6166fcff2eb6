using System.Collections.Immutable;
using Picograd.Schedules.Recipes;

namespace Picograd.Search.Space;

/// <summary>What one rule offers for one algorithm.</summary>
/// <param name="Name">Of the rule.</param>
/// <param name="Knobs">Its decisions with what may be chosen.</param>
public sealed record RuleSpace(string Name, ImmutableArray<Knob> Knobs)
{
    /// <summary>Combinations of choices, refused ones and those that lead to equal programs counted.</summary>
    public double Size => Knobs.Aggregate(1.0, (n, k) => n * k.Values.Length);

    /// <summary>The default of every knob.</summary>
    internal ChoicePoint Default => new(this, [.. Knobs.Select(k => k.Values.IndexOf(k.Default))]);

    /// <summary>Every choice at random.</summary>
    internal ChoicePoint Draw(Random random) => new(this, [.. Knobs.Select(k => random.Next(k.Values.Length))]);

    /// <summary>
    /// A part of it of at most so many points: of the knob with the most values every other one goes, the default stays, until it fits.
    /// </summary>
    public RuleSpace Thinned(double most)
    {
        var space = this;
        while (space.Size > most && space.Knobs.MaxBy(k => k.Values.Length) is { Values.Length: > 1 } widest)
        {
            int standard = widest.Values.IndexOf(widest.Default);
            var kept = widest.Values.Where((_, i) => i % 2 == standard % 2).ToImmutableArray();
            // Of two values the default is left.
            space = space with
            {
                Knobs = space.Knobs.Replace(widest, widest with { Values = kept }),
            };
        }
        return space;
    }
}
