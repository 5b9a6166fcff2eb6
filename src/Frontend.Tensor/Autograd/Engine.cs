namespace Picograd.Autograd;

/// <summary>
/// Runs derivatives from a root backwards: always the latest recorded node that has received a gradient, so that by then
/// all of its gradient is there. Gradients that nobody else can see go back to the pool as soon as they are used.
/// </summary>
internal sealed class Engine
{
    private static long s_pass;

    [ThreadStatic]
    private static Engine? t_running;

    [ThreadStatic]
    private static Engine? t_spare;

    private readonly PriorityQueue<Node, long> _ready = new();
    private long _pass;
    private bool _createGraph;

    public static void Run(Tensor root, Tensor grad, bool retainGraph, bool createGraph)
    {
        var outer = t_running;
        var engine = t_spare ?? new Engine();
        t_spare = null;
        t_running = engine;
        bool recording = GradMode.Enabled;
        GradMode.Enabled = createGraph;
        try
        {
            engine._pass = Interlocked.Increment(ref s_pass);
            engine._createGraph = createGraph;
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

    /// <summary>Adds a gradient to what a node has received; the first one is taken by reference.</summary>
    public static void Deliver(Node node, Tensor grad)
    {
        var engine = t_running ?? throw new InvalidOperationException("Backward is not running on this thread.");
        if (node.Leaf is { } leaf)
        {
            engine.DeliverToLeaf(node, leaf, grad);
            return;
        }
        if (node.Grad is not { } before)
        {
            grad.GradHolders++;
            node.Grad = grad;
            node.GradIsOwn = false;
            engine._ready.Enqueue(node, -node.Order);
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
            {
                var grad = node.Grad!;
                node.Grad = null;
                if (node.Retaining is { IsDisposed: false } wanted)
                {
                    var own = grad.Clone();
                    wanted.SetGrad(wanted.GradOrNull is { } before ? before + own : own);
                }
                node.Apply(grad);
                if (!retainGraph)
                    node.Release();
                grad.ReleaseGrad(ofPass: true);
            }
        }
        catch
        {
            // Nothing of a failed pass may leak into the next one.
            while (_ready.TryDequeue(out var node, out _))
                node.Grad = null;
            throw;
        }
    }
}
