using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Schedules.Traces;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Which rule wrote a schedule, with which choices, and which part of it each step.</summary>
internal static class ScheduleOrigin
{
    public static void Show(TextWriter to, Problem problem, LoopNest nest, TargetInfo target, string? db)
    {
        ShowCommand.Heading(to, "why");
        var task = problem.AtPoint;
        string steps = Steps(nest);
        foreach (var (rule, choices, what) in Candidates(problem, task, target, db))
        {
            LoopNest made;
            IReadOnlyList<string> authors;
            try
            {
                (made, authors) = StepAuthors.Of(() => rule.Apply(task.Algorithm, target, choices));
            }
            catch (ScheduleException)
            {
                continue;
            }
            if (Steps(made) != steps)
                continue;
            to.WriteLine($"rule {rule.Name}, {what}");
            var defaults = rule.Defaults(task.Algorithm, target);
            foreach (var knob in rule.Knobs(task.Algorithm, target))
            {
                long value = choices.GetValueOrDefault(knob.Name, knob.Default);
                to.WriteLine(
                    $"  {knob.Name} = {value}, level {knob.Level}, of {string.Join(", ", knob.Values)}{(value == defaults[knob.Name] ? "" : $"; default {knob.Default}")}"
                );
            }
            var table = new TextTable("step", "written by");
            foreach (var (step, author) in made.Trace.Zip(authors))
                table.Add(step.ToString(), author.Length == 0 ? null : author);
            table.Write(to);
            return;
        }
        to.WriteLine(
            "no rule of this version writes these steps with its default choices or those in the database's log: the schedule was written by hand, imported, or made by another version"
        );
    }

    private static string Steps(LoopNest nest) => string.Join('\n', nest.Trace);

    /// <summary>What may have made it: rules with their defaults, those with shorter code, and what searches logged.</summary>
    private static IEnumerable<(ScheduleRule Rule, IReadOnlyDictionary<string, long> Choices, string What)> Candidates(
        Problem problem,
        Problem task,
        TargetInfo target,
        string? db
    )
    {
        var rules = ScheduleRules.For(task.Algorithm, target).ToList();
        foreach (var rule in rules)
        {
            yield return (rule, rule.Defaults(task.Algorithm, target), "its default choices");
            foreach (var shorter in rule.Shorter(task.Algorithm, target))
                yield return (rule, shorter, "shorter code than by default, which the back end refused");
        }
        string address = TuneDbLocation.Resolve(db);
        if (!TuneDatabase.IsThere(address))
            yield break;
        using var store = TuneDatabase.OpenForUse(address, TuneDbMode.ReadOnly);
        var key = TuneKeys.Of(problem, target, TuneTask.Name(TimingPolicy.Warm));
        foreach (var candidate in store.Candidates(key).Where(c => c.Trace is not null).Reverse())
        {
            if (Parse(candidate.Detail, rules) is var (rule, choices))
                yield return (rule, choices, "choices that a search found");
        }
    }

    /// <summary>A rule and its choices from a log's line: <c>matmul kc=128 mr=9: more</c>.</summary>
    private static (ScheduleRule Rule, IReadOnlyDictionary<string, long> Choices)? Parse(
        string text,
        IReadOnlyList<ScheduleRule> rules
    )
    {
        string[] words = text.Split(": ")[0].Split(' ');
        if (rules.FirstOrDefault(r => r.Name == words[0]) is not { } rule)
            return null;
        var choices = new Dictionary<string, long>();
        foreach (string word in words[1..])
        {
            int at = word.LastIndexOf('=');
            if (at < 0 || !long.TryParse(word[(at + 1)..], CultureInfo.InvariantCulture, out long value))
                return null;
            choices[word[..at]] = value;
        }
        return (rule, choices);
    }
}
