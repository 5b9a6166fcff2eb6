namespace Picograd.Gradients;

/// <summary>
/// Who wants to know of nodes when they are made: anomaly detection and drawn graphs. While nobody does, recording asks one static
/// field.
/// </summary>
internal static class Recording
{
    private static int s_watchers;

    [ThreadStatic]
    private static int t_keepers;

    /// <summary>Whether anybody wants to know.</summary>
    public static bool IsWatched => s_watchers != 0;

    /// <summary>One watcher more or less.</summary>
    public static void Watch(int more) => Interlocked.Add(ref s_watchers, more);

    /// <summary>Whether nodes of this thread keep the tensors that they are of, and these their gradients.</summary>
    public static bool Keeps => t_keepers != 0;

    public static void Keep(int more)
    {
        t_keepers += more;
        Watch(more);
    }

    public static void Made(Node node)
    {
        if (Anomalies.IsOn)
            node.Extra.Caller = Anomalies.Caller();
    }
}
