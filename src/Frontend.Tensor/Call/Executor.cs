namespace Picograd.Calls;

/// <summary>
/// What happens to the calls of a thread. Without one they run at once, on the device of their tensors; one may write them down
/// instead, or besides.
/// </summary>
internal abstract class Executor
{
    [ThreadStatic]
    private static Executor? t_current;

    /// <summary>The thread's; null where calls simply run.</summary>
    public static Executor? Current => t_current;

    /// <summary>A call whose words, operands and results are complete. Results have memory, but nothing in it.</summary>
    public abstract void Run(scoped ref OpCall call);

    /// <summary>Takes the calls of this thread until the result is disposed.</summary>
    public Scope Enter() => new(this);

    /// <summary>Another one takes them until the result is disposed; null: they simply run.</summary>
    public static Scope Enter(Executor? other) => new(other);

    /// <summary>Restores the executor before.</summary>
    public readonly struct Scope : IDisposable
    {
        private readonly Executor? _before;

        internal Scope(Executor? executor)
        {
            _before = t_current;
            t_current = executor;
        }

        public void Dispose() => t_current = _before;
    }
}
