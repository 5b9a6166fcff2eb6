using Picograd.Algorithms;
using Picograd.Dispatch.Profiles;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// Tunes what a running program reports, what takes the most time first, each instance once; a program that goes on to run
/// others gets those tuned as well.
/// </summary>
/// <param name="console">Told what goes wrong.</param>
/// <param name="db">The database.</param>
/// <param name="seed">Of the search.</param>
/// <param name="stored">Told the device and the program's name of each winner that is stored and beats the default.</param>
internal sealed class OnlineTuner(ToolConsole console, string? db, int seed, Action<TargetName, string> stored)
    : IDisposable
{
    /// <summary>Candidates for one instance. A budget of time would be spent waiting.</summary>
    private const int Trials = 64;

    private readonly Dictionary<(TargetName, int), TuningRun> _runs = [];
    private readonly HashSet<(TargetName, int, string)> _done = [];
    private readonly HashSet<(TargetName, int)> _refused = [];

    /// <summary>Tunes the instance of a profile that is worth the most; false where none is left.</summary>
    public bool TuneNext(OperatorProfile profile)
    {
        foreach (var group in OperatorGroup.Of(profile, Known(profile), null, null))
        {
            if (!TryRun(group, out var run))
                continue;
            try
            {
                if (TuneNext(group, run))
                    return true;
            }
            catch (TuneDbException e)
            {
                // Busy, perhaps: the next report asks again.
                console.Error.WriteLine($"tune: what runs on {group} is not tuned: {e.Message}");
            }
            if (console.Cancel.IsCancellationRequested)
                return false;
        }
        return false;
    }

    private bool TuneNext(OperatorGroup group, TuningRun run)
    {
        // With a budget for all of them: which one is to be next is the question, not how many there are.
        var plan = TuningPlan.Of(
            group.Operators,
            SearchBudget.Of(int.MaxValue),
            s => ProgramTuning.Stored(run, s),
            again: false
        );
        // What another process stored meanwhile serves this program, too.
        foreach (var ran in plan.Tuned)
        {
            if (!ran.IsTuned && _done.Add((group.Target, group.Threads, ran.Label)))
                stored(group.Target, ran.Label);
        }
        foreach (var chosen in plan.Chosen)
        {
            if (console.Cancel.IsCancellationRequested)
                return false;
            if (!_done.Add((group.Target, group.Threads, chosen.Label)))
                continue;
            Tune(run, group.Target, chosen);
            return true;
        }
        return false;
    }

    public void Dispose()
    {
        foreach (var run in _runs.Values)
            run.Dispose();
    }

    private void Tune(TuningRun run, TargetName target, RanOperator ran)
    {
        try
        {
            // Where the default stands, it runs already.
            if (run.Tune(ran.Spec, SearchBudget.Of(Trials), []) is { Stored: not null, DefaultStands: false })
                stored(target, ran.Label);
        }
        catch (Exception e)
            when (e
                    is FailureException
                        or TuneDbException
                        or ScheduleException
                        or LoweringException
                        or OutOfMemoryException
                || e is TargetException { IsLost: false }
            )
        {
            // The next may fare better.
            console.Error.WriteLine($"tune: {ran.Label}: {e.Message}");
        }
    }

    // What cannot be used here runs without a record, as it does now.
    private static Dictionary<string, Problem> Known(OperatorProfile profile) =>
        SpecFile.Usable(profile, (_, _) => { });

    private bool TryRun(OperatorGroup group, out TuningRun run)
    {
        if (_runs.TryGetValue((group.Target, group.Threads), out run!))
            return true;
        if (_refused.Contains((group.Target, group.Threads)))
            return false;
        try
        {
            run = new TuningRun(console, db, group.Threads, seed, group.Target);
        }
        catch (Exception e) when (e is UsageException or TargetException)
        {
            _refused.Add((group.Target, group.Threads));
            console.Error.WriteLine($"tune: what runs on {group} is not tuned: {e.Message}");
            return false;
        }
        _runs.Add((group.Target, group.Threads), run);
        return true;
    }
}
