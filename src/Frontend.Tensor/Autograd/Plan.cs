namespace Picograd.Gradients;

/// <summary>
/// Which nodes take part in a pass, who sends what to whom, and which gradients are taken out: PyTorch's exec_info. Made by one walk
/// from the roots.
/// </summary>
internal sealed class Plan
{
    private sealed class Entry
    {
        /// <summary>From how many places gradients may come.</summary>
        public int Expected;
        public bool Wanted;
        public bool Captured;
        public Tensor? Gradient;
    }

    private readonly Dictionary<Node, Entry> _entries = [];

    /// <param name="roots">Where the pass starts, or goes on.</param>
    /// <param name="inputs">Nodes whose gradients are wanted; null for those of all leaves.</param>
    /// <param name="accumulates">Whether leaves among the inputs get them, too, as their gradient.</param>
    public Plan(Node[] roots, Node[]? inputs, bool accumulates = true)
    {
        IsPartial = inputs is not null;
        Accumulates = accumulates;
        var order = new List<Node>();
        var open = new Stack<Node>();
        foreach (var root in roots)
            Meet(root);
        while (open.TryPop(out var node))
        {
            order.Add(node);
            HasFreed |= _entries[node].Wanted = node.IsReleased;
            for (int i = 0; i < node.InputCount; i++)
            {
                if (node.Next(i) is { } next)
                    Meet(next).Expected++;
            }
        }
        if (inputs is null)
            return;
        foreach (var input in inputs)
        {
            if (_entries.TryGetValue(input, out var entry))
            {
                entry.Wanted = true;
                entry.Captured = !accumulates || input.Leaf is null;
            }
        }
        // Earlier nodes first, but a node may have been given a later input (in place, by hand): until nothing changes.
        order.Sort(static (a, b) => a.Order.CompareTo(b.Order));
        for (bool changed = true; changed; )
        {
            changed = false;
            foreach (var node in order)
            {
                var entry = _entries[node];
                for (int i = 0; !entry.Wanted && i < node.InputCount; i++)
                {
                    if (node.Next(i) is { } next && _entries[next].Wanted)
                        entry.Wanted = changed = true;
                }
            }
        }

        Entry Meet(Node node)
        {
            if (_entries.TryGetValue(node, out var known))
                return known;
            open.Push(node);
            return _entries[node] = new Entry();
        }
    }

    /// <summary>Whether some nodes take no part.</summary>
    public bool IsPartial { get; }

    /// <summary>Whether a node was reached that let go of what it saved; it says so when it runs.</summary>
    public bool HasFreed { get; }

    /// <summary>Whether leaves add what they get to their gradient.</summary>
    public bool Accumulates { get; }

    /// <summary>Whether a leaf without hooks may add a gradient to its own as soon as it comes.</summary>
    public bool AddsAtOnce => Accumulates && !IsPartial;

    /// <summary>Whether nothing more comes to a node.</summary>
    public bool IsDone(Node node) => _entries[node].Expected == 0;

    /// <summary>Whether a node takes no part.</summary>
    public bool Skips(Node node) => IsPartial && !(_entries.TryGetValue(node, out var entry) && entry.Wanted);

    /// <summary>Whether a node was reached.</summary>
    public bool Reaches(Node node) => _entries.ContainsKey(node);

    /// <summary>The gradient that was taken out; null where none came.</summary>
    public Tensor? Captured(Node node) => _entries.TryGetValue(node, out var entry) ? entry.Gradient : null;

    /// <summary>Takes the gradient out where it is wanted; whether the node's own derivative is wanted, too.</summary>
    public bool Enters(Node node, Tensor grad)
    {
        if (!_entries.TryGetValue(node, out var entry))
            return node.Leaf is null;
        if (entry.Captured)
        {
            // Who asked for it holds it.
            grad.GradHolders++;
            entry.Gradient = grad;
        }
        if (node.Leaf is not null)
            return false;
        if (!IsPartial || !entry.Captured)
            return true;
        for (int i = 0; i < node.InputCount; i++)
        {
            if (node.Next(i) is { } next && _entries[next].Wanted)
                return true;
        }
        return false;
    }

    /// <summary>Leaves that get nothing more, now that a node has sent what it had.</summary>
    public IEnumerable<Node> LeavesDoneAfter(Node node)
    {
        List<Node>? done = null;
        for (int i = 0; i < node.InputCount; i++)
        {
            if (
                node.Next(i) is { } next
                && _entries.TryGetValue(next, out var entry)
                && --entry.Expected == 0
                && next.Leaf is not null
            )
                (done ??= []).Add(next);
        }
        return done ?? [];
    }
}
