using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>One store, one back end, and the kernels made with them.</summary>
internal sealed class DispatchContext
{
    // Records of near shapes that are tried before the default schedule: the nearest may not fit where the next one does.
    private const int NearRecordsTried = 3;

    // Sum of |ln| of the ratios of extents: up to about 2.7 times in all. Further away the rules do better: 1024³ on the
    // record of 32×200×200 ran at a quarter of the default schedule's speed.
    private const double FarthestNear = 1.0;

    private readonly ITuneLookup? _store;
    private readonly BackendFactory _backends;
    private readonly DefaultScheduleRule _rule;
    private readonly DeviceRuntime _runtime;
    private readonly Lock _gate = new();
    private readonly Dictionary<OperatorSpec, Lazy<DispatchedKernel>> _kernels = [];
    private readonly HashSet<(TuneKey, string)> _givenUp = [];
    private int _refused;

    public DispatchContext(
        ITuneLookup? store,
        BackendFactory backends,
        int threads,
        DefaultScheduleRule rule,
        DeviceRuntime runtime
    )
    {
        _runtime = runtime;
        _store = store;
        _backends = backends;
        _rule = rule;
        Threads = threads;
        Backend = backends(threads);
    }

    public int Threads { get; }

    public IBackend Backend { get; }

    public KernelTable Table { get; } = new();

    public DispatchContext WithThreads(int threads) => new(_store, _backends, threads, _rule, _runtime);

    public DispatchStatistics Statistics
    {
        get
        {
            lock (_gate)
            {
                var made = _kernels.Values.Where(k => k.IsValueCreated).Select(k => k.Value).ToList();
                int Count(KernelSource source) => made.Count(k => k.Source == source);
                return new(
                    made.Count,
                    Count(KernelSource.Exact),
                    Count(KernelSource.Near),
                    Count(KernelSource.Default),
                    _refused
                );
            }
        }
    }

    public DispatchedKernel Resolve(OperatorSpec spec)
    {
        Lazy<DispatchedKernel>? kernel;
        lock (_gate)
        {
            if (!_kernels.TryGetValue(spec, out kernel))
                _kernels.Add(spec, kernel = new Lazy<DispatchedKernel>(() => Choose(spec)));
        }
        // Chosen and compiled outside of the lock: whoever wants this instance waits for it, the others do not.
        try
        {
            return kernel.Value;
        }
        catch
        {
            // The next call tries again.
            lock (_gate)
            {
                if (_kernels.TryGetValue(spec, out var there) && ReferenceEquals(there, kernel))
                    _kernels.Remove(spec);
            }
            throw;
        }
    }

    private DispatchedKernel Choose(OperatorSpec spec)
    {
        var notes = new List<string>();
        var algorithm = spec.Build();
        if (_store is not null)
        {
            var key = TuneKeys.Of(spec, Backend.Target);
            var exact = Ask(() => _store.FindExact(key), notes);
            if (exact is null)
                notes.Add("no tuned record of this instance");
            else if (!BeatsDefault(exact))
                return FromRules(spec, algorithm, notes, exact);
            else if (FromRecord(spec, algorithm, exact, KernelSource.Exact, notes) is { } tuned)
                return tuned;
            var near = exact is null ? Ask(() => _store.FindNear(key, NearRecordsTried), notes) ?? [] : [];
            foreach (var record in near)
            {
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
                if (FromRecord(spec, algorithm, record, KernelSource.Near, notes) is { } inferred)
                    return inferred;
            }
        }
        return FromRules(spec, algorithm, notes);
    }

    // Where the record does not say, it is taken to.
    private static bool BeatsDefault(TuneRecord record) => !(record.DefaultMilliseconds <= record.Milliseconds);

    private DispatchedKernel? FromRecord(
        OperatorSpec spec,
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
        var guards = ImmutableArray.CreateBuilder<Guard>();
        foreach (string text in record.Guards)
        {
            if (!Guard.TryParse(text, algorithm, out var guard))
                return Refuse(record, $"its guard '{text}' cannot be checked", notes);
            if (guard is { } check)
                guards.Add(check);
        }
        try
        {
            var (nest, compiled) = RecordReplay.Run(Backend, algorithm, record, source);
            if (source == KernelSource.Near)
                notes.Add($"replayed the record of {PlainText.Of(record.Spec)} with factors inferred again");
            return new DispatchedKernel(
                spec,
                nest,
                compiled,
                source,
                [.. notes],
                guards.ToImmutable(),
                () => FromRules(spec, algorithm, []),
                Realigning
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

    /// <param name="spec">The instance.</param>
    /// <param name="algorithm">What it computes.</param>
    /// <param name="notes">Why better sources were passed over.</param>
    /// <param name="record">A record of this instance that did not beat the default schedule: with its trace, the kernel is the tuned one.</param>
    private DispatchedKernel FromRules(
        OperatorSpec spec,
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
            return Make(spec, nest, notes, isTuned ? KernelSource.Exact : KernelSource.Default);
        }
        catch (Exception refusal) when (refusal is ScheduleException or LoweringException)
        {
            notes.Add($"the default schedule was refused: {FirstLine(refusal.Message)}");
        }
        foreach (var rule in DefaultSchedule.Fallbacks(algorithm, Backend.Target))
        {
            try
            {
                return Make(spec, rule(), notes);
            }
            catch (Exception refusal) when (refusal is ScheduleException or LoweringException)
            {
                notes.Add($"a simpler schedule was refused: {FirstLine(refusal.Message)}");
            }
        }
        throw new LoweringException("no-schedule", $"no schedule of {spec} compiles: {notes[^1]}");
    }

    private DispatchedKernel Make(
        OperatorSpec spec,
        LoopNest nest,
        List<string> notes,
        KernelSource source = KernelSource.Default
    ) => new(spec, nest, Backend.Compile(nest), source, [.. notes], [], null, Realigning);

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
