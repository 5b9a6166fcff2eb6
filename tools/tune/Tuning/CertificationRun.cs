using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Schedules.Defaults;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// Certifies what waits in a database for this machine: each record is checked against the evaluator, timed beside the default
/// schedule and the stored winner, and served from then on if it is right and beats them. What has been decided waits no more.
/// </summary>
/// <param name="console">Told of every record as soon as it is decided.</param>
/// <param name="db">The database; null for the environment's or the default one.</param>
/// <param name="seed">Of the inputs.</param>
internal sealed class CertificationRun(ToolConsole console, string? db, int seed)
{
    private int _certified;
    private int _beaten;
    private int _refused;
    private int _undecided;

    /// <summary>
    /// What waits, apart from what is for other machines. What was certified here with another driver or compiler waits as well: dispatch
    /// does not serve it before it is certified again.
    /// </summary>
    public static (IReadOnlyList<TuneRecord> Own, IReadOnlyList<TuneRecord> Foreign) Waiting(
        ITuneStore store,
        TuneFilter filter
    )
    {
        var all = store
            .All(filter with { Certified = false })
            .Concat(store.All(filter with { Certified = true }).Where(OwnTargets.IsOutdated))
            .OrderBy(r => r.Spec, StringComparer.Ordinal)
            .ThenBy(r => r.Key.Target, StringComparer.Ordinal);
        var own = all.Select(r => r.Key.Target).Distinct().Where(t => OwnTargets.Find(t) is not null).ToHashSet();
        return ([.. all.Where(r => own.Contains(r.Key.Target))], [.. all.Where(r => !own.Contains(r.Key.Target))]);
    }

    /// <summary>Says what became of what was just taken over, and who certifies it.</summary>
    public static void Tell(TextWriter to, ITuneStore store)
    {
        var (own, foreign) = Waiting(store, new TuneFilter());
        if (own.Count > 0)
            to.WriteLine(
                $"{Count(own.Count, "waits", "wait")} for certification on this machine: 'tune db certify' does them all"
            );
        if (foreign.Count > 0)
            to.WriteLine(
                $"{Count(foreign.Count, "is", "are")} foreign: for other machines, where 'tune db certify' certifies {(foreign.Count == 1 ? "it" : "them")}; nothing here serves {(foreign.Count == 1 ? "it" : "them")}"
            );
    }

    /// <summary>Certifies all of them. Returns the exit code.</summary>
    public int Run(TuneFilter filter)
    {
        IReadOnlyList<TuneRecord> own;
        int foreign;
        using (
            var store = TuneDatabase.OpenForUse(
                TuneDbLocation.Resolve(db),
                warn: sentence => console.Error.WriteLine($"tune: {sentence}")
            )
        )
        {
            store.Pull(target => OwnTargets.Find(target) is not null);
            (own, var others) = Waiting(store, filter);
            foreign = others.Count;
        }
        int done = 0;
        foreach (var target in own.GroupBy(r => OwnTargets.Find(r.Key.Target)!.Value))
        {
            if (console.Cancel.IsCancellationRequested)
                break;
            using var run = new TuningRun(console, db, target.Key.Threads, seed, target.Key.Target);
            foreach (var record in target)
            {
                if (console.Cancel.IsCancellationRequested)
                    break;
                string verdict = Certify(run, record);
                console.Out.WriteLine($"[{++done}/{own.Count}] {PlainText.Of(record.Spec)}: {verdict}");
            }
        }
        if (own.Count == 0)
            console.Out.WriteLine("nothing waits for certification on this machine");
        else
            console.Out.WriteLine(
                $"{_certified} certified, {_beaten} no faster than what is there, {_refused} refused, {own.Count - _certified - _beaten - _refused} left waiting"
            );
        if (foreign > 0)
            console.Out.WriteLine($"{Count(foreign, "is", "are")} foreign, for other machines, and left as they are");
        return _refused + _undecided == 0 ? TuneCommand.Success : TuneCommand.Failure;
    }

    /// <summary>Certifies one; returns what became of it.</summary>
    internal string Certify(TuningRun run, TuneRecord record)
    {
        TuneResult result;
        try
        {
            var spec = Problem.Read(record.Spec, record.ProblemText);
            OperatorMemory.RequireRoom(spec);
            var task = run.TaskOf(spec);
            if (record.Key.Policy == PinnedOrder.Policy)
                task = task with { Policy = TimingPolicy.Pinned };
            // Versions of the compiler named shapes in other ways, too; what the record is of, its problem says.
            if (record.Key.Policy != task.Key.Policy || record.Key.DTypes != task.Key.DTypes)
                return Undecided("it was measured in another way");
            result = run.Certify(task, record.Trace);
        }
        catch (Exception e)
            when (e
                    is OperatorSpecException
                        or AlgorithmTextException
                        or UsageException
                        or FailureException
                        or Schedules.Traces.TraceException
                        or Schedules.Ir.ScheduleException
                        or Schedules.Backend.LoweringException
                        or OutOfMemoryException
            )
        {
            return Undecided(PlainText.Of(e.Message.Split('\n')[0]).TrimEnd('.'));
        }
        // The database is gone, or the target, which no other record would fare better with.
        catch (Exception e) when (e is not (TuneDbException or Schedules.Backend.TargetException))
        {
            return Undecided(
                $"internal error, {e.GetType().Name}: {PlainText.Of(e.Message.Split('\n')[0]).TrimEnd('.')}"
            );
        }
        // Refused, it came to no verdict.
        if (result.IsWaiting || (result.Stored is null && result.Certification.IsRefused))
            return Undecided(result.Certification.Detail);
        bool passed = result.Trace == record.Trace && result.Certification.Ok;
        if (!passed && result.Outcomes.Keys.FirstOrDefault(o => Unclear.Contains(o)) is { } unclear)
            return Undecided($"it, or what it is compared with, could not be timed ({unclear})");
        // Perhaps it never ran.
        if (console.Cancel.IsCancellationRequested && !passed)
            return Undecided("interrupted");
        // What another process put in its place meanwhile stays.
        if (record == (record.Certified ? run.Store.FindExact(record.Key) : run.Store.FindWaiting(record.Key)))
            run.Store.Remove(record.Key, record.Certified);
        if (passed)
        {
            _certified++;
            return result.DefaultStands
                ? "certified; it is the default schedule"
                : $"certified, {Figures.Time(result.Milliseconds)}{(result.Speedup is { } gain ? $", {Figures.Ratio(gain)} the default schedule" : "")}";
        }
        if (result.Outcomes.Keys.FirstOrDefault(o => Wrong.Contains(o)) is { } wrong)
        {
            _refused++;
            return $"refused and removed: {wrong}{(result.Certification.Ok ? "" : $", {result.Certification.Detail}")}";
        }
        _beaten++;
        return result.DefaultStands
            ? "no faster than the default schedule here, and removed"
            : $"no faster than the stored winner ({Figures.Time(result.Milliseconds)}), and removed";
    }

    private static readonly string[] Wrong =
    [
        OutcomeNames.WrongResult,
        OutcomeNames.Uncertified,
        OutcomeNames.Crash,
        OutcomeNames.Hang,
    ];

    /// <summary>What says nothing about a record: the compiler's own faults, and a machine that was short of something.</summary>
    private static readonly string[] Unclear =
    [
        OutcomeNames.InternalError,
        OutcomeNames.RuleError,
        OutcomeNames.OverTime,
        OutcomeNames.Killed,
        "out-of-memory",
    ];

    private string Undecided(string why)
    {
        _undecided++;
        return $"left waiting: {why}";
    }

    private static string Count(int count, string one, string several) =>
        count == 1 ? $"1 record {one}" : $"{count} records {several}";
}
