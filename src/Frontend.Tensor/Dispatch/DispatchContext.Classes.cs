using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>
/// Kernels of shapes that are of a class: the first ones of an operator, and those that run often, have one of their own, the others
/// share that of the class. Where floats are added up, all are made of the same nest, ordered before extents become constants, so that no result
/// depends on which ran.
/// </summary>
internal sealed partial class DispatchContext
{
    // Shapes of an operator that have kernels of their own before there is one for all of a class: most models have no more, and in
    // those that have, sizes vary.
    private const int OwnKernels = 2;

    // Calls on the kernel of its class after which a shape gets one of its own, which takes 1 to 15 ms on another thread: as many
    // as so many points take, within bounds.
    private const long PointsUntilOwn = 1L << 24;
    private const int LeastCallsUntilOwn = 256;
    private const int MostCallsUntilOwn = 4096;

    private readonly Dictionary<string, Lazy<ShapeClass>> _classing = [];

    // By operator with what is not open: how many of its shapes have a kernel of their own from the start.
    private readonly Dictionary<string, int> _firsts = [];
    private Task _making = Task.CompletedTask;

    // One for all kernels.
    private Action<DispatchedKernel, ShapeClass>? _queueOwn;

    /// <summary>Whether a shape has a kernel of its own from the start though it is of a class, as the first few have.</summary>
    private bool IsAmongFirst(OpenOperator open)
    {
        lock (_gate)
        {
            if (_firsts.Count >= MostFamilies)
                _firsts.Clear();
            int before = _firsts.GetValueOrDefault(open.Family);
            _firsts[open.Family] = before + 1;
            return before < OwnKernels;
        }
    }

    private static bool SumsFloats(Problem problem) =>
        problem.Algorithm.Stages.Any(s => s.Kind != StageKind.Map && s.Outputs.Any(o => o.Type.IsFloat()));

    // The class of a shape: the default schedule of the shape that stands for it, over symbolic extents.
    private ShapeClass ClassOf(OpenOperator open) =>
        Once(_classing, open.Name, () => _cache.Class(open.Name), () => MakeClass(open));

    private ShapeClass MakeClass(OpenOperator open)
    {
        LoopNest? nest = null;
        try
        {
            nest = OpenSchedule.For(open, algorithm => _rule(algorithm, Backend.Target));
        }
        catch (Exception refusal) when (refusal is ScheduleException or TraceException)
        {
            // Each shape has a schedule of its own then.
        }
        var made = new ShapeClass(open.Name, nest);
        lock (_gate)
            _cache.Add(made);
        return made;
    }

    // The kernel of all shapes of a class; null where it does not compile.
    private CompiledSchedule? Shared(ShapeClass members)
    {
        lock (members)
        {
            if (members.IsCompiled)
                return members.Schedule;
            CompiledSchedule? schedule = null;
            try
            {
                schedule = Compiled(members.Nest!);
            }
            catch (LoweringException)
            {
                // Each shape has a kernel of its own then.
            }
            lock (_gate)
                _cache.Compiled(members, schedule);
            return schedule;
        }
    }

    private DispatchedKernel OfClass(
        string text,
        OpenOperator open,
        ShapeClass members,
        CompiledSchedule shared,
        List<string> notes
    ) =>
        Told(
            Kernel(text, shared, KernelSource.Default, [.. notes, .. members.Notes], extents: open.Extents),
            members,
            open.Points
        );

    // The kernel of a call whose words say that it is of a class which has one, without a text of it.
    private DispatchedKernel? OfKnownClass(OperatorWords plan, ReadOnlySpan<long> words)
    {
        lock (_gate)
        {
            if (Table.Find(words) is { } known)
                return known;
            if (_cache.Member(words) is not var (pattern, extents) || pattern.Members.Schedule is not { } shared)
                return null;
            var text = new CallText(plan, words.ToArray());
            var kernel = Told(
                new DispatchedKernel(text, shared, KernelSource.Default, pattern.Members.Notes, null)
                {
                    Values = extents,
                    Realigning = Realigning,
                },
                pattern.Members,
                pattern.Points(extents)
            );
            _cache.Add(text.Words, kernel);
            return kernel;
        }
    }

    // What tells the members of a class by their words, where no shape of its family has a record.
    private ClassPattern? PatternOf(OperatorWords plan, ReadOnlySpan<long> words, Problem problem, ShapeClass members)
    {
        if (_store is { MayFind: true })
        {
            var family = FamilyOf(KeyIn(problem));
            lock (_gate)
            {
                if (!_withoutRecords.Contains(family))
                    return null;
            }
        }
        return new ClassPattern(plan, words, OpenOperator.Of(problem.Operator!)!, members) is { IsWhole: true } whole
            ? whole
            : null;
    }

    private DispatchedKernel Told(DispatchedKernel kernel, ShapeClass members, long points) =>
        kernel.TellAfter(
            (int)Math.Clamp(PointsUntilOwn / points, LeastCallsUntilOwn, MostCallsUntilOwn),
            members,
            _queueOwn ??= QueueOwn
        );

    // A kernel for one shape that gives the bits of that for its class; null where it does not compile.
    private DispatchedKernel? Own(string text, OpenOperator open, ShapeClass members, List<string> notes)
    {
        try
        {
            var own = Compiled(members.Nest!, [.. open.Extents]);
            notes = [.. notes, $"a kernel of its own, in the order of {members.Name}"];
            return Kernel(text, own, KernelSource.Default, notes, extents: open.Extents);
        }
        catch (LoweringException refusal)
        {
            notes.Add($"a kernel in the order of {members.Name} was refused: {FirstLine(refusal.Message)}");
            return null;
        }
    }

    // Beside the program's threads, one after the other.
    private void QueueOwn(DispatchedKernel kernel, ShapeClass members)
    {
        lock (_gate)
            _making = _making.ContinueWith(
                _ =>
                {
                    try
                    {
                        MakeOwn(kernel, members);
                    }
                    // What runs is right, so a failure costs speed only, and there is no caller to tell: the kernel's notes do.
                    catch (Exception failure)
                    {
                        kernel.Note($"no kernel of its own: {FirstLine(failure.Message)}");
                    }
                },
                TaskScheduler.Default
            );
    }

    private void MakeOwn(DispatchedKernel kernel, ShapeClass members)
    {
        string text = kernel.Instance;
        lock (_gate)
        {
            // The same instance may be called in several ways. A record that was stored meanwhile has guards, and bits, of its own.
            if (_cache.Instance(text) is { Source: KernelSource.Default } known)
            {
                kernel.Become(known.Schedule, Timed(text, kernel.Source, null, known.Schedule), known.Notes);
                return;
            }
        }
        var spec = kernel.Spec;
        var own = SumsFloats(spec)
            ? Compiled(members.Nest!, kernel.Extents.ToArray())
            : FromRules(spec.Problem, []).Schedule;
        lock (_gate)
        {
            kernel.Become(
                own,
                Timed(text, kernel.Source, null, own),
                [
                    .. kernel.Notes.Except(members.Notes),
                    $"a kernel of its own, as it runs often; before, that of {members.Name}",
                ]
            );
            if (_cache.Instance(text) is null)
                _cache.Add(text, kernel);
        }
    }
}
