namespace Picograd.Gradients;

/// <summary>
/// Runs derivatives from a root backwards: always the latest recorded node that has received a gradient, so that by then
/// all of its gradient is there. Gradients that nobody else can see go back to the pool as soon as they are used.
/// Passes that not all nodes take part in have a <see cref="Plan"/>; so have others from where they meet a leaf with hooks.
/// </summary>
/// <remarks>
/// What a node has received in a pass is a field of the node for the pass that has the lane, which one has at a time. Others, on other threads or
/// within it (a hook that asks for gradients), keep it beside, so that passes over the same nodes do not mix.
/// </remarks>
internal sealed class Engine
{
    private static long s_pass;
    private static int s_partial;

    // Passes under way, of all threads, and the one whose gradients are in the nodes.
    private static int s_running;
    private static Engine? s_lane;

    [ThreadStatic]
    private static Engine? t_running;

    [ThreadStatic]
    private static Engine? t_spare;

    private readonly PriorityQueue<Node, long> _ready = new();
    private long _pass;
    private bool _createGraph;
    private Plan? _plan;
    private bool _meetsHooks;
    private Dictionary<Node, (Tensor Grad, bool IsOwn)>? _beside;
    private Dictionary<FunctionContext, Tensor?[]>? _results;

    /// <summary>Whether a pass of some thread leaves nodes out.</summary>
    public static bool IsPartial => s_partial != 0;

    /// <summary>Whether the pass of this thread leaves a node out.</summary>
    public static bool Skips(Node node) => t_running?._plan is { } plan && plan.Skips(node);

    /// <summary>A pass from one root to all leaves.</summary>
    public static void Run(Tensor root, Tensor grad, bool retainGraph, bool createGraph)
    {
        var engine = t_spare ?? new Engine();
        t_spare = null;
        var outer = engine.Enter(createGraph, out bool recording);
        // Gradients are computed in the dtypes of what they are of.
        using var autocast = Autocast.Suspended();
        try
        {
            grad.GradHolders++;
            engine.Drain([root.NodeForGrad()!], [grad], retainGraph || createGraph);
            grad.GradHolders--;
            if (engine._plan is null && engine._beside is null && engine._results is not { Count: > 0 })
                t_spare = engine;
        }
        finally
        {
            engine.Leave(outer, recording);
        }
    }

    /// <summary>A pass from several roots, by a plan where not all nodes take part.</summary>
    public static void Run(Node[] roots, Tensor[] grads, Plan? plan, bool retainGraph, bool createGraph)
    {
        var engine = new Engine { _plan = plan };
        var outer = engine.Enter(createGraph, out bool recording);
        // Gradients are computed in the dtypes of what they are of.
        using var autocast = Autocast.Suspended();
        try
        {
            foreach (var grad in grads)
                grad.GradHolders++;
            engine.Drain(roots, grads, retainGraph || createGraph);
        }
        finally
        {
            engine.Leave(outer, recording);
        }
    }

    private Engine? Enter(bool createGraph, out bool recording)
    {
        var outer = t_running;
        recording = GradMode.Enabled;
        t_running = this;
        GradMode.Enabled = createGraph;
        _pass = Interlocked.Increment(ref s_pass);
        _createGraph = createGraph;
        Interlocked.Increment(ref s_running);
        if (Interlocked.CompareExchange(ref s_lane, this, null) is not null)
            _beside = [];
        if (_plan is { IsPartial: true })
            Interlocked.Increment(ref s_partial);
        return outer;
    }

    private void Leave(Engine? outer, bool recording)
    {
        if (_plan is { IsPartial: true })
            Interlocked.Decrement(ref s_partial);
        if (_beside is null)
            Volatile.Write(ref s_lane, null);
        Interlocked.Decrement(ref s_running);
        GradMode.Enabled = recording;
        t_running = outer;
    }

    /// <summary>Adds a gradient to what a node has received; the first one is taken by reference.</summary>
    public static void Deliver(Node node, Tensor grad)
    {
        var engine = Running();
        if (engine._plan is { } plan && plan.Skips(node))
        {
            grad.DropIfUnheld();
            return;
        }
        if (node.Leaf is { } leaf && engine._plan is null or { AddsAtOnce: true })
        {
            if (node.Extras is not { HasHooks: true })
            {
                engine.DeliverToLeaf(node, leaf, grad);
                return;
            }
            engine._meetsHooks = true;
        }
        if (engine.Received(node, out bool isOwn) is not { } before)
        {
            engine.Await(node, grad);
            return;
        }
        if (isOwn && !engine._createGraph)
        {
            before.AddInto(grad);
        }
        else
        {
            var sum = before + grad;
            before.ReleaseGrad(ofPass: true);
            sum.GradHolders++;
            engine.Receive(node, sum, isOwn: true);
        }
        grad.DropIfUnheld();
    }

    /// <summary>Lets a node run in this pass that has what it needs by itself, once; a gradient stands for it.</summary>
    public static void Awake(Node node, Tensor grad)
    {
        var engine = Running();
        if (engine._plan?.Skips(node) != true && engine.Received(node, out _) is null)
            engine.Await(node, grad);
    }

    /// <summary>Gradients of the results of a function with several, as they come in the pass of this thread.</summary>
    public static Tensor?[] ResultsOf(FunctionContext context, int count)
    {
        var all = Running()._results ??= [];
        return all.TryGetValue(context, out var known) ? known : all[context] = new Tensor?[count];
    }

    /// <summary>The same when all are there; they are forgotten.</summary>
    public static Tensor?[] TakeResultsOf(FunctionContext context)
    {
        Running()._results!.Remove(context, out var found);
        return found!;
    }

    private static Engine Running() =>
        t_running ?? throw new InvalidOperationException("Backward is not running on this thread.");

    private Tensor? Received(Node node, out bool isOwn)
    {
        if (_beside is null)
        {
            isOwn = node.GradIsOwn;
            return node.Grad;
        }
        bool any = _beside.TryGetValue(node, out var received);
        isOwn = received.IsOwn;
        return any ? received.Grad : null;
    }

    private void Receive(Node node, Tensor grad, bool isOwn)
    {
        if (_beside is null)
            (node.Grad, node.GradIsOwn) = (grad, isOwn);
        else
            _beside[node] = (grad, isOwn);
    }

    private Tensor? Take(Node node)
    {
        if (_beside is not null)
            return _beside.Remove(node, out var received) ? received.Grad : null;
        var grad = node.Grad;
        node.Grad = null;
        return grad;
    }

    private void Await(Node node, Tensor grad)
    {
        grad.GradHolders++;
        Receive(node, grad, isOwn: false);
        // Leaves are told by the plan when all is there; what it could not foresee comes last.
        _ready.Enqueue(node, node.Leaf is null ? -node.Order : long.MaxValue);
    }

    // Threads may share a leaf.
    private void DeliverToLeaf(Node node, Tensor leaf, Tensor grad)
    {
        lock (node)
            AddToLeaf(node, leaf, grad);
    }

    private void AddToLeaf(Node node, Tensor leaf, Tensor grad)
    {
        var before = leaf.GradOrNull;
        bool firstOfPass = node.Pass != _pass;
        node.Pass = _pass;
        if (before is null)
        {
            // By reference where nobody else holds it: a tensor that is another leaf's gradient, a view or waits for
            // another node is copied, since gradients are changed in place by later passes and by users.
            bool own = grad.GradHolders == 0 && !grad.IsView && grad.IsContiguous && grad.Storage.Owners == 1;
            leaf.SetGrad(own || _createGraph ? grad : grad.Clone());
            return;
        }
        // What was taken by reference may still wait for another node, in the pass that took it.
        bool alone = Volatile.Read(ref s_running) == 1;
        if (_createGraph)
        {
            leaf.SetGrad(before + grad);
        }
        else if (before.GradHolders <= 1 && (before.IsSumOfLeaf || (firstOfPass && alone)))
        {
            before.AddInto(grad);
        }
        else
        {
            var sum = before + grad;
            leaf.SetGrad(sum);
            sum.IsSumOfLeaf = true;
            if (alone)
                before.ReleaseGrad(ofPass: false);
        }
        grad.DropIfUnheld();
    }

    private void Drain(ReadOnlySpan<Node> roots, ReadOnlySpan<Tensor> grads, bool retainGraph)
    {
        try
        {
            for (int i = 0; i < roots.Length; i++)
                Deliver(roots[i], grads[i]);
            if (_meetsHooks)
                ExpectHooked(retainGraph);
            while (_ready.TryDequeue(out var node, out _))
                Process(node, retainGraph);
        }
        catch
        {
            // Nothing of a failed pass may leak into the next one.
            while (_ready.TryDequeue(out var node, out _))
                Take(node);
            throw;
        }
    }

    private void Process(Node node, bool retainGraph)
    {
        // A leaf is done as soon as its last gradient is there, before its turn.
        if (Take(node) is not { } grad)
            return;
        if (node.Extras is { } extras)
            grad = Extras(extras, node, grad);
        if (!(_plan?.Enters(node, grad) ?? node.Leaf is null))
        {
            if (node.Leaf is { } leaf && _plan is not { Accumulates: false })
                Accumulate(node, leaf, grad);
            return;
        }
        Apply(node, grad);
        // Leaves that have all gradients by now come before other nodes.
        if (_plan is not null)
        {
            foreach (var leaf in _plan.LeavesDoneAfter(node))
                Process(leaf, retainGraph);
        }
        else if (_meetsHooks)
        {
            ExpectHooked(retainGraph);
        }
        if (!retainGraph)
            node.Release();
        grad.ReleaseGrad(ofPass: true);
    }

    // What a rule of the library makes and sends nobody is freed as soon as it has run: views of gradients, above all, which hold
    // memory until the step ends (286 MB of a step of nanoGPT with 8 x 256 tokens). What functions of a program make is theirs.
    private void Apply(Node node, Tensor grad)
    {
        bool sweeps = !_createGraph && !node.RunsUserCode;
        // Where the program has no scope, one of the rule's own.
        using var own = sweeps && TensorScope.Current is null ? TensorScope.Watch() : null;
        var scope = sweeps ? TensorScope.Current : null;
        int made = scope?.Count ?? 0;
        if (Anomalies.IsOn)
            ApplyExplained(node, grad);
        else
            node.Apply(grad);
        scope?.Sweep(made);
    }

    // A leaf with hooks got a gradient: what is left of the pass is looked through for others to come.
    private void ExpectHooked(bool retainGraph)
    {
        if (_plan is not null)
            return;
        Node[] open = [.. _ready.UnorderedItems.Select(i => i.Element)];
        _plan = new Plan(open, null);
        foreach (var node in open)
        {
            if (node.Leaf is not null && _plan.IsDone(node))
                Process(node, retainGraph);
        }
    }

    private void Accumulate(Node node, Tensor leaf, Tensor grad)
    {
        grad.GradHolders--;
        DeliverToLeaf(node, leaf, grad);
        if (node.Extras?.AfterAccumulation is { } after)
        {
            foreach (var hook in after.All)
                hook(leaf);
        }
    }

    // Hooks, then who keeps it; gives the gradient as it goes on.
    private static Tensor Extras(NodeExtras extras, Node node, Tensor grad)
    {
        if (extras.Hooks is { } hooks)
        {
            foreach (var hook in hooks.All)
            {
                // Who has seen it may keep it.
                grad.GradHolders++;
                if (hook(grad) is not { } other || ReferenceEquals(other, grad))
                    continue;
                if (!other.Layout.SameSizes(grad.Layout) || other.DType != grad.DType || other.Device != grad.Device)
                    throw new InvalidOperationException(
                        $"Backward: a hook of {GradFn.NameOf(node)} returned {other.DType.Name()} {other.Layout} on {other.Device}, "
                            + $"but the gradient is {grad.DType.Name()} {grad.Layout} on {grad.Device}; a hook must keep shape, "
                            + "dtype and device."
                    );
                grad = other;
                grad.GradHolders += 2;
            }
        }
        if (extras.Retaining is { IsDisposed: false } wanted)
        {
            var own = grad.Clone();
            wanted.SetGrad(wanted.GradOrNull is { } before ? before + own : own);
        }
        return grad;
    }

    private static void ApplyExplained(Node node, Tensor grad)
    {
        try
        {
            node.Apply(grad);
        }
        catch (Exception error) when (error is not AnomalyException)
        {
            throw Anomalies.Explain(node, error);
        }
    }
}
