using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Schedules.Interpret;

/// <summary>A compiled statement; a team executes it in lockstep.</summary>
internal abstract class Node
{
    public abstract void Execute(Team team);
}

internal sealed class SeqNode(Node[] items) : Node
{
    public override void Execute(Team team)
    {
        foreach (var item in items)
            item.Execute(team);
    }
}

/// <summary>Serial, unrolled and those concurrent loops whose iterations never wait for one another.</summary>
internal sealed class LoopNode(For loop, int slot, IntFn extent, Node body, LaunchShape? shape) : Node
{
    private readonly bool _concurrent = loop.Kind.IsConcurrent();

    public override void Execute(Team team)
    {
        if (team.Active.Length == 1)
        {
            One(team, team.Active[0]);
            return;
        }
        var extents = Array.ConvertAll(team.Active, f => extent(f));
        long longest = extents.Max();
        bool uniform = extents.All(e => e == longest);
        var instances = new long[extents.Length];
        var outer = Array.ConvertAll(team.Active, f => f.Context);
        if (_concurrent)
        {
            for (int i = 0; i < instances.Length; i++)
                instances[i] = team.Active[i].Run.NextInstance();
        }
        foreach (long iteration in Iterations(team.Active[0].Run, longest))
        {
            for (int i = 0; i < team.Active.Length; i++)
            {
                var frame = team.Active[i];
                frame.Vars[slot] = iteration;
                if (_concurrent)
                    frame.Context = Child(outer[i], instances[i], extents[i], iteration);
            }
            body.Execute(
                uniform ? team : new Team([.. team.Active.Where((_, i) => iteration < extents[i])], team.Population)
            );
        }
        for (int i = 0; i < outer.Length; i++)
            team.Active[i].Context = outer[i];
    }

    private void One(Team team, Frame frame)
    {
        long count = extent(frame);
        if (!_concurrent)
        {
            for (long i = 0; i < count; i++)
            {
                frame.Vars[slot] = i;
                body.Execute(team);
            }
            return;
        }
        var outer = frame.Context;
        long instance = frame.Run.NextInstance();
        var launch = outer.Launch ?? (shape is null ? null : new Launch(shape, frame.Run.ThreadLoopsJoin));
        foreach (long i in frame.Run.Order(count))
        {
            frame.Vars[slot] = i;
            frame.Context = new Context(outer, loop, instance, count, i, launch);
            body.Execute(team);
        }
        frame.Context = outer;
    }

    private Context Child(Context outer, long instance, long count, long iteration) =>
        new(outer, loop, instance, count, iteration, outer.Launch);

    private IEnumerable<long> Iterations(Run run, long count)
    {
        if (_concurrent)
            return run.Order(count);
        return Ascending(count);
    }

    private static IEnumerable<long> Ascending(long count)
    {
        for (long i = 0; i < count; i++)
            yield return i;
    }
}

/// <summary>A loop whose iterations are threads of a GPU block: they run in lockstep, statement by statement.</summary>
internal sealed class ThreadLoopNode(For loop, int slot, IntFn extent, Node body, LaunchShape shape) : Node
{
    public override void Execute(Team team)
    {
        var run = team.Active[0].Run;
        var launch = team.Active[0].Context.Launch ?? new Launch(shape, run.ThreadLoopsJoin);
        var active = new List<Frame>();
        foreach (var frame in team.Active)
        {
            long count = extent(frame);
            long instance = run.NextInstance();
            for (long i = 0; i < count; i++)
            {
                var thread = frame.Fork(new Context(frame.Context, loop, instance, count, i, launch));
                thread.Vars[slot] = i;
                active.Add(thread);
            }
        }
        if (active.Count == 0)
            return;
        var threads = active.ToArray();
        run.Shuffle(threads);
        // Threads that did not come here stay in the population as they are, so that a barrier misses them.
        var absent = team.Population.Except(team.Active);
        body.Execute(new Team(threads, [.. threads, .. absent]));
    }
}

internal sealed class IfNode(IntFn cond, Node then, Node? otherwise) : Node
{
    public override void Execute(Team team)
    {
        if (team.Active.Length == 1)
        {
            if (cond(team.Active[0]) != 0)
                then.Execute(team);
            else
                otherwise?.Execute(team);
            return;
        }
        var yes = new List<Frame>();
        var no = new List<Frame>();
        foreach (var frame in team.Active)
            (cond(frame) != 0 ? yes : no).Add(frame);
        if (yes.Count > 0)
            then.Execute(no.Count == 0 ? team : new Team([.. yes], team.Population));
        if (no.Count > 0)
            otherwise?.Execute(yes.Count == 0 ? team : new Team([.. no], team.Population));
    }
}

/// <summary>
/// Opens storage: one for all threads of a block where the scope is shared, one a warp for a fragment, else each thread
/// that comes here has its own.
/// </summary>
internal sealed class AllocateNode(Buffer buffer, int slot, IntFn[] shape, bool shared, Node body) : Node
{
    public override void Execute(Team team)
    {
        var common = new Dictionary<ThreadGroup, Storage>();
        foreach (var frame in team.Active)
        {
            var owner = buffer.Scope switch
            {
                Scope.Shared => frame.Context.Block,
                Scope.Fragment => frame.Context.Warp,
                _ => null,
            };
            if (owner is null)
                frame.Buffers[slot] = Open(frame, false);
            else if (common.TryGetValue(owner, out var storage))
                frame.Buffers[slot] = storage;
            else
                frame.Buffers[slot] = common[owner] = Open(frame, true);
        }
        body.Execute(team);
        foreach (var frame in team.Active)
            frame.Buffers[slot] = null;
    }

    private Storage Open(Frame frame, bool isCommon)
    {
        var extents = Array.ConvertAll(shape, e => e(frame));
        var array = new HostArray(buffer.Type, extents, buffer.Strides.IsDefault ? null : buffer.Strides);
        return new Storage(buffer, array, false, shared || isCommon, frame.Run);
    }
}

/// <summary>All threads of the scope that were started must be here.</summary>
internal sealed class BarrierNode(BarrierScope scope, bool excludesThreads, Site site) : Node
{
    public override void Execute(Team team)
    {
        var groups = new Dictionary<ThreadGroup, int>();
        foreach (var frame in team.Active)
        {
            if (frame.Context.Group(scope) is { } group)
                groups[group] = groups.GetValueOrDefault(group) + 1;
        }
        var first = team.Active[0];
        if (first.Run.Checks(Sanitizers.Barrier))
        {
            string name = scope.ToString().ToLowerInvariant();
            if (excludesThreads)
                throw Fault(first, $"the {name} has more threads than the loops around the barrier start");
            foreach (var frame in team.Population)
            {
                if (frame.Context.Group(scope) is { } group && groups.TryGetValue(group, out int left))
                    groups[group] = left - 1;
            }
            if (team.Population.Length > 0 && groups.Values.Any(left => left != 0))
                throw Fault(first, $"{-groups.Values.Min()} threads of the {name} do not reach the barrier");
        }
        foreach (var group in groups.Keys)
            group.Epoch++;
    }

    private SanitizerException Fault(Frame frame, string what) =>
        frame.Run.Fault(SanitizerKind.DivergentBarrier, what, null, [], site, frame);
}

internal sealed class StoreNode(int slot, IntFn[] indices, Value value, Site site) : Node
{
    public override void Execute(Team team)
    {
        foreach (var frame in team.Active)
        {
            if (value.Float is not null)
                frame.Buffers[slot]!.StoreFloat(indices, value.Float(frame), frame, site);
            else
                frame.Buffers[slot]!.StoreInt(indices, value.Int!(frame), frame, site);
        }
    }
}

/// <summary>A compiled value: Float for float types, Int for all others.</summary>
internal readonly record struct Value(FloatFn? Float, IntFn? Int);

internal readonly record struct AxisSlot(string Name, int Slot, IntFn Extent, IntFn Binding, bool IsReduce);

/// <summary>Where a component of a block goes, and what is combined into it.</summary>
internal readonly record struct Target(int Slot, IntFn[] Indices, Value Value, Value Identity, Value Combined);

/// <summary>
/// The statement of a stage, see <see cref="Block"/>. Where threads reduce together, their updates of one element are the
/// work of the code around those loops, and whichever of them comes first finds the initial value.
/// </summary>
/// <param name="combined">
/// Concurrent loops from the outermost one on whose threads reduce together; 0 where none do.
/// </param>
internal sealed class BlockNode(
    string name,
    IntFn? predicate,
    AxisSlot[] axes,
    Target[] targets,
    bool reduces,
    bool init,
    int combined,
    Site site
) : Node
{
    public override void Execute(Team team)
    {
        if (init && combined > 0)
        {
            foreach (var frame in team.Active)
            {
                if ((predicate is null || predicate(frame) != 0) && Bind(frame))
                    Initialise(frame);
            }
        }
        foreach (var frame in team.Active)
        {
            if (predicate is not null && predicate(frame) == 0)
                continue;
            bool starts = Bind(frame);
            if (init && combined == 0 && starts)
                Initialise(frame);
            Execute(frame);
        }
    }

    // Sets the axes; whether all reduce axes are at their start.
    private bool Bind(Frame frame)
    {
        bool starts = true;
        foreach (var axis in axes)
        {
            long value = axis.Binding(frame);
            if (frame.Run.Checks(Sanitizers.Bounds) && (value < 0 || value >= axis.Extent(frame)))
                throw frame.Run.Fault(
                    SanitizerKind.AxisOutOfRange,
                    $"axis {axis.Name} of block {name} is {value}, outside of [0, {axis.Extent(frame)})",
                    null,
                    [value],
                    site,
                    frame
                );
            frame.Vars[axis.Slot] = value;
            starts &= !axis.IsReduce || value == 0;
        }
        return starts;
    }

    private void Initialise(Frame frame)
    {
        var own = frame.Context;
        frame.Context = own.Outside(combined);
        foreach (ref readonly var target in targets.AsSpan())
            Store(frame, target, target.Identity);
        frame.Context = own;
    }

    private void Execute(Frame frame)
    {
        var (floats, ints) = (frame.TempFloats, frame.TempInts);
        for (int i = 0; i < targets.Length; i++)
        {
            ref readonly var target = ref targets[i];
            if (target.Value.Float is not null)
                floats[2 * i + 1] = target.Value.Float(frame);
            else
                ints[2 * i + 1] = target.Value.Int!(frame);
        }
        var own = frame.Context;
        frame.Context = own.Outside(combined);
        for (int i = 0; reduces && i < targets.Length; i++)
        {
            ref readonly var target = ref targets[i];
            if (target.Value.Float is not null)
                floats[2 * i] = frame.Buffers[target.Slot]!.LoadFloat(target.Indices, frame, site);
            else
                ints[2 * i] = frame.Buffers[target.Slot]!.LoadInt(target.Indices, frame, site);
        }
        // All components are combined before the first is overwritten.
        int results = 2 * targets.Length;
        for (int i = 0; i < targets.Length; i++)
        {
            ref readonly var target = ref targets[i];
            if (target.Value.Float is not null)
                floats[results + i] = reduces ? target.Combined.Float!(frame) : floats[2 * i + 1];
            else
                ints[results + i] = reduces ? target.Combined.Int!(frame) : ints[2 * i + 1];
        }
        for (int i = 0; i < targets.Length; i++)
        {
            ref readonly var target = ref targets[i];
            var storage = frame.Buffers[target.Slot]!;
            if (target.Value.Float is not null)
                storage.StoreFloat(target.Indices, floats[results + i], frame, site);
            else
                storage.StoreInt(target.Indices, ints[results + i], frame, site);
        }
        frame.Context = own;
    }

    private void Store(Frame frame, in Target target, in Value value)
    {
        var storage = frame.Buffers[target.Slot]!;
        if (value.Float is not null)
            storage.StoreFloat(target.Indices, value.Float(frame), frame, site);
        else
            storage.StoreInt(target.Indices, value.Int!(frame), frame, site);
    }
}
