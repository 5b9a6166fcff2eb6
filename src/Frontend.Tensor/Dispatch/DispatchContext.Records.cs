using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>
/// Kernels of tuned records: of exactly an instance, of a range that it lies in (one schedule over symbolic extents, whose kernel serves
/// every shape there), for another number of threads, of a near shape.
/// </summary>
internal sealed partial class DispatchContext
{
    // Records of near shapes that are tried before the default schedule: the nearest may not fit where the next one does.
    private const int NearRecordsTried = 3;

    // What lies within a range is not away from it, so such records come first.
    private const int RangesTried = 4;

    // Sum of |ln| of the ratios of extents: up to about 2.7 times in all. Further away the rules do better: 1024³ on the
    // record of 32×200×200 ran at a quarter of the default schedule's speed.
    private const double FarthestNear = 1.0;

    private const string NoRecord = "no tuned record of this instance";

    private readonly HashSet<(TuneKey, string)> _givenUp = [];

    // One kernel a record.
    private readonly Dictionary<(TuneKey, string), Lazy<(Problem, CompiledSchedule)>> _ranges = [];

    // The tuned record of exactly this instance.
    private DispatchedKernel? Recorded(Problem problem, List<string> notes)
    {
        if (_store is null)
            return null;
        if (!_store.MayFind)
        {
            notes.Add(NoRecord);
            return null;
        }
        var key = KeyIn(problem);
        // Of a family without records only the first instance is looked for.
        var family = FamilyOf(key);
        lock (_gate)
        {
            if (_withoutRecords.Contains(family))
                return null;
        }
        // Those that an older version stored under another text of this target are of this instance too.
        var alike = Ask(() => _alike.Value, notes) ?? [];
        foreach (string target in alike.Where(t => TuneTargets.AreSame(t, key.Target)).Prepend(key.Target))
        {
            if (
                Ask(() => _store.FindExact(key with { Target = target }), notes) is { } exact
                && IsCertifiedHere(exact, notes)
            )
                return BeatsDefault(exact)
                    ? FromRecord(problem, exact, KernelSource.Exact, notes)
                    : FromRules(problem, notes, exact);
        }
        if (!IsPinned && Ranged(problem, key, notes) is { } within)
            return within;
        notes.Add(NoRecord);
        foreach (string target in alike.Where(t => !TuneTargets.AreSame(t, key.Target)))
        {
            if (
                Ask(() => _store.FindExact(key with { Target = target }), notes) is { } other
                && ForOtherThreads(problem, other, notes) is { } made
            )
                return made;
        }
        if (
            alike
                .Prepend(key.Target)
                .All(t => Ask(() => _store.FindNear(key with { Target = t }, 1), notes) is { Count: 0 })
        )
        {
            lock (_gate)
            {
                if (_withoutRecords.Count >= MostFamilies)
                    _withoutRecords.Clear();
                _withoutRecords.Add(family);
            }
        }
        return null;
    }

    private static TuneKey FamilyOf(TuneKey key) =>
        key with
        {
            Shapes = string.Concat(key.Shapes.Where(c => !char.IsAsciiDigit(c))),
        };

    /// <summary>
    /// The record of this very instance, tuned for another number of threads, where it is sure not to cost anything: it spreads
    /// its work over threads, or the default schedule does not either, or it is faster than the default schedule can be here.
    /// </summary>
    private DispatchedKernel? ForOtherThreads(Problem problem, TuneRecord record, List<string> notes)
    {
        int theirs = TuneTargets.ThreadsOf(record.Key.Target) ?? 1;
        string whose = $"the record for {theirs} thread{(theirs == 1 ? "" : "s")}";
        if (!BeatsDefault(record))
        {
            notes.Add($"{whose} did not beat the default schedule");
            return null;
        }
        // At best the default schedule gains as much as there are more threads.
        double ratio = theirs / (double)Backend.Target.Threads;
        bool isFaster = record.DefaultMilliseconds * Math.Min(1, ratio) > record.Milliseconds;
        var algorithm = problem.Algorithm;
        if (!isFaster && !IsParallel(record) && IsParallel(DefaultOf(algorithm)))
        {
            notes.Add($"{whose} does not spread its work over threads, which the default schedule does");
            return null;
        }
        // At worst the record loses as much as there are fewer.
        bool staysFaster = record.DefaultMilliseconds > record.Milliseconds * Math.Max(1, ratio);
        if (
            !staysFaster
            && ratio > 1
            && IsParallel(record)
            && !IsParallel(_rule(algorithm, Backend.Target with { Threads = theirs }))
        )
        {
            notes.Add(
                $"{whose} spreads its work over more threads than there are, which the default schedule does not"
            );
            return null;
        }
        return FromRecord(problem, record, KernelSource.Near, notes);
    }

    // Another driver or compiler may make other code of the same trace, which nobody has checked.
    private bool IsCertifiedHere(TuneRecord record, List<string> notes)
    {
        if (TuneTargets.IsFoundWith(record, Backend.Target.Toolchain))
            return true;
        notes.Add(
            $"the record of {PlainText.Of(record.Spec)} was certified with {PlainText.Of(TuneTargets.ToolchainOf(record))}, here is {Backend.Target.Toolchain}: 'tune db certify' certifies it again"
        );
        return false;
    }

    // The record's trace may be no trace at all; a wrong answer costs speed only.
    private static bool IsParallel(TuneRecord record) =>
        record.Trace.Split('\n').Any(step => step.StartsWith("parallel ", StringComparison.Ordinal));

    private static bool IsParallel(LoopNest nest) => nest.Loops.Any(l => l.Kind == LoopKind.Parallel);

    private DispatchedKernel? Near(Problem problem, List<string> notes)
    {
        if (_store is not { MayFind: true })
            return null;
        var key = KeyIn(problem);
        foreach (var record in Ask(() => _store.FindNear(key, NearRecordsTried), notes) ?? [])
        {
            if (IsRange(record))
                continue;
            if (key.LogDistance(record.Key) is not { } distance || distance > FarthestNear)
            {
                notes.Add($"the record of {PlainText.Of(record.Spec)} is for too different a shape");
                continue;
            }
            if (!BeatsDefault(record))
            {
                notes.Add($"the record of {PlainText.Of(record.Spec)} did not beat the default schedule");
                continue;
            }
            if (IsCertifiedHere(record, notes) && FromRecord(problem, record, KernelSource.Near, notes) is { } inferred)
                return inferred;
        }
        return null;
    }

    // Where the record does not say, it is taken to.
    private static bool BeatsDefault(TuneRecord record) => !(record.DefaultMilliseconds <= record.Milliseconds);

    private static bool IsRange(TuneRecord record) =>
        TuneKey.TryParseExtents(record.Key.Shapes, out var extents) && extents.Any(e => e.IsBound);

    // The kernel of a range that a problem lies in; null where there is none.
    private DispatchedKernel? Ranged(Problem problem, TuneKey key, List<string> notes)
    {
        if (!Backend.SharesKernels || problem.IsRange)
            return null;
        foreach (var record in Ask(() => _store!.FindNear(key, RangesTried), notes) ?? [])
        {
            if (!IsRange(record) || key.LogDistance(record.Key) is not 0 || !BeatsDefault(record))
                continue;
            if (FromRecord(problem, record, KernelSource.Exact, notes) is { } made)
                return made;
        }
        return null;
    }

    // As a kernel: of its own shape, of another with factors inferred again, or of a range that the problem lies in.
    private DispatchedKernel? FromRecord(Problem problem, TuneRecord record, KernelSource source, List<string> notes)
    {
        var id = (record.Key, record.TraceHash);
        Lazy<(Problem, CompiledSchedule)>? range = null;
        lock (_gate)
        {
            if (_givenUp.Contains(id))
                return Refuse(record, "it was given up before", notes);
            if (IsRange(record) && !_ranges.TryGetValue(id, out range))
                _ranges.Add(id, range = new(() => MakeRange(record)));
        }
        try
        {
            var algorithm = problem.Algorithm;
            CompiledSchedule schedule;
            Algorithm named;
            IEnumerable<long>? extents = null;
            string? note = null;
            if (range is not null)
            {
                (var shapes, schedule) = range.Value;
                named = schedule.Nest.Algorithm;
                extents = shapes.ExtentsOf(problem);
                if (extents is null)
                    return Refuse(record, $"{problem} is none of its shapes", notes);
                note = $"the record of {PlainText.Of(record.Spec)}";
            }
            else
            {
                // Guards speak of arguments as the trace calls them.
                named = Trace.Parse(record.Trace).Adopt(algorithm);
                bool sameShape = record.Spec == problem.Label;
                var (nest, compiled) = Replayed(algorithm, record, sameShape);
                schedule = new CompiledSchedule(nest, compiled)
                {
                    Packing = OperandPacking.Of(nest, null, Backend, _runtime),
                };
                if (source == KernelSource.Near)
                    note = sameShape
                        ? $"replayed the record for {TuneTargets.ThreadsOf(record.Key.Target)} threads"
                        : $"replayed the record of {PlainText.Of(record.Spec)} with factors inferred again";
            }
            var guards = ImmutableArray.CreateBuilder<ArgumentTest>();
            foreach (string text in record.Guards)
            {
                if (!ArgumentTest.TryMake(text, named, algorithm, out var test))
                    return Refuse(record, $"its guard '{text}' cannot be checked", notes);
                if (test is { } check)
                    guards.Add(check);
            }
            return Kernel(
                problem.Label,
                schedule,
                source,
                note is null ? notes : [.. notes, note],
                record,
                extents,
                guards.ToImmutable(),
                () => FromRules(problem, [])
            );
        }
        // A stored record is foreign data: whatever goes wrong with it must cost speed only, so every failure is noted and
        // answered by the next source.
        catch (Exception failure)
        {
            string why = FirstLine(failure.Message);
            if (failure is ReplayLimitException or OutOfMemoryException or InsufficientExecutionStackException)
                GiveUp(record, why);
            return Refuse(record, why, notes);
        }
    }

    // For the record's own shape or, with factors inferred again, for another. Records are foreign data: whatever one asks for, it costs
    // milliseconds and memory in proportion to the operator, or is refused.
    private (LoopNest Nest, ICompiledKernel Kernel) Replayed(Algorithm algorithm, TuneRecord record, bool sameShape)
    {
        var trace = Trace.Parse(record.Trace);
        LoopNest? nest;
        if (sameShape)
            nest = trace.Replay(algorithm);
        else
        {
            var near = trace.ReplayNear(algorithm);
            if (near.AddsTests)
                throw new TraceException("its loops would test for their ends in every iteration here");
            nest = near.Nest ?? throw new TraceException(near.Failure ?? "the trace does not fit");
        }
        var kernel = Backend.Compile(nest);
        try
        {
            ReplayLimits.Standard.CheckWorkspace(algorithm, kernel.WorkspaceBytes);
            return (nest, kernel);
        }
        catch
        {
            kernel.Dispose();
            throw;
        }
    }

    private (Problem, CompiledSchedule) MakeRange(TuneRecord record)
    {
        var range = Problem.Read(record.Spec, record.ProblemText);
        if (!range.IsRange)
            throw new TraceException("its problem has no symbolic extents");
        var nest = Trace.Parse(record.Trace).Replay(range.Algorithm);
        return (range, Compiled(nest));
    }

    private DispatchedKernel? Refuse(TuneRecord record, string why, List<string> notes)
    {
        Interlocked.Increment(ref _refused);
        notes.Add($"the record of {PlainText.Of(record.Spec)} was refused: {PlainText.Of(why)}");
        return null;
    }

    // Costs time or memory each time it is tried: never again, and whoever runs the model should know.
    private void GiveUp(TuneRecord record, string why)
    {
        bool first;
        lock (_gate)
            first = _givenUp.Add((record.Key, record.TraceHash));
        if (first)
            Dispatcher.OnWarning(
                $"the tuned record of {PlainText.Of(record.Spec)} is not used, the default schedule runs instead: {PlainText.Of(why)}"
            );
    }
}
