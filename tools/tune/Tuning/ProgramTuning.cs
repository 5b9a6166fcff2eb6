using Picograd.Algorithms;
using Picograd.Dispatch;
using Picograd.Dispatch.Profiles;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Operators that ran, or are to run, on one target.</summary>
/// <param name="Target">Where.</param>
/// <param name="Threads">Threads that kernels may use.</param>
/// <param name="Operators">Each once.</param>
internal sealed record OperatorGroup(TargetName Target, int Threads, IReadOnlyList<RanOperator> Operators)
{
    public double Milliseconds => Operators.Sum(o => o.Milliseconds);

    public override string ToString() =>
        Target.IsCuda ? $"{Target}" : $"cpu, {Threads} thread{(Threads == 1 ? "" : "s")}";

    /// <summary>A list without times.</summary>
    public static OperatorGroup Of(TargetName target, int threads, IEnumerable<Problem> specs) =>
        new(target, threads, [.. specs.Select(s => new RanOperator(s.Label, s, 1, 0, false))]);

    /// <summary>
    /// What a program ran, by device and number of threads, the group of the most time first.
    /// </summary>
    /// <param name="profile">What it recorded.</param>
    /// <param name="known">Those of its operators that this machine can run, by the names that the program has for them.</param>
    /// <param name="target">Only what ran there; null for everything.</param>
    /// <param name="threads">Tune for so many threads instead of those that it ran with; null for those.</param>
    public static IReadOnlyList<OperatorGroup> Of(
        OperatorProfile profile,
        IReadOnlyDictionary<string, Problem> known,
        TargetName? target,
        int? threads
    )
    {
        return
        [
            .. profile
                .Operators.Where(o => known.ContainsKey(o.Spec))
                .Select(o => (Ran: o, Target: Targets.Parse(o.Device), Threads: ThreadsOf(o)))
                .Where(o => o.Target is not null && (target is null || o.Target == target))
                .GroupBy(o => (o.Target, o.Threads))
                .Select(g => new OperatorGroup(
                    g.Key.Target!,
                    g.Key.Threads,
                    [
                        .. g.GroupBy(o => o.Ran.Spec)
                            .Select(s => new RanOperator(
                                s.Key,
                                known[s.Key],
                                s.Sum(o => o.Ran.Calls),
                                s.Sum(o => o.Ran.SteadyMilliseconds),
                                s.All(o => o.Ran.Source == KernelSource.Exact)
                            )),
                    ]
                ))
                .OrderByDescending(g => g.Milliseconds),
        ];

        // That of another machine may be more than this one has.
        int ThreadsOf(RecordedOperator o) =>
            Math.Min(threads ?? TuneTargets.ThreadsOf(o.Target) ?? 1, Environment.ProcessorCount);
    }
}

/// <summary>What tuning a group brought.</summary>
/// <param name="Group">What was to be tuned.</param>
/// <param name="Plan">What of it was, and why the rest was not.</param>
/// <param name="Results">Of what was.</param>
/// <param name="Database">Where winners are.</param>
internal sealed record GroupTuning(
    OperatorGroup Group,
    TuningPlan Plan,
    IReadOnlyList<(TuneTask Task, TuneResult? Result, string? Failure)> Results,
    string Database
)
{
    /// <summary>What the program calls a task's operator.</summary>
    public string LabelOf(TuneTask task) =>
        Group.Operators.FirstOrDefault(o => o.Spec.Equals(task.Problem))?.Label ?? task.Problem.Label;
}

/// <summary>Tunes what a program ran: the budget goes where the time does.</summary>
/// <param name="console">Told what is done.</param>
/// <param name="db">The database; null for the environment's or the default one.</param>
/// <param name="seed">Of the search.</param>
/// <param name="again">Tune also what is tuned already.</param>
internal sealed class ProgramTuning(ToolConsole console, string? db, int seed, bool again)
{
    /// <summary>When the budget began to be spent, as a timestamp; null: when tuning is asked for.</summary>
    public long? Began { get; init; }

    // Groups that could not be tuned, of which there were others.
    private int _leftOut;
    private bool _begun;

    /// <exception cref="FailureException">Nothing was measured.</exception>
    /// <exception cref="UsageException">The only target cannot be used here.</exception>
    public IReadOnlyList<GroupTuning> Run(IReadOnlyList<OperatorGroup> groups, SearchBudget budget)
    {
        var done = new List<GroupTuning>();
        double total = groups.Sum(g => g.Milliseconds);
        double ShareOf(OperatorGroup group) => total > 0 ? group.Milliseconds / total : 1.0 / groups.Count;
        foreach (var group in groups)
        {
            if (console.Cancel.IsCancellationRequested)
                break;
            if (groups.Count > 1)
                console.Out.WriteLine($"{group}, {Figures.Percent(ShareOf(group))} of the time:");
            try
            {
                done.Add(Run(group, groups.Count > 1 ? budget.Share(ShareOf(group)) : budget));
            }
            catch (Exception e) when (groups.Count > 1 && e is (UsageException or FailureException))
            {
                // The others are tuned all the same.
                _leftOut++;
                console.Error.WriteLine($"tune: what ran on {group} is not tuned: {e.Message}");
            }
        }
        if (_leftOut > 0 && done.Count == 0)
            throw new FailureException($"none of the {groups.Count} targets of the profile can be tuned for here.");
        return done;
    }

    private GroupTuning Run(OperatorGroup group, SearchBudget budget)
    {
        using var run = new TuningRun(console, db, group.Threads, seed, group.Target) { Began = _begun ? null : Began };
        _begun = true;
        var plan = TuningPlan.Of(group.Operators, budget, spec => Stored(run, spec), again);
        plan.Tell(console.Out, budget);
        return new GroupTuning(
            group,
            plan,
            plan.Chosen.Count == 0
                ? []
                : run.TuneAll(
                    [.. plan.Chosen.Select(o => o.Spec)],
                    budget,
                    [.. plan.Chosen.Select(o => (double)o.Calls)],
                    plan.Shares
                ),
            run.Store.FilePath
        );
    }

    /// <summary>The record of an instance under the conditions of a run; another driver or compiler is another condition.</summary>
    public static TuneRecord? Stored(TuningRun run, Problem spec)
    {
        var task = run.TaskOf(spec);
        return run.Store.FindOwn(task.Key) is { } record && TuneTargets.IsFoundWith(record, task.Target.Toolchain)
            ? record
            : null;
    }

    /// <summary>Tells what could not be done, and gives the exit code.</summary>
    /// <exception cref="FailureException">Operators have no winner that is stored.</exception>
    public int Conclude(IReadOnlyList<GroupTuning> groups)
    {
        var results = groups.SelectMany(g => g.Results).ToList();
        int failed = results.Count(r => r.Result?.Stored is null);
        int faulty = ResultText.TellRuleErrors(console.Error, results.Select(r => r.Result));
        if (failed > 0)
            throw new FailureException($"{failed} of {results.Count} operators have no winner that is stored.");
        return faulty + _leftOut > 0 ? TuneCommand.Failure : TuneCommand.Success;
    }
}
