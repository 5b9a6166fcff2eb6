namespace Picograd.Gradients;

/// <summary>
/// Runs derivatives from a root backwards: always the latest recorded node that has received a gradient, so that by then
/// all of its gradient is there. Gradients that nobody else can see go back to the pool as soon as they are used.
/// Passes that not all nodes take part in, or in which leaves have hooks, have a <see cref="Plan"/>.
/// </summary>
internal sealed class Engine
{
    private static long s_pass;
    private static int s_partial;
    private static int s_leafHooks;

    [ThreadStatic]
    private static Engine? t_running;

    [ThreadStatic]
    private static Engine? t_spare;

    private readonly PriorityQueue<Node, long> _ready = new();
    private long _pass;
    private bool _createGraph;
    private Plan? _plan;

    /// <summary>Whether a pass of some thread leaves nodes out.</summary>
    public static bool IsPartial => s_partial != 0;

    /// <summary>Whether the pass of this thread leaves a node out.</summary>
    public static bool Skips(Node node) => t_running?._plan is { } plan && plan.Skips(node);

    /// <summary>Number of the pass of this thread.</summary>
    public static long Pass => t_running?._pass ?? 0;

    /// <summary>A hook of a leaf was added: from then on passes count who sends leaves gradients.</summary>
    public static void NoteLeafHook() => s_leafHooks = 1;

    /// <summary>A pass from one root to all leaves.</summary>
    public static void Run(Tensor root, Tensor grad, bool retainGraph, bool createGraph)
    {
        if (s_leafHooks != 0)
        {
            Run([root.NodeForGrad()!], [grad], new Plan([root.NodeForGrad()!], null), retainGraph, createGraph);
            return;
        }
        var outer = t_running;
        var engine = t_spare ?? new Engine();
        t_spare = null;
        t_running = engine;
        bool recording = GradMode.Enabled;
        GradMode.Enabled = createGraph;
        try
        {
            engine.Start(createGraph);
            grad.GradHolders++;
            Deliver(root.NodeForGrad()!, grad);
            engine.Drain(retainGraph || createGraph);
            grad.GradHolders--;
            t_spare = engine;
        }
        finally
        {
            GradMode.Enabled = recording;
            t_running = outer;
        }
    }

    /// <summary>A pass from several roots by a plan.</summary>
    public static void Run(Node[] roots, Tensor[] grads, Plan plan, bool retainGraph, bool createGraph)
    {
        var outer = t_running;
        var engine = new Engine { _plan = plan };
        t_running = engine;
        bool recording = GradMode.Enabled;
        GradMode.Enabled = createGraph;
        if (plan.IsPartial)
            Interlocked.Increment(ref s_partial);
        try
        {
            engine.Start(createGraph);
            foreach (var grad in grads)
                grad.GradHolders++;
            for (int i = 0; i < roots.Length; i++)
                Deliver(roots[i], grads[i]);
            engine.Drain(retainGraph || createGraph);
        }
        finally
        {
            if (plan.IsPartial)
                Interlocked.Decrement(ref s_partial);
            GradMode.Enabled = recording;
            t_running = outer;
        }
    }

    /// <summary>Adds a gradient to what a node has received; the first one is taken by reference.</summary>
    public static void Deliver(Node node, Tensor grad)
    {
        var engine = t_running ?? throw new InvalidOperationException("Backward is not running on this thread.");
        if (engine._plan is { } plan)
        {
            if (plan.Skips(node))
            {
                grad.DropIfUnheld();
                return;
            }
        }
        else if (node.Leaf is { } leaf)
        {
            engine.DeliverToLeaf(node, leaf, grad);
            return;
        }
        if (node.Grad is not { } before)
        {
            engine.Await(node, grad);
            return;
        }
        if (node.GradIsOwn && !engine._createGraph)
        {
            before.AddInto(grad);
        }
        else
        {
            var sum = before + grad;
            before.ReleaseGrad(ofPass: true);
            sum.GradHolders++;
            node.Grad = sum;
            node.GradIsOwn = true;
        }
        grad.DropIfUnheld();
    }

    /// <summary>Lets a node run in this pass that has what it needs by itself, once; a gradient stands for it.</summary>
    public static void Awake(Node node, Tensor grad)
    {
        var engine = t_running ?? throw new InvalidOperationException("Backward is not running on this thread.");
        if (engine._plan?.Skips(node) != true && node.Grad is null)
            engine.Await(node, grad);
    }

    private void Start(bool createGraph)
    {
        _pass = Interlocked.Increment(ref s_pass);
        _createGraph = createGraph;
    }

    private void Await(Node node, Tensor grad)
    {
        grad.GradHolders++;
        node.Grad = grad;
        node.GradIsOwn = false;
        // Leaves are told by the plan when all is there; what it could not foresee comes last.
        _ready.Enqueue(node, node.Leaf is null ? -node.Order : long.MaxValue);
    }

    private void DeliverToLeaf(Node node, Tensor leaf, Tensor grad)
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
        if (_createGraph)
        {
            leaf.SetGrad(before + grad);
        }
        else if (firstOfPass)
        {
            before.AddInto(grad);
        }
        else
        {
            var sum = before + grad;
            leaf.SetGrad(sum);
            before.ReleaseGrad(ofPass: false);
        }
        grad.DropIfUnheld();
    }

    private void Drain(bool retainGraph)
    {
        try
        {
            while (_ready.TryDequeue(out var node, out _))
                Process(node, retainGraph);
        }
        catch
        {
            // Nothing of a failed pass may leak into the next one.
            while (_ready.TryDequeue(out var node, out _))
                node.Grad = null;
            throw;
        }
    }

    private void Process(Node node, bool retainGraph)
    {
        // A leaf is done as soon as its last gradient is there, before its turn.
        if (node.Grad is not { } grad)
            return;
        node.Grad = null;
        if (node.Extras is { } extras)
            grad = Extras(extras, node, grad);
        if (_plan is { } plan && !plan.Enters(node, grad))
        {
            if (node.Leaf is { } leaf && plan.Accumulates)
                Accumulate(node, leaf, grad);
            return;
        }
        if (Anomalies.IsOn)
            ApplyExplained(node, grad);
        else
            node.Apply(grad);
        // Leaves that have all gradients by now come before other nodes.
        foreach (var leaf in _plan?.LeavesDoneAfter(node) ?? [])
            Process(leaf, retainGraph);
        if (!retainGraph)
            node.Release();
        grad.ReleaseGrad(ofPass: true);
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
