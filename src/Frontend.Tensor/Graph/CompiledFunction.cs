using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Gradients;
using Picograd.Graphs;

namespace Picograd;

/// <summary>
/// A function that was compiled (<see cref="Graph.Compile(Func{Tensor}, bool)"/>): its first calls run as usual and are recorded; when two in a row
/// were the same program, later calls run that program instead of the function. Calls of several threads take turns.
/// </summary>
public sealed partial class CompiledFunction : IDisposable
{
    // As torch.compile has it: who needs more has arguments that never are alike.
    private const int MostVariants = 8;

    // Until states and gradients that come with the first steps are there.
    private const int MostRecordings = 6;

    private readonly Func<Tensor[], Tensor[]> _function;
    private readonly bool _fullGraph;
    private readonly int _count;
    private readonly Lock _gate = new();
    private readonly List<Variant> _variants = [];
    private readonly List<string> _messages = [];
    private readonly Tensor[] _given;
    private string? _refusal;
    private bool _toldOfVariants;

    internal CompiledFunction(
        Func<Tensor[], Tensor[]> function,
        int count,
        bool fullGraph,
        IPartition? partition = null
    )
    {
        (_function, _count, _fullGraph) = (function, count, fullGraph);
        _given = new Tensor[Math.Max(count, 0)];
        Partition = partition ?? EachByItself.Instance;
    }

    internal IPartition Partition { get; private set; }

    // A program for arguments of one kind.
    private sealed class Variant(CallGuards guards)
    {
        public CallGuards Guards => guards;
        public RecordedProgram? Last;
        public CompiledProgram? Program;
        public int Recordings;

        // Arguments that were at two places in equal programs; of others it is not known that they were not captured, too.
        public bool[] Proven = [];
    }

    /// <summary>Calls that were recorded so far.</summary>
    public int Recordings { get; private set; }

    /// <summary>Programs that were made: one for each kind of arguments.</summary>
    public int Compilations { get; private set; }

    /// <summary>Calls that ran as a program.</summary>
    public long Replays { get; private set; }

    /// <summary>Why there is no program, or more than one; a sentence each.</summary>
    public IReadOnlyList<string> Messages
    {
        get
        {
            lock (_gate)
                return [.. _messages];
        }
    }

    /// <summary>Whether kernels are timed in the next calls, for <see cref="Explain"/>.</summary>
    public bool IsTimed { get; set; }

    /// <summary>Calls it. Returns the first result.</summary>
    /// <exception cref="ArgumentException">Another number of arguments.</exception>
    /// <exception cref="GraphException">It cannot be compiled; names the line and what to do.</exception>
    /// <exception cref="InvalidOperationException">The function has no results.</exception>
    public Tensor Run(params ReadOnlySpan<Tensor> arguments)
    {
        lock (_gate)
        {
            var results = Results(arguments);
            return results.Length > 0
                ? results[0]
                : throw new InvalidOperationException("Run: the function returns nothing; call Invoke.");
        }
    }

    /// <summary>Calls it. Returns all results.</summary>
    /// <inheritdoc cref="Run"/>
    public Tensor[] Invoke(params ReadOnlySpan<Tensor> arguments)
    {
        lock (_gate)
            return [.. Results(arguments)];
    }

    private Tensor[] Results(ReadOnlySpan<Tensor> arguments)
    {
        if (_count >= 0 && arguments.Length != _count)
            throw new ArgumentException($"A compiled function of {_count} tensors was called with {arguments.Length}.");
        foreach (var argument in arguments)
            ArgumentNullException.ThrowIfNull(argument, nameof(arguments));
        var given = _count >= 0 ? _given : arguments.ToArray();
        arguments.CopyTo(given);
        try
        {
            return Results(given);
        }
        finally
        {
            if (_count > 0)
                Array.Clear(given);
        }
    }

    private Tensor[] Results(Tensor[] arguments)
    {
        // Within another recording it is part of that.
        if (_refusal is not null || Executor.Current is not null)
            return _function(arguments.ToArray());
        var variant = Find(arguments);
        if (variant is null)
            return _function(arguments.ToArray());
        if (variant.Program is { } program)
        {
            if (!IsNew(variant, program, arguments))
            {
                if (program.Run(arguments, IsTimed) is { } results)
                {
                    Replays++;
                    return results;
                }
                // The host found something else: this call is not that program.
                return _function(arguments.ToArray());
            }
        }
        return Record(variant, arguments);
    }

    // Whether an argument lies somewhere else than when it was recorded, for the first time.
    private static bool IsNew(Variant variant, CompiledProgram program, Tensor[] arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            if (!variant.Proven[i] && !ReferenceEquals(arguments[i].Storage, program.Recorded.Arguments[i]))
                return true;
        }
        return false;
    }

    private Variant? Find(Tensor[] arguments)
    {
        string? reason = null;
        foreach (var known in _variants)
        {
            if (known.Guards.Failure(arguments) is { } failure)
                reason ??= failure;
            else if (known.Last is { } last && CallGuards.Failure(last, arguments) is { } other)
                reason ??= other;
            else if (known.Program is { IsCurrent: false } old)
            {
                // Kernels are chosen anew.
                known.Program = Compile(old.Recorded);
                old.Free();
                return known;
            }
            else
                return known;
        }
        // What was recorded under the same guards, and is no more, makes room.
        foreach (var gone in _variants.Where(v => v.Last is { } last && CallGuards.IsGone(last)))
            gone.Program?.Free();
        _variants.RemoveAll(v => v.Last is { } last && CallGuards.IsGone(last));
        if (_variants.Count == MostVariants)
        {
            if (!_toldOfVariants)
                Tell($"{MostVariants} programs were made, so other calls run without; the last reason was: {reason}");
            _toldOfVariants = true;
            return null;
        }
        if (reason is not null)
            Tell(
                $"compiled again: {reason}",
                once: _messages.Exists(m => m.StartsWith("compiled again", StringComparison.Ordinal))
            );
        var made = new Variant(CallGuards.Of(arguments)) { Proven = new bool[arguments.Length] };
        _variants.Add(made);
        return made;
    }

    private Tensor[] Record(Variant variant, Tensor[] arguments)
    {
        Recordings++;
        variant.Recordings++;
        Tensor[] given = arguments.ToArray();
        var recorder = new ProgramRecorder(given, withLines: variant.Last is not null)
        {
            OnRefusal = _fullGraph ? why => throw new GraphException($"The function cannot be compiled: {why}.") : null,
        };
        Tensor[] results;
        RecordedProgram recorded;
        using (var made = TensorScope.Watch())
        {
            using (recorder.Enter())
                results = _function(given);
            if (results.Any(HasHistory))
                recorder.Refuses(
                    "a result has a history for gradients; call Backward inside, or compile it under Tensor.NoGrad"
                );
            if (recorder.Changed.Any(HasHistory))
                recorder.Refuses(
                    "a tensor from outside was changed in place and has a history for gradients now; change it under Tensor.NoGrad, or Detach what is written"
                );
            recorded = recorder.Finish(results, made);
        }
        if (recorder.Refusal is { } refusal)
        {
            _refusal = refusal;
            Forget();
            Tell($"runs without a program: {refusal}");
            return results;
        }
        var before = variant.Program?.Recorded ?? variant.Last;
        variant.Last = recorded;
        if (before is null)
            return results;
        if (ProgramComparison.Difference(before, recorded) is { } difference)
        {
            variant.Program?.Free();
            variant.Program = null;
            Array.Clear(variant.Proven);
            if (variant.Recordings < MostRecordings)
                return results;
            if (_fullGraph)
                throw new GraphException(
                    $"The function cannot be compiled, for its calls are not the same program: {difference}."
                );
            _refusal = difference;
            Forget();
            Tell($"runs without a program: {difference}");
            return results;
        }
        for (int i = 0; i < arguments.Length; i++)
            variant.Proven[i] |= !ReferenceEquals(before.Arguments[i], recorded.Arguments[i]);
        variant.Recordings = 0;
        variant.Program ??= Compile(recorded);
        return results;
    }

    private CompiledProgram Compile(RecordedProgram recorded)
    {
        Compilations++;
        return new CompiledProgram(recorded, Partition);
    }

    // Backward through it was not done: nothing of its history was given back.
    private static bool HasHistory(Tensor result)
    {
        if (!result.RequiresGrad || result.NodeForGrad() is not { Leaf: null } node)
            return false;
        var met = new HashSet<Node> { node };
        var open = new Stack<Node>(met);
        while (open.TryPop(out var next))
        {
            if (next.IsReleased)
                return false;
            for (int i = 0; i < next.InputCount; i++)
            {
                if (next.Next(i) is { } before && met.Add(before))
                    open.Push(before);
            }
        }
        return true;
    }

    private void Tell(string sentence, bool once = false)
    {
        _messages.Add(sentence);
        if (!once)
            Dispatcher.OnWarning($"a compiled function: {sentence}");
    }

    /// <summary>What the programs consist of: kernels with their times, memory, why there is more than one.</summary>
    public string Explain()
    {
        lock (_gate)
            return Explanation.Of(
                _variants.Select(v => v.Program).OfType<CompiledProgram>(),
                _messages,
                Recordings,
                Replays
            );
    }

    /// <summary>A picture of the last program: calls, and the memory between them, as SVG.</summary>
    /// <exception cref="InvalidOperationException">There is no program yet.</exception>
    public string ToSvg()
    {
        lock (_gate)
            return _variants.FindLast(v => v.Program is not null)?.Program is { } program
                ? ProgramPicture.Of(program)
                : throw new InvalidOperationException(
                    "ToSvg: there is no program yet; the function has to be called twice alike."
                );
    }

    /// <summary>The last program; null for none yet.</summary>
    internal CompiledProgram? Program => _variants.FindLast(v => v.Program is not null)?.Program;

    /// <summary>Forgets the programs and gives their memory back.</summary>
    public void Dispose()
    {
        lock (_gate)
            Forget();
    }

    private void Forget()
    {
        foreach (var variant in _variants)
            variant.Program?.Free();
        _variants.Clear();
    }
}
