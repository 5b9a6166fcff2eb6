namespace Picograd.Schedules.Interpret;

/// <summary>
/// Asynchronous copies of the threads of one block. Each thread has copies begun and not committed, and groups of
/// committed ones, oldest first. A copy is done when its group was waited for by its thread: to the others it then
/// counts as written at that moment.
/// </summary>
internal sealed class AsyncCopyQueues
{
    private readonly Dictionary<(long, long, long), Queue> _threads = [];

    public void Begin(Context by, Storage storage, long element) => Of(by).Open.Add(new(storage, element, by));

    /// <summary>Null: every thread of the block commits.</summary>
    public void Commit(Context? thread)
    {
        foreach (var queue in Selected(thread))
        {
            queue.Groups.Enqueue(queue.Open);
            queue.Open = [];
        }
    }

    /// <summary>Null: every thread of the block waits.</summary>
    public void Wait(Context? thread, int pending)
    {
        foreach (var queue in Selected(thread))
        {
            while (queue.Groups.Count > pending)
            {
                foreach (var copy in queue.Groups.Dequeue())
                    copy.Storage.Complete(copy.Element, copy.By);
            }
        }
    }

    private IEnumerable<Queue> Selected(Context? thread) => thread is null ? _threads.Values : [Of(thread)];

    private Queue Of(Context context)
    {
        var c = context.Thread;
        var key = ((c[0] << 32) + c[1], (c[2] << 32) + c[3], (c[4] << 32) + c[5]);
        if (!_threads.TryGetValue(key, out var queue))
            _threads[key] = queue = new Queue();
        return queue;
    }

    private readonly record struct Copy(Storage Storage, long Element, Context By);

    private sealed class Queue
    {
        public List<Copy> Open { get; set; } = [];

        public Queue<List<Copy>> Groups { get; } = new();
    }
}

/// <summary>Stores of the body to shared memory are asynchronous copies.</summary>
internal sealed class AsyncNode(Node body) : Node
{
    public override void Execute(Team team)
    {
        foreach (var frame in team.Active)
            frame.IsAsync = true;
        body.Execute(team);
        foreach (var frame in team.Active)
            frame.IsAsync = false;
    }
}

/// <summary>Each thread here, or outside of thread loops each of the block, closes its group.</summary>
internal sealed class CommitNode : Node
{
    public override void Execute(Team team)
    {
        foreach (var frame in team.Active)
            frame.Context.Block?.Copies.Commit(team.Population.Length == 0 ? null : frame.Context);
    }
}

/// <summary>Each thread here, or outside of thread loops each of the block, waits for its groups but the newest ones.</summary>
internal sealed class WaitNode(int pending) : Node
{
    public override void Execute(Team team)
    {
        foreach (var frame in team.Active)
            frame.Context.Block?.Copies.Wait(team.Population.Length == 0 ? null : frame.Context, pending);
    }
}
