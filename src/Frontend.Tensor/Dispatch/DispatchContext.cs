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
    private readonly Dictionary<OperatorSpec, DispatchedKernel> _kernels = [];
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
                int Count(KernelSource source) => _kernels.Values.Count(k => k.Source == source);
                return new(
                    _kernels.Count,
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
        lock (_gate)
        {
            if (!_kernels.TryGetValue(spec, out var kernel))
                _kernels.Add(spec, kernel = Choose(spec));
            return kernel;
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
            else if (FromRecord(spec, algorithm, exact, KernelSource.Exact, notes) is { } tuned)
                return tuned;
            var near = exact is null ? Ask(() => _store.FindNear(key, NearRecordsTried), notes) ?? [] : [];
            foreach (var record in near)
            {
                if (key.LogDistance(record.Key) is not { } distance || distance > FarthestNear)
                {
                    notes.Add($"the record of {record.Spec} is for too different a shape");
                    continue;
                }
                if (FromRecord(spec, algorithm, record, KernelSource.Near, notes) is { } inferred)
                    return inferred;
            }
        }
        return FromRules(spec, algorithm, notes);
    }

    private DispatchedKernel? FromRecord(
        OperatorSpec spec,
        Algorithm algorithm,
        TuneRecord record,
        KernelSource source,
        List<string> notes
    )
    {
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
            var nest =
                source == KernelSource.Exact
                    ? RecordReplay.Exactly(algorithm, record.Trace)
                    : RecordReplay.Near(algorithm, record.Trace);
            var compiled = Backend.Compile(nest);
            if (source == KernelSource.Near)
                notes.Add($"replayed the record of {record.Spec} with factors inferred again");
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
        // A stored record is foreign data: whatever goes wrong with it must cost speed only, so every failure is noted
        // and answered by the next source. Running out of memory is not the record's fault.
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            return Refuse(record, FirstLine(failure.Message), notes);
        }
    }

    private DispatchedKernel? Refuse(TuneRecord record, string why, List<string> notes)
    {
        _refused++;
        notes.Add($"the record of {record.Spec} was refused: {why}");
        return null;
    }

    private DispatchedKernel FromRules(OperatorSpec spec, Algorithm algorithm, List<string> notes)
    {
        try
        {
            var nest = _rule(algorithm, Backend.Target);
            return Make(spec, nest, notes);
        }
        // The plain loops that follow run on processors only.
        catch (Exception refusal) when (refusal is ScheduleException or LoweringException && Backend.Target.Gpu is null)
        {
            notes.Add($"the default schedule was refused: {FirstLine(refusal.Message)}");
        }
        return Make(spec, InitialNest.Of(algorithm), notes);
    }

    private DispatchedKernel Make(OperatorSpec spec, LoopNest nest, List<string> notes) =>
        new(spec, nest, Backend.Compile(nest), KernelSource.Default, [.. notes], [], null, Realigning);

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
