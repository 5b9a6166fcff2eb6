using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>
/// The kernels that a context has made, by instance and by class of shapes, and the table that dispatch reads. All are bounded:
/// when a bound is passed, what did not run since the last time goes first, then what was made longest ago, down to three
/// quarters. Code that is being run stays until it has ended, since who runs it holds it; the garbage collector takes the rest.
/// </summary>
/// <remarks>But for the table's look-up, callers hold the context's lock.</remarks>
internal sealed class KernelCache(CacheLimits limits)
{
    // Classes of one operator, with its flags and dtypes, that are told by words.
    private const int MostPatterns = 32;

    private readonly Dictionary<string, DispatchedKernel> _instances = [];
    private readonly Dictionary<string, ShapeClass> _classes = [];
    private readonly Dictionary<long, List<ClassPattern>> _patterns = [];
    private long _codeBytes;
    private int _schedules;

    /// <summary>Signatures of calls.</summary>
    public KernelTable Table { get; } = new();

    /// <summary>Kernels of one shape each.</summary>
    public IEnumerable<DispatchedKernel> Instances => _instances.Values;

    /// <summary>Classes of shapes that have a kernel.</summary>
    public IEnumerable<ShapeClass> Classes => _classes.Values.Where(c => c.Schedule is not null);

    public DispatchedKernel? Instance(string spec) => _instances.GetValueOrDefault(spec);

    public ShapeClass? Class(string name) => _classes.GetValueOrDefault(name);

    /// <summary>The class that a call is of, with the values of its sizes; null where that is not known from its words.</summary>
    public (ClassPattern Pattern, long[] Extents)? Member(ReadOnlySpan<long> words)
    {
        if (!_patterns.TryGetValue(words[0], out var patterns))
            return null;
        foreach (var pattern in patterns)
        {
            if (pattern.ExtentsOf(words) is { } extents)
                return (pattern, extents);
        }
        return null;
    }

    /// <summary>Adds what calls are of a class that has a kernel.</summary>
    public void Add(ClassPattern pattern)
    {
        if (!_patterns.TryGetValue(pattern.Head, out var patterns))
            _patterns.Add(pattern.Head, patterns = []);
        // Those met last come first; of more, lengths are looked at one by one.
        if (patterns.Count == MostPatterns)
            patterns.RemoveAt(patterns.Count - 1);
        patterns.Insert(0, pattern);
    }

    /// <summary>Calls are looked at one by one again, as there may be records for them.</summary>
    public void ForgetPatterns() => _patterns.Clear();

    public void Add(string spec, DispatchedKernel kernel)
    {
        Grow(kernel.Schedule);
        _instances.Add(spec, kernel);
    }

    /// <summary>Calls of an instance go to another kernel from now on; those under way end on the old one.</summary>
    public void Replace(string spec, DispatchedKernel kernel)
    {
        _instances.Remove(spec);
        Add(spec, kernel);
        Table.Replace([.. Table.Entries().Select(e => e.Kernel.Instance == spec ? e with { Kernel = kernel } : e)]);
    }

    public void Add(ShapeClass made) => _classes.Add(made.Name, made);

    /// <summary>Sets the kernel of a class; null where it does not compile.</summary>
    public void Compiled(ShapeClass members, CompiledSchedule? schedule)
    {
        members.Compiled(schedule);
        Grow(schedule);
    }

    /// <summary>Adds what dispatch finds for a signature from now on.</summary>
    public void Add(long[] signature, DispatchedKernel kernel)
    {
        Table.Add(signature, kernel);
        if (Table.Count > limits.Signatures || _schedules > limits.Kernels || _codeBytes > limits.CodeBytes)
            Trim();
    }

    private void Grow(CompiledSchedule? schedule)
    {
        _schedules++;
        _codeBytes += schedule?.Kernel.CodeBytes ?? 0;
        // Instances that are asked for by name only, never called.
        if (_schedules > 2 * limits.Kernels)
            Trim();
    }

    private void Trim()
    {
        // Who ran since the last time.
        var entries = Table.Entries();
        foreach (var kernel in entries.Select(e => e.Kernel).Concat(_instances.Values))
            kernel.Schedule.Used |= kernel.Used;
        var kept = new HashSet<CompiledSchedule>();
        long bytes = 0;
        int most = limits.Kernels * 3 / 4;
        var all = _instances.Values.Select(k => k.Schedule).Concat(Classes.Select(c => c.Schedule!)).Distinct();
        foreach (var schedule in all.OrderByDescending(s => s.Used).ThenByDescending(s => s.Number))
        {
            bytes += schedule.Kernel.CodeBytes;
            if (kept.Count >= most || bytes > limits.CodeBytes * 3 / 4)
                break;
            kept.Add(schedule);
        }
        var signatures = entries
            .Where(e => kept.Contains(e.Kernel.Schedule))
            .OrderByDescending(e => e.Kernel.Used)
            .ThenByDescending(e => e.Number)
            .Take(limits.Signatures * 3 / 4)
            .ToList();
        foreach (var (spec, kernel) in _instances.ToList())
        {
            kernel.Used = false;
            if (!kept.Contains(kernel.Schedule))
                _instances.Remove(spec);
        }
        foreach (var made in _classes.Values.ToList())
        {
            if (made.Schedule is null || !kept.Contains(made.Schedule))
                _classes.Remove(made.Name);
        }
        foreach (var (head, patterns) in _patterns.ToList())
        {
            patterns.RemoveAll(p => !_classes.ContainsKey(p.Members.Name));
            if (patterns.Count == 0)
                _patterns.Remove(head);
        }
        foreach (var entry in signatures)
            entry.Kernel.Used = false;
        foreach (var schedule in kept)
            schedule.Used = false;
        _schedules = _instances.Count + Classes.Count();
        _codeBytes = kept.Sum(s => s.Kernel.CodeBytes);
        Table.Replace(signatures);
    }
}

/// <summary>Bounds of a <see cref="KernelCache"/>.</summary>
/// <param name="Kernels">Compiled kernels.</param>
/// <param name="CodeBytes">About the bytes of their machine code.</param>
/// <param name="Signatures">Signatures of calls, several of which may share a kernel.</param>
internal readonly record struct CacheLimits(int Kernels, long CodeBytes, int Signatures)
{
    /// <summary>What a context holds: with nests and signatures some 50 MiB at most.</summary>
    public static readonly CacheLimits Default = new(2048, 32L << 20, 8192);
}

/// <summary>A class of shapes (see <see cref="OpenOperator"/>).</summary>
/// <param name="name">The class.</param>
/// <param name="nest">The schedule of all its shapes, over symbolic extents; null where each needs one of its own.</param>
internal sealed class ShapeClass(string name, LoopNest? nest)
{
    private volatile bool _compiled;

    public string Name => name;

    public LoopNest? Nest => nest;

    /// <summary>What is told of its kernel, the same for all its shapes.</summary>
    public ImmutableArray<string> Notes { get; } = [$"one kernel for {name}"];

    /// <summary>Whether its kernel was asked for.</summary>
    public bool IsCompiled => _compiled;

    /// <summary>The kernel for all its shapes; null as long as nothing wanted it, or where it does not compile.</summary>
    public CompiledSchedule? Schedule { get; private set; }

    /// <summary>Says what came of compiling it.</summary>
    public void Compiled(CompiledSchedule? schedule)
    {
        Schedule = schedule;
        _compiled = true;
    }
}
