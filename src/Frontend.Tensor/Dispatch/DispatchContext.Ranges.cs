using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>
/// Records of ranges: one schedule over symbolic extents, certified at the ends of their bounds and within, whose kernel serves every
/// shape there.
/// </summary>
internal sealed partial class DispatchContext
{
    // What lies within a range is not away from it, so such records come first.
    private const int RangesTried = 4;

    // One kernel a record; null where it does not compile.
    private readonly Dictionary<(TuneKey, string), Lazy<(Problem Problem, CompiledSchedule Schedule)>> _ranges = [];

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
            if (FromRange(problem, record, notes) is { } made)
                return made;
        }
        return null;
    }

    private DispatchedKernel? FromRange(Problem problem, TuneRecord record, List<string> notes)
    {
        var id = (record.Key, record.TraceHash);
        Lazy<(Problem Problem, CompiledSchedule Schedule)>? making;
        lock (_gate)
        {
            if (_givenUp.Contains(id))
                return Refuse(record, "it was given up before", notes);
            if (!_ranges.TryGetValue(id, out making))
                _ranges.Add(id, making = new(() => MakeRange(record)));
        }
        try
        {
            var (range, schedule) = making.Value;
            if (range.ExtentsOf(problem) is not { } extents)
                return Refuse(record, $"{problem} is none of its shapes", notes);
            var named = schedule.Nest.Algorithm;
            var tests = ImmutableArray.CreateBuilder<ArgumentTest>();
            foreach (string text in record.Guards)
            {
                if (!ArgumentTest.TryMake(text, named, problem.Algorithm, out var test))
                    return Refuse(record, $"its guard '{text}' cannot be checked", notes);
                if (test is { } check)
                    tests.Add(check);
            }
            return new DispatchedKernel(
                problem.Label,
                schedule,
                KernelSource.Exact,
                [.. notes, $"the record of {PlainText.Of(record.Spec)}"],
                tests.ToImmutable(),
                () => FromRules(problem, problem.Algorithm, []),
                Realigning,
                extents: [.. extents],
                timed: Timed(problem.Label, KernelSource.Exact, record, schedule)
            );
        }
        // As with every record: whatever is wrong with foreign data costs speed only, and is noted.
        catch (Exception failure)
        {
            string why = FirstLine(failure.Message);
            if (failure is ReplayLimitException or OutOfMemoryException or InsufficientExecutionStackException)
                GiveUp(record, why);
            return Refuse(record, why, notes);
        }
    }

    private (Problem, CompiledSchedule) MakeRange(TuneRecord record)
    {
        var range = Problem.Read(record.Spec, record.ProblemText);
        if (!range.IsRange)
            throw new TraceException("its problem has no symbolic extents");
        var nest = Trace.Parse(record.Trace).Replay(range.Algorithm);
        var kernel = Backend.Compile(nest);
        return (range, new CompiledSchedule(nest, kernel));
    }
}
