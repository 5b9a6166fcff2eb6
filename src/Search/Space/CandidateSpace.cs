using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Rules;

namespace Picograd.Search.Space;

/// <summary>What the rules that apply to an algorithm offer.</summary>
public sealed class CandidateSpace
{
    /// <param name="rules">By rule, the most specific first.</param>
    public CandidateSpace(ImmutableArray<RuleSpace> rules)
    {
        Rules = rules;
        Levels = [.. rules.SelectMany(r => r.Knobs).Select(k => k.Level).Distinct().Order()];
        foreach (var rule in rules)
        {
            foreach (var knob in rule.Knobs)
            {
                if (!knob.Values.Contains(knob.Default))
                    throw new InvalidOperationException(
                        $"rule {rule.Name}: the default {knob.Default} of knob {knob.Name} is not one of its values"
                    );
            }
        }
    }

    /// <param name="algorithm">What is computed.</param>
    /// <param name="target">Where.</param>
    /// <param name="rules">Those that do not apply are left out; all of the library where null.</param>
    /// <param name="onError">Told of a rule that throws instead of naming its knobs; the others remain.</param>
    public static CandidateSpace Of(
        Algorithm algorithm,
        TargetInfo target,
        IEnumerable<ScheduleRule> rules,
        Action<ScheduleRule, Exception>? onError = null
    )
    {
        var spaces = ImmutableArray.CreateBuilder<RuleSpace>();
        foreach (var rule in rules)
        {
            try
            {
                if (rule.Applies(algorithm, target))
                    spaces.Add(new RuleSpace(rule.Name, rule.Knobs(algorithm, target)));
            }
            catch (Exception e) when (e is not OutOfMemoryException && onError is not null)
            {
                onError(rule, e);
            }
        }
        return new CandidateSpace(spaces.ToImmutable());
    }

    public ImmutableArray<RuleSpace> Rules { get; }

    /// <summary>Levels at which any rule has a knob, coarse to fine.</summary>
    public ImmutableArray<int> Levels { get; }

    /// <summary>Combinations of choices over all rules.</summary>
    public double Size => Rules.Sum(r => r.Size);

    internal IEnumerable<ChoicePoint> Defaults => Rules.Select(r => r.Default);

    /// <summary>A part of it of about so many points: small rules whole, of the large ones every other choice and so on.</summary>
    public CandidateSpace Thinned(double most)
    {
        var thinned = Rules;
        double left = most;
        int rules = Rules.Length;
        foreach (var rule in Rules.OrderBy(r => r.Size))
        {
            var part = rule.Thinned(Math.Max(1, left / rules--));
            left -= part.Size;
            thinned = thinned.Replace(rule, part);
        }
        return new CandidateSpace(thinned);
    }

    /// <summary>Every point, in the order of the knobs' values; meant for thinned spaces.</summary>
    internal IEnumerable<ChoicePoint> Points()
    {
        foreach (var rule in Rules)
        {
            for (long index = 0; index < (long)rule.Size; index++)
            {
                long rest = index;
                var at = new int[rule.Knobs.Length];
                for (int i = at.Length - 1; i >= 0; i--)
                {
                    int count = rule.Knobs[i].Values.Length;
                    at[i] = (int)(rest % count);
                    rest /= count;
                }
                yield return new ChoicePoint(rule, [.. at]);
            }
        }
    }

    /// <summary>A rule by the size of its space, then every choice at random: uniform over all points.</summary>
    internal ChoicePoint Draw(Random random)
    {
        double at = random.NextDouble() * Size;
        foreach (var rule in Rules)
        {
            at -= rule.Size;
            if (at < 0)
                return rule.Draw(random);
        }
        return Rules[^1].Draw(random);
    }

    /// <summary>
    /// Partial schedules that follow from one by decisions of a level, that one's own among them, in random order; if there are more than
    /// <paramref name="most"/>, those that decide one knob otherwise and a sample of the others. Finer knobs keep their values.
    /// </summary>
    internal static List<ChoicePoint> Expand(ChoicePoint from, int level, int most, Random random)
    {
        var knobs = Enumerable
            .Range(0, from.At.Length)
            .Where(i => from.Rule.Knobs[i].Level == level && from.Rule.Knobs[i].Values.Length > 1)
            .ToArray();
        int Count(int knob) => from.Rule.Knobs[knob].Values.Length;
        double combinations = knobs.Aggregate(1.0, (n, k) => n * Count(k));
        var points = new List<ChoicePoint> { from };
        if (combinations <= most)
        {
            foreach (int knob in knobs)
                points = [.. points.SelectMany(p => Enumerable.Range(0, Count(knob)).Select(v => p.With(knob, v)))];
        }
        else
        {
            foreach (int knob in knobs)
                points.AddRange(Enumerable.Range(0, Count(knob)).Select(v => from.With(knob, v)));
            while (points.Count < most)
                points.Add(knobs.Aggregate(from, (p, k) => p.With(k, random.Next(Count(k)))));
        }
        var distinct = points.DistinctBy(p => p.Text).ToArray();
        random.Shuffle(distinct);
        return [.. distinct];
    }

    /// <summary>Points one small step away at one knob.</summary>
    internal static IEnumerable<ChoicePoint> Neighbours(ChoicePoint from)
    {
        for (int i = 0; i < from.At.Length; i++)
        {
            if (from.At[i] > 0)
                yield return from.With(i, from.At[i] - 1);
            if (from.At[i] + 1 < from.Rule.Knobs[i].Values.Length)
                yield return from.With(i, from.At[i] + 1);
        }
    }

    /// <summary>A point at random distance: 1 to <paramref name="most"/> knobs at random values, or a mix of two points.</summary>
    internal static ChoicePoint Mutate(ChoicePoint from, ChoicePoint other, int most, Random random)
    {
        var knobs = Enumerable.Range(0, from.At.Length).Where(i => from.Rule.Knobs[i].Values.Length > 1).ToArray();
        if (knobs.Length == 0)
            return from;
        var point = from;
        if (other.Rule == from.Rule && random.Next(2) == 0)
        {
            foreach (int knob in knobs)
            {
                if (random.Next(2) == 0)
                    point = point.With(knob, other.At[knob]);
            }
        }
        for (int i = random.Next(most); i >= 0; i--)
        {
            int knob = knobs[random.Next(knobs.Length)];
            point = point.With(knob, random.Next(from.Rule.Knobs[knob].Values.Length));
        }
        return point;
    }
}
