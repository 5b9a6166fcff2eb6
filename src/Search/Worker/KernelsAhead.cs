using System.Collections.Concurrent;
using Picograd.Search.Measurement;

namespace Picograd.Search.Worker;

/// <summary>
/// Candidates that wait for their turn, compiled meanwhile on a core that no kernel uses: compiling takes several times as long as
/// timing. Whoever wants one first compiles it, this thread or the one that times.
/// </summary>
internal sealed class KernelsAhead : IDisposable
{
    private readonly Func<string, ReadyKernel> _prepare;
    private readonly ConcurrentDictionary<string, Lazy<ReadyKernel>> _waiting = [];
    private readonly BlockingCollection<Lazy<ReadyKernel>> _queue = [];
    private readonly Thread _thread;

    /// <param name="prepare">From a trace to its kernel; what fails is part of its answer.</param>
    public KernelsAhead(Func<string, ReadyKernel> prepare)
    {
        _prepare = prepare;
        _thread = new Thread(Run) { IsBackground = true, Name = "picograd: candidates ahead" };
        _thread.Start();
    }

    /// <summary>Begins as soon as the ones before are done.</summary>
    public void Begin(string trace)
    {
        var work = _waiting.GetOrAdd(trace, t => new Lazy<ReadyKernel>(() => _prepare(t)));
        _queue.Add(work);
    }

    /// <summary>The kernel, which is the caller's to dispose of.</summary>
    public ReadyKernel Take(string trace) => _waiting.TryRemove(trace, out var work) ? work.Value : _prepare(trace);

    /// <summary>Ends the thread after what it is compiling; kernels that nobody took are freed.</summary>
    public void Dispose()
    {
        _queue.CompleteAdding();
        _thread.Join();
        foreach (var work in _waiting.Values)
        {
            if (work.IsValueCreated)
                work.Value.Kernel?.Dispose();
        }
        _queue.Dispose();
    }

    private void Run()
    {
        foreach (var work in _queue.GetConsumingEnumerable())
        {
            // What was taken before its turn is done already, or is being done.
            if (!_queue.IsAddingCompleted)
                _ = work.Value;
        }
    }
}
