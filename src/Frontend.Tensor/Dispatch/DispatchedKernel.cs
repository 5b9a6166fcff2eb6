using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>Where the schedule of a kernel came from.</summary>
public enum KernelSource
{
    /// <summary>A tuned record of exactly this operator instance.</summary>
    Exact,

    /// <summary>A tuned record of another shape, replayed with its factors inferred again.</summary>
    Near,

    /// <summary>The rules of the operator's structure, without tuning.</summary>
    Default,
}

/// <summary>The text of a call's instance, from its words.</summary>
internal sealed class CallText(OperatorWords plan, long[] words)
{
    /// <summary>The words, as the table keeps them.</summary>
    public long[] Words => words;

    public string Write() => OperatorSpec.Parse(plan.Text(words)).ToString();
}

/// <summary>
/// The kernel that dispatch chose for an operator instance, with how it came to be chosen. Thread-safe to run.
/// </summary>
public sealed unsafe class DispatchedKernel
{
    // Its text, or what says it, which is written out when somebody asks.
    private readonly object _spec;
    private CompiledSchedule _schedule;
    private ICompiledKernel _compiled;
    private DispatchedKernel? _fallback;
    private Action<DispatchedKernel, ShapeClass>? _tell;
    private int _callsLeft;
    private bool _used;

    // Whether nothing is to be tested or told at calls.
    private bool _isPlain = true;
    private long _guardFailures;
    private int _toldOfMemory;
    private Action<string>? _note;

    /// <param name="spec">The text of the operator instance, or a <see cref="CallText"/>.</param>
    internal DispatchedKernel(
        object spec,
        CompiledSchedule schedule,
        KernelSource source,
        ImmutableArray<string> notes,
        ICompiledKernel? timed
    )
    {
        _spec = spec;
        _schedule = schedule;
        _compiled = timed ?? schedule.Kernel;
        Source = source;
        Notes = notes;
        Packing = PackingOf(schedule);
    }

    /// <summary>Keeps copies of operands; null where the kernel makes none, or is not yet what it stays.</summary>
    internal OperandPacking? Packing { get; private set; }

    /// <summary>Values of the symbolic extents; null where there are none.</summary>
    internal long[]? Values { get; init; }

    /// <summary>What the addresses of a call must meet.</summary>
    internal ImmutableArray<ArgumentTest> Guards { get; init; } = [];

    /// <summary>The kernel where they do not, or where there is no memory for the workspace; null for none.</summary>
    internal Func<DispatchedKernel>? Unguarded
    {
        get;
        init
        {
            field = value;
            _isPlain &= value is null;
        }
    }

    /// <summary>Who copies arguments that lie at other addresses than multiples of a number of bytes; null for nobody.</summary>
    internal (DeviceRuntime Runtime, int Alignment)? Realigning
    {
        get;
        init
        {
            field = value;
            _isPlain &= value is null;
        }
    }

    /// <summary>The text of the operator instance.</summary>
    internal string Instance => _spec as string ?? ((CallText)_spec).Write();

    /// <summary>The operator instance.</summary>
    public OperatorSpec Spec => OperatorSpec.Parse(Instance);

    /// <summary>What is computed; its Arguments give the order of the addresses to <see cref="Run"/>.</summary>
    public Algorithm Algorithm => Nest.Algorithm;

    /// <summary>The scheduled program; over symbolic extents where it serves other shapes too.</summary>
    public LoopNest Nest => _schedule.Nest;

    /// <summary>Values of the symbolic extents, in the order of the algorithm's parameters.</summary>
    public ReadOnlySpan<long> Extents => Algorithm.Parameters.IsEmpty ? [] : Values;

    /// <summary>The program and its code, which several instances may share.</summary>
    internal CompiledSchedule Schedule => _schedule;

    /// <summary>Whether it ran since this was last set to false.</summary>
    internal bool Used
    {
        get => _used;
        set => _used = value;
    }

    public KernelSource Source { get; }

    /// <summary><c>exact</c>, <c>near</c> or <c>default</c>.</summary>
    public string SourceName => Source.ToString().ToLowerInvariant();

    /// <summary>Why better sources were passed over, one sentence each; empty for an exact record without trouble.</summary>
    public ImmutableArray<string> Notes { get; private set; }

    /// <summary>The class whose kernel it began with; null for none.</summary>
    internal ShapeClass? Members { get; private set; }

    /// <summary>Tells someone after a number of calls of a kernel of a class. Returns itself.</summary>
    internal DispatchedKernel TellAfter(int calls, ShapeClass members, Action<DispatchedKernel, ShapeClass> tell)
    {
        (_callsLeft, _tell, Members, _isPlain) = (calls, tell, members, false);
        Packing = null;
        return this;
    }

    /// <summary>
    /// Goes on with other code for the same values of the extents: calls under way end on the old one, whose results have the same
    /// bits.
    /// </summary>
    internal void Become(CompiledSchedule schedule, ICompiledKernel? timed, ImmutableArray<string> notes)
    {
        Notes = notes;
        _schedule = schedule;
        Volatile.Write(ref _compiled, timed ?? schedule.Kernel);
        Packing = PackingOf(schedule);
    }

    // What is timed runs whole.
    private OperandPacking? PackingOf(CompiledSchedule schedule) =>
        ReferenceEquals(_compiled, schedule.Kernel) ? schedule.Packing : null;

    /// <summary>Runs a call on the kept copy of an operand; false where there is none: then it has to <see cref="Run"/>.</summary>
    /// <param name="packing">Its <see cref="Packing"/>.</param>
    /// <param name="number">Which of the operands that are copied.</param>
    /// <param name="memory">Stands for the operand's memory as long as that lives.</param>
    /// <param name="offset">Bytes to the operand.</param>
    /// <param name="version">Of the memory.</param>
    /// <param name="arguments">As of <see cref="Run"/>.</param>
    internal bool TryRunPacked(
        OperandPacking packing,
        int number,
        object memory,
        long offset,
        int version,
        long bytes,
        nint* arguments
    )
    {
        if (!Guards.IsEmpty && !GuardsHold(arguments))
            return false;
        if (!packing.TryRun(number, memory, offset, version, bytes, arguments, Values, _note ??= Note))
            return false;
        _used = true;
        return true;
    }

    /// <summary>Adds a sentence to the notes.</summary>
    internal void Note(string sentence) => Notes = Notes.Add(sentence);

    /// <summary>How often a call's addresses did not meet what the schedule assumes, so that the default one ran.</summary>
    public long GuardFailures => Interlocked.Read(ref _guardFailures);

    /// <summary>Workspace bytes held while it runs.</summary>
    public long WorkspaceBytes => _compiled.WorkspaceBytes;

    /// <summary>Runs it on the base addresses of the algorithm's Arguments, in order.</summary>
    public void Run(nint* arguments)
    {
        // Written once: threads that share the kernel only read it.
        if (!_used)
            _used = true;
        if (!_isPlain)
        {
            RunTested(arguments);
            return;
        }
        fixed (long* extents = Values)
            _compiled.Run(arguments, extents);
    }

    private void RunTested(nint* arguments)
    {
        // Calls of other threads may be lost count of.
        if (_callsLeft > 0 && --_callsLeft == 0)
            _tell!(this, Members!);
        if (!Guards.IsEmpty && !GuardsHold(arguments))
        {
            Interlocked.Increment(ref _guardFailures);
            (_fallback ??= Unguarded!()).Run(arguments);
            return;
        }
        if (Realigning is { } realigning && !Aligned(arguments, realigning.Alignment))
        {
            RunOnCopies(arguments, realigning.Runtime, realigning.Alignment);
            return;
        }
        try
        {
            fixed (long* extents = Values)
                _compiled.Run(arguments, extents);
        }
        // Of the workspace of a tuned kernel, before anything was written; the default one needs less or none.
        catch (OutOfMemoryException) when (Unguarded is not null)
        {
            RunWithout(arguments);
        }
    }

    private void RunWithout(nint* arguments)
    {
        if (Interlocked.Exchange(ref _toldOfMemory, 1) == 0)
            Dispatcher.OnWarning(
                $"the tuned kernel of {Spec} found no memory for its workspace of {WorkspaceBytes} bytes; the default schedule runs instead."
            );
        (_fallback ??= Unguarded!()).Run(arguments);
    }

    private bool Aligned(nint* arguments, int alignment)
    {
        for (int i = 0; i < Algorithm.Arguments.Length; i++)
        {
            if (arguments[i] % alignment != 0)
                return false;
        }
        return true;
    }

    // Views may begin anywhere; kernels that access whole vectors get copies of those that begin between two of them.
    private void RunOnCopies(nint* arguments, DeviceRuntime runtime, int alignment)
    {
        var all = Algorithm.Arguments;
        nint* placed = stackalloc nint[all.Length];
        var copies = new DeviceMemory?[all.Length];
        for (int i = 0; i < all.Length; i++)
        {
            placed[i] = arguments[i];
            if (arguments[i] % alignment == 0)
                continue;
            long bytes = all[i].ConstantSize()!.Value * all[i].Type.Size();
            copies[i] = runtime.Rent(bytes);
            placed[i] = copies[i]!.Address;
            // Results too: what a kernel leaves out of a strided result must stay.
            runtime.Copy(arguments[i], placed[i], bytes);
        }
        _compiled.Run(placed, null);
        for (int i = 0; i < all.Length; i++)
        {
            if (copies[i] is not { } copy)
                continue;
            if (i >= Algorithm.Inputs.Length)
                runtime.Copy(copy.Address, arguments[i], copy.Length);
            copy.Dispose();
        }
    }

    private bool GuardsHold(nint* arguments)
    {
        foreach (var guard in Guards)
        {
            if (!guard.Holds(arguments))
                return false;
        }
        return true;
    }
}
