using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch.Profiles;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace Picograd.Dispatch;

/// <summary>One store, one back end, and the kernels made with them.</summary>
internal sealed partial class DispatchContext
{
    // Families known to have no records; strides are part of a family, so there may be many.
    private const int MostFamilies = 1024;

    private readonly ITuneLookup? _store;
    private readonly Lazy<IReadOnlyList<string>> _alike;
    private readonly OperatorRecorder? _recorder = Recording.Current;
    private readonly BackendFactory _backends;
    private readonly DefaultScheduleRule _rule;
    private readonly DeviceRuntime _runtime;
    private readonly CacheLimits _limits;
    private readonly Determinism _determinism;
    private readonly Lock _gate = new();
    private readonly KernelCache _cache;
    private readonly Dictionary<string, Lazy<DispatchedKernel>> _choosing = [];
    private readonly HashSet<TuneKey> _withoutRecords = [];
    private int _refused;

    public DispatchContext(
        ITuneLookup? store,
        BackendFactory backends,
        int threads,
        DefaultScheduleRule rule,
        DeviceRuntime runtime,
        CacheLimits? limits = null,
        Determinism determinism = Determinism.Free
    )
    {
        _determinism = determinism;
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

    public DispatchContext WithThreads(int threads) => With(threads, _determinism);

    public DispatchContext With(int threads, Determinism determinism) =>
        new(_store, _backends, threads, _rule, _runtime, _limits, determinism);

    private bool IsPinned => _determinism == Determinism.Pinned;

    // Of a problem without a record.
    private LoopNest DefaultOf(Algorithm algorithm) =>
        IsPinned ? PinnedOrder.For(algorithm, Backend.Target) : _rule(algorithm, Backend.Target);

    private TuneKey KeyIn(Problem problem) =>
        TuneKeys.Of(problem, Backend.Target, IsPinned ? PinnedOrder.Policy : TuneKeys.WarmPolicy);

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
        return Once(_choosing, text, () => _cache.Instance(text), () => Choose(problem));
    }

    /// <summary>
    /// Goes on with the record of an instance that was stored meanwhile: calls find its kernel once it is compiled, which is
    /// done here. Returns whether there is one that beat the default schedule.
    /// </summary>
    public bool Adopt(Problem problem)
    {
        (_store as TuneServing)?.LookAgain();
        lock (_gate)
        {
            _withoutRecords.Clear();
            _cache.ForgetPatterns();
        }
        if (Recorded(problem, []) is not { Source: not KernelSource.Default } made)
            return false;
        lock (_gate)
            _cache.Replace(KeyOf(problem), made);
        return true;
    }

    /// <summary>The kernel of a call that is not in the table yet.</summary>
    /// <param name="plan">What its words mean.</param>
    /// <param name="words">Its words.</param>
    public DispatchedKernel Miss(OperatorWords plan, ReadOnlySpan<long> words)
    {
        // What is recorded is written down by the text of each instance.
        if (_recorder is null && OfKnownClass(plan, words) is { } member)
            return member;
        long began = Stopwatch.GetTimestamp();
        var problem = OperatorSpec.Parse(plan.Text(words)).Problem;
        var kernel = Resolve(problem);
        _recorder?.AddMaking(Stopwatch.GetElapsedTime(began));
        var pattern = kernel.Members is { } members ? PatternOf(plan, words, problem, members) : null;
        lock (_gate)
        {
            // Another thread may have been faster.
            if (Table.Find(words) is { } known)
                return known;
            _cache.Add(words.ToArray(), kernel);
            if (
                pattern is not null
                && _cache.Class(pattern.Members.Name) == pattern.Members
                && _cache.Member(words) is null
            )
                _cache.Add(pattern);
            return kernel;
        }
    }

    // Known, or made outside of the lock: whoever wants the same waits for it, the others do not. After a failure the next call tries
    // again.
    private T Once<T>(Dictionary<string, Lazy<T>> making, string name, Func<T?> known, Func<T> make)
        where T : class
    {
        Lazy<T>? made;
        lock (_gate)
        {
            if (known() is { } there)
                return there;
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
        // Lengths that are symbolic are added up in other stretches than constant ones.
        var open = !IsPinned && Backend.SharesKernels && problem.Operator is { } spec ? OpenOperator.Of(spec) : null;
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
                made = FromRules(problem, notes);
        }
        if (!IsPinned)
            made ??= Near(problem, notes);
        made ??= FromRules(problem, notes);
        lock (_gate)
        {
            if (_cache.Instance(text) is { } known)
                return known;
            _cache.Add(text, made);
        }
        return made;
    }

    /// <param name="problem">The instance.</param>
    /// <param name="notes">Why better sources were passed over.</param>
    /// <param name="record">A record of this instance that did not beat the default schedule: with its trace, the kernel is the tuned one.</param>
    private DispatchedKernel FromRules(Problem problem, List<string> notes, TuneRecord? record = null)
    {
        var algorithm = problem.Algorithm;
        try
        {
            var nest = DefaultOf(algorithm);
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
        var simpler = IsPinned
            ? PinnedOrder.Fallbacks(algorithm, Backend.Target)
            : DefaultSchedule.Fallbacks(algorithm, Backend.Target);
        foreach (var rule in simpler)
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
    ) => Kernel(problem.Label, Compiled(nest), source, notes, record);

    /// <param name="nest">The program.</param>
    /// <param name="extents">Values of its symbolic extents; null for code for all that they may have.</param>
    private CompiledSchedule Compiled(LoopNest nest, long[]? extents = null) =>
        new(nest, extents is null ? Backend.Compile(nest) : Backend.Compile(nest, extents))
        {
            Packing = OperandPacking.Of(nest, extents, Backend, _runtime),
        };

    private DispatchedKernel Kernel(
        string spec,
        CompiledSchedule schedule,
        KernelSource source,
        List<string> notes,
        TuneRecord? record = null,
        IEnumerable<long>? extents = null,
        ImmutableArray<ArgumentTest> guards = default,
        Func<DispatchedKernel>? unguarded = null
    ) =>
        new(spec, schedule, source, [.. notes], Timed(spec, source, record, schedule))
        {
            Values = extents is null ? null : [.. extents],
            Guards = guards.IsDefault ? [] : guards,
            Unguarded = unguarded,
            Realigning = Realigning,
        };

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
