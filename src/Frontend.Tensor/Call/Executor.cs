namespace Picograd.Calls;

/// <summary>
/// What happens to the calls of a thread. Without one they run at once, on the device of their tensors; one may write them down
/// instead, or besides. One that writes down whole programs is also told what happens between calls.
/// </summary>
internal abstract class Executor
{
    [ThreadStatic]
    private static Executor? t_current;

    // How many are entered in the program, so that without one there is only this to look at.
    private static int s_entered;

    /// <summary>The thread's; null where calls simply run.</summary>
    public static Executor? Current => t_current;

    /// <summary>The thread's, to be told what happens between calls; null where nobody is.</summary>
    public static Executor? Listening => s_entered == 0 ? null : t_current;

    /// <summary>A call whose words, operands and results are complete. Results have memory, but nothing in it.</summary>
    public abstract void Run(scoped ref OpCall call);

    /// <summary>There is new memory.</summary>
    public virtual void Born(Storage storage) { }

    /// <summary>A storage is about to get other memory in the place of its own.</summary>
    public virtual void Swaps(Storage storage) { }

    /// <summary>The host is about to read elements.</summary>
    public virtual void HostReads(Tensor tensor) { }

    /// <summary>The host has written elements, or is about to.</summary>
    public virtual void HostWrites(Tensor tensor) { }

    /// <summary>Indices are about to be looked at; see <see cref="IndexScan"/>.</summary>
    public virtual void Scans(Tensor indices, IndexScan scan) { }

    /// <summary>
    /// Somebody asks for the gradient of a tensor, or (<paramref name="drops"/>) drops it without having asked.
    /// </summary>
    public virtual void AsksForGrad(Tensor of, bool drops) { }

    /// <summary>A tensor is about to become one that requires a gradient, or none.</summary>
    public virtual void Marks(Tensor tensor) { }

    /// <summary>Somebody asks whether a module (an object, since calls know none) is being trained.</summary>
    public virtual void AsksForMode(object module) { }

    /// <summary>The next call draws from a generator, from a place on.</summary>
    public virtual void Draws(Generator generator, long at) { }

    /// <summary>What changes numbers of the host is about to begin. Returns whether the caller says <see cref="EndNumbers"/> after it.</summary>
    public virtual bool BeginNumbers(ILiveNumbers numbers) => false;

    /// <summary>The end of what <see cref="BeginNumbers"/> began.</summary>
    public virtual void EndNumbers() { }

    /// <summary>
    /// The numbers of a call of an optimizer. Returns whether they were all that was wanted, so that nothing is to be computed.
    /// </summary>
    public virtual bool TakesNumbers(Operator op, ReadOnlySpan<byte> cells) => false;

    /// <summary>The host does what cannot be repeated without running it; the text says what to do instead.</summary>
    public virtual void Refuses(string what) { }

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
            Interlocked.Increment(ref s_entered);
            _before = t_current;
            t_current = executor;
        }

        public void Dispose()
        {
            t_current = _before;
            Interlocked.Decrement(ref s_entered);
        }
    }
}

/// <summary>Work of the host that changes numbers from call to call, which can be done again without the calls.</summary>
internal interface ILiveNumbers
{
    /// <summary>What it is, for people.</summary>
    string Title { get; }

    /// <summary>Changes when its tensors become others than those that were recorded.</summary>
    int Revision { get; }

    /// <summary>Remembers the numbers as they are, until the next call.</summary>
    void Save();

    /// <summary>Puts back what <see cref="Save"/> remembered, and takes away tensors that were made since then.</summary>
    void Restore();

    /// <summary>
    /// Does the host's part again for what was recorded: goes through its calls in the same order, each with
    /// <see cref="Executor.TakesNumbers"/>.
    /// </summary>
    void Repeat();
}

/// <summary>What is asked of indices before a kernel reads through them.</summary>
/// <param name="What">Who asks.</param>
/// <param name="Limit">How many places there are.</param>
/// <param name="Wraps">Whether negative ones count from the end.</param>
/// <param name="Ignored">One that need not be in range; null for none.</param>
internal sealed record IndexScan(string What, long Limit, bool Wraps, long? Ignored);
