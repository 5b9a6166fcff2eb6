using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;
using Picograd.Schedules.Rules;

namespace Picograd.Search;

/// <summary>Choices of one rule; not yet a program.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Values">A value for every knob.</param>
internal sealed record ChoicePoint(ScheduleRule Rule, ImmutableSortedDictionary<string, long> Values)
{
    /// <summary>Equal for equal points.</summary>
    public string Text => Rule.Name + string.Concat(Values.Select(v => $" {v.Key}={v.Value}"));
}

/// <summary>What the rules that apply to an algorithm offer.</summary>
internal sealed class CandidateSpace
{
    private readonly Dictionary<ScheduleRule, ImmutableArray<Knob>> _knobs;

    /// <param name="algorithm">What is computed.</param>
    /// <param name="target">Where.</param>
    /// <param name="rules">Those that do not apply are left out.</param>
    /// <param name="onError">Told of a rule that throws instead of naming its knobs; the others remain.</param>
    public CandidateSpace(
        Algorithm algorithm,
        TargetInfo target,
        IEnumerable<ScheduleRule> rules,
        Action<ScheduleRule, Exception>? onError = null
    )
    {
        _knobs = [];
        foreach (var rule in rules)
        {
            try
            {
                if (rule.Applies(algorithm, target))
                    _knobs.Add(rule, rule.Knobs(algorithm, target));
            }
            catch (Exception e) when (e is not OutOfMemoryException && onError is not null)
            {
                onError(rule, e);
            }
        }
        Levels = [.. _knobs.Values.SelectMany(k => k).Select(k => k.Level).Distinct().Order()];
        foreach (var (rule, knobs) in _knobs)
        {
            foreach (var knob in knobs)
            {
                if (!knob.Values.Contains(knob.Default))
                    throw new InvalidOperationException(
                        $"rule {rule.Name}: the default {knob.Default} of knob {knob.Name} is not one of its values"
                    );
            }
        }
    }

    /// <summary>Levels at which any rule has a knob, coarse to fine.</summary>
    public ImmutableArray<int> Levels { get; }

    public IEnumerable<ChoicePoint> Defaults =>
        _knobs.Select(r => new ChoicePoint(r.Key, r.Value.ToImmutableSortedDictionary(k => k.Name, k => k.Default)));

    /// <summary>
    /// The points that differ from one at knobs of a level only, itself not among them, in random order; if there are
    /// more than <paramref name="most"/>, those at one knob and a sample of the others.
    /// </summary>
    public List<ChoicePoint> Expand(ChoicePoint from, int level, int most, Random random)
    {
        var knobs = _knobs[from.Rule].Where(k => k.Level == level && k.Values.Length > 1).ToArray();
        double combinations = knobs.Aggregate(1.0, (n, k) => n * k.Values.Length);
        var points = new List<ChoicePoint>();
        if (combinations <= most)
        {
            points.Add(from);
            foreach (var knob in knobs)
                points = [.. points.SelectMany(p => knob.Values.Select(v => With(p, knob, v)))];
        }
        else
        {
            foreach (var knob in knobs)
                points.AddRange(knob.Values.Select(v => With(from, knob, v)));
            while (points.Count < most)
                points.Add(knobs.Aggregate(from, (p, k) => With(p, k, k.Values[random.Next(k.Values.Length)])));
        }
        var distinct = points.DistinctBy(p => p.Text).Where(p => p.Text != from.Text).ToArray();
        random.Shuffle(distinct);
        return [.. distinct];
    }

    /// <summary>Points one small step away at one knob.</summary>
    public IEnumerable<ChoicePoint> Neighbours(ChoicePoint from)
    {
        foreach (var knob in _knobs[from.Rule])
        {
            int at = knob.Values.IndexOf(from.Values[knob.Name]);
            if (at > 0)
                yield return With(from, knob, knob.Values[at - 1]);
            if (at + 1 < knob.Values.Length)
                yield return With(from, knob, knob.Values[at + 1]);
        }
    }

    /// <summary>A point at random distance: 1 to <paramref name="most"/> knobs at random values, or a mix of two points.</summary>
    public ChoicePoint Mutate(ChoicePoint from, ChoicePoint other, int most, Random random)
    {
        var knobs = _knobs[from.Rule].Where(k => k.Values.Length > 1).ToArray();
        if (knobs.Length == 0)
            return from;
        var point = from;
        if (other.Rule == from.Rule && random.Next(2) == 0)
        {
            foreach (var knob in knobs)
            {
                if (random.Next(2) == 0)
                    point = With(point, knob, other.Values[knob.Name]);
            }
        }
        for (int i = random.Next(most); i >= 0; i--)
        {
            var knob = knobs[random.Next(knobs.Length)];
            point = With(point, knob, knob.Values[random.Next(knob.Values.Length)]);
        }
        return point;
    }

    private static ChoicePoint With(ChoicePoint point, Knob knob, long value) =>
        point.Values[knob.Name] == value ? point : point with { Values = point.Values.SetItem(knob.Name, value) };
}
