using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Calls;
using Picograd.Schedules;
using Picograd.TuneDb;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace Picograd.Dispatch;

/// <summary>One store, one back end, and the kernels made with them.</summary>
internal sealed partial class DispatchContext
{
    // Records of near shapes that are tried before the default schedule: the nearest may not fit where the next one does.
    private const int NearRecordsTried = 3;

    // Sum of |ln| of the ratios of extents: up to about 2.7 times in all. Further away the rules do better: 1024³ on the
    // record of 32×200×200 ran at a quarter of the default schedule's speed.
    private const double FarthestNear = 1.0;

    // Families known to have no records; strides are part of a family, so there may be many.
    private const int MostFamilies = 1024;

    private const string NoRecord = "no tuned record of this instance";

    private readonly ITuneLookup? _store;
    private readonly Lazy<IReadOnlyList<string>> _alike;
    private readonly OperatorRecorder? _recorder = Recording.Current;
    private readonly BackendFactory _backends;
    private readonly DefaultScheduleRule _rule;
    private readonly DeviceRuntime _runtime;
    private readonly CacheLimits _limits;
    private readonly Lock _gate = new();
    private readonly KernelCache _cache;
    private readonly Dictionary<string, Lazy<DispatchedKernel>> _choosing = [];
    private readonly HashSet<TuneKey> _withoutRecords = [];
    private readonly HashSet<(TuneKey, string)> _givenUp = [];
    private int _refused;

    public DispatchContext(
        ITuneLookup? store,
        BackendFactory backends,
        int threads,
        DefaultScheduleRule rule,
        DeviceRuntime runtime,
        CacheLimits? limits = null
    )
    {
        _limits = limits ?? CacheLimits.Default;
        _cache = new(_limits);
        _runtime = runtime;
        _store = store;
        _backends = backends;
        _rule = rule;
        Threads = threads;
        Backend = backends(threads);
        _alike = new(() => TuneTargets.Alike(_store?.Targets() ?? [], Backend.Target.Fingerprint));
    }

    public int Threads { get; }

    public IBackend Backend { get; }

    /// <summary>Signatures that have a kernel.</summary>
    public KernelTable Table => _cache.Table;

    public DispatchContext WithThreads(int threads) => new(_store, _backends, threads, _rule, _runtime, _limits);

    public DispatchStatistics Statistics
    {
        get
        {
            lock (_gate)
            {
                int Count(KernelSource source) => _cache.Instances.Count(k => k.Source == source);
                int classes = _cache.Classes.Count();
                return new(
                    _cache.Instances.Count() + classes,
                    Count(KernelSource.Exact),
                    Count(KernelSource.Near),
                    Count(KernelSource.Default) + classes,
                    _refused
                );
            }
        }
    }

    // What no operator names may have the label of another.
    private static string KeyOf(Problem problem) => problem.Operator is null ? problem.Text : problem.Label;

    /// <summary>The kernel of a problem.</summary>
    public DispatchedKernel Resolve(Problem problem)
    {
        string text = KeyOf(problem);
        lock (_gate)
        {
            if (_cache.Instance(text) is { } known)
                return known;
        }
        return Once(_choosing, text, () => Choose(problem));
    }

    /// <summary>
    /// Goes on with the record of an instance that was stored meanwhile: calls find its kernel once it is compiled, which is
    /// done here. Returns whether there is one that beat the default schedule.
    /// </summary>
    public bool Adopt(Problem problem)
    {
        (_store as TuneServing)?.LookAgain();
        lock (_gate)
            _withoutRecords.Clear();
        if (Recorded(problem, []) is not { Source: not KernelSource.Default } made)
            return false;
        lock (_gate)
            _cache.Replace(KeyOf(problem), made);
        return true;
    }

    /// <summary>The kernel of a call that is not in the table yet.</summary>
    public DispatchedKernel Miss(Operator op, ReadOnlySpan<long> words)
    {
        long began = Stopwatch.GetTimestamp();
        var kernel = Resolve(OperatorSpec.Parse(op.Words.Text(words)));
        _recorder?.AddMaking(Stopwatch.GetElapsedTime(began));
        lock (_gate)
        {
            // Another thread may have been faster.
            if (Table.Find(words) is { } known)
                return known;
            _cache.Add(words, kernel);
            return kernel;
        }
    }

    // Made outside of the lock: whoever wants the same waits for it, the others do not. After a failure the next call tries again.
    private T Once<T>(Dictionary<string, Lazy<T>> making, string name, Func<T> make)
    {
        Lazy<T>? made;
        lock (_gate)
        {
            if (!making.TryGetValue(name, out made))
                making.Add(name, made = new Lazy<T>(make));
        }
        try
        {
            return made.Value;
        }
        finally
        {
            lock (_gate)
            {
                if (making.TryGetValue(name, out var there) && ReferenceEquals(there, made))
                    making.Remove(name);
            }
        }
    }

    private DispatchedKernel Choose(Problem problem)
    {
        string text = KeyOf(problem);
        var open = Backend.SharesKernels && problem.Operator is { } spec ? OpenOperator.Of(spec) : null;
        var notes = new List<string>();
        var made = Recorded(problem, notes);
        if (made is null && open is not null)
        {
            bool own = IsAmongFirst(open);
            bool ordered = SumsFloats(problem);
            if ((ordered || !own) && ClassOf(open) is { Nest: not null } members)
            {
                // Where one of the two does not compile the other does, for its bits are the same.
                made = own ? Own(text, open, members, notes) : null;
                if (made is null && Shared(members) is { } shared)
                    return OfClass(text, open, members, shared, notes);
                if (ordered && !own)
                    made = Own(text, open, members, notes);
            }
            // Where no order of sums is to be kept, the shape's own rules do, in a third of the time.
            else if (own)
                made = FromRules(problem, problem.Algorithm, notes);
        }
        made ??= Near(problem, notes) ?? FromRules(problem, problem.Algorithm, notes);
        lock (_gate)
        {
            if (_cache.Instance(text) is { } known)
                return known;
            _cache.Add(text, made);
        }
        return made;
    }

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
        var key = TuneKeys.Of(problem, Backend.Target);
        // Of a family without records only the first instance is looked for.
        var family = key with
        {
            Shapes = string.Concat(key.Shapes.Where(c => !char.IsAsciiDigit(c))),
        };
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
                    ? FromRecord(problem, problem.Algorithm, exact, KernelSource.Exact, notes)
                    : FromRules(problem, problem.Algorithm, notes, exact);
        }
        if (Ranged(problem, key, notes) is { } within)
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
        if (!isFaster && !IsParallel(record) && IsParallel(_rule(algorithm, Backend.Target)))
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
        return FromRecord(problem, algorithm, record, KernelSource.Near, notes);
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
        var key = TuneKeys.Of(problem, Backend.Target);
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
            if (
                IsCertifiedHere(record, notes)
                && FromRecord(problem, problem.Algorithm, record, KernelSource.Near, notes) is { } inferred
            )
                return inferred;
        }
        return null;
    }

    // Where the record does not say, it is taken to.
    private static bool BeatsDefault(TuneRecord record) => !(record.DefaultMilliseconds <= record.Milliseconds);

    private DispatchedKernel? FromRecord(
        Problem problem,
        Algorithm algorithm,
        TuneRecord record,
        KernelSource source,
        List<string> notes
    )
    {
        var id = (record.Key, record.TraceHash);
        lock (_gate)
        {
            if (_givenUp.Contains(id))
                return Refuse(record, "it was given up before", notes);
        }
        try
        {
            // Guards speak of arguments as the trace calls them.
            var named = Trace.Parse(record.Trace).Adopt(algorithm);
            var guards = ImmutableArray.CreateBuilder<ArgumentTest>();
            foreach (string text in record.Guards)
            {
                if (!ArgumentTest.TryMake(text, named, algorithm, out var test))
                    return Refuse(record, $"its guard '{text}' cannot be checked", notes);
                if (test is { } check)
                    guards.Add(check);
            }
            bool sameShape = record.Spec == problem.Label;
            var (nest, compiled) = RecordReplay.Run(Backend, algorithm, record, sameShape);
            if (source == KernelSource.Near)
                notes.Add(
                    sameShape
                        ? $"replayed the record for {TuneTargets.ThreadsOf(record.Key.Target)} threads"
                        : $"replayed the record of {PlainText.Of(record.Spec)} with factors inferred again"
                );
            var schedule = new CompiledSchedule(nest, compiled);
            return new DispatchedKernel(
                problem.Label,
                schedule,
                source,
                [.. notes],
                guards.ToImmutable(),
                () => FromRules(problem, algorithm, []),
                Realigning,
                timed: Timed(problem.Label, source, record, schedule)
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

    /// <param name="problem">The instance.</param>
    /// <param name="algorithm">What it computes.</param>
    /// <param name="notes">Why better sources were passed over.</param>
    /// <param name="record">A record of this instance that did not beat the default schedule: with its trace, the kernel is the tuned one.</param>
    private DispatchedKernel FromRules(
        Problem problem,
        Algorithm algorithm,
        List<string> notes,
        TuneRecord? record = null
    )
    {
        try
        {
            var nest = _rule(algorithm, Backend.Target);
            bool isTuned = record is not null && Trace.Of(nest).ToString() == record.Trace;
            if (record is not null && !isTuned)
                notes.Add("the tuned record of this instance did not beat the default schedule, which runs instead");
            return Make(
                problem,
                nest,
                notes,
                isTuned ? KernelSource.Exact : KernelSource.Default,
                isTuned ? record : null
            );
        }
        catch (Exception refusal) when (refusal is ScheduleException or LoweringException)
        {
            notes.Add($"the default schedule was refused: {FirstLine(refusal.Message)}");
        }
        foreach (var rule in DefaultSchedule.Fallbacks(algorithm, Backend.Target))
        {
            try
            {
                return Make(problem, rule(), notes);
            }
            catch (Exception refusal) when (refusal is ScheduleException or LoweringException)
            {
                notes.Add($"a simpler schedule was refused: {FirstLine(refusal.Message)}");
            }
        }
        throw new LoweringException("no-schedule", $"no schedule of {problem} compiles: {notes[^1]}");
    }

    private DispatchedKernel Make(
        Problem problem,
        LoopNest nest,
        List<string> notes,
        KernelSource source = KernelSource.Default,
        TuneRecord? record = null
    )
    {
        var schedule = new CompiledSchedule(nest, Backend.Compile(nest));
        return new DispatchedKernel(
            problem.Label,
            schedule,
            source,
            [.. notes],
            [],
            null,
            Realigning,
            timed: Timed(problem.Label, source, record, schedule)
        );
    }

    // What runs instead of the kernel itself where operators are recorded.
    private ICompiledKernel? Timed(string spec, KernelSource source, TuneRecord? record, CompiledSchedule schedule) =>
        _recorder?.Timed(
            schedule.Kernel,
            _runtime,
            new OperatorRecorder.Place(
                spec,
                _runtime.Device.ToString(),
                Backend.Target.Fingerprint,
                source,
                record is null ? null : NameOf(record)
            )
        );

    // 1a2b3c4d of matmul m=9 n=16 k=8 for cpu;x64;…
    private static string NameOf(TuneRecord record) =>
        PlainText.Of($"{record.TraceHash[..8]} of {record.Spec} for {record.Key.Target}");

    // Who copies arguments that lie at addresses at which the target's kernels would fault; null where none would.
    private (DeviceRuntime, int)? Realigning =>
        Backend.Target.ArgumentAlignment > 1 ? (_runtime, Backend.Target.ArgumentAlignment) : null;

    private static T? Ask<T>(Func<T?> question, List<string> notes)
        where T : class
    {
        try
        {
            return question();
        }
        catch (TuneDbException failure)
        {
            notes.Add($"the tune database could not be read: {FirstLine(failure.Message)}");
            return null;
        }
    }

    private static string FirstLine(string text) => text.Split('\n', 2)[0].TrimEnd();
}
