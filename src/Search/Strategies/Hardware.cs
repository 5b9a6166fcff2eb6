using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Space;

namespace Picograd.Search.Strategies;

/// <summary>The rules that apply to a task, and the runner of its candidates.</summary>
internal sealed class Hardware : ISearchMachine
{
    private readonly TuneTask _task;
    private readonly ICandidateRunner _runner;
    private readonly CostModel _model;
    private readonly Dictionary<string, ScheduleRule> _rules = [];

    /// <param name="task">What is tuned.</param>
    /// <param name="rules">Whose schedules are searched; null for all of the library.</param>
    /// <param name="runner">Runs candidates.</param>
    /// <param name="model">Says what features of a program count.</param>
    /// <param name="onError">Told of a rule that throws instead of naming its knobs.</param>
    public Hardware(
        TuneTask task,
        IEnumerable<ScheduleRule>? rules,
        ICandidateRunner runner,
        CostModel model,
        Action<ScheduleRule, Exception>? onError = null
    )
    {
        _task = task;
        _runner = runner;
        _model = model;
        var all = rules?.ToList() ?? [.. ScheduleRules.All];
        foreach (var rule in all)
            _rules[rule.Name] = rule;
        Space = CandidateSpace.Of(task.Measured.Algorithm, task.Target, all, onError);
    }

    public CandidateSpace Space { get; init; }

    public bool IsHostMemory => _task.On.IsHostMemory;

    public TimeSpan? Limit
    {
        get => _runner.Limit;
        set => _runner.Limit = value;
    }

    public IReadOnlyList<Made> Make(IReadOnlyList<ChoicePoint> points) =>
        points.Count == 1 ? [Make(points[0])] : [.. points.AsParallel().AsOrdered().Select(Make)];

    public IReadOnlyList<Measured> Measure(
        IReadOnlyList<Draft> drafts,
        double bestMilliseconds,
        CancellationToken cancel
    ) => _runner.Measure([.. drafts.Select(d => d.Candidate!)], bestMilliseconds, cancel);

    /// <summary>The program of a point.</summary>
    public Made Make(ChoicePoint point)
    {
        try
        {
            var rule = _rules[point.Rule.Name];
            var values = new Dictionary<string, long>(point.Values);
            // Features need numbers for extents.
            var measured = rule.Apply(_task.Measured.Algorithm, _task.Target, values);
            var candidate = new Candidate(rule, values, _task.Open(measured));
            var features = _model.Features(measured);
            return new Made(point, new Draft(point, candidate.Hash, candidate.Complexity, features, candidate));
        }
        catch (ScheduleException e)
        {
            return new Made(point, null, OutcomeNames.Refused, e.Reason);
        }
        catch (LoweringException e)
        {
            return new Made(point, null, e.Reason, e.Message);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A bug of a rule or a primitive: counted and told under its own name, and the search goes on without the point.
            return new Made(point, null, OutcomeNames.RuleError, Error(point.Text, e));
        }
    }

    /// <summary>What a rule threw that is no refusal, in one line that begins with its name.</summary>
    /// <param name="what">The rule, and its choices where it had any.</param>
    /// <param name="e">What it threw.</param>
    public static string Error(string what, Exception e)
    {
        string rule = what.Split(' ')[0];
        string where = what == rule ? "its knobs" : what[(rule.Length + 1)..];
        return $"{rule}: {e.GetType().Name} at {where}: {e.Message.ReplaceLineEndings("\n").Split('\n')[0]}";
    }
}
